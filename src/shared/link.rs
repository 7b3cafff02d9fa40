//! Connections to a Redis, or to a cluster of them: which it is, it says itself.

use std::sync::Arc;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, ProtocolVersion, PushInfo, RedisError,
};
use tokio::sync::mpsc;

use super::ANSWER_WITHIN;

/// Messages of a cluster that wait to be taken; further ones are dropped.
const MAX_MESSAGES: usize = 16_384;

/// Where a Redis is, and what all names begin with there.
#[derive(Clone)]
pub struct Link {
    info: ConnectionInfo,
    client: Client,
    prefix: Arc<str>,
}

/// A connection for questions and answers; clones share it.
#[derive(Clone)]
pub enum Connection {
    /// To one server.
    Single(MultiplexedConnection),
    /// To every server of a cluster.
    Cluster(ClusterConnection),
}

impl Link {
    /// The Redis at `url`, among the nodes whose database has this epoch: those of another history may share it without seeing anything of these.
    ///
    /// # Errors
    /// If the URL is none of Redis. Whether there is a server is found out later.
    pub fn open(url: &str, epoch: &str) -> Result<Self, RedisError> {
        let info = url.into_connection_info()?;
        Ok(Self { client: Client::open(info.clone())?, info, prefix: format!("latchkey:{epoch}").into() })
    }

    /// A name of ours.
    #[must_use]
    pub fn name(&self, rest: &str) -> String {
        format!("{}:{rest}", self.prefix)
    }

    /// Connects, to the whole cluster if it is one.
    ///
    /// # Errors
    /// If that cannot be done in time.
    pub async fn connect(&self) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER_WITHIN)).set_response_timeout(Some(ANSWER_WITHIN));
        let mut single = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let about: String = redis::cmd("INFO").arg("cluster").query_async(&mut single).await?;
        if about.contains("cluster_enabled:1") {
            return Ok(Connection::Cluster(self.cluster(None).await?));
        }
        Ok(Connection::Single(single))
    }

    /// A connection for messages only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn subscribe(&self) -> Result<PubSub, RedisError> {
        self.client.get_async_pubsub().await
    }

    /// A connection to a cluster on which messages come too.
    ///
    /// # Errors
    /// If it cannot be made in time.
    pub async fn subscribe_to_cluster(&self) -> Result<(ClusterConnection, mpsc::Receiver<PushInfo>), RedisError> {
        let (sender, messages) = mpsc::channel(MAX_MESSAGES);
        Ok((self.cluster(Some(sender)).await?, messages))
    }

    async fn cluster(&self, messages: Option<mpsc::Sender<PushInfo>>) -> Result<ClusterConnection, RedisError> {
        let mut builder =
            ClusterClient::builder([self.info.clone()]).connection_timeout(ANSWER_WITHIN).response_timeout(ANSWER_WITHIN).retries(1);
        if let Some(messages) = messages {
            builder = builder.use_protocol(ProtocolVersion::RESP3).push_sender(move |message| messages.try_send(message));
        }
        let client = builder.build()?;
        tokio::time::timeout(ANSWER_WITHIN, client.get_async_connection()).await.map_err(std::io::Error::from)?
    }
}

impl Connection {
    /// Whether it is one to a cluster, where messages are published to shards.
    #[must_use]
    pub const fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Runs commands, all of them at once, and gives their answers in order.
    ///
    /// # Errors
    /// The first of theirs.
    pub async fn run<T: FromRedisValue + Send>(&mut self, commands: Vec<Cmd>) -> Result<Vec<T>, RedisError> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command);
                }
                pipeline.query_async(connection).await
            }
            // Each goes to the server that has its slot.
            Self::Cluster(connection) => {
                let ask = |command: Cmd| {
                    let mut connection = connection.clone();
                    async move { T::from_redis_value(connection.req_packed_command(&command).await?).map_err(RedisError::from) }
                };
                try_join_all(commands.into_iter().map(ask)).await
            }
        }
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&mut self) -> Result<(), RedisError> {
        self.run::<redis::Value>(vec![redis::cmd("PING")]).await.map(drop)
    }
}
