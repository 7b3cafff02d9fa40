//! The clock, passed as a value: nothing else in the program reads the system's time.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

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

/// The clock that many nodes agree on: that of the database they share, and between two looks at it this process's own stopwatch. What happens to
/// this machine's clock meanwhile is nothing to it.
pub struct SharedClock {
    own: Arc<dyn Clock>,
    /// What the database's clock said, and when.
    seen: RwLock<Option<(EpochMs, Instant)>>,
}

impl SharedClock {
    /// This machine's clock, until the database's is looked at.
    #[must_use]
    pub fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, seen: RwLock::new(None) }
    }

    /// The database's clock said `theirs`, give or take `uncertain_ms`, at an instant: within that it is borne to be otherwise, so that the clock does
    /// not tremble. Gives by how much it was put right, in milliseconds.
    #[allow(clippy::disallowed_methods, reason = "how long ago that instant was")]
    pub fn set(&self, theirs: EpochMs, at: Instant, uncertain_ms: i64) -> i64 {
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        let unset = || self.own.now() - self.ahead_of_database_ms() - since((0, at), Instant::now());
        let believed = seen.map_or_else(unset, |seen| since(seen, at));
        let off_ms = theirs - believed;
        let is_off = off_ms.abs() > uncertain_ms;
        *seen = Some((if is_off { theirs } else { believed }, at));
        if is_off { off_ms } else { 0 }
    }

    /// How far this machine's clock is behind this one, in milliseconds.
    #[must_use]
    pub fn correction_ms(&self) -> i64 {
        self.now() - self.own.now()
    }
}

fn since((theirs, at): (EpochMs, Instant), now: Instant) -> EpochMs {
    theirs.saturating_add(i64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(i64::MAX))
}

impl Clock for SharedClock {
    #[allow(clippy::disallowed_methods, reason = "the stopwatch between two looks at the database's clock")]
    fn now(&self) -> EpochMs {
        let seen = *self.seen.read().unwrap_or_else(PoisonError::into_inner);
        seen.map_or_else(|| self.own.now(), |seen| since(seen, Instant::now()) + self.ahead_of_database_ms())
    }

    fn ahead_of_database_ms(&self) -> i64 {
        self.own.ahead_of_database_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "instants of the test's own")]
    fn a_shared_clock_goes_as_the_database_s_does_whatever_the_machine_s_says() {
        let own = Arc::new(OffsetClock::default());
        own.advance_ms(3_600_000);
        let shared = SharedClock::new(Arc::clone(&own) as Arc<dyn Clock>);
        assert!(shared.correction_ms().abs() < 1_000);
        let (start, theirs) = (Instant::now(), 1_790_000_000_000);
        assert!(shared.set(theirs, start, 2) != 0, "the machine's clock is not there");
        let ahead = || shared.now() - theirs - 3_600_000;
        assert!((0..1_000).contains(&ahead()), "a demo's hours are on top");
        let later = start + std::time::Duration::from_secs(10);
        assert_eq!(shared.set(theirs + 10_001, later, 2), 0, "uncertain news are borne");
        assert_eq!(shared.set(theirs + 20_500, later + std::time::Duration::from_secs(10), 2), 500);
        assert_eq!(shared.set(theirs + 29_000, later + std::time::Duration::from_secs(20), 2), -1_500);
    }
}
