//! How many requests each caller and each address may make, and telling them where they stand.
//!
//! `RateLimit` and `RateLimit-Policy` are draft-ietf-httpapi-ratelimit-headers-10. Callers are hashed into a fixed number of slots, by a hash that
//! nobody outside knows: so the memory is bounded however many there are, and nobody's allowance is anybody else's but by chance.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};
use latchkey_protocol::UserId;

use super::rest::Rate;
use crate::service::ServiceError;
use crate::shared::{Allowance, Common, Spending};

/// Slots of one limiter.
pub(super) const SLOTS: u64 = 1 << 18;

/// The window that the header fields speak of, in seconds.
const WINDOW_S: u64 = 60;

/// Requests a minute.
#[derive(Debug, Clone, Copy)]
pub struct Allowances {
    /// Of one user.
    pub per_user: NonZeroU32,
    /// Of one address (IPv6: of one /64) without a valid token.
    pub per_address: NonZeroU32,
    /// Of one address for register, log in and their like.
    pub auth_per_address: NonZeroU32,
}

/// All limits on REST requests.
pub struct Limits {
    user: Limiter<UserId>,
    address: Limiter<IpAddr>,
    auth: Limiter<IpAddr>,
}

struct Limiter<K> {
    policy: &'static str,
    per_minute: NonZeroU32,
    slots: RateLimiter<u64, DefaultKeyedStateStore<u64>, DefaultClock, StateInformationMiddleware>,
    hash: RandomState,
    keys: PhantomData<fn(&K)>,
    common: Common,
}

/// Where a request leaves its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    policy: &'static str,
    per_minute: u32,
    remaining: u32,
    /// How long until the next request, if this one was too many.
    wait: Option<Duration>,
}

impl<K: Hash> Limiter<K> {
    fn new(policy: &'static str, per_minute: NonZeroU32, spending: Option<&Arc<Spending>>) -> Self {
        let slots = RateLimiter::keyed(Quota::per_minute(per_minute)).with_middleware();
        let allowance = Allowance::new(per_minute.get(), Duration::from_secs(WINDOW_S));
        let common = Common::new(policy, allowance, spending);
        Self { policy, per_minute, slots, hash: RandomState::new(), keys: PhantomData, common }
    }

    fn count(&self, key: &K) -> Standing {
        let account = match self.common.open(key) {
            Ok(account) => account,
            Err(wait) => return self.standing(0, Some(wait)),
        };
        match self.slots.check_key(&(self.hash.hash_one(key) % SLOTS)) {
            Ok(state) => {
                account.spend();
                self.standing(state.remaining_burst_capacity(), None)
            }
            Err(until) => self.standing(0, Some(until.wait_time_from(DefaultClock::default().now()))),
        }
    }

    const fn standing(&self, remaining: u32, wait: Option<Duration>) -> Standing {
        Standing { policy: self.policy, per_minute: self.per_minute.get(), remaining, wait }
    }

    fn sweep(&self) {
        self.slots.retain_recent();
        self.slots.shrink_to_fit();
    }
}

impl Limits {
    /// With these allowances, of this node or of all together.
    #[must_use]
    pub fn new(allowances: Allowances, spending: Option<&Arc<Spending>>) -> Self {
        Self {
            user: Limiter::new("user", allowances.per_user, spending),
            address: Limiter::new("address", allowances.per_address, spending),
            auth: Limiter::new("auth", allowances.auth_per_address, spending),
        }
    }

    /// Counts a request.
    pub(super) fn count(&self, rate: Rate, user: Option<UserId>, customer: Option<IpAddr>) -> Option<Standing> {
        match (rate, user, customer) {
            (Rate::Unlimited, _, _) | (_, None, None) => None,
            (Rate::Usual, Some(user), _) => Some(self.user.count(&user)),
            (Rate::Usual, None, Some(customer)) => Some(self.address.count(&customer)),
            (Rate::Auth, _, Some(customer)) => Some(self.auth.count(&customer)),
            (Rate::Auth, Some(user), None) => Some(self.user.count(&user)),
        }
    }

