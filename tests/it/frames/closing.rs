//! 7: the close handshake.

use super::raw::{CLOSE, CONTINUATION, Seen, TEXT, command, failed, last, part, ping};
use super::{case, run};

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    last(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// A close frame answered in kind.
fn answered(code: u16, reason: &str) -> Seen {
    Seen::Close(Some(code), reason.to_owned())
}

#[tokio::test]
async fn p10_autobahn_7_a_close_is_answered_once_and_nothing_after_it_counts() {
    let (hello, bye) = (|| last(TEXT, &command(1, 0)), || close(1000, b""));
    let (first, second) = (part(TEXT, b"{\"id\":1,"), last(CONTINUATION, b"\"cmd\":\"ping\"}"));
    let longest = "x".repeat(123);
    run(vec![
        case("7.1.1", vec![hello(), bye()], vec![Seen::Reply(1), answered(1000, "")]),
        case("7.1.2", vec![[bye(), bye()].concat()], vec![answered(1000, "")]),
        case("7.1.3", vec![[bye(), ping(b"ping payload")].concat()], vec![answered(1000, "")]),
        case("7.1.4", vec![[bye(), hello()].concat()], vec![answered(1000, "")]),
        case("7.1.5", vec![[first, bye(), second].concat()], vec![answered(1000, "")]),
        case("7.1.6", vec![last(TEXT, &command(1, 65_536)), bye(), ping(b"")], vec![Seen::Reply(1), answered(1000, "")]),
        case("7.3.1", vec![last(CLOSE, b"")], vec![Seen::Close(None, String::new())]),
        case("7.3.2", vec![last(CLOSE, b"a")], vec![failed(1002)]),
        case("7.3.3", vec![bye()], vec![answered(1000, "")]),
        case("7.3.4", vec![close(1000, b"Hello World!")], vec![answered(1000, "Hello World!")]),
        case("7.3.5", vec![close(1000, longest.as_bytes())], vec![answered(1000, &longest)]),
        case("7.3.6", vec![close(1000, "x".repeat(124).as_bytes())], vec![failed(1002)]),
        case("7.5.1", vec![close(1000, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited")], vec![failed(1007)]),
    ])
    .await;
}

#[tokio::test]
async fn p10_autobahn_7_close_codes_that_may_be_sent_and_those_that_may_not() {
    let mut cases = Vec::new();
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        // The words of our own codes are left out when they are read.
        let reason = if [1002, 1003, 1007, 1009].contains(&code) { "" } else { "why" };
        cases.push(case(format!("7.7, code {code}"), vec![close(code, b"why")], vec![answered(code, reason)]));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999] {
        cases.push(case(format!("7.9, code {code}"), vec![close(code, b"")], vec![failed(1002)]));
        cases.push(case(format!("7.9, code {code} and words"), vec![close(code, b"why")], vec![failed(1002)]));
    }
    // Undefined by the RFC; refused here.
    for code in [5000, 65_535] {
        cases.push(case(format!("7.13, code {code}"), vec![close(code, b"")], vec![failed(1002)]));
    }
    run(cases).await;
}
