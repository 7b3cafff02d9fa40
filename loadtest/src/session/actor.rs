//! The task behind a [`super::Session`]: it owns the socket and every state that must survive the socket's loss.
//!
//! Establishing a connection is one sequence, the first time and every time after: greeting, `authenticate`, `resume` of the
//! followed topics, then the unanswered commands in the order they were first asked. Only then are new commands read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use latchkey_protocol::client::{Authenticate, Command, Resume};
use latchkey_protocol::error::WireError;
use latchkey_protocol::server::{Heartbeat, Resumed, Resumption, Subscribed};
use latchkey_protocol::{ErrorCode, Seq, Topic};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::{Ask, Link, Observer, Outage, Reply, Shared, message};
use crate::account::Account;
use crate::backoff::Backoff;
use crate::frame::{Frame, Push};
use crate::invariants::topic::{Cursor, Misstep};
use crate::random::SplitMix64;
use crate::rest::{wished_wait, worth_repeating};
use crate::socket::{Connection, Gone};

/// Authentication and `resume` each get this long.
const EXCHANGE: Duration = Duration::from_secs(30);
/// Fresh tokens that the hub may turn down in a row before we believe it.
const TOKENS_TRIED: u32 = 3;

/// A command without its reply yet.
struct Pending {
    text: Utf8Bytes,
    subscribes: bool,
    reply: oneshot::Sender<Reply>,
    sent_at: Instant,
    repeated: bool,
}

/// How establishing a connection failed.
enum Failure {
    /// Try again, not before the wished time.
    Again { why: String, wish: Option<Duration> },
    /// The hub turned this token down.
    Token { refused: String, why: String },
    /// Trying again would change nothing.
    Never(String),
}

impl From<Gone> for Failure {
    fn from(gone: Gone) -> Self {
        if gone.invites_return() { Self::Again { why: gone.to_string(), wish: None } } else { Self::Never(gone.to_string()) }
    }
}

/// The state of a session.
pub(super) struct Actor {
    link: Arc<Link>,
    number: u64,
    account: Option<Arc<Account>>,
    observer: Arc<dyn Observer>,
    asks: mpsc::Receiver<Ask>,
    next_id: Arc<AtomicU64>,
    shared: Arc<Shared>,
    pending: BTreeMap<u64, Pending>,
    topics: BTreeMap<Topic, Cursor>,
    /// The answer to a command of the actor's own, while it waits for one.
    own_reply: Option<(u64, Result<String, WireError>)>,
    own_id: Option<u64>,
    epoch: Option<String>,
    goaway: Option<Duration>,
    cuts: watch::Receiver<Outage>,
}

/// How serving one connection ended, unless it was lost.
enum Served {
    /// The handle was dropped.
    Done,
    /// The run cuts its connections.
    Cut,
}

impl Actor {
    pub(super) fn new(
        link: &Arc<Link>,
        number: u64,
        account: Option<Arc<Account>>,
        observer: Arc<dyn Observer>,
        asks: mpsc::Receiver<Ask>,
        next_id: &Arc<AtomicU64>,
        shared: &Arc<Shared>,
    ) -> Self {
        Self {
            link: Arc::clone(link),
            number,
            account,
            observer,
            asks,
            next_id: Arc::clone(next_id),
            shared: Arc::clone(shared),
            pending: BTreeMap::new(),
            topics: BTreeMap::new(),
            own_reply: None,
            own_id: None,
            epoch: None,
            goaway: None,
            cuts: link.cuts.subscribe(),
        }
    }

    /// Makes the first connection, then goes on as a task.
    pub(super) async fn start(mut self) -> Result<()> {
        let connection = self.connect().await.map_err(anyhow::Error::msg)?;
        tokio::spawn(self.run(connection));
        Ok(())
    }

