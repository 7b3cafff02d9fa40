//! Background work: what must happen although nobody waits for it.
//!
//! Jobs are rows written by the change set that causes them and deleted by the one that records their result; workers here look
//! for them and call the services.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use latchkey_protocol::{EpochMs, PaymentId};

use crate::clock::Clock;
use crate::entropy;
use crate::service::Services;

/// How often the job table is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Jobs under way at once: one that waits does not hold up the others.
const AT_ONCE: usize = 8;

/// Longest time between two tries, in milliseconds.
const MAX_BACKOFF_MS: u64 = 5 * 60_000;

/// A job that failed: how often, and when it may run again.
struct Delayed {
    failures: u32,
    until: EpochMs,
}

/// Sends refunds that are due, until dropped; one that fails is tried again with exponential backoff and jitter.
pub async fn send_refunds(services: Arc<Services>, clock: Arc<dyn Clock>) {
    let mut delayed: HashMap<PaymentId, Delayed> = HashMap::new();
    loop {
        tokio::time::sleep(PAUSE).await;
        let due = match services.payments.refunds_due().await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the job table could not be read");
                continue;
            }
        };
        delayed.retain(|payment, _| due.contains(payment));
        let now = clock.now();
        let ready = due.into_iter().filter(|payment| delayed.get(payment).is_none_or(|delayed| delayed.until <= now));
        let sent = stream::iter(ready.collect::<Vec<_>>())
            .map(|payment| {
                let services = &services;
                async move { (payment, services.payments.send_refund(payment).await) }
            })
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>();
        for (payment, result) in sent.await {
            match result {
                Ok(()) => {
                    delayed.remove(&payment);
                }
                Err(error) => {
                    let entry = delayed.entry(payment).or_insert(Delayed { failures: 0, until: 0 });
                    entry.failures += 1;
                    let backoff_ms = (500_u64 << entry.failures.min(16)).min(MAX_BACKOFF_MS);
                    entry.until = now + i64::try_from(backoff_ms / 2 + entropy::jitter(backoff_ms / 2)).unwrap_or(0);
                    tracing::warn!(%payment, %error, failures = entry.failures, "refund not sent, will be tried again");
                }
            }
        }
    }
}
