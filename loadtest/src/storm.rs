//! A storm: every connection is lost in the same moment, and all clients come back and resume while events go on.
//!
//! Invariant: a client is counted as current when it is back and every event that had been acknowledged before it began to come back has
//! reached it, in order and once (P4, checked by its session). At the end every client stands at the last acknowledged event of its home.

mod clients;
mod hub;
mod writers;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use latchkey_protocol::{PropertyId, Topic};

use self::clients::{Client, Returns};
use self::hub::{Costs, Program};
use self::writers::{Acknowledged, Writers};
use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::invariants::BreakLog;
use crate::report::Report;
use crate::session::{Link, Outage, Session};

/// The goals: everybody is current within this …
const GOAL: Duration = Duration::from_secs(10);
/// … and the database is read at most once for so many clients.
const GOAL_CLIENTS_PER_READ: u64 = 10;
/// How long events go on before the cut: every home has some behind it.
const WARM_UP: Duration = Duration::from_secs(3);
/// How long the last events may take to everyone.
const LAG: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(10);

/// `loadtest storm`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StormArgs {
    /// Connections, each following a home, and its user's inbox unless it is anonymous.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=18_000))]
    clients: u32,
    /// Users that share them (each is registered first, which takes two password hashes).
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=18_000))]
    users: u32,
    /// How many in a hundred clients are nobody's.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    anonymous_percent: u32,
    /// Homes.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    properties: u32,
    /// Guests who hold and release nights all the time.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    writers: u32,
    /// Events a second, of all writers together.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How long nobody comes back: by default long enough for two events of each home.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    outage_ms: u32,
    /// Then each waits a random time of up to this: what the TypeScript client does the first time.
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=60_000))]
    jitter_ms: u32,
    /// Addresses of this machine that connections come from (127.1.0.1 and following); 0 leaves it to the kernel.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub(crate) sources: u32,
    /// The hub's process, for its CPU time.
    #[arg(long)]
    pid: Option<u32>,
    /// Starts the hub with this command line, and instead of cutting connections kills it (SIGKILL) and starts it again.
    #[arg(long, value_name = "COMMAND", conflicts_with = "pid")]
    restart: Option<String>,
}

/// Measures.
///
/// # Errors
/// The run could not be prepared. What breaks later is in the report.
pub(crate) async fn run(args: &StormArgs, link: Arc<Link>) -> Result<Report> {
    crowd::check_sockets((args.clients + args.writers) as usize)?;
    let mut program = match &args.restart {
        Some(command) => Some(Program::start(command, &link.rest).await?),
        None => None,
    };
    let run = crowd::run_name();
    let breaks = Arc::new(BreakLog::default());
    let users = args.users.min(args.clients) as usize;
    eprintln!("registering {users} users, listing {} homes …", args.properties);
    let writers = Writers::open(&link, &run, args.writers, &breaks).await?;
    let (_, homes) = crowd::host(&link.rest, "storm", &run, args.properties as usize).await?;
    let accounts = crowd::register(&link.rest, "storm", &run, users).await?;
    let acknowledged = Arc::new(Acknowledged::of(homes.clone()));
    let returns = Arc::new(Returns::new(Arc::clone(&acknowledged), Arc::clone(&breaks)));
    eprintln!("opening {} connections …", args.clients);
    let (link_ref, accounts, homes_ref, returns_ref) = (&link, &accounts, &homes, &returns);
    let sessions = crowd::gather(args.clients as usize, SOCKETS_AT_ONCE, |number| async move {
        let is_anonymous = number % 100 < args.anonymous_percent as usize;
        let account = (!is_anonymous).then(|| Arc::clone(&accounts[number % accounts.len()]));
        let inbox = account.as_ref().map(|account| Topic::User(account.user));
        let home = Topic::Property(homes_ref[number % homes_ref.len()]);
        let session = Session::open(link_ref, account, Arc::new(Client::new(home, Arc::clone(returns_ref)))).await?;
        for topic in [Some(home), inbox].into_iter().flatten() {
            session.subscribe(topic).await?;
        }
        Ok::<_, anyhow::Error>(session)
    });
    let sessions = sessions.await.context("opening the clients' connections")?;

    let writing = writers.start(&acknowledged, &run, args.rate);
    tokio::time::sleep(WARM_UP).await;
    let before = Costs::read(&link.rest, pid(args, program.as_ref())).await;
    returns.begin();
    if let Some(program) = &mut program {
        program.restart(&link.rest).await?;
        returns.note_ready();
    } else {
        link.cut(Outage { at_least: ms(args.outage_ms), jitter: ms(args.jitter_ms) });
    }
    let is_all = returns.all(sessions.len(), link.patience).await;
    let after = Costs::read(&link.rest, pid(args, program.as_ref())).await;
    if !is_all {
        breaks.add(format!("{} of {} clients came back", returns.count(), sessions.len()));
    }
    writing.stop().await;
    await_last(&sessions, &homes, &acknowledged, &breaks).await;

    // A hub that was started anew has begun to count anew.
    let before = if program.is_some() { Costs::default() } else { before };
    let costs = after.since(&before);
    Ok(report(args, &link, &returns, &costs, &breaks))
}

