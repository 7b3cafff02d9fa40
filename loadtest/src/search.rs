//! How long a search takes: the index beside a plain scan of the same homes, shape by shape, with its memory and its checkpoint.
//!
//! Everything happens in this process, without a hub: what is measured is the search itself. A part of the queries is also put to the plain
//! scan, and any difference between the two is a broken promise.

mod queries;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use latchkey::domain::Timestamp;
use latchkey::search::checkpoint::{Draft, Head, read};
use latchkey::search::plain::Plain;
use latchkey::search::{Cursor, Hit, Index, Query};

use self::queries::{SHAPES, Shape};
use crate::invariants::Breaks;
use crate::process::rss_kib;
use crate::random::SplitMix64;
use crate::report::{Latencies, Report};

/// `loadtest search`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SearchArgs {
    /// Published homes.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    homes: u32,
    /// Queries of each shape.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queries: u32,
    /// Of these, how many are put to the plain scan as well.
    #[arg(long, default_value_t = 20)]
    plain: u32,
    /// Decides homes, bookings and queries; drawn and printed if left out.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Writes the report to this file as JSON.
    #[arg(long)]
    pub(crate) json: Option<std::path::PathBuf>,
}

/// Results on a page, as the hub gives them if the client does not say; one more tells whether there is another page.
const PAGE: usize = 21;

/// Measures.
///
/// # Errors
/// `/proc` cannot be read, or the checkpoint does not read back.
pub(crate) fn run(args: &SearchArgs, seed: u64, now_ms: i64) -> Result<Report> {
    let mut report = Report::new("search");
    let now = Timestamp::from_epoch_ms(now_ms);
    let pid = std::process::id();
    let before_kib = rss_kib(pid)?;
    let mut index = Index::new(now.utc_date());
    let mut nights = 0;
    for number in 0..args.homes {
        let home = world::home(seed, number, now);
        nights += home.taken.iter().map(|run| i64::from(run.to.days_since(run.from))).sum::<i64>();
        index.put(home);
    }
    let index_kib = rss_kib(pid)?.saturating_sub(before_kib);
    report.fact("homes", index.len()).fact("nights taken", nights).fact("index MiB", index_kib / 1_024);
    let index = checkpoint(&mut report, index, now)?;
    let mut plain = Plain::default();
    for number in 0..args.homes {
        plain.put(world::home(seed, number, now));
    }
    let mut breaks = Breaks::default();
    for (lane, shape) in (0u64..).zip(&SHAPES) {
        let mut random = SplitMix64::lane(seed, lane);
        measure(args, shape, &mut random, &Both { index: &index, plain: &plain, now }, &mut report, &mut breaks);
    }
    report.judge(breaks);
    Ok(report)
}

/// Writes the index as a checkpoint, reads it back and goes on with what was read.
fn checkpoint(report: &mut Report, index: Index, now: Timestamp) -> Result<Index> {
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    let (mut draft, mut bytes) = Draft::begin(&Head::default());
    loop {
        let held = Instant::now();
        let homes = draft.homes(&index);
        longest = longest.max(held.elapsed());
        let Some(homes) = homes else { break };
        bytes.extend(draft.seal(homes));
    }
    bytes.extend(draft.finish());
    let written = begun.elapsed();
    drop(index);
    let begun = Instant::now();
    let (_, index) = read(&bytes, now.utc_date()).map_err(|error| anyhow!("the checkpoint does not read back: {error}"))?;
    report
        .fact("checkpoint MiB", bytes.len() / 1_048_576)
        .fact("checkpoint written ms", ms(written))
        .fact("longest lock for it ms", ms(longest))
        .fact("checkpoint read ms", ms(begun.elapsed()));
    Ok(index)
}

struct Both<'a> {
    index: &'a Index,
    plain: &'a Plain,
    now: Timestamp,
}

fn measure(args: &SearchArgs, shape: &Shape, random: &mut SplitMix64, both: &Both<'_>, report: &mut Report, breaks: &mut Breaks) {
    let (fast, slow) = (Latencies::default(), Latencies::default());
    let mut results = 0;
    for number in 0..args.queries {
        let query = (shape.draw)(random, both.now);
        let after = shape.page.and_then(|page| cursor(both, &query, page));
        let begun = Instant::now();
        let found = both.index.find(&query, after, PAGE, both.now);
        fast.record(begun.elapsed());
        results += found.len();
        if number < args.plain {
            let begun = Instant::now();
            let expected = both.plain.find(&query, after, PAGE, both.now);
            slow.record(begun.elapsed());
            if told(&found) != told(&expected) {
                breaks.add(&format!("{}: index and plain scan differ for {query:?}", shape.name));
            }
        }
    }
    report.fact(&format!("results of {}", shape.name), results / usize::try_from(args.queries).unwrap_or(1));
    report.latency(shape.name, &fast);
    report.latency(&format!("{} (plain scan)", shape.name), &slow);
}

/// The cursor after so many results.
fn cursor(both: &Both<'_>, query: &Query, results: usize) -> Option<Cursor> {
    both.index.find(query, None, results, both.now).last().map(Hit::cursor)
}

/// What a client sees of results, but for what follows from the home.
fn told(hits: &[Hit]) -> Vec<(latchkey::domain::PropertyId, Option<u32>, Option<i64>)> {
    hits.iter().map(|hit| (hit.listing.id, hit.distance_m, hit.offer.map(|(_, total_minor)| total_minor))).collect()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
