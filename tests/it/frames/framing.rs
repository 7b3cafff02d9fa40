//! 1 framing, 2 pings and pongs, 3 reserved bits, 4 opcodes, 5 fragmentation, 9 limits, 10 and 12.

use super::raw::{BINARY, CLOSE, CONTINUATION, PING, PONG, Raw, Seen, TEXT, command, failed, fragments, last, part, ping, raw};
use super::{case, chopped, run};
use crate::support::Hub;

fn pong(payload: &[u8]) -> Seen {
    Seen::Pong(payload.to_vec())
}

#[tokio::test]
async fn p10_no_extension_is_negotiated() {
    let hub = Hub::start().await;
    let head = Raw::connect(hub.address).await.head.to_lowercase();
    assert!(head.starts_with("http/1.1 101 ") && !head.contains("sec-websocket-extensions"), "12.1.1: {head}");
}

#[tokio::test]
async fn p10_autobahn_1_messages_of_every_length() {
    let mut cases = vec![case("1.1.1", vec![last(TEXT, b"")], vec![Seen::Malformed])];
    for (number, length) in [(2, 125), (3, 126), (4, 127), (5, 128), (6, 65_535), (7, 65_536)] {
        cases.push(case(format!("1.1.{number}"), vec![last(TEXT, &command(1, length))], vec![Seen::Reply(1)]));
    }
    cases.push(case("1.1.8", chopped(&last(TEXT, &command(1, 65_536)), 997), vec![Seen::Reply(1)]));
    for (number, length) in [(1, 0), (2, 125), (3, 126), (4, 127), (5, 128), (6, 65_535), (7, 65_536)] {
        cases.push(case(format!("1.2.{number}"), vec![last(BINARY, &vec![0xfe; length])], vec![failed(1003)]));
    }
    cases.push(case("1.2.8", chopped(&last(BINARY, &vec![0xfe; 65_536]), 997), vec![failed(1003)]));
    run(cases).await;
}

