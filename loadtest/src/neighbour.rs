//! The neighbour: what clients that read nothing, or a few bytes a second, do to those who watch the same busy home and do read.
//!
//! Three times the same events are made on a home of its own: for the watchers alone, beside others who read as well, and beside as many
//! who do not. The second tells what more connections cost; what the third costs beyond it is what slowness costs others. Rounds take turns,
//! so that whatever else the machine does meets all three.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use latchkey_protocol::client::{Command, Envelope, Subscribe};
use latchkey_protocol::{PropertyId, Topic};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::holds::Alarm;
use crate::invariants::BreakLog;
use crate::report::{Latencies, Report};
use crate::session::{Link, Session};
use crate::socket::Connection;
use crate::target::Way;
use crate::watch::fanout::{Fan, await_deliveries, cause_events, holders_needed, open_holders, watch};

/// What the kernel keeps for a slow client: as little as it may.
const SLOW_BUFFER_BYTES: u32 = 2 * 1024;
/// What the hub counts under pressure.
const CONFLATED: &str = "latchkey_ws_conflated_total ";
const CLOSED: &str = "latchkey_ws_slow_consumers_total ";

/// `loadtest neighbour`
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NeighbourArgs {
    /// Healthy watchers, whose latencies are measured.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    watchers: u32,
    /// Their neighbours, slow or not.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    neighbours: u32,
    /// What a slow neighbour reads in a second.
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=65_536))]
    slow_bytes: u32,
    /// Events of each part.
    #[arg(long, value_name = "N", default_value_t = 1_500, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    events: u32,
    /// Events a second.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// How often the three parts take turns.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=50))]
    rounds: u32,
}

/// Who else watches.
#[derive(Debug, Clone, Copy)]
enum Part {
    Alone,
    BesideReaders,
    BesideSlow,
}

impl Part {
    const ALL: [Self; 3] = [Self::Alone, Self::BesideReaders, Self::BesideSlow];

    const fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::BesideReaders => "beside readers",
            Self::BesideSlow => "beside slow ones",
        }
    }
}

/// What a part came to, over all rounds.
#[derive(Debug, Default)]
struct Found {
    delivery: Latencies,
    spread: Latencies,
}

/// Those beside the watchers, for as long as this is kept.
#[expect(dead_code, reason = "held, not read")]
enum Beside {
    Nobody,
    Readers(Vec<Session>),
    Slow(JoinSet<()>),
}

/// Measures.
///
/// # Errors
/// The run could not be prepared, or the guest was refused.
pub(crate) async fn run(args: &NeighbourArgs, link: Arc<Link>) -> Result<Report> {
    crowd::check_sockets((args.watchers + args.neighbours) as usize)?;
    let run = crowd::run_name();
    let breaks = Arc::new(BreakLog::default());
    let accounts = crowd::register(&link.rest, "neighbour", &run, holders_needed(args.events as usize)).await?;
    let parts: Vec<Part> = (0..args.rounds).flat_map(|_| Part::ALL).collect();
    let (_, homes) = crowd::host(&link.rest, "neighbour", &run, parts.len()).await?;
    let holders = open_holders(&link, &accounts, &breaks).await?;
    let before = pressure(&link).await;
    let found: [Found; 3] = Default::default();
    for (number, (part, home)) in parts.into_iter().zip(homes).enumerate() {
        eprintln!("{} …", part.name());
        let fan = Fan::new(args.events as usize, &breaks);
        let watchers = watch(&link, home, args.watchers as usize, &fan).await?;
        let beside = settle(part, args, &link, home, &breaks).await?;
        cause_events(&holders, home, &format!("{run}-{number}"), args.rate, &fan).await?;
        await_deliveries(&fan, u64::from(args.watchers) * u64::from(args.events)).await;
        drop((watchers, beside));
        found[part as usize].delivery.add(&fan.delivery);
        found[part as usize].spread.add(&fan.spread);
    }
    let after = pressure(&link).await;

    let mut report = Report::new("neighbour");
    report.fact("watchers", args.watchers).fact("neighbours", args.neighbours).fact("slow bytes per second", args.slow_bytes);
    report.fact("events", args.events).fact("events per second", args.rate).fact("rounds", args.rounds);
    if let (Some(before), Some(after)) = (before, after) {
        report.fact("changes told together to slow ones", after.0.saturating_sub(before.0));
        report.fact("slow ones closed", after.1.saturating_sub(before.1));
    }
    let p99 = |part: Part| found[part as usize].delivery.quantile_ms(0.99);
    report.fact("p99 beside slow ones / alone", ratio(p99(Part::BesideSlow), p99(Part::Alone)));
    report.fact("p99 beside slow ones / beside readers", ratio(p99(Part::BesideSlow), p99(Part::BesideReaders)));
    link.traffic.describe(&mut report);
    for part in Part::ALL {
        report.latency(part.name(), &found[part as usize].delivery);
    }
    for part in Part::ALL {
        report.latency(&format!("{}, first to each", part.name()), &found[part as usize].spread);
    }
    report.judge(breaks.take());
    Ok(report)
}

fn ratio(of: f64, to: f64) -> f64 {
    (of / to.max(0.001) * 100.0).round() / 100.0
}

/// Opens the connections beside the watchers'.
async fn settle(part: Part, args: &NeighbourArgs, link: &Arc<Link>, home: PropertyId, breaks: &Arc<BreakLog>) -> Result<Beside> {
    let (count, topic) = (args.neighbours as usize, Topic::Property(home));
    Ok(match part {
        Part::Alone => Beside::Nobody,
        Part::BesideReaders => {
            let readers = crowd::gather(count, SOCKETS_AT_ONCE, |_| async move {
                let session = Session::open(link, None, Arc::new(Alarm(Arc::clone(breaks)))).await?;
                session.subscribe(topic).await?;
                Ok::<_, anyhow::Error>(session)
            });
            Beside::Readers(readers.await.context("opening the neighbours' sockets")?)
        }
        Part::BesideSlow => {
            let slow = crowd::gather(count, SOCKETS_AT_ONCE, |_| follow_slowly(link, topic));
            let slow = slow.await.context("opening the slow neighbours' sockets")?;
            Beside::Slow(slow.into_iter().map(|stream| dawdle(stream, args.slow_bytes as usize)).collect())
        }
    })
}

/// Follows a home with the smallest buffer, and stops reading when the snapshot is there.
async fn follow_slowly(link: &Arc<Link>, topic: Topic) -> Result<TcpStream> {
    let way = Way { receive_buffer_bytes: Some(SLOW_BUFFER_BYTES), ..Way::default() };
    let mut connection = Connection::open(&link.target, way).await?;
    let ask = Envelope { id: 1, cmd: Command::Subscribe.as_str(), key: None, data: Some(Subscribe { topic }) };
    connection.feed(serde_json::to_string(&ask)?.into()).await?;
    connection.flush().await?;
    connection.next().await?;
    Ok(connection.into_stream())
}

/// Reads so many bytes a second, until it is dropped or the hub ends it.
async fn dawdle(mut stream: TcpStream, bytes_per_second: usize) {
    let mut buffer = vec![0; bytes_per_second];
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if bytes_per_second > 0 && !matches!(stream.read(&mut buffer).await, Ok(1..)) {
            return;
        }
    }
}

/// Changes that were told together, and slow clients that were closed, since the hub's start.
async fn pressure(link: &Link) -> Option<(u64, u64)> {
    let metrics = link.rest.text("/metrics/").await.ok()?;
    let count = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or(0);
    Some((count(CONFLATED), count(CLOSED)))
}
