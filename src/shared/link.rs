//! Connections to a Redis, or to a cluster of them: which it is, it says itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionInfo, FromRedisValue, IntoConnectionInfo as _, ProtocolVersion, PushInfo, RedisError,
    Value,
};
use tokio::sync::mpsc;

use super::ANSWER_WITHIN;

/// Messages of a cluster that wait to be taken; further ones are dropped.
const MAX_MESSAGES: usize = 16_384;

/// How long one server of a cluster is waited for.
const SERVER_ANSWERS_WITHIN: Duration = Duration::from_millis(300);

/// How long connecting to one server of a cluster may take.
const SERVER_CONNECTS_WITHIN: Duration = Duration::from_millis(500);

/// Of a cluster it is asked in so many places whether somebody answers.
const PINGS: u8 = 8;

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
        let mut each: Vec<String> = Vec::new();
        for part in urls.split(',') {
            match each.last_mut() {
                // A comma in a password.
                Some(last) if !part.contains("://") => *last = format!("{last},{part}"),
                _ => each.push(part.trim().to_owned()),
            }
        }
        let servers = each.iter().map(|url| url.as_str().into_connection_info()).collect::<Result<_, _>>()?;
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
        let mut builder = ClusterClient::builder(self.servers.clone())
            .connection_timeout(SERVER_CONNECTS_WITHIN)
            .response_timeout(SERVER_CONNECTS_WITHIN)
            .retries(1);
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
    /// If a server that is alone does not answer.
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
                    async move {
                        // One that does not answer must not keep the others' answers back.
                        let answer = tokio::time::timeout(SERVER_ANSWERS_WITHIN, connection.req_packed_command(&command)).await;
                        T::from_redis_value(answer.ok()?.ok()?).ok()
                    }
                };
                Ok(join_all(commands.into_iter().map(ask)).await)
            }
        }
    }

    /// Whether it answers; of a cluster, any of its servers.
    ///
    /// # Errors
    /// If it does not.
    pub async fn ping(&mut self, link: &Link) -> Result<(), RedisError> {
        // Names that lie with several servers: PING asks all of them, and fails if one is away.
        let name = |number: u8| redis::cmd("EXISTS").arg(link.name(&format!("ping:{number}"))).take();
        some_answer(&self.run::<Value>((0..PINGS).map(name).collect()).await?)
    }
}

/// Whether anybody has answered.
///
/// # Errors
/// If nobody has.
pub fn some_answer<T>(answers: &[Option<T>]) -> Result<(), RedisError> {
    let nobody = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
    answers.iter().any(Option::is_some).then_some(()).ok_or_else(nobody)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_servers_are_separated_by_commas_and_a_password_may_have_one() {
        for (urls, expected) in [("redis://a", 1), ("redis://a:1, redis://b:2", 2), ("redis://:x,y@a,redis://b", 2), ("redis://:x,y@a", 1)]
        {
            let servers = Link::open(urls, "").map(|link| link.servers.len());
            assert!(matches!(servers, Ok(count) if count == expected), "{urls}: {servers:?}");
        }
        assert!(Link::open("http://a", "").is_err());
    }
}
