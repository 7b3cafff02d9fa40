//! Jobs: those that are due, one, and pages for an admin.

use surrealdb::types::{SurrealValue, Value};

use crate::domain::job::{Job, JobId, Work};
use crate::domain::retention::Sweep;
use crate::domain::{JobKind, Timestamp};
use crate::store::database::variables;
use crate::store::rows::{JobRow, job_record};
use crate::store::{Store, StoreError};

impl Store {
    /// Jobs of one kind of work that are due at `now`, the longest due first, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn jobs_due(&self, work: Work, now: Timestamp, limit: usize) -> Result<Vec<Job>, StoreError> {
        let bounds = variables([
            ("kind", work.name().into_value()),
            ("now", now.epoch_ms().into_value()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value()),
        ]);
        let text = "SELECT * FROM job WHERE kind = $kind AND due <= $now ORDER BY due LIMIT $limit";
        let rows: Vec<JobRow> = self.database().read(text, bounds).await?;
        rows.into_iter().map(Job::try_from).collect()
    }

    /// A job.
    ///
    /// # Errors
    /// As any read.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        let row: Option<JobRow> = self.database().read("SELECT * FROM ONLY $id", variables([("id", job_record(id).into_value())])).await?;
        self.settled().await;
        row.map(Job::try_from).transpose()
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
        rows.into_iter().map(Job::try_from).collect()
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
