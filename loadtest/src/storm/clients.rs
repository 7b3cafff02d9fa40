//! The clients: when each was back, and whether it had by then what was acknowledged before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use latchkey_protocol::server::Subscribed;
use latchkey_protocol::{Seq, Topic};

use super::POLL;
use super::writers::Acknowledged;
use crate::frame::Push;
use crate::invariants::BreakLog;
use crate::report::Latencies;
use crate::session::Observer;

/// What all clients share.
#[derive(Debug)]
pub(super) struct Returns {
    acknowledged: Arc<Acknowledged>,
    breaks: Arc<BreakLog>,
    began: OnceLock<Instant>,
    ready: OnceLock<Instant>,
    latencies: Latencies,
    count: AtomicU64,
    last_us: AtomicU64,
    missed: AtomicU64,
    missed_none: AtomicU64,
}

impl Returns {
    pub(super) fn new(acknowledged: Arc<Acknowledged>, breaks: Arc<BreakLog>) -> Self {
        Self {
            acknowledged,
            breaks,
            began: OnceLock::new(),
            ready: OnceLock::new(),
            latencies: Latencies::default(),
            count: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            missed_none: AtomicU64::new(0),
        }
    }

    /// The connections are being lost now.
    pub(super) fn begin(&self) {
        self.began.get_or_init(Instant::now);
    }

    /// A hub that was started again takes clients now.
    pub(super) fn note_ready(&self) {
        self.ready.get_or_init(Instant::now);
    }

    /// Waits until so many clients are back; says whether they are.
    pub(super) async fn all(&self, count: usize, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.count() < count as u64 && Instant::now() < deadline {
            tokio::time::sleep(POLL).await;
        }
        self.count() >= count as u64
    }

    /// How many are back.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// When the last one was back, from the beginning.
    pub(super) fn last(&self) -> Duration {
        Duration::from_micros(self.last_us.load(Ordering::Acquire))
    }

    /// When the hub took clients again, from the beginning.
    pub(super) fn ready(&self) -> Option<Duration> {
        Some(self.ready.get()?.saturating_duration_since(*self.began.get()?))
    }

    /// Events that clients were told of while they came back.
    pub(super) fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Clients that had nothing to be told.
    pub(super) fn missed_none(&self) -> u64 {
        self.missed_none.load(Ordering::Relaxed)
    }

    /// From losing the connection to being current.
    pub(super) const fn latencies(&self) -> &Latencies {
        &self.latencies
    }

    fn take(&self, missed: Seq) {
        let Some(began) = self.began.get() else { return };
        let took = began.elapsed();
        self.latencies.record(took);
        self.last_us.fetch_max(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::AcqRel);
        self.missed.fetch_add(missed, Ordering::Relaxed);
        self.missed_none.fetch_add(u64::from(missed == 0), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::AcqRel);
    }
}

/// One client, as its session's observer.
#[derive(Debug)]
pub(super) struct Client {
    home: Topic,
    returns: Arc<Returns>,
    /// The last event of its home that it has seen.
    seen: AtomicU64,
    /// What it had seen when it was cut off, and what had been acknowledged when it began to come back.
    seen_before: AtomicU64,
    due: AtomicU64,
}

impl Client {
    pub(super) fn new(home: Topic, returns: Arc<Returns>) -> Self {
        let zero = || AtomicU64::new(0);
        Self { home, returns, seen: zero(), seen_before: zero(), due: zero() }
    }
}

impl Observer for Client {
    fn started(&self, start: &Subscribed) {
        if start.topic == self.home {
            self.seen.store(start.seq, Ordering::Release);
            if let Topic::Property(home) = start.topic {
                self.returns.acknowledged.note(home, start.seq);
            }
        }
    }

    fn pushed(&self, push: &Push<'_>, _received_at: Instant) {
        if push.topic == self.home {
            self.seen.store(push.seq, Ordering::Release);
        }
    }

    fn returning(&self) {
        self.seen_before.store(self.seen.load(Ordering::Acquire), Ordering::Release);
        self.due.store(self.returns.acknowledged.head(self.home).unwrap_or(0), Ordering::Release);
    }

    fn returned(&self, heads: &[(Topic, Seq)]) {
        let head = heads.iter().find(|(topic, _)| *topic == self.home).map_or(0, |(_, seq)| *seq);
        let due = self.due.load(Ordering::Acquire);
        if head < due {
            self.fault(format!("{}: back at {head}, though {due} had been acknowledged before", self.home));
        }
        self.returns.take(head.saturating_sub(self.seen_before.load(Ordering::Acquire)));
    }

    /// Everything missed must be told, not replaced by a snapshot: it is well within what is replayed.
    fn reset(&self, last: Seq, start: &Subscribed) {
        self.fault(format!("{}: reset from {last} to {}", start.topic, start.seq));
    }

    fn fault(&self, what: String) {
        self.returns.breaks.add(what);
    }
}
