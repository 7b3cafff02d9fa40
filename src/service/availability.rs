//! The in-memory availability lock: one calendar per property behind one async lock, taken as a *claim*.
//!
//! Losers are refused from memory and never reach the database. The claim lasts until the commit answers, so decisions on one property
//! are serial while properties are parallel; `commit` takes it by value and runs in a task of its own, so that a handler
//! that is dropped releases nothing early. After anything but a definite refusal the calendar is dropped and loaded again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use futures_util::FutureExt as _;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::ServiceError;
use super::expiry::Deadlines;
use super::notifications::Notifications;
use super::peers::Peers;
use crate::clock::Clock;
use crate::domain::calendar::Leases;
use crate::domain::{Calendar, Changes, Date, PropertyId, Seq, Timestamp, Topic};
use crate::store::{CommitError, Contended, Idempotency, Lane, Store};

/// Commands that may wait for one property; a further one is told `busy`.
const MAX_WAITERS: usize = 4_096;

/// Reads that may wait for one property, besides: a crowd that only looks cannot keep commands out.
const MAX_WAITING_READERS: usize = 1_024;

/// How long a calendar's load waits for what this process has sent.
const MAX_DOUBT: Duration = Duration::from_secs(2);

/// How long a command waits for its claim.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// A calendar that nobody used for this long is dropped, in milliseconds.
const IDLE_MS: i64 = 10 * 60_000;

/// Nights this many days before today are loaded: a stay of 365 nights in progress began then, and a lease that was not ended while
/// the hub was down, or a stay that is over, is still found and decided on.
const DAYS_BACK: i32 = 370;

struct Slot {
    calendar: Arc<Mutex<Option<Calendar>>>,
    /// The newest event of the home's topic that was heard of from another node: an older calendar is loaded again.
    needed: AtomicU64,
    /// How many changes of bookings were heard of from other nodes, and how many of them the calendar was loaded after.
    changes: AtomicU64,
    loaded_after: AtomicU64,
    waiters: AtomicUsize,
    readers: AtomicUsize,
    used_at: AtomicI64,
}

/// Every calendar that is in use.
pub struct Availability {
    slots: DashMap<PropertyId, Arc<Slot>>,
    store: Arc<Store>,
    peers: Arc<Peers>,
    clock: Arc<dyn Clock>,
    leases: Leases,
    deadlines: Arc<Deadlines>,
    notifications: Arc<Notifications>,
}

/// The exclusive right to decide on a property.
pub struct PropertyClaim {
    guard: OwnedMutexGuard<Option<Calendar>>,
    property: PropertyId,
    /// How many changes of other nodes' bookings its calendar was loaded after.
    loaded_after: u64,
    store: Arc<Store>,
    deadlines: Arc<Deadlines>,
    notifications: Arc<Notifications>,
}

