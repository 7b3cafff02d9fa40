//! Server-sent events: the live side for clients without WebSockets keeps the same promises.

use futures_util::future::join_all;
use http::Method;
use latchkey_protocol::{CloseCode, ErrorCode, PropertyId, Topic};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

use crate::caps::knock;
use crate::properties::plain;
use crate::support::events::{Events, StreamEvent};
use crate::support::hub::list_home;
use crate::support::rest::Request;
use crate::support::{Guest, Hub, eventually, fresh_key, nights, within};

fn ask<'a>(guest: &'a Guest, topics: &[Topic], last_id: Option<&str>) -> Request<'a> {
    let query: Vec<String> = topics.iter().map(|topic| format!("topic={topic}")).collect();
    let request = guest.get(&format!("/events/?{}", query.join("&")));
    match last_id {
        Some(id) => request.header(http::HeaderName::from_static("last-event-id"), id),
        None => request,
    }
}

async fn follow(guest: &Guest, topics: &[Topic], last_id: Option<&str>) -> Events {
    Events::open(ask(guest, topics, last_id)).await
}

/// The numbers of what was pushed of a topic, in order.
fn pushed(events: &[StreamEvent], topic: Topic) -> Vec<u64> {
    let of_topic = events.iter().filter(|event| event.name == "push" && event.data["topic"] == topic.to_string());
    of_topic.map(|event| event.data["seq"].as_u64().unwrap()).collect()
}

async fn churn(guest: &Guest, home: &latchkey_protocol::view::Property, times: i32) -> u64 {
    let mut head = 0;
    for number in 0..times {
        let hold = guest.hold(home, nights(number % 20, 1)).await.unwrap();
        head = guest.release(&hold).await.unwrap().seq;
    }
    head
}

#[tokio::test]
async fn p4_a_stream_begins_with_snapshots_and_goes_on_without_a_gap() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let topic = Topic::Property(home.id);
    let watcher = hub.watcher(&home).await;
    let stream = follow(&ada, &[topic, ada.inbox()], None).await;
    let header = |name: &str| stream.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let expected =
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no"), ("content-encoding", "")];
    for (name, value) in expected {
        assert_eq!(header(name), value, "{name}");
    }
    for followed in [topic, ada.inbox()] {
        let first = stream.event("a snapshot", |event| event.name == "snapshot" && event.data["topic"] == followed.to_string()).await;
        assert_eq!(pushed(&stream.all(), followed), Vec::<u64>::new());
        assert!(first.id.is_some());
        if followed == topic {
            assert_eq!(first.data, serde_json::to_value(&watcher.first).unwrap(), "as a socket's");
        }
    }
    let head = churn(&ada, &home, 4).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    stream.push(topic, head).await;
    stream
        .event("the booking", |event| event.data["type"] == "booking.created" && event.data["data"]["booking"] == booking.id.to_string())
        .await;
    stream.push(topic, head + 1).await;
    let told = watcher.until(head + 1).await;
    let all = stream.all();
    assert_eq!(pushed(&all, topic), (2..=pushed(&all, topic).last().copied().unwrap()).collect::<Vec<_>>());
    for event in told {
        let same = all
            .iter()
            .find(|known| known.data["topic"] == topic.to_string() && known.data["seq"] == event.seq && known.name == "push")
            .unwrap();
        assert_eq!(same.data, serde_json::to_value(&event).unwrap(), "as a socket's");
    }
    hub.advance_s(25);
    stream.comment().await;
}

