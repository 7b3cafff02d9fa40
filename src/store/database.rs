//! The connection: embedded engine or remote server, on threads of its own, with its memory capped.

mod link;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use latchkey_protocol::EpochMs;
use surrealdb::Surreal;
use surrealdb::engine::local::Db;
use surrealdb::types::{Error as SurrealError, Object, SurrealValue, Value, Variables};
use surrealdb_cnf::ConfigMap;
use surrealdb_engine_local::Datastore;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use self::link::Link;
use super::committer::{Storage, Transact};
use super::error::StoreError;
use super::meter::count_read;

const NAMESPACE: &str = "latchkey";

/// Threads that the database's work runs on.
const WORKERS: usize = 2;

/// SurrealDB's query executor recurses; its documentation asks for this much.
const STACK_BYTES: usize = 10 * 1024 * 1024;

/// How long a server is waited for: one that was paused, or is behind a network that swallows everything, says nothing.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The same, for what reads a whole table or defines one.
const SCAN_WITHIN: Duration = Duration::from_mins(10);

/// How often a start is tried that collides with another node's.
pub(super) const MAX_TRIES: u32 = 8;

/// Where the data is.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `surrealkv://DIR` (embedded, on disk), `mem://` (embedded, gone at exit), `ws://HOST:PORT` (a SurrealDB server).
    pub url: String,
    /// Which database in the namespace `latchkey`.
    pub name: String,
    /// User and password for a server.
    pub credentials: Option<(String, String)>,
    /// Bounds on the embedded engine's memory.
    pub caps: MemoryCaps,
    /// Below this many free bytes on the data folder's disk, nothing is written any more.
    pub min_free_bytes: u64,
}

#[cfg(test)]
impl DatabaseConfig {
    /// One that is gone when it is dropped.
    pub(crate) fn in_memory() -> Self {
        let url = "mem://".to_owned();
        Self { url, name: "test".to_owned(), credentials: None, caps: MemoryCaps::default(), min_free_bytes: 0 }
    }
}

/// Bounds on the embedded engine's memory: left alone it takes half of the machine's.
#[derive(Debug, Clone, Copy)]
pub struct MemoryCaps {
    /// Cache of blocks read from disk, in bytes.
    pub block_cache_bytes: u64,
    /// Table of recent writes before it is flushed, in bytes; also the largest transaction.
    pub memtable_bytes: u64,
}

impl Default for MemoryCaps {
    fn default() -> Self {
        Self { block_cache_bytes: 128 * 1024 * 1024, memtable_bytes: 64 * 1024 * 1024 }
    }
}

enum Handle {
    Embedded(Surreal<Db>, Arc<Datastore>),
    Remote(Link),
}

/// An open database. Cheap to share as `Arc`; never cloned, since a clone of the client opens a new session.
pub struct Database {
    /// Taken only when this is dropped, on the runtime: the engine spawns its last task as it goes.
    handle: Option<Arc<Handle>>,
    runtime: Mutex<Option<Runtime>>,
    on_runtime: tokio::runtime::Handle,
    data_dir: Option<PathBuf>,
    min_free_bytes: u64,
}

/// What the database's clock said.
#[derive(Debug, Clone, Copy)]
pub struct ClockReading {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub epoch_ms: EpochMs,
    /// When, give or take half of what it took.
    pub at: std::time::Instant,
    /// How long it took to hear it.
    pub taken: Duration,
}

/// The answers of a query's statements, by index.
pub(super) type Answers = surrealdb::IndexedResults;

