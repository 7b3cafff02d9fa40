//! Limits on what one account or one address may try.
//!
//! Keys are hashed into a fixed number of slots, by a hash that nobody outside knows: so the memory is bounded whatever is tried, and to
//! share somebody's slot on purpose one would have to fill them all.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::Timestamp;
use crate::service::ServiceError;
use crate::shared::{Allowance, Common, Open, Spending};

/// Slots: a few megabytes, if every one is in use.
const SLOTS: u64 = 1 << 18;

/// One limit.
pub(in crate::service) struct Throttle {
    slots: DefaultKeyedRateLimiter<u64>,
    hash: RandomState,
    common: Common,
}

impl Throttle {
    /// One that this node counts by itself.
    pub(in crate::service) fn new(quota: Quota) -> Self {
        Self::shared("own", quota, None)
    }

    /// One that all nodes count together, under that name, if there is a way.
    pub(in crate::service) fn shared(name: &'static str, quota: Quota, spending: Option<&Arc<Spending>>) -> Self {
        let times = quota.burst_size();
        let allowance = Allowance::new(times.get(), quota.replenish_interval() * times.get());
        Self { slots: RateLimiter::keyed(quota), hash: RandomState::new(), common: Common::new(name, allowance, spending) }
    }

    /// Counts an attempt.
    pub(in crate::service) fn count(&self, key: &impl Hash) -> Result<(), ServiceError> {
        let account = self.open(key)?;
        self.slots.check_key(&self.slot(key))?;
        account.spend();
        Ok(())
    }

    /// Refuses whoever has spent too much on all nodes together.
    fn open(&self, key: &impl Hash) -> Result<Open<'_>, ServiceError> {
        let limited =
            |wait: Duration| ServiceError::RateLimited { retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1) };
        self.common.open(key).map_err(limited)
    }

    fn slot(&self, key: &impl Hash) -> u64 {
        self.hash.hash_one(key) % SLOTS
    }

    /// Forgets slots that are as good as new.
    pub(in crate::service) fn sweep(&self) {
        self.slots.retain_recent();
        self.slots.shrink_to_fit();
    }
}

/// A limit on what fails: success is free, until there were too many failures.
pub(in crate::service) struct FailureThrottle {
    failures: Throttle,
    /// Until when a slot is refused.
    refused: DashMap<u64, Timestamp>,
}

impl FailureThrottle {
    /// One that all nodes count together, if there is a way.
    pub(in crate::service) fn shared(name: &'static str, quota: Quota, spending: Option<&Arc<Spending>>) -> Self {
        Self { failures: Throttle::shared(name, quota, spending), refused: DashMap::new() }
    }

    /// Refuses whoever has failed too often.
    pub(in crate::service) fn check(&self, key: &impl Hash, now: Timestamp) -> Result<(), ServiceError> {
        self.failures.open(key)?;
        let until = self.refused.get(&self.failures.slot(key)).map(|until| *until);
        match until.and_then(|until| u64::try_from(until.epoch_ms() - now.epoch_ms()).ok()) {
            Some(retry_after_ms) if retry_after_ms > 0 => Err(ServiceError::RateLimited { retry_after_ms }),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a failure.
    pub(in crate::service) fn count(&self, key: &impl Hash, now: Timestamp) {
        if let Err(ServiceError::RateLimited { retry_after_ms }) = self.failures.count(key) {
            let until = now.plus_ms(i64::try_from(retry_after_ms).unwrap_or(i64::MAX));
            self.refused.insert(self.failures.slot(key), until);
        }
    }

    /// Forgets what no longer matters.
    pub(in crate::service) fn sweep(&self, now: Timestamp) {
        self.failures.sweep();
        self.refused.retain(|_, until| now < *until);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn whoever_fails_too_often_is_refused_for_a_while_and_success_costs_nothing() {
        let throttle = FailureThrottle::shared("test", Quota::per_hour(NonZeroU32::new(2).unwrap()), None);
        let now = Timestamp::from_epoch_ms(1_000);
        for _ in 0..100 {
            assert!(throttle.check(&"ada", now).is_ok());
        }
        for _ in 0..3 {
            assert!(throttle.check(&"ada", now).is_ok());
            throttle.count(&"ada", now);
        }
        let Err(ServiceError::RateLimited { retry_after_ms }) = throttle.check(&"ada", now) else { panic!("three failures") };
        assert!(throttle.check(&"bob", now).is_ok());
        let later = now.plus_ms(i64::try_from(retry_after_ms).unwrap());
        assert!(throttle.check(&"ada", later.plus_ms(-1)).is_err() && throttle.check(&"ada", later).is_ok());
        throttle.sweep(later);
        assert!(throttle.refused.is_empty());
    }

    #[test]
    fn keys_are_limited_apart_and_their_number_is_bounded() {
        let throttle = Throttle::new(Quota::per_hour(NonZeroU32::new(2).unwrap()));
        assert!(throttle.count(&"ada").is_ok() && throttle.count(&"ada").is_ok());
        assert!(matches!(throttle.count(&"ada"), Err(ServiceError::RateLimited { retry_after_ms }) if retry_after_ms > 0));
        assert!(throttle.count(&"bob").is_ok());
        for number in 0..SLOTS * 2 {
            let _ = throttle.count(&number);
        }
        assert!(throttle.slots.len() <= usize::try_from(SLOTS).unwrap());
        assert!(throttle.count(&"ada").is_err(), "nothing is forgotten to make room");
    }
}