#[tokio::test]
async fn p10_autobahn_2_pings_and_pongs() {
    let (binary, longest) = (b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", [0xfe; 125]);
    let (payloads, frames): (Vec<_>, Vec<_>) = (0..10).map(|number: u8| vec![b'p', number]).map(|ten| (ten.clone(), ping(&ten))).unzip();
    let pongs: Vec<Seen> = payloads.into_iter().map(Seen::Pong).collect();
    run(vec![
        case("2.1", vec![ping(b"")], vec![pong(b"")]),
        case("2.2", vec![ping(b"Hello, world!")], vec![pong(b"Hello, world!")]),
        case("2.3", vec![ping(binary)], vec![pong(binary)]),
        case("2.4", vec![ping(&longest)], vec![pong(&longest)]),
        case("2.5", vec![ping(&[0xfe; 126])], vec![failed(1002)]),
        case("2.6", chopped(&ping(&longest), 1), vec![pong(&longest)]),
        case("2.7", vec![last(PONG, b"")], vec![]),
        case("2.8", vec![last(PONG, b"unsolicited pong payload")], vec![]),
        case("2.9", vec![last(PONG, b"unsolicited pong payload"), ping(b"ping payload")], vec![pong(b"ping payload")]),
        case("2.10", vec![frames.concat()], pongs.clone()),
        case("2.11", chopped(&frames.concat(), 1), pongs),
    ])
    .await;
}

#[tokio::test]
async fn p10_autobahn_3_reserved_bits() {
    let hello = || last(TEXT, &command(1, 0));
    let reserved = |bits: u8, opcode: u8| raw(0x80 | bits << 4 | opcode, &command(2, 0));
    run(vec![
        case("3.1", vec![reserved(1, TEXT)], vec![failed(1002)]),
        case("3.2", vec![hello(), reserved(2, TEXT), ping(b"")], vec![Seen::Reply(1), failed(1002)]),
        case("3.3", vec![[hello(), reserved(3, TEXT), ping(b"")].concat()], vec![Seen::Reply(1), failed(1002)]),
        case("3.4", chopped(&[hello(), reserved(4, TEXT), ping(b"")].concat(), 1), vec![Seen::Reply(1), failed(1002)]),
        case("3.5", vec![reserved(5, BINARY)], vec![failed(1002)]),
        case("3.6", vec![reserved(6, PING)], vec![failed(1002)]),
        case("3.7", vec![reserved(7, CLOSE)], vec![failed(1002)]),
    ])
    .await;
}

#[tokio::test]
async fn p10_autobahn_4_reserved_opcodes() {
    let mut cases = Vec::new();
    for (family, first) in [(1_u8, 3_u8), (2, 11)] {
        for number in 1..=5 {
            let reserved = last(first + number - 1, if number == 1 { b"" } else { b"reserved opcode payload" });
            let hello = last(TEXT, &command(1, 0));
            let (sent, before) = match number {
                1 | 2 => (vec![reserved], vec![]),
                3 => (vec![hello, reserved, ping(b"")], vec![Seen::Reply(1)]),
                4 => (vec![[hello, reserved, ping(b"")].concat()], vec![Seen::Reply(1)]),
                _ => (chopped(&[hello, reserved, ping(b"")].concat(), 1), vec![Seen::Reply(1)]),
            };
            cases.push(case(format!("4.{family}.{number}"), sent, [before, vec![failed(1002)]].concat()));
        }
    }
    run(cases).await;
}

#[tokio::test]
async fn p10_autobahn_5_fragments_and_what_comes_between_them() {
    let whole = command(1, 0);
    let (first, second) = whole.split_at(9);
    let (begin, end) = (part(TEXT, first), last(CONTINUATION, second));
    let (stray_last, stray_part) = (last(CONTINUATION, b"non-continuation payload"), part(CONTINUATION, b"non-continuation payload"));
    let hello = last(TEXT, &command(2, 0));
    let between = [begin.clone(), ping(b"ping payload"), end.clone()];
    let looped = |stray: &[u8]| {
        let mut sent = Vec::new();
        for _ in 0..2 {
            sent.extend([part(CONTINUATION, b"fragment1"), part(CONTINUATION, b"fragment2"), stray.to_vec()]);
        }
        sent
    };
    // 5.19 and 5.20: a message of five fragments with pings between them, which are answered before it is whole.
    let pieces = fragments(&command(1, 25), 5);
    let pinged = vec![
        [pieces[0].clone(), pieces[1].clone(), ping(b"pongme 1!")].concat(),
        [&pieces[2..4], &[ping(b"pongme 2!")]].concat().concat(),
        pieces[4].clone(),
    ];
    let answered = vec![pong(b"pongme 1!"), pong(b"pongme 2!"), Seen::Reply(1)];
    run(vec![
        case("5.1", vec![part(PING, b"fragment1"), last(CONTINUATION, b"fragment2")], vec![failed(1002)]),
        case("5.2", vec![part(PONG, b"fragment1"), last(CONTINUATION, b"fragment2")], vec![failed(1002)]),
        case("5.3", vec![begin.clone(), end.clone()], vec![Seen::Reply(1)]),
        case("5.4", vec![[begin.clone(), end.clone()].concat()], vec![Seen::Reply(1)]),
        case("5.5", chopped(&[begin.clone(), end.clone()].concat(), 1), vec![Seen::Reply(1)]),
        case("5.6", between.to_vec(), vec![pong(b"ping payload"), Seen::Reply(1)]),
        case("5.7", vec![between.concat()], vec![pong(b"ping payload"), Seen::Reply(1)]),
        case("5.8", chopped(&between.concat(), 1), vec![pong(b"ping payload"), Seen::Reply(1)]),
        case("5.9", vec![stray_last.clone(), hello.clone()], vec![failed(1002)]),
        case("5.10", vec![[stray_last.clone(), hello.clone()].concat()], vec![failed(1002)]),
        case("5.11", chopped(&[stray_last.clone(), hello.clone()].concat(), 1), vec![failed(1002)]),
        case("5.12", vec![stray_part.clone(), hello.clone()], vec![failed(1002)]),
        case("5.13", vec![[stray_part.clone(), hello.clone()].concat()], vec![failed(1002)]),
        case("5.14", chopped(&[stray_part.clone(), hello.clone()].concat(), 1), vec![failed(1002)]),
        case("5.15", vec![begin.clone(), end.clone(), stray_part, hello.clone()], vec![Seen::Reply(1), failed(1002)]),
        case("5.16", looped(&last(TEXT, b"fragment3")), vec![failed(1002)]),
        case("5.17", looped(&stray_last), vec![failed(1002)]),
        case("5.18", vec![begin.clone(), last(TEXT, second)], vec![failed(1002)]),
        case("5.19", pinged.clone(), answered.clone()),
        case("5.20", chopped(&pinged.concat(), 1), answered),
    ])
    .await;
}

#[tokio::test]
async fn p10_autobahn_9_and_10_up_to_the_limit_and_not_beyond() {
    let longest = command(1, 65_536);
    let mut cases = vec![
        case("9.1", vec![last(TEXT, &longest)], vec![Seen::Reply(1)]),
        case("9.1 beyond", vec![last(TEXT, &command(1, 65_537))], vec![failed(1009)]),
        case("9.2 beyond", vec![last(BINARY, &vec![0; 65_537])], vec![failed(1009)]),
        case("10.1.1", fragments(&longest, 1_300), vec![Seen::Reply(1)]),
    ];
    for (number, size) in [(1, 64), (2, 256), (3, 1_024), (4, 4_096), (5, 16_384)] {
        cases.push(case(format!("9.3.{number}"), fragments(&longest, size), vec![Seen::Reply(1)]));
        cases.push(case(format!("9.3.{number} beyond"), fragments(&command(1, 65_537), size), vec![failed(1009)]));
    }
    for (number, size) in [(1, 64), (2, 128), (3, 256), (4, 512), (5, 1_024), (6, 2_048)] {
        cases.push(case(format!("9.5.{number}"), chopped(&last(TEXT, &longest), size), vec![Seen::Reply(1)]));
    }
    // As many as a client may send at once.
    for (number, length) in [(1, 0), (2, 64), (3, 256), (4, 1_024)] {
        let replies = (1..=300).map(Seen::Reply).collect();
        cases.push(case(format!("9.7.{number}"), (1..=300).map(|id| last(TEXT, &command(id, length))).collect(), replies));
    }
    run(cases).await;
}
