//! RFC 6455 by the cases of the Autobahn test suite, against a whole hub: each row has the case's number, what a client sends, and every frame it is
//! sent back. Where the suite expects an echo, a command is answered here.
//!
//! Not here: 9 beyond our limit of 64 KiB (answered 1009 instead), 12 and 13 (compression is never negotiated, the first test says so). Two cases are
//! what the suite calls non-strict, both allowed by the RFC: tungstenite validates UTF-8 frame by frame, so a bad byte is told of when its frame is
//! whole (6.4.3, 6.4.4); and close code 1014, registered after the suite was written, is refused like any that nobody may send.

mod closing;
mod framing;
mod raw;
mod text;

use self::raw::{Raw, Seen, last, ping};
use crate::support::Hub;

/// One case: its number, what is sent (a write each), and what comes back.
struct Case {
    number: String,
    sent: Vec<Vec<u8>>,
    expected: Vec<Seen>,
}

fn case(number: impl Into<String>, sent: Vec<Vec<u8>>, expected: Vec<Seen>) -> Case {
    Case { number: number.into(), sent, expected }
}

/// Runs cases, each on a connection of its own. One that does not end with a close frame goes on: a ping is answered, and nothing came before.
async fn run(cases: Vec<Case>) {
    let hub = Hub::start().await;
    for Case { number, sent, expected } in cases {
        let mut client = Raw::connect(hub.address).await;
        for bytes in sent {
            client.send(&bytes).await;
        }
        for frame in &expected {
            assert_eq!(client.next(&number).await.as_ref(), Some(frame), "case {number}");
        }
        let is_over = matches!(expected.last(), Some(Seen::Close(..)));
        if !is_over {
            client.send(&ping(b"still there?")).await;
            assert_eq!(client.next(&number).await, Some(Seen::Pong(b"still there?".to_vec())), "case {number}");
            client.send(&last(raw::CLOSE, b"")).await;
            assert_eq!(client.next(&number).await, Some(Seen::Close(None, String::new())), "case {number}");
        }
        assert_eq!(client.next(&number).await, None, "case {number}: nothing follows a close frame");
    }
}

/// Bytes one at a time, or a few.
fn chopped(bytes: &[u8], size: usize) -> Vec<Vec<u8>> {
    bytes.chunks(size).map(<[u8]>::to_vec).collect()
}