    async fn run(mut self, mut connection: Connection) {
        loop {
            let lost = match self.serve(&mut connection).await {
                Ok(Served::Done) => return connection.close().await,
                Ok(Served::Cut) => {
                    connection.cut();
                    self.stay_away().await;
                    "cut".to_owned()
                }
                Err(gone) if gone.invites_return() || gone.rejected_token() => gone.to_string(),
                Err(gone) => return self.give_up(gone.to_string()),
            };
            self.link.traffic.reconnects.fetch_add(1, Ordering::Relaxed);
            self.observer.returning();
            // Boxed, because its state is large and ten thousand idle sessions should not carry it.
            match Box::pin(self.connect()).await {
                Ok(fresh) => connection = fresh,
                Err(why) => return self.give_up(format!("{lost}; then {why}")),
            }
            self.observer.returned(&self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Waits out the outage that the run has made.
    async fn stay_away(&self) {
        let Outage { at_least, jitter } = *self.cuts.borrow();
        let jitter_us = u64::try_from(jitter.as_micros()).unwrap_or(u64::MAX);
        let drawn = SplitMix64::lane(self.link.seed, self.number).below(jitter_us.saturating_add(1));
        tokio::time::sleep(at_least + Duration::from_micros(drawn)).await;
    }

    fn give_up(&mut self, why: String) {
        self.observer.fault(format!("session {} ended: {why}", self.number));
        // Callers whose senders are dropped next read the reason here. Nobody else sets it.
        let _ = self.shared.end.set(why);
    }

    /// Serves until the connection is gone (an error), cut, or not needed any more.
    async fn serve(&mut self, connection: &mut Connection) -> Result<Served, Gone> {
        loop {
            tokio::select! {
                Ok(()) = self.cuts.changed() => return Ok(Served::Cut),
                frame = connection.next() => self.take(&frame?),
                ask = self.asks.recv() => {
                    let Some(ask) = ask else { return Ok(Served::Done) };
                    self.send(connection, ask).await?;
                    while let Ok(ask) = self.asks.try_recv() {
                        self.send(connection, ask).await?;
                    }
                    connection.flush().await?;
                }
            }
        }
    }

    async fn send(&mut self, connection: &mut Connection, ask: Ask) -> Result<(), Gone> {
        let Ask { id, text, subscribes, reply } = ask;
        let pending = Pending { text: text.clone(), subscribes, reply, sent_at: Instant::now(), repeated: false };
        // Noted as pending before it is sent: should the connection break now, the next one repeats it.
        self.pending.insert(id, pending);
        connection.feed(text).await
    }

    /// Connects until it works or patience ends.
    async fn connect(&mut self) -> Result<Connection, String> {
        let mut backoff = Backoff::new(self.link.seed.wrapping_add(self.number), self.link.patience);
        let mut refused: Option<String> = None;
        let mut tokens_tried = 0;
        if let Some(wish) = self.goaway.take() {
            tokio::time::sleep(wish.min(self.link.patience)).await;
        }
        loop {
            let (why, wish) = match self.establish(refused.as_deref()).await {
                Ok(connection) => return Ok(connection),
                Err(Failure::Never(why)) => return Err(why),
                Err(Failure::Again { why, wish }) => (why, wish),
                Err(Failure::Token { refused: token, why }) => {
                    tokens_tried += 1;
                    if tokens_tried == TOKENS_TRIED {
                        return Err(why);
                    }
                    refused = Some(token);
                    (why, None)
                }
            };
            match backoff.next_wait(wish) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(format!("gave up after {} s: {why}", self.link.patience.as_secs())),
            }
        }
    }

    async fn establish(&mut self, refused: Option<&str>) -> Result<Connection, Failure> {
        let mut connection = Connection::open(&self.link.target, self.link.way(self.number)).await?;
        if let Some(account) = self.account.clone() {
            self.authenticate(&mut connection, &account, refused).await?;
        }
        let epoch = connection.hello.epoch.clone();
        let known = self.epoch.get_or_insert_with(|| epoch.clone()).clone();
        if !self.topics.is_empty() {
            self.resume(&mut connection, known).await?;
        }
        // Only now: after a resume that failed half-way, the old epoch is still the one our sequences belong to.
        self.epoch = Some(epoch);
        for pending in self.pending.values_mut() {
            self.link.traffic.replays.fetch_add(1, Ordering::Relaxed);
            pending.repeated = true;
            connection.feed(pending.text.clone()).await?;
        }
        connection.flush().await?;
        Ok(connection)
    }

    async fn authenticate(&mut self, connection: &mut Connection, account: &Account, refused: Option<&str>) -> Result<(), Failure> {
        let unreached = |error: crate::rest::RestError| match error.code() {
            Some(_) => Failure::Never(error.to_string()),
            None => Failure::Again { why: error.to_string(), wish: None },
        };
        let token = account.token(&self.link.rest, refused).await.map_err(unreached)?;
        match self.exchange(connection, Command::Authenticate, &Authenticate { token: token.clone() }).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if matches!(error.code, ErrorCode::Unauthenticated | ErrorCode::BadCredentials) => {
                Err(Failure::Token { refused: token, why: format!("authenticate: {}", error.message) })
            }
            Ok(Err(error)) => Err(refusal("authenticate", &error)),
            Err(gone) if gone.rejected_token() => Err(Failure::Token { refused: token, why: gone.to_string() }),
            Err(gone) => Err(gone.into()),
        }
    }

    async fn resume(&mut self, connection: &mut Connection, epoch: String) -> Result<(), Failure> {
        let restored = epoch != connection.hello.epoch;
        let topics = self.topics.iter().map(|(topic, cursor)| (*topic, cursor.last())).collect();
        let body = match self.exchange(connection, Command::Resume, &Resume { epoch, topics }).await? {
            Ok(body) => body,
            Err(error) => return Err(refusal("resume", &error)),
        };
        let resumed: Resumed = serde_json::from_str(&body).map_err(|_| Failure::Never(format!("unreadable reply to resume: {body}")))?;
        if let Some(missing) = self.topics.keys().find(|topic| !resumed.topics.contains_key(topic)) {
            return Err(Failure::Never(format!("resume did not answer for {missing}")));
        }
        for (topic, resumption) in resumed.topics {
            self.go_on(topic, resumption, restored)?;
        }
        Ok(())
    }

    fn go_on(&mut self, topic: Topic, resumption: Resumption, restored: bool) -> Result<(), Failure> {
        let Some(cursor) = self.topics.get_mut(&topic) else {
            self.observer.fault(format!("resume answered for {topic}, which is not followed"));
            return Ok(());
        };
        let last = cursor.last();
        match resumption {
            // The events up to the head were pushed before this answer: fewer is a gap that no later push would show.
            Resumption::Resumed { head } if last < head => {
                self.observer.fault(format!("{topic}: resumed to head {head}, but only {last} was pushed"));
            }
            Resumption::Resumed { .. } => {}
            Resumption::Reset(start) => {
                if start.seq < last && !restored {
                    self.observer.fault(format!("{topic}: reset to {} after {last} was seen: events were lost", start.seq));
                }
                *cursor = Cursor::at(start.seq);
                self.link.traffic.resets.fetch_add(1, Ordering::Relaxed);
                self.note_head(topic, start.seq);
                self.observer.reset(last, &start);
            }
            Resumption::Refused(error) => return Err(refusal("resume", &error)),
        }
        Ok(())
    }

    /// A command of the actor's own; pushes that arrive meanwhile are taken as always.
    async fn exchange<D: serde::Serialize>(
        &mut self,
        connection: &mut Connection,
        cmd: Command,
        data: &D,
    ) -> Result<Result<String, WireError>, Gone> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let text = message(id, cmd, None, Some(data)).map_err(|error| Gone::Refused(error.to_string()))?;
        self.own_id = Some(id);
        self.own_reply = None;
        let answer = async {
            connection.feed(text).await?;
            connection.flush().await?;
            loop {
                let frame = connection.next().await?;
                self.take(&frame);
                if let Some((_, outcome)) = self.own_reply.take_if(|(answered, _)| *answered == id) {
                    return Ok(outcome);
                }
            }
        };
        tokio::time::timeout(EXCHANGE, answer).await.unwrap_or_else(|_| Err(Gone::Broken(format!("{} was not answered", cmd.as_str()))))
    }

