//! The one writer of this process: drains a queue, commits what is there as one transaction, publishes in commit order.
//!
//! While one batch is syncing the next gathers, but a batch is numbered only after the previous one has answered. Under light load a
//! batch is one change set at one commit's latency; under heavy load the fsync and the per-statement cost are shared. What
//! happens when a batch fails is in `resolve`.

mod flight;
mod resolve;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use latchkey_protocol::Seq;
use surrealdb::types::{Error as SurrealError, SurrealValue, Uuid, Variables};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use self::flight::Flight;
use super::change_set::{ChangeSet, MAX_RECORDS, StoredEvent};
use super::database::{Database, ROOM_CHECK, variables};
use super::error::{CommitError, StoreError};
use super::heads::Heads;
use crate::clock::Clock;
use crate::domain::Write;
use crate::domain::job::JobState;
use crate::domain::retention::NodeId;
use crate::entropy;

/// Receives what was committed, in commit order: every event exactly once per process.
pub trait EventSink: Send + Sync + 'static {
    /// Events of one batch. The committer waits for it: it may hold commits up when nobody takes events any more, but must
    /// not do the work of pushing them.
    fn publish(&self, events: Vec<StoredEvent>) -> BoxFuture<'_, ()>;
}

/// Runs a `BEGIN … COMMIT` text. The database does; a test stands between to make it fail.
pub trait Transact: Send + Sync + 'static {
    /// The errors of the statements, by index; none if all went well. An `Err` is a failure of the whole call.
    fn transact(&self, text: String, variables: Variables) -> BoxFuture<'_, Result<Vec<(usize, SurrealError)>, SurrealError>>;
}

/// How an unknown outcome is resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// By stopping the process: reopening the folder recovers what was committed.
    Embedded,
    /// By sending the identical batch again until the server answers; other processes may be at it.
    Remote,
}

/// Which part of the queue a change set may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// What users ask for.
    Normal,
    /// Webhooks, expiry, jobs: room is reserved for them, so that load cannot keep leases alive or money unrecorded.
    Reserved,
}

/// Bounds of the committer, and what it does when it cannot go on.
#[derive(Clone)]
pub struct CommitterLimits {
    /// Change sets that may wait in the normal lane.
    pub queue: usize,
    /// Change sets that may wait besides, in the reserved lane.
    pub reserved: usize,
    /// Records in one batch, about; a single larger change set is a batch of its own.
    pub batch_records: usize,
    /// Stands between the committer and the database; tests make commits fail here.
    pub transact: Option<Arc<dyn Transact>>,
    /// What the database is taken for; tests take an embedded one for a server.
    pub storage: Option<Storage>,
    /// Called when nothing can be committed any more: an outcome is unknown and stays so, the others take this process for gone, or the committer
    /// itself fails. The default stops the process.
    pub on_end: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for CommitterLimits {
    fn default() -> Self {
        Self { queue: 4_096, reserved: 512, batch_records: 500, transact: None, storage: None, on_end: Arc::new(stop_process) }
    }
}

/// How long a caller waits for a server.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// Exit status when nothing can be committed any more (EX_IOERR of sysexits.h): a supervisor starts the process again, which recovers.
const EXIT_CANNOT_COMMIT: i32 = 74;

fn stop_process(reason: &str) {
    tracing::error!(reason, "nothing can be committed any more: stopping, a restart recovers what is on disk");
    std::process::exit(EXIT_CANNOT_COMMIT);
}

struct Request {
    set: ChangeSet,
    reply: oneshot::Sender<Result<(), CommitError>>,
    _permit: OwnedSemaphorePermit,
}

/// The handle to the committer's task.
pub(super) struct Committer {
    queue: mpsc::Sender<Request>,
    pub(super) normal: Arc<Semaphore>,
    pub(super) reserved: Arc<Semaphore>,
    node: Uuid,
    jobs: Arc<Notify>,
    flight: watch::Receiver<Flight>,
    /// A batch was sent to a server that does not answer.
    is_away: Arc<AtomicBool>,
    /// The last round with a change set whose caller did not wait for the end: it may be committed until that round is done.
    doubted_round: AtomicI64,
    storage: Storage,
    done: watch::Receiver<bool>,
    stop: watch::Sender<bool>,
}

/// The task's state.
struct Worker {
    database: Arc<Database>,
    transact: Arc<dyn Transact>,
    storage: Storage,
    clock: Arc<dyn Clock>,
    sink: Arc<dyn EventSink>,
    limits: CommitterLimits,
    node: Uuid,
    next_number: i64,
    heads: Heads,
    flight: watch::Sender<Flight>,
    /// Told of jobs that wait.
    jobs: Arc<Notify>,
    room: Room,
    is_away: Arc<AtomicBool>,
}

/// Whether there was room on the disk when last looked.
struct Room {
    checked: Option<Instant>,
    enough: bool,
}

impl Committer {
    pub(super) async fn start(
        database: Arc<Database>,
        storage: Storage,
        clock: Arc<dyn Clock>,
        sink: Arc<dyn EventSink>,
        limits: CommitterLimits,
    ) -> Result<Self, StoreError> {
        // A fresh id per process: a commit log is never continued by another one.
        let node: Uuid = uuid::Uuid::from_bytes(entropy::fresh_id(clock.now())).into();
        let is_shared = (storage == Storage::Remote).then_some(true);
        let started = variables([("node", node.into_value()), ("at", clock.now().into_value()), ("shared", is_shared.into_value())]);
        database.query("CREATE type::record('node', $node) SET started_at = $at, seen_at = time::millis(time::now()), shared = $shared RETURN NONE", started).await?.check()?;
        let (queue, requests) = mpsc::channel(limits.queue + limits.reserved);
        let (flight, in_flight) = watch::channel(Flight::default());
        let (stop, stopping) = watch::channel(false);
        let (finished, done) = watch::channel(false);
        let (normal, reserved) = (Arc::new(Semaphore::new(limits.queue)), Arc::new(Semaphore::new(limits.reserved)));
        let (jobs, is_away) = (Arc::<Notify>::default(), Arc::<AtomicBool>::default());
        let worker = Worker {
            transact: limits.transact.clone().unwrap_or_else(|| Arc::clone(&database) as Arc<dyn Transact>),
            database: Arc::clone(&database),
            storage,
            clock,
            sink,
            limits,
            node,
            next_number: 1,
            heads: Heads::default(),
            flight,
            jobs: Arc::clone(&jobs),
            room: Room { checked: None, enough: true },
            is_away: Arc::clone(&is_away),
        };
        let (runtime, on_end) = (database.runtime().clone(), Arc::clone(&worker.limits.on_end));
        let task = runtime.spawn(worker.run(requests, stopping));
        runtime.spawn(async move {
            if let Err(panic) = task.await {
                on_end(&format!("the committer failed: {panic}"));
            }
            let _ = finished.send(true);
        });
        Ok(Self { queue, normal, reserved, node, jobs, flight: in_flight, is_away, doubted_round: AtomicI64::new(0), storage, done, stop })
    }

