//! Jobs: those that are due, one, and pages for an admin.

use surrealdb::types::{SurrealValue, Value};

use crate::domain::job::{Job, JobId, Work};
use crate::domain::retention::Sweep;
use crate::domain::{JobKind, Timestamp};
use crate::store::database::variables;
use crate::store::rows::{JobRow, job_record};
use crate::store::{Store, StoreError};

/// Jobs of one kind that this version does not understand and that hold up no others.
const MAX_UNREADABLE: usize = 32;

/// The jobs that this version understands; a newer one's must not hold up the rest.
fn readable(rows: Vec<JobRow>) -> Vec<Job> {
    let job = |row| Job::try_from(row).map_err(|error| tracing::error!(%error, "a job cannot be read and is passed over")).ok();
    rows.into_iter().filter_map(job).collect()
}

impl Store {
    /// Jobs of one kind of work that are due at `now`, the longest due first, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn jobs_due(&self, work: Work, now: Timestamp, limit: usize) -> Result<Vec<Job>, StoreError> {
        let bounds = variables([
            ("kind", work.name().into_value()),
            ("now", now.epoch_ms().into_value()),
            ("limit", i64::try_from(limit + MAX_UNREADABLE).unwrap_or(i64::MAX).into_value()),
        ]);
        let text = "SELECT * FROM job WHERE kind = $kind AND due <= $now ORDER BY due LIMIT $limit";
        let mut jobs = readable(self.database().read(text, bounds).await?);
        jobs.truncate(limit);
        Ok(jobs)
    }

    /// A job.
    ///
    /// # Errors
    /// As any read.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        self.one::<JobRow, _>(job_record(id)).await
    }

    /// Jobs in a state, or in any, in the order of their names, after `after`. Reads the whole table: for an admin.
    ///
    /// # Errors
    /// As any read.
    pub async fn jobs(&self, state: Option<&str>, after: Option<&JobId>, limit: u16) -> Result<Vec<Job>, StoreError> {
        let text = "SELECT * FROM job WHERE ($state = NONE OR state = $state) AND ($after = NONE OR id > $after) ORDER BY id LIMIT $limit";
        let bounds = variables([
            ("state", state.map_or(Value::None, SurrealValue::into_value)),
            ("after", after.map_or(Value::None, |id| job_record(id).into_value())),
            ("limit", i64::from(limit).into_value()),
        ]);
        let rows: Vec<JobRow> = self.database().read(text, bounds).await?;
        self.settled().await;
        Ok(readable(rows))
    }

    /// Since when there may be live leases: the sweep of holds never goes past one.
    ///
    /// # Errors
    /// As any read.
    pub async fn oldest_lease(&self) -> Result<Timestamp, StoreError> {
        let sweep = Job::sweep(Sweep::Holds(None), Timestamp::from_epoch_ms(0)).id;
        Ok(match self.job(&sweep).await?.map(|job| job.kind) {
            Some(JobKind::Sweep(Sweep::Holds(Some(walk)))) => walk.from,
            _ => Timestamp::from_epoch_ms(0),
        })
    }
}
