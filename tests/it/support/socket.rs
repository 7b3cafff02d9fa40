//! A WebSocket client that remembers every frame, so that a test can wait for one and look at all of them.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::Request;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL};
use latchkey_protocol::client::{Authenticate, Command, Resume, Subscribe, Unsubscribe};
use latchkey_protocol::server::{
    Authenticated, Ended, GoAway, Heartbeat, Hello, Presence, Push, Resumed, SearchUpdate, ServerMessage, Subscribed, TokenExpiring, Typing,
};
use latchkey_protocol::{CloseCode, PropertyId, SUBPROTOCOL, SUBPROTOCOL_MSGPACK, Seq, Topic, WireError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};

use super::within;

/// A reply, by the id of its command.
pub(crate) type Reply = Result<Value, WireError>;

/// A push whose data is not typed.
pub(crate) type Event = Push<Value>;

/// How a connection ended: the close frame's code, or nothing if it broke.
pub(crate) type End = Option<u16>;

#[derive(Default)]
struct Heard {
    frames: Vec<String>,
    hello: Option<Hello>,
    goaway: Option<GoAway>,
    ended: Vec<Ended>,
    heartbeats: Vec<Heartbeat>,
    token_expiring: Vec<TokenExpiring>,
    searches: Vec<SearchUpdate>,
    presence: Vec<Presence>,
    typing: Vec<Typing>,
    replies: HashMap<u64, Reply>,
    /// Replies to messages that had no readable id.
    strays: Vec<WireError>,
    events: HashMap<Topic, Vec<Event>>,
    end: Option<End>,
}

#[derive(Default)]
struct Ear {
    heard: Mutex<Heard>,
    news: Notify,
}

pub(crate) struct Client {
    sink: tokio::sync::Mutex<SplitSink<WebSocketStream<TcpStream>, Message>>,
    ear: Arc<Ear>,
    last_id: AtomicU64,
    /// Speaks MessagePack.
    is_packed: bool,
    listener: tokio::task::JoinHandle<()>,
    pub(crate) hello: Hello,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The request for an upgrade, with these headers.
pub(crate) fn upgrade_with(address: SocketAddr, headers: &[(HeaderName, &str)]) -> Request<()> {
    let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
    request.headers_mut().extend(headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())));
    request
}

/// The upgrade alone, for tests that read the socket themselves.
pub(crate) async fn connect(address: SocketAddr, stream: TcpStream) -> WebSocketStream<TcpStream> {
    let (socket, chosen) = connect_offering(address, stream, SUBPROTOCOL).await;
    assert_eq!(chosen, SUBPROTOCOL);
    socket
}

/// The same with these subprotocols, and the one that was chosen.
pub(crate) async fn connect_offering(address: SocketAddr, stream: TcpStream, offered: &str) -> (WebSocketStream<TcpStream>, String) {
    connect_with(address, stream, &[(SEC_WEBSOCKET_PROTOCOL, offered)]).await
}

/// The same with any headers; a subprotocol must be among them.
async fn connect_with(address: SocketAddr, stream: TcpStream, headers: &[(HeaderName, &str)]) -> (WebSocketStream<TcpStream>, String) {
    let request = upgrade_with(address, headers);
    let config = WebSocketConfig::default().read_buffer_size(4 * 1024);
    let upgraded = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    let (socket, answer) = within("the upgrade", upgraded).await.unwrap();
    (socket, answer.headers()[SEC_WEBSOCKET_PROTOCOL].to_str().unwrap().to_owned())
}

