//! A connection on which messages come: from one Redis, or from every one of a cluster.

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::FuturesUnordered;
use redis::aio::{PubSubSink, PubSubStream};
use redis::cluster_async::ClusterConnection;
use redis::{FromRedisValue as _, PushInfo, PushKind, RedisError};
use tokio::sync::mpsc;

use crate::shared::Link;

/// Where messages come from.
pub(super) enum Source {
    Single(PubSubSink, PubSubStream),
    /// With the subscriptions that are under way: a server that is away must not keep the others' messages waiting.
    Cluster(ClusterConnection, mpsc::Receiver<PushInfo>, FuturesUnordered<BoxFuture<'static, Result<(), String>>>),
}

/// What comes.
pub(super) enum Heard {
    /// A message, and the channel that it came on.
    Message { channel: String, payload: Vec<u8> },
    /// Nothing comes on that channel: its server is away, or has given it to another.
    Lost(String),
    /// Nothing comes on any channel of a server that is away, whichever those are.
    LostSome,
}

impl Source {
    pub(super) async fn open(link: &Link) -> Result<Self, RedisError> {
        if link.is_cluster().await? {
            let (connection, messages) = link.subscribe_to_cluster().await?;
            return Ok(Self::Cluster(connection, messages, FuturesUnordered::new()));
        }
        let (sink, stream) = link.subscribe().await?.split();
        Ok(Self::Single(sink, stream))
    }

    /// What comes next; nothing if nothing will.
    pub(super) async fn next(&mut self) -> Option<Heard> {
        match self {
            Self::Single(_, stream) => {
                let message = stream.next().await?;
                Some(Heard::Message { channel: message.get_channel_name().to_owned(), payload: message.get_payload_bytes().to_vec() })
            }
            Self::Cluster(_, messages, subscribing) => loop {
                tokio::select! {
                    // It says when it has subscribed, too.
                    message = messages.recv() => if let Some(heard) = heard(message?) {
                        return Some(heard);
                    },
                    Some(done) = subscribing.next() => if let Err(channel) = done {
                        return Some(Heard::Lost(channel));
                    },
                }
            },
        }
    }

    pub(super) async fn subscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::Single(sink, _) => sink.subscribe(channels).await,
            // One by one: each may be another server's.
            Self::Cluster(connection, _, subscribing) => {
                for channel in channels {
                    let (mut connection, channel) = (connection.clone(), channel.clone());
                    subscribing.push(async move { connection.ssubscribe(&channel).await.map_err(|_| channel) }.boxed());
                }
                Ok(())
            }
        }
    }

    pub(super) async fn unsubscribe(&mut self, channels: &[String]) -> Result<(), RedisError> {
        match self {
            Self::Single(sink, _) => sink.unsubscribe(channels).await,
            Self::Cluster(connection, _, subscribing) => {
                for channel in channels {
                    let (mut connection, channel) = (connection.clone(), channel.clone());
                    // If it does not hear of that, what comes on it does no harm.
                    subscribing.push(async move { connection.sunsubscribe(&channel).await.or(Ok(())) }.boxed());
                }
                Ok(())
            }
        }
    }
}

fn heard(push: PushInfo) -> Option<Heard> {
    if push.kind == PushKind::Disconnection {
        return Some(Heard::LostSome);
    }
    let mut parts = push.data.into_iter();
    let channel = String::from_redis_value(parts.next()?).ok()?;
    match push.kind {
        PushKind::SMessage => Some(Heard::Message { channel, payload: Vec::from_redis_value(parts.next()?).ok()? }),
        PushKind::SUnsubscribe => Some(Heard::Lost(channel)),
        _ => None,
    }
}
