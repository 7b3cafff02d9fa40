//! Limits on attempts, by account and by address.
//!
//! Keys are hashed into a fixed number of slots, by a hash that nobody outside knows: so the memory is bounded whatever is tried, and to
//! share somebody's slot on purpose one would have to fill them all.

use std::hash::{BuildHasher as _, Hash, RandomState};

use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::domain::Timestamp;
use crate::service::ServiceError;

/// Slots: a few megabytes, if every one is in use.
const SLOTS: u64 = 1 << 18;

/// One limit.
pub(super) struct Throttle {
    slots: DefaultKeyedRateLimiter<u64>,
    hash: RandomState,
}

impl Throttle {
    pub(super) fn new(quota: Quota) -> Self {
        Self { slots: RateLimiter::keyed(quota), hash: RandomState::new() }
    }

    /// Counts an attempt.
    pub(super) fn count(&self, key: &impl Hash) -> Result<(), ServiceError> {
        Ok(self.slots.check_key(&self.slot(key))?)
    }

    fn slot(&self, key: &impl Hash) -> u64 {
        self.hash.hash_one(key) % SLOTS
    }

    /// Forgets slots that are as good as new.
    pub(super) fn sweep(&self) {
        self.slots.retain_recent();
        self.slots.shrink_to_fit();
    }
}

/// A limit on what fails: success is free, until there were too many failures.
pub(super) struct FailureThrottle {
    failures: Throttle,
    /// Until when a slot is refused.
    refused: DashMap<u64, Timestamp>,
}

impl FailureThrottle {
    pub(super) fn new(quota: Quota) -> Self {
        Self { failures: Throttle::new(quota), refused: DashMap::new() }
    }

    /// Refuses whoever has failed too often.
    pub(super) fn check(&self, key: &impl Hash, now: Timestamp) -> Result<(), ServiceError> {
        let until = self.refused.get(&self.failures.slot(key)).map(|until| *until);
        match until.and_then(|until| u64::try_from(until.epoch_ms() - now.epoch_ms()).ok()) {
            Some(retry_after_ms) if retry_after_ms > 0 => Err(ServiceError::RateLimited { retry_after_ms }),
            Some(_) | None => Ok(()),
        }
    }

    /// Counts a failure.
    pub(super) fn count(&self, key: &impl Hash, now: Timestamp) {
        if let Err(ServiceError::RateLimited { retry_after_ms }) = self.failures.count(key) {
            let until = now.plus_ms(i64::try_from(retry_after_ms).unwrap_or(i64::MAX));
            self.refused.insert(self.failures.slot(key), until);
        }
    }

    /// Forgets what no longer matters.
    pub(super) fn sweep(&self, now: Timestamp) {
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
        let throttle = FailureThrottle::new(Quota::per_hour(NonZeroU32::new(2).unwrap()));
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
