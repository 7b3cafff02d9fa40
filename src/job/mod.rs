//! Background work: what must happen although nobody waits for it.
//!
//! Jobs are rows written by the change set that causes them; workers here look for them and call the services.

use std::sync::Arc;
use std::time::Duration;

use crate::service::Services;

/// How often the job table is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// Sends refunds that are due, until dropped.
pub async fn send_refunds(services: Arc<Services>) {
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Err(error) = services.payments.send_refunds().await {
            tracing::warn!(%error, "the job table could not be read");
        }
    }
}
