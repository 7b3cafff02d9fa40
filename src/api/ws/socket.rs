//! The task of one connection: reads messages, runs what its handler has under way, writes what waits, ends it properly.
//!
//! One task and no timer per connection. Reading is tungstenite's (RFC 6455 is in good hands there), over an adapter that takes
//! bytes from the socket and puts what tungstenite answers by itself (pongs, close replies) into the outbox, in order with
//! everything else. Whatever a client sends, one poll does a bounded amount of work (P10).

use std::future::poll_fn;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use latchkey_protocol::{CloseCode, MAX_CLIENT_MESSAGE_BYTES};
use tokio::io::AsyncReadExt as _;
use tokio::net::tcp::OwnedReadHalf;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};
use tracing::debug;

use super::connection::Connection;
use super::encoding::Encoding;
use super::terms::Limit;
use crate::hub::frame;

/// Read at once; also what every idle connection keeps. (One that has sent a longer message keeps a buffer of that length.)
const READ_BUFFER_BYTES: usize = 1024;
/// Messages handled in one poll before others get their turn.
const MAX_MESSAGES_PER_POLL: u32 = 16;
/// Bytes read in one poll before others get their turn: a stream of empty fragments yields no message to count.
const MAX_BYTES_PER_POLL: usize = 32 * 1024;
/// How long a client gets to take the close frame and to hang up.
const LINGER: Duration = Duration::from_secs(3);

/// The bits of a frame's first byte that say what it is, and what they are in a close frame.
const OPCODE: u8 = 0x0f;
const CLOSE: u8 = 0x08;

/// What is done with the messages of one connection.
pub(super) trait Handler: Send {
    /// Takes a text message. Called only while `is_ready`.
    fn message(&mut self, text: &str);

    /// Takes a message in MessagePack, likewise.
    fn packed(&mut self, message: &[u8]);

    /// Takes note of a ping or pong; tungstenite answers it.
    fn control(&mut self);

    /// Goes on with what is under way.
    fn poll(&mut self, cx: &mut Context<'_>);

    /// Whether the next message may come; while not, the client is not read from.
    fn is_ready(&self) -> bool;
}

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// We close: send this code.
    Close(CloseCode),
    /// The client closed, and the reply is in the outbox.
    Answered,
    /// The socket is broken, or was cut off without a close frame.
    Gone,
}

/// Serves one client until its connection ends; when this returns everything it could still be told has been sent.
///
/// `leftover` are bytes that came right after the upgrade request.
pub(super) async fn run(connection: Arc<Connection>, reader: OwnedReadHalf, leftover: Bytes, handler: impl Handler) {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_CLIENT_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_CLIENT_MESSAGE_BYTES));
    let context = WebSocketContext::new(Role::Server, Some(config));
    let mut socket = Socket { connection, reader, leftover, context, handler };
    let end = poll_fn(|cx| socket.poll(cx)).await;
    // Everything named: what `..` leaves behind would live as long as the parting takes, and the handler may be waiting for a
    // property's claim, which would be handed to somebody who never looks.
    let Socket { connection, reader, leftover, context, handler } = socket;
    drop((leftover, context, handler));
    match end {
        End::Gone => {}
        // Boxed: few connections are closing, all have room for this future.
        End::Answered => Box::pin(part(&connection, reader)).await,
        End::Close(code) => {
            connection.send_last(frame::close(code.number(), code.reason()));
            Box::pin(part(&connection, reader)).await;
        }
    }
    connection.shut_down();
}

struct Socket<H> {
    connection: Arc<Connection>,
    reader: OwnedReadHalf,
    leftover: Bytes,
    context: WebSocketContext,
    handler: H,
}

