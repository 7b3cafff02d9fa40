//! What the hub costs its machine: memory and CPU of a process, read from `/proc`.

use std::fs;

use anyhow::{Context, Result};

/// The kernel's clock tick in `/proc/PID/stat`: `USER_HZ`, 100 on every Linux this runs on.
const TICK_MS: u64 = 10;

/// Resident memory of a process, in KiB.
///
/// # Errors
/// No such process, or no `/proc`.
pub(crate) fn rss_kib(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_rss_kib(&status).with_context(|| format!("{path} has no VmRSS"))
}

/// CPU time a process has used so far, user and system, in milliseconds.
///
/// # Errors
/// No such process, or no `/proc`.
pub(crate) fn cpu_ms(pid: u32) -> Result<u64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    parse_cpu_ms(&stat).with_context(|| format!("{path} has no utime and stime"))
}

fn parse_rss_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn parse_cpu_ms(stat: &str) -> Option<u64> {
    // The second field is the command in parentheses and may contain spaces and parentheses; count from its end.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some((user + system) * TICK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_own_formats_are_read() {
        assert_eq!(parse_rss_kib("Name:\tx\nVmRSS:\t   51200 kB\nRssAnon:\t 1 kB\n"), Some(51_200));
        let stat = "42 (latch) key) S 1 42 42 0 -1 4194560 100 0 0 0 70 30 0 0 20 0 4 0 100 1 2";
        assert_eq!(parse_cpu_ms(stat), Some(1_000));
    }

    #[test]
    fn this_process_has_memory_and_time() {
        assert!(rss_kib(std::process::id()).unwrap() > 0);
        assert!(cpu_ms(std::process::id()).is_ok());
    }
}
