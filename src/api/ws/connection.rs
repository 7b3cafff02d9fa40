//! One client's socket as everyone else sees it: frames can be sent to it, it can be closed, its silence can be judged.
//!
//! Invariants: sending never blocks (P10); frames leave whole and in the order of `send`; once a close is asked for nothing
//! more is accepted, so a revoked client gets no later event (P8). Feeds, command tasks and the registry's sweep call it from
//! any thread; the connection's own task (`socket`) writes what could not be written at once.

use std::io::{self, ErrorKind, IoSlice};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use latchkey_protocol::{CloseCode, EpochMs, Topic};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

use super::answer;
use super::outbox::{self, MAX_SLICES, Outbox};
use super::terms::Terms;
use crate::hub::{Subscriber, SubscriberId, frame};
use crate::service::{Caller, ServiceError};

/// A time that has not come.
const NEVER: EpochMs = EpochMs::MIN;

/// How long before its end a token is warned of, in milliseconds.
const TOKEN_WARNING_MS: EpochMs = 30_000;

/// A client's socket.
pub(super) struct Connection {
    id: SubscriberId,
    terms: Arc<Terms>,
    wire: Mutex<Wire>,
    /// The connection's task.
    task: AtomicWaker,
    caller: Mutex<Option<Caller>>,
    /// Topics that ended by themselves and that the session has not struck out yet.
    ended: Mutex<Vec<Topic>>,
    /// Domain commands under way.
    in_flight: AtomicU32,
    last_heard_at: AtomicI64,
    /// When the ping went out that nothing has come after; `NEVER` if there is none.
    pinged_at: AtomicI64,
    /// Follows at least one topic.
    is_watching: AtomicBool,
    /// Has followed one before.
    has_watched: AtomicBool,
    /// Since when it follows nothing.
    aimless_since: AtomicI64,
    is_draining: AtomicBool,
    /// When the last heartbeat was due.
    last_beat_at: AtomicI64,
    /// Whether one is due that the session has not sent.
    owes_heartbeat: AtomicBool,
    /// The end of the token that the client was warned of.
    warned_of: AtomicI64,
}

/// What the lock guards: the only way to the socket's writing side.
struct Wire {
    /// Gone once the socket is broken or shut down; dropping it sends the client a FIN.
    writer: Option<OwnedWriteHalf>,
    outbox: Outbox,
    closing: Option<CloseCode>,
    /// A replay that waits for room.
    room: Option<Waker>,
}

impl Connection {
    pub(super) fn new(id: SubscriberId, terms: Arc<Terms>, writer: OwnedWriteHalf) -> Self {
        let now = terms.clock.now();
        Self {
            id,
            terms,
            wire: Mutex::new(Wire { writer: Some(writer), outbox: Outbox::default(), closing: None, room: None }),
            task: AtomicWaker::new(),
            caller: Mutex::new(None),
            ended: Mutex::default(),
            in_flight: AtomicU32::new(0),
            last_heard_at: AtomicI64::new(now),
            pinged_at: AtomicI64::new(NEVER),
            is_watching: AtomicBool::new(false),
            has_watched: AtomicBool::new(false),
            aimless_since: AtomicI64::new(now),
            is_draining: AtomicBool::new(false),
            last_beat_at: AtomicI64::new(now),
            owes_heartbeat: AtomicBool::new(false),
            warned_of: AtomicI64::new(NEVER),
        }
    }

    fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one frame; `false` if the connection takes no more.
    pub(super) fn send(&self, frame: Bytes) -> bool {
        self.send_all(std::slice::from_ref(&frame))
    }