    fn take(&mut self, text: &str) {
        match Frame::parse(text) {
            Ok(Frame::Push(push)) => self.take_push(&push),
            Ok(Frame::Reply { id, outcome }) => self.take_reply(id, outcome.map(|body| body.get().to_owned())),
            Ok(Frame::GoAway(goaway)) => self.goaway = Some(Duration::from_millis(goaway.after_ms)),
            Ok(Frame::Ended(ended)) => {
                self.observer.fault(format!("{} ended: {}; no home is taken back here", ended.topic, ended.error.message));
            }
            Ok(Frame::Heartbeat(heartbeat)) => self.compare_heads(&heartbeat),
            Ok(Frame::TokenExpiring | Frame::Presence) => {}
            Ok(Frame::Hello(_)) => self.observer.fault("a second hello on one connection".to_owned()),
            Err(error) => self.observer.fault(error.to_string()),
        }
    }

    fn take_push(&mut self, push: &Push<'_>) {
        let received_at = Instant::now();
        self.link.traffic.pushes.fetch_add(1, Ordering::Relaxed);
        let Some(cursor) = self.topics.get_mut(&push.topic) else {
            return self.observer.fault(format!("event {} of {}, which is not followed", push.seq, push.topic));
        };
        if let Err(misstep) = cursor.step(push.from_seq.unwrap_or(push.seq)) {
            self.observer.fault(format!("{}: {misstep}", push.topic));
            if let Misstep::Again { .. } = misstep {
                return;
            }
        }
        *cursor = Cursor::at(push.seq);
        self.note_head(push.topic, push.seq);
        match push.from_seq {
            Some(from) => self.observer.conflated(push.seq.saturating_sub(from) + 1),
            None => self.observer.pushed(push, received_at),
        }
    }

