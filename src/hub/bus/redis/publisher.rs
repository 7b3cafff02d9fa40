//! From this node to Redis: what has gathered goes out as one pipeline, a message for each channel.

use std::collections::BTreeMap;
use std::time::Duration;

use latchkey_protocol::SessionId;
use redis::{Cmd, RedisError, Value};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::{Outgoing, PROBE_EVERY, Post, count_dropped, message};
use crate::hub::interest::Channel;
use crate::hub::source::StoredEvent;
use crate::shared::{Connection, PAUSE, some_answer};

/// What goes out at once.
const MAX_AT_ONCE: usize = 512;

pub(super) struct Publisher {
    post: Post,
    outgoing: mpsc::Receiver<Outgoing>,
}

impl Publisher {
    pub(super) const fn new(post: Post, outgoing: mpsc::Receiver<Outgoing>) -> Self {
        Self { post, outgoing }
    }

    /// Publishes until the bus is dropped.
    pub(super) async fn run(mut self) {
        let mut is_told = false;
        while !self.is_over() {
            let failed = match self.post.link.connect().await {
                Ok(connection) => self.publish_with(connection, &mut is_told).await,
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
        self.outgoing.is_closed() && self.outgoing.is_empty()
    }

    /// Publishes until something fails; `Ok` when the bus is dropped.
    async fn publish_with(&mut self, mut connection: Connection, is_told: &mut bool) -> Result<(), RedisError> {
        let mut probes = tokio::time::interval(PROBE_EVERY);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batch = Vec::with_capacity(MAX_AT_ONCE);
        loop {
            tokio::select! {
                taken = self.outgoing.recv_many(&mut batch, MAX_AT_ONCE) => {
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
                    let probes = self.post.probes().map(|channel| publish(&connection, channel, b"")).collect();
                    some_answer(&connection.run::<Value>(probes).await?)?;
                    if std::mem::take(is_told) {
                        tracing::info!("events go to Redis again");
                    }
                }
            }
        }
    }

    async fn send(&self, connection: &mut Connection, batch: &[Outgoing]) -> Result<(), RedisError> {
        let mut channels: BTreeMap<Channel, Vec<&StoredEvent>> = BTreeMap::new();
        let mut ended: Vec<SessionId> = Vec::new();
        for outgoing in batch {
            match outgoing {
                Outgoing::Event(event) => channels.entry(Channel::of(event.topic)).or_default().push(event),
                Outgoing::Ended(session) => ended.push(*session),
            }
        }
        let node = &self.post.node;
        let (mut commands, mut counts): (Vec<Cmd>, Vec<usize>) = (Vec::new(), Vec::new());
        for (channel, events) in channels {
            commands.push(publish(connection, self.post.channel(channel), &message::write(node, &events)));
            counts.push(events.len());
        }
        if !ended.is_empty() {
            commands.push(publish(connection, self.post.sessions(), &message::write_ended(node, &ended)));
            counts.push(ended.len());
        }
        let answers = connection.run::<Value>(commands).await?;
        // Of a cluster, one may be away.
        let lost = answers.iter().zip(counts).filter(|(answer, _)| answer.is_none()).map(|(_, count)| count).sum();
        count_dropped(lost);
        Ok(())
    }

    /// Lets events go for a while: what comes late is found in the log before.
    async fn drop_for(&mut self, pause: Duration) {
        let mut dropped = Vec::new();
        let dropping = async {
            while self.outgoing.recv_many(&mut dropped, MAX_AT_ONCE).await > 0 {
                count_dropped(dropped.len());
                dropped.clear();
            }
        };
        let _ = tokio::time::timeout(pause, dropping).await;
    }
}

/// In a cluster only the server that has the channel's slot hears of it.
fn publish(connection: &Connection, channel: String, message: &[u8]) -> Cmd {
    let mut command = redis::cmd(if connection.is_cluster() { "SPUBLISH" } else { "PUBLISH" });
    command.arg(channel).arg(message);
    command
}
