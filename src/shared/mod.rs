//! What nodes share by a Redis besides events: how much callers have spent of their allowances, and copies of what was read.
//!
//! Nothing rests on it. Without a Redis, or while it does not answer, each node counts for itself and reads for itself.

mod allowance;
mod copies;
mod link;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use redis::RedisError;

pub use self::allowance::{Account, Allowance, Common, Open, Spending};
pub use self::copies::Copies;
pub use self::link::{Connection, Link, some_answer};

/// How long connecting, and an answer, may take.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long between two attempts to connect.
pub const PAUSE: Duration = Duration::from_millis(500);

/// How often it is seen whether the connection still is one.
const PING_EVERY: Duration = Duration::from_secs(1);

/// The connection that is used now, if there is one.
#[derive(Clone, Default)]
struct Current(Arc<RwLock<Option<Connection>>>);

impl Current {
    fn get(&self) -> Option<Connection> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Connection>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }
}

/// What is shared by one Redis.
pub struct Shared {
    link: Link,
    current: Current,
    spending: Arc<Spending>,
    copies: Arc<Copies>,
}

impl Shared {
    /// By the Redis at that link. Whether there is a server is found out by [`Self::run`], again and again.
    #[must_use]
    pub fn new(link: Link) -> Self {
        let current = Current::default();
        let copies = Arc::new(Copies::new(&link, current.clone()));
        Self { spending: Arc::new(Spending::new(&link)), copies, link, current }
    }

    /// Where that Redis is.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// What callers spend.
    #[must_use]
    pub const fn spending(&self) -> &Arc<Spending> {
        &self.spending
    }

    /// Copies of what was read.
    #[must_use]
    pub const fn copies(&self) -> &Arc<Copies> {
        &self.copies
    }

    /// Keeps a connection, and tells others what is spent here; until dropped.
    pub async fn run(self) {
        let mut is_told = false;
        loop {
            let Err(error) = self.use_connection(&mut is_told).await;
            self.current.set(None);
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(%error, "Redis does not answer: allowances are counted, and documents read, by each node for itself");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn use_connection(&self, is_told: &mut bool) -> Result<std::convert::Infallible, RedisError> {
        let mut connection = self.link.connect().await?;
        connection.ping(&self.link).await?;
        self.current.set(Some(connection.clone()));
        if std::mem::take(is_told) {
            tracing::info!("Redis answers again");
        }
        let mut pinging = connection.clone();
        let pinging = async {
            loop {
                tokio::time::sleep(PING_EVERY).await;
                if let Err(error) = pinging.ping(&self.link).await {
                    return error;
                }
                // Somebody may have found it too slow.
                self.current.set(Some(pinging.clone()));
            }
        };
        tokio::select! {
            error = pinging => Err(error),
            error = self.spending.tell(&mut connection) => Err(error),
        }
    }
}
