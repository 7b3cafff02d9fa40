//! Those who make the events: a few guests who hold nights and release them again, home after home.
//!
//! A hold and a release are one event each, and their acknowledgement names its `seq`: so we know each home's last event
//! without asking. Every night is held once, so nobody waits for anybody. They have a thread of their own: a process that has ten thousand
//! connections to open would keep them from writing while the others are away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use latchkey_protocol::client::{Command, HoldDates, HoldRef};
use latchkey_protocol::view::Hold;
use latchkey_protocol::{PropertyId, Seq, Topic};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::crowd;
use crate::holds::Alarm;
use crate::invariants::BreakLog;
use crate::plan::{Supply, today};
use crate::session::{Link, Session};

/// The last acknowledged event of each home.
#[derive(Debug)]
pub(super) struct Acknowledged {
    homes: Vec<(PropertyId, AtomicU64)>,
}

impl Acknowledged {
    /// Nothing yet.
    pub(super) fn of(mut homes: Vec<PropertyId>) -> Self {
        homes.sort_unstable();
        Self { homes: homes.into_iter().map(|home| (home, AtomicU64::new(0))).collect() }
    }

    fn find(&self, home: PropertyId) -> Option<&AtomicU64> {
        let at = self.homes.binary_search_by_key(&home, |(home, _)| *home).ok()?;
        self.homes.get(at).map(|(_, head)| head)
    }

    /// The hub told us of this event: everybody must hear of it.
    pub(super) fn note(&self, home: PropertyId, seq: Seq) {
        if let Some(head) = self.find(home) {
            head.fetch_max(seq, Ordering::AcqRel);
        }
    }

    /// The last acknowledged event of a home.
    pub(super) fn head(&self, topic: Topic) -> Option<Seq> {
        let Topic::Property(home) = topic else { return None };
        self.find(home).map(|head| head.load(Ordering::Acquire))
    }
}

/// The writers' open sessions.
pub(super) struct Writers {
    sessions: Vec<Session>,
    breaks: Arc<BreakLog>,
    thread: Thread,
}

/// The writers at work.
pub(super) struct Writing {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    _thread: Thread,
}

/// A runtime with one thread.
struct Thread {
    handle: Handle,
    /// Taken only when this is dropped.
    runtime: Option<Runtime>,
}

impl Thread {
    fn start() -> Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("writers").enable_all().build();
        let runtime = runtime.context("starting the writers' thread")?;
        Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // A runtime must not be dropped on a thread that runs tasks.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What writers share.
struct Work {
    run: String,
    supply: Supply,
    next: AtomicUsize,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Acknowledged>,
    breaks: Arc<BreakLog>,
}

impl Writers {
    /// Registers and connects them, over a link of their own: they are not cut off with the others.
    ///
    /// # Errors
    /// The hub refused one or could not be reached.
    pub(super) async fn open(link: &Link, run: &str, count: u32, breaks: &Arc<BreakLog>) -> Result<Self> {
        let link = Link::new(link.target.clone(), link.patience, link.seed);
        let thread = Thread::start()?;
        let (run, alarm) = (run.to_owned(), Arc::new(Alarm(Arc::clone(breaks))));
        let opening = async move {
            let accounts = crowd::register(&link.rest, "storm-writer", &run, count as usize).await?;
            let mut sessions = Vec::with_capacity(accounts.len());
            for account in accounts {
                let session = Session::open(&link, Some(account), Arc::<Alarm>::clone(&alarm)).await;
                sessions.push(session.context("opening a writer's connection")?);
            }
            Ok::<_, anyhow::Error>(sessions)
        };
        let sessions = thread.handle.spawn(opening).await??;
        Ok(Self { sessions, breaks: Arc::clone(breaks), thread })
    }

    /// Has them make so many events a second together, until they are stopped.
    pub(super) fn start(self, acknowledged: &Arc<Acknowledged>, run: &str, rate: u32) -> Writing {
        let stop = Arc::new(AtomicBool::new(false));
        let work = Arc::new(Work {
            run: run.to_owned(),
            supply: Supply::new(acknowledged.homes.len(), 1, today()),
            next: AtomicUsize::new(0),
            stop: Arc::clone(&stop),
            acknowledged: Arc::clone(acknowledged),
            breaks: self.breaks,
        });
        // Two events for each tick of each writer.
        let share = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX).saturating_mul(2);
        let pace = Duration::from_secs(1) * share / rate.max(1);
        let mut tasks = JoinSet::new();
        for session in self.sessions {
            tasks.spawn_on(write(session, Arc::clone(&work), pace), &self.thread.handle);
        }
        Writing { tasks, stop, _thread: self.thread }
    }
}

impl Writing {
    /// Has them finish what they are at.
    pub(super) async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn write(session: Session, work: Arc<Work>, pace: Duration) {
    let mut ticks = tokio::time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !work.stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let index = work.next.fetch_add(1, Ordering::Relaxed);
        if let Err(error) = work.hold_and_release(&session, index).await {
            return work.breaks.add(format!("a writer gave up: {error:#}"));
        }
    }
}

impl Work {
    async fn hold_and_release(&self, session: &Session, index: usize) -> Result<()> {
        let (home, stay) = self.supply.slot(index).context("every night has been held once: fewer events, or more homes")?;
        let (property, _) = self.acknowledged.homes[home];
        let ask = HoldDates { property, check_in: stay.check_in, check_out: stay.check_out, guests: 1 };
        let key = format!("{}-{index}", self.run);
        let held: Hold = session.ask_settled(Command::Hold, Some(&key), &ask).await?.body()?;
        self.acknowledged.note(property, held.seq);
        let released = HoldRef { hold: held.id, property };
        let freed: Hold = session.ask_settled(Command::ReleaseHold, Some(&format!("{key}-release")), &released).await?.body()?;
        self.acknowledged.note(property, freed.seq);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_event_of_each_home_is_remembered() {
        let [first, second] = [1, 2].map(|number| PropertyId::from_bytes([number; 16]));
        let acknowledged = Acknowledged::of(vec![second, first]);
        acknowledged.note(first, 7);
        acknowledged.note(first, 6);
        acknowledged.note(PropertyId::from_bytes([3; 16]), 9);
        assert_eq!(acknowledged.head(Topic::Property(first)), Some(7));
        assert_eq!(acknowledged.head(Topic::Property(second)), Some(0));
        assert_eq!(acknowledged.head(Topic::Property(PropertyId::from_bytes([3; 16]))), None);
    }
}
