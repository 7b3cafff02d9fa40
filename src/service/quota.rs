//! How many active holds a user has: a cap against hoarding.
//!
//! Counted in memory per node, restored from the database at start; the cap is a policy, not a promise, so a user who is served by
//! several nodes at once may get a few more.

use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;

use super::ServiceError;
use crate::domain::{ClaimId, Timestamp, UserId};

/// Active holds by user.
pub struct HoldQuota {
    limit: usize,
    holds: DashMap<UserId, Vec<(ClaimId, Timestamp)>>,
    restored: AtomicBool,
}

impl HoldQuota {
    /// At most `limit` active holds a user.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, holds: DashMap::new(), restored: AtomicBool::new(false) }
    }

    /// Makes room for a hold that is about to be committed; [`Self::end`] gives it back if it is not.
    ///
    /// # Errors
    /// `HoldLimit`.
    pub fn begin(&self, user: UserId, claim: ClaimId, until: Timestamp, now: Timestamp) -> Result<(), ServiceError> {
        let mut holds = self.holds.entry(user).or_default();
        holds.retain(|(_, until)| now < *until);
        if holds.len() >= self.limit {
            return Err(ServiceError::HoldLimit { limit: self.limit });
        }
        holds.push((claim, until));
        Ok(())
    }

    /// A hold was read from the database.
    pub fn restore(&self, user: UserId, claim: ClaimId, until: Timestamp) {
        let mut holds = self.holds.entry(user).or_default();
        holds.retain(|(held, _)| *held != claim);
        holds.push((claim, until));
    }

    /// A hold lives longer. One that is not counted any more is over: then this was the first answer to a repeated command.
    pub fn extend(&self, user: UserId, claim: ClaimId, until: Timestamp) {
        if let Some(mut holds) = self.holds.get_mut(&user) {
            holds.iter_mut().filter(|(held, _)| *held == claim).for_each(|(_, end)| *end = until);
        }
    }

    /// A hold is over.
    pub fn end(&self, user: UserId, claim: ClaimId) {
        if let Some(mut holds) = self.holds.get_mut(&user) {
            holds.retain(|(held, _)| *held != claim);
        }
    }

    /// Forgets users whose holds have all run out.
    pub fn sweep(&self, now: Timestamp) {
        self.holds.retain(|_, holds| {
            holds.retain(|(_, until)| now < *until);
            !holds.is_empty()
        });
    }

    pub(super) fn is_restored(&self) -> bool {
        self.restored.load(Ordering::Relaxed)
    }

    pub(super) fn set_restored(&self) {
        self.restored.store(true, Ordering::Relaxed);
    }
}