#[tokio::test]
async fn p4_a_broken_stream_goes_on_after_the_last_event_that_was_seen_of_each_topic() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let homes = [list_home(&ada).await, list_home(&ada).await];
    let topics = [Topic::Property(homes[0].id), Topic::Property(homes[1].id)];
    let stream = follow(&ada, &topics, None).await;
    let seen = [churn(&ada, &homes[0], 3).await, churn(&ada, &homes[1], 2).await];
    for (topic, seen) in topics.into_iter().zip(seen) {
        stream.push(topic, seen).await;
    }
    let all = stream.all();
    drop(stream);
    // The first also more often than the ring keeps.
    let heads = [churn(&ada, &homes[0], 140).await, churn(&ada, &homes[1], 1).await];
    for (at, first) in [(all.len() - 1, seen), (all.len() - 2, [seen[0], seen[1] - 1])] {
        let back = follow(&ada, &[topics[1], topics[0]], all[at].id.as_deref()).await;
        for ((topic, head), first) in topics.into_iter().zip(heads).zip(first) {
            back.push(topic, head).await;
            assert_eq!(pushed(&back.all(), topic), (first + 1..=head).collect::<Vec<_>>(), "{topic} after {first}");
        }
        assert!(back.all().iter().all(|event| event.name == "push"), "no snapshot");
    }
    // An id of other topics, and one of nobody, begin anew.
    for (topics, id) in [(&topics[..1], all[all.len() - 1].id.as_deref()), (&topics[..], Some("x.y.z"))] {
        let anew = follow(&ada, topics, id).await;
        for topic in topics {
            anew.event("a snapshot", |event| event.name == "snapshot" && event.data["topic"] == topic.to_string()).await;
        }
    }
}

#[tokio::test]
async fn p8_a_stream_is_for_those_who_may_see_it_and_ends_with_their_session_or_token() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let public = Topic::Property(home.id);
    ask(&ada, &[host.inbox()], None).send().await.expect_problem(404, ErrorCode::NotFound);
    ask(&ada, &[public, host.inbox()], None).send().await.expect_problem(404, ErrorCode::NotFound);
    ask(&ada, &[Topic::Property(PropertyId::from_bytes([7; 16]))], None).send().await.expect_problem(404, ErrorCode::NotFound);
    hub.rest.get(&format!("/events/?topic={}", ada.inbox())).send().await.expect_problem(401, ErrorCode::Unauthenticated);
    hub.rest.get(&format!("/events/?topic={public}")).bearer("nonsense").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    let many: Vec<String> = (0..17_u8).map(|number| format!("topic={}", Topic::Property(PropertyId::from_bytes([number; 16])))).collect();
    for query in [String::new(), "topic=everything".to_owned(), format!("topic={public}&token=x"), many.join("&")] {
        hub.rest.get(&format!("/events/?{query}")).send().await.expect_problem(422, ErrorCode::Invalid);
    }

    let private = follow(&ada, &[ada.inbox(), public], None).await;
    let anonymous = Events::open(hub.rest.get(&format!("/events/?topic={public}"))).await;
    anonymous.event("a snapshot", |event| event.name == "snapshot").await;
    private.event("a snapshot", |event| event.data["topic"] == ada.inbox().to_string()).await;
    assert_eq!(ada.rest.post("/auth/logout/").bearer(&ada.tokens.access_token).send().await.status, 204);
    let (code, comes_back, retry_ms) = private.end().await;
    assert_eq!((code, comes_back), (u64::from(CloseCode::Revoked.number()), false));
    assert!(retry_ms.unwrap() > 60_000, "who comes back by itself does not do so soon");
    ask(&ada, &[ada.inbox()], None).send().await.expect_problem(401, ErrorCode::Unauthenticated);

    let expiring = follow(&host, &[host.inbox()], None).await;
    hub.advance_s(15 * 60);
    assert_eq!(expiring.end().await, (u64::from(CloseCode::TokenExpired.number()), true, None));
    // A home that is taken back ends for those who follow it as anybody may, and the stream with its last topic.
    let host = Guest::log_in(hub.address, &host.email).await;
    assert_eq!(host.rest.post(&format!("/properties/{}/unlist/", home.id)).bearer(&host.tokens.access_token).send().await.status, 200);
    let ended = anonymous.event("the end of the topic", |event| event.name == "ended").await;
    assert_eq!((ended.data["topic"].as_str().unwrap(), &ended.data["error"]["code"]), (public.to_string().as_str(), &json!("not_found")));
    assert_eq!(anonymous.end().await.0, 1000);
}

