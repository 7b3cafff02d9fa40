//! Keys and what they led to (P7): the record that goes with a change set, and looking one up.

use std::sync::Arc;

use surrealdb::types::{RecordId, SurrealValue, Value};

use super::Store;
use super::database::{row, variables};
use super::error::StoreError;
use super::rows::key_record;
use crate::domain::Timestamp;

/// A use of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstUse {
    /// User and command.
    pub scope: String,
    /// As the client chose it.
    pub key: String,
    /// Hash of the command's body: the same key with another body is refused.
    pub fingerprint: String,
}

/// The record of a key's first use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Which use.
    pub used: FirstUse,
    /// The JSON of the answer, given again to every repetition.
    pub reply: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// What is stored for a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFound {
    /// The same command with the same body: its answer.
    Same(String),
    /// The key was used for something else.
    Other,
}

#[derive(SurrealValue)]
struct Stored {
    fingerprint: String,
    reply: String,
}

impl FirstUse {
    pub(super) fn record(&self) -> RecordId {
        key_record(&self.scope, &self.key)
    }
}

impl Idempotency {
    pub(super) fn row(&self) -> Value {
        row([
            ("id", self.used.record().into_value()),
            ("fingerprint", self.used.fingerprint.as_str().into_value()),
            ("reply", self.reply.as_ref().into_value()),
            ("at", self.at.epoch_ms().into_value()),
        ])
    }
}

impl Store {
    /// What the key of `used` led to, if it was used before.
    ///
    /// # Errors
    /// As any read.
    pub async fn find_key(&self, used: &FirstUse) -> Result<Option<KeyFound>, StoreError> {
        let id = variables([("id", used.record().into_value())]);
        let stored: Option<Stored> = self.database.read("SELECT fingerprint, reply FROM ONLY $id", id).await?;
        self.settled().await;
        Ok(stored.map(|stored| if stored.fingerprint == used.fingerprint { KeyFound::Same(stored.reply) } else { KeyFound::Other }))
    }

    /// Every key that was used in a scope and is remembered, in order.
    ///
    /// # Errors
    /// As any read.
    pub async fn keys_of(&self, scope: &str) -> Result<Vec<String>, StoreError> {
        // Keys are strings, and every string comes before every list.
        let range = "SELECT VALUE id[1] FROM idempotency:[$scope, '']..[$scope, []]";
        let keys = self.database.read(range, variables([("scope", scope.into_value())])).await?;
        self.settled().await;
        Ok(keys)
    }
}
