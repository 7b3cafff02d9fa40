//! Idle connections: what one costs the hub in memory.
//!
//! The baseline is taken with one connection open, so that what the hub allocates once is not counted as a connection's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use latchkey_protocol::Topic;

use super::WatchArgs;
use crate::account::Account;
use crate::crowd::{self, SOCKETS_AT_ONCE};
use crate::holds::Alarm;
use crate::invariants::BreakLog;
use crate::process;
use crate::report::{Latencies, Report};
use crate::session::{Link, Session};

/// Opens `idle` connections, lets them settle, measures, closes.
///
/// # Errors
/// The hub refused a connection or could not be reached.
pub(super) async fn run(args: &WatchArgs, idle: u32, link: &Arc<Link>) -> Result<Report> {
    crowd::check_sockets(idle as usize + 1)?;
    let run = crowd::run_name();
    let breaks = Arc::new(BreakLog::default());
    let accounts = crowd::register(&link.rest, "watch", &run, args.users.min(idle) as usize).await?;
    let (_, properties) = crowd::host(&link.rest, "watch", &run, 1).await?;
    let topic = Topic::Property(*properties.first().context("no home was listed")?);
    let settle = Duration::from_secs(args.settle_s.into());

    let _warm = open(link, &accounts[0], topic, &breaks).await?;
    tokio::time::sleep(settle).await;
    let before = args.pid.map(process::rss_kib).transpose()?;
    let (latencies, started) = (Latencies::default(), Instant::now());
    let (accounts, log, clock) = (&accounts, &breaks, &latencies);
    let sessions = crowd::gather(idle as usize, SOCKETS_AT_ONCE, |number| async move {
        let began = Instant::now();
        let session = open(link, &accounts[number % accounts.len()], topic, log).await?;
        clock.record(began.elapsed());
        Ok::<_, anyhow::Error>(session)
    });
    let sessions = sessions.await.context("opening idle connections")?;
    let opening = started.elapsed();
    tokio::time::sleep(settle).await;
    let after = args.pid.map(process::rss_kib).transpose()?;

    let ended = sessions.iter().filter(|session| session.end().is_some()).count();
    if ended > 0 {
        breaks.add(format!("{ended} idle connections were closed"));
    }
    let mut report = Report::new("watch --idle");
    report.fact("connections", idle).fact("users", accounts.len());
    report.fact("opened per second", (f64::from(idle) / opening.as_secs_f64().max(0.001)).round());
    if let (Some(before), Some(after)) = (before, after) {
        let bytes = after.saturating_sub(before) * 1024;
        report.fact("rss before KiB", before).fact("rss after KiB", after);
        report.fact("rss bytes per connection", bytes / u64::from(idle));
    }
    link.traffic.describe(&mut report);
    report.latency("connect", &latencies).judge(breaks.take());
    Ok(report)
}

async fn open(link: &Arc<Link>, account: &Arc<Account>, topic: Topic, breaks: &Arc<BreakLog>) -> Result<Session> {
    let session = Session::open(link, Some(Arc::clone(account)), Arc::new(Alarm(Arc::clone(breaks)))).await?;
    session.subscribe(topic).await?;
    Ok(session)
}
