//! Fan-out: one guest holds and releases nights at a pace, thousands watch; how fast it arrives, and what it costs the hub.
//!
//! Invariant: a command makes exactly one event, and the next command goes out only when the last was acknowledged, so the
//! event with `seq` base + n was caused by command n, and its time runs from that command's sending.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use latchkey_protocol::client::{Command, HoldDates, HoldRef};
use latchkey_protocol::server::{Snapshot, Subscribed};
use latchkey_protocol::view::Hold;
use latchkey_protocol::{PropertyId, Seq, Topic};
use tokio::time::MissedTickBehavior;

use super::WatchArgs;
use crate::account::Account;
use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::frame::Push;
use crate::holds::Alarm;
use crate::invariants::BreakLog;
use crate::invariants::timeline::Timeline;
use crate::plan::{Supply, today};
use crate::process;
use crate::report::{Latencies, Report};
use crate::session::{Link, Observer, Session};

/// How long the last events may take to everyone.
const LAG: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);

/// What all watchers of one run of events share.
#[derive(Debug)]
pub(crate) struct Fan {
    started: Instant,
    base: OnceLock<Seq>,
    /// When each event's command was sent, and when its first watcher received it, in µs since `started`.
    sent_us: Vec<AtomicU64>,
    first_us: Vec<AtomicU64>,
    timeline: Mutex<Timeline>,
    deliveries: AtomicU64,
    /// From the command to each watcher.
    pub(crate) delivery: Latencies,
    /// From the first watcher to each.
    pub(crate) spread: Latencies,
    breaks: Arc<BreakLog>,
}

impl Fan {
    /// For so many events.
    pub(crate) fn new(events: usize, breaks: &Arc<BreakLog>) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            base: OnceLock::new(),
            sent_us: (0..events).map(|_| AtomicU64::new(0)).collect(),
            first_us: (0..events).map(|_| AtomicU64::new(u64::MAX)).collect(),
            timeline: Mutex::new(Timeline::without_receipts()),
            deliveries: AtomicU64::new(0),
            delivery: Latencies::default(),
            spread: Latencies::default(),
            breaks: Arc::clone(breaks),
        })
    }

    fn us(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    /// Which command caused the event, counted from 0.
    fn index(&self, seq: Seq) -> Option<usize> {
        usize::try_from(seq.checked_sub(*self.base.get()? + 1)?).ok().filter(|index| *index < self.sent_us.len())
    }
}

impl Observer for Fan {
    fn started(&self, start: &Subscribed) {
        if *self.base.get_or_init(|| start.seq) != start.seq {
            self.fault(format!("watchers began at different events: {} and {:?}", start.seq, self.base.get()));
        }
        let Snapshot::Calendar(calendar) = &start.snapshot else { return self.fault("the snapshot is no calendar".to_owned()) };
        let laid = self.timeline.lock().unwrap_or_else(PoisonError::into_inner).start(calendar);
        if let Err(what) = laid {
            self.fault(what);
        }
    }

    fn conflated(&self, events: u64) {
        self.deliveries.fetch_add(events, Ordering::Relaxed);
    }

    fn pushed(&self, push: &Push<'_>, received_at: Instant) {
        let laid = self.timeline.lock().unwrap_or_else(PoisonError::into_inner).see(push.seq, &push.kind, push.data.get(), received_at);
        if let Err(what) = laid {
            self.fault(what);
        }
        let Some(index) = self.index(push.seq) else { return self.fault(format!("event {} was caused by no command", push.seq)) };
        let at_us = self.us(received_at);
        let first_us = self.first_us[index].fetch_min(at_us, Ordering::Relaxed).min(at_us);
        self.delivery.record(Duration::from_micros(at_us.saturating_sub(self.sent_us[index].load(Ordering::Acquire))));
        self.spread.record(Duration::from_micros(at_us.saturating_sub(first_us)));
        self.deliveries.fetch_add(1, Ordering::Relaxed);
    }

    /// A watcher that fell back to a snapshot has not received every event.
    fn reset(&self, last: Seq, start: &Subscribed) {
        self.fault(format!("a watcher was reset from {last} to {}", start.seq));
    }

    fn fault(&self, what: String) {
        self.breaks.add(what);
    }
}

