//! What this node does about other nodes' news: each part is told what concerns it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use latchkey_protocol::{EpochMs, PropertyId, Seq};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pushing::Published;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::service::Services;
use crate::service::availability::Availability;
use crate::service::idempotency::Keys;
use crate::service::peers::{News, Outlook};
use crate::store::Notice;

/// Tells the parts.
pub(super) struct Follower {
    pub(super) services: Arc<Services>,
    pub(super) availability: Arc<Availability>,
    pub(super) keys: Arc<Keys>,
    pub(super) hub: Arc<Hub>,
    pub(super) outlet: mpsc::WeakSender<Published>,
    pub(super) clock: Arc<dyn Clock>,
}

/// How long ago an event was decided that another node tells of, in seconds, by the two nodes' clocks.
pub(super) fn count_lag(way: &'static str, now: EpochMs, at: EpochMs) {
    metrics::histogram!("latchkey_peer_lag_seconds", "way" => way).record((now - at).max(0) as f64 / 1_000.0);
}

impl Outlook for Follower {
    fn knows(&self, home: PropertyId, seq: Seq) -> bool {
        self.services.search.knows(home, seq)
    }

    fn take(&self, news: News) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // First whose sessions are over, then what they would have been shown (P8).
            for notice in &news.notices {
                match *notice {
                    Notice::SessionEnded(session) => self.services.accounts.ended_elsewhere(session),
                    Notice::Lease { claim, property, until } => self.services.expiry.hear_of(claim, property, until),
                    Notice::Booking(property) => self.availability.hear_of_booking(property),
                    Notice::Preferences(user) => self.services.notifications.preferences_changed_elsewhere(user),
                }
            }
            for (scope, key) in &news.keys {
                self.keys.committed_elsewhere(scope, key).await;
            }
            for (topic, seq) in &news.heads {
                self.availability.hear_of(*topic, *seq);
            }
            let now = self.clock.now();
            news.events.iter().for_each(|event| count_lag("log", now, event.at));
            let Some(outlet) = self.outlet.upgrade() else { return };
            // Closed only when the process ends.
            let _ = outlet.send(Published::News(Box::new(news))).await;
        })
    }

    fn trust(&self, until: Instant) {
        self.hub.trust(until);
    }
}
