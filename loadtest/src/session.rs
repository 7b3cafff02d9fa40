//! A client that outlives its connections: commands and replies, topics and their sequence, reconnect and `resume`.
//!
//! One task per session owns the socket. Invariants: an unanswered command is repeated on the next connection with the same
//! text, so with the same idempotency key; a topic goes on from the last `seq` seen, and every step that is not `+1` is
//! reported. Callers hold a [`Session`] handle; what the hub pushes goes to the session's [`Observer`].

mod actor;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use latchkey_protocol::client::{Command, Envelope, Subscribe};
use latchkey_protocol::error::WireError;
use latchkey_protocol::server::Subscribed;
use latchkey_protocol::{ErrorCode, Seq, Topic};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::account::Account;
use crate::backoff::Backoff;
use crate::frame::Push;
use crate::report::Report;
use crate::rest::{Rest, wished_wait, worth_repeating};
use crate::target::{Target, Way};

/// Commands waiting for the session's task; a caller beyond that waits, so memory is bounded.
const ASKS_QUEUED: usize = 32;
/// A hub that is there answers within this; the patience for reconnects comes on top.
const ANSWER: Duration = Duration::from_secs(30);

/// What all sessions of a run share.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where the hub is.
    pub(crate) target: Target,
    /// For renewing tokens.
    pub(crate) rest: Rest,
    /// How long a session tries to come back.
    pub(crate) patience: Duration,
    /// The run's seed: backoffs are drawn from it.
    pub(crate) seed: u64,
    /// What happened on the way; see [`Traffic`].
    pub(crate) traffic: Traffic,
    /// Over how many addresses of this machine the sessions spread; one of them has ports for 28,000. 0: the kernel's choice.
    sources: u32,
    /// Cuts the connections of all sessions.
    cuts: watch::Sender<Outage>,
}

/// For how long clients whose connections were cut stay away.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Outage {
    /// All of them at least this long.
    pub(crate) at_least: Duration,
    /// Each a random time of up to this besides ("full jitter").
    pub(crate) jitter: Duration,
}

/// Counts over all sessions of a run.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sessions: AtomicU64,
    /// Events received.
    pub(crate) pushes: AtomicU64,
    /// Connections that were lost and came back.
    pub(crate) reconnects: AtomicU64,
    /// Commands sent again on a new connection, with the same key.
    pub(crate) replays: AtomicU64,
    /// Commands sent again because the hub asked for it, by its reason.
    retries: Mutex<BTreeMap<ErrorCode, u64>>,
    /// Topics that began anew with a snapshot after a reconnect.
    pub(crate) resets: AtomicU64,
}

impl Traffic {
    fn note_retry(&self, code: ErrorCode) {
        *self.retries.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// Adds what happened to a report.
    pub(crate) fn describe(&self, report: &mut Report) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        report.fact("events received", count(&self.pushes)).fact("reconnects", count(&self.reconnects));
        report.fact("replays", count(&self.replays)).fact("resets", count(&self.resets));
        for (code, count) in &*self.retries.lock().unwrap_or_else(PoisonError::into_inner) {
            report.fact(&format!("retried {}", code.as_str()), *count);
        }
    }
}

impl Link {
    /// The way to one hub.
    pub(crate) fn new(target: Target, patience: Duration, seed: u64) -> Arc<Self> {
        Self::spread(target, patience, seed, 0)
    }

    /// The same, with sessions that come from so many addresses of this machine.
    pub(crate) fn spread(target: Target, patience: Duration, seed: u64, sources: u32) -> Arc<Self> {
        let rest = Rest::new(target.clone(), patience);
        Arc::new(Self { target, rest, patience, seed, traffic: Traffic::default(), sources, cuts: watch::Sender::default() })
    }

    /// Cuts every open connection at once. Their sessions come back after the outage.
    pub(crate) fn cut(&self, outage: Outage) {
        self.cuts.send_replace(outage);
    }

    /// How a session's connections are made: from 127.1.0.1 and following, if they spread.
    fn way(&self, number: u64) -> Way {
        let step = number.checked_rem(self.sources.into()).and_then(|step| u32::try_from(step).ok());
        Way { source: step.map(|step| Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + step)), ..Way::default() }
    }
}

/// Who hears what a session receives. Called from the session's task: be quick, don't block.
pub(crate) trait Observer: Send + Sync + 'static {
    /// A topic is followed from this snapshot on.
    fn started(&self, _start: &Subscribed) {}
    /// An event came; its sequence has been checked already.
    fn pushed(&self, _push: &Push<'_>, _received_at: Instant) {}
    /// One push came for so many events, since this client did not keep up.
    fn conflated(&self, _events: u64) {}
    /// The hub could not resume a topic after `last`: forget it and start from this snapshot.
    fn reset(&self, _last: Seq, start: &Subscribed) {
        self.started(start);
    }
    /// The connection was lost, and the session is about to make its next one.
    fn returning(&self) {}
    /// The session is back: everything up to the heads that the hub resumed its topics at has come.
    fn returned(&self, _heads: &[(Topic, Seq)]) {}
    /// The hub broke its word, or the session could not go on.
    fn fault(&self, what: String);
}

/// A reply, and when.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The body as JSON, or the refusal.
    pub(crate) outcome: Result<String, WireError>,
    /// When the command was first written to a socket.
    pub(crate) sent_at: Instant,
    /// When the reply was read.
    pub(crate) received_at: Instant,
    /// Whether it was sent more than once, so that its time says nothing about the hub's speed.
    pub(crate) repeated: bool,
}

