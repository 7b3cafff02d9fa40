//! The race: guests who all want the same nights in the same instant, watchers who see who got them, a host who hears of it.
//!
//! A run prepares its field (users, homes, sockets), plays its rounds one after the other, lets everything arrive, then
//! judges. The hub may be killed and started again at any time meanwhile; what it acknowledged must come out all the same.

mod field;
mod guest;
mod inbox;
mod settle;
mod stand;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::invariants::claims::{Lost, Progress, Won};
use crate::invariants::{BreakLog, Breaks};
use crate::plan::Round;
use crate::records::{History, Recorder};
use crate::report::{Latencies, Report};
use crate::session::Link;
use crate::verify;
use field::Field;
use guest::Outcome;

/// `loadtest race`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RaceArgs {
    /// Guests who race in every round.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    guests: u32,
    /// Races, each for nights nobody asked for before.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// Anonymous sockets that watch the homes; at least one watches anyway.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    watchers: u32,
    /// Nights at stake in each round.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=30))]
    nights: u32,
    /// Records what the hub acknowledges in this file; if it holds records already, only checks those against the hub.
    #[arg(long, value_name = "FILE")]
    check: Option<PathBuf>,
}

/// What all tasks of a race share.
#[derive(Debug)]
struct Course {
    run: String,
    seed: u64,
    link: Arc<Link>,
    breaks: Arc<BreakLog>,
    recorder: Recorder,
    clocks: Clocks,
}

/// How long things took.
#[derive(Debug, Default)]
struct Clocks {
    hold_won: Latencies,
    hold_refused: Latencies,
    book: Latencies,
    confirmed: Latencies,
    hold_to_watcher: Latencies,
}

/// What came of the rounds.
#[derive(Debug, Default)]
struct Tally {
    played: u32,
    wins: Vec<Won>,
    /// When each winner sent its hold, in the order of `wins`; `None` if it was sent more than once.
    sent_at: Vec<Option<Instant>>,
    losses: Vec<Lost>,
}

/// Races, or checks the records of an earlier race.
///
/// # Errors
/// The run could not be prepared. What breaks later is in the report.
pub(crate) async fn run(args: &RaceArgs, link: Arc<Link>) -> Result<Report> {
    if let Some(path) = &args.check
        && let Some(history) = History::read(path)?
    {
        return check(path, &history, &link).await;
    }
    let course = Arc::new(Course {
        run: crate::crowd::run_name(),
        seed: link.seed,
        link,
        breaks: Arc::default(),
        recorder: Recorder::create(args.check.as_deref())?,
        clocks: Clocks::default(),
    });
    let field = Field::prepare(args, &course).await?;
    let started = Instant::now();
    let tally = play(&field, &course).await;
    let seconds = started.elapsed().as_secs_f64();
    settle::settle(&field, &course, &tally).await;
    Ok(report(args, &field, &course, &tally, seconds))
}

async fn check(path: &Path, history: &History, link: &Link) -> Result<Report> {
    let guests = verify::log_in_claimants(&link.rest, history).await.with_context(|| format!("checking {}", path.display()))?;
    let mut breaks = Breaks::default();
    verify::verify(&link.rest, history, &guests).await.iter().for_each(|what| breaks.add(what));
    let mut report = Report::new("race --check");
    let claims = || history.claims.values();
    report.fact("file", path.display().to_string()).fact("run", history.run.name.clone());
    report.fact("holds acknowledged", claims().count());
    report.fact("bookings acknowledged", claims().filter(|claim| claim.booked).count());
    report.fact("bookings confirmed", claims().filter(|claim| claim.confirmed).count());
    report.judge(breaks);
    Ok(report)
}

async fn play(field: &Field, course: &Arc<Course>) -> Tally {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} rounds, {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(field.rounds.len() as u64).with_style(style);
    let mut tally = Tally::default();
    for round in &field.rounds {
        play_round(field, course, *round, &mut tally).await;
        tally.played += 1;
        bar.set_message(format!("{} won, {} refused", tally.wins.len(), tally.losses.len()));
        bar.inc(1);
        // A session that ended has said why; without its guest the race is not the one that was asked for.
        if field.guests.iter().any(|guest| guest.session.end().is_some()) {
            break;
        }
    }
    bar.finish_and_clear();
    tally
}

async fn play_round(field: &Field, course: &Arc<Course>, round: Round, tally: &mut Tally) {
    let start = Arc::new(Barrier::new(field.guests.len()));
    let property = field.properties[round.property];
    let mut turns = JoinSet::new();
    for guest in &field.guests {
        let (guest, course, start) = (Arc::clone(guest), Arc::clone(course), Arc::clone(&start));
        turns.spawn(async move {
            let played = guest.play(&course, round, property, &start).await;
            played.map_err(|error| format!("guest {} in round {}: {error:#}", guest.number, round.number))
        });
    }
    while let Some(turn) = turns.join_next().await {
        match turn.map_err(|error| error.to_string()).flatten() {
            Ok(Outcome::Won(won, sent_at)) => {
                tally.wins.push(won);
                tally.sent_at.push(sent_at);
            }
            Ok(Outcome::Lost(lost)) => tally.losses.push(lost),
            Err(what) => course.breaks.add(what),
        }
    }
}

fn report(args: &RaceArgs, field: &Field, course: &Course, tally: &Tally, seconds: f64) -> Report {
    let count = |progress: &Progress| tally.wins.iter().filter(|won| won.progress == *progress).count();
    let mut report = Report::new("race");
    report.fact("seed", course.seed).fact("run", course.run.clone());
    report.fact("guests", args.guests).fact("watchers", field.watchers.len()).fact("nights", args.nights);
    report.fact("rounds", tally.played).fact("seconds", (seconds * 1_000.0).round() / 1_000.0);
    report.fact("holds won", tally.wins.len()).fact("holds refused", tally.losses.len());
    report.fact("bookings confirmed", count(&Progress::Confirmed)).fact("claims lapsed", count(&Progress::Lapsed));
    course.link.traffic.describe(&mut report);
    report.fact("events to watchers", field.stand.deliveries.load(Ordering::Relaxed));
    let clocks = &course.clocks;
    report.latency("hold won", &clocks.hold_won).latency("hold refused", &clocks.hold_refused).latency("book", &clocks.book);
    report.latency("pay to confirmed", &clocks.confirmed).latency("hold to watcher", &clocks.hold_to_watcher);
    report.judge(course.breaks.take());
    report
}
