//! Background work: leases jobs that are due, runs them, records how it went.
//!
//! Jobs are rows written by the change set that causes them (`domain::job`), and the table is the queue: nothing is leased that does not run at
//! once. Each kind of work has places of its own, so that a mail server that hangs holds up no refund. A commit of this process that adds a job
//! wakes the runner; the table is looked at every second besides, for delayed ones, other nodes' and leases that ran out.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::domain::job::{Failure, Job, JobId, JobKind, Mail, Run, Work};
use crate::domain::{Timestamp, UserId};
use crate::service::{ServiceError, Services};

/// How often the job table is looked at when nothing calls for it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest run; less than a lease (`service::jobs::LEASE_MS`).
const MAX_RUN: Duration = Duration::from_mins(2);

/// Between tries to record how a job went; together less than its lease (`service::jobs::LEASE_MS`) is longer than a run.
const PAUSES: [Duration; 4] = [Duration::from_millis(50), Duration::from_secs(1), Duration::from_secs(10), Duration::from_mins(1)];

/// Jobs of one kind that run at once.
const fn places(work: Work) -> usize {
    match work {
        Work::Refund | Work::Mail | Work::Capture => 3,
        Work::Void | Work::PayOut | Work::Advance | Work::PublishReviews => 2,
        // They share the database with everybody.
        Work::Sweep => 2,
        Work::Homes | Work::ResetMail | Work::Forget | Work::EraseReviews => 1,
    }
}

/// Runs jobs, until told to stop; then no more are leased, those under way have `drain_window` to end, and the rest are given back.
pub async fn run(services: Arc<Services>, stop: CancellationToken, drain_window: Duration) {
    let mut runner = Runner { services: Arc::clone(&services), running: JoinSet::new(), jobs: HashMap::new() };
    while !stop.is_cancelled() {
        runner.fill().await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = services.jobs.added() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
            Some(ended) = runner.running.join_next_with_id() => runner.forget(ended).await,
        }
    }
    runner.drain(drain_window).await;
}

/// The jobs of this process.
struct Runner {
    services: Arc<Services>,
    running: JoinSet<()>,
    jobs: HashMap<Id, Job>,
}

impl Runner {
    /// Leases as many jobs as there are places, and runs them.
    async fn fill(&mut self) {
        for work in Work::ALL {
            let under_way: HashSet<JobId> = self.jobs.values().filter(|job| job.id.work == work).map(|job| job.id.clone()).collect();
            let free = places(work).saturating_sub(under_way.len());
            if free == 0 {
                continue;
            }
            match self.services.jobs.lease(work, free, &under_way).await {
                Ok(leased) => leased.into_iter().for_each(|job| self.start(job)),
                Err(error) => tracing::warn!(kind = work.name(), %error, "the job table could not be read"),
            }
        }
    }

    fn start(&mut self, job: Job) {
        let (services, task_job) = (Arc::clone(&self.services), job.clone());
        let task = self.running.spawn(async move {
            let run = match tokio::time::timeout(MAX_RUN, perform(&services, &task_job)).await {
                Ok(run) => run,
                Err(_) => Run::Failed(Failure { reason: "took too long".to_owned(), is_permanent: false }),
            };
            record(&services, task_job, run).await;
        });
        self.jobs.insert(task.id(), job);
    }

    async fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let (id, has_panicked) = match &ended {
            Ok((id, ())) => (*id, false),
            Err(error) => (error.id(), error.is_panic()),
        };
        let Some(job) = self.jobs.remove(&id) else { return };
        if has_panicked {
            tracing::error!(job = %job.id, "a job panicked");
            let run = Run::Failed(Failure { reason: "panicked".to_owned(), is_permanent: false });
            record(&self.services, job, run).await;
        }
    }

    async fn drain(mut self, window: Duration) {
        let ended = async {
            while let Some(ended) = self.running.join_next_with_id().await {
                self.forget(ended).await;
            }
        };
        if tokio::time::timeout(window, ended).await.is_ok() {
            return;
        }
        self.running.shutdown().await;
        for job in std::mem::take(&mut self.jobs).into_values() {
            let id = job.id.clone();
            match self.services.jobs.give_back(job).await {
                Ok(()) => tracing::info!(job = %id, "given back at the end"),
                Err(error) => tracing::warn!(job = %id, %error, "could not be given back"),
            }
        }
    }
}

