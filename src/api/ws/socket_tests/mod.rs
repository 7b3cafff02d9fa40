//! Sockets over real TCP, spoken to in raw frames, with a handler that echoes. No services here.
//!
//! `frames`: what is read, and what is refused. `backlog`: what a client that reads slowly, or sends too much, does to itself and
//! to nobody else. `life`: how connections end by the clock and by decree.

mod backlog;
mod frames;
mod life;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use latchkey_protocol::{CloseCode, EpochMs, SessionId, Topic, UserId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::connection::Connection;
use super::encoding::Encoding;
use super::positions::Positions;
use super::registry::Registry;
use super::socket::{Handler, run};
use super::terms::{Terms, WsLimits};
use super::wire::Writer;
use crate::clock::Clock;
use crate::hub::{EventFrame, Subscriber as _, frame};
use crate::service::Caller;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CONTINUATION: u8 = 0;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[derive(Debug, Default)]
struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now(&self) -> EpochMs {
        self.0.load(Ordering::SeqCst)
    }
}

struct Echo {
    connection: Arc<Connection>,
    is_paused: Arc<AtomicBool>,
}

impl Handler for Echo {
    fn message(&mut self, text: &str) {
        self.connection.send(frame::text(text.len(), |buffer| buffer.extend_from_slice(text.as_bytes())));
    }

    fn packed(&mut self, message: &[u8]) {
        self.connection.send(frame::binary(message.len(), |buffer| buffer.extend_from_slice(message)));
    }

    fn control(&mut self) {}

    fn poll(&mut self, _: &mut Context<'_>) {}

    fn is_ready(&self) -> bool {
        !self.is_paused.load(Ordering::SeqCst)
    }
}

struct Server {
    listener: TcpListener,
    registry: Arc<Registry>,
    clock: Arc<ManualClock>,
    is_paused: Arc<AtomicBool>,
}

impl Server {
    async fn start() -> Self {
        Self::with(WsLimits { max_sockets: 2, ..WsLimits::default() }).await
    }

    async fn with(limits: WsLimits) -> Self {
        let clock = Arc::new(ManualClock::default());
        let terms = Arc::new(Terms::new(limits, Arc::<ManualClock>::clone(&clock)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, registry: Arc::new(Registry::new(terms)), clock, is_paused: Arc::default() }
    }

    async fn connect(&self) -> (Client, Arc<Connection>) {
        self.connect_after(b"").await
    }

    async fn connect_after(&self, leftover: &'static [u8]) -> (Client, Arc<Connection>) {
        let client = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = self.listener.accept().await.unwrap();
        let (reader, writer) = stream.into_split();
        let seat = self.registry.take_seat(None).unwrap();
        let connection = seat.sit(Writer::Socket(writer), Encoding::Json);
        let echo = Echo { connection: Arc::clone(&connection), is_paused: Arc::clone(&self.is_paused) };
        let ours = Arc::clone(&connection);
        tokio::spawn(async move {
            run(ours, reader, Bytes::from_static(leftover), echo).await;
            drop(seat);
        });
        (Client(client), connection)
    }

    fn sweep_at(&self, now: EpochMs) {
        self.clock.0.store(now, Ordering::SeqCst);
        self.registry.sweep(now);
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The next frame: its first byte and its payload. Nothing at the end of the stream.
    async fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        timeout(Duration::from_secs(5), async {
            let first = self.0.read_u8().await.ok()?;
            let length = match self.0.read_u8().await.unwrap() {
                126 => u64::from(self.0.read_u16().await.unwrap()),
                127 => self.0.read_u64().await.unwrap(),
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload).await.unwrap();
            Some((first, payload))
        })
        .await
        .expect("a frame or the end within five seconds")
    }

    async fn text(&mut self) -> String {
        let (first, payload) = self.frame().await.unwrap();
        assert_eq!(first, 0x80 | TEXT);
        String::from_utf8(payload).unwrap()
    }

    /// Reads to the close frame and the FIN behind it; the code.
    async fn close_code(&mut self) -> u16 {
        loop {
            let (first, payload) = self.frame().await.expect("a close frame before the end");
            if first == 0x80 | CLOSE {
                assert_eq!(self.frame().await, None, "nothing follows a close frame");
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}

/// A client's frame. The mask is fixed; `first` is the whole first byte.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        medium @ 126..=65_535 => {
            bytes.push(0x80 | 0x7e);
            bytes.extend(u16::try_from(medium).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    bytes.extend(MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

fn last(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(0x80 | opcode, payload)
}

fn part(opcode: u8, payload: &[u8]) -> Vec<u8> {
    raw(opcode, payload)
}

fn caller(number: u8, expires_at: EpochMs) -> Caller {
    Caller { user: UserId::from_bytes([number; 16]), session: SessionId::from_bytes([number; 16]), expires_at }
}

fn text_frame(text: &str) -> Bytes {
    frame::text(text.len(), |buffer| buffer.extend_from_slice(text.as_bytes()))
}

/// An event that is that text, for connections that do not look at it.
fn event_of(text: Bytes) -> EventFrame {
    EventFrame::from_text(1, text)
}
