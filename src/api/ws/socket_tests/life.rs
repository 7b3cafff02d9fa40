//! How connections end, by the clock and by decree.

use super::*;

#[tokio::test]
async fn silence_is_answered_by_one_ping_and_then_by_the_end() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    connection.set_caller(caller(1, EpochMs::MAX));
    server.sweep_at(24_999);
    server.sweep_at(25_000);
    server.sweep_at(26_000);
    connection.send(text_frame("after one ping"));
    assert_eq!(client.frame().await, Some((0x80 | PING, vec![])));
    assert_eq!(client.text().await, "after one ping");
    client.send(&[last(PONG, b""), last(TEXT, b"alive")].concat()).await;
    assert_eq!(client.text().await, "alive");
    // Nobody listened for an hour: that is no fault of the client's.
    server.sweep_at(3_600_000);
    assert_eq!(client.frame().await, Some((0x80 | PING, vec![])));
    server.sweep_at(3_624_999);
    assert_eq!(connection.closing(), None);
    server.sweep_at(3_625_000);
    assert_eq!(client.close_code().await, CloseCode::IdleTimeout.number());
}

#[tokio::test]
async fn a_socket_must_authenticate_or_watch_something_within_ten_seconds() {
    let server = Server::start().await;
    let (mut idle, _) = server.connect().await;
    let (mut watching, connection) = server.connect().await;
    connection.set_watching(true);
    server.sweep_at(10_000);
    assert_eq!(idle.close_code().await, CloseCode::BadAuthentication.number());
    watching.send(&last(TEXT, b"here")).await;
    assert_eq!(watching.text().await, "here");
}

#[tokio::test]
async fn a_watcher_may_think_for_ten_seconds_and_is_then_invited_to_come_back() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    connection.has_spoken.store(true, Ordering::Relaxed);
    connection.set_watching(true);
    server.sweep_at(60_000);
    client.send(&last(PONG, b"")).await;
    connection.set_watching(false);
    server.sweep_at(69_999);
    assert_eq!(connection.closing(), None);
    server.sweep_at(70_000);
    assert_eq!(client.close_code().await, CloseCode::IdleTimeout.number());
}

#[tokio::test]
async fn an_expired_token_ends_the_connection_and_lets_no_private_event_through_before() {
    let server = Server::start().await;
    let inbox = Topic::User(UserId::from_bytes([1; 16]));
    let (mut swept, first) = server.connect().await;
    let (mut late, second) = server.connect().await;
    first.set_caller(caller(1, 5000));
    second.set_caller(caller(1, 5000));
    assert!(second.deliver(inbox, &[event_of(text_frame("in time"))]));
    server.clock.0.store(5000, Ordering::SeqCst);
    assert!(!second.deliver(inbox, &[event_of(text_frame("too late"))]));
    assert_eq!(late.text().await, "in time");
    assert_eq!(late.close_code().await, CloseCode::TokenExpired.number());
    server.sweep_at(5000);
    assert_eq!(swept.close_code().await, CloseCode::TokenExpired.number());
}

#[tokio::test]
async fn a_revoked_session_loses_its_sockets_and_no_other() {
    let server = Server::start().await;
    let (mut revoked, first) = server.connect().await;
    let (mut other, second) = server.connect().await;
    first.set_caller(caller(1, EpochMs::MAX));
    second.set_caller(caller(2, EpochMs::MAX));
    assert_eq!(server.registry.close_session(SessionId::from_bytes([1; 16])), 1);
    assert!(!first.send(text_frame("no longer yours")));
    assert_eq!(revoked.close_code().await, CloseCode::Revoked.number());
    assert_eq!(server.registry.close_user(UserId::from_bytes([3; 16])), 0);
    other.send(&last(TEXT, b"here")).await;
    assert_eq!(other.text().await, "here");
}

#[tokio::test]
async fn a_draining_node_says_when_to_come_back_and_takes_nobody_new() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    server.registry.drain(1000);
    let notice: serde_json::Value = serde_json::from_str(&client.text().await).unwrap();
    assert!(notice["goaway"]["after_ms"].as_u64().unwrap() < 1000);
    assert!(connection.is_draining());
    assert!(server.registry.take_seat(None).is_err());
    server.registry.close_all(CloseCode::Draining);
    assert_eq!(client.close_code().await, CloseCode::Draining.number());
    drop(client);
    timeout(Duration::from_secs(5), server.registry.emptied()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_hang_up_keeps_nothing_but_its_socket() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    assert_eq!(Arc::strong_count(&server.is_paused), 2, "the handler has one");
    connection.close(CloseCode::Draining);
    assert_eq!(client.close_code().await, CloseCode::Draining.number());
    assert_eq!((Arc::strong_count(&server.is_paused), server.registry.count()), (1, 1), "the task lingers, its handler does not");
}

#[tokio::test]
async fn p10_a_users_place_is_free_again_however_a_connection_ends() {
    let server = Server::with(WsLimits { max_per_user: 1, ..WsLimits::default() }).await;
    let ada = caller(1, EpochMs::MAX);
    // Broken off, closed by the client, closed for what it sent, closed by decree, and pushed out by the next.
    for way in 0..5 {
        let (mut client, connection) = server.connect().await;
        server.registry.introduce(&connection, ada);
        server.registry.introduce(&connection, Caller { expires_at: 7, ..ada });
        assert_eq!((server.registry.users(), connection.closing()), (1, None), "{way}: itself is no other");
        match way {
            0 => {}
            1 => client.send(&last(CLOSE, b"")).await,
            2 => client.send(&last(3, b"no such opcode")).await,
            3 => assert_eq!(server.registry.close_user(ada.user), 1),
            _ => {
                let (_next, pushing) = server.connect().await;
                server.registry.introduce(&pushing, ada);
                assert_eq!((connection.closing(), pushing.closing()), (Some(CloseCode::TooManyConnections), None));
                assert_eq!(client.close_code().await, CloseCode::TooManyConnections.number());
            }
        }
        drop(client);
        timeout(Duration::from_secs(5), server.registry.emptied()).await.unwrap();
        assert_eq!(server.registry.users(), 0, "{way}");
    }
}