/// Records how a job went, in spite of a queue that is full for a moment: one that is not recorded is run again when its lease is over, and
/// a mail that was sent is sent twice.
async fn record(services: &Services, job: Job, run: Run) {
    let recorded = again(&PAUSES, || services.jobs.record(job.clone(), run.clone())).await;
    if let Err(error) = recorded {
        tracing::warn!(job = %job.id, %error, "the result of a job could not be recorded");
    }
}

/// Tries, and after each pause again, until it succeeds.
async fn again<T, E, F: Future<Output = Result<T, E>>>(pauses: &[Duration], mut attempt: impl FnMut() -> F) -> Result<T, E> {
    for pause in pauses {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(_) => tokio::time::sleep(*pause).await,
        }
    }
    attempt().await
}

/// Does what a job is for.
async fn perform(services: &Services, job: &Job) -> Run {
    let result = match &job.kind {
        JobKind::Refund { payment } => match services.payments.send_refund(*payment).await {
            Ok(true) => Ok(Run::Done),
            Ok(false) => Err(Failure { reason: "not all of it has gone back".to_owned(), is_permanent: false }),
            Err(error) => Err(error.into()),
        },
        JobKind::Capture { payment } => services.payments.capture(*payment).await.map(|_| Run::Done).map_err(Failure::from),
        JobKind::Void { payment } => services.payments.void(*payment).await.map(|()| Run::Done).map_err(Failure::from),
        JobKind::PayOut { booking } => services.payments.pay_out(*booking).await.map(|()| Run::Done).map_err(Failure::from),
        JobKind::Advance { booking } => match services.payments.advance(*booking).await {
            Ok(next) => Ok(again_at(job, next)),
            Err(error) => Err(error.into()),
        },
        JobKind::Mail(mail) => send(services, job, mail).await.map(|()| Run::Done),
        JobKind::PublishReviews { booking } => match services.reviews.publish(*booking).await {
            Ok(next) => Ok(again_at(job, next)),
            Err(error) => Err(error.into()),
        },
        JobKind::Sweep(sweep) => services.retention.sweep(sweep.clone()).await.map_err(Failure::from),
        JobKind::Homes { host } => services.accounts.settle_homes(*host).await.map(|()| Run::Done).map_err(Failure::from),
        JobKind::Forget { user, is_last } => forget(services, *user, *is_last).await.map_err(Failure::from),
    };
    result.unwrap_or_else(Run::Failed)
}

/// Takes what an erased user wrote from wherever somebody reads it. All of it twice: a request whose sender was known before the erasure may be
/// carried out after it.
async fn forget(services: &Services, user: UserId, is_last: bool) -> Result<Run, ServiceError> {
    services.reviews.erase_words(user).await?;
    services.stays.erase_notes(user).await?;
    services.messages.forget(user, is_last).await
}

/// Sends the mail that a job owes, if there is still something to say.
async fn send(services: &Services, job: &Job, mail: &Mail) -> Result<(), Failure> {
    let Some(letter) = services.accounts.compose(mail).await? else { return Ok(()) };
    let to = letter.to.clone();
    services.mails.send(job, letter).await?;
    Ok(services.accounts.sent(mail, &to).await?)
}

/// Done, unless there is an instant at which it is to be looked at again.
fn again_at(job: &Job, next: Option<Timestamp>) -> Run {
    next.map_or(Run::Done, |run_at| Run::Again { kind: job.kind.clone(), run_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_for_a_moment_is_tried_again_and_what_fails_for_long_is_given_up() {
        let tried = std::cell::Cell::new(0);
        let attempt = |succeeds_at| {
            tried.set(tried.get() + 1);
            std::future::ready(if tried.get() >= succeeds_at { Ok(tried.get()) } else { Err("busy") })
        };
        let pauses = [Duration::ZERO; 3];
        assert_eq!(again(&pauses, || attempt(1)).await, Ok(1));
        tried.set(0);
        assert_eq!(again(&pauses, || attempt(4)).await, Ok(4));
        tried.set(0);
        assert_eq!((again(&pauses, || attempt(9)).await, tried.get()), (Err("busy"), 4));
    }
}
