//! Server-sent events (WHATWG HTML, 9.2): topics for clients without WebSockets, as the body of an answer that does not end.
//!
//! The same [`Connection`] as a socket's, in the same registry, with the same rights, bounds and ends; only nothing is read from it, and its
//! outbox is carried off by hyper instead of being written. Every event's id says where the stream is in all of its topics, so it is made and queued
//! under one lock.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::Stream;
use latchkey_protocol::server::{StreamEnd, Subscribed};
use latchkey_protocol::{CloseCode, Topic, WireError};
use tokio::task::JoinHandle;

use super::Edge;
use super::connection::Connection;
use super::encoding::{Encoding, event_text};
use super::positions::Positions;
use super::registry::{NoSeat, Seat};
use super::watch::{Outcome, Watch};
use super::wire::Writer;
use crate::hub::{EventFrame, Subscriber as _};
use crate::service::Caller;

/// How long a client that was told not to come back waits if it does so by itself, as clients of this format do, in milliseconds.
const NOT_SOON_MS: u64 = 600_000;

/// A stream that its client has been told nothing of yet.
pub struct EventStream {
    connection: Arc<Connection>,
    /// What it follows.
    topics: Vec<Topic>,
    /// The snapshots and replays that it begins with. In a task of its own: nobody polls a body whose client does not read, and this may be
    /// waiting for a home's claim, which would be handed to somebody who never looks.
    beginning: Option<JoinHandle<Outcome>>,
    has_ended: bool,
    _follows: Arc<Follows>,
    _seat: Seat,
}

/// Topics that are detached when neither the stream nor what it begins with follows them any more.
struct Follows {
    edge: Arc<Edge>,
    connection: Arc<Connection>,
    topics: Vec<Topic>,
}

impl Drop for Follows {
    fn drop(&mut self) {
        for topic in &self.topics {
            self.edge.hub.detach(*topic, self.connection.id());
        }
    }
}

impl EventStream {
    /// Takes a seat for a stream of these topics, from where an earlier one was when its last event had that id. From here on a revocation finds it:
    /// authenticate once more before it is answered with.
    ///
    /// # Errors
    /// `Busy`, `TooManyConnections`.
    pub fn open(
        edge: &Arc<Edge>,
        address: Option<IpAddr>,
        caller: Option<Caller>,
        topics: Vec<Topic>,
        last_id: Option<&str>,
    ) -> Result<Self, WireError> {
        let seat = edge.registry.take_seat(address).map_err(|no_seat| NoSeat::refusal(no_seat, &edge.terms.limits))?;
        let connection = seat.sit(Writer::Body, Encoding::Events);
        if let Some(caller) = caller {
            edge.registry.introduce(&connection, caller);
        }
        let positions = Positions::new(edge.services.topics.epoch(), topics, last_id);
        let topics = positions.all().to_vec();
        connection.begin_at(positions);
        connection.set_watching(true);
        let watch = Watch { edge: Arc::clone(edge), connection: Arc::clone(&connection), caller, id: 0 };
        let named: Vec<Topic> = topics.iter().map(|(topic, _)| *topic).collect();
        let follows = Arc::new(Follows { edge: Arc::clone(edge), connection: Arc::clone(&connection), topics: named.clone() });
        let followed = Arc::clone(&follows);
        let beginning = tokio::spawn(async move {
            let outcome = watch.stream(topics).await;
            drop(followed);
            outcome
        });
        Ok(Self { connection, topics: named, beginning: Some(beginning), has_ended: false, _follows: follows, _seat: seat })
    }

