//! The hub against a source that can be slow, gappy or broken, and publishers that lose and reorder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use latchkey_protocol::server::Push;
use latchkey_protocol::{PropertyId, Seq, Topic};
use serde_json::value::RawValue;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::*;

/// The usual bounds, with a short wait between attempts to read a gap.
const LIMITS: HubLimits = HubLimits {
    ring_frames: 256,
    ring_bytes: 64 * 1024,
    resume_events: 4096,
    feed_idle_ms: 120_000,
    first_retry_delay: Duration::from_millis(1),
};

fn topic(number: u8) -> Topic {
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
        let fails = self.failures_left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        if fails { Err(SourceError("told to fail".to_owned())) } else { Ok(()) }
    }
}

impl EventSource for Table {
    fn head(&self, topic: Topic) -> BoxFuture<'_, Result<Seq, SourceError>> {
        async move {
            self.pass().await?;
            Ok(self.events.lock().unwrap().get(&topic).map_or(0, |log| log.len() as u64))
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
}

impl Watcher {
    fn new(id: SubscriberId) -> (Arc<Self>, Arc<dyn Subscriber>) {
        let watcher = Arc::new(Self { id, seen: Mutex::default(), wants_more: AtomicBool::new(true), has_lost: AtomicBool::new(false) });
        (Arc::clone(&watcher), watcher)
    }

    fn seqs(&self) -> Vec<Seq> {
        self.seen.lock().unwrap().iter().map(|(_, seq)| *seq).collect()
    }
}

impl Subscriber for Watcher {
    fn id(&self) -> SubscriberId {
        self.id
    }

    fn deliver(&self, topic: Topic, frames: &[Bytes]) -> bool {
        if !self.wants_more.load(Ordering::SeqCst) {
            return false;
        }
        for frame in frames {
            let start = frame.iter().position(|byte| *byte == b'{').unwrap();
            let push: Push<Box<RawValue>> = serde_json::from_slice(&frame[start..]).unwrap();
            assert_eq!(push.topic, topic);
            self.seen.lock().unwrap().push((topic, push.seq));
        }
        true
    }

    fn poll_room(&self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
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

#[tokio::test]
async fn a_subscriber_sees_what_comes_after_its_snapshot() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(topic(1), 3);
    let (watcher, subscriber) = Watcher::new(1);
    assert_eq!(hub.attach(topic(1), &subscriber, 3).await, Ok(Attached { head: 3 }));
    hub.publish(&table.append_many(topic(1), 2));
    hub.publish(&[event(topic(1), 4)]);
    hub.publish(&table.append_many(topic(2), 1));
    assert_eq!(watcher.seqs(), [4, 5]);
    hub.detach(topic(1), 1);
    hub.publish(&[table.append(topic(1))]);
    assert_eq!(watcher.seqs(), [4, 5]);
}

#[tokio::test]
async fn nothing_is_read_or_kept_for_a_topic_nobody_watches() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    hub.publish(&table.append_many(topic(1), 100));
    settle().await;
    assert_eq!((hub.feeds(), table.reads.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn events_published_while_the_head_is_read_are_neither_lost_nor_repeated() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let earlier = table.append_many(topic(1), 4);
    let gate = table.close_gate();
    let (watcher, subscriber) = Watcher::new(1);
    let attaching = tokio::spawn({
        let hub = Arc::clone(&hub);
        async move { hub.attach(topic(1), &subscriber, 2).await }
    });
    settle().await;
    // Two of them the head will contain, two it will not.
    hub.publish(&earlier[2..]);
    gate.add_permits(1);
    settle().await;
    hub.publish(&table.append_many(topic(1), 2));
    gate.add_permits(100);
    attaching.await.unwrap().unwrap();
    assert_eq!(watcher.seqs(), all(3..=6));
}

#[tokio::test]
async fn a_gap_is_read_from_the_table_while_later_events_wait() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    let gate = table.close_gate();
    let lost = table.append_many(topic(1), 300);
    hub.publish(&lost[299..]);
    settle().await;
    hub.publish(&table.append_many(topic(1), 5));
    assert_eq!(watcher.seqs(), all(1..=0));
    gate.add_permits(100);
    settle().await;
    assert_eq!(watcher.seqs(), all(1..=305));
}

#[tokio::test]
async fn a_gap_is_read_again_after_failures_and_given_up_after_many() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    table.failures_left.store(3, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2)[1..]);
    eventually(|| watcher.seqs() == [1, 2]).await;

    table.failures_left.store(100, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2)[1..]);
    eventually(|| watcher.has_lost.load(Ordering::SeqCst)).await;
    assert_eq!((watcher.seqs(), hub.feeds()), (vec![1, 2], 0));

    table.failures_left.store(0, Ordering::SeqCst);
    hub.attach(topic(1), &subscriber, 2).await.unwrap();
    assert_eq!(watcher.seqs(), all(1..=4));
}

#[tokio::test]
async fn those_who_come_back_get_what_they_missed_from_the_ring_or_the_table() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (_, first) = Watcher::new(1);
    hub.attach(topic(1), &first, 0).await.unwrap();
    for _ in 0..600 {
        hub.publish(&[table.append(topic(1))]);
    }
    let reads_before = table.reads.load(Ordering::SeqCst);
    for (id, after, reads) in [(2, 600, 0), (3, 599, 0), (4, 344, 0), (5, 343, 1), (6, 0, 3)] {
        let (watcher, subscriber) = Watcher::new(id);
        let reads_then = table.reads.load(Ordering::SeqCst);
        assert_eq!(hub.attach(topic(1), &subscriber, after).await, Ok(Attached { head: 600 }));
        assert_eq!(watcher.seqs(), all(after + 1..=600), "after {after}");
        assert_eq!(table.reads.load(Ordering::SeqCst) - reads_then, reads, "after {after}");
    }
    assert_eq!(reads_before, 1);
}

