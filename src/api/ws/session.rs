//! What one connection has said so far: who it speaks for, what it follows, how fast it talks.
//!
//! Session commands (authenticate, refresh, subscribe, unsubscribe, resume, ping, search.watch, search.unwatch) are done here, one at a time and in order, by the
//! connection's own task; nothing is read while one waits. Domain commands go to `dispatch` and run beside each other. When
//! the session is dropped, its topics are detached; domain commands under way go on.

use std::future::Future;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use latchkey_protocol::client::{Authenticate, BookingRef, Command, Resume, Subscribe, Unsubscribe, UnwatchSearch};
use latchkey_protocol::read::{self, NoData, RawEnvelope, Request};
use latchkey_protocol::server::{Authenticated, Heartbeat, Hello, Pong, Typing};
use latchkey_protocol::{BookingId, CloseCode, EpochMs, Topic, WireError};
use serde::Serialize;

use super::connection::Connection;
use super::rate::{Rate, Verdict};
use super::search::Watched;
use super::socket::Handler;
use super::terms::{Limit, WsLimits};
use super::watch::{Outcome, Watch};
use super::{Edge, error};
use crate::api::address::{Customer, Share};
use crate::api::rest;
use crate::hub::{EventFrame, Subscriber as _};
use crate::service::Caller;

/// What watching a search costs of the rate, besides its message: about as much work as ten of others.
const WATCH_PRICE: NonZeroU32 = NonZeroU32::new(9).expect("nine is not zero");

/// How often the other side is told at most that somebody is writing, in milliseconds.
const TYPING_EVERY_MS: EpochMs = 3_000;

/// `{}`: the body of a reply that says nothing more.
#[derive(Debug, Serialize)]
struct Nothing {}

/// One connection's side of the conversation.
pub(super) struct Session {
    pub(super) edge: Arc<Edge>,
    pub(super) connection: Arc<Connection>,
    /// What it follows or is about to follow.
    topics: Vec<Topic>,
    /// The address it comes from, as its customer is known by: IPv4, or an IPv6 /64.
    address: Option<IpAddr>,
    /// The searches it watches.
    searches: Vec<Watched>,
    last_search: u32,
    /// When the other side of a booking was last told that this one is writing.
    typed_at: Vec<(BookingId, EpochMs)>,
    rate: Rate,
    /// The session command that waits for something.
    running: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
}

impl Session {
    /// Begins the conversation with `hello`.
    pub(super) fn open(edge: Arc<Edge>, connection: Arc<Connection>, address: Option<IpAddr>) -> Self {
        let terms = &edge.terms;
        let hello = Hello {
            epoch: edge.services.topics.epoch().to_owned(),
            heartbeat_ms: u64::try_from(terms.limits.heartbeat_ms).unwrap_or(0),
            now: terms.clock.now(),
        };
        connection.notify("hello", &hello);
        let rate = Rate::new(terms);
        let (topics, searches, typed_at) = (Vec::new(), Vec::new(), Vec::new());
        Self { edge, connection, topics, address, searches, last_search: 0, typed_at, rate, running: None }
    }

    /// Charges so many messages to the sender, and to the user they speak for. What is too much for the user is no fault of this
    /// connection's, so it is refused and never closed for it.
    fn charge(&mut self, count: NonZeroU32) -> Result<(), WireError> {
        match self.rate.charge(count) {
            Verdict::Allowed => {}
            Verdict::Refused { retry_after_ms } => {
                Limit::Messages.count();
                return Err(error::rate_limited(retry_after_ms));
            }
            Verdict::Abusive => {
                Limit::Messages.count();
                self.connection.close(CloseCode::PolicyViolation);
                return Err(error::rate_limited(1000));
            }
        }
        let Some(caller) = self.connection.caller() else { return Ok(()) };
        self.edge.rates.charge(caller.user, count).map_err(|retry_after_ms| {
            Limit::MessagesPerUser.count();
            error::rate_limited(retry_after_ms)
        })
    }