impl Client {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self::open_as(address, SUBPROTOCOL).await
    }

    /// One that speaks this subprotocol.
    pub(crate) async fn open_as(address: SocketAddr, subprotocol: &str) -> Self {
        Self::open_with(address, subprotocol, &[]).await
    }

    /// One whom a proxy has let through from there.
    pub(crate) async fn forwarded(address: SocketAddr, from: &str) -> Self {
        Self::open_with(address, SUBPROTOCOL, &[(HeaderName::from_static("x-forwarded-for"), from)]).await
    }

    async fn open_with(address: SocketAddr, subprotocol: &str, headers: &[(HeaderName, &str)]) -> Self {
        let stream = within("a connection", TcpStream::connect(address)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let headers = [&[(SEC_WEBSOCKET_PROTOCOL, subprotocol)], headers].concat();
        let (socket, chosen) = connect_with(address, stream, &headers).await;
        assert_eq!(chosen, subprotocol);
        let (sink, stream) = socket.split();
        let ear = Arc::<Ear>::default();
        let is_packed = subprotocol == SUBPROTOCOL_MSGPACK;
        let listener = tokio::spawn(listen(stream, is_packed, Arc::clone(&ear)));
        let hello = ear.wait("hello", |heard| heard.hello.clone()).await;
        Self { sink: tokio::sync::Mutex::new(sink), ear, last_id: AtomicU64::new(0), is_packed, listener, hello }
    }

    /// Sends any frame; `false` if the connection is gone.
    pub(crate) async fn send(&self, message: Message) -> bool {
        self.sink.lock().await.send(message).await.is_ok()
    }

    /// Sends any text.
    pub(crate) async fn send_text(&self, text: impl Into<String>) -> bool {
        self.send(Message::text(text.into())).await
    }

    /// Sends a command and does not wait; the id of its reply.
    pub(crate) async fn start(&self, command: &str, key: Option<&str>, data: &impl Serialize) -> u64 {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let mut envelope = serde_json::json!({ "id": id, "cmd": command, "data": data });
        if let Some(key) = key {
            envelope["key"] = key.into();
        }
        if self.is_packed {
            self.send(Message::binary(rmp_serde::to_vec_named(&envelope).unwrap())).await;
        } else {
            self.send_text(envelope.to_string()).await;
        }
        id
    }

    /// The reply to a command, if the connection lives to bring it.
    pub(crate) async fn try_reply(&self, id: u64) -> Option<Reply> {
        self.ear
            .wait(format!("the reply to {id}"), |heard| match (heard.replies.get(&id), heard.end) {
                (Some(reply), _) => Some(Some(reply.clone())),
                (None, Some(_)) => Some(None),
                (None, None) => None,
            })
            .await
    }

    pub(crate) async fn reply(&self, id: u64) -> Reply {
        self.try_reply(id).await.expect("the connection ended before the reply")
    }

    /// Does a command, its reply untyped.
    pub(crate) async fn call(&self, command: &str, key: Option<&str>, data: &impl Serialize) -> Reply {
        let id = self.start(command, key, data).await;
        self.reply(id).await
    }

    /// Does a command.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        command: Command,
        key: Option<&str>,
        data: &impl Serialize,
    ) -> Result<T, WireError> {
        let reply = self.call(command.as_str(), key, data).await?;
        Ok(serde_json::from_value(reply.clone()).unwrap_or_else(|error| panic!("{command:?}: {error}: {reply}")))
    }

    pub(crate) async fn authenticate(&self, token: &str) -> Result<Authenticated, WireError> {
        self.ask(Command::Authenticate, None, &Authenticate { token: token.to_owned() }).await
    }

    pub(crate) async fn ping(&self) {
        self.call("ping", None, &serde_json::json!({})).await.unwrap();
    }

    pub(crate) async fn subscribe(&self, topic: Topic) -> Result<Subscribed, WireError> {
        self.ask(Command::Subscribe, None, &Subscribe { topic }).await
    }

    pub(crate) async fn unsubscribe(&self, topic: Topic) -> Result<Value, WireError> {
        self.ask(Command::Unsubscribe, None, &Unsubscribe { topic }).await
    }

    pub(crate) async fn resume(&self, epoch: &str, topics: impl IntoIterator<Item = (Topic, Seq)>) -> Resumed {
        let topics: BTreeMap<Topic, Seq> = topics.into_iter().collect();
        self.ask(Command::Resume, None, &Resume { epoch: epoch.to_owned(), topics }).await.unwrap()
    }

    /// The event of that number, once it has come.
    pub(crate) async fn event(&self, topic: Topic, seq: Seq) -> Event {
        let found = |heard: &Heard| heard.events.get(&topic)?.iter().find(|event| event.seq == seq).cloned();
        self.ear.wait(format!("event {seq} of {topic}"), found).await
    }

    /// The first event of that type, once it has come.
    pub(crate) async fn event_of(&self, topic: Topic, kind: &str) -> Event {
        let found = |heard: &Heard| heard.events.get(&topic)?.iter().find(|event| event.kind == kind).cloned();
        self.ear.wait(format!("{kind} of {topic}"), found).await
    }

    /// Every event of a topic so far.
    pub(crate) fn events(&self, topic: Topic) -> Vec<Event> {
        self.ear.heard.lock().unwrap().events.get(&topic).cloned().unwrap_or_default()
    }

    /// Every frame so far, as it came.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.ear.heard.lock().unwrap().frames.clone()
    }

    /// The next refusal of a message without a readable id.
    pub(crate) async fn stray(&self) -> WireError {
        self.ear.wait_mut("a refusal without id", |heard| (!heard.strays.is_empty()).then(|| heard.strays.remove(0))).await
    }

    /// The next word that a topic has ended.
    pub(crate) async fn ended(&self) -> Ended {
        self.ear.wait_mut("the end of a topic", |heard| (!heard.ended.is_empty()).then(|| heard.ended.remove(0))).await
    }

    pub(crate) async fn goaway(&self) -> GoAway {
        self.ear.wait("goaway", |heard| heard.goaway).await
    }

    /// The next heartbeat.
    pub(crate) async fn heartbeat(&self) -> Heartbeat {
        self.ear.wait_mut("a heartbeat", |heard| (!heard.heartbeats.is_empty()).then(|| heard.heartbeats.remove(0))).await
    }

    /// The next warning that the token ends.
    /// Waits until it is told of so many viewers of a home.
    pub(crate) async fn viewers(&self, property: PropertyId, viewers: u32) {
        let told = Presence { property, viewers };
        self.ear.wait(format!("{viewers} viewers"), |heard| heard.presence.last().filter(|last| **last == told).map(drop)).await;
    }

    /// What it was told of writing, once there is anything.
    pub(crate) async fn typing(&self) -> Vec<Typing> {
        self.ear.wait("somebody to write", |heard| Some(heard.typing.clone()).filter(|typing| !typing.is_empty())).await
    }

    pub(crate) async fn token_expiring(&self) -> TokenExpiring {
        self.ear.wait_mut("a warning", |heard| (!heard.token_expiring.is_empty()).then(|| heard.token_expiring.remove(0))).await
    }

    /// Every update of a watched search so far.
    pub(crate) fn updates(&self, watch: u32) -> Vec<SearchUpdate> {
        self.ear.heard.lock().unwrap().searches.iter().filter(|update| update.watch == watch).cloned().collect()
    }

    /// How the connection ends, once it does.
    pub(crate) async fn end(&self) -> End {
        self.ear.wait("the end of the connection", |heard| heard.end).await
    }

    #[track_caller]
    pub(crate) fn expect_end(&self, code: CloseCode) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move { assert_eq!(self.end().await, Some(code.number()), "{caller}") }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.ear.heard.lock().unwrap().end.is_none()
    }
}

