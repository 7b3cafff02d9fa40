//! Jobs: those that are due, one, and pages for an admin.

use surrealdb::types::SurrealValue;

use crate::domain::job::{Job, JobId, JobState, Work};
use crate::domain::retention::Sweep;
use crate::domain::{JobKind, Timestamp};
use crate::store::database::variables;
use crate::store::rows::{JobRow, job_record};
use crate::store::{Store, StoreError};

/// Jobs of one kind that this version does not understand and that hold up no others.
const MAX_UNREADABLE: usize = 32;

/// A page of an admin's list, in the state that a variable of its own name is bound to. So many entries of the index are read, however long the
/// table is: LIMIT is pushed into a scan of an index that has the order asked for; not into one of ids, and not within a closure.
pub(in crate::store) fn page_in(state: &'static str) -> String {
    format!("SELECT * FROM job WHERE kind = $kind AND state = ${state} AND key > $after ORDER BY key LIMIT $limit")
}

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

    /// Jobs in a state, or in any, in the order of their names, after `after`.
    ///
    /// # Errors
    /// As any read.
    pub async fn jobs(&self, state: Option<&str>, after: Option<&JobId>, limit: u16) -> Result<Vec<Job>, StoreError> {
        let limit = usize::from(limit);
        let mut works = Work::ALL;
        works.sort_unstable_by_key(|work| work.name());
        let mut found = Vec::new();
        for work in works.into_iter().filter(|work| after.is_none_or(|after| after.work.name() <= work.name())) {
            let mut after = after.filter(|after| after.work == work).map_or_else(String::new, |after| after.key.clone());
            // What cannot be read leaves a page short, which would look like the last one.
            while found.len() < limit {
                let missing = limit - found.len();
                let rows = self.page_of_jobs(work, state, &after, missing).await?;
                let is_last = rows.len() < missing;
                after = rows.last().map_or(after, |row| row.key().to_owned());
                found.extend(readable(rows));
                if is_last {
                    break;
                }
            }
        }
        self.settled().await;
        Ok(found)
    }

    /// Rows of one kind in the order of their keys, of one instant: a job that changes its state meanwhile is in one of them.
    async fn page_of_jobs(&self, work: Work, state: Option<&str>, after: &str, limit: usize) -> Result<Vec<JobRow>, StoreError> {
        let states: Vec<&'static str> = JobState::NAMES.into_iter().filter(|name| state.is_none_or(|state| state == *name)).collect();
        let mut bounds = variables([
            ("kind", work.name().into_value()),
            ("after", after.into_value()),
            ("limit", i64::try_from(limit).unwrap_or(i64::MAX).into_value()),
        ]);
        let mut text = String::from("BEGIN");
        for state in &states {
            bounds.insert(*state, *state);
            text = text + "; " + &page_in(state);
        }
        let mut answers = self.database().query(&(text + "; COMMIT"), bounds).await?.check()?;
        let mut rows: Vec<JobRow> = Vec::new();
        for number in 1..=states.len() {
            // BEGIN has a result, too.
            rows.extend(answers.take::<Vec<JobRow>>(number)?);
        }
        rows.sort_unstable_by(|one, other| one.key().cmp(other.key()));
        rows.truncate(limit);
        Ok(rows)
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
