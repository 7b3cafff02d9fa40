//! The hub from outside: what it costs, and a hub of our own that is killed and started again.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::process::{Child, Command};

use crate::process;
use crate::rest::Rest;

/// A hub with a search index to build may take this long.
const START: Duration = Duration::from_mins(5);
const POLL: Duration = Duration::from_millis(20);
/// What the hub counts its reads in.
const READS: &str = "latchkey_database_reads_total{of=\"";

/// What the hub has used so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Costs {
    /// CPU time, if its process is known.
    pub(super) cpu_ms: Option<u64>,
    reads: Option<BTreeMap<String, u64>>,
}

impl Costs {
    /// Asks. A hub without metrics is one whose reads nobody knows.
    pub(super) async fn read(rest: &Rest, pid: Option<u32>) -> Self {
        let metrics = rest.text("/metrics/").await.ok();
        Self { cpu_ms: pid.and_then(|pid| process::cpu_ms(pid).ok()), reads: metrics.map(|text| reads(&text)) }
    }

    /// What was used since.
    pub(super) fn since(&self, before: &Self) -> Self {
        let less = |of: &String, count: u64| count - before.reads.as_ref().and_then(|reads| reads.get(of)).copied().unwrap_or(0).min(count);
        Self {
            cpu_ms: self.cpu_ms.map(|after| after.saturating_sub(before.cpu_ms.unwrap_or(0))),
            reads: self.reads.as_ref().map(|reads| reads.iter().map(|(of, count)| (of.clone(), less(of, *count))).collect()),
        }
    }

    /// Queries of the database besides commits, if the hub counts them.
    pub(super) fn reads(&self) -> Option<u64> {
        self.reads.as_ref().map(|reads| reads.values().sum())
    }

    /// The same by what was read, without what was not.
    pub(super) fn reads_by_kind(&self) -> impl Iterator<Item = (&str, u64)> {
        self.reads.iter().flatten().filter(|(_, count)| **count > 0).map(|(of, count)| (of.as_str(), *count))
    }
}

fn reads(metrics: &str) -> BTreeMap<String, u64> {
    let line = |line: &str| {
        let (of, count) = line.strip_prefix(READS)?.split_once("\"} ")?;
        Some((of.to_owned(), count.parse().ok()?))
    };
    metrics.lines().filter_map(line).collect()
}

/// A hub that this process runs; gone with this value.
#[derive(Debug)]
pub(super) struct Program {
    command: String,
    child: Child,
}

impl Program {
    /// Starts it and waits until it takes clients.
    ///
    /// # Errors
    /// It cannot be run, ends, or never says that it is ready.
    pub(super) async fn start(command: &str, rest: &Rest) -> Result<Self> {
        let mut program = Self { command: command.to_owned(), child: spawn(command)? };
        program.ready(rest).await?;
        Ok(program)
    }

    /// Kills it (SIGKILL), starts it again and waits until it takes clients.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(super) async fn restart(&mut self, rest: &Rest) -> Result<()> {
        self.child.kill().await.context("killing the hub")?;
        self.child = spawn(&self.command)?;
        self.ready(rest).await
    }

    /// Its process.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn ready(&mut self, rest: &Rest) -> Result<()> {
        let deadline = Instant::now() + START;
        while rest.text("/readyz").await.is_err() {
            ensure!(self.child.try_wait()?.is_none(), "the hub has ended: {}", self.command);
            ensure!(Instant::now() < deadline, "the hub was not ready within {} s", START.as_secs());
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

fn spawn(command: &str) -> Result<Child> {
    let mut words = command.split_whitespace();
    let program = words.next().context("the hub's command line is empty")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command.spawn().with_context(|| format!("starting {program}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_are_counted_by_kind_between_two_moments() {
        let page = |head: u32| {
            format!(
                "# TYPE latchkey_database_reads_total counter\nlatchkey_database_reads_total{{of=\"fn::head\"}} {head}\nlatchkey_database_reads_total{{of=\"event\"}} 3\nlatchkey_holds 9\n"
            )
        };
        let costs = |head| Costs { cpu_ms: Some(50), reads: Some(reads(&page(head))) };
        let used = costs(12).since(&costs(5));
        assert_eq!((used.reads(), used.cpu_ms), (Some(7), Some(0)));
        assert_eq!(used.reads_by_kind().collect::<Vec<_>>(), [("fn::head", 7)]);
        assert_eq!(costs(12).since(&Costs::default()).reads(), Some(15));
        assert_eq!(Costs::default().reads(), None);
    }
}
