//! Work for later, as rows: leasing what is due, recording how a run went, and what an admin may see and do.
//!
//! Each of these is one change set that compares the job's epoch, so of several workers, here or on other nodes, one gets a job, and only
//! the holder of its newest lease records a result. `crate::job` runs what is leased here.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::join_all;
use latchkey_protocol::view;

use super::roles::Roles;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
pub use crate::domain::job::JobId;
use crate::domain::job::{Job, JobState, Run, Work};
use crate::domain::retention::Sweep;
use crate::domain::{Timestamp, Write};
use crate::entropy;
use crate::store::{ChangeSet, CommitError, Lane, Store};

/// How long a worker has a job to itself, in milliseconds: longer than any run may take.
pub const LEASE_MS: i64 = 5 * 60_000;

/// The state of a job that is leased, by name.
const RUNNING: &str = "running";

/// Jobs of one process that was killed: it has places for ten.
const MAX_ORPHANS: u16 = 100;

/// How often an admin's command is decided again because a worker was first.
const MAX_DECISIONS: u32 = 5;

/// Work for later.
pub struct Jobs {
    store: Arc<Store>,
    roles: Roles,
    clock: Arc<dyn Clock>,
}

impl Jobs {
    /// Of this store.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Self { roles: Roles::new(Arc::clone(&store)), store, clock }
    }

    /// At start: makes the recurring jobs that are not there yet, and takes up those that the process before was at when it was killed, if
    /// nobody else can be at them.
    ///
    /// # Errors
    /// `Unavailable` if nothing can be read or written.
    pub async fn restore(&self) -> Result<(), ServiceError> {
        let now = self.now();
        let writes = Sweep::recurring().map(|sweep| Write::EnsureJob(Job::sweep(sweep, now)));
        self.commit(writes.into()).await?;
        if self.store.is_alone() {
            let orphans = self.store.jobs(Some(RUNNING), None, MAX_ORPHANS).await?;
            if !orphans.is_empty() {
                self.commit(orphans.into_iter().map(|job| Write::SetJob(job.orphaned(now))).collect()).await?;
            }
        }
        Ok(())
    }

    /// Leases jobs of one kind that are due, at most `limit`, but none of `except`, which this process is at.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn lease(&self, work: Work, limit: usize, except: &HashSet<JobId>) -> Result<Vec<Job>, ServiceError> {
        let now = self.now();
        let due = self.store.jobs_due(work, now, limit + except.len()).await?;
        let oldest = due.iter().filter(|job| !except.contains(&job.id)).find_map(|job| job.state.due_at());
        let age_ms = oldest.map_or(0, |due_at| now.epoch_ms() - due_at.epoch_ms());
        metrics::gauge!("latchkey_job_queue_age_seconds", "kind" => work.name()).set(age_ms as f64 / 1_000.0);
        let ready = due.into_iter().filter(|job| !except.contains(&job.id)).filter_map(|job| job.lease(LEASE_MS, now)).take(limit);
        let leasing = ready.map(|job| async move {
            match self.commit(vec![Write::SetJob(job.clone())]).await {
                Ok(()) => Some(job),
                // Another worker has it.
                Err(CommitError::Contended(_)) => None,
                Err(error) => {
                    tracing::warn!(job = %job.id, %error, "a job could not be leased");
                    None
                }
            }
        });
        Ok(join_all(leasing).await.into_iter().flatten().collect())
    }

    /// Records how a run of a leased job went. One whose lease was taken over, or that was ended by its own result, is left alone.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: not recorded; the job is run again when its lease is over.
    pub async fn record(&self, job: Job, run: Run) -> Result<(), ServiceError> {
        let (id, epoch, work) = (job.id.clone(), job.epoch, job.id.work);
        let failure = match &run {
            Run::Failed(failure) => Some(failure.reason.clone()),
            Run::Done | Run::Again { .. } => None,
        };
        let next = job.after(run, self.now(), entropy::jitter(u64::MAX));
        let outcome = match &next {
            Some(job) if matches!(job.state, JobState::Dead { .. }) => "dead",
            Some(_) if failure.is_some() => "failed",
            Some(_) | None => "done",
        };
        if let (Some(reason), Some(job)) = (failure, &next) {
            tracing::warn!(job = %id, reason, attempts = job.attempts, outcome, "a job failed");
        }
        let write = next.map_or_else(|| Write::RemoveJob(id.clone(), epoch), Write::SetJob);
        match self.commit(vec![write]).await {
            Ok(()) => {}
            Err(CommitError::Contended(_)) => tracing::debug!(job = %id, "somebody else has ended, renewed or taken over this job"),
            Err(error) => return Err(error.into()),
        }
        metrics::counter!("latchkey_jobs", "kind" => work.name(), "outcome" => outcome).increment(1);
        Ok(())
    }

    /// Gives back a leased job that was not run to its end.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub async fn give_back(&self, job: Job) -> Result<(), ServiceError> {
        let now = self.now();
        match self.commit(vec![Write::SetJob(job.give_back(now))]).await {
            Ok(()) | Err(CommitError::Contended(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Resolves when this process has added a job.
    pub async fn added(&self) {
        self.store.job_added().await;
    }

    /// Jobs, in the order of their names, after `after`. For admins, like the two below.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn list(
        &self,
        caller: &Caller,
        state: Option<view::JobState>,
        after: Option<&JobId>,
        limit: u16,
    ) -> Result<Vec<view::Job>, ServiceError> {
        self.roles.require_admin(caller).await?;
        let state = state.map(|state| match state {
            view::JobState::Waiting => "waiting",
            view::JobState::Running => RUNNING,
            view::JobState::Dead => "dead",
        });
        Ok(self.store.jobs(state, after, limit).await?.iter().map(wire::job).collect())
    }

    /// Has a job run now, from its first try on.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `InvalidState` while it runs.
    pub async fn retry(&self, caller: &Caller, id: &JobId) -> Result<view::Job, ServiceError> {
        self.roles.require_admin(caller).await?;
        for _ in 0..MAX_DECISIONS {
            let job = self.find(id).await?.retry(self.now())?;
            let retried = wire::job(&job);
            match self.commit(vec![Write::SetJob(job)]).await {
                Ok(()) => return Ok(retried),
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// Throws a job away.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `InvalidState` while it runs, and for a refund or a sweep.
    pub async fn discard(&self, caller: &Caller, id: &JobId) -> Result<(), ServiceError> {
        self.roles.require_admin(caller).await?;
        for _ in 0..MAX_DECISIONS {
            let job = self.find(id).await?;
            job.discard()?;
            match self.commit(vec![Write::RemoveJob(job.id, job.epoch)]).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    async fn find(&self, id: &JobId) -> Result<Job, ServiceError> {
        self.store.job(id).await?.ok_or(ServiceError::NotFound("job"))
    }

    async fn commit(&self, writes: Vec<Write>) -> Result<(), CommitError> {
        self.store.commit(ChangeSet { writes, ..ChangeSet::default() }, Lane::Reserved).await
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}
