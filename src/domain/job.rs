//! Work for later: a row written by the change set that causes it, so that it is neither lost nor done for something that never happened.
//!
//! Whoever leases a job raises its epoch, and every later replace or delete names the epoch it was decided on; so a worker that was paused
//! and wakes up with an old lease changes nothing. Transitions consume the job; services lease, run and record.

mod work;

use std::str::FromStr;

use latchkey_protocol::{BookingId, PaymentId, UserId};

pub use self::work::{NoSuchName, Work};
use super::error::Refusal;
pub use super::mail::Mail;
use super::retention::Sweep;
use super::time::Timestamp;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobKind {
    /// Ask the provider to send back what is due of this payment.
    Refund {
        /// Which.
        payment: PaymentId,
    },
    /// Send a mail.
    Mail(Mail),
    /// Delete what has outlived its use; most recur.
    Sweep(Sweep),
    /// Take the money that was set aside for this payment.
    Capture {
        /// Which.
        payment: PaymentId,
    },
    /// Let go of the money that was, or may be, set aside for this payment.
    Void {
        /// Which.
        payment: PaymentId,
    },
    /// Send the host, or take back, what is on its way for this booking.
    PayOut {
        /// Which.
        booking: BookingId,
    },
    /// Do to this booking what its time has come for.
    Advance {
        /// Which.
        booking: BookingId,
    },
    /// Take a user's homes off sale, if they may not let them; with all that was written of them, if the user was erased.
    Homes {
        /// Whose.
        host: UserId,
    },
    /// Take what this user, who was erased, has written out of reviews, bookings and threads.
    Forget {
        /// Whose.
        user: UserId,
        /// Whether it is done for the second time: what was on its way when they were erased has arrived by then.
        is_last: bool,
    },
    /// Publish what is sealed of this booking's reviews.
    PublishReviews {
        /// Which.
        booking: BookingId,
    },
}

impl JobKind {
    /// The kind of work.
    #[must_use]
    pub const fn work(&self) -> Work {
        match self {
            Self::Refund { .. } => Work::Refund,
            Self::Mail(mail) => mail.work(),
            Self::Sweep(_) => Work::Sweep,
            Self::Capture { .. } => Work::Capture,
            Self::Void { .. } => Work::Void,
            Self::PayOut { .. } => Work::PayOut,
            Self::Advance { .. } => Work::Advance,
            Self::Homes { .. } => Work::Homes,
            Self::Forget { .. } => Work::Forget,
            Self::PublishReviews { .. } => Work::PublishReviews,
        }
    }
}

/// What names a job, and makes it unique: `job:[kind, key]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    /// The kind of work.
    pub work: Work,
    /// The payment or booking it is about, the key of a sweep, a host, a user who is forgotten, a UUID of a mail.
    pub key: String,
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.work.name(), self.key)
    }
}

impl FromStr for JobId {
    type Err = NoSuchName;

