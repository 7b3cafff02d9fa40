//! What the database's errors mean. All matching on them is in this file, tested by provoking each one on each engine.

use surrealdb::types::{AlreadyExistsError, Error as SurrealError, QueryError};

/// A read or a connection failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached or opened, or answered with an error.
    #[error("database: {0}")]
    Unavailable(String),
    /// What is stored is not what this version understands.
    #[error("stored data: {0}")]
    Corrupt(String),
    /// The database was written by a newer Latchkey.
    #[error("the database has schema version {found}, this program knows {known}: use a newer latchkey")]
    Schema {
        /// In the database.
        found: i64,
        /// Of this program.
        known: i64,
    },
}

impl From<SurrealError> for StoreError {
    fn from(error: SurrealError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What another writer was first with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contended {
    /// The idempotency key: the first result is stored.
    Key,
    /// The e-mail address of a new account.
    Login,
    /// The webhook: it was taken into account before.
    Webhook,
    /// Anything else that was decided on: an event's number, a night, a version. Reload and decide again.
    State,
}

/// A change set was not committed, or not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Another writer was first; nothing was written.
    #[error("another writer was first with {0:?}")]
    Contended(Contended),
    /// The deadline of the decision passed; nothing was written.
    #[error("the decision came too late")]
    TooLate,
    /// Too many change sets are waiting; nothing was written.
    #[error("the commit queue is full")]
    Busy,
    /// No room on the disk, or the process is stopping; nothing was written.
    #[error("not taking writes: {0}")]
    Unavailable(&'static str),
    /// The database refused the records: a fault of ours. Nothing was written.
    #[error("refused by the database: {0}")]
    Refused(String),
    /// It is not known whether it was written. At an embedded database the process is about to stop and recover; a server will say later.
    #[error("outcome unknown")]
    Unknown,
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// On disk.
    Committed,
    /// Not committed: this record id (in SurrealQL) exists already.
    Exists(String),
    /// Not committed: somebody else wrote one of its records at the same time.
    Conflict,
    /// Not committed: our own THROW, with what follows `latchkey:`.
    Thrown(String),
    /// Not committed: a statement failed.
    Refused(String),
    /// Nobody knows: an error at COMMIT. surrealkv applies before its fsync fails, and the executor then labels every
    /// statement as not executed, so the labels say nothing.
    Unknown(String),
}

/// Prefix of every text that our own functions throw.
const THROWN: &str = "latchkey:";

/// Reads the outcome off the errors of a `BEGIN … COMMIT` text, which come by statement; `commit` is COMMIT's index.
#[must_use]
pub fn classify(errors: &[(usize, SurrealError)], commit: usize) -> Outcome {
    if errors.is_empty() {
        return Outcome::Committed;
    }
    for (_, error) in errors {
        if let Some(AlreadyExistsError::Record { id }) = error.already_exists_details() {
            return Outcome::Exists(id.clone());
        }
        if let Some((_, thrown)) = error.message().split_once(THROWN).filter(|_| error.is_thrown()) {
            return Outcome::Thrown(thrown.to_owned());
        }
    }
    if errors.iter().any(|(_, error)| is_conflict(error)) {
        return Outcome::Conflict;
    }
    // COMMIT itself failed, and for no reason that we know: the labels of the statements before it say nothing.
    let is_open = errors.iter().any(|(index, error)| *index == commit && !is_not_executed(error));
    let failed = errors
        .iter()
        .filter(|_| !is_open)
        .filter(|(index, error)| *index < commit && !is_not_executed(error))
        .min_by_key(|(index, _)| *index);
    match failed {
        Some((_, error)) => Outcome::Refused(error.message().to_owned()),
        None => {
            Outcome::Unknown(errors.iter().map(|(index, error)| format!("[{index}] {}", error.message())).collect::<Vec<_>>().join("; "))
        }
    }
}

/// Whether the error says that a concurrent transaction was first (surrealdb#7428: there is no `is_retryable`).
pub(super) fn is_conflict(error: &SurrealError) -> bool {
    matches!(error.query_details(), Some(QueryError::TransactionConflict))
        || error.message().contains("This transaction can be retried")
        || error.message().contains("Transaction retry required")
}

/// Whether the statement was only skipped because another one failed.
fn is_not_executed(error: &SurrealError) -> bool {
    matches!(error.query_details(), Some(QueryError::NotExecuted | QueryError::Cancelled))
}
