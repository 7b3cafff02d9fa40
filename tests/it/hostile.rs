//! P10: slow or hostile clients hurt only themselves. Each test has a neighbour who notices nothing.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use http::Method;
use http::header::IF_MATCH;
use latchkey_protocol::error::Detail;
use latchkey_protocol::server::{Push, ServerMessage, Subscribed};
use latchkey_protocol::view::Property;
use latchkey_protocol::{CloseCode, ErrorCode, PropertyId, Topic};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::properties::plain;
use crate::support::hub::list_home;
use crate::support::socket::connect;
use crate::support::watcher::assert_gapless;
use crate::support::{Client, Guest, Hub, Rest, fresh_key, nights, refused, within};

#[tokio::test]
async fn p10_frames_that_break_the_protocol_end_their_own_connection_with_its_code() {
    let hub = Hub::start().await;
    let neighbour = hub.guest("ada").await;
    let rows = [
        (Message::binary(vec![1, 2, 3]), CloseCode::UnsupportedData),
        (Message::text("x".repeat(64 * 1024 + 1)), CloseCode::TooBig),
        (Message::text("x".repeat(8 << 20)), CloseCode::TooBig),
    ];
    for (message, code) in rows {
        let client = hub.anonymous().await;
        client.ping().await;
        client.send(message).await;
        client.expect_end(code).await;
        neighbour.live.ping().await;
    }
    let client = hub.anonymous().await;
    let padded = format!("{{\"id\":1,\"cmd\":\"ping\"{}}}", " ".repeat(64 * 1024 - 21));
    assert_eq!(padded.len(), 64 * 1024);
    client.send_text(padded).await;
    client.reply(1).await.unwrap();
}

#[tokio::test]
async fn p10_messages_that_mean_nothing_are_answered_and_the_connection_goes_on() {
    let hub = Hub::start().await;
    let client = hub.anonymous().await;
    let rows = [
        ("", ErrorCode::Malformed),
        ("{", ErrorCode::Malformed),
        ("null", ErrorCode::Malformed),
        ("[]", ErrorCode::Malformed),
        ("[1,\"ping\"]", ErrorCode::Malformed),
        ("{\"cmd\":\"ping\"}", ErrorCode::Malformed),
        ("{\"id\":-1,\"cmd\":\"ping\"}", ErrorCode::Malformed),
        ("{\"id\":1.5,\"cmd\":\"ping\"}", ErrorCode::Malformed),
        ("{\"id\":\"1\",\"cmd\":\"ping\"}", ErrorCode::Malformed),
    ];
    for (text, code) in rows {
        client.send_text(text).await;
        assert_eq!(client.stray().await.code, code, "{text}");
    }
    let deep = format!("{{\"id\":999,\"cmd\":\"ping\",\"data\":{{\"x\":{}{}}}}}", "[".repeat(5_000), "]".repeat(5_000));
    client.send_text(deep).await;
    refused(client.reply(999).await, ErrorCode::Invalid);
    refused(client.call("drop_table", None, &json!({})).await, ErrorCode::UnknownCommand);
    refused(client.call("ping", None, &json!({ "x": 1 })).await, ErrorCode::Invalid);
    refused(client.call("subscribe", None, &json!({ "topic": "everything" })).await, ErrorCode::Invalid);
    client.ping().await;
}

