//! The connection to a SurrealDB server, which can be opened anew.
//!
//! The client connects again by itself when it notices that a connection is lost. It notices nothing of one that nothing comes back on (a server
//! that is gone without a word keeps it for a quarter of an hour), and does not sign in again if that failed once.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use surrealdb::Surreal;
use surrealdb::engine::any::Any;
use surrealdb::opt::auth::Root;
use surrealdb::types::{Error as SurrealError, Variables};

use super::{ANSWER_WITHIN, Answers, DatabaseConfig, MAX_TRIES, NAMESPACE};
use crate::entropy;
use crate::store::error::is_conflict;

/// A server, and how to reach it.
pub(super) struct Link {
    config: DatabaseConfig,
    /// Replaced as a whole: whoever waits for an answer keeps the one that they asked.
    client: RwLock<Arc<Surreal<Any>>>,
    reopening: tokio::sync::Mutex<()>,
}

impl Link {
    pub(super) async fn open(config: DatabaseConfig) -> Result<Self, SurrealError> {
        let client = RwLock::new(Arc::new(connect(&config).await?));
        Ok(Self { config, client, reopening: tokio::sync::Mutex::new(()) })
    }

    /// Runs a text of statements, unless the server takes longer than that.
    pub(super) async fn query(&self, text: String, variables: Variables, within: Duration) -> Result<Answers, SurrealError> {
        let client = Arc::clone(&self.client.read().unwrap_or_else(PoisonError::into_inner));
        let answer = client.query(text).bind(variables).into_future();
        tokio::time::timeout(within, answer).await.map_err(|_| late(within))?
    }

    /// Connects once more and uses that from now on; if it cannot be done, or is being done, everything stays as it is.
    pub(super) async fn reopen(&self) {
        let Ok(_reopening) = self.reopening.try_lock() else { return };
        match tokio::time::timeout(ANSWER_WITHIN, connect(&self.config)).await.unwrap_or_else(|_| Err(late(ANSWER_WITHIN))) {
            Ok(client) => {
                *self.client.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(client);
                tracing::warn!("the database did not answer on its connection: there is a new one");
            }
            Err(error) => tracing::debug!(%error, "the database cannot be reached"),
        }
    }
}

fn late(within: Duration) -> SurrealError {
    SurrealError::internal(format!("no answer within {} s", within.as_secs()))
}

async fn connect(config: &DatabaseConfig) -> Result<Surreal<Any>, SurrealError> {
    let client = surrealdb::engine::any::connect(&config.url).await?;
    if let Some((username, password)) = config.credentials.clone() {
        client.signin(Root { username, password }).await?;
    }
    let mut tries = 1;
    // Namespace and database are made on first use, and of several nodes that start at once all but one fail with that.
    while let Err(error) = client.use_ns(NAMESPACE).use_db(config.name.as_str()).await {
        if tries == MAX_TRIES || !is_conflict(&error) {
            return Err(error);
        }
        tries += 1;
        tokio::time::sleep(Duration::from_millis(entropy::jitter(50 << tries))).await;
    }
    Ok(client)
}