impl Reply {
    /// The body, typed.
    ///
    /// # Errors
    /// A refusal, or a body of another shape.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T> {
        match &self.outcome {
            Ok(body) => serde_json::from_str(body).with_context(|| format!("unreadable reply {body}")),
            Err(error) => Err(anyhow!("refused: {} ({})", error.code.as_str(), error.message)),
        }
    }

    /// From first sending to the reply.
    pub(crate) fn latency(&self) -> Duration {
        self.received_at.saturating_duration_since(self.sent_at)
    }
}

/// A command on its way to the session's task.
#[derive(Debug)]
struct Ask {
    id: u64,
    text: Utf8Bytes,
    subscribes: bool,
    reply: oneshot::Sender<Reply>,
}

/// What handle and task both see.
#[derive(Debug, Default)]
struct Shared {
    /// Why the session ended before its handle did.
    end: OnceLock<String>,
    /// The last `seq` of each topic.
    heads: Mutex<Vec<(Topic, Seq)>>,
}

/// A handle of a running session; dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Session {
    asks: mpsc::Sender<Ask>,
    next_id: Arc<AtomicU64>,
    shared: Arc<Shared>,
    link: Arc<Link>,
    number: u64,
}

impl Session {
    /// Connects (and authenticates, unless anonymous) and starts the session's task.
    ///
    /// # Errors
    /// The hub refused, or could not be reached within the link's patience.
    pub(crate) async fn open(link: &Arc<Link>, account: Option<Arc<Account>>, observer: Arc<dyn Observer>) -> Result<Self> {
        let number = link.traffic.sessions.fetch_add(1, Ordering::Relaxed);
        let (asks, queue) = mpsc::channel(ASKS_QUEUED);
        let next_id = Arc::new(AtomicU64::new(1));
        let shared = Arc::new(Shared::default());
        let actor = actor::Actor::new(link, number, account, observer, queue, &next_id, &shared);
        Box::pin(actor.start()).await?;
        Ok(Self { asks, next_id, shared, link: Arc::clone(link), number })
    }

    /// Follows a topic, for as long as the session lives.
    ///
    /// # Errors
    /// The hub refused, or could not be reached.
    pub(crate) async fn subscribe(&self, topic: Topic) -> Result<Subscribed> {
        let reply = self.ask_settled(Command::Subscribe, None, &Subscribe { topic }).await?;
        reply.body().with_context(|| format!("subscribing to {topic}"))
    }

    /// Sends a command until its outcome is one that a retry would not change.
    ///
    /// # Errors
    /// No answer: the session ended or the hub stayed silent. A refusal is an answer.
    pub(crate) async fn ask_settled<D: Serialize + Sync>(&self, cmd: Command, key: Option<&str>, data: &D) -> Result<Reply> {
        let mut backoff = Backoff::new(self.link.seed ^ self.number, self.link.patience);
        let mut first_sent_at = None;
        loop {
            let mut reply = self.ask(cmd, key, data).await?;
            let sent_at = *first_sent_at.get_or_insert(reply.sent_at);
            if let Err(error) = &reply.outcome
                && worth_repeating(error.code)
                && let Some(wait) = backoff.next_wait(wished_wait(error))
            {
                self.link.traffic.note_retry(error.code);
                tokio::time::sleep(wait).await;
                continue;
            }
            reply.sent_at = sent_at;
            return Ok(reply);
        }
    }

    /// Sends a command once (and again after a lost connection) and waits for its reply.
    ///
    /// # Errors
    /// No answer: the session ended or the hub stayed silent.
    pub(crate) async fn ask<D: Serialize + Sync>(&self, cmd: Command, key: Option<&str>, data: &D) -> Result<Reply> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let text = message(id, cmd, key, Some(data))?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask { id, text, subscribes: cmd == Command::Subscribe, reply };
        let exchange = async {
            self.asks.send(ask).await.ok()?;
            answer.await.ok()
        };
        match tokio::time::timeout(self.link.patience + ANSWER, exchange).await {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(anyhow!("{}: {}", cmd.as_str(), self.end().unwrap_or("the session has ended"))),
            Err(_) => Err(anyhow!("{}: the hub did not answer", cmd.as_str())),
        }
    }

    /// Why the session ended, if it did.
    pub(crate) fn end(&self) -> Option<&str> {
        self.shared.end.get().map(String::as_str)
    }

    /// The last event seen of a topic.
    pub(crate) fn head(&self, topic: Topic) -> Option<Seq> {
        let heads = self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().find(|(followed, _)| *followed == topic).map(|(_, seq)| *seq)
    }
}

/// A command as it goes onto the wire.
fn message<D: Serialize>(id: u64, cmd: Command, key: Option<&str>, data: Option<&D>) -> Result<Utf8Bytes> {
    let envelope = Envelope { id, cmd: cmd.as_str(), key, data };
    Ok(serde_json::to_string(&envelope).context("writing a command")?.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_spread_over_addresses_of_this_machine() {
        let target = Target::parse("ws://127.0.0.1:1/ws", false).unwrap();
        let link = Link::spread(target.clone(), Duration::ZERO, 1, 300);
        let sources: std::collections::BTreeSet<_> = (0..900).filter_map(|number| link.way(number).source).collect();
        assert_eq!((sources.len(), sources.iter().all(Ipv4Addr::is_loopback)), (300, true));
        assert_eq!(Link::new(target, Duration::ZERO, 1).way(7), Way::default());
    }

    #[test]
    fn a_command_is_written_as_the_protocol_reads_it() {
        let topic: Topic = "property:01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let text = message(7, Command::Subscribe, None, Some(&Subscribe { topic })).unwrap();
        let read: Envelope<String, Subscribe> = serde_json::from_str(&text).unwrap();
        assert_eq!((read.id, read.cmd.as_str(), read.data), (7, "subscribe", Some(Subscribe { topic })));
    }
}
