//! A client that writes bytes and reads frames, with no WebSocket library between.

use std::net::SocketAddr;

use base64::Engine as _;
use latchkey_protocol::SUBPROTOCOL;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::within;

pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame of the hub's, as far as a case cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Pong(Vec<u8>),
    /// The reply to that command, whatever it says.
    Reply(u64),
    /// A message was read as text, and meant nothing.
    Malformed,
    /// With its code and reason.
    Close(Option<u16>, String),
}

/// A close frame with one of our codes; its words are not the cases' business.
pub(super) fn failed(code: u16) -> Seen {
    Seen::Close(Some(code), String::new())
}

pub(super) struct Raw {
    stream: TcpStream,
    /// The head of the upgrade's answer.
    pub(super) head: String,
}

impl Raw {
    /// Upgrades, offering compression, and reads the greeting.
    pub(super) async fn connect(hub: SocketAddr) -> Self {
        let mut stream = within("a connection", TcpStream::connect(hub)).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let key = base64::engine::general_purpose::STANDARD.encode([7; 16]);
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: {hub}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {key}\r\nsec-websocket-protocol: {SUBPROTOCOL}\r\n\
             sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(within("the upgrade", stream.read_u8()).await.unwrap());
        }
        let mut raw = Self { stream, head: String::from_utf8(head).unwrap() };
        let (first, hello) = raw.frame().await.unwrap();
        assert!(first == 0x80 | TEXT && hello.starts_with(b"{\"hello\""), "{}", String::from_utf8_lossy(&hello));
        raw
    }

    /// A hub that has closed may reset what is sent after.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.unwrap() {
            126 => usize::from(self.stream.read_u16().await.unwrap()),
            127 => usize::try_from(self.stream.read_u64().await.unwrap()).unwrap(),
            short @ 0..=125 => usize::from(short),
            masked => panic!("a server masks nothing: {masked}"),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).await.unwrap();
        Some((first, payload))
    }

    /// The next frame, or nothing at the end.
    pub(super) async fn next(&mut self, case: &str) -> Option<Seen> {
        let (first, payload) = within(format!("a frame of case {case}"), self.frame()).await?;
        assert_eq!(first & 0xf0, 0x80, "case {case}: whole frames without reserved bits");
        Some(match first & 0x0f {
            TEXT => {
                let text: Value = serde_json::from_slice(&payload).unwrap();
                match (text["id"].as_u64(), text["error"]["code"].as_str()) {
                    (Some(id), _) => Seen::Reply(id),
                    (None, Some("malformed")) => Seen::Malformed,
                    _ => panic!("case {case}: {text}"),
                }
            }
            PONG => Seen::Pong(payload),
            CLOSE if payload.is_empty() => Seen::Close(None, String::new()),
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = String::from_utf8(payload[2..].to_vec()).unwrap();
                let is_ours = [1002, 1003, 1007, 1009].contains(&code);
                Seen::Close(Some(code), if is_ours { String::new() } else { reason })
            }
            other => panic!("case {case}: opcode {other}"),
        })
    }
}

/// A client's frame; `first` is its whole first byte.
pub(super) fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..=65_535 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 0x7f);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A whole frame, or the last of a message's.
pub(super) fn last(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

/// A frame with more to come.
pub(super) fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(opcode, payload)
}

pub(super) fn ping(payload: &[u8]) -> Vec<u8> {
    last(PING, payload)
}

/// A `ping` command of that many bytes: what is echoed in the suite is answered here.
pub(super) fn command(id: u64, length: usize) -> Vec<u8> {
    let bare = format!("{{\"id\":{id},\"cmd\":\"ping\"}}");
    let padding = length.saturating_sub(bare.len());
    format!("{}{}", bare, " ".repeat(padding)).into_bytes()
}

/// A message in fragments of that many bytes.
pub(super) fn fragments(text: &[u8], size: usize) -> Vec<Vec<u8>> {
    let count = text.len().div_ceil(size);
    let frame = |(number, chunk): (usize, &[u8])| {
        let opcode = if number == 0 { TEXT } else { CONTINUATION };
        if number + 1 == count { last(opcode, chunk) } else { part(opcode, chunk) }
    };
    text.chunks(size).enumerate().map(frame).collect()
}
