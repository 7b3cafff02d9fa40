//! Leases that run out (P6): the timer that ends them when nobody comes.
//!
//! Deadlines are kept in order and looked at a few times a second by the injected clock; they are rebuilt from the database at start and
//! every few seconds, so that leases of other nodes, or of this one before a crash, end as well. Ending twice is harmless: the append decides.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::ServiceError;
use super::availability::Availability;
use super::quota::HoldQuota;
use crate::clock::Clock;
use crate::domain::calendar::Leases;
use crate::domain::{PropertyId, Timestamp};
use crate::store::{CommitError, Contended, Lane, Store};

/// How often deadlines are looked at.
const TICK: Duration = Duration::from_millis(100);

/// Ticks between two rescans of the database.
const TICKS_PER_RESCAN: u32 = 50;

/// A property whose leases could not be ended is tried again after this long, in milliseconds.
const RETRY_MS: i64 = 1_000;

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

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<(Timestamp, PropertyId)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends leases.
pub struct Expiry {
    deadlines: Arc<Deadlines>,
    availability: Arc<Availability>,
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    quota: Arc<HoldQuota>,
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
        quota: Arc<HoldQuota>,
        leases: &Leases,
    ) -> Self {
        // A booking's id is that of its hold, which may be as old as the longest hold.
        let longest_lease_ms = leases.hold_longest_ms + leases.payment_ms;
        Self { deadlines, availability, store, clock, quota, longest_lease_ms }
    }

    /// Runs until dropped.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = 0_u32;
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            if ticks.is_multiple_of(TICKS_PER_RESCAN)
                && let Err(error) = self.rescan().await
            {
                tracing::warn!(%error, "leases could not be read");
            }
            ticks = ticks.wrapping_add(1);
            for property in self.deadlines.take_due(Timestamp::from_epoch_ms(self.clock.now())) {
                let expiry = Arc::clone(&self);
                tokio::spawn(async move {
                    if let Err(error) = expiry.end_overdue(property).await {
                        tracing::warn!(%property, %error, "leases could not be ended");
                        expiry.deadlines.add(property, Timestamp::from_epoch_ms(expiry.clock.now() + RETRY_MS));
                    }
                });
            }
        }
    }

    /// Reads every live lease from the database: deadlines, and who holds how much.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn rescan(&self) -> Result<(), ServiceError> {
        // Twice the longest life: a lease is ended late when the hub was down.
        let oldest = Timestamp::from_epoch_ms(self.clock.now()).plus_ms(-2 * self.longest_lease_ms);
        let oldest = if self.quota.is_restored() { oldest } else { Timestamp::from_epoch_ms(0) };
        for lease in self.store.leases(oldest).await? {
            self.deadlines.add(lease.property, lease.until);
            if lease.is_hold {
                self.quota.restore(lease.guest, lease.claim, lease.until);
            }
        }
        self.quota.set_restored();
        Ok(())
    }

    async fn end_overdue(&self, property: PropertyId) -> Result<(), ServiceError> {
        let claim = self.availability.claim(property).await?;
        let decision = claim.calendar().expire_overdue(Timestamp::from_epoch_ms(self.clock.now()))?;
        if decision.changes.is_empty() {
            return Ok(());
        }
        match claim.commit(decision.changes, None, Lane::Reserved).await {
            Ok(_) => {
                metrics::counter!("latchkey_leases_expired").increment(decision.outcome as u64);
                tracing::info!(%property, ended = decision.outcome, "leases expired");
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