    /// Sends frames in order: at once if nothing waits, else through the outbox. Beyond the limit the client is a slow consumer.
    ///
    /// What is sent while there is room (see `poll_room`) is always taken, however long: pages, rings and replies of snapshots wait for
    /// room first and are bounded where they are made. So no more than the limit, or one such batch and a quarter of it, ever waits.
    pub(super) fn send_all(&self, frames: &[Bytes]) -> bool {
        let mut wire = self.wire();
        if wire.closing.is_some() || wire.writer.is_none() {
            return false;
        }
        let added: usize = frames.iter().map(outbox::weight).sum();
        if !self.has_room(&wire) && wire.outbox.bytes() + added > self.terms.limits.max_queued_bytes {
            self.terms.meters.slow_consumers.increment(1);
            wire.begin_closing(CloseCode::SlowConsumer);
            drop(wire);
            self.task.wake();
            return false;
        }
        self.terms.meters.frames_sent.increment(frames.len() as u64);
        let was_empty = wire.outbox.is_empty();
        let written = match frames {
            [frame] if was_empty => wire.write_directly(frame),
            _ => {
                for frame in frames {
                    wire.outbox.push(frame.clone());
                }
                if was_empty { wire.write() } else { Ok(()) }
            }
        };
        let must_wake = written.is_err() || (was_empty && !wire.outbox.is_empty());
        let is_open = written.is_ok();
        if !is_open {
            // The close frame will not reach anyone; what counts is that the task ends.
            wire.writer = None;
            wire.begin_closing(CloseCode::Normal);
        }
        drop(wire);
        if must_wake {
            self.task.wake();
        }
        is_open
    }

    /// Asks for the end of the connection. The first code counts. The task sends the close frame.
    pub(super) fn close(&self, code: CloseCode) {
        self.wire().begin_closing(code);
        self.task.wake();
    }

    /// The code it is to be closed with.
    pub(super) fn closing(&self) -> Option<CloseCode> {
        self.wire().closing
    }

    /// Queues a close frame; nothing follows it (RFC 6455, 5.5.1).
    pub(super) fn send_last(&self, close_frame: Bytes) {
        let mut wire = self.wire();
        wire.closing.get_or_insert(CloseCode::Normal);
        wire.outbox.push(close_frame);
    }

    /// Tells the client that nothing more will come (FIN) and refuses further frames.
    pub(super) fn shut_down(&self) {
        let mut wire = self.wire();
        wire.closing.get_or_insert(CloseCode::Normal);
        wire.writer = None;
    }

