//! What connections cost: many that stay silent, or many that all hear the same events.

pub(crate) mod fanout;
mod idle;

use std::sync::Arc;

use anyhow::{Result, bail};

use crate::report::Report;
use crate::session::Link;

/// `loadtest watch`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct WatchArgs {
    /// Opens this many authenticated connections, each following one home, and measures the hub's memory for them.
    #[arg(long, value_name = "N", conflicts_with_all = ["watchers", "events"], value_parser = clap::value_parser!(u32).range(1..=19_000))]
    idle: Option<u32>,
    /// Anonymous connections that follow one home.
    #[arg(long, value_name = "N", requires = "events", value_parser = clap::value_parser!(u32).range(1..=19_000))]
    watchers: Option<u32>,
    /// Events that each of them must receive.
    #[arg(long, value_name = "N", requires = "watchers", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    events: Option<u32>,
    /// Events per second; what the hub does not reach is not caught up.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// The hub's process, for its memory and CPU time.
    #[arg(long)]
    pid: Option<u32>,
    /// Users that share the idle connections.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    users: u32,
    /// Seconds of silence before memory is measured: the hub gives back what logging in took after about ten.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=600))]
    settle_s: u32,
}

/// Measures.
///
/// # Errors
/// The run could not be prepared. What breaks later is in the report.
pub(crate) async fn run(args: &WatchArgs, link: Arc<Link>) -> Result<Report> {
    match (args.idle, args.watchers, args.events) {
        (Some(idle), None, None) => idle::run(args, idle, &link).await,
        (None, Some(watchers), Some(events)) => fanout::run(args, watchers, events, &link).await,
        _ => bail!("say either --idle N, or --watchers N --events N"),
    }
}
