//! What one connection costs the node, and what it is still told when its token has run out.

use futures_util::{SinkExt as _, StreamExt as _};
use latchkey_protocol::rest::{CreateProperty, Login, Register};
use latchkey_protocol::view::Coordinates;
use latchkey_protocol::{CloseCode, PropertyId};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::api::ws::WsLimits;
use crate::service::accounts::Origin;
use crate::service::{Caller, IdempotencyKey};

/// A clock that stands still, so that nobody's rate recovers.
struct Frozen(i64);

impl Clock for Frozen {
    fn now(&self) -> i64 {
        self.0
    }
}

struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>, u64);

impl Client {
    async fn connect(address: SocketAddr) -> (Self, String) {
        let (socket, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        let mut client = Self(socket, 0);
        let hello = client.next().await.unwrap();
        (client, hello["hello"]["epoch"].as_str().unwrap().to_owned())
    }

    /// The next text, or the code of the close frame.
    async fn next(&mut self) -> Result<Value, u16> {
        loop {
            match timeout(Duration::from_secs(10), self.0.next()).await.expect("a frame").unwrap().unwrap() {
                Message::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Message::Close(frame) => return Err(frame.unwrap().code.into()),
                _ => {}
            }
        }
    }

    async fn ask(&mut self, command: &str, data: Value) -> Result<Value, u16> {
        self.1 += 1;
        let message = json!({ "id": self.1, "cmd": command, "data": data }).to_string();
        self.0.send(Message::text(message)).await.unwrap();
        loop {
            let frame = self.next().await?;
            if frame["id"] == self.1 {
                return Ok(frame);
            }
        }
    }
}

/// The node's services behind other limits; where they are served.
fn second_edge(app: &App, limits: WsLimits) -> SocketAddr {
    let hub = Arc::new(Hub::new(Arc::new(EventTable(Arc::clone(&app.store))), HubLimits::default(), tokio::runtime::Handle::current()));
    let edge =
        Arc::new(Edge::new(Arc::clone(&app.services), hub, Arc::new(SystemClock), limits, Arc::clone(&app.context.limits), Vec::new()));
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let service = layers::wrap(crate::api::routes(Arc::clone(&edge), Arc::clone(&app.services), Arc::clone(&app.context)), &Origins::None);
    let registry = Arc::clone(edge.registry());
    tokio::spawn(server::serve(listener, service, registry, ServerLimits::default(), app.stop.clone().cancelled_owned()));
    address
}

async fn log_in(app: &App, clock: &dyn Clock) -> (Caller, String) {
    let (email, password) = (format!("{}@example.org", clock.now()), "correct horse battery".to_owned());
    let accounts = &app.services.accounts;
    accounts
        .register(Register { email: email.clone(), password: password.clone(), name: "Ada".to_owned() }, &Origin::default())
        .await
        .unwrap();
    let token = accounts.log_in(Login { email, password }, &Origin::default()).await.unwrap().access_token;
    (accounts.authenticate(&token).unwrap(), token)
}

async fn list_homes(app: &App, host: &Caller, count: usize) -> Vec<PropertyId> {
    app.services.accounts.become_host(host, &Origin::default()).await.unwrap();
    let mut homes = Vec::new();
    for number in 0..count {
        let ask = CreateProperty {
            location: Some(Coordinates { latitude: 48.2, longitude: 16.37 }),
            publish: true,
            ..CreateProperty::new("Cottage", "Vienna", "Europe/Vienna", 4, "EUR", 10_000)
        };
        let key = IdempotencyKey::new(&format!("home {number}")).unwrap();
        homes.push(app.services.listings.create(host, key, ask).await.unwrap().id);
    }
    homes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_topic_of_a_resume_has_its_price_and_homes_that_do_not_exist_are_not_followed() {
    let (app, _data) = node_at("--messages-per-second 100", Arc::new(Frozen(SystemClock.now()))).await;
    let (mut client, epoch) = Client::connect(app.address).await;
    let topics = |first: u8| -> Value {
        let ids = (first..first + 100).map(|number| PropertyId::from_bytes([number; 16]));
        ids.map(|id| (format!("property:{id}"), json!(0))).collect::<serde_json::Map<_, _>>().into()
    };
    let resumed = client.ask("resume", json!({ "epoch": epoch, "topics": topics(0) })).await.unwrap();
    let outcomes: Vec<&Value> = resumed["ok"]["topics"].as_object().unwrap().values().collect();
    assert_eq!(outcomes.len(), 100);
    assert!(outcomes.iter().all(|outcome| outcome["refused"]["code"] == "not_found"), "{resumed}");
    // The burst of 200 is for two of them.
    let second = client.ask("resume", json!({ "epoch": epoch, "topics": topics(100) })).await.unwrap();
    assert!(second["ok"].is_object(), "{second}");
    let third = client.ask("resume", json!({ "epoch": epoch, "topics": topics(100) })).await.unwrap();
    assert_eq!(third["error"]["code"], "rate_limited");
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reply_holds_a_queues_worth_of_snapshots_and_the_rest_comes_when_asked_again() {
    const QUEUE: usize = 1024;
    let (app, _data) = node("").await;
    let (host, _) = log_in(&app, &SystemClock).await;
    let homes = list_homes(&app, &host, 24).await;
    let (mut client, _) = Client::connect(second_edge(&app, WsLimits { max_queued_bytes: QUEUE, ..WsLimits::default() })).await;
    let mut missing: Vec<String> = homes.iter().map(|home| format!("property:{home}")).collect();
    let mut rounds = 0;
    while !missing.is_empty() {
        let topics: serde_json::Map<_, _> = missing.iter().map(|topic| (topic.clone(), json!(1))).collect();
        let reply = client.ask("resume", json!({ "epoch": "of another history", "topics": topics })).await.unwrap();
        let before = missing.len();
        missing.retain(|topic| reply["ok"]["topics"][topic]["refused"]["code"] == "busy");
        assert!(missing.len() < before, "each round brings some");
        let resets = reply["ok"]["topics"].as_object().unwrap().values().filter(|outcome| outcome["reset"].is_object());
        let snapshot = resets.map(|outcome| outcome["reset"].to_string().len()).min().unwrap();
        assert!(before - missing.len() <= QUEUE / snapshot + 1, "{} of {snapshot} bytes", before - missing.len());
        rounds += 1;
    }
    assert!(rounds > 1, "{} snapshots fit into one reply", homes.len());
    let followed = client.ask("subscribe", json!({ "topic": format!("property:{}", homes[0]) })).await.unwrap();
    assert!(followed["ok"].is_object(), "none of this has closed it: {followed}");
    app.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_whose_token_has_run_out_is_shown_nothing_private() {
    let clock = Arc::new(crate::clock::OffsetClock::default());
    let (app, _data) = node_at("", Arc::clone(&clock) as Arc<dyn Clock>).await;
    let (caller, token) = log_in(&app, &*clock).await;
    let inbox = format!("user:{}", caller.user);
    for command in ["subscribe", "resume"] {
        let token = if command == "subscribe" { token.clone() } else { log_in(&app, &*clock).await.1 };
        let (mut client, _) = Client::connect(app.address).await;
        let authenticated = client.ask("authenticate", json!({ "token": token })).await.unwrap();
        let user = authenticated["ok"]["user"].as_str().unwrap();
        let expires_at = authenticated["ok"]["expires_at"].as_i64().unwrap();
        let inbox = if command == "subscribe" { inbox.clone() } else { format!("user:{user}") };
        clock.advance_ms(expires_at - clock.now());
        let data = match command {
            "subscribe" => json!({ "topic": inbox }),
            _ => json!({ "epoch": "another", "topics": { inbox: 0 } }),
        };
        let answer = client.ask(command, data).await;
        assert_eq!(answer, Err(CloseCode::TokenExpired.number()), "{command}");
    }
    app.shut_down().await;
}