    /// Does a command or has it done. An error is the caller's to send; a success is sent by whoever does it.
    fn run(&mut self, command: Command, envelope: &RawEnvelope<'_>) -> Result<(), WireError> {
        let id = envelope.id;
        self.admit(command, envelope.key.as_deref())?;
        match read::request(command, envelope.data)? {
            Request::Ping(NoData {}) => self.reply(id, &Pong { now: self.edge.terms.clock.now() }),
            Request::Authenticate(Authenticate { token }) => self.authenticate(id, &token),
            Request::Refresh(Authenticate { token }) => {
                self.connection.caller().ok_or_else(|| error::unauthenticated(command))?;
                self.authenticate(id, &token);
            }
            Request::Subscribe(Subscribe { topic }) => {
                let is_new = !self.enter([topic].iter())?.is_empty();
                self.running = Some(Box::pin(self.watch(id).subscribe(topic, is_new)));
            }
            Request::Unsubscribe(Unsubscribe { topic }) => {
                self.leave(topic);
                self.reply(id, &Nothing {});
            }
            Request::Resume(Resume { epoch, topics }) => {
                // Each further topic is as much work as a message of its own.
                if let Some(more) = u32::try_from(topics.len()).ok().and_then(|count| NonZeroU32::new(count.saturating_sub(1))) {
                    self.charge(more)?;
                }
                self.enter(topics.keys())?;
                for topic in topics.keys() {
                    self.detach(*topic);
                }
                self.running = Some(Box::pin(self.watch(id).resume(epoch, topics)));
            }
            Request::WatchSearch(ask) => {
                self.charge(WATCH_PRICE)?;
                let share = self.share_of_searches()?;
                self.last_search += 1;
                self.running = Some(Box::pin(self.watch(id).search(self.last_search, share, ask)));
            }
            Request::UnwatchSearch(UnwatchSearch { watch }) => {
                self.searches.retain(|search| search.number != watch);
                self.note_watching();
                self.reply(id, &Nothing {});
            }
            Request::Typing(BookingRef { booking }) => {
                self.type_in(booking)?;
                self.reply(id, &Nothing {});
            }
            request @ (Request::Quote(_)
            | Request::Hold(_)
            | Request::ExtendHold(_)
            | Request::ReleaseHold(_)
            | Request::Book(_)
            | Request::Pay(_)
            | Request::Cancel(_)
            | Request::SendMessage(_)
            | Request::ReadMessages(_)
            | Request::ReadNotifications(_)) => self.dispatch(command, envelope, request)?,
        }
        Ok(())
    }

    /// What one more search takes of what this customer may have: a request, as over REST, and a place among those they watch. Who has said who
    /// they are since goes on having what they watch as their address.
    fn share_of_searches(&self) -> Result<Option<Share<Customer>>, WireError> {
        let user = self.connection.caller().map(|caller| caller.user);
        if let Some(standing) = self.edge.requests.count(rest::Rate::Usual, user, self.address) {
            standing.refuse().inspect_err(|_| Limit::Requests.count())?;
        }
        let WsLimits { max_searches, max_searches_per_customer, .. } = self.edge.terms.limits;
        if self.searches.len() >= max_searches {
            Limit::Searches.count();
            return Err(error::too_many_searches(max_searches));
        }
        let Some(customer) = user.map(Customer::User).or(self.address.map(Customer::Address)) else { return Ok(None) };
        let share = self.edge.searches.take(customer).ok_or_else(|| {
            Limit::SearchesPerCustomer.count();
            error::too_many_searches_of_customer(max_searches_per_customer)
        })?;
        Ok(Some(share))
    }

    fn reply(&self, id: u64, body: &impl Serialize) {
        self.connection.reply(id, body);
    }

    fn authenticate(&self, id: u64, token: &str) {
        let is_first = self.connection.caller().is_none();
        match self.check_token(token) {
            Ok(Caller { user, session, expires_at }) => {
                if is_first {
                    self.topics.iter().for_each(|topic| self.edge.hub.viewer_changed(*topic));
                }
                self.reply(id, &Authenticated { user, session, expires_at });
            }
            Err(error) => {
                self.connection.refuse(Some(id), error);
                if is_first {
                    self.connection.close(CloseCode::BadAuthentication);
                }
            }
        }
    }

    /// Checks the token, makes the connection known as its user's, and checks again: a revocation between the two would
    /// neither find the connection nor be found by the first check.
    fn check_token(&self, token: &str) -> Result<Caller, WireError> {
        let accounts = &self.edge.services.accounts;
        let caller = accounts.authenticate(token)?;
        if self.connection.caller().is_some_and(|known| known.user != caller.user) {
            return Err(error::other_user());
        }
        self.edge.registry.introduce(&self.connection, caller);
        accounts.authenticate(token).map_err(|error| {
            self.connection.close(CloseCode::Revoked);
            WireError::from(error)
        })
    }

    fn watch(&self, id: u64) -> Watch {
        Watch { edge: Arc::clone(&self.edge), connection: Arc::clone(&self.connection), caller: self.connection.caller(), id }
    }

