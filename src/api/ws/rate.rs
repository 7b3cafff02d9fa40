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
    refused: u32,
    max_refused: u32,
}

impl Rate {
    pub(super) fn new(terms: &Arc<Terms>) -> Self {
        let limits = &terms.limits;
        let at_least_one = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(limits.messages_per_second)).allow_burst(at_least_one(limits.message_burst));
        let limiter = RateLimiter::direct_with_clock(quota, TermsClock(Arc::clone(terms)));
        Self { limiter, refused: 0, max_refused: limits.max_refused }
    }

    /// Charges one message.
    pub(super) fn charge(&mut self) -> Verdict {
        let Err(not_until) = self.limiter.check() else { return Verdict::Allowed };
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

    #[test]
    fn a_burst_passes_and_then_one_message_every_five_milliseconds_until_patience_ends() {
        let clock = Arc::new(ManualClock::default());
        let limits = WsLimits { messages_per_second: 200, message_burst: 400, max_refused: 3, ..WsLimits::default() };
        let terms = Arc::new(Terms::new(limits, Arc::<ManualClock>::clone(&clock)));
        let mut rate = Rate::new(&terms);
        assert!((0..400).all(|_| rate.charge() == Verdict::Allowed));
        assert_eq!(rate.charge(), Verdict::Refused { retry_after_ms: 5 });
        clock.0.store(4, Ordering::SeqCst);
        assert_eq!(rate.charge(), Verdict::Refused { retry_after_ms: 1 });
        clock.0.store(5, Ordering::SeqCst);
        assert_eq!(rate.charge(), Verdict::Allowed);
        assert_eq!(rate.charge(), Verdict::Abusive);
    }
}
