//! A connection on which messages come: from one Redis, or from every one of a cluster.

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use redis::aio::{PubSubSink, PubSubStream};
use redis::cluster_async::ClusterConnection;
use redis::{FromRedisValue as _, PushInfo, PushKind, RedisError};
use tokio::sync::mpsc;

use crate::shared::Link;

/// Where messages come from.
pub(super) enum Source {
    Single(PubSubSink, PubSubStream),
    Cluster(ClusterConnection, mpsc::Receiver<PushInfo>),
}

/// A message, and the channel that it came on.
pub(super) struct Heard {
    pub(super) channel: String,
    pub(super) payload: Vec<u8>,
}

impl Source {
    pub(super) async fn open(link: &Link) -> Result<Self, RedisError> {
        if link.connect().await?.is_cluster() {
            let (connection, messages) = link.subscribe_to_cluster().await?;
            return Ok(Self::Cluster(connection, messages));
        }
        let (sink, stream) = link.subscribe().await?.split();
        Ok(Self::Single(sink, stream))
    }

    /// The next message; nothing if there will be none.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        match self {
            Self::Single(_, stream) => {
                let message = stream.next().await?;
                Some(Heard { channel: message.get_channel_name().to_owned(), payload: message.get_payload_bytes().to_vec() })
            }
            Self::Cluster(_, messages) => loop {
                // It says when it has subscribed, too.
                if let Some(heard) = heard(messages.recv().await?) {
                    return Some(heard);
                }
            },
        }
    }

    pub(super) async fn subscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::Single(sink, _) => sink.subscribe(channels).await,
            // One by one: each may be another server's.
            Self::Cluster(connection, _) => {
                let ask = |channel: &String| {
                    let (mut connection, channel) = (connection.clone(), channel.clone());
                    async move { connection.ssubscribe(channel).await }
                };
                try_join_all(channels.iter().map(ask)).await.map(drop)
            }
        }
    }

    pub(super) async fn unsubscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::Single(sink, _) => sink.unsubscribe(channels).await,
            Self::Cluster(connection, _) => {
                let ask = |channel: &String| {
                    let (mut connection, channel) = (connection.clone(), channel.clone());
                    async move { connection.sunsubscribe(channel).await }
                };
                try_join_all(channels.iter().map(ask)).await.map(drop)
            }
        }
    }
}

fn heard(push: PushInfo) -> Option<Heard> {
    if push.kind != PushKind::SMessage {
        return None;
    }
    let mut parts = push.data.into_iter();
    let (channel, payload) = (parts.next()?, parts.next()?);
    Some(Heard { channel: String::from_redis_value(channel).ok()?, payload: Vec::from_redis_value(payload).ok()? })
}