impl Ear {
    async fn wait<T>(&self, what: impl std::fmt::Display, probe: impl Fn(&Heard) -> Option<T>) -> T {
        self.wait_mut(what, |heard| probe(heard)).await
    }

    async fn wait_mut<T>(&self, what: impl std::fmt::Display, mut probe: impl FnMut(&mut Heard) -> Option<T>) -> T {
        let found = async {
            loop {
                let mut news = std::pin::pin!(self.news.notified());
                news.as_mut().enable();
                {
                    let heard = &mut *self.heard.lock().unwrap();
                    match probe(heard) {
                        Some(found) => return Some(found),
                        // Nothing more will come.
                        None if heard.end.is_some() => return None,
                        None => {}
                    }
                }
                news.await;
            }
        };
        if let Ok(Some(found)) = tokio::time::timeout(super::PATIENCE, found).await {
            return found;
        }
        let heard = self.heard.lock().unwrap();
        let last = &heard.frames[heard.frames.len().saturating_sub(5)..];
        panic!("waited in vain for {what}; end {:?}, last frames {last:#?}", heard.end);
    }
}

async fn listen(mut stream: SplitStream<WebSocketStream<TcpStream>>, is_packed: bool, ear: Arc<Ear>) {
    let mut code = None;
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) if !is_packed => ear.heard.lock().unwrap().take(&text),
            Message::Binary(bytes) if is_packed => {
                let value: Value = rmp_serde::from_slice(&bytes).unwrap();
                ear.heard.lock().unwrap().take(&value.to_string());
            }
            Message::Text(_) | Message::Binary(_) => panic!("a frame that the subprotocol does not have: {message}"),
            Message::Close(frame) => code = frame.map(|frame| u16::from(frame.code)),
            _ => {}
        }
        ear.news.notify_waiters();
    }
    ear.heard.lock().unwrap().end = Some(code);
    ear.news.notify_waiters();
}

impl Heard {
    fn take(&mut self, text: &str) {
        self.frames.push(text.to_owned());
        match serde_json::from_str::<ServerMessage<Value>>(text).unwrap_or_else(|error| panic!("{error}: {text}")) {
            ServerMessage::Push(push) => self.events.entry(push.topic).or_default().push(push),
            ServerMessage::Ok(reply) => self.reply(reply.id, Ok(reply.ok)),
            ServerMessage::Err(reply) => match reply.id {
                Some(id) => self.reply(id, Err(reply.error)),
                None => self.strays.push(reply.error),
            },
            ServerMessage::Hello { hello } => self.hello = Some(hello),
            ServerMessage::GoAway { goaway } => self.goaway = Some(goaway),
            ServerMessage::Ended { ended } => self.ended.push(ended),
            ServerMessage::Heartbeat { heartbeat } => self.heartbeats.push(heartbeat),
            ServerMessage::Search { search } => self.searches.push(search),
            ServerMessage::Presence { presence } => self.presence.push(presence),
            ServerMessage::Typing { typing } => self.typing.push(typing),
            ServerMessage::TokenExpiring { token_expiring } => self.token_expiring.push(token_expiring),
        }
    }

    fn reply(&mut self, id: u64, reply: Reply) {
        assert!(self.replies.insert(id, reply).is_none(), "two replies to command {id}");
    }
}
