//! How long to wait before trying again, and when to give up.
//!
//! Invariant: every retry loop of this program runs on a `Backoff`, so each one ends. The jitter keeps thousands of clients
//! that lost the hub in the same instant from coming back in the same instant.

use std::time::{Duration, Instant};

use crate::random::SplitMix64;

const FIRST_MS: u64 = 50;
const LONGEST_MS: u64 = 2_000;
/// A server's wish for a later retry is followed up to here.
const LONGEST_WISH: Duration = Duration::from_secs(30);

/// Waits that double up to two seconds, each drawn from its upper half, until a deadline.
#[derive(Debug)]
pub(crate) struct Backoff {
    random: SplitMix64,
    next_ms: u64,
    deadline: Instant,
}

impl Backoff {
    /// Gives up once `patience` has passed from now.
    pub(crate) fn new(seed: u64, patience: Duration) -> Self {
        Self { random: SplitMix64::new(seed), next_ms: FIRST_MS, deadline: Instant::now() + patience }
    }

    /// How long to wait before the next attempt, at least as long as the server wished; `None` when the time is over.
    pub(crate) fn next_wait(&mut self, wish: Option<Duration>) -> Option<Duration> {
        let half = self.next_ms / 2;
        let drawn = Duration::from_millis(half + self.random.below(half + 1));
        self.next_ms = (self.next_ms * 2).min(LONGEST_MS);
        let wait = drawn.max(wish.unwrap_or_default().min(LONGEST_WISH));
        (Instant::now() + wait < self.deadline).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_two_seconds_and_are_never_shorter_than_half() {
        let mut backoff = Backoff::new(1, Duration::from_hours(1));
        let waits: Vec<_> = (0..10).map(|_| backoff.next_wait(None).unwrap().as_millis()).collect();
        assert!((25..=50).contains(&waits[0]), "{waits:?}");
        assert!(waits[6..].iter().all(|wait| (1_000..=2_000).contains(wait)), "{waits:?}");
    }

    #[test]
    fn a_servers_wish_is_followed_within_bounds() {
        let mut backoff = Backoff::new(1, Duration::from_hours(1));
        assert_eq!(backoff.next_wait(Some(Duration::from_secs(5))), Some(Duration::from_secs(5)));
        assert_eq!(backoff.next_wait(Some(Duration::from_hours(24))), Some(LONGEST_WISH));
    }

    #[test]
    fn patience_ends() {
        assert_eq!(Backoff::new(1, Duration::ZERO).next_wait(None), None);
    }
}
