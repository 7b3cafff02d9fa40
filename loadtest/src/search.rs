//! How long a search takes: the index beside a plain scan of the same homes, shape by shape, with its memory and its checkpoint; and,
//! if there is one, a hub with these homes over HTTP.
//!
//! Index and plain scan are in this process: what is measured is the search itself. A hub is asked the same questions as the index, over
//! loopback. Any difference between what the three answer is a broken promise.

mod fill;
mod hub;
mod queries;
mod world;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use latchkey::domain::Timestamp;
use latchkey::search::checkpoint::{Draft, Head, read};
use latchkey::search::plain::Plain;
use latchkey::search::{Cursor, Hit, Index, Query};
use latchkey_protocol::Date;

use self::hub::Asker;
use self::queries::{SHAPES, Shape};
use self::world::Market;
use crate::invariants::Breaks;
use crate::plan;
use crate::process::rss_kib;
use crate::random::SplitMix64;
use crate::report::{Latencies, Report};
use crate::target::Target;

/// `loadtest search`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SearchArgs {
    /// Published homes.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    homes: u32,
    /// Queries of each shape.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queries: u32,
    /// Of these, how many are put to the plain scan as well.
    #[arg(long, value_name = "N", default_value_t = 20)]
    plain: u32,
    /// Decides homes, bookings and queries; drawn and printed if left out.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// From which day on the homes have a year of stays, such as 2027-05-01; today in UTC if left out.
    #[arg(long, value_name = "DATE")]
    day: Option<Date>,
    /// Measures nothing, but writes the homes and their taken nights into a new data folder, for `latchkey serve --data DIR`.
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    fill: Option<PathBuf>,
    /// Also asks a hub on a folder that was filled with the same --seed, --homes and --day, such as `ws://127.0.0.1:8080/ws`.
    #[arg(long, requires = "seed")]
    pub(crate) url: Option<String>,
    /// Requests to the hub that are under way at once.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16), requires = "url")]
    in_flight: u8,
    /// Asks a hub that is not on this machine.
    #[arg(long, requires = "url")]
    pub(crate) allow_remote: bool,
    /// Writes the report to this file as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Results on a page, as the hub gives them if the client does not say; one more tells whether there is another page.
const PAGE: usize = 21;

/// Measures, or fills a folder.
///
/// # Errors
/// `/proc` cannot be read, the checkpoint does not read back, the folder cannot be filled, or the hub cannot be asked.
pub(crate) async fn run(args: &SearchArgs, seed: u64, hub: Option<Target>) -> Result<Report> {
    let market = Market { seed, homes: args.homes, day: args.day.unwrap_or_else(plan::today) };
    if let Some(folder) = &args.fill {
        return fill::run(folder, market).await;
    }
    let mut report = Report::new("search");
    let now = now();
    let pid = std::process::id();
    let before_kib = rss_kib(pid)?;
    let mut index = Index::new(now.utc_date());
    let mut nights = 0;
    for home in market.homes() {
        nights += home.taken.iter().map(|run| i64::from(run.to.days_since(run.from))).sum::<i64>();
        index.put(home);
    }
    let index_kib = rss_kib(pid)?.saturating_sub(before_kib);
    report.fact("homes", index.len()).fact("nights taken", nights).fact("index MiB", index_kib / 1_024);
    let index = checkpoint(&mut report, index, now)?;
    let mut plain = Plain::default();
    if args.plain > 0 {
        market.homes().for_each(|home| plain.put(home));
    }
    let hub = hub.map(|target| Asker::new(target, args.in_flight));
    if let Some(hub) = &hub {
        hub.wait_until_ready().await?;
        report.fact("requests at once", args.in_flight);
    }
    let mut breaks = Breaks::default();
    for (lane, shape) in (0u64..).zip(&SHAPES) {
        let questions = questions(args, shape, SplitMix64::lane(seed, lane), &index, now)?;
        measure(args, shape, &questions, &Both { index: &index, plain: &plain, now }, &mut report, &mut breaks);
        if let Some(hub) = &hub {
            let latencies = hub.measure(shape.name, &questions, &index, &mut breaks).await?;
            report.latency(&format!("{} (HTTP)", shape.name), &latencies);
        }
    }
    report.judge(breaks);
    Ok(report)
}

fn now() -> Timestamp {
    Timestamp::from_epoch_ms(plan::now_ms())
}

/// What is asked: a query, and after which result.
struct Question {
    query: Query,
    after: Option<Cursor>,
}

impl Question {
    fn answer(&self, index: &Index, now: Timestamp) -> Vec<Hit> {
        index.find(&self.query, self.after, PAGE, now)
    }
}

fn questions(args: &SearchArgs, shape: &Shape, mut random: SplitMix64, index: &Index, now: Timestamp) -> Result<Vec<Question>> {
    let draw = |_| {
        let query = (shape.draw)(&mut random, now);
        let query = query.validated().map_err(|refusal| anyhow!("{}: {refusal}", shape.name))?;
        let after = shape.page.and_then(|results| index.find(&query, None, results, now).last().map(Hit::cursor));
        Ok(Question { query, after })
    };
    (0..args.queries).map(draw).collect()
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

fn measure(args: &SearchArgs, shape: &Shape, questions: &[Question], both: &Both<'_>, report: &mut Report, breaks: &mut Breaks) {
    let (fast, slow) = (Latencies::default(), Latencies::default());
    let mut results = 0;
    for (number, question) in (0u32..).zip(questions) {
        let begun = Instant::now();
        let found = question.answer(both.index, both.now);
        fast.record(begun.elapsed());
        results += found.len();
        if number < args.plain {
            let begun = Instant::now();
            let expected = both.plain.find(&question.query, question.after, PAGE, both.now);
            slow.record(begun.elapsed());
            if told(&found) != told(&expected) {
                breaks.add(&format!("{}: index and plain scan differ for {:?}", shape.name, question.query));
            }
        }
    }
    report.fact(&format!("results of {}", shape.name), results / questions.len().max(1));
    report.latency(shape.name, &fast);
    if args.plain > 0 {
        report.latency(&format!("{} (plain scan)", shape.name), &slow);
    }
}

/// What a client sees of results, but for what follows from the home.
fn told(hits: &[Hit]) -> Vec<(latchkey::domain::PropertyId, Option<u32>, Option<i64>)> {
    hits.iter().map(|hit| (hit.listing.id, hit.distance_m, hit.offer.map(|(_, total_minor)| total_minor))).collect()
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