    pub(super) async fn commit(&self, set: ChangeSet, lane: Lane) -> Result<(), CommitError> {
        if !set.is_guarded() {
            return Err(CommitError::Refused("replaces or deletes without a guarded append".to_owned()));
        }
        if set.record_count() > MAX_RECORDS {
            return Err(CommitError::Refused(format!("a change set of {} records", set.record_count())));
        }
        let lane = match lane {
            Lane::Normal => &self.normal,
            Lane::Reserved => &self.reserved,
        };
        if self.is_away() {
            return Err(CommitError::Unavailable("the database does not answer"));
        }
        let permit = Arc::clone(lane).try_acquire_owned().map_err(|_| CommitError::Busy)?;
        let (reply, mut answer) = oneshot::channel();
        // The permits bound the queue, so there is room for whoever has one.
        self.queue.send(Request { set, reply, _permit: permit }).await.map_err(|_| CommitError::Unavailable("stopping"))?;
        let answer = match self.storage {
            Storage::Embedded => answer.await,
            // It is committed when the server is there again, or refused then, being late. Who asked is told that nobody knows yet.
            Storage::Remote => match tokio::time::timeout(ANSWER_WITHIN, &mut answer).await {
                Ok(answer) => answer,
                Err(_) => return self.give_up(answer),
            },
        };
        answer.unwrap_or(Err(CommitError::Unknown))
    }

    /// Whether a batch was sent to a server that does not answer: nothing else is taken until it does.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// This process, in the log of batches.
    pub(super) fn node(&self) -> NodeId {
        *uuid::Uuid::from(self.node).as_bytes()
    }

    pub(super) async fn job_added(&self) {
        self.jobs.notified().await;
    }

