//! Real servers on port 0, and clients that speak to them as anybody else would.
//!
//! Nothing here sleeps for a fixed time: every wait is for a frame, an answer or a condition, with [`PATIENCE`] as its bound.

pub(crate) mod cluster;
pub(crate) mod events;
pub(crate) mod guest;
pub(crate) mod hub;
pub(crate) mod mail;
pub(crate) mod picture;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod rest;
pub(crate) mod seed;
pub(crate) mod server;
pub(crate) mod socket;
pub(crate) mod stripe;
pub(crate) mod watcher;

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use latchkey::clock::{Clock as _, SystemClock};
use latchkey_protocol::client::HoldDates;
use latchkey_protocol::{Date, ErrorCode, PropertyId, WireError};

pub(crate) use cluster::Cluster;
pub(crate) use guest::Guest;
pub(crate) use hub::Hub;
pub(crate) use process::HubProcess;
pub(crate) use rest::Rest;
pub(crate) use seed::Seed;
pub(crate) use socket::Client;
pub(crate) use watcher::Watcher;

/// How long anything may take on a slow and crowded machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// Waits for `future`, or says what did not come.
#[track_caller]
pub(crate) fn within<T>(what: impl std::fmt::Display, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let Ok(value) = tokio::time::timeout(PATIENCE, future).await else { panic!("{caller}: waited in vain for {what}") };
        value
    }
}

/// Asks `probe` again and again until it has something.
#[track_caller]
pub(crate) fn eventually<T, F: Future<Output = Option<T>>>(
    what: impl std::fmt::Display,
    mut probe: impl FnMut() -> F,
) -> impl Future<Output = T> {
    within(what, async move {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
}

/// An idempotency key that was never used.
pub(crate) fn fresh_key() -> String {
    static USED: AtomicU64 = AtomicU64::new(0);
    format!("key-{}", USED.fetch_add(1, Ordering::Relaxed))
}

/// A stay's `[check_in, check_out)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dates {
    pub(crate) check_in: Date,
    pub(crate) check_out: Date,
}

impl Dates {
    pub(crate) fn of(self, property: PropertyId) -> HoldDates {
        HoldDates { property, check_in: self.check_in, check_out: self.check_out, guests: 2 }
    }
}

/// Today in UTC.
pub(crate) fn today() -> Date {
    let day = SystemClock.now().div_euclid(86_400_000);
    Date::from_epoch_day(i32::try_from(day).unwrap()).unwrap()
}

/// `count` nights from a month after today, `first` nights into it: far enough from today for every time zone and midnight.
pub(crate) fn nights(first: i32, count: i32) -> Dates {
    let check_in = today().saturating_add(30 + first);
    Dates { check_in, check_out: check_in.saturating_add(count) }
}

/// The refusal that was expected.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T, WireError>, code: ErrorCode) -> WireError {
    let error = result.expect_err("it should have been refused");
    assert_eq!(error.code, code, "{error:?}");
    assert_eq!(error.retryable, code.retryable());
    assert!(!error.message.is_empty());
    error
}
