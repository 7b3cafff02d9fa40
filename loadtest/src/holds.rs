//! Durable holds per second: many guests, each pipelining holds on nights nobody else asks for.
//!
//! Invariant: every stay comes from one shared supply, so two acknowledgements never share a night, and `dates_unavailable`
//! is a fault. Bounded by time, by the supply, and by the commands in flight.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use latchkey_protocol::client::{Command, HoldDates};
use latchkey_protocol::view::Hold;
use latchkey_protocol::{Date, ErrorCode, HoldId, PropertyId};
use tokio::task::JoinSet;

use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::invariants::BreakLog;
use crate::plan::{Supply, today};
use crate::report::{Latencies, Report};
use crate::session::{Link, Observer, Reply, Session};

/// How long commands sent before the end may still take.
const LAST_REPLIES: Duration = Duration::from_secs(15);

/// `loadtest holds`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct HoldsArgs {
    /// Sockets, each of a guest of its own.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Homes; each has about 700 nights to hold.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    properties: u32,
    /// How long holds are sent.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    seconds: u32,
    /// Unanswered holds per socket.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=256))]
    in_flight: u32,
    /// Nights of each hold.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=30))]
    nights: u32,
}

/// What a hold was acknowledged for.
type Ack = (HoldId, PropertyId, Date, Date);

/// What all lanes share.
#[derive(Debug)]
struct Bench {
    run: String,
    properties: Vec<PropertyId>,
    supply: Supply,
    next: AtomicUsize,
    stop: AtomicBool,
    deadline: Instant,
    latencies: Latencies,
    acks: Mutex<(Vec<Ack>, Option<Instant>)>,
    errors: Mutex<BTreeMap<ErrorCode, u64>>,
    breaks: Arc<BreakLog>,
}

/// A session that only reports faults.
#[derive(Debug)]
pub(crate) struct Alarm(pub(crate) Arc<BreakLog>);

impl Observer for Alarm {
    fn fault(&self, what: String) {
        self.0.add(what);
    }
}

/// Measures.
///
/// # Errors
/// The run could not be prepared. What breaks later is in the report.
pub(crate) async fn run(args: &HoldsArgs, link: Arc<Link>) -> Result<Report> {
    let run = crowd::run_name();
    let breaks = Arc::new(BreakLog::default());
    crowd::check_sockets(args.connections as usize)?;
    eprintln!("registering {} guests, listing {} homes …", args.connections, args.properties);
    let accounts = crowd::register(&link.rest, "holds", &run, args.connections as usize).await?;
    let (_, properties) = crowd::host(&link.rest, "holds", &run, args.properties as usize).await?;
    let (accounts, link_ref, alarm) = (&accounts, &link, &breaks);
    let sessions = crowd::gather(accounts.len(), SOCKETS_AT_ONCE, |number| async move {
        let observer = Arc::new(Alarm(Arc::clone(alarm)));
        Session::open(link_ref, Some(Arc::clone(&accounts[number])), observer).await.map(Arc::new)
    });
    let sessions = sessions.await.context("opening the guests' sockets")?;

    let started = Instant::now();
    let bench = Arc::new(Bench {
        run,
        supply: Supply::new(properties.len(), args.nights, today()),
        properties,
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
        deadline: started + Duration::from_secs(args.seconds.into()),
        latencies: Latencies::default(),
        acks: Mutex::default(),
        errors: Mutex::default(),
        breaks,
    });
    let mut lanes = JoinSet::new();
    for session in &sessions {
        for _ in 0..args.in_flight {
            lanes.spawn(lane(Arc::clone(session), Arc::clone(&bench)));
        }
    }
    let limit = Duration::from_secs(args.seconds.into()) + LAST_REPLIES;
    if tokio::time::timeout(limit, async { while lanes.join_next().await.is_some() {} }).await.is_err() {
        bench.breaks.add(format!("{} holds were not answered within {} s after the end", lanes.len(), LAST_REPLIES.as_secs()));
        lanes.shutdown().await;
    }
    Ok(report(args, &link, &bench, started))
}

/// One hold after the other: as many of these per socket as may be in flight.
async fn lane(session: Arc<Session>, bench: Arc<Bench>) {
    while Instant::now() < bench.deadline && !bench.stop.load(Ordering::Relaxed) {
        let index = bench.next.fetch_add(1, Ordering::Relaxed);
        let Some((property, stay)) = bench.supply.slot(index) else { return };
        let ask = HoldDates { property: bench.properties[property], check_in: stay.check_in, check_out: stay.check_out, guests: 1 };
        let key = format!("{}-{index}", bench.run);
        match session.ask_settled(Command::Hold, Some(&key), &ask).await {
            Ok(reply) => bench.take(&ask, &reply),
            Err(error) => {
                bench.breaks.add(error.to_string());
                return;
            }
        }
    }
}

