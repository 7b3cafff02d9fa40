//! The clock, passed as a value: nothing else in the program reads the system's time.

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