    fn from_str(text: &str) -> Result<Self, NoSuchName> {
        let (work, key) = text.split_once('/').ok_or(NoSuchName)?;
        Ok(Self { work: work.parse()?, key: key.to_owned() })
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Waits for its time.
    Waiting {
        /// When it may run.
        run_at: Timestamp,
    },
    /// A worker has it.
    Running {
        /// When another one may take it over.
        lease_until: Timestamp,
    },
    /// Given up, until an admin retries or discards it.
    Dead {
        /// When.
        at: Timestamp,
    },
}

impl JobState {
    /// Every state's name.
    pub const NAMES: [&str; 3] = ["waiting", "running", "dead"];

    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting { .. } => "waiting",
            Self::Running { .. } => "running",
            Self::Dead { .. } => "dead",
        }
    }

    /// When a worker may take it, if ever.
    #[must_use]
    pub const fn due_at(self) -> Option<Timestamp> {
        match self {
            Self::Waiting { run_at } => Some(run_at),
            Self::Running { lease_until } => Some(lease_until),
            Self::Dead { .. } => None,
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What is to be done.
    pub kind: JobKind,
    /// Where it is.
    pub state: JobState,
    /// How often it was begun since it was made, retried or last succeeded.
    pub attempts: u32,
    /// Which version of the row this is. Begins with the instant at which the job was made, so that a later job of the same name has no
    /// epoch of an earlier one.
    pub epoch: i64,
    /// Why it failed last: a short sentence without personal text.
    pub last_error: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// How a run went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// It is done.
    Done,
    /// It went well and goes on later, from where it has come to.
    Again {
        /// What is to be done then.
        kind: JobKind,
        /// When.
        run_at: Timestamp,
    },
    /// It failed.
    Failed(Failure),
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A short sentence without personal text.
    pub reason: String,
    /// Trying again cannot help.
    pub is_permanent: bool,
}

impl Job {
    /// A refund of what is due of `payment`, one per payment.
    #[must_use]
    pub fn refund(payment: PaymentId, now: Timestamp) -> Self {
        Self::made(payment.to_string(), JobKind::Refund { payment }, now)
    }

    /// The capture of a payment, one per payment.
    #[must_use]
    pub fn capture(payment: PaymentId, now: Timestamp) -> Self {
        Self::made(payment.to_string(), JobKind::Capture { payment }, now)
    }

    /// The voiding of a payment, one per payment.
    #[must_use]
    pub fn void(payment: PaymentId, now: Timestamp) -> Self {
        Self::made(payment.to_string(), JobKind::Void { payment }, now)
    }

    /// What is on its way to or from a booking's host, one per booking.
    #[must_use]
    pub fn pay_out(booking: BookingId, now: Timestamp) -> Self {
        Self::made(booking.to_string(), JobKind::PayOut { booking }, now)
    }

    /// What happens to a booking by itself, one per booking.
    #[must_use]
    pub fn advance(booking: BookingId, now: Timestamp) -> Self {
        Self::made(booking.to_string(), JobKind::Advance { booking }, now)
    }

    /// The publication of a booking's reviews, one per booking.
    #[must_use]
    pub fn publish_reviews(booking: BookingId, now: Timestamp) -> Self {
        Self::made(booking.to_string(), JobKind::PublishReviews { booking }, now)
    }

    /// A mail; `key` is a UUID of its own, since the same mail may be owed twice.
    #[must_use]
    pub fn mail(mail: Mail, key: [u8; 16], now: Timestamp) -> Self {
        // Any of our ids writes a UUID.
        Self::made(PaymentId::from_bytes(key).to_string(), JobKind::Mail(mail), now)
    }

    /// A sweep, one of each key.
    #[must_use]
    pub fn sweep(sweep: Sweep, now: Timestamp) -> Self {
        Self::made(sweep.key(), JobKind::Sweep(sweep), now)
    }

    /// What becomes of a user's homes, one for each user.
    #[must_use]
    pub fn homes(host: UserId, now: Timestamp) -> Self {
        Self::made(host.to_string(), JobKind::Homes { host }, now)
    }

    /// Forgetting what a user wrote who is erased now.
    #[must_use]
    pub fn forget(user: UserId, now: Timestamp) -> Self {
        Self::made(user.to_string(), JobKind::Forget { user, is_last: false }, now)
    }

    fn made(key: String, kind: JobKind, now: Timestamp) -> Self {
        Self {
            id: JobId { work: kind.work(), key },
            kind,
            state: JobState::Waiting { run_at: now },
            attempts: 0,
            epoch: now.epoch_ms(),
            last_error: None,
            created_at: now,
        }
    }

    /// The same job, not to run before `run_at`.
    #[must_use]
    pub fn delayed_until(self, run_at: Timestamp) -> Self {
        Self { state: JobState::Waiting { run_at }, ..self }
    }

    /// Gives it to a worker for `lease_ms`, or nothing if it is not due. One whose lease ran out is taken over.
    #[must_use]
    pub fn lease(self, lease_ms: i64, now: Timestamp) -> Option<Self> {
        let is_due = self.state.due_at().is_some_and(|due_at| due_at <= now);
        is_due.then(|| Self {
            state: JobState::Running { lease_until: now.plus_ms(lease_ms) },
            attempts: self.attempts.saturating_add(1),
            epoch: self.epoch + 1,
            ..self
        })
    }

    /// What becomes of it after a run; `None`: it is done and goes. `random` spreads retries.
    #[must_use]
    pub fn after(self, run: Run, now: Timestamp, random: u64) -> Option<Self> {
        let epoch = self.epoch + 1;
        match run {
            Run::Done => None,
            Run::Again { kind, run_at } => {
                Some(Self { kind, state: JobState::Waiting { run_at }, attempts: 0, epoch, last_error: None, ..self })
            }
            Run::Failed(failure) => {
                let is_last = self.id.work.max_attempts().is_some_and(|most| self.attempts >= most);
                let state = if failure.is_permanent || is_last {
                    JobState::Dead { at: now }
                } else {
                    JobState::Waiting { run_at: now.plus_ms(self.pause_ms(random)) }
                };
                Some(Self { state, epoch, last_error: Some(failure.reason), ..self })
            }
        }
    }

    /// The pause before the next try: twice as long after each failure, up to a bound; between a half and the whole of it.
    fn pause_ms(&self, random: u64) -> i64 {
        let (first, longest) = self.id.work.pauses_ms();
        let doublings = self.attempts.saturating_sub(1).min(30);
        let whole = first.saturating_mul(1 << doublings).min(longest);
        i64::try_from(whole / 2 + random % (whole / 2 + 1)).unwrap_or(i64::MAX)
    }

    /// Gives it back unrun, to whoever comes next.
    #[must_use]
    pub fn give_back(self, now: Timestamp) -> Self {
        Self { state: JobState::Waiting { run_at: now }, attempts: self.attempts.saturating_sub(1), epoch: self.epoch + 1, ..self }
    }

    /// Takes it from a process that is gone, to whoever comes next. The try counts.
    #[must_use]
    pub fn orphaned(self, now: Timestamp) -> Self {
        Self { state: JobState::Waiting { run_at: now }, epoch: self.epoch + 1, ..self }
    }

    /// Has it run now, from the first try on: an admin has mended what was wrong.
    ///
    /// # Errors
    /// `InvalidState` while it runs.
    pub fn retry(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            JobState::Waiting { .. } | JobState::Dead { .. } => {
                Ok(Self { state: JobState::Waiting { run_at: now }, attempts: 0, epoch: self.epoch + 1, ..self })
            }
            JobState::Running { .. } => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// Whether an admin may throw it away.
    ///
    /// # Errors
    /// `InvalidState` while it runs; for a refund, since the money would stay owed; for what recurs, since it would come again; for what is to
    /// be forgotten, since that was promised.
    pub fn discard(&self) -> Result<(), Refusal> {
        match (self.id.work, self.state) {
            (Work::Refund, _) => Err(Refusal::InvalidState { state: "refund_owed" }),
            (Work::Capture | Work::Void, _) => Err(Refusal::InvalidState { state: "payment_open" }),
            (Work::PayOut, _) => Err(Refusal::InvalidState { state: "payout_owed" }),
            (Work::Advance, _) => Err(Refusal::InvalidState { state: "booking_goes_on" }),
            (Work::Homes, _) => Err(Refusal::InvalidState { state: "homes_on_sale" }),
            (Work::PublishReviews, _) => Err(Refusal::InvalidState { state: "reviews_sealed" }),
            (Work::Sweep, _) => Err(Refusal::InvalidState { state: "recurring" }),
            (Work::Forget | Work::EraseReviews, _) => Err(Refusal::InvalidState { state: "erasure_owed" }),
            (Work::Mail | Work::ResetMail, JobState::Running { .. }) => Err(Refusal::InvalidState { state: self.state.name() }),
            (Work::Mail | Work::ResetMail, JobState::Waiting { .. } | JobState::Dead { .. }) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
