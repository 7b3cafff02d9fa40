//! One time for all nodes: that of the database they share.
//!
//! Leases end, and tokens are dated, by each node's own clock. Machines whose clocks are apart would end each other's leases early, and refuse each
//! other's tokens; the database judges deadlines by its clock anyway (P6).

use std::sync::Arc;
use std::time::Duration;

use crate::clock::SharedClock;
use crate::store::{Store, StoreError};

/// How often the two are compared.
const COMPARE_EVERY: Duration = Duration::from_secs(10);

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
    let mut best: Option<(i64, Duration)> = None;
    for _ in 0..FIRST_TRIES {
        let (ahead_ms, taken) = store.clock_ahead_ms(|| clock.uncorrected()).await?;
        if best.is_none_or(|(_, least)| taken < least) {
            best = Some((ahead_ms, taken));
        }
    }
    if let Some((ahead_ms, taken)) = best {
        correct(clock, ahead_ms, taken);
    }
    Ok(())
}

/// Keeps it right.
pub(super) async fn keep_agreeing(clock: Arc<SharedClock>, store: Arc<Store>) {
    if store.is_alone() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(COMPARE_EVERY).await;
        match store.clock_ahead_ms(|| clock.uncorrected()).await {
            Ok((ahead_ms, taken)) if taken <= MAX_TAKEN => correct(&clock, ahead_ms, taken),
            // It goes on as it is.
            Ok(_) | Err(_) => {}
        }
    }
}

fn correct(clock: &SharedClock, ahead_ms: i64, taken: Duration) {
    let before = clock.correction_ms();
    // Either side of the middle, and what is lost in whole milliseconds.
    let uncertain_ms = i64::try_from(taken.as_millis() / 2).unwrap_or(i64::MAX).saturating_add(2);
    if clock.correct(ahead_ms, uncertain_ms) && (ahead_ms - before).abs() >= WORTH_SAYING_MS {
        tracing::warn!(ahead_ms, "this machine's clock is not the database's: the database's counts");
    }
    metrics::gauge!("latchkey_clock_correction_seconds").set(clock.correction_ms() as f64 / 1_000.0);
}
