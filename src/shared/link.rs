//! Connections to a Redis, or to a cluster of them: which it is, it says itself.

use std::sync::Arc;

use futures_util::future::join_all;
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

/// Where a Redis is, or some servers of a cluster, and what all names begin with there.
#[derive(Clone)]
pub struct Link {
    servers: Vec<ConnectionInfo>,
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
    /// The Redis at one of `urls` (separated by commas), among the nodes whose database has this epoch: those of another history may share it
    /// without seeing anything of these.
    ///
    /// # Errors
    /// If one of them is no URL of Redis. Whether there is a server is found out later.
    pub fn open(urls: &str, epoch: &str) -> Result<Self, RedisError> {
        let servers = urls.split(',').map(|url| url.trim().into_connection_info()).collect::<Result<_, _>>()?;
        Ok(Self { servers, prefix: format!("latchkey:{epoch}").into() })
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
        let (_, single, is_cluster) = self.reach().await?;
        Ok(if is_cluster { Connection::Cluster(self.cluster(None).await?) } else { Connection::Single(single) })
    }

    /// Whether it is a cluster.
    ///
    /// # Errors
    /// If nobody answers.
    pub async fn is_cluster(&self) -> Result<bool, RedisError> {
        Ok(self.reach().await?.2)
    }

    /// A connection for messages only.
    ///
    /// # Errors
    /// If it cannot be made.
    pub async fn subscribe(&self) -> Result<PubSub, RedisError> {
        self.reach().await?.0.get_async_pubsub().await
    }

    /// The first server that answers, and whether it is one of a cluster.
    async fn reach(&self) -> Result<(Client, MultiplexedConnection, bool), RedisError> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(Some(ANSWER_WITHIN)).set_response_timeout(Some(ANSWER_WITHIN));
        let mut failure = RedisError::from(std::io::Error::from(std::io::ErrorKind::NotFound));
        for server in &self.servers {
            let client = Client::open(server.clone())?;
            let asking = async {
                let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                let about: String = redis::cmd("INFO").arg("cluster").query_async(&mut connection).await?;
                Ok((connection, about.contains("cluster_enabled:1")))
            };
            match asking.await {
                Ok((connection, is_cluster)) => return Ok((client, connection, is_cluster)),
                Err(error) => failure = error,
            }
        }
        Err(failure)
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
            ClusterClient::builder(self.servers.clone()).connection_timeout(ANSWER_WITHIN).response_timeout(ANSWER_WITHIN).retries(1);
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

    /// Runs commands, all of them at once, and gives their answers in order. Of a cluster, those that one server owes may be missing.
    ///
    /// # Errors
    /// If there is no answer at all.
    pub async fn run<T: FromRedisValue + Send>(&mut self, commands: Vec<Cmd>) -> Result<Vec<Option<T>>, RedisError> {
        match self {
            Self::Single(connection) => {
                let mut pipeline = redis::pipe();
                for command in commands {
                    pipeline.add_command(command);
                }
                let answers: Vec<T> = pipeline.query_async(connection).await?;
                Ok(answers.into_iter().map(Some).collect())
            }
            // Each goes to the server that has its slot.
            Self::Cluster(connection) => {
                let ask = |command: Cmd| {
                    let mut connection = connection.clone();
                    async move { T::from_redis_value(connection.req_packed_command(&command).await?).map_err(RedisError::from) }
                };
                let (mut answers, mut failure) = (Vec::new(), None);
                for answer in join_all(commands.into_iter().map(ask)).await {
                    answers.push(answer.map_err(|error| failure = Some(error)).ok());
                }
                match failure {
                    Some(error) if answers.iter().all(Option::is_none) => Err(error),
                    _ => Ok(answers),
                }
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
