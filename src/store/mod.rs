//! Persistence: SurrealDB, and the only place where SurrealQL lives besides `schema.surql`.
//!
//! Everything is written by one path: a [`ChangeSet`] goes to the `Committer`, which commits batches of them and
//! hands their events, in commit order, to the [`EventSink`] that `app` wires to the hub. Reads are typed, per noun, in
//! `read`. The database runs on its own threads ([`Database`]): its CPU work never sits on threads that serve
//! sockets.

mod batch;
mod change_set;
mod committer;
mod database;
mod error;
mod heads;
mod idempotency;
mod meter;
mod notice;
mod photos;
mod read;
mod rows;
mod schema;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use change_set::{ChangeSet, NewEvent, StoredEvent};
pub use committer::{CommitterLimits, EventSink, Lane, Storage, Transact};
pub use database::{ClockReading, Database, DatabaseConfig, MemoryCaps};
pub use error::{CommitError, Contended, Outcome, StoreError, classify};
pub use idempotency::{FirstUse, Idempotency, KeyFound};
pub use notice::Notice;
pub use photos::PhotoFiles;
pub use read::{
    Aged, BookingFilter, CalendarState, Found, InboxState, Lease, LoggedBatch, Person, Process, ReviewSubject, SearchHome, Tail,
};

use crate::clock::Clock;
use crate::domain::retention::NodeId;

/// The database, its committer and its reads.
pub struct Store {
    database: Arc<Database>,
    committer: committer::Committer,
    storage: Storage,
    epoch: String,
}

impl Store {
    /// Connects, applies the schema and starts this process's committer.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be opened (unwritable folder, full disk, no server); `Schema` if it belongs to
    /// a newer version of Latchkey.
    pub async fn open(config: &DatabaseConfig, clock: Arc<dyn Clock>, sink: Arc<dyn EventSink>) -> Result<Self, StoreError> {
        let database = Arc::new(Database::open(config).await?);
        Self::on(database, clock, sink, CommitterLimits::default()).await
    }

    /// A store on a database that is open already: another process's view of it, as tests of many nodes need.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn on(
        database: Arc<Database>,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn EventSink>,
        limits: CommitterLimits,
    ) -> Result<Self, StoreError> {
        let epoch = schema::apply(&database, clock.as_ref()).await?;
        let storage = limits.storage.unwrap_or_else(|| database.storage());
        let committer = committer::Committer::start(Arc::clone(&database), storage, clock, sink, limits).await?;
        Ok(Self { database, committer, storage, epoch })
    }

    /// Names this database's history; a restore changes it.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Names how records are written by this version: copies of another one are not read.
    #[must_use]
    pub fn format(&self) -> &'static str {
        schema::digest()
    }

    /// The open database.
    #[must_use]
    pub const fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Commits a change set; when this answers, it is on disk (P2) and its events have been handed to the sink.
    ///
    /// # Errors
    /// `Contended` names what another writer was first with: nothing was written, decide again. `Busy`: the queue is full.
    /// `TooLate`: its deadline passed. `Unavailable`: the disk is full, the process is stopping or a server does not answer. `Unknown`: nobody knows yet.
    pub async fn commit(&self, set: ChangeSet, lane: Lane) -> Result<(), CommitError> {
        self.committer.commit(set, lane).await
    }

    /// Whether a batch was sent to a server that does not answer; commits are refused until it does.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.committer.is_away()
    }

    /// Opens the connection to a server anew, in the background: for whoever sees that nothing comes back on it.
    pub fn reopen(&self) {
        self.database.reopen();
    }

    /// Looks at the database's clock.
    ///
    /// # Errors
    /// As any read.
    pub async fn read_clock(&self) -> Result<ClockReading, StoreError> {
        self.database.read_clock().await
    }

    /// Waits while a change set of this process may still be committed whose caller has been told that nobody knows: what is read before may be overtaken by it unseen.
    pub async fn outcomes_known(&self) {
        self.committer.outcomes_known().await;
    }

    /// Waits until what is visible now is also on disk: the embedded engine shows a commit before its fsync, so a read that
    /// is served to a client waits for the batch in flight. Of a server nothing is waited for.
    pub async fn settled(&self) {
        self.committer.settled().await;
    }

    /// This process in the commit log, and its last batch that has been answered: its events, and those of all before, have been
    /// handed to the sink.
    #[must_use]
    pub fn position(&self) -> (NodeId, i64) {
        self.committer.position()
    }

    /// Resolves when a job was added, or given back, by this process: a hint, so that it need not wait until somebody looks.
    pub async fn job_added(&self) {
        self.committer.job_added().await;
    }

    /// Stops taking change sets, commits what is queued and closes the database.
    pub async fn close(&self) {
        self.committer.stop().await;
        self.database.close().await;
    }
}