impl<H: Handler> Socket<H> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.connection.register(cx);
        let mut bytes_left = MAX_BYTES_PER_POLL;
        for _ in 0..MAX_MESSAGES_PER_POLL {
            self.handler.poll(cx);
            if let Poll::Ready(Err(_)) = self.connection.poll_drain(self.reader.as_ref(), cx) {
                return Poll::Ready(End::Gone);
            }
            if let Some(code) = self.connection.closing() {
                return Poll::Ready(End::Close(code));
            }
            if !self.handler.is_ready() || self.connection.is_crowded() {
                // Woken by the handler's work, a command's end or the outbox.
                return Poll::Pending;
            }
            match self.poll_message(cx, &mut bytes_left) {
                Poll::Ready(Some(end)) => return Poll::Ready(end),
                Poll::Ready(None) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads one message and has it handled; an end, if it brought one.
    fn poll_message(&mut self, cx: &mut Context<'_>, bytes_left: &mut usize) -> Poll<Option<End>> {
        loop {
            let mut io = Io { connection: &self.connection, reader: &self.reader, leftover: &mut self.leftover, bytes_left };
            match self.context.read(&mut io) {
                Ok(Message::Text(text)) if self.connection.encoding == Encoding::Json => self.handler.message(&text),
                Ok(Message::Binary(bytes)) if self.connection.encoding == Encoding::MessagePack => self.handler.packed(&bytes),
                Ok(Message::Text(_) | Message::Binary(_)) => return Poll::Ready(Some(End::Close(CloseCode::UnsupportedData))),
                // Answered by tungstenite on the next read.
                Ok(Message::Ping(_) | Message::Pong(_)) => self.handler.control(),
                Ok(Message::Close(_) | Message::Frame(_)) => {}
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => {
                    if *bytes_left == 0 {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    match self.reader.as_ref().poll_read_ready(cx) {
                        Poll::Ready(Ok(())) => continue,
                        Poll::Ready(Err(_)) => return Poll::Ready(Some(End::Gone)),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                Err(error) => return Poll::Ready(Some(end_of(&error))),
            }
            return Poll::Ready(None);
        }
    }
}

fn end_of(error: &Error) -> End {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => End::Answered,
        Error::Capacity(_) => {
            Limit::MessageBytes.count();
            End::Close(CloseCode::TooBig)
        }
        Error::Utf8(_) => End::Close(CloseCode::InvalidPayload),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Error::Protocol(fault) => {
            debug!(%fault, "client breaks the protocol");
            End::Close(CloseCode::ProtocolError)
        }
        // `Io` is a broken socket; the others belong to handshakes and TLS, which are not done here.
        _ => End::Gone,
    }
}

/// Has the last frames taken, says FIN, and waits for the client's: a socket that is dropped with unread bytes in it is reset, and
/// a reset may overtake the close frame.
async fn part(connection: &Connection, mut reader: OwnedReadHalf) {
    let farewell = async {
        poll_fn(|cx| {
            connection.register(cx);
            connection.poll_drain(reader.as_ref(), cx)
        })
        .await?;
        connection.shut_down();
        let mut discarded = [0; 512];
        let mut left = MAX_CLIENT_MESSAGE_BYTES * 4;
        while left > 0 {
            match reader.read(&mut discarded).await? {
                0 => break,
                read => left = left.saturating_sub(read),
            }
        }
        io::Result::Ok(())
    };
    let parted = tokio::time::timeout(LINGER, farewell).await;
    debug!(in_time = parted.is_ok(), "connection closed");
}

/// The socket as tungstenite sees it: never blocks, never writes past the outbox.
struct Io<'a> {
    connection: &'a Connection,
    reader: &'a OwnedReadHalf,
    leftover: &'a mut Bytes,
    bytes_left: &'a mut usize,
}

impl Read for Io<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if *self.bytes_left == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        let read = if self.leftover.is_empty() {
            self.reader.try_read(buffer)?
        } else {
            let count = buffer.len().min(self.leftover.len());
            self.leftover.copy_to_slice(&mut buffer[..count]);
            if self.leftover.is_empty() {
                *self.leftover = Bytes::new();
            }
            count
        };
        *self.bytes_left = self.bytes_left.saturating_sub(read);
        self.connection.heard();
        Ok(read)
    }
}

impl Write for Io<'_> {
    /// Takes a whole frame: with a write buffer of 0 tungstenite hands over each by itself.
    fn write(&mut self, frame: &[u8]) -> io::Result<usize> {
        let bytes = Bytes::copy_from_slice(frame);
        if frame.first().is_some_and(|first| first & OPCODE == CLOSE) {
            self.connection.send_last(bytes);
        } else {
            self.connection.send(bytes);
        }
        Ok(frame.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