    /// Goes on with what is under way.
    fn advance(&mut self, cx: &mut Context<'_>) {
        if let Some(running) = &mut self.beginning
            && let Poll::Ready(begun) = Pin::new(running).poll(cx)
        {
            self.beginning = None;
            match begun {
                Ok(Outcome { refused, .. }) => self.topics.retain(|topic| !refused.contains(topic)),
                // It panicked.
                Err(_) => self.connection.close(CloseCode::Overloaded),
            }
        }
        if self.beginning.is_none() {
            let ended = self.connection.take_ended();
            self.topics.retain(|topic| !ended.contains(topic));
            if self.topics.is_empty() {
                self.connection.close(CloseCode::Normal);
            }
        }
        if self.connection.take_heartbeat() {
            // A comment: it says that the stream lives, and a connection that is dead does not take it.
            self.connection.send(Bytes::from_static(b":\n\n"));
        }
        if self.connection.is_draining() {
            self.connection.close(CloseCode::Draining);
        }
    }
}

impl Stream for EventStream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.register(cx);
        self.advance(cx);
        // Asked before: what is queued in between goes out before the end.
        let closing = self.connection.closing();
        if let Some(bytes) = self.connection.take_next() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        match closing {
            None => Poll::Pending,
            Some(_) if self.has_ended => Poll::Ready(None),
            Some(code) => {
                self.has_ended = true;
                Poll::Ready(Some(Ok(last_event(code))))
            }
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        self.connection.shut_down();
        if let Some(beginning) = &self.beginning {
            beginning.abort();
        }
    }
}

/// The last event: why the stream ends. Without it the stream broke off.
fn last_event(code: CloseCode) -> Bytes {
    let end = StreamEnd { code: code.number(), reason: code.reason().to_owned(), reconnect: code.should_reconnect() };
    let retry = (!code.should_reconnect()).then_some(NOT_SOON_MS);
    event_text("end", None, retry, |buffer| Encoding::json(buffer, &end))
}

impl Connection {
    /// Begins to say where it is.
    pub(super) fn begin_at(&self, positions: Positions) {
        *self.positions() = Some(Box::new(positions));
    }

    /// Sends events as an event stream has them.
    pub(super) fn stream_events(&self, topic: Topic, events: &[EventFrame]) -> bool {
        self.send_marked(topic, events.iter().map(|event| ("push", event.seq(), event.json())))
    }

    /// Sends a topic's state.
    pub(super) fn stream_snapshot(&self, subscribed: &Subscribed) -> bool {
        let mut json = Vec::new();
        Encoding::json(&mut json, subscribed);
        self.send_marked(subscribed.topic, std::iter::once(("snapshot", subscribed.seq, json.as_slice())))
    }

    /// Queued under the lock under which their ids are made: they must leave in that order.
    fn send_marked<'a>(&self, topic: Topic, events: impl Iterator<Item = (&'static str, u64, &'a [u8])>) -> bool {
        let mut positions = self.positions();
        let Some(positions) = positions.as_mut() else { return false };
        let frames: Vec<Bytes> = events
            .map(|(name, seq, json)| event_text(name, Some(&positions.advance(topic, seq)), None, |buffer| buffer.extend_from_slice(json)))
            .collect();
        self.send_all(frames.iter())
    }

    /// Tells an event stream's client how long to wait before it comes back.
    pub(super) fn advise_retry(&self, after_ms: u64) {
        if self.encoding == Encoding::Events {
            self.send(Bytes::from(format!("retry: {after_ms}\n\n")));
        }
    }

    /// Hands out what waits, whole frames in order, to whoever carries them.
    pub(super) fn take_next(&self) -> Option<Bytes> {
        let mut wire = self.wire();
        let bytes = wire.outbox.pop()?;
        let room = if self.is_roomy(&wire) { wire.room.take() } else { None };
        drop(wire);
        if let Some(room) = room {
            room.wake();
        }
        Some(bytes)
    }
}

impl Watch {
    /// What an event stream begins with: of each topic what was missed since, or its state; then it is followed.
    async fn stream(self, topics: Vec<(Topic, Option<u64>)>) -> Outcome {
        let mut refused = Vec::new();
        for (topic, after) in topics {
            if !self.begin(topic, after).await {
                refused.push(topic);
            }
        }
        Outcome::refused(refused)
    }
}