#[tokio::test]
async fn what_is_out_of_reach_asks_for_a_snapshot() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(topic(1), 5000);
    table.removed.store(4000, Ordering::SeqCst);
    let (watcher, subscriber) = Watcher::new(1);
    let too_old = |after| Err(AttachError::TooOld { after, head: 5000 });
    assert_eq!(hub.attach(topic(1), &subscriber, 3999).await, too_old(3999), "removed by retention");
    assert_eq!(hub.attach(topic(1), &subscriber, 1).await, too_old(1), "too many");
    assert_eq!(hub.attach(topic(1), &subscriber, 5001).await, Err(AttachError::AboveHead { after: 5001, head: 5000 }));
    hub.publish(&[table.append(topic(1))]);
    assert_eq!(watcher.seqs(), all(1..=0), "none of these attached it");
}

#[tokio::test]
async fn a_snapshot_may_be_newer_than_what_was_published() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (old, first) = Watcher::new(1);
    hub.attach(topic(1), &first, 0).await.unwrap();
    let committed = table.append_many(topic(1), 3);
    let (new, second) = Watcher::new(2);
    assert_eq!(hub.attach(topic(1), &second, 3).await, Ok(Attached { head: 3 }));
    hub.publish(&committed);
    settle().await;
    hub.publish(&[table.append(topic(1))]);
    assert_eq!((old.seqs(), new.seqs()), (all(1..=4), vec![4]));
}

#[tokio::test]
async fn one_who_wants_no_more_is_forgotten_and_the_others_get_everything() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (slow, first) = Watcher::new(1);
    let (quick, second) = Watcher::new(2);
    hub.attach(topic(1), &first, 0).await.unwrap();
    hub.attach(topic(1), &second, 0).await.unwrap();
    slow.wants_more.store(false, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2));
    slow.wants_more.store(true, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2));
    assert_eq!((slow.seqs(), quick.seqs()), (vec![], all(1..=4)));
}

#[tokio::test]
async fn a_feed_is_forgotten_two_minutes_after_its_last_watcher() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    hub.sweep(0);
    hub.sweep(1_000_000);
    assert_eq!(hub.feeds(), 1, "it is watched");
    hub.detach(topic(1), 1);
    hub.sweep(1_000_000);
    hub.sweep(1_119_999);
    assert_eq!(hub.feeds(), 1);
    hub.sweep(1_120_000);
    assert_eq!(hub.feeds(), 0);
    hub.publish(&[table.append(topic(1))]);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn an_unreadable_head_fails_the_attach_and_not_the_next_one() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    table.failures_left.store(1, Ordering::SeqCst);
    assert!(matches!(hub.attach(topic(1), &subscriber, 0).await, Err(AttachError::Source(_))));
    hub.publish(&[table.append(topic(1))]);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn the_local_bus_ends_at_the_hub() {
    use super::bus::{Bus as _, LocalBus};
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0).await.unwrap();
    LocalBus::new(Arc::clone(&hub)).publish(&[table.append(topic(1))]);
    assert_eq!(watcher.seqs(), [1]);
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// P4 under random interleavings: reads that wait, publishes that are late, repeated, reordered or lost, subscribers that come
/// from snapshots of any age. Each must see `after + 1 ..= last`, once, in order.
#[tokio::test]
async fn whatever_the_interleaving_every_subscriber_sees_every_event_once_in_order() {
    for seed in 0..300 {
        interleave(seed).await;
    }
}

async fn interleave(seed: u64) {
    let mut dice = Dice(seed);
    let table = Arc::new(Table::default());
    let limits = HubLimits { ring_frames: 8, ring_bytes: 2048, ..LIMITS };
    let hub = Arc::new(Hub::new(Arc::<Table>::clone(&table), limits, Handle::current()));
    let gate = table.close_gate();
    let mut late: Vec<StoredEvent> = Vec::new();
    let mut committed = 0;
    let mut watchers = Vec::new();
    for step in 0..120 {
        match dice.below(10) {
            0..=3 => {
                late.extend(table.append_many(topic(1), 1 + dice.below(4)));
                committed = late[late.len() - 1].seq;
            }
            4..=5 if !late.is_empty() => {
                let count = usize::try_from(1 + dice.below(late.len() as u64)).unwrap();
                let mut batch: Vec<_> = late.drain(..count).collect();
                match dice.below(5) {
                    0 => batch.reverse(),
                    1 => drop(batch.pop()),
                    2 => batch.extend(batch.clone()),
                    _ => {}
                }
                hub.publish(&batch);
            }
            6 => {
                let after = committed - dice.below(committed + 1).min(dice.below(60));
                let (watcher, subscriber) = Watcher::new(step + 1);
                let attaching = tokio::spawn({
                    let hub = Arc::clone(&hub);
                    async move { hub.attach(topic(1), &subscriber, after).await }
                });
                watchers.push((watcher, after, attaching));
            }
            7 => gate.add_permits(1),
            _ => tokio::task::yield_now().await,
        }
    }
    gate.add_permits(100_000);
    hub.publish(&late);
    let last = table.append(topic(1));
    hub.publish(std::slice::from_ref(&last));
    for (watcher, after, attaching) in watchers {
        attaching.await.unwrap().unwrap();
        eventually(|| watcher.seqs().last() == Some(&last.seq)).await;
        assert_eq!(watcher.seqs(), all(after + 1..=last.seq), "seed {seed}, subscriber {} after {after}", watcher.id);
    }
}
