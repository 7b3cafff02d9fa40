//! Jobs: what is to be done as a small JSON text, so that a new kind of work needs no new columns.

use latchkey_protocol::{BookingId, NotificationKind, PaymentId, UserId};
use serde::{Deserialize, Serialize};
use surrealdb::types::{RecordId, SurrealValue};

use super::{array_record, narrow, unknown};
use crate::domain::Timestamp;
use crate::domain::job::{Job, JobId, JobKind, JobState, Mail, Work};
use crate::domain::retention::{IdWalk, LogPosition, Sweep};
use crate::store::error::StoreError;

/// When a dead job is due: never; a number that orders after every instant in the index.
const NEVER: i64 = (1 << 53) - 1;

/// `job:[kind, key]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct JobRow {
    id: RecordId,
    kind: String,
    key: String,
    payload: String,
    state: String,
    at: i64,
    due: i64,
    attempts: i64,
    version: i64,
    last_error: Option<String>,
    created_at: i64,
}

/// What is to be done, as it is stored: each kind has some of these.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Payload {
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<PaymentId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    booking: Option<BookingId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<String>,
    /// Instant and window of a walk, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    walk: Option<(i64, i64)>,
    /// Processes and the numbers in their logs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<(String, i64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<NotificationKind>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_last: bool,
}

impl JobRow {
    /// The part of its id that names it among those of its kind.
    pub(in crate::store) fn key(&self) -> &str {
        &self.key
    }
}

/// `job:[kind, key]`.
pub(in crate::store) fn job_record(id: &JobId) -> RecordId {
    array_record("job", [id.work.name().into_value(), id.key.as_str().into_value()])
}

impl From<&JobKind> for Payload {
    fn from(kind: &JobKind) -> Self {
        match kind {
            JobKind::Refund { payment } | JobKind::Capture { payment } | JobKind::Void { payment } => {
                Self { payment: Some(*payment), ..Self::default() }
            }
            JobKind::Mail(mail) => {
                let (notice, booking) = match mail {
                    Mail::Notification { kind, booking, .. } => (Some(*kind), Some(*booking)),
                    Mail::VerifyEmail { .. } | Mail::ResetPassword { .. } | Mail::PasswordChanged { .. } | Mail::EmailChanged { .. } => {
                        (None, None)
                    }
                };
                Self { mail: Some(mail.name().to_owned()), user: Some(mail.user()), notice, booking, ..Self::default() }
            }
            JobKind::Forget { user, is_last } => Self { user: Some(*user), is_last: *is_last, ..Self::default() },
            JobKind::Homes { host } => Self { user: Some(*host), ..Self::default() },
            JobKind::PayOut { booking } | JobKind::Advance { booking } | JobKind::PublishReviews { booking } => {
                Self { booking: Some(*booking), ..Self::default() }
            }
            JobKind::Sweep(sweep) => {
                let named = Self { sweep: Some(sweep.name().to_owned()), ..Self::default() };
                match sweep {
                    Sweep::Holds(walk) | Sweep::Sessions(walk) | Sweep::Audit(walk) | Sweep::Notifications(walk) => {
                        Self { walk: walk.map(|walk| (walk.from.epoch_ms(), walk.window_ms)), ..named }
                    }
                    Sweep::Tokens => named,
                    Sweep::Keys(log) | Sweep::Events(log) | Sweep::Log(log) => {
                        let text = |position: &LogPosition| (uuid::Uuid::from_bytes(position.node).to_string(), position.next);
                        Self { log: log.iter().map(text).collect(), ..named }
                    }
                    Sweep::Addresses(user) => Self { user: Some(*user), ..named },
                    Sweep::Unnamed { since } => Self { since: Some(since.epoch_ms()), ..named },
                }
            }
        }
    }
}

impl Payload {
    fn into_kind(self, work: Work) -> Option<JobKind> {
        match work {
            Work::Refund => Some(JobKind::Refund { payment: self.payment? }),
            Work::Capture => Some(JobKind::Capture { payment: self.payment? }),
            Work::Void => Some(JobKind::Void { payment: self.payment? }),
            Work::PayOut => Some(JobKind::PayOut { booking: self.booking? }),
            Work::Advance => Some(JobKind::Advance { booking: self.booking? }),
            Work::Mail | Work::ResetMail => {
                let user = self.user?;
                let mail = match (self.notice, self.booking) {
                    (Some(kind), Some(booking)) => Some(Mail::Notification { user, kind, booking }),
                    _ => Mail::named(&self.mail?, user),
                };
                mail.map(JobKind::Mail)
            }
            Work::Forget | Work::EraseReviews => Some(JobKind::Forget { user: self.user?, is_last: self.is_last }),
            Work::Homes => Some(JobKind::Homes { host: self.user? }),
            Work::PublishReviews => Some(JobKind::PublishReviews { booking: self.booking? }),
            Work::Sweep => {
                let walk = self.walk.map(|(from, window_ms)| IdWalk { from: Timestamp::from_epoch_ms(from), window_ms });
                let position = |(node, next): &(String, i64)| {
                    let node = *uuid::Uuid::parse_str(node).ok()?.as_bytes();
                    Some(LogPosition { node, next: *next })
                };
                let log: Vec<LogPosition> = self.log.iter().map(position).collect::<Option<_>>()?;
                let mut known = vec![
                    Sweep::Holds(walk),
                    Sweep::Sessions(walk),
                    Sweep::Audit(walk),
                    Sweep::Tokens,
                    Sweep::Keys(log.clone()),
                    Sweep::Events(log.clone()),
                    Sweep::Log(log),
                    Sweep::Unnamed { since: Timestamp::from_epoch_ms(self.since.unwrap_or(0)) },
                    Sweep::Notifications(walk),
                ];
                known.extend(self.user.map(Sweep::Addresses));
                let name = self.sweep?;
                known.into_iter().find(|sweep| sweep.name() == name).map(JobKind::Sweep)
            }
        }
    }
}