impl Database {
    /// Opens it.
    ///
    /// # Errors
    /// `Unavailable` with the reason.
    pub async fn open(config: &DatabaseConfig) -> Result<Self, StoreError> {
        let data_dir = config.url.strip_prefix("surrealkv://").map(PathBuf::from);
        if let Some(dir) = &data_dir {
            prepare_folder(dir, config.min_free_bytes)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("database")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let on_runtime = runtime.handle().clone();
        let opening = config.clone();
        let opened = on_runtime.spawn(async move { connect(&opening).await }).await;
        let failure = match opened {
            Ok(Ok(handle)) => {
                return Ok(Self {
                    handle: Some(Arc::new(handle)),
                    runtime: Mutex::new(Some(runtime)),
                    on_runtime,
                    data_dir,
                    min_free_bytes: config.min_free_bytes,
                });
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        // A runtime must not be dropped on a thread that runs tasks.
        runtime.shutdown_background();
        Err(StoreError::Unavailable(format!("cannot open {}: {failure}", config.url)))
    }

    /// The runtime that database work runs on.
    pub(super) const fn runtime(&self) -> &tokio::runtime::Handle {
        &self.on_runtime
    }

    fn handle(&self) -> Arc<Handle> {
        Arc::clone(self.handle.as_ref().expect("taken only when this is dropped"))
    }

    /// How an unknown outcome is resolved here.
    #[must_use]
    pub fn storage(&self) -> Storage {
        match self.handle().as_ref() {
            Handle::Embedded(..) => Storage::Embedded,
            Handle::Remote(_) => Storage::Remote,
        }
    }

    /// Runs a text of statements to its end, on the database's threads: dropping the returned future aborts nothing. A server that does not
    /// answer in time is given up.
    pub(super) async fn query(&self, text: impl Into<String>, variables: Variables) -> Result<Answers, StoreError> {
        self.ask(text.into(), variables, ANSWER_WITHIN).await
    }

    /// The same, for what may take long: a scan of a table, a definition.
    pub(super) async fn query_patiently(&self, text: impl Into<String>, variables: Variables) -> Result<Answers, StoreError> {
        self.ask(text.into(), variables, SCAN_WITHIN).await
    }

    async fn ask(&self, text: String, variables: Variables, within: Duration) -> Result<Answers, StoreError> {
        let handle = self.handle();
        count_read(&text);
        let answers = self.on_runtime.spawn(async move { run(&handle, text, variables, within).await }).await;
        Ok(answers.map_err(|error| StoreError::Unavailable(error.to_string()))??)
    }

    /// Runs one statement and converts its answer.
    pub(super) async fn read<T: SurrealValue>(&self, text: &str, variables: Variables) -> Result<T, StoreError> {
        only(self.query(text, variables).await?)
    }

    /// The same, of a statement that reads a whole table.
    pub(super) async fn scan<T: SurrealValue>(&self, text: &str, variables: Variables) -> Result<T, StoreError> {
        only(self.query_patiently(text, variables).await?)
    }

    /// Whether there is room to write, by the configured margin.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.is_free(self.min_free_bytes)
    }

    /// Whether there is room for files beside the database: they are refused long before commits are.
    #[must_use]
    pub fn has_room_for_files(&self) -> bool {
        self.is_free(self.min_free_bytes.saturating_mul(FILES_MARGIN))
    }

    fn is_free(&self, bytes: u64) -> bool {
        self.data_dir.as_ref().is_none_or(|dir| free_bytes(dir).is_none_or(|free| free >= bytes))
    }

    /// Opens the connection to a server anew, in the background; what is under way stays on the old one. An embedded engine has none.
    pub(super) fn reopen(&self) {
        let handle = self.handle();
        self.on_runtime.spawn(async move {
            if let Handle::Remote(link) = handle.as_ref() {
                link.reopen().await;
            }
        });
    }

    /// Looks at its clock.
    pub(super) async fn read_clock(&self) -> Result<ClockReading, StoreError> {
        let asked = Instant::now();
        let epoch_ms = self.read("RETURN time::millis(time::now())", variables([])).await?;
        let taken = asked.elapsed();
        Ok(ClockReading { epoch_ms, at: (asked + taken / 2).into_std(), taken })
    }

    /// Flushes and closes an embedded engine, so that its folder can be opened again.
    pub async fn close(&self) {
        if let Handle::Embedded(_, datastore) = self.handle().as_ref() {
            let datastore = Arc::clone(datastore);
            let closed = self.on_runtime.spawn(async move { datastore.shutdown().await }).await;
            if let Ok(Err(error)) = closed {
                tracing::error!(%error, "database did not close cleanly");
            }
        }
        let runtime = self.runtime.lock().ok().and_then(|mut runtime| runtime.take());
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let inside = self.on_runtime.enter();
        drop(self.handle.take());
        drop(inside);
        // A runtime must not be dropped on a thread that runs tasks; shutting it down in the background may be.
        if let Some(runtime) = self.runtime.get_mut().ok().and_then(Option::take) {
            runtime.shutdown_background();
        }
    }
}

impl Transact for Database {
    fn transact(
        &self,
        text: String,
        variables: Variables,
    ) -> futures_util::future::BoxFuture<'_, Result<Vec<(usize, SurrealError)>, SurrealError>> {
        let handle = self.handle();
        let task = self.on_runtime.spawn(async move {
            let mut answers = run(&handle, text, variables, ANSWER_WITHIN).await?;
            let mut errors: Vec<_> = answers.take_errors().into_iter().collect();
            errors.sort_unstable_by_key(|(index, _)| *index);
            Ok(errors)
        });
        Box::pin(async move { task.await.unwrap_or_else(|error| Err(SurrealError::internal(error.to_string()))) })
    }
}

async fn run(handle: &Handle, text: String, variables: Variables, within: Duration) -> Result<Answers, SurrealError> {
    match handle {
        Handle::Embedded(client, _) => client.query(text).bind(variables).await,
        Handle::Remote(link) => link.query(text, variables, within).await,
    }
}

fn only<T: SurrealValue>(answers: Answers) -> Result<T, StoreError> {
    let value: Value = answers.check()?.take(0)?;
    T::from_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))
}