    /// Enters topics as followed, all or none. Says which were not before.
    fn enter<'a>(&mut self, topics: impl Iterator<Item = &'a Topic>) -> Result<Vec<Topic>, WireError> {
        let added: Vec<Topic> = topics.copied().filter(|topic| !self.topics.contains(topic)).collect();
        let limit = self.edge.terms.limits.max_subscriptions;
        if self.topics.len() + added.len() > limit {
            Limit::Subscriptions.count();
            return Err(error::too_many_subscriptions(limit));
        }
        self.topics.reserve_exact(added.len());
        self.topics.extend(&added);
        self.note_watching();
        Ok(added)
    }

    /// Strikes out topics that ended by themselves, unless they are followed again since.
    fn forget_ended(&mut self) {
        let ended = self.connection.take_ended();
        if ended.is_empty() {
            return;
        }
        let (hub, id) = (&self.edge.hub, self.connection.id());
        self.topics.retain(|topic| !ended.contains(topic) || hub.is_attached(*topic, id));
        self.note_watching();
    }

    /// Whoever follows or watches something may stay without a name.
    fn note_watching(&self) {
        self.connection.set_watching(!self.topics.is_empty() || !self.searches.is_empty());
    }

    /// Says where each topic is: what was delivered before is in the queue already, so the heads come after it.
    fn beat(&self) {
        let id = self.connection.id();
        let heads = self.topics.iter().filter_map(|topic| Some((*topic, self.edge.hub.head_of(*topic, id)?)));
        // Asked after its head: what waits is not told yet.
        let heads = heads.filter(|(topic, _)| !self.connection.is_conflating(*topic)).collect();
        self.connection.notify("heartbeat", &Heartbeat { now: self.edge.terms.clock.now(), heads });
    }

    /// Tells the other side of a booking that this one is writing, unless that was told just now. Whoever follows the booking is one of its
    /// parties.
    fn type_in(&mut self, booking: BookingId) -> Result<(), WireError> {
        self.caller_of(Command::Typing)?;
        let (topic, now) = (Topic::Booking(booking), self.edge.terms.clock.now());
        if !self.edge.hub.is_attached(topic, self.connection.id()) {
            return Err(error::not_followed());
        }
        self.typed_at.retain(|(_, at)| (0..TYPING_EVERY_MS).contains(&(now - at)));
        if self.typed_at.iter().all(|(told, _)| *told != booking) {
            self.typed_at.push((booking, now));
            self.edge.hub.hint(topic, &EventFrame::notice("typing", &Typing { booking }), self.connection.viewer());
        }
        Ok(())
    }

    /// Nothing of the topic is sent any more.
    fn detach(&self, topic: Topic) {
        self.edge.hub.detach(topic, self.connection.id());
        self.connection.forget_waiting(topic);
    }

    fn leave(&mut self, topic: Topic) {
        self.detach(topic);
        self.topics.retain(|followed| *followed != topic);
        self.note_watching();
    }
}

impl Handler for Session {
    fn message(&mut self, text: &str) {
        let charged = self.charge(NonZeroU32::MIN);
        let envelope = match read::envelope(text) {
            Ok(envelope) => envelope,
            Err(bad) => {
                self.connection.refuse(bad.id, bad.error);
                return;
            }
        };
        let done = read::command(&envelope.cmd).and_then(|command| {
            charged?;
            metrics::counter!("latchkey_ws_commands_total", "command" => command.as_str()).increment(1);
            self.run(command, &envelope)
        });
        match done {
            Ok(()) => self.connection.has_spoken.store(true, Ordering::Relaxed),
            Err(error) => {
                self.connection.refuse(Some(envelope.id), error);
            }
        }
    }

    fn packed(&mut self, message: &[u8]) {
        match read::to_json(message) {
            Ok(text) => self.message(&text),
            Err(error) => {
                // As for text that is no envelope: too much of it is remembered.
                let _ = self.charge(NonZeroU32::MIN);
                self.connection.refuse(None, error);
            }
        }
    }

    fn control(&mut self) {
        // What was too much is remembered; there is nothing to refuse.
        let _ = self.charge(NonZeroU32::MIN);
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        if let Some(running) = &mut self.running
            && let Poll::Ready(outcome) = running.as_mut().poll(cx)
        {
            self.running = None;
            for topic in outcome.refused {
                self.leave(topic);
            }
            if let Some(search) = outcome.watching {
                self.searches.push(search);
                self.note_watching();
            }
        }
        // Not while a topic is being attached: whether it is followed is known afterwards.
        if self.running.is_none() {
            self.forget_ended();
        }
        if self.connection.take_heartbeat() {
            self.beat();
        }
        if self.connection.is_draining() && self.running.is_none() && self.connection.in_flight() == 0 {
            self.connection.close(CloseCode::Draining);
        }
    }

    fn is_ready(&self) -> bool {
        self.running.is_none() && !self.connection.is_draining() && self.connection.in_flight() < self.edge.terms.limits.max_in_flight
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for topic in &self.topics {
            self.edge.hub.detach(*topic, self.connection.id());
        }
    }
}
