//! From Redis to this node: one connection, subscribed to what the node follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::StreamExt as _;
use redis::RedisError;
use redis::aio::{PubSub, PubSubSink};
use tokio::time::{Instant, timeout};

use super::{ANSWER_WITHIN, DEAF_AFTER, Link, OnEvents, PAUSE, message};
use crate::hub::Hub;
use crate::hub::interest::Channel;

pub(super) struct Subscription {
    link: Link,
    hub: Arc<Hub>,
    on_events: OnEvents,
}

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("no answer")]
    Late(#[from] tokio::time::error::Elapsed),
    #[error("this node does not hear itself")]
    Deaf,
    #[error("the connection was closed")]
    Closed,
}

impl Subscription {
    pub(super) const fn new(link: Link, hub: Arc<Hub>, on_events: OnEvents) -> Self {
        Self { link, hub, on_events }
    }

    /// Listens until dropped.
    pub(super) async fn run(self) {
        let mut is_told = false;
        loop {
            let Err(ended) = self.listen(&mut is_told).await;
            metrics::gauge!("latchkey_bus_connected").set(0);
            if !is_told {
                tracing::warn!(error = %ended, "no events come from Redis: they are read in the logs of other nodes");
                is_told = true;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&self, is_told: &mut bool) -> Result<std::convert::Infallible, Ended> {
        let connection: PubSub = timeout(ANSWER_WITHIN, self.link.client.get_async_pubsub()).await??;
        let (mut sink, mut messages) = connection.split();
        let probe = self.link.probe();
        timeout(ANSWER_WITHIN, sink.subscribe(&probe)).await??;
        let mut subscribed = BTreeSet::new();
        self.follow_interest(&mut sink, &mut subscribed).await?;
        metrics::gauge!("latchkey_bus_connected").set(1);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                message = messages.next() => {
                    let message = message.ok_or(Ended::Closed)?;
                    if message.get_channel_name() == probe {
                        heard_at = Instant::now();
                        if std::mem::take(is_told) {
                            tracing::info!("events come from Redis again");
                        }
                    } else {
                        self.take(message.get_payload_bytes());
                    }
                }
                () = self.hub.interest().changed() => self.follow_interest(&mut sink, &mut subscribed).await?,
                () = tokio::time::sleep_until(heard_at + DEAF_AFTER) => return Err(Ended::Deaf),
            }
        }
    }

    /// Subscribes to what has feeds now, and to nothing else.
    async fn follow_interest(&self, sink: &mut PubSubSink, subscribed: &mut BTreeSet<Channel>) -> Result<(), Ended> {
        let wanted: BTreeSet<Channel> = self.hub.interest().wanted().into_iter().collect();
        let names = |channels: Vec<Channel>| channels.into_iter().map(|channel| self.link.channel(channel)).collect::<Vec<_>>();
        let (more, less) =
            (names(wanted.difference(subscribed).copied().collect()), names(subscribed.difference(&wanted).copied().collect()));
        if !more.is_empty() {
            timeout(ANSWER_WITHIN, sink.subscribe(&more)).await??;
        }
        if !less.is_empty() {
            timeout(ANSWER_WITHIN, sink.unsubscribe(&less)).await??;
        }
        *subscribed = wanted;
        Ok(())
    }

    fn take(&self, payload: &[u8]) {
        match message::read(&self.link.node, payload) {
            Ok(events) => {
                metrics::counter!("latchkey_bus_events_total").increment(events.len() as u64);
                (self.on_events)(events);
            }
            // Its events are in the log all the same.
            Err(error) => tracing::warn!(%error, "a message on Redis is none of a node's"),
        }
    }
}
