//! The hub against a source that can be slow, gappy or broken, and publishers that lose and reorder.
//!
//! `follow` has one behaviour per test; `interleave` has all of them at once, at random; `nodes` is what comes from elsewhere; `presence` is what has no
//! number.

mod follow;
mod interleave;
mod nodes;
mod presence;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::task::AtomicWaker;
use latchkey_protocol::server::Push;
use latchkey_protocol::{PropertyId, Seq, Topic, UserId};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::*;

/// The usual bounds, with a short wait between attempts to read a gap.
const LIMITS: HubLimits = HubLimits {
    ring_frames: 256,
    ring_bytes: 64 * 1024,
    resume_events: 4096,
    max_feeds: 100,
    feed_idle_ms: 120_000,
    first_retry_delay: Duration::from_millis(1),
};

fn topic(number: u8) -> Topic {
    Topic::User(UserId::from_bytes([number; 16]))
}

/// A topic that never is without events, unlike an inbox.
fn home(number: u8) -> Topic {
    Topic::Property(PropertyId::from_bytes([number; 16]))
}

fn event(topic: Topic, seq: Seq) -> StoredEvent {
    StoredEvent { topic, seq, kind: "availability.changed".into(), at: 7, data: Arc::from(format!("{{\"n\":{seq}}}")) }
}

/// An event table in memory. While `gate` is closed every read waits for a permit.
#[derive(Default)]
struct Table {
    events: Mutex<HashMap<Topic, Vec<StoredEvent>>>,
    /// Events up to here were removed by retention.
    removed: AtomicU64,
    gate: Mutex<Option<Arc<Semaphore>>>,
    failures_left: AtomicU32,
    panics: AtomicBool,
    reads: AtomicU32,
}

impl Table {
    /// Commits the topic's next event, which is thereby visible to reads.
    fn append(&self, topic: Topic) -> StoredEvent {
        let mut events = self.events.lock().unwrap();
        let log = events.entry(topic).or_default();
        log.push(event(topic, log.len() as u64 + 1));
        log[log.len() - 1].clone()
    }

    fn append_many(&self, topic: Topic, count: u64) -> Vec<StoredEvent> {
        (0..count).map(|_| self.append(topic)).collect()
    }

    fn close_gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock().unwrap() = Some(Arc::clone(&gate));
        gate
    }

    async fn pass(&self) -> Result<(), SourceError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        assert!(!self.panics.load(Ordering::SeqCst), "told to panic");
        let fails = self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Err(SourceError("told to fail".to_owned())) } else { Ok(()) }
    }
}

impl EventSource for Table {
    fn head(&self, topic: Topic) -> BoxFuture<'_, Result<Seq, SourceError>> {
        async move {
            // Like a database's, the answer is as old as the question.
            let head = self.events.lock().unwrap().get(&topic).map_or(0, |log| log.len() as u64);
            self.pass().await?;
            Ok(head)
        }
        .boxed()
    }

    fn range(&self, topic: Topic, from: Seq, to: Seq) -> BoxFuture<'_, Result<Vec<StoredEvent>, SourceError>> {
        async move {
            self.pass().await?;
            assert!(from <= to && to - from < source::PAGE_EVENTS, "{from}..={to} is not a page");
            let removed = self.removed.load(Ordering::SeqCst);
            let events = self.events.lock().unwrap();
            let log = events.get(&topic).into_iter().flatten();
            Ok(log.filter(|event| event.seq >= from && event.seq <= to && event.seq > removed).cloned().collect())
        }
        .boxed()
    }
}

/// Remembers what it was given.
struct Watcher {
    id: SubscriberId,
    seen: Mutex<Vec<(Topic, Seq)>>,
    wants_more: AtomicBool,
    has_lost: AtomicBool,
    /// Whose it is, if it is known.
    user: Option<UserId>,
    takes_hints: AtomicBool,
    /// What it was told besides events.
    hints: Mutex<Vec<Value>>,
    /// Topics that ended, each with the number of events seen by then.
    ended: Mutex<Vec<(Topic, usize)>>,
    /// Most it takes beyond what its `reader` has taken away.
    capacity: usize,
    taken_away: AtomicU64,
    reader: AtomicWaker,
}

impl Watcher {
    fn new(id: SubscriberId) -> (Arc<Self>, Arc<dyn Subscriber>) {
        Self::with_capacity(id, usize::MAX)
    }

    fn with_capacity(id: SubscriberId, capacity: usize) -> (Arc<Self>, Arc<dyn Subscriber>) {
        Self::build(id, capacity, None)
    }

    fn of_user(id: SubscriberId, user: UserId) -> (Arc<Self>, Arc<dyn Subscriber>) {
        Self::build(id, usize::MAX, Some(user))
    }

    fn build(id: SubscriberId, capacity: usize, user: Option<UserId>) -> (Arc<Self>, Arc<dyn Subscriber>) {
        let watcher = Arc::new(Self {
            id,
            user,
            takes_hints: AtomicBool::new(true),
            hints: Mutex::default(),
            seen: Mutex::default(),
            wants_more: AtomicBool::new(true),
            has_lost: AtomicBool::new(false),
            ended: Mutex::default(),
            capacity,
            taken_away: AtomicU64::new(0),
            reader: AtomicWaker::new(),
        });
        (Arc::clone(&watcher), watcher)
    }

    fn waiting(&self) -> usize {
        self.seen.lock().unwrap().len() - usize::try_from(self.taken_away.load(Ordering::SeqCst)).unwrap()
    }

    /// Takes away everything that waits, as a client does that reads.
    fn read(&self) {
        self.taken_away.fetch_add(self.waiting() as u64, Ordering::SeqCst);
        self.reader.wake();
    }

    fn seqs(&self) -> Vec<Seq> {
        self.seen.lock().unwrap().iter().map(|(_, seq)| *seq).collect()
    }
}

impl Subscriber for Watcher {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn viewer(&self) -> Viewer {
        self.user.map_or(Viewer::Unknown(self.id), Viewer::User)
    }

    fn hint(&self, _: Topic, notice: &EventFrame) -> bool {
        let takes = self.takes_hints.load(Ordering::SeqCst);
        if takes {
            self.hints.lock().unwrap().push(serde_json::from_slice(notice.json()).unwrap());
        }
        takes
    }

    fn deliver(&self, topic: Topic, frames: &[EventFrame]) -> bool {
        if !self.wants_more.load(Ordering::SeqCst) || self.waiting().saturating_add(frames.len()) > self.capacity {
            return false;
        }
        for frame in frames {
            let push: Push<Box<RawValue>> = serde_json::from_slice(frame.json()).unwrap();
            assert_eq!((push.topic, push.seq), (topic, frame.seq()));
            self.seen.lock().unwrap().push((topic, push.seq));
        }
        true
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.reader.register(cx.waker());
        if self.waiting() <= self.capacity / 4 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn ended(&self, topic: Topic) {
        self.ended.lock().unwrap().push((topic, self.seqs().len()));
    }

    fn lost(&self, _: Topic) {
        self.has_lost.store(true, Ordering::SeqCst);
    }
}

fn hub(table: &Arc<Table>) -> Arc<Hub> {
    Arc::new(Hub::new(Arc::<Table>::clone(table), LIMITS, Handle::current()))
}

/// Lets every other task run until it waits.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Waits until something holds.
async fn eventually(holds: impl Fn() -> bool) {
    for _ in 0..5000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("not within five seconds");
}

fn all(range: std::ops::RangeInclusive<Seq>) -> Vec<Seq> {
    range.collect()
}