    /// Whatever was pushed came before this: a topic that is further there has lost something on the way.
    fn compare_heads(&mut self, heartbeat: &Heartbeat) {
        for (topic, head) in &heartbeat.heads {
            if let Some(seen) = self.topics.get(topic).map(|cursor| cursor.last()).filter(|seen| seen < head) {
                self.observer.fault(format!("{topic}: the heartbeat is at {head}, the pushes at {seen}"));
            }
        }
    }

    fn take_reply(&mut self, id: u64, outcome: Result<String, WireError>) {
        if self.own_id == Some(id) {
            self.own_reply = Some((id, outcome));
            return;
        }
        let Some(pending) = self.pending.remove(&id) else {
            return self.observer.fault(format!("a reply to command {id}, which waits for none"));
        };
        if let (true, Ok(body)) = (pending.subscribes, &outcome) {
            match serde_json::from_str::<Subscribed>(body) {
                Ok(start) => {
                    self.topics.insert(start.topic, Cursor::at(start.seq));
                    self.note_head(start.topic, start.seq);
                    self.observer.started(&start);
                }
                Err(error) => self.observer.fault(format!("unreadable snapshot: {error}")),
            }
        }
        let Pending { reply, sent_at, repeated, .. } = pending;
        // A caller that gave up no longer wants to know.
        let _ = reply.send(Reply { outcome, sent_at, received_at: Instant::now(), repeated });
    }

    fn note_head(&self, topic: Topic, seq: Seq) {
        let mut heads = self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner);
        match heads.iter_mut().find(|(followed, _)| *followed == topic) {
            Some((_, head)) => *head = seq,
            None => heads.push((topic, seq)),
        }
    }
}

fn refusal(what: &str, error: &WireError) -> Failure {
    let why = format!("{what}: {} ({})", error.code.as_str(), error.message);
    if worth_repeating(error.code) { Failure::Again { why, wish: wished_wait(error) } } else { Failure::Never(why) }
}