#[tokio::test]
async fn p10_a_client_that_talks_too_fast_is_slowed_down_and_then_sent_away() {
    let hub = Hub::with("--messages-per-second 20").await;
    let (ada, neighbour) = (hub.guest("ada").await, hub.guest("bob").await);
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(ada.live.start("ping", None, &json!({})).await);
    }
    let replies = join_all(ids.into_iter().map(|id| ada.live.reply(id))).await;
    let slowed: Vec<_> = replies.into_iter().filter_map(Result::err).collect();
    assert!(!slowed.is_empty());
    for error in slowed {
        assert_eq!(error.code, ErrorCode::RateLimited, "{error:?}");
        assert!(matches!(error.details["retry_after_ms"], Detail::Number(1..)), "{error:?}");
    }
    assert!(ada.live.is_open(), "slowed down, not sent away");
    neighbour.live.ping().await;
    for _ in 0..5_000 {
        if !ada.live.send_text("{\"id\":0,\"cmd\":\"nothing\"").await {
            break;
        }
    }
    ada.live.expect_end(CloseCode::PolicyViolation).await;
    neighbour.live.ping().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_ten_thousand_subscriptions_on_one_socket_get_two_hundred() {
    let hub = Hub::with("--messages-per-second 100000").await;
    let (host, neighbour) = (hub.guest("helga").await, hub.guest("ada").await);
    let homes = join_all((0..200).map(|_| list_home(&host))).await;
    let greedy = hub.anonymous().await;
    for home in &homes {
        greedy.subscribe(Topic::Property(home.id)).await.unwrap();
    }
    let mut ids = Vec::new();
    for number in 0..9_800_u16 {
        let mut id = [5; 16];
        id[14..].copy_from_slice(&number.to_be_bytes());
        let topic = Topic::Property(PropertyId::from_bytes(id));
        ids.push(greedy.start("subscribe", None, &json!({ "topic": topic })).await);
    }
    for id in ids {
        let error = refused(greedy.reply(id).await, ErrorCode::TooManySubscriptions);
        assert_eq!(error.details["limit"], Detail::Number(200));
    }
    let many: serde_json::Map<_, _> =
        (0..201_u8).map(|number| (Topic::Property(PropertyId::from_bytes([number; 16])).to_string(), json!(0))).collect();
    refused(hub.anonymous().await.call("resume", None, &json!({ "epoch": "", "topics": many })).await, ErrorCode::TooManySubscriptions);
    neighbour.hold(&homes[7], nights(0, 1)).await.unwrap();
    greedy.event(Topic::Property(homes[7].id), 2).await;
    greedy.unsubscribe(Topic::Property(homes[0].id)).await.unwrap();
    let unknown = Topic::Property(PropertyId::from_bytes([5; 16]));
    refused(greedy.subscribe(unknown).await, ErrorCode::NotFound);
    greedy.subscribe(Topic::Property(homes[0].id)).await.unwrap();
}

/// A counter of this process.
pub(crate) async fn count(hub: &Hub, name: &str) -> u64 {
    count_from(&hub.rest, name).await
}

/// The same, asked from elsewhere: to ask is a request like others.
pub(crate) async fn count_from(rest: &Rest, name: &str) -> u64 {
    let metrics = rest.get("/metrics").send().await.text();
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |count| count.trim().parse().unwrap())
}

/// Does something to the homes again and again until a counter of this process has moved.
async fn until_counted(hub: &Hub, name: &str, again: impl AsyncFn()) {
    let before = count(hub, name).await;
    let counted = async {
        while count(hub, name).await == before {
            again().await;
        }
    };
    within(name, counted).await;
}

/// Holds and gives back a night of each home, all at once.
async fn churn(guest: &Guest, homes: &[Property]) {
    join_all(homes.iter().map(|home| async {
        let hold = guest.hold(home, nights(300, 1)).await.unwrap();
        guest.release(&hold).await.unwrap();
    }))
    .await;
}

/// Changes the title of each home, all at once.
async fn rename(host: &Guest, homes: &[Property]) {
    join_all(homes.iter().map(|home| async {
        let path = format!("/properties/{}/", home.id);
        let change = plain(host, Method::PATCH, &path).header(IF_MATCH, "*").json(&json!({ "title": fresh_key() }));
        assert_eq!(change.send().await.status, 200);
    }))
    .await;
}

const BUSY: &str = "--messages-per-second 100000 --max-active-holds 10000 --hold-seconds 3600 --requests-per-user 1000000";

/// Homes, a neighbour who follows all of them, and a client who does so too but reads nothing, whose kernel buffers are full.
async fn crowd(hub: &Hub, ada: &Guest) -> (Vec<Property>, Client, WebSocketStream<TcpStream>) {
    let homes = join_all((0..12).map(|_| list_home(ada))).await;
    // Calendars with many runs make long snapshots, which fill the kernel's buffers.
    join_all((0..120).map(|run| ada.hold(&homes[0], nights(run * 2, 1)))).await;
    let neighbour = hub.anonymous().await;
    for home in &homes {
        neighbour.subscribe(Topic::Property(home.id)).await.unwrap();
    }
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let stream = within("a connection", socket.connect(hub.address)).await.unwrap();
    let mut slow = connect(hub.address, stream).await;
    for home in homes.iter().chain(std::iter::repeat_n(&homes[0], 100)) {
        let subscribe = json!({ "id": 1, "cmd": "subscribe", "data": { "topic": Topic::Property(home.id) } });
        slow.send(Message::text(subscribe.to_string())).await.unwrap();
    }
    (homes, neighbour, slow)
}

