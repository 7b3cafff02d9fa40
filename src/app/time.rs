//! One time for all nodes: that of the database they share.
//!
//! Leases end, and tokens are dated, by each node's clock. Machines whose clocks are apart, or leap, would end each other's leases early, and refuse
//! each other's tokens; the database judges only what is too late by its clock (P6).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::SharedClock;
use crate::store::{ClockReading, Store, StoreError};

/// How often the two are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

/// How often it is seen whether the machine's clock has leapt: then they are compared at once.
const GLANCE_EVERY: Duration = Duration::from_secs(1);

/// What took longer than this to hear says too little.
const MAX_TAKEN: Duration = Duration::from_millis(500);

/// A machine that is so far off deserves a word to whoever runs it, in milliseconds.
const WORTH_SAYING_MS: i64 = 1_000;

/// Comparisons at the start, of which the best counts.
const FIRST_TRIES: usize = 3;

/// Puts this node's clock right, before anything is dated by it. An embedded database has this machine's clock.
pub(super) async fn agree(clock: &SharedClock, store: &Store) -> Result<(), StoreError> {
    if store.is_alone() {
        return Ok(());
    }
    let mut best: Option<ClockReading> = None;
    for _ in 0..FIRST_TRIES {
        let reading = store.read_clock().await?;
        if best.is_none_or(|best| reading.taken < best.taken) {
            best = Some(reading);
        }
    }
    if let Some(best) = best {
        put_right(clock, best);
    }
    Ok(())
}

/// Keeps it right.
pub(super) async fn keep_agreeing(clock: Arc<SharedClock>, store: Arc<Store>) {
    if store.is_alone() {
        return std::future::pending().await;
    }
    let (mut looked, mut apart_ms) = (Instant::now(), clock.correction_ms());
    loop {
        tokio::time::sleep(GLANCE_EVERY).await;
        // A machine that was asleep has a clock that knows it, and a stopwatch that does not.
        let has_slept = (clock.correction_ms() - apart_ms).abs() > WORTH_SAYING_MS;
        if !has_slept && looked.elapsed() < COMPARE_EVERY {
            continue;
        }
        match store.read_clock().await {
            Ok(reading) if reading.taken <= MAX_TAKEN => {
                put_right(&clock, reading);
                (looked, apart_ms) = (Instant::now(), clock.correction_ms());
            }
            // It goes on as it is.
            Ok(_) | Err(_) => {}
        }
    }
}

fn put_right(clock: &SharedClock, reading: ClockReading) {
    // Either side of the middle, and what is lost in whole milliseconds.
    let uncertain_ms = i64::try_from(reading.taken.as_millis() / 2).unwrap_or(i64::MAX).saturating_add(2);
    let off_ms = clock.set(reading.epoch_ms, reading.at, uncertain_ms);
    if off_ms.abs() >= WORTH_SAYING_MS {
        tracing::warn!(off_ms, "this node's clock was not the database's, and is put right by it");
    }
    metrics::gauge!("latchkey_clock_correction_seconds").set(clock.correction_ms() as f64 / 1_000.0);
}