    pub(super) async fn stop(&self) {
        let _ = self.stop.send(true);
        let mut done = self.done.clone();
        let ended = done.wait_for(|done| *done);
        match self.storage {
            Storage::Embedded => drop(ended.await),
            // A server that does not answer must not keep this process from ending: what is under way is known by its log.
            Storage::Remote => drop(tokio::time::timeout(ANSWER_WITHIN, ended).await),
        }
    }
}

impl Worker {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>, mut stopping: watch::Receiver<bool>) {
        loop {
            let first = tokio::select! {
                biased;
                request = requests.recv() => request,
                () = asked_to_stop(&mut stopping) => {
                    // What was queued before is still committed; nobody can queue more.
                    requests.close();
                    requests.recv().await
                }
            };
            let Some(first) = first else { break };
            let mut records = first.set.record_count();
            let mut batch = vec![first];
            while records < self.limits.batch_records {
                let Ok(request) = requests.try_recv() else { break };
                records += request.set.record_count();
                batch.push(request);
            }
            self.flight.send_modify(|flight| flight.rounds += 1);
            self.leave_abandoned(&mut batch);
            metrics::histogram!("latchkey_commit_batch_sets").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            if self.has_room() {
                self.commit_batch(batch).await;
            } else {
                for request in batch {
                    let _ = request.reply.send(Err(CommitError::Unavailable("no room on the disk")));
                }
            }
            self.flight.send_modify(|flight| flight.rounds_done = flight.rounds);
        }
        if self.storage == Storage::Remote {
            self.end_log().await;
        }
    }

    /// Whoever waited for too long at a server has been told that nobody knows: better that it is not done.
    fn leave_abandoned(&self, batch: &mut Vec<Request>) {
        if self.storage == Storage::Remote {
            batch.retain(|request| !request.reply.is_closed());
        }
    }

    /// Tells the other nodes that they need not look into this process's log any more. If that fails they find out after a while.
    async fn end_log(&self) {
        let text = "UPDATE type::record('node', $node) SET ended = true RETURN NONE";
        let ended = self.database.query(text, variables([("node", self.node.into_value())])).await.and_then(|answers| Ok(answers.check()?));
        if let Err(error) = ended {
            tracing::warn!(%error, "the other nodes could not be told that this one ends");
        }
    }

    #[allow(clippy::disallowed_methods, reason = "paces a look at the disk, decides nothing of the business")]
    fn has_room(&mut self) -> bool {
        if self.room.checked.is_none_or(|checked| checked.elapsed() >= ROOM_CHECK) {
            self.room = Room { checked: Some(Instant::now()), enough: self.database.has_room() };
        }
        self.room.enough
    }

    /// Answers a batch that is on disk: heads, subscribers, then the callers.
    async fn committed(&mut self, batch: Vec<Request>, events: Vec<Vec<StoredEvent>>) {
        for event in events.iter().flatten() {
            if is_free(event) {
                self.heads.set(event.topic, event.seq);
            }
        }
        let published: Vec<StoredEvent> = events.into_iter().flatten().collect();
        if !published.is_empty() {
            self.sink.publish(published).await;
        }
        if batch.iter().any(|request| request.set.writes.iter().any(is_job_waiting)) {
            self.jobs.notify_one();
        }
        for request in batch {
            // A caller that has gone away is told nothing; its change is on disk all the same.
            let _ = request.reply.send(Ok(()));
        }
    }

    /// Numbers the events of free topics after their heads; those of guarded topics are numbered already.
    async fn number(&mut self, batch: &[Request]) -> Result<Vec<Vec<StoredEvent>>, StoreError> {
        let mut next: std::collections::HashMap<latchkey_protocol::Topic, Seq> = std::collections::HashMap::new();
        let mut numbered = Vec::with_capacity(batch.len());
        for request in batch {
            let mut events = Vec::with_capacity(request.set.events.len());
            for event in &request.set.events {
                let seq = match (event.seq, next.get(&event.topic)) {
                    (Some(seq), _) => seq,
                    (None, Some(seq)) => seq + 1,
                    (None, None) => self.heads.head(&self.database, event.topic).await? + 1,
                };
                if event.seq.is_none() {
                    next.insert(event.topic, seq);
                }
                events.push(StoredEvent {
                    topic: event.topic,
                    seq,
                    at: event.at.epoch_ms(),
                    kind: event.kind.into(),
                    data: Arc::clone(&event.data),
                });
            }
            numbered.push(events);
        }
        Ok(numbered)
    }
}

/// Waits for the order to stop, or for nobody being left to give it.
async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Whether it leaves work for whoever runs jobs.
const fn is_job_waiting(write: &Write) -> bool {
    match write {
        Write::AddJob(job) | Write::SetJob(job) => matches!(job.state, JobState::Waiting { .. }),
        _ => false,
    }
}

/// Whether the committer numbers the event's topic.
const fn is_free(event: &StoredEvent) -> bool {
    match event.topic {
        latchkey_protocol::Topic::User(_) => true,
        latchkey_protocol::Topic::Property(_) | latchkey_protocol::Topic::Booking(_) => false,
    }
}
