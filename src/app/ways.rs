//! The ways to the other nodes besides the database: a Redis, if there is one.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::mpsc;

use super::App;
use super::peers::count_lag;
use super::pushing::{Published, from_hub};
use crate::config::ServeArgs;
use crate::hub::Hub;
use crate::hub::bus::{Bus, LocalBus, Message, RedisBus};
use crate::service::availability::Availability;
use crate::shared::{Link, Shared};
use crate::store::Store;

impl App {
    /// The way to those who watch, and whatever else goes by Redis: on this node, and on all others if there is one.
    pub(super) fn open_ways(
        &mut self,
        hub: &Arc<Hub>,
        availability: &Arc<Availability>,
        outlet: mpsc::WeakSender<Published>,
        shared: Option<Shared>,
    ) -> Arc<dyn Bus> {
        let Some(shared) = shared else { return Arc::new(LocalBus::new(Arc::clone(hub))) };
        let node = crate::digest::hex(&self.store.position().0);
        let (availability, services, clock) = (Arc::clone(availability), Arc::clone(&self.services), Arc::clone(&self.context.clock));
        let hear = move |message: Message| {
            let events = match message {
                Message::Events(events) => events,
                Message::Ended(sessions) => return sessions.into_iter().for_each(|session| services.accounts.ended_elsewhere(session)),
            };
            let now = clock.now();
            for event in &events {
                count_lag("bus", now, event.at);
                availability.hear_of(event.topic, event.seq);
            }
            if let Some(outlet) = outlet.upgrade() {
                // With too much under way already it is found in the log.
                let _ = outlet.try_send(Published::FromBus(events.into_iter().map(from_hub).collect()));
            }
        };
        let (bus, carried) = RedisBus::new(shared.link().clone(), node, Arc::clone(hub), Box::new(hear));
        self.keep("sharing by Redis", shared.run());
        self.keep("carrying events over Redis", carried);
        Arc::new(bus)
    }
}

/// The Redis that nodes share, if they do.
pub(super) fn redis_link(args: &ServeArgs, store: &Store) -> anyhow::Result<Option<Link>> {
    args.redis.as_ref().map(|url| Link::open(url, store.epoch())).transpose().context("--redis")
}