async fn hears_everything(neighbour: &Client, ada: &Guest, homes: &[Property]) {
    for home in homes {
        let last = ada.hold(home, nights(310, 1)).await.unwrap();
        let topic = Topic::Property(home.id);
        neighbour.event(topic, last.seq).await;
        assert_gapless(&neighbour.events(topic), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_client_that_does_not_read_is_closed_while_its_neighbour_gets_everything() {
    let hub = Hub::with(BUSY).await;
    let ada = hub.guest("ada").await;
    let (homes, neighbour, mut slow) = crowd(&hub, &ada).await;
    until_counted(&hub, "latchkey_ws_slow_consumers_total ", async || rename(&ada, &homes[1..]).await).await;
    let mut code = None;
    while let Some(Ok(message)) = within("the close frame", slow.next()).await {
        if let Message::Close(frame) = message {
            code = frame.map(|frame| u16::from(frame.code));
        }
    }
    assert_eq!(code, Some(CloseCode::SlowConsumer.number()));
    hears_everything(&neighbour, &ada, &homes[1..]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_p10_a_client_that_reads_slowly_is_told_together_what_became_of_the_nights() {
    let hub = Hub::with(BUSY).await;
    let ada = hub.guest("ada").await;
    let (homes, neighbour, mut slow) = crowd(&hub, &ada).await;
    until_counted(&hub, "latchkey_ws_conflated_total ", async || churn(&ada, &homes[1..]).await).await;
    // Again, so that there are several to be told together; and one that must not be lost among them.
    churn(&ada, &homes[1..]).await;
    rename(&ada, &homes[1..2]).await;
    churn(&ada, &homes[1..]).await;
    hears_everything(&neighbour, &ada, &homes[1..]).await;

    let heads: BTreeMap<Topic, u64> =
        homes[1..].iter().map(|home| Topic::Property(home.id)).map(|topic| (topic, neighbour.events(topic).last().unwrap().seq)).collect();
    let (mut seen, mut conflated, mut renamed) = (BTreeMap::new(), 0, 0);
    while heads.iter().any(|(topic, head)| seen.get(topic) != Some(head)) {
        let message = within("the rest", slow.next()).await.unwrap().unwrap();
        let Ok(text) = message.into_text() else { continue };
        match serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")) {
            ServerMessage::Push(Push::<Value> { topic, seq, from_seq, kind, .. }) => {
                let last = seen.insert(topic, seq).unwrap_or_else(|| panic!("no snapshot of {topic}"));
                assert_eq!(from_seq.unwrap_or(seq), last + 1, "P4: {text}");
                conflated += usize::from(from_seq.is_some());
                renamed += usize::from(kind == "property.updated");
            }
            ServerMessage::Ok(reply) => {
                let start: Subscribed = serde_json::from_value(reply.ok).unwrap();
                seen.insert(start.topic, start.seq);
            }
            // How many look is told every two seconds, if so much time has passed.
            other => {
                let is_expected =
                    matches!(other, ServerMessage::Hello { .. } | ServerMessage::Heartbeat { .. } | ServerMessage::Presence { .. });
                assert!(is_expected, "{other:?}");
            }
        }
    }
    assert!(conflated > 0 && renamed == 1, "{conflated} told together, {renamed} new titles");
}

#[tokio::test]
async fn p10_a_client_that_never_says_who_it_is_is_sent_away_and_a_watcher_may_stay() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    let (idle, watcher) = (hub.anonymous().await, hub.watcher(&home).await);
    hub.advance_s(10);
    idle.expect_end(CloseCode::BadAuthentication).await;
    watcher.client.ping().await;
    host.live.ping().await;
    // A clock that jumps closes nobody who answers pings.
    hub.advance_s(60);
    watcher.client.ping().await;
    assert!(watcher.client.is_open() && host.live.is_open());
}

/// Reads bytes until they hold `wanted`; the socket is read below the WebSocket, so nothing answers for it.
async fn read_until(stream: &mut TcpStream, wanted: &[u8]) {
    let mut bytes = Vec::new();
    let reading = async {
        while !bytes.windows(wanted.len()).any(|window| window == wanted) {
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed before {wanted:?} came: {bytes:?}");
        }
    };
    within(format!("the bytes {wanted:?}"), reading).await;
}

#[tokio::test]
async fn p10_a_client_that_answers_no_ping_is_taken_for_dead() {
    let hub = Hub::start().await;
    let home = list_home(&hub.guest("helga").await).await;
    let stream = within("a connection", TcpStream::connect(hub.address)).await.unwrap();
    let mut dead = connect(hub.address, stream).await;
    let subscribe = json!({ "id": 1, "cmd": "subscribe", "data": { "topic": Topic::Property(home.id) } });
    dead.send(Message::text(subscribe.to_string())).await.unwrap();
    read_until(dead.get_mut(), b"snapshot").await;
    hub.advance_s(25);
    read_until(dead.get_mut(), &[0x89, 0x00]).await;
    hub.advance_s(25);
    read_until(dead.get_mut(), &CloseCode::IdleTimeout.number().to_be_bytes()).await;
}