#[tokio::test]
async fn p10_streams_count_among_the_live_connections_of_their_user_and_address() {
    let hub = Hub::with("--max-live-per-user 1").await;
    let ada = hub.guest("ada").await;
    let first = follow(&ada, &[ada.inbox()], None).await;
    ada.live.expect_end(CloseCode::TooManyConnections).await;
    let second = follow(&ada, &[ada.inbox()], None).await;
    let (code, comes_back, retry_ms) = first.end().await;
    assert_eq!((code, comes_back), (u64::from(CloseCode::TooManyConnections.number()), false));
    assert!(retry_ms.unwrap() > 60_000);
    drop((first, second));

    let hub = Hub::with("--max-live-per-address 2").await;
    let ada = hub.guest("ada").await;
    let stream = follow(&ada, &[ada.inbox()], None).await;
    let refused = ask(&ada, &[ada.inbox()], None).send().await;
    refused.expect_problem(429, ErrorCode::TooManyConnections);
    assert_eq!(refused.header("retry-after"), Some("10"));
    drop(stream);
    // Asked for without its body a stream is over at once.
    let path = format!("/events/?topic={}", ada.inbox());
    for method in [Method::GET, Method::HEAD, Method::HEAD, Method::GET] {
        let room = || async {
            let answer = hub.rest.request(method.clone(), &path).bearer(&ada.tokens.access_token).send().await;
            (answer.status == 200).then_some(())
        };
        eventually("room for a stream", room).await;
    }
}

#[tokio::test]
async fn a_draining_hub_says_goaway_to_streams_and_when_to_come_back() {
    let mut hub = Hub::with("--drain-seconds 1").await;
    let ada = hub.guest("ada").await;
    let stream = follow(&ada, &[ada.inbox()], None).await;
    stream.event("a snapshot", |event| event.name == "snapshot").await;
    hub.stop().await;
    let goaway = stream.event("goaway", |event| event.name == "goaway").await;
    let after_ms = goaway.data["after_ms"].as_u64();
    assert_eq!(stream.end().await, (u64::from(CloseCode::Draining.number()), true, after_ms));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_a_stream_that_nobody_reads_is_given_up_while_its_neighbour_gets_everything() {
    let hub = Hub::with("--max-live-per-address 3 --requests-per-user 1000000").await;
    let host = hub.guest("helga").await;
    let homes = join_all((0..16).map(|_| list_home(&host))).await;
    let neighbour = hub.watcher(&homes[0]).await;
    let query: Vec<String> = homes.iter().map(|home| format!("topic={}", Topic::Property(home.id))).collect();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    let mut slow = within("a connection", socket.connect(hub.address)).await.unwrap();
    slow.write_all(format!("GET /events/?{} HTTP/1.1\r\nhost: hub\r\n\r\n", query.join("&")).as_bytes()).await.unwrap();
    within("its first byte", slow.readable()).await.unwrap();
    knock(&hub.rest, None).await.expect_problem(429, ErrorCode::TooManyConnections);
    let given_up = async {
        while knock(&hub.rest, None).await.status != 101 {
            join_all(homes.iter().map(|home| async {
                let path = format!("/properties/{}/", home.id);
                let change = plain(&host, Method::PATCH, &path).header(http::header::IF_MATCH, "*").json(&json!({ "title": fresh_key() }));
                assert_eq!(change.send().await.status, 200);
            }))
            .await;
        }
    };
    within("the stream to be given up", given_up).await;
    let last = host.hold(&homes[0], nights(0, 1)).await.unwrap();
    neighbour.until(last.seq).await;
}
