//! The clock, passed as a value: nothing else in the program reads the system's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_protocol::EpochMs;

/// Tells the time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> EpochMs;

    /// How far this clock is ahead of the database's, in milliseconds. Only a test's or a demo's is: deadlines are judged by the
    /// database's own clock plus this.
    fn ahead_of_database_ms(&self) -> i64 {
        0
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the system's time")]
    fn now(&self) -> EpochMs {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    }
}

/// The system's clock with an offset that a test moves, or a demo starts with: time passes only when told to, or as it really does.
#[derive(Debug, Default)]
pub struct OffsetClock {
    offset_ms: AtomicI64,
}

impl OffsetClock {
    /// Moves the clock forward.
    pub fn advance_ms(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for OffsetClock {
    fn now(&self) -> EpochMs {
        SystemClock.now() + self.ahead_of_database_ms()
    }

    fn ahead_of_database_ms(&self) -> i64 {
        self.offset_ms.load(Ordering::SeqCst)
    }
}

/// The clock that many nodes agree on: this machine's, put right by that of the database they share.
pub struct SharedClock {
    own: Arc<dyn Clock>,
    correction_ms: AtomicI64,
}

impl SharedClock {
    /// This machine's clock, as it is.
    #[must_use]
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, correction_ms: AtomicI64::new(0) }
    }

    /// This machine's clock, as it is, without what a test or a demo puts it ahead by.
    #[must_use]
    pub fn uncorrected(&self) -> EpochMs {
        self.own.now() - self.own.ahead_of_database_ms()
    }

    /// The database's clock was found to be so far ahead of [`Self::uncorrected`], give or take `uncertain_ms`: within that nothing is corrected, so
    /// that the clock does not tremble. Says whether it was.
    pub fn correct(&self, ahead_ms: i64, uncertain_ms: i64) -> bool {
        let is_off = (ahead_ms - self.correction_ms()).abs() > uncertain_ms;
        if is_off {
            self.correction_ms.store(ahead_ms, Ordering::SeqCst);
        }
        is_off
    }

    /// By how much this machine's clock is corrected, in milliseconds.
    #[must_use]
    pub fn correction_ms(&self) -> i64 {
        self.correction_ms.load(Ordering::SeqCst)
    }
}

impl Clock for SharedClock {
    fn now(&self) -> EpochMs {
        self.own.now() + self.correction_ms()
    }

    fn ahead_of_database_ms(&self) -> i64 {
        self.own.ahead_of_database_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_clock_goes_as_the_database_s_does_and_bears_uncertain_news() {
        let own = Arc::new(OffsetClock::default());
        own.advance_ms(3_600_000);
        let shared = SharedClock::new(Arc::clone(&own) as Arc<dyn Clock>);
        let off_by = || shared.now() - own.now();
        assert!(shared.correct(-90_000, 2));
        assert!((off_by() + 90_000).abs() < 1_000 && shared.ahead_of_database_ms() == 3_600_000);
        assert!(own.now() - shared.uncorrected() > 3_599_000, "a demo's hours are no error");
        assert!(!shared.correct(-89_998, 2) && shared.correction_ms() == -90_000);
        assert!(shared.correct(-89_990, 2) && shared.correction_ms() == -89_990);
    }
}
