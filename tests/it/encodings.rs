//! The live protocol in MessagePack: the same values as in JSON, and the same patience with what means nothing.

use latchkey_protocol::client::Command;
use latchkey_protocol::server::Resumption;
use latchkey_protocol::view::{Booking, Hold, Quote};
use latchkey_protocol::{CloseCode, ErrorCode, SUBPROTOCOL, SUBPROTOCOL_MSGPACK, Topic};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::support::guest::book_hold;
use crate::support::hub::list_home;
use crate::support::socket::connect_offering;
use crate::support::watcher::assert_gapless;
use crate::support::{Client, Hub, nights, refused, within};

/// Does the same by both, and compares what they are told.
async fn both(pair: [&Client; 2], command: &str, key: Option<&str>, data: &Value) -> Value {
    let told = [pair[0].call(command, key, data).await, pair[1].call(command, key, data).await];
    assert_eq!(told[0], told[1], "{command}");
    let [told, _] = told;
    told.unwrap_or_else(|error| serde_json::to_value(error).unwrap())
}

#[tokio::test]
async fn the_same_scenario_in_both_encodings_gives_the_same_values() {
    let hub = Hub::with("--hold-seconds 600").await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let packed = Client::open_as(hub.address, SUBPROTOCOL_MSGPACK).await;
    packed.authenticate(&ada.tokens.access_token).await.unwrap();
    assert_eq!((&packed.hello.epoch, packed.hello.heartbeat_ms), (&ada.live.hello.epoch, ada.live.hello.heartbeat_ms));
    let pair = [&ada.live, &packed];
    let topic = Topic::Property(home.id);

    both(pair, "authenticate", None, &json!({ "token": ada.tokens.access_token })).await;
    both(pair, "subscribe", None, &json!({ "topic": topic })).await;
    both(pair, "subscribe", None, &json!({ "topic": ada.inbox() })).await;
    let stay = serde_json::to_value(nights(0, 3).of(home.id)).unwrap();
    let quote: Quote = serde_json::from_value(both(pair, "quote", None, &stay).await).unwrap();
    assert_eq!(quote.total_minor, 33_000);
    // One key: whoever comes second is told what the first was (P7), whatever it speaks.
    let hold: Hold = serde_json::from_value(both(pair, "hold", Some("one"), &stay).await).unwrap();
    let booking: Booking = packed.ask(Command::Book, Some("two"), &book_hold(&hold)).await.unwrap();
    let again: Booking = ada.live.ask(Command::Book, Some("two"), &book_hold(&hold)).await.unwrap();
    assert_eq!((booking.id, &booking), (hold.id, &again));
    both(pair, "subscribe", None, &json!({ "topic": Topic::Booking(booking.id) })).await;
    both(pair, "pay", Some("three"), &json!({ "booking": booking.id, "payment_method": "pm_card_visa" })).await;

    for (command, key, data, code) in [
        ("hold", None, stay.clone(), ErrorCode::KeyRequired),
        ("hold", Some("one"), json!({ "hold": 1 }), ErrorCode::Invalid),
        ("book", Some("four"), serde_json::to_value(book_hold(&hold)).unwrap(), ErrorCode::InvalidState),
        ("subscribe", None, json!({ "topic": host.inbox() }), ErrorCode::NotFound),
        ("subscribe", None, json!([]), ErrorCode::Invalid),
        ("drop_table", None, json!({}), ErrorCode::UnknownCommand),
    ] {
        let error = both(pair, command, key, &data).await;
        assert_eq!(error["code"], code.as_str(), "{command}: {error}");
    }

    for followed in [topic, ada.inbox(), Topic::Booking(booking.id)] {
        ada.live.event_of(followed, if followed == topic { "availability.changed" } else { "booking.confirmed" }).await;
    }
    hub.webhooks_taken(2).await;
    let last = ada.hold(&home, nights(10, 1)).await.unwrap();
    for client in pair {
        client.event(topic, last.seq).await;
        client.ping().await;
        assert_gapless(&client.events(topic), 1);
    }
    for followed in [topic, ada.inbox(), Topic::Booking(booking.id)] {
        assert!(!packed.events(followed).is_empty());
        assert_eq!(packed.events(followed), ada.live.events(followed), "{followed}");
    }
    hub.advance_s(25);
    assert_eq!(packed.heartbeat().await.heads, ada.live.heartbeat().await.heads);
}

