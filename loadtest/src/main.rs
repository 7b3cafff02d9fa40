//! `loadtest`: guests racing for nights, watchers counting sequences, and a verdict on the hub's promises.
//!
//! `race` checks the promises under contention and across crashes, `holds` measures durable holds per second, `watch` connections and fan-out,
//! `neighbour` fan-out beside clients that read nothing, `storm` thousands that are cut off at once and come back, `search` the search index beside a
//! plain scan and over HTTP. Each ends with one line, `invariants: ok` or `invariants: BROKEN …`, and an exit code to match. Only a hub on this
//! machine is loaded, unless asked otherwise.

#![allow(clippy::disallowed_methods, reason = "a load tester measures real time and makes its own names")]

mod account;
mod backoff;
mod crowd;
mod frame;
mod holds;
mod invariants;
mod neighbour;
mod plan;
mod process;
mod race;
mod random;
mod records;
mod report;
mod rest;
mod search;
mod session;
mod socket;
mod storm;
mod target;
mod verify;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

use crate::invariants::Breaks;
use crate::random::SplitMix64;
use crate::report::Report;
use crate::session::Link;
use crate::target::Target;

/// Guests racing for nights, watchers counting sequences: the load and invariant tester of Latchkey.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Guests race for the same nights; every promise is checked, also across crashes of the hub.
    Race {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        args: race::RaceArgs,
    },
    /// Uncontended holds, as many as the hub makes durable.
    Holds {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        args: holds::HoldsArgs,
    },
    /// Idle connections (--idle) or fan-out (--watchers, --events).
    Watch {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        args: watch::WatchArgs,
    },
    /// Watchers of a busy home alone, beside others who read, and beside others who read nothing: what do slow neighbours change?
    Neighbour {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        args: neighbour::NeighbourArgs,
    },
    /// Every connection is cut at once, and all clients come back and resume while events go on.
    Storm {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        args: storm::StormArgs,
    },
    /// How long a search takes: the index in this process beside a plain scan of the same homes, and a hub with them over HTTP (--fill, --url).
    Search {
        #[command(flatten)]
        args: search::SearchArgs,
    },
}

/// What every scenario needs to know.
#[derive(Debug, Clone, Args)]
struct Common {
    /// The hub's socket, such as `ws://127.0.0.1:8080/ws`; REST is expected on the same host and port.
    #[arg(long)]
    url: String,
    /// Loads a hub that is not on this machine.
    #[arg(long)]
    allow_remote: bool,
    /// Decides which stays are asked for; drawn and printed if left out.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Writes the report to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How long clients try to come back to a hub that went away, in seconds.
    #[arg(long, value_name = "N", default_value_t = account::PATIENCE.as_secs(), value_parser = clap::value_parser!(u64).range(1..=3_600))]
    reconnect_s: u64,
}

impl Scenario {
    const fn name(&self) -> &'static str {
        match self {
            Self::Race { .. } => "race",
            Self::Holds { .. } => "holds",
            Self::Watch { .. } => "watch",
            Self::Neighbour { .. } => "neighbour",
            Self::Storm { .. } => "storm",
            Self::Search { .. } => "search",
        }
    }

    /// What all but `search` have.
    const fn common(&self) -> Option<&Common> {
        match self {
            Self::Race { common, .. }
            | Self::Holds { common, .. }
            | Self::Watch { common, .. }
            | Self::Neighbour { common, .. }
            | Self::Storm { common, .. } => Some(common),
            Self::Search { .. } => None,
        }
    }

    /// The hub it loads, if it loads one, and whether that may be far away.
    fn hub(&self) -> Option<(&str, bool)> {
        match self {
            Self::Search { args } => args.url.as_deref().map(|url| (url, args.allow_remote)),
            others => others.common().map(|common| (common.url.as_str(), common.allow_remote)),
        }
    }

    fn seed(&self) -> u64 {
        let given = match self {
            Self::Search { args } => args.seed,
            others => others.common().and_then(|common| common.seed),
        };
        given.unwrap_or_else(|| SplitMix64::new(plan::now_ms().unsigned_abs()).draw())
    }

    fn json(&self) -> Option<&Path> {
        match self {
            Self::Search { args } => args.json.as_deref(),
            others => others.common().and_then(|common| common.json.as_deref()),
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let scenario = Cli::parse().scenario;
    let target = match scenario.hub().map(|(url, allow_remote)| Target::parse(url, allow_remote)).transpose() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(2);
        }
    };
    let report = match run(&scenario, target).await {
        Ok(report) => report,
        Err(error) => {
            // Scripts read the last line: a run that could not be made proves nothing, so it must not look like a good one.
            let mut breaks = Breaks::default();
            breaks.add(&format!("the run could not be made: {error:#}"));
            let mut report = Report::new(scenario.name());
            report.judge(breaks);
            report
        }
    };
    if let Some(path) = scenario.json()
        && let Err(error) = report.write_json(path)
    {
        eprintln!("error: {error:#}");
    }
    println!("{}", report.text());
    if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(scenario: &Scenario, target: Option<Target>) -> Result<Report> {
    let seed = scenario.seed();
    println!("seed: {seed}");
    let link = |common: &Common| {
        let target = target.clone().context("no hub was named")?;
        anyhow::Ok(Link::new(target, Duration::from_secs(common.reconnect_s), seed))
    };
    match scenario {
        Scenario::Race { args, common } => race::run(args, link(common)?).await,
        Scenario::Holds { args, common } => holds::run(args, link(common)?).await,
        Scenario::Watch { args, common } => watch::run(args, link(common)?).await,
        Scenario::Neighbour { args, common } => neighbour::run(args, link(common)?).await,
        Scenario::Storm { args, common } => {
            let target = target.clone().context("no hub was named")?;
            storm::run(args, Link::spread(target, Duration::from_secs(common.reconnect_s), seed, args.sources)).await
        }
        Scenario::Search { args } => search::run(args, seed, target.clone()).await,
    }
}
