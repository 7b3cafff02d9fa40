//! One client's socket as everyone else sees it: frames can be sent to it, it can be closed, its silence can be judged.
//!
//! Invariants: sending never blocks (P10); frames leave whole and in the order of `send`; once a close is asked for nothing
//! more is accepted, so a revoked client gets no later event (P8). Feeds, command tasks and the registry's sweep call it from
//! any thread; the connection's own task (`socket`) writes what could not be written at once.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use latchkey_protocol::{CloseCode, EpochMs, Topic};
use tokio::net::TcpStream;

use super::encoding::Encoding;
use super::outbox;
use super::positions::Positions;
use super::terms::Terms;
use super::wire::{Wire, Writer};
use crate::hub::{EventFrame, Subscriber, SubscriberId, Viewer};
use crate::service::{Caller, ServiceError};

/// A time that has not come.
pub(super) const NEVER: EpochMs = EpochMs::MIN;

/// A client's socket.
pub(super) struct Connection {
    id: SubscriberId,
    pub(super) terms: Arc<Terms>,
    pub(super) encoding: Encoding,
    wire: Mutex<Wire>,
    /// Where an event stream is. Locked before `wire`, never after.
    positions: Mutex<Option<Box<Positions>>>,
    /// The connection's task.
    pub(super) task: AtomicWaker,
    caller: Mutex<Option<Caller>>,
    /// Topics that ended by themselves and that the session has not struck out yet.
    ended: Mutex<Vec<Topic>>,
    /// Domain commands under way.
    in_flight: AtomicU32,
    pub(super) last_heard_at: AtomicI64,
    /// When the ping went out that nothing has come after; `NEVER` if there is none.
    pub(super) pinged_at: AtomicI64,
    /// Follows at least one topic.
    pub(super) is_watching: AtomicBool,
    /// Has said something that it was not refused.
    pub(super) has_spoken: AtomicBool,
    /// Since when it follows nothing.
    pub(super) aimless_since: AtomicI64,
    is_draining: AtomicBool,
    /// Since when an event stream is closing, as far as a sweep has seen; `NEVER` if it is not.
    pub(super) closing_since: AtomicI64,
    /// When the last heartbeat was due.
    pub(super) last_beat_at: AtomicI64,
    /// Whether one is due that the session has not sent.
    pub(super) owes_heartbeat: AtomicBool,
    /// The end of the token that the client was warned of.
    pub(super) warned_of: AtomicI64,
}

impl Connection {
    pub(super) fn new(id: SubscriberId, terms: Arc<Terms>, writer: Writer, encoding: Encoding) -> Self {
        let now = terms.clock.now();
        Self {
            id,
            terms,
            encoding,
            wire: Mutex::new(Wire::to(writer)),
            positions: Mutex::new(None),
            task: AtomicWaker::new(),
            caller: Mutex::new(None),
            ended: Mutex::default(),
            in_flight: AtomicU32::new(0),
            last_heard_at: AtomicI64::new(now),
            pinged_at: AtomicI64::new(NEVER),
            closing_since: AtomicI64::new(NEVER),
            is_watching: AtomicBool::new(false),
            has_spoken: AtomicBool::new(false),
            aimless_since: AtomicI64::new(now),
            is_draining: AtomicBool::new(false),
            last_beat_at: AtomicI64::new(now),
            owes_heartbeat: AtomicBool::new(false),
            warned_of: AtomicI64::new(NEVER),
        }
    }

