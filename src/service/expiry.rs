//! Leases that run out (P6): the timer that ends them when nobody comes.
//!
//! Deadlines are kept in order and looked at a few times a second by the injected clock; they are rebuilt from the database at start, and
//! now and then, so that leases of this node before a crash end as well. Those of other nodes are heard of from their logs, and ended here if
//! their nodes do not (`elsewhere`). Ending twice is harmless: the append decides.

mod elsewhere;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use self::elsewhere::Elsewhere;
use super::ServiceError;
use super::availability::Availability;
use super::quota::LeaseQuota;
use crate::clock::Clock;
use crate::domain::calendar::Leases;
use crate::domain::{ClaimId, PropertyId, Timestamp};
use crate::entropy;
use crate::store::{CommitError, Contended, Lane, Lease, Store};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How long between two rescans of the database.
const RESCAN_EVERY: Duration = Duration::from_mins(10);

/// Properties whose leases are being ended at once: a thousand that end together must not fill the lane of webhooks.
const AT_ONCE: usize = 64;

/// A property whose leases could not be ended is tried again after this long and up to as long again, in milliseconds.
const RETRY_MS: u64 = 1_000;

/// Of several nodes that find a lease which none has ended, each looks at it at another instant within so many milliseconds.
const MAX_PAUSE_MS: u64 = 2_000;

/// Properties and the instants at which a lease of theirs ends.
#[derive(Default)]
pub struct Deadlines(Mutex<BTreeSet<(Timestamp, PropertyId)>>);

impl Deadlines {
    /// Adds one; adding it again changes nothing.
    pub fn add(&self, property: PropertyId, deadline: Timestamp) {
        self.lock().insert((deadline, property));
    }

    fn take_due(&self, now: Timestamp) -> BTreeSet<PropertyId> {
        let mut deadlines = self.lock();
        let later = deadlines.split_off(&(now.plus_ms(1), PropertyId::from_bytes([0; 16])));
        let due = std::mem::replace(&mut *deadlines, later);
        due.into_iter().map(|(_, property)| property).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, PropertyId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends leases.
pub struct Expiry {
    deadlines: Arc<Deadlines>,
    availability: Arc<Availability>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    quota: Arc<LeaseQuota>,
    under_way: Arc<Semaphore>,
    elsewhere: Mutex<Elsewhere>,
    /// How much later than others this node looks at a lease that none has ended, in milliseconds.
    pause_ms: i64,
    longest_lease_ms: i64,
}

impl Expiry {
    /// Ends the leases of `availability`'s calendars.
    #[must_use]
    pub fn new(
        deadlines: Arc<Deadlines>,
        availability: Arc<Availability>,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        quota: Arc<LeaseQuota>,
        leases: &Leases,
    ) -> Self {
        // A booking's id is that of its hold, which may be as old as the longest hold; paid for, a request waits for its answer.
        let longest_lease_ms = leases.hold_longest_ms + leases.payment_ms + leases.request_ms;
        let pause_ms = i64::try_from(entropy::jitter(MAX_PAUSE_MS)).unwrap_or(0);
        let (under_way, elsewhere) = (Arc::new(Semaphore::new(AT_ONCE)), Mutex::default());
        Self { deadlines, availability, store, clock, quota, under_way, elsewhere, pause_ms, longest_lease_ms }
    }

    /// Ends leases when their time comes, until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let now = Timestamp::from_epoch_ms(self.clock.now());
            let mut due = self.deadlines.take_due(now);
            due.append(&mut self.elsewhere().take_due(now));
            for property in due {
                let Ok(permit) = Arc::clone(&self.under_way).acquire_owned().await else { return };
                let expiry = Arc::clone(&self);
                tokio::spawn(async move {
                    if let Err(error) = expiry.end_overdue(property).await {
                        tracing::warn!(%property, %error, "leases could not be ended");
                        let pause_ms = i64::try_from(RETRY_MS + entropy::jitter(RETRY_MS)).unwrap_or(0);
                        expiry.deadlines.add(property, Timestamp::from_epoch_ms(expiry.clock.now() + pause_ms));
                    }
                    drop(permit);
                });
            }
        }
    }

    /// Looks for leases that another node took or left behind, until dropped.
    pub async fn rescan(self: Arc<Self>) {
        loop {
            tokio::time::sleep(RESCAN_EVERY).await;
            // Twice the longest life: a lease is ended late when its node was down.
            let oldest = Timestamp::from_epoch_ms(self.clock.now()).plus_ms(-2 * self.longest_lease_ms);
            match self.store.leases(oldest).await {
                Ok(leases) => leases.iter().for_each(|lease| self.look_after(lease)),
                Err(error) => tracing::warn!(%error, "leases could not be read"),
            }
        }
    }

    /// Reads every live lease from the database, at start: deadlines, and who has how many. What retention has swept past has none.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn restore(&self) -> Result<(), ServiceError> {
        for lease in self.store.leases(self.store.oldest_lease().await?).await? {
            self.look_after(&lease);
            // A request is no hoarding: its money is set aside.
            if lease.is_unpaid {
                self.quota.restore(&lease);
            }
        }
        Ok(())
    }

    /// Another node has taken or lengthened a lease, or ended one.
    pub fn hear_of(&self, claim: ClaimId, property: PropertyId, until: Option<Timestamp>) {
        let mut elsewhere = self.elsewhere();
        match until {
            Some(until) => elsewhere.begin(claim, property, until, self.pause_ms),
            None => elsewhere.end(claim),
        }
        metrics::gauge!("latchkey_leases_elsewhere").set(elsewhere.len() as f64);
    }

    /// A lease that was found in the database: this node's, if there is no other.
    fn look_after(&self, lease: &Lease) {
        if self.store.is_alone() {
            self.deadlines.add(lease.property, lease.until);
        } else {
            self.elsewhere().begin(lease.claim, lease.property, lease.until, self.pause_ms);
        }
    }

    fn elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end_overdue(&self, property: PropertyId) -> Result<(), ServiceError> {
        let claim = self.availability.claim(property).await?;
        let decision = claim.calendar().expire_overdue(Timestamp::from_epoch_ms(self.clock.now()))?;
        if decision.changes.is_empty() {
            // Not overdue after all, if the clock was set back: its time will come.
            if let Some(deadline) = claim.calendar().next_deadline() {
                self.deadlines.add(property, deadline);
            }
            return Ok(());
        }
        match claim.commit(decision.changes, None, Lane::Reserved).await {
            Ok(()) => {
                metrics::counter!("latchkey_leases_expired").increment(decision.outcome as u64);
                tracing::debug!(%property, ended = decision.outcome, "leases expired");
                Ok(())
            }
            // Another node ended them, or a guest acted in time: look again.
            Err(CommitError::Contended(Contended::State)) => {
                self.deadlines.add(property, Timestamp::from_epoch_ms(self.clock.now()));
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}
