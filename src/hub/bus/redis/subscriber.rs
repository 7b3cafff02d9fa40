//! From Redis to this node: one connection, subscribed to what the node follows.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::RedisError;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::message::{self, Message};
use super::source::{Heard, Source};
use super::{DEAF_AFTER, OnMessage, Post, SUBSCRIBE_AGAIN_EVERY};
use crate::hub::Hub;
use crate::shared::{ANSWER_WITHIN, PAUSE};

pub(super) struct Subscription {
    post: Post,
    hub: Arc<Hub>,
    on_message: OnMessage,
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
    pub(super) const fn new(post: Post, hub: Arc<Hub>, on_message: OnMessage) -> Self {
        Self { post, hub, on_message }
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
        let mut source = timeout(5 * ANSWER_WITHIN, Source::open(&self.post.link)).await??;
        let probes: BTreeSet<String> = self.post.probes().collect();
        let mut subscribed = BTreeSet::new();
        self.follow_interest(&mut source, &mut subscribed).await?;
        metrics::gauge!("latchkey_bus_connected").set(1);
        let (mut heard_at, mut again) = (Instant::now(), tokio::time::interval(SUBSCRIBE_AGAIN_EVERY));
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                heard = source.next() => match heard.ok_or(Ended::Closed)? {
                    Heard::Message { channel, .. } if probes.contains(&channel) => {
                        heard_at = Instant::now();
                        if std::mem::take(is_told) {
                            tracing::info!("events come from Redis again");
                        }
                    }
                    Heard::Message { payload, .. } => self.take(&payload),
                    Heard::Lost(channel) => drop(subscribed.remove(&channel)),
                    // To be subscribed to again does no harm, and finds whoever has them now.
                    Heard::LostSome => subscribed.clear(),
                },
                () = self.hub.interest().changed() => self.follow_interest(&mut source, &mut subscribed).await?,
                // What was lost is tried again, and what was not is not.
                _ = again.tick() => self.follow_interest(&mut source, &mut subscribed).await?,
                () = tokio::time::sleep_until(heard_at + DEAF_AFTER) => return Err(Ended::Deaf),
            }
        }
    }

    /// Subscribes to what has feeds now, to what is for everybody, and to nothing else.
    async fn follow_interest(&self, source: &mut Source, subscribed: &mut BTreeSet<String>) -> Result<(), Ended> {
        let topics = self.hub.interest().wanted().into_iter().map(|channel| self.post.channel(channel));
        let wanted: BTreeSet<String> = topics.chain(self.post.probes()).chain([self.post.sessions()]).collect();
        let more: Vec<String> = wanted.difference(subscribed).cloned().collect();
        let less: Vec<String> = subscribed.difference(&wanted).cloned().collect();
        if !more.is_empty() {
            timeout(ANSWER_WITHIN, source.subscribe(&more)).await??;
        }
        if !less.is_empty() {
            timeout(ANSWER_WITHIN, source.unsubscribe(&less)).await??;
        }
        *subscribed = wanted;
        Ok(())
    }

    fn take(&self, payload: &[u8]) {
        match message::read(&self.post.node, payload) {
            Ok(Some(message)) => {
                if let Message::Events(events) = &message {
                    metrics::counter!("latchkey_bus_events_total").increment(events.len() as u64);
                }
                (self.on_message)(message);
            }
            Ok(None) => {}
            // Its events are in the log all the same.
            Err(error) => tracing::warn!(%error, "a message on Redis is none of a node's"),
        }
    }
}