    /// Forgets who has not been here lately.
    pub fn sweep(&self) {
        self.user.sweep();
        self.address.sweep();
        self.auth.sweep();
    }
}

impl Standing {
    /// The refusal of a request that was too many.
    pub(super) fn refuse(&self) -> Result<(), ServiceError> {
        let Some(wait) = self.wait else { return Ok(()) };
        let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Err(ServiceError::RateLimited { retry_after_ms })
    }

    /// Writes the header fields.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        // Allowances come back evenly: this is when all of it is there again.
        let spent = u64::from(self.per_minute.saturating_sub(self.remaining));
        let reset_s = (spent * WINDOW_S).div_ceil(u64::from(self.per_minute.max(1)));
        let mut put = |name: &'static str, text: String| {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("ratelimit-policy", format!("\"{}\";q={};w={WINDOW_S}", self.policy, self.per_minute));
        put("ratelimit", format!("\"{}\";r={};t={reset_s}", self.policy, self.remaining));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32) -> Limits {
        let per_minute = NonZeroU32::new(per_minute).unwrap();
        Limits::new(Allowances { per_user: per_minute, per_address: per_minute, auth_per_address: per_minute }, None)
    }

    #[test]
    fn each_user_and_each_address_has_an_allowance_of_its_own_and_is_told_what_is_left() {
        let limits = limits(2);
        let (ada, bob) = (UserId::from_bytes([1; 16]), UserId::from_bytes([2; 16]));
        let place: IpAddr = "10.0.0.1".parse().unwrap();
        let remaining = |rate, user, place| limits.count(rate, user, place).map(|standing| (standing.remaining, standing.wait.is_some()));
        for (rate, user, place, expected) in [
            (Rate::Usual, Some(ada), Some(place), Some((1, false))),
            (Rate::Usual, Some(ada), Some(place), Some((0, false))),
            (Rate::Usual, Some(ada), Some(place), Some((0, true))),
            (Rate::Usual, Some(bob), Some(place), Some((1, false))),
            (Rate::Usual, None, Some(place), Some((1, false))),
            (Rate::Auth, Some(ada), Some(place), Some((1, false))),
            (Rate::Unlimited, Some(ada), Some(place), None),
            (Rate::Usual, None, None, None),
        ] {
            assert_eq!(remaining(rate, user, place), expected, "{rate:?} {user:?}");
        }
    }

    #[test]
    fn the_header_fields_say_what_is_left_and_when_all_of_it_is_back() {
        let mut headers = HeaderMap::new();
        Standing { policy: "user", per_minute: 120, remaining: 90, wait: None }.tell(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"user\";q=120;w=60");
        assert_eq!(headers["ratelimit"], "\"user\";r=90;t=15");
        let refused = Standing { policy: "user", per_minute: 1, remaining: 0, wait: Some(Duration::from_secs(7)) }.refuse().unwrap_err();
        assert!(matches!(refused, ServiceError::RateLimited { retry_after_ms: 7_000 }), "{refused:?}");
    }

    /// Beyond a hundred thousand callers all of them, known ones too, shared the allowance of one.
    #[test]
    fn p10_however_many_callers_there_are_each_has_their_own_allowance_and_their_number_is_bounded() {
        let limits = limits(1_000);
        let user = |number: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            UserId::from_bytes(id)
        };
        for number in 0..SLOTS + 50_000 {
            let standing = limits.count(Rate::Usual, Some(user(number)), None).unwrap();
            // A slot has one or two of them, a few at the most.
            assert!(standing.wait.is_none() && standing.remaining > 900, "{number}: {standing:?}");
        }
        assert!(limits.user.slots.len() <= usize::try_from(SLOTS).unwrap());
    }
}
