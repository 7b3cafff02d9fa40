//! Limits on what one account or one address may try.
//!
//! Keys are hashed into a fixed number of slots, by a hash that nobody outside knows: so the memory is bounded whatever is tried, and to
//! share somebody's slot on purpose one would have to fill them all.

use std::hash::{BuildHasher as _, Hash, RandomState};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::service::ServiceError;

/// Slots: a few megabytes, if every one is in use.
const SLOTS: u64 = 1 << 18;

/// One limit.
pub(in crate::service) struct Throttle {
    slots: DefaultKeyedRateLimiter<u64>,
    hash: RandomState,
}

impl Throttle {
    pub(in crate::service) fn new(quota: Quota) -> Self {
        Self { slots: RateLimiter::keyed(quota), hash: RandomState::new() }
    }

    /// Counts an attempt.
    pub(in crate::service) fn count(&self, key: &impl Hash) -> Result<(), ServiceError> {
        Ok(self.slots.check_key(&(self.hash.hash_one(key) % SLOTS))?)
    }

    /// Forgets slots that are as good as new.
    pub(in crate::service) fn sweep(&self) {
        self.slots.retain_recent();
        self.slots.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

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