#[tokio::test]
async fn p4_what_was_missed_comes_in_messagepack_from_the_ring_and_from_the_table() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let (topic, watcher) = (Topic::Property(home.id), hub.watcher(&home).await);
    let mut head = 0;
    // More than the ring keeps.
    for _ in 0..140 {
        let hold = ada.hold(&home, nights(0, 2)).await.unwrap();
        head = ada.release(&hold).await.unwrap().seq;
    }
    let told = watcher.until(head).await;
    for seen in [1, head - 3] {
        let back = Client::open_as(hub.address, SUBPROTOCOL_MSGPACK).await;
        let epoch = back.hello.epoch.clone();
        assert_eq!(back.resume(&epoch, [(topic, seen)]).await.topics[&topic], Resumption::Resumed { head });
        let missed: Vec<_> = told.iter().filter(|event| event.seq > seen).cloned().collect();
        assert_eq!(back.events(topic), missed, "after {seen}");
        assert!(matches!(back.resume("another", [(topic, seen)]).await.topics[&topic], Resumption::Reset(_)));
    }
}

#[tokio::test]
async fn a_topics_end_a_warning_and_goaway_are_told_in_messagepack_too() {
    let mut hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let packed = Client::open_as(hub.address, SUBPROTOCOL_MSGPACK).await;
    packed.authenticate(&ada.tokens.access_token).await.unwrap();
    packed.subscribe(Topic::Property(home.id)).await.unwrap();
    let path = format!("/properties/{}/unlist/", home.id);
    assert_eq!(host.rest.post(&path).bearer(&host.tokens.access_token).send().await.status, 200);
    assert_eq!(packed.ended().await.error.code, ErrorCode::NotFound);
    hub.advance_s(15 * 60 - 20);
    assert_eq!(packed.token_expiring().await.expires_at, ada.tokens.expires_at);
    hub.stop().await;
    packed.goaway().await;
    packed.expect_end(CloseCode::Draining).await;
}

#[tokio::test]
async fn p10_messagepack_that_means_nothing_is_answered_and_the_connection_goes_on() {
    let hub = Hub::start().await;
    let packed = Client::open_as(hub.address, SUBPROTOCOL_MSGPACK).await;
    let pack = |value: &Value| rmp_serde::to_vec_named(value).unwrap();
    let deep = [b"\x83\xa2id\x01\xa3cmd\xa4ping\xa4data".to_vec(), vec![0x91; 60_000], vec![0xc0]].concat();
    for (message, what) in [
        (vec![], "nothing"),
        (b"{\"id\":1,\"cmd\":\"ping\"}".to_vec(), "JSON"),
        (pack(&json!([1, "ping"])), "an array"),
        (pack(&json!({ "id": -1, "cmd": "ping" })), "a negative id"),
        (pack(&json!({ "cmd": "ping" })), "no id"),
        (deep, "60,000 arrays in each other"),
        (b"\x82\xa2id\x01\xa3cmd\xc4\x04ping".to_vec(), "bytes for a name"),
        (b"\x82\xa2id\x01\x07\xa4ping".to_vec(), "a number for a key"),
        (b"\x82\xa2id\xd6\xff\x00\x00\x00\x00\xa3cmd\xa4ping".to_vec(), "a timestamp for an id"),
        (b"\x83\xa2id\x01\xa3cmd\xa4ping\xa2id\x02".to_vec(), "two ids"),
        ([pack(&json!({ "id": 1, "cmd": "ping" })), vec![0xc0]].concat(), "something behind it"),
        (b"\xdf\xff\xff\xff\xff".to_vec(), "four billion entries"),
    ] {
        assert!(packed.send(Message::binary(message)).await, "{what}");
        assert_eq!(packed.stray().await.code, ErrorCode::Malformed, "{what}");
    }
    refused(packed.call("ping", None, &json!({ "x": 1 })).await, ErrorCode::Invalid);
    packed.ping().await;
    packed.send_text("{\"id\":7,\"cmd\":\"ping\"}").await;
    packed.expect_end(CloseCode::UnsupportedData).await;
    let long = Client::open_as(hub.address, SUBPROTOCOL_MSGPACK).await;
    long.send(Message::binary(vec![0xc0; 64 * 1024 + 1])).await;
    long.expect_end(CloseCode::TooBig).await;
}

#[tokio::test]
async fn the_first_subprotocol_that_both_know_is_spoken() {
    let hub = Hub::start().await;
    for (offered, chosen) in [
        (format!("{SUBPROTOCOL}, {SUBPROTOCOL_MSGPACK}"), SUBPROTOCOL),
        (format!("latchkey.v9.cbor, {SUBPROTOCOL_MSGPACK}, {SUBPROTOCOL}"), SUBPROTOCOL_MSGPACK),
    ] {
        let stream = within("a connection", TcpStream::connect(hub.address)).await.unwrap();
        assert_eq!(connect_offering(hub.address, stream, &offered).await.1, chosen, "{offered}");
    }
}