impl From<&Job> for JobRow {
    fn from(job: &Job) -> Self {
        let at = match job.state {
            JobState::Waiting { run_at: at } | JobState::Running { lease_until: at } | JobState::Dead { at } => at.epoch_ms(),
        };
        Self {
            id: job_record(&job.id),
            kind: job.id.work.name().to_owned(),
            key: job.id.key.clone(),
            payload: serde_json::to_string(&Payload::from(&job.kind)).expect("texts and numbers are JSON"),
            state: job.state.name().to_owned(),
            at,
            due: job.state.due_at().map_or(NEVER, Timestamp::epoch_ms),
            attempts: i64::from(job.attempts),
            version: job.epoch,
            last_error: job.last_error.clone(),
            created_at: job.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<JobRow> for Job {
    type Error = StoreError;

    fn try_from(row: JobRow) -> Result<Self, StoreError> {
        let work = Work::named(&row.kind).ok_or_else(|| unknown("job.kind", &row.kind))?;
        let payload: Option<Payload> = serde_json::from_str(&row.payload).ok();
        let kind = payload.and_then(|payload| payload.into_kind(work)).ok_or_else(|| unknown("job.payload", &row.payload))?;
        let at = Timestamp::from_epoch_ms(row.at);
        let state = match row.state.as_str() {
            "waiting" => JobState::Waiting { run_at: at },
            "running" => JobState::Running { lease_until: at },
            "dead" => JobState::Dead { at },
            word => return Err(unknown("job.state", word)),
        };
        Ok(Self {
            id: JobId { work, key: row.key },
            kind,
            state,
            attempts: narrow(row.attempts, "job.attempts")?,
            epoch: row.version,
            last_error: row.last_error,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_job_reads_back_what_it_writes() {
        let at = Timestamp::from_epoch_ms;
        let (user, payment) = (UserId::from_bytes([1; 16]), PaymentId::from_bytes([2; 16]));
        let mails = ["verify_email", "reset_password", "password_changed", "email_changed"];
        let mut jobs: Vec<Job> = mails.iter().map(|name| Job::mail(Mail::named(name, user).unwrap(), [3; 16], at(5))).collect();
        let walk = Some(IdWalk { from: at(7), window_ms: 8 });
        let log = vec![LogPosition { node: [4; 16], next: 9 }, LogPosition { node: [5; 16], next: 1 }];
        let sweeps = [
            Sweep::Holds(None),
            Sweep::Holds(walk),
            Sweep::Sessions(walk),
            Sweep::Tokens,
            Sweep::Keys(log.clone()),
            Sweep::Events(vec![]),
            Sweep::Log(log),
            Sweep::Unnamed { since: at(6) },
            Sweep::Audit(walk),
            Sweep::Addresses(user),
            Sweep::Notifications(walk),
        ];
        jobs.extend(sweeps.map(|sweep| Job::sweep(sweep, at(5))));
        let booking = BookingId::from_bytes([6; 16]);
        jobs.push(Job::publish_reviews(booking, at(5)));
        let refund = Job::refund(payment, at(5));
        let running = refund.clone().lease(10, at(6)).unwrap();
        let failure = crate::domain::job::Failure { reason: "smtp 550".to_owned(), is_permanent: true };
        let dead = running.clone().after(crate::domain::job::Run::Failed(failure), at(8), 0).unwrap();
        let (kind, booking) = (NotificationKind::MessageReceived, BookingId::from_bytes([6; 16]));
        let notice = Job::mail(Mail::Notification { user, kind, booking }, [3; 16], at(5));
        let forget = Job::forget(user, at(5));
        let again = Job { kind: JobKind::Forget { user, is_last: true }, ..forget.clone() };
        let early = Job { id: JobId { work: Work::EraseReviews, ..forget.id.clone() }, ..forget.clone() };
        jobs.extend([refund, running, dead, notice, forget, again, early, Job::homes(user, at(5))]);
        for job in jobs {
            assert_eq!(Job::try_from(JobRow::from(&job)).unwrap(), job);
        }
    }
}
