//! The life of a job, in tables; and a history of many workers at random.

use latchkey_protocol::{BookingId, UserId};
use proptest::prelude::*;

use super::*;

const LEASE_MS: i64 = 60_000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_epoch_ms(ms)
}

fn mail() -> Job {
    Job::mail(Mail::VerifyEmail { user: UserId::from_bytes([1; 16]) }, [2; 16], at(1_000))
}

fn failed(reason: &str, is_permanent: bool) -> Run {
    Run::Failed(Failure { reason: reason.to_owned(), is_permanent })
}

fn running() -> Job {
    mail().lease(LEASE_MS, at(1_000)).unwrap()
}

fn dead() -> Job {
    running().after(failed("refused", true), at(2_000), 0).unwrap()
}

#[test]
fn only_what_is_due_is_leased_and_each_lease_is_a_new_epoch() {
    for (job, now, expected) in [
        (mail(), 999, false),
        (mail(), 1_000, true),
        (mail().delayed_until(at(5_000)), 4_999, false),
        (mail().delayed_until(at(5_000)), 5_000, true),
        (running(), 60_999, false),
        (running(), 61_000, true),
        (dead(), i64::MAX, false),
    ] {
        let (epoch, attempts) = (job.epoch, job.attempts);
        let leased = job.clone().lease(LEASE_MS, at(now));
        assert_eq!(leased.is_some(), expected, "{job:?} at {now}");
        if let Some(leased) = leased {
            assert_eq!((leased.epoch, leased.attempts), (epoch + 1, attempts + 1));
            assert_eq!(leased.state, JobState::Running { lease_until: at(now).plus_ms(LEASE_MS) });
        }
    }
}

#[test]
fn a_run_ends_in_one_of_four_ways() {
    assert_eq!(running().after(Run::Done, at(2_000), 0), None);
    let sweep = Job::sweep(Sweep::Tokens, at(0)).lease(LEASE_MS, at(0)).unwrap();
    let again = sweep.clone().after(Run::Again { kind: sweep.kind.clone(), run_at: at(9_000) }, at(1), 0).unwrap();
    assert_eq!((again.state, again.attempts, again.epoch), (JobState::Waiting { run_at: at(9_000) }, 0, sweep.epoch + 1));
    let later = running().after(failed("hung up", false), at(2_000), 0).unwrap();
    assert_eq!((later.state, later.last_error.as_deref()), (JobState::Waiting { run_at: at(32_000) }, Some("hung up")));
    assert_eq!((dead().state, dead().attempts), (JobState::Dead { at: at(2_000) }, 1));
}

#[test]
fn pauses_double_up_to_a_bound_and_are_spread_over_their_second_half() {
    let after = |job: &Job, attempts, random| {
        let failed = Job { attempts, ..job.clone() }.after(failed("x", false), at(0), random).unwrap();
        failed.state.due_at().unwrap().epoch_ms()
    };
    for (attempts, shortest) in [(1, 30_000), (2, 60_000), (3, 120_000), (11, 6 * 1_800_000)] {
        assert_eq!(after(&running(), attempts, 0), shortest);
        assert_eq!(after(&running(), attempts, shortest.cast_unsigned()), 2 * shortest);
    }
    let refund = Job::refund(PaymentId::from_bytes([3; 16]), at(0));
    assert_eq!(after(&refund, 1, 0), 500);
    assert_eq!(after(&refund, 499, 0), 1_800_000);
}

#[test]
fn mails_and_captures_are_given_up_in_the_end_and_sweeps_and_money_that_is_owed_never() {
    let jobs = [
        (mail(), Some(12)),
        (Job::capture(PaymentId::from_bytes([3; 16]), at(0)), Some(500)),
        (Job::refund(PaymentId::from_bytes([3; 16]), at(0)), None),
        (Job::pay_out(BookingId::from_bytes([4; 16]), at(0)), None),
        (Job::sweep(Sweep::Tokens, at(0)), None),
    ];
    for (mut job, expected) in jobs {
        let mut tries = 0;
        while let (Some(due_at), true) = (job.state.due_at(), tries < 2_000) {
            tries += 1;
            job = job.lease(LEASE_MS, due_at).unwrap().after(failed("down", false), due_at, 7).unwrap();
        }
        assert_eq!((tries < 2_000).then_some(tries), expected, "{}", job.id);
    }
}

#[test]
fn an_admin_retries_what_does_not_run_and_discards_only_mails() {
    let sweep = Job::sweep(Sweep::Tokens, at(0));
    let refund = Job::refund(PaymentId::from_bytes([3; 16]), at(0));
    for (job, may_retry, may_discard) in
        [(mail(), true, true), (running(), false, false), (dead(), true, true), (sweep, true, false), (refund, true, false)]
    {
        assert_eq!(job.clone().retry(at(7_000)).is_ok(), may_retry, "{job:?}");
        assert_eq!(job.discard().is_ok(), may_discard, "{job:?}");
    }
    let retried = dead().retry(at(7_000)).unwrap();
    assert_eq!((retried.state, retried.attempts, retried.epoch), (JobState::Waiting { run_at: at(7_000) }, 0, dead().epoch + 1));
}

#[test]
fn a_job_given_back_at_a_shutdown_has_lost_no_try() {
    let back = running().give_back(at(1_500));
    assert_eq!((back.state, back.attempts), (JobState::Waiting { run_at: at(1_500) }, 0));
    assert!(back.epoch > running().epoch);
    let orphan = running().orphaned(at(1_500));
    assert_eq!((orphan.state, orphan.attempts), (JobState::Waiting { run_at: at(1_500) }, 1), "one that ended with its process has");
    assert!(orphan.epoch > running().epoch);
}

#[test]
fn a_jobs_name_reads_back_what_it_writes() {
    for job in [mail(), Job::sweep(Sweep::Tokens, at(0))] {
        assert_eq!(job.id.to_string().parse(), Ok(job.id));
    }
    for text in ["", "mail", "letter/1", "/"] {
        assert_eq!(text.parse::<JobId>(), Err(NoSuchName), "{text}");
    }
}

proptest! {
    /// Workers that lease, pause, wake up and record at random, against one row whose epoch is compared: whoever records has the newest
    /// lease, and epochs only grow.
    #[test]
    fn only_the_holder_of_the_newest_lease_records(steps in proptest::collection::vec((0_usize..3, 0_u8..4, 0_i64..90_000), 1..60)) {
        let (mut row, mut now) = (mail(), at(1_000));
        let mut workers: [Option<Job>; 3] = [None, None, None];
        let mut holder = None;
        for (worker, act, pause_ms) in steps {
            now = now.plus_ms(pause_ms);
            let (read, next) = match (act, workers[worker].clone()) {
                (0 | 1, _) => {
                    let Some(leased) = row.clone().lease(LEASE_MS, now) else { continue };
                    workers[worker] = Some(leased.clone());
                    holder = Some(worker);
                    (row.epoch, leased)
                }
                (_, Some(mine)) => {
                    workers[worker] = None;
                    let next = if act == 2 { mine.clone().after(failed("x", false), now, 3) } else { Some(mine.clone().give_back(now)) };
                    (mine.epoch, next.unwrap())
                }
                (_, None) => continue,
            };
            if row.epoch == read {
                prop_assert!(next.epoch > row.epoch);
                prop_assert!(act < 2 || holder == Some(worker), "an old lease recorded");
                row = next;
            } else {
                prop_assert!(holder != Some(worker) || act < 2, "the newest lease could not record");
            }
        }
    }
}