const fn ms(number: u32) -> Duration {
    Duration::from_millis(number as u64)
}

fn pid(args: &StormArgs, program: Option<&Program>) -> Option<u32> {
    program.map_or(args.pid, Program::pid)
}

/// Waits until every client stands at the last event of its home.
async fn await_last(sessions: &[Session], homes: &[PropertyId], acknowledged: &Acknowledged, breaks: &BreakLog) {
    let lagging = || {
        let at = |(number, session): (usize, &Session)| {
            let home = Topic::Property(homes[number % homes.len()]);
            session.head(home) != acknowledged.head(home)
        };
        sessions.iter().enumerate().filter(|client| at(*client)).count()
    };
    let deadline = Instant::now() + LAG;
    while lagging() > 0 && Instant::now() < deadline {
        tokio::time::sleep(POLL).await;
    }
    let lagging = lagging();
    if lagging > 0 {
        breaks.add(format!("{lagging} clients do not stand at the last acknowledged event of their home"));
    }
}

fn report(args: &StormArgs, link: &Link, returns: &Returns, costs: &Costs, breaks: &BreakLog) -> Report {
    let clients = u64::from(args.clients);
    let mut report = Report::new(if args.restart.is_some() { "storm --restart" } else { "storm" });
    report.fact("clients", args.clients).fact("users", args.users.min(args.clients)).fact("anonymous percent", args.anonymous_percent);
    report
        .fact("properties", args.properties)
        .fact("events per second", args.rate)
        .fact("outage ms", args.outage_ms)
        .fact("jitter ms", args.jitter_ms);
    report.fact("events missed", returns.missed()).fact("clients that missed none", returns.missed_none());
    let last = returns.last();
    report.fact("all current after ms", u64::try_from(last.as_millis()).unwrap_or(u64::MAX));
    if let Some(ready) = returns.ready() {
        report.fact("hub ready after ms", u64::try_from(ready.as_millis()).unwrap_or(u64::MAX));
    }
    if let Some(cpu_ms) = costs.cpu_ms {
        report.fact("hub cpu ms", cpu_ms).fact("hub cpu us per client", cpu_ms * 1_000 / clients);
    }
    if let Some(reads) = costs.reads() {
        report.fact("database reads", reads);
        for (of, count) in costs.reads_by_kind() {
            report.fact(&format!("database reads of {of}"), count);
        }
    }
    if args.restart.is_none() {
        report.fact("goal: all within 10 s", if last <= GOAL { "met" } else { "missed" });
        if let Some(reads) = costs.reads() {
            report.fact("goal: a read for 10 clients", if reads * GOAL_CLIENTS_PER_READ <= clients { "met" } else { "missed" });
        }
    }
    link.traffic.describe(&mut report);
    report.latency("lost to current", returns.latencies()).judge(breaks.take());
    report
}
