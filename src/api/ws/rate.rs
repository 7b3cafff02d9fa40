//! How fast one connection may speak: a token bucket (governor's GCRA) on the injected clock.
//!
//! The state is one number; everything else is shared or tiny, since every idle connection carries it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, Reference as _};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter, clock};

use super::terms::Terms;

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

impl Rate {
    pub(super) fn new(terms: &Arc<Terms>) -> Self {
        let limits = &terms.limits;
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
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
        let wait = Duration::from(not_until.earliest_possible().duration_since(self.limiter.clock().now()));
        Verdict::Refused { retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1) }
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