async fn connect(config: &DatabaseConfig) -> Result<Handle, SurrealError> {
    if config.url.starts_with("surrealkv://") || config.url.starts_with("mem://") {
        let internal = |error: &dyn std::fmt::Display| SurrealError::internal(error.to_string());
        let datastore = open_datastore(config).await.map_err(|error| internal(&error))?;
        let client = Surreal::<Db>::unstable_from_datastore(Arc::clone(&datastore), None).await?;
        // The embedded engine is ours alone: it has no users, and the handle is its owner.
        client.use_ns(NAMESPACE).use_db(config.name.as_str()).await?;
        return Ok(Handle::Embedded(client, datastore));
    }
    Ok(Handle::Remote(Link::open(config.clone()).await?))
}

/// Opens the engine as `surrealdb::connect` does, but with a configuration that reaches it: the client ignores the
/// engine's memory settings.
async fn open_datastore(config: &DatabaseConfig) -> anyhow::Result<Arc<Datastore>> {
    let caps = config.caps;
    let settings = ConfigMap::empty()
        .with_key_value("datastore_sync", "every")
        .with_key_value("surrealkv_block_cache_capacity", caps.block_cache_bytes.to_string())
        .with_key_value("surrealkv_max_memtable_size", caps.memtable_bytes.to_string());
    let url = config.url.strip_prefix("mem://").map_or(config.url.as_str(), |_| "memory");
    let datastore = Datastore::builder().with_config(settings).without_maintenance_tasks().build_with_path(url).await?;
    // Maintenance writes, and a write before the version key makes a new folder look like an ancient one.
    datastore.check_version().await?;
    datastore.bootstrap().await?;
    datastore.start_maintenance_tasks();
    Ok(datastore)
}

/// Refuses a folder that cannot be written before the engine half-writes it.
fn prepare_folder(dir: &std::path::Path, min_free_bytes: u64) -> Result<(), StoreError> {
    let refuse = |what: &str, error: &dyn std::fmt::Display| StoreError::Unavailable(format!("{what} {}: {error}", dir.display()));
    std::fs::create_dir_all(dir).map_err(|error| refuse("cannot create the data folder", &error))?;
    let probe = dir.join(".writable");
    std::fs::write(&probe, b"latchkey").map_err(|error| refuse("cannot write to the data folder", &error))?;
    std::fs::remove_file(&probe).map_err(|error| refuse("cannot write to the data folder", &error))?;
    match free_bytes(dir) {
        Some(free) if free < min_free_bytes => {
            Err(refuse("no room in the data folder", &format!("{free} bytes free, {min_free_bytes} are required")))
        }
        _ => Ok(()),
    }
}

fn free_bytes(dir: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// How many times the margin of commits must be free for a file to be taken in.
const FILES_MARGIN: u64 = 4;

/// How often the committer looks whether there is room.
pub(super) const ROOM_CHECK: Duration = Duration::from_secs(1);

/// Variables from pairs.
pub(super) fn variables<const N: usize>(pairs: [(&str, Value); N]) -> Variables {
    let mut variables = Variables::new();
    for (name, value) in pairs {
        variables.insert(name, value);
    }
    variables
}

/// An object from pairs: a row to insert.
pub(super) fn row<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut object = Object::new();
    for (name, value) in fields {
        object.insert(name, value);
    }
    Value::Object(object)
}