impl Bench {
    fn take(&self, ask: &HoldDates, reply: &Reply) {
        let hold = match &reply.outcome {
            Ok(_) => reply.body::<Hold>(),
            Err(error) => {
                *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(error.code).or_default() += 1;
                return self.judge_refusal(error.code, &error.message);
            }
        };
        let hold = match hold {
            Ok(hold) => hold,
            Err(error) => return self.breaks.add(error.to_string()),
        };
        if (hold.property, hold.check_in, hold.check_out) != (ask.property, ask.check_in, ask.check_out) {
            self.breaks.add(format!("asked for {ask:?}, got {hold:?}"));
        }
        if !reply.repeated {
            self.latencies.record(reply.latency());
        }
        let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
        acks.0.push((hold.id, hold.property, hold.check_in, hold.check_out));
        acks.1 = acks.1.max(Some(reply.received_at));
    }

    fn judge_refusal(&self, code: ErrorCode, message: &str) {
        // Nothing is expected to be refused here, and a limit would refuse every lane the same way: stop at the first.
        let first = !self.stop.swap(true, Ordering::Relaxed);
        if first && code == ErrorCode::HoldLimit {
            self.breaks.add(format!("hold_limit ({message}): start the hub with a larger LATCHKEY_MAX_ACTIVE_HOLDS for this benchmark"));
        } else if first {
            self.breaks.add(format!("a hold on nights nobody else asked for was refused: {} ({message})", code.as_str()));
        }
    }
}

/// Acknowledgements that share a claim or a night.
fn acks_amiss(acks: &[Ack]) -> Vec<String> {
    let (mut ids, mut nights) = (HashSet::new(), HashSet::new());
    let mut broken = Vec::new();
    for (id, property, check_in, check_out) in acks {
        if !ids.insert(*id) {
            broken.push(format!("hold {id} was acknowledged for two stays"));
        }
        for day in check_in.epoch_day()..check_out.epoch_day() {
            if !nights.insert((*property, day)) {
                broken.push(format!("a night of {property} was acknowledged twice, the second time to {id}"));
            }
        }
    }
    broken
}

#[allow(clippy::cast_precision_loss, reason = "a count of holds is far below 2^52")]
fn report(args: &HoldsArgs, link: &Link, bench: &Bench, started: Instant) -> Report {
    let acks = bench.acks.lock().unwrap_or_else(PoisonError::into_inner);
    bench.breaks.extend(acks_amiss(&acks.0));
    if acks.0.is_empty() {
        bench.breaks.add("no hold was acknowledged");
    }
    let seconds = acks.1.map_or(0.0, |last| last.saturating_duration_since(started).as_secs_f64());
    let rate = if seconds > 0.0 { acks.0.len() as f64 / seconds } else { 0.0 };
    let mut report = Report::new("holds");
    report.fact("connections", args.connections).fact("in flight", args.in_flight).fact("properties", args.properties);
    report.fact("nights", args.nights).fact("seconds", (seconds * 1_000.0).round() / 1_000.0);
    report.fact("holds", acks.0.len()).fact("holds per second", rate.round());
    report.fact("supply exhausted", bench.next.load(Ordering::Relaxed) > bench.supply.len());
    for (code, count) in &*bench.errors.lock().unwrap_or_else(PoisonError::into_inner) {
        report.fact(&format!("refused {}", code.as_str()), *count);
    }
    link.traffic.describe(&mut report);
    report.latency("hold", &bench.latencies).judge(bench.breaks.take());
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(id: u8, from: i32, to: i32) -> Ack {
        let day = |number| Date::from_epoch_day(number).unwrap();
        (HoldId::from_bytes([id; 16]), PropertyId::from_bytes([9; 16]), day(from), day(to))
    }

    #[test]
    fn acknowledgements_must_differ_in_claim_and_nights() {
        assert!(acks_amiss(&[ack(1, 5, 7), ack(2, 7, 9)]).is_empty());
        assert_eq!(acks_amiss(&[ack(1, 5, 7), ack(2, 6, 9)]).len(), 1);
        assert_eq!(acks_amiss(&[ack(1, 5, 7), ack(1, 7, 9)]).len(), 1);
    }
}