/// Which state of a home somebody decided on.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    property: PropertyId,
    seq: Seq,
    loaded_after: u64,
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Availability {
    /// No calendar loaded yet.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        peers: Arc<Peers>,
        clock: Arc<dyn Clock>,
        leases: Leases,
        deadlines: Arc<Deadlines>,
        notifications: Arc<Notifications>,
    ) -> Self {
        Self { slots: DashMap::new(), store, peers, clock, leases, deadlines, notifications }
    }

    /// Takes the claim on a property, loading its calendar on first use.
    ///
    /// # Errors
    /// `NotFound`; `Busy` after a bounded wait or behind too many others.
    pub async fn claim(&self, property: PropertyId) -> Result<PropertyClaim, ServiceError> {
        let slot = self.slot(property);
        self.enter(property, &slot, &slot.waiters, MAX_WAITERS).await
    }

    /// Looks at a property's calendar as of its last committed change: what is under way is waited for.
    ///
    /// # Errors
    /// As [`Self::claim`].
    pub async fn look<T>(&self, property: PropertyId, look: impl FnOnce(&Calendar) -> T) -> Result<T, ServiceError> {
        let slot = self.slot(property);
        let claim = self.enter(property, &slot, &slot.readers, MAX_WAITING_READERS).await?;
        Ok(look(claim.calendar()))
    }

    async fn enter(
        &self,
        property: PropertyId,
        slot: &Slot,
        waiters: &AtomicUsize,
        max_waiters: usize,
    ) -> Result<PropertyClaim, ServiceError> {
        let waiting_before = waiters.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(waiters);
        if waiting_before >= max_waiters {
            return Err(ServiceError::Busy);
        }
        let lock = Arc::clone(&slot.calendar).lock_owned();
        let mut guard = tokio::time::timeout(MAX_WAIT, lock).await.map_err(|_| ServiceError::Busy)?;
        drop(waiting);
        let (needed, changes) = (slot.needed.load(Ordering::Acquire), slot.changes.load(Ordering::Acquire));
        let is_old = |calendar: &Calendar| calendar.seq() < needed || slot.loaded_after.load(Ordering::Acquire) < changes;
        if guard.as_ref().is_none_or(is_old) {
            // Out of its place first: a failed load leaves none rather than an old one.
            *guard = None;
            let loaded = self.load(property).await?;
            slot.loaded_after.store(changes, Ordering::Release);
            if loaded.seq() < needed {
                tracing::error!(%property, needed, seq = loaded.seq(), "an event was heard of that is not stored");
                let _ = slot.needed.compare_exchange(needed, loaded.seq(), Ordering::AcqRel, Ordering::Acquire);
            }
            *guard = Some(loaded);
        }
        let loaded_after = slot.loaded_after.load(Ordering::Acquire);
        let (store, deadlines) = (Arc::clone(&self.store), Arc::clone(&self.deadlines));
        Ok(PropertyClaim { guard, property, loaded_after, store, deadlines, notifications: Arc::clone(&self.notifications) })
    }

    fn slot(&self, property: PropertyId) -> Arc<Slot> {
        let entry = self.slots.entry(property).or_insert_with(|| {
            Arc::new(Slot {
                calendar: Arc::new(Mutex::new(None)),
                needed: AtomicU64::new(0),
                changes: AtomicU64::new(0),
                loaded_after: AtomicU64::new(0),
                waiters: AtomicUsize::new(0),
                readers: AtomicUsize::new(0),
                used_at: AtomicI64::new(0),
            })
        });
        entry.used_at.store(self.clock.now(), Ordering::Relaxed);
        Arc::clone(&entry)
    }

    async fn load(&self, property: PropertyId) -> Result<Calendar, ServiceError> {
        let now = Timestamp::from_epoch_ms(self.clock.now());
        // What this process has sent may be committed yet: then a calendar that is read before would lack it, and nobody would say so.
        let known = tokio::time::timeout(MAX_DOUBT, self.store.outcomes_known());
        known.await.map_err(|_| ServiceError::Unavailable("the database does not answer".to_owned()))?;
        // A day early for the westernmost time zone.
        let from = now.utc_date().saturating_add(-DAYS_BACK);
        let state = self.store.calendar(property, from, Date::MAX).await?;
        let Some(state) = state else {
            self.slots.remove_if(&property, |_, slot| Arc::strong_count(slot) <= 2);
            return Err(ServiceError::NotFound("property"));
        };
        Ok(Calendar::restore(state.listing, self.leases, state.seq, state.nights, state.claims))
    }

    /// Learns that an event was appended, by whomever; if it is a home's, whoever looks at its calendar from now on, or decides on it, sees that.
    pub fn hear_of(&self, topic: Topic, seq: Seq) {
        let Topic::Property(property) = topic else { return };
        // Under the map's entry lock; a slot that comes later loads what is there then.
        if let Some(slot) = self.slots.get(&property) {
            slot.needed.fetch_max(seq, Ordering::AcqRel);
        }
    }

    /// Waits until every calendar that another node had changed before this was called is known to be out of date.
    ///
    /// # Errors
    /// `Unavailable` if the other nodes' logs cannot be read.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        self.peers.catch_up().await
    }

    /// Another node has changed a booking of a home: whoever looks at its calendar from now on, or decides on it, sees that.
    pub fn hear_of_booking(&self, property: PropertyId) {
        if let Some(slot) = self.slots.get(&property) {
            slot.changes.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether what was seen of a home is known to be out of date, by another node's doing.
    #[must_use]
    pub fn is_behind(&self, seen: Seen) -> bool {
        let Seen { property, seq, loaded_after } = seen;
        let is_old = |slot: &Slot| slot.needed.load(Ordering::Acquire) > seq || slot.changes.load(Ordering::Acquire) > loaded_after;
        self.slots.get(&property).is_some_and(|slot| is_old(&slot))
    }

    /// Drops calendars that nobody has used for a while and nobody holds.
    pub fn sweep(&self) {
        let idle_since = self.clock.now() - IDLE_MS;
        self.slots.retain(|_, slot| {
            let is_used = Arc::strong_count(slot) > 1 || Arc::strong_count(&slot.calendar) > 1;
            is_used || slot.used_at.load(Ordering::Relaxed) > idle_since
        });
    }
}

impl PropertyClaim {
    /// Which state of the home is decided on.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen { property: self.property, seq: self.calendar().seq(), loaded_after: self.loaded_after }
    }

    /// The calendar, as of its last committed change.
    ///
    /// # Panics
    /// Never: a claim is only given out with a loaded calendar, and only `commit`, which consumes it, unloads it.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        self.guard.as_ref().expect("a claim is given out with its calendar loaded")
    }

    /// Commits what was decided on this calendar, and applies it.
    ///
    /// The claim travels with the commit into a task of its own: dropping this future cancels nothing and releases nothing.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit(self, changes: Changes, idempotency: Option<Idempotency>, lane: Lane) -> Result<(), CommitError> {
        self.commit_and(changes, idempotency, lane, std::future::ready(())).await
    }

    /// The same; `then` is done in that task before the outcome is told, whatever it is.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub async fn commit_and(
        mut self,
        changes: Changes,
        idempotency: Option<Idempotency>,
        lane: Lane,
        then: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), CommitError> {
        let committing = async move {
            let set = self.notifications.change_set(&changes, idempotency).await.map_err(|error| {
                tracing::error!(%error, "preferences could not be read");
                CommitError::Unavailable("the database does not answer")
            })?;
            // Out of its place while the outcome is open: if this task panics, the next claim loads it again.
            let mut calendar = self.guard.take();
            let result = self.store.commit(set, lane).await;
            match &result {
                Ok(()) => {
                    if let Some(calendar) = calendar.as_mut() {
                        calendar.apply(&changes);
                        if let Some(deadline) = calendar.next_deadline() {
                            self.deadlines.add(self.property, deadline);
                        }
                    }
                    *self.guard = calendar;
                }
                // Definitely not written, and for a reason that says nothing about this calendar.
                Err(
                    CommitError::Busy
                    | CommitError::Unavailable(_)
                    | CommitError::TooLate
                    | CommitError::Contended(Contended::Key | Contended::Webhook | Contended::Login),
                ) => *self.guard = calendar,
                // It may be committed yet: a lease of it ends as any other, and one that never was ends without harm.
                Err(CommitError::Unknown) => {
                    if let Some(mut calendar) = calendar {
                        calendar.apply(&changes);
                        calendar.next_deadline().into_iter().for_each(|deadline| self.deadlines.add(self.property, deadline));
                    }
                }
                Err(CommitError::Contended(Contended::State) | CommitError::Refused(_)) => {}
            }
            result
        };
        let task = tokio::spawn(async move {
            // What panicked may have committed.
            let result = AssertUnwindSafe(committing).catch_unwind().await.unwrap_or(Err(CommitError::Unknown));
            then.await;
            result
        });
        task.await.unwrap_or(Err(CommitError::Unknown))
    }
}
