//! RFC 6455 over real TCP: what is read, and what is refused.

use super::*;

#[tokio::test]
async fn fragments_are_joined_around_the_control_frames_between_them() {
    let server = Server::start().await;
    let (mut client, _) = server.connect().await;
    let euro = "€".as_bytes();
    let bytes =
        [part(TEXT, b"he"), last(PING, b"?"), part(CONTINUATION, &euro[..1]), part(CONTINUATION, b""), last(CONTINUATION, &euro[1..])];
    client.send(&bytes.concat()).await;
    assert_eq!(client.frame().await, Some((0x80 | PONG, b"?".to_vec())));
    assert_eq!(client.text().await, "he€");
}

#[tokio::test]
async fn a_message_may_come_byte_by_byte_or_with_the_request() {
    let server = Server::start().await;
    // "Hi", masked with zeros, of which the first five bytes came with the upgrade request.
    let (mut client, _) = server.connect_after(&[0x81, 0x82, 0, 0, 0]).await;
    for byte in [0, b'H', b'i'].into_iter().chain(last(TEXT, b"and on")) {
        client.send(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.text().await, "Hi");
    assert_eq!(client.text().await, "and on");
}

#[tokio::test]
async fn the_longest_message_is_65536_bytes() {
    let server = Server::start().await;
    let (mut client, _) = server.connect().await;
    let long = "x".repeat(65_536);
    client.send(&last(TEXT, long.as_bytes())).await;
    assert_eq!(client.text().await, long);
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_is_told_which_and_closed() {
    let too_long = vec![b'x'; 65_537];
    let half = vec![b'x'; 40_000];
    let table: Vec<(&str, Vec<u8>, u16)> = vec![
        ("an unmasked frame", b"\x81\x02Hi".to_vec(), 1002),
        ("a reserved bit", raw(0xC0 | TEXT, b"Hi"), 1002),
        ("a reserved opcode", last(3, b"Hi"), 1002),
        ("a reserved control opcode", last(11, b""), 1002),
        ("a fragmented ping", part(PING, b""), 1002),
        ("a long ping", last(PING, &[0; 126]), 1002),
        ("a continuation of nothing", last(CONTINUATION, b"Hi"), 1002),
        ("a text within a text", [part(TEXT, b"a"), last(TEXT, b"b")].concat(), 1002),
        ("half a close code", last(CLOSE, &[3]), 1002),
        ("a close code nobody may send", last(CLOSE, &1005_u16.to_be_bytes()), 1002),
        ("binary", last(BINARY, b"Hi"), 1003),
        ("text that is not UTF-8", last(TEXT, b"\xff"), 1007),
        ("a surrogate", last(TEXT, b"\xed\xa0\x80"), 1007),
        ("half a character at the end", [part(TEXT, b"\xe2\x82"), last(CONTINUATION, b"")].concat(), 1007),
        ("a long frame, from its header", raw(0x81, &too_long)[..14].to_vec(), 1009),
        ("a long message in fragments", [part(TEXT, &half), last(CONTINUATION, &half)].concat(), 1009),
    ];
    let server = Server::start().await;
    for (fault, bytes, code) in table {
        let (mut client, _) = server.connect().await;
        client.send(&bytes).await;
        assert_eq!(client.close_code().await, code, "{fault}");
        drop(client);
        timeout(Duration::from_secs(5), server.registry.emptied()).await.expect(fault);
    }
}

#[tokio::test]
async fn a_close_is_answered_in_kind_after_what_was_asked_before() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    client.send(&[last(TEXT, b"one more"), last(CLOSE, b"\x03\xe8bye")].concat()).await;
    assert_eq!(client.text().await, "one more");
    assert_eq!(client.frame().await, Some((0x80 | CLOSE, b"\x03\xe8bye".to_vec())));
    assert_eq!(client.frame().await, None);
    assert!(!connection.send(text_frame("too late")));
    drop(client);
    server.registry.emptied().await;
}

#[tokio::test]
async fn a_client_that_vanishes_frees_its_seat() {
    let server = Server::start().await;
    let (first, _) = server.connect().await;
    let (_second, _) = server.connect().await;
    assert!(server.registry.take_seat(None).is_err(), "all seats are taken");
    drop(first);
    while server.registry.count() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(server.registry.take_seat(None).is_ok());
}
