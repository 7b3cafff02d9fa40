//! The live edge: WebSockets in, the hub's frames and the services' replies out.
//!
//! `upgrade` makes a socket of a request, `socket` is its task, `session` and `dispatch` understand what comes, `connection` is
//! what others send to, `registry` knows them all. `app` builds one [`Edge`], mounts [`route`], runs [`keep_watch`], and tells
//! the registry of revocations and of the end.

mod answer;
mod clockwork;
mod conflation;
mod connection;
mod dispatch;
mod encoding;
mod error;
mod event_stream;
mod outbox;
mod positions;
mod rate;
mod registry;
mod search;
mod session;
mod socket;
#[cfg(test)]
mod socket_tests;
mod terms;
mod upgrade;
mod watch;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

pub use self::event_stream::EventStream;
use self::rate::UserRates;
pub use self::registry::Registry;
use self::terms::Terms;
pub use self::terms::WsLimits;
pub use self::upgrade::route;
use super::address::{Customer, Shares};
use super::limits::Limits;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::service::Services;

/// How often the sockets are judged by the clock.
const SWEEP_PERIOD: Duration = Duration::from_secs(1);

/// What the live side needs, once per server.
pub struct Edge {
    services: Arc<Services>,
    hub: Arc<Hub>,
    terms: Arc<Terms>,
    registry: Arc<Registry>,
    /// How fast each user may speak.
    rates: UserRates,
    /// How many requests each caller and each address may make, here and over REST.
    requests: Arc<Limits>,
    /// The searches that each customer watches.
    searches: Arc<Shares<Customer>>,
    /// Whose `X-Forwarded-For` is believed.
    trusted_proxies: Vec<IpNet>,
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edge").field("sockets", &self.registry.count()).finish_non_exhaustive()
    }
}

impl Edge {
    /// A live edge without sockets. Its searches count among the `requests` of REST.
    #[must_use]
    pub fn new(
        services: Arc<Services>,
        hub: Arc<Hub>,
        clock: Arc<dyn Clock>,
        limits: WsLimits,
        requests: Arc<Limits>,
        trusted_proxies: Vec<IpNet>,
    ) -> Self {
        let terms = Arc::new(Terms::new(limits, clock));
        let registry = Arc::new(Registry::new(Arc::clone(&terms)));
        let rates = UserRates::new(&terms);
        let searches = Arc::new(Shares::new(limits.max_searches_per_customer));
        Self { services, hub, terms, registry, rates, requests, searches, trusted_proxies }
    }

    /// Forgets the rates of those who have not been here lately. Called every few seconds.
    pub fn sweep(&self) {
        self.rates.sweep();
    }

    /// The open sockets.
    #[must_use]
    pub const fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }
}

/// Judges every socket by the clock, once a second, for ever: one timer for all of them.
pub async fn keep_watch(edge: Arc<Edge>) {
    let mut ticks = tokio::time::interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        edge.registry.sweep(edge.terms.clock.now());
    }
}
