//! How many nights-without-money a user has: a cap on active holds and unpaid bookings, against hoarding.
//!
//! Counted in memory per node, restored from the database at start; the cap is a policy, not a promise, so a user who is served by
//! several nodes at once may get a few more.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::DashMap;

use super::ServiceError;
use crate::domain::{ClaimId, Timestamp, UserId};
use crate::store::Lease;

/// Live leases by user.
pub struct LeaseQuota {
    limit: usize,
    leases: DashMap<UserId, HashMap<ClaimId, Timestamp>>,
}

/// Room for a lease that is about to be committed; given back when dropped, unless it was kept.
pub struct Reserved {
    quota: Arc<LeaseQuota>,
    user: UserId,
    claim: ClaimId,
    is_kept: bool,
}

impl Reserved {
    /// The lease was committed.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_kept {
            self.quota.end(self.user, self.claim);
        }
    }
}

impl LeaseQuota {
    /// At most `limit` live leases a user.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, leases: DashMap::new() })
    }

    /// Makes room for a lease that is about to be committed.
    ///
    /// # Errors
    /// `HoldLimit`.
    pub fn reserve(self: &Arc<Self>, user: UserId, claim: ClaimId, until: Timestamp, now: Timestamp) -> Result<Reserved, ServiceError> {
        let mut leases = self.leases.entry(user).or_default();
        leases.retain(|_, until| now < *until);
        if leases.len() >= self.limit {
            return Err(ServiceError::HoldLimit { limit: self.limit });
        }
        leases.insert(claim, until);
        drop(leases);
        Ok(Reserved { quota: Arc::clone(self), user, claim, is_kept: false })
    }

    /// A lease that is counted ends at another time. One that is not counted is over: an answer given again must not revive it.
    pub fn extend(&self, user: UserId, claim: ClaimId, until: Timestamp) {
        if let Some(counted) = self.leases.get_mut(&user).as_mut().and_then(|leases| leases.get_mut(&claim)) {
            *counted = until;
        }
    }

    /// A lease is over: released, paid or never begun.
    pub fn end(&self, user: UserId, claim: ClaimId) {
        if let Some(mut leases) = self.leases.get_mut(&user) {
            leases.remove(&claim);
        }
    }

    /// Counts what the database has, at start.
    pub fn restore(&self, lease: &Lease) {
        self.leases.entry(lease.guest).or_default().insert(lease.claim, lease.until);
    }

    /// Forgets users whose leases have all run out.
    pub fn sweep(&self, now: Timestamp) {
        self.leases.retain(|_, leases| {
            leases.retain(|_, until| now < *until);
            !leases.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_epoch_ms(0);

    fn ids() -> (UserId, [ClaimId; 3]) {
        (UserId::from_bytes([1; 16]), [1, 2, 3].map(|number| ClaimId::from_bytes([number; 16])))
    }

    #[test]
    fn a_lease_that_was_not_committed_takes_no_room() {
        let (user, [one, two, three]) = ids();
        let quota = LeaseQuota::new(2);
        let until = NOW.plus_ms(10);
        quota.reserve(user, one, until, NOW).unwrap().keep();
        drop(quota.reserve(user, two, until, NOW).unwrap());
        quota.reserve(user, three, until, NOW).unwrap().keep();
        assert_eq!(quota.reserve(user, two, until, NOW).err(), Some(ServiceError::HoldLimit { limit: 2 }));
        assert!(quota.reserve(user, two, until.plus_ms(9), until).is_ok(), "leases that ran out take no room");
    }

    #[test]
    fn an_answer_given_again_does_not_revive_a_lease() {
        let (user, [one, two, _]) = ids();
        let quota = LeaseQuota::new(1);
        quota.reserve(user, one, NOW.plus_ms(10), NOW).unwrap().keep();
        quota.end(user, one);
        quota.extend(user, one, NOW.plus_ms(99));
        assert!(quota.reserve(user, two, NOW.plus_ms(10), NOW).is_ok());
    }
}