/// Measures a fan-out.
///
/// # Errors
/// The run could not be prepared, or the guest was refused.
pub(super) async fn run(args: &WatchArgs, watchers: u32, events: u32, link: &Arc<Link>) -> Result<Report> {
    let (watcher_count, event_count) = (watchers as usize, events as usize);
    let holder_count = holders_needed(event_count);
    crowd::check_sockets(watcher_count + holder_count)?;
    let run = crowd::run_name();
    let breaks = Arc::new(BreakLog::default());
    let accounts = crowd::register(&link.rest, "fanout", &run, holder_count).await?;
    let (_, properties) = crowd::host(&link.rest, "fanout", &run, 1).await?;
    let property = *properties.first().context("no home was listed")?;
    let holders = open_holders(link, &accounts, &breaks).await?;
    let fan = Fan::new(event_count, &breaks);
    let sessions = watch(link, property, watcher_count, &fan).await?;

    tokio::time::sleep(Duration::from_secs(args.settle_s.into())).await;
    let cpu_before = args.pid.map(process::cpu_ms).transpose()?;
    let started = Instant::now();
    cause_events(&holders, property, &run, args.rate, &fan).await?;
    let causing = started.elapsed();
    let expected = u64::from(watchers) * u64::from(events);
    await_deliveries(&fan, expected).await;
    let cpu_after = args.pid.map(process::cpu_ms).transpose()?;
    drop(sessions);

    let mut report = Report::new("watch --watchers");
    report.fact("watchers", watchers).fact("events", events).fact("deliveries", fan.deliveries.load(Ordering::Relaxed));
    report.fact("events per second", (f64::from(events) / causing.as_secs_f64().max(0.001)).round());
    if let (Some(before), Some(after)) = (cpu_before, cpu_after) {
        let cpu_us = after.saturating_sub(before) * 1_000;
        report.fact("hub cpu ms", cpu_us / 1_000).fact("hub cpu us per event", cpu_us / u64::from(events));
        report.fact("hub cpu ns per delivery", cpu_us * 1_000 / expected.max(1));
    }
    link.traffic.describe(&mut report);
    report.latency("command to watcher", &fan.delivery).latency("first watcher to each", &fan.spread);
    report.judge(breaks.take());
    Ok(report)
}

/// How many guests it takes to make so many events of one home: one for each walk through its calendar, since the same guest must wait before
/// holding the same nights again.
pub(crate) fn holders_needed(events: usize) -> usize {
    events.div_ceil(2).div_ceil(Supply::new(1, 1, today()).len())
}

/// A session for each guest.
pub(crate) async fn open_holders(link: &Arc<Link>, accounts: &[Arc<Account>], breaks: &Arc<BreakLog>) -> Result<Vec<Session>> {
    let holders = crowd::gather(accounts.len(), SOCKETS_AT_ONCE, |number| async move {
        Session::open(link, Some(Arc::clone(&accounts[number])), Arc::new(Alarm(Arc::clone(breaks)))).await
    });
    holders.await.context("opening the guests' sockets")
}

/// So many anonymous sessions that follow one home.
pub(crate) async fn watch(link: &Arc<Link>, property: PropertyId, count: usize, fan: &Arc<Fan>) -> Result<Vec<Session>> {
    let sessions = crowd::gather(count, SOCKETS_AT_ONCE, |_| async move {
        let session = Session::open(link, None, Arc::<Fan>::clone(fan)).await?;
        session.subscribe(Topic::Property(property)).await?;
        Ok::<_, anyhow::Error>(session)
    });
    sessions.await.context("opening the watchers' sockets")
}

/// Holds and releases one night after the other, an event each, no faster than `rate` per second.
pub(crate) async fn cause_events(holders: &[Session], property: PropertyId, run: &str, rate: u32, fan: &Fan) -> Result<()> {
    let supply = Supply::new(1, 1, today());
    let mut pace = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut owned: Option<HoldRef> = None;
    for (index, sent_us) in fan.sent_us.iter().enumerate() {
        pace.tick().await;
        let pair = index / 2;
        let holder = &holders[(pair / supply.len()) % holders.len()];
        let key = format!("{run}-{index}");
        sent_us.store(fan.us(Instant::now()), Ordering::Release);
        if let Some(owned) = owned.take() {
            let reply = holder.ask_settled(Command::ReleaseHold, Some(&key), &owned).await?;
            reply.body::<Hold>().context("releasing a night")?;
        } else {
            let (_, stay) = supply.slot(pair % supply.len()).context("the calendar has no nights")?;
            let ask = HoldDates { property, check_in: stay.check_in, check_out: stay.check_out, guests: 1 };
            let hold: Hold = holder.ask_settled(Command::Hold, Some(&key), &ask).await?.body().context("holding a night")?;
            owned = Some(HoldRef { hold: hold.id, property });
        }
    }
    Ok(())
}

/// Waits until all has arrived everywhere, and told the same everywhere.
pub(crate) async fn await_deliveries(fan: &Fan, expected: u64) {
    let deadline = Instant::now() + LAG;
    while fan.deliveries.load(Ordering::Relaxed) < expected && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    let delivered = fan.deliveries.load(Ordering::Relaxed);
    if delivered != expected {
        fan.breaks.add(format!("{delivered} of {expected} deliveries arrived"));
    }
    fan.breaks.extend(fan.timeline.lock().unwrap_or_else(PoisonError::into_inner).contradictions());
}
