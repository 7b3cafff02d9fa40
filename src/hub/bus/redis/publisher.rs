//! From this node to Redis: what has gathered goes out as one pipeline, a message for each channel.

use std::collections::BTreeMap;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::{ANSWER_WITHIN, Link, PAUSE, PROBE_EVERY, count_dropped, message};
use crate::hub::interest::Channel;
use crate::hub::source::StoredEvent;

/// Events in one pipeline.
const MAX_AT_ONCE: usize = 512;

pub(super) struct Publisher {
    link: Link,
    events: mpsc::Receiver<StoredEvent>,
}

impl Publisher {
    pub(super) const fn new(link: Link, events: mpsc::Receiver<StoredEvent>) -> Self {
        Self { link, events }
    }

    /// Publishes until the bus is dropped.
    pub(super) async fn run(mut self) {
        let mut is_told = false;
        while !self.is_over() {
            let failed = match self.connect().await {
                Ok(connection) => {
                    if is_told {
                        tracing::info!("events go to Redis again");
                    }
                    is_told = false;
                    self.publish_with(connection).await
                }
                Err(error) => Err(error),
            };
            let Err(error) = failed else { return };
            if !is_told {
                tracing::warn!(%error, "events do not go to Redis: other nodes read them in the log");
                is_told = true;
            }
            self.drop_for(PAUSE).await;
        }
    }

    fn is_over(&self) -> bool {
        self.events.is_closed() && self.events.is_empty()
    }

    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER_WITHIN)).set_response_timeout(Some(ANSWER_WITHIN));
        self.link.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Publishes until something fails; `Ok` when the bus is dropped.
    async fn publish_with(&mut self, mut connection: MultiplexedConnection) -> Result<(), RedisError> {
        let mut probes = tokio::time::interval(PROBE_EVERY);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(MAX_AT_ONCE);
        loop {
            tokio::select! {
                taken = self.events.recv_many(&mut batch, MAX_AT_ONCE) => {
                    if taken == 0 {
                        return Ok(());
                    }
                    let sent = self.send(&mut connection, &batch).await;
                    if sent.is_err() {
                        count_dropped(batch.len());
                    }
                    batch.clear();
                    sent?;
                }
                _ = probes.tick() => {
                    redis::cmd("PUBLISH").arg(self.link.probe()).arg("").exec_async(&mut connection).await?;
                }
            }
        }
    }

    async fn send(&self, connection: &mut MultiplexedConnection, batch: &[StoredEvent]) -> Result<(), RedisError> {
        let mut channels: BTreeMap<Channel, Vec<&StoredEvent>> = BTreeMap::new();
        for event in batch {
            channels.entry(Channel::of(event.topic)).or_default().push(event);
        }
        let mut pipeline = redis::pipe();
        for (channel, events) in channels {
            pipeline.cmd("PUBLISH").arg(self.link.channel(channel)).arg(message::write(&self.link.node, &events)).ignore();
        }
        pipeline.exec_async(connection).await
    }

    /// Lets events go for a while: what comes late is found in the log before.
    async fn drop_for(&mut self, pause: Duration) {
        let mut dropped = Vec::new();
        let dropping = async {
            while self.events.recv_many(&mut dropped, MAX_AT_ONCE).await > 0 {
                count_dropped(dropped.len());
                dropped.clear();
            }
        };
        let _ = tokio::time::timeout(pause, dropping).await;
    }
}
