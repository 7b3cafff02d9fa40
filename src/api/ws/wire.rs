//! The writing side of one socket, and what waits for it. Everything here is done under the connection's lock, and nothing waits.

use std::io::{self, ErrorKind, IoSlice};
use std::task::Waker;

use bytes::Bytes;
use latchkey_protocol::CloseCode;
use tokio::net::tcp::OwnedWriteHalf;

use super::conflation::Conflation;
use super::encoding::Encoding;
use super::outbox::{MAX_SLICES, Outbox};

/// Where a connection's frames go.
pub(super) enum Writer {
    /// Into its socket.
    Socket(OwnedWriteHalf),
    /// Into the outbox, from where an answer's body takes them (`event_stream`).
    Body,
}

/// What the lock guards: the only way to the socket's writing side.
pub(super) struct Wire {
    /// Gone once the socket is broken or shut down; dropping it sends the client a FIN.
    pub(super) writer: Option<Writer>,
    pub(super) outbox: Outbox,
    pub(super) closing: Option<CloseCode>,
    /// News of nights that waits until the client has read what was sent before.
    pub(super) conflation: Option<Box<Conflation>>,
    /// A replay that waits for room.
    pub(super) room: Option<Waker>,
    /// Whether the close frame is in the outbox, after everything else.
    pub(super) has_parted: bool,
}

impl Wire {
    /// To a client that has been told nothing yet.
    pub(super) fn to(writer: Writer) -> Self {
        Self { writer: Some(writer), outbox: Outbox::default(), closing: None, conflation: None, room: None, has_parted: false }
    }

    pub(super) fn begin_closing(&mut self, code: CloseCode) {
        if drops_backlog(code) {
            // Also when it is closing already, for a reason that let it have what waits.
            self.outbox.drop_unstarted(self.has_parted);
        }
        if self.closing.is_some() {
            return;
        }
        self.closing = Some(code);
        // Its client resumes, and is told anew.
        self.conflation = None;
        if let Some(room) = self.room.take() {
            room.wake();
        }
    }

    /// Queues what waited of nights; says how many frames.
    pub(super) fn tell_conflated(&mut self, encoding: Encoding) -> u64 {
        let Some(mut waiting) = self.conflation.take() else { return 0 };
        let mut told = 0;
        while let Some(frame) = waiting.tell_next(encoding) {
            self.outbox.push(frame);
            told += 1;
        }
        told
    }

    /// Writes one frame past the empty outbox; what the kernel does not take is queued.
    pub(super) fn write_directly(&mut self, frame: &Bytes) -> io::Result<()> {
        let Some(writer) = &self.writer else { return Err(ErrorKind::NotConnected.into()) };
        let written = match writer {
            Writer::Body => 0,
            Writer::Socket(writer) => match writer.try_write(frame) {
                Ok(written) => written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            },
        };
        if written < frame.len() {
            self.outbox.push_rest(frame.clone(), written);
        }
        Ok(())
    }

    /// Writes from the outbox until it is empty or the kernel takes no more.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let writer = match &self.writer {
            None => return Err(ErrorKind::NotConnected.into()),
            Some(Writer::Body) => return Ok(()),
            Some(Writer::Socket(writer)) => writer,
        };
        while !self.outbox.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.outbox.slices(&mut slices);
            match writer.try_write_vectored(&slices[..count]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.outbox.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether frames that wait must not be sent any more: too many of them, or no longer this client's to see.
const fn drops_backlog(code: CloseCode) -> bool {
    match code {
        CloseCode::SlowConsumer | CloseCode::Revoked | CloseCode::TokenExpired | CloseCode::IdleTimeout => true,
        CloseCode::Normal
        | CloseCode::ProtocolError
        | CloseCode::UnsupportedData
        | CloseCode::InvalidPayload
        | CloseCode::TooBig
        | CloseCode::Draining
        | CloseCode::Overloaded
        | CloseCode::BadAuthentication
        | CloseCode::PolicyViolation
        | CloseCode::TooManyConnections => false,
    }
}