    pub(super) fn wire(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn positions(&self) -> MutexGuard<'_, Option<Box<Positions>>> {
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one frame; `false` if the connection takes no more.
    pub(super) fn send(&self, frame: Bytes) -> bool {
        self.send_all(std::iter::once(&frame))
    }

    /// Sends frames in order: at once if nothing waits, else through the outbox. Beyond the limit the client is a slow consumer.
    ///
    /// What is sent while there is room (see `poll_room`) is always taken, however long: pages, rings and replies of snapshots wait for
    /// room first and are bounded where they are made. So no more than the limit, or one such batch and a quarter of it, ever waits.
    pub(super) fn send_all<'a>(&self, frames: impl ExactSizeIterator<Item = &'a Bytes> + Clone) -> bool {
        let added: usize = frames.clone().map(outbox::weight).sum();
        let mut wire = self.wire();
        if wire.closing.is_some() || wire.writer.is_none() {
            return false;
        }
        if !self.is_roomy(&wire) && wire.outbox.bytes() + added > self.terms.limits.max_queued_bytes {
            self.terms.meters.slow_consumers.increment(1);
            wire.begin_closing(CloseCode::SlowConsumer);
            drop(wire);
            self.task.wake();
            return false;
        }
        self.terms.meters.frames_sent.increment(frames.len() as u64);
        let was_empty = wire.outbox.is_empty();
        let mut frames = frames;
        let written = match (frames.len(), frames.next()) {
            (1, Some(frame)) if was_empty => wire.write_directly(frame),
            (_, first) => {
                for frame in first.into_iter().chain(frames) {
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

    fn send_events(&self, events: &[EventFrame]) -> bool {
        self.send_all(events.iter().map(|event| self.encoding.event(event)))
    }

    /// Asks for the end of the connection. The first code counts. The task sends the close frame.
    pub(super) fn close(&self, code: CloseCode) {
        self.wire().begin_closing(code);
        self.task.wake();
    }

    /// Has what still waits dropped: its client had its time to take it.
    pub(super) fn hurry(&self) {
        let mut wire = self.wire();
        let keeps_last = wire.has_parted;
        wire.outbox.drop_unstarted(keeps_last);
        drop(wire);
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
        wire.conflation = None;
        wire.has_parted = true;
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
            if self.is_roomy(&wire) {
                let told = wire.tell_conflated(self.encoding);
                self.terms.meters.frames_sent.increment(told);
            }
            if wire.outbox.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = wire.outbox.bytes();
            wire.write()?;
            let after = wire.outbox.bytes();
            let room = if self.is_roomy(&wire) { wire.room.take() } else { None };
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
    pub(super) fn is_roomy(&self, wire: &Wire) -> bool {
        wire.outbox.bytes() <= self.terms.limits.max_queued_bytes / 4
    }

    /// Whether something long may be sent, or nothing any more.
    pub(super) fn has_room(&self) -> bool {
        let wire = self.wire();
        self.is_roomy(&wire) || wire.closing.is_some() || wire.writer.is_none()
    }

    /// Sends events of a public topic. While much waits, changes of nights are told together when there is room again: they cost a client that
    /// reads slowly nothing but the steps in between.
    fn send_public(&self, topic: Topic, frames: &[EventFrame]) -> bool {
        let mut wire = self.wire();
        let is_pressed = wire.outbox.bytes() > self.terms.limits.max_queued_bytes / 2;
        if !is_pressed && wire.conflation.as_ref().is_none_or(|waiting| !waiting.has(topic)) {
            drop(wire);
            return self.send_events(frames);
        }
        if wire.closing.is_some() || wire.writer.is_none() {
            return false;
        }
        for frame in frames {
            if wire.conflation.get_or_insert_default().take(topic, frame) {
                self.terms.meters.conflated.increment(1);
                continue;
            }
            // Whatever else happens there comes after the nights' changes before it.
            let told = wire.conflation.as_mut().and_then(|waiting| waiting.tell(topic, self.encoding));
            for frame in told.into_iter().chain([self.encoding.event(frame).clone()]) {
                self.terms.meters.frames_sent.increment(1);
                wire.outbox.push(frame);
            }
        }
        let waiting = wire.conflation.as_ref().map_or(0, |waiting| waiting.bytes());
        let is_slow = wire.outbox.bytes() + waiting > self.terms.limits.max_queued_bytes;
        if is_slow {
            self.terms.meters.slow_consumers.increment(1);
            wire.begin_closing(CloseCode::SlowConsumer);
        }
        // Whoever has something to write is woken by the socket.
        let must_wake = is_slow || self.is_roomy(&wire);
        drop(wire);
        if must_wake {
            self.task.wake();
        }
        !is_slow
    }

    /// Whether news of a topic waits that the client has not been told of.
    pub(super) fn is_conflating(&self, topic: Topic) -> bool {
        self.wire().conflation.as_ref().is_some_and(|waiting| waiting.has(topic))
    }

    /// Forgets what waits of a topic: called when it is detached, after which nothing of it may come.
    pub(super) fn forget_waiting(&self, topic: Topic) {
        if let Some(waiting) = self.wire().conflation.as_mut() {
            waiting.forget(topic);
        }
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

    /// Says who it speaks for; see `Registry::introduce`.
    pub(super) fn set_caller(&self, caller: Caller) {
        *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(caller);
    }

    /// Topics that ended by themselves since this was last asked.
    pub(super) fn take_ended(&self) -> Vec<Topic> {
        std::mem::take(&mut *self.ended.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set_watching(&self, is_watching: bool) {
        if !is_watching {
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

    /// Whether what was authorised when it was subscribed to still is.
    fn may_see(&self, topic: Topic) -> bool {
        matches!(topic, Topic::Property(_)) || self.caller().is_some_and(|caller| self.terms.clock.now() < caller.expires_at)
    }
}

impl Subscriber for Connection {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn viewer(&self) -> Viewer {
        self.caller().map_or(Viewer::Unknown(self.id), |caller| Viewer::User(caller.user))
    }

    fn hint(&self, topic: Topic, notice: &EventFrame) -> bool {
        if self.encoding == Encoding::Events {
            // A stream is told of events alone.
            return true;
        }
        let is_waiting = {
            let wire = self.wire();
            !wire.outbox.is_empty() || wire.conflation.is_some()
        };
        !is_waiting && self.may_see(topic) && self.send(self.encoding.event(notice).clone())
    }

    fn deliver(&self, topic: Topic, frames: &[EventFrame]) -> bool {
        if !self.may_see(topic) {
            // The sweep may be a second late, an event may not (P8).
            self.close(CloseCode::TokenExpired);
            return false;
        }
        match self.encoding {
            Encoding::Events => self.stream_events(topic, frames),
            Encoding::Json | Encoding::MessagePack if matches!(topic, Topic::Property(_)) => self.send_public(topic, frames),
            Encoding::Json | Encoding::MessagePack => self.send_events(frames),
        }
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut wire = self.wire();
        if self.is_roomy(&wire) || wire.closing.is_some() || wire.writer.is_none() {
            return Poll::Ready(());
        }
        wire.room = Some(cx.waker().clone());
        Poll::Pending
    }

    fn ended(&self, topic: Topic) {
        let told = self.wire().conflation.as_mut().and_then(|waiting| waiting.tell(topic, self.encoding));
        if let Some(frame) = told {
            self.send(frame);
        }
        self.tell_end(topic, ServiceError::NotFound("property").into());
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).push(topic);
        self.task.wake();
    }

    fn lost(&self, _topic: Topic) {
        self.close(CloseCode::Overloaded);
    }
}