    /// Has the task woken by whatever happens to this connection.
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.task.register(cx.waker());
    }

    /// Writes what waits. Called by the connection's task only.
    pub(super) fn poll_drain(&self, stream: &TcpStream, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut wire = self.wire();
            if wire.outbox.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = wire.outbox.bytes();
            wire.write()?;
            let after = wire.outbox.bytes();
            let room = if self.has_room(&wire) { wire.room.take() } else { None };
            drop(wire);
            if let Some(room) = room {
                room.wake();
            }
            if after < before {
                // A client that takes bytes is alive, even while we do not read from it.
                self.heard();
            }
            if after > 0 {
                ready!(stream.poll_write_ready(cx))?;
            }
        }
    }

    /// Whether so little waits that something long may be added.
    fn has_room(&self, wire: &Wire) -> bool {
        wire.outbox.bytes() <= self.terms.limits.max_queued_bytes / 4
    }

    /// Whether so much waits that reading further commands should wait too.
    pub(super) fn is_crowded(&self) -> bool {
        self.wire().outbox.bytes() > self.terms.limits.max_queued_bytes / 2
    }

    /// The client has said or taken something.
    pub(super) fn heard(&self) {
        self.last_heard_at.store(self.terms.clock.now(), Ordering::Relaxed);
        self.pinged_at.store(NEVER, Ordering::Relaxed);
    }

    /// Who the connection speaks for.
    pub(super) fn caller(&self) -> Option<Caller> {
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the connection known as this caller's; from here on a revocation of the session finds it.
    pub(super) fn set_caller(&self, caller: Caller) {
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
    }

    /// Topics that ended by themselves since this was last asked.
    pub(super) fn take_ended(&self) -> Vec<Topic> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_watching(&self, is_watching: bool) {
        if is_watching {
            self.has_watched.store(true, Ordering::Relaxed);
        } else {
            self.aimless_since.store(self.terms.clock.now(), Ordering::Relaxed);
        }
        self.is_watching.store(is_watching, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn begin_command(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn end_command(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
        self.task.wake();
    }

    /// Has the task close the connection once its commands are answered.
    pub(super) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.task.wake();
    }

    pub(super) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Whether a heartbeat is due; the session sends it.
    pub(super) fn take_heartbeat(&self) -> bool {
        self.owes_heartbeat.swap(false, Ordering::AcqRel)
    }

    /// Warns once of each token that ends soon, and has the session send a heartbeat when its time has come.
    fn remind(&self, now: EpochMs) {
        if let Some(Caller { expires_at, .. }) = self.caller()
            && (now..=now + TOKEN_WARNING_MS).contains(&expires_at)
            && self.warned_of.swap(expires_at, Ordering::Relaxed) != expires_at
        {
            self.send(answer::token_expiring(expires_at));
        }
        if now - self.last_beat_at.load(Ordering::Relaxed) >= self.terms.limits.heartbeat_ms {
            self.last_beat_at.store(now, Ordering::Relaxed);
            self.owes_heartbeat.store(true, Ordering::Release);
            self.task.wake();
        }
    }

    /// Judges the connection by the clock: expired, without a name or an aim, silent. Called by the registry's sweep.
    pub(super) fn judge(&self, now: EpochMs) {
        self.remind(now);
        let limits = &self.terms.limits;
        let silent_ms = now - self.last_heard_at.load(Ordering::Relaxed);
        let pinged_at = self.pinged_at.load(Ordering::Relaxed);
        let aimless_ms = now - self.aimless_since.load(Ordering::Relaxed);
        match self.caller() {
            Some(caller) if caller.expires_at <= now => self.close(CloseCode::TokenExpired),
            None if !self.is_watching.load(Ordering::Relaxed) && aimless_ms >= limits.authenticate_within_ms => {
                // One that has watched something knows how to speak to us, and may come back.
                let has_watched = self.has_watched.load(Ordering::Relaxed);
                self.close(if has_watched { CloseCode::IdleTimeout } else { CloseCode::BadAuthentication });
            }
            // Only a ping's answer is late, never silence alone: a clock that jumps closes nobody who was not asked.
            Some(_) | None if pinged_at != NEVER => {
                if now - pinged_at >= limits.heartbeat_ms {
                    self.close(CloseCode::IdleTimeout);
                }
            }
            Some(_) | None if silent_ms >= limits.heartbeat_ms => {
                self.pinged_at.store(now, Ordering::Relaxed);
                self.send(frame::PING);
            }
            Some(_) | None => {}
        }
    }
}

impl Subscriber for Connection {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn deliver(&self, topic: Topic, frames: &[Bytes]) -> bool {
        let is_public = matches!(topic, Topic::Property(_));
        if !is_public && self.caller().is_none_or(|caller| caller.expires_at <= self.terms.clock.now()) {
            // Authorised when it subscribed, but no longer; the sweep may be a second late, an event may not (P8).
            self.close(CloseCode::TokenExpired);
            return false;
        }
        self.send_all(frames)
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.wire();
        if self.has_room(&wire) || wire.closing.is_some() || wire.writer.is_none() {
            return Poll::Ready(());
        }
        wire.room = Some(cx.waker().clone());
        Poll::Pending
    }

    fn ended(&self, topic: Topic) {
        self.send(answer::ended(topic, ServiceError::NotFound("property").into()));
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(topic);
        self.task.wake();
    }

    fn lost(&self, _topic: Topic) {
        self.close(CloseCode::Overloaded);
    }
}

impl Wire {
    fn begin_closing(&mut self, code: CloseCode) {
        if self.closing.is_some() {
            return;
        }
        self.closing = Some(code);
        if drops_backlog(code) {
            self.outbox.drop_unstarted();
        }
        if let Some(room) = self.room.take() {
            room.wake();
        }
    }

    /// Writes one frame past the empty outbox; what the kernel does not take is queued.
    fn write_directly(&mut self, frame: &Bytes) -> io::Result<()> {
        let Some(writer) = &self.writer else { return Err(ErrorKind::NotConnected.into()) };
        let written = match writer.try_write(frame) {
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        if written < frame.len() {
            self.outbox.push_rest(frame.clone(), written);
        }
        Ok(())
    }

    /// Writes from the outbox until it is empty or the kernel takes no more.
    fn write(&mut self) -> io::Result<()> {
        let Some(writer) = &self.writer else { return Err(ErrorKind::NotConnected.into()) };
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
        | CloseCode::PolicyViolation => false,
    }
}
