//! How fast one connection may speak, and one user on all of theirs: token buckets (governor's GCRA) on the injected clock.
//!
//! A connection's state is one number; everything else is shared or tiny, since every idle connection carries it.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Reference as _;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{NotUntil, Quota, RateLimiter, clock};
use latchkey_protocol::UserId;

use super::terms::Terms;
use crate::api::limits::SLOTS;

/// The injected clock as governor reads it: time since the epoch.
#[derive(Clone)]
pub(super) struct TermsClock(Arc<Terms>);

impl clock::Clock for TermsClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.clock.now()).unwrap_or(0))
    }
}

/// What a message costs its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the rate.
    Allowed,
    /// Too fast; again after this many milliseconds.
    Refused { retry_after_ms: u64 },
    /// Refused so often that the connection should end.
    Abusive,
}

/// One connection's rate.
pub(super) struct Rate {
    limiter: RateLimiter<NotKeyed, InMemoryState, TermsClock, NoOpMiddleware<Duration>>,
    /// Refusals beyond what the sender has made up for by messages in time.
    refused: u32,
    /// The most that one charge comes to.
    dearest: NonZeroU32,
    max_refused: u32,
}

/// The rates of all users. They share a fixed number of slots, as those of REST do (`api::limits`).
pub(super) struct UserRates {
    limiter: RateLimiter<u64, DefaultKeyedStateStore<u64>, TermsClock, NoOpMiddleware<Duration>>,
    hash: RandomState,
    dearest: NonZeroU32,
}

impl UserRates {
    pub(super) fn new(terms: &Arc<Terms>) -> Self {
        let a_second = at_least_one(terms.limits.messages_per_user);
        let burst = a_second.saturating_add(a_second.get());
        let quota = Quota::per_second(a_second).allow_burst(burst);
        let limiter = RateLimiter::new(quota, DefaultKeyedStateStore::default(), TermsClock(Arc::clone(terms)));
        Self { limiter, hash: RandomState::new(), dearest: at_least_one(burst.get() - 1) }
    }

    /// Charges the price of so many messages, all or nothing, capped as in [`Rate::charge`]; or says in how many milliseconds it may be tried again.
    pub(super) fn charge(&self, user: UserId, count: NonZeroU32) -> Result<(), u64> {
        let slot = self.hash.hash_one(user) % SLOTS;
        match self.limiter.check_key_n(&slot, count.min(self.dearest)) {
            Ok(Err(not_until)) => Err(wait_ms(&not_until, self.limiter.clock())),
            Ok(Ok(())) | Err(_) => Ok(()),
        }
    }

    /// Forgets who has not spoken lately.
    pub(super) fn sweep(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

fn at_least_one(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

fn wait_ms(not_until: &NotUntil<Duration>, clock: &TermsClock) -> u64 {
    let wait = Duration::from(not_until.earliest_possible().duration_since(clock::Clock::now(clock)));
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl Rate {
    pub(super) fn new(terms: &Arc<Terms>) -> Self {
        let limits = &terms.limits;
        let burst = at_least_one(limits.message_burst);
        let quota = Quota::per_second(at_least_one(limits.messages_per_second)).allow_burst(burst);
        let limiter = RateLimiter::direct_with_clock(quota, TermsClock(Arc::clone(terms)));
        Self { limiter, refused: 0, dearest: at_least_one(burst.get() - 1), max_refused: limits.max_refused }
    }

    /// Charges the price of so many messages, all or nothing. It is capped one short of a burst, so that a message that was charged
    /// once and then costs more passes after a quiet time, whatever it asks for.
    pub(super) fn charge(&mut self, count: NonZeroU32) -> Verdict {
        let Ok(Err(not_until)) = self.limiter.check_n(count.min(self.dearest)) else {
            self.refused = self.refused.saturating_sub(1);
            return Verdict::Allowed;
        };
        self.refused += 1;
        if self.refused >= self.max_refused {
            return Verdict::Abusive;
        }
        Verdict::Refused { retry_after_ms: wait_ms(&not_until, self.limiter.clock()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use latchkey_protocol::EpochMs;

    use super::super::terms::WsLimits;
    use super::*;
    use crate::clock::Clock;

    #[derive(Debug, Default)]
    struct ManualClock(AtomicI64);

    impl Clock for ManualClock {
        fn now(&self) -> EpochMs {
            self.0.load(Ordering::SeqCst)
        }
    }

    const ONE: NonZeroU32 = NonZeroU32::MIN;

    fn rate(max_refused: u32) -> (Rate, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let limits = WsLimits { messages_per_second: 200, message_burst: 400, max_refused, ..WsLimits::default() };
        (Rate::new(&Arc::new(Terms::new(limits, Arc::<ManualClock>::clone(&clock)))), clock)
    }

    #[test]
    fn a_burst_passes_and_then_one_message_every_five_milliseconds_until_patience_ends() {
        let (mut rate, clock) = rate(3);
        assert!((0..400).all(|_| rate.charge(ONE) == Verdict::Allowed));
        assert_eq!(rate.charge(ONE), Verdict::Refused { retry_after_ms: 5 });
        clock.0.store(4, Ordering::SeqCst);
        assert_eq!(rate.charge(ONE), Verdict::Refused { retry_after_ms: 1 });
        assert_eq!(rate.charge(ONE), Verdict::Abusive);
    }

    #[test]
    fn one_who_slows_down_is_forgiven() {
        let (mut rate, clock) = rate(3);
        assert_eq!(rate.charge(NonZeroU32::new(399).unwrap()), Verdict::Allowed);
        assert_eq!(rate.charge(ONE), Verdict::Allowed);
        for now in (5..5_000).step_by(5) {
            assert_eq!(rate.charge(ONE), Verdict::Refused { retry_after_ms: 5 }, "at {now} ms");
            clock.0.store(now, Ordering::SeqCst);
            assert_eq!(rate.charge(ONE), Verdict::Allowed, "at {now} ms");
        }
    }

    #[test]
    fn a_message_that_costs_more_than_a_burst_needs_a_whole_one() {
        let (mut rate, clock) = rate(3);
        let dear = NonZeroU32::new(1_000).unwrap();
        assert_eq!((rate.charge(ONE), rate.charge(dear)), (Verdict::Allowed, Verdict::Allowed));
        assert_eq!(rate.charge(dear), Verdict::Refused { retry_after_ms: 1_995 });
        clock.0.store(2_000, Ordering::SeqCst);
        assert_eq!((rate.charge(ONE), rate.charge(dear)), (Verdict::Allowed, Verdict::Allowed));
    }
}
