//! What a run found: a table for people, JSON for scripts, and the verdict as the last line of both.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::invariants::Breaks;

/// The quantiles of every table.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
/// Longest latency told apart: ten minutes, beyond every timeout of this program.
const LONGEST_US: u64 = 600_000_000;

/// Latencies of one kind, to three significant digits, from many tasks.
#[derive(Debug)]
pub(crate) struct Latencies(Mutex<Histogram<u64>>);

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(Mutex::new(histogram.expect("1 to 600,000,000 at 3 digits is within what a histogram can hold")))
    }
}

impl Latencies {
    /// Adds one.
    pub(crate) fn record(&self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(LONGEST_US);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(us);
    }

    /// Adds all of another.
    pub(crate) fn add(&self, other: &Self) {
        let other = other.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let added = self.0.lock().unwrap_or_else(PoisonError::into_inner).add(other);
        debug_assert!(added.is_ok(), "all have the same bounds: {added:?}");
    }

    /// A quantile, in milliseconds.
    pub(crate) fn quantile_ms(&self, quantile: f64) -> f64 {
        ms(self.0.lock().unwrap_or_else(PoisonError::into_inner).value_at_quantile(quantile))
    }

    /// Count, quantiles and maximum, in milliseconds.
    pub(crate) fn row(&self) -> Row {
        let histogram = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let quantiles = QUANTILES.map(|(_, quantile)| ms(histogram.value_at_quantile(quantile)));
        Row { count: histogram.len(), quantiles_ms: quantiles, max_ms: ms(histogram.max()) }
    }
}

#[allow(clippy::cast_precision_loss, reason = "at most 600,000,000, far below 2^52")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

/// One line of the latency table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    count: u64,
    quantiles_ms: [f64; QUANTILES.len()],
    max_ms: f64,
}

/// What a scenario found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    scenario: &'static str,
    facts: Vec<(String, Value)>,
    latencies: Vec<(String, Row)>,
    breaks: Breaks,
}

impl Report {
    /// A report with nothing in it yet.
    pub(crate) fn new(scenario: &'static str) -> Self {
        Self { scenario, ..Self::default() }
    }

    /// Adds a number or a word, in the order of printing.
    pub(crate) fn fact(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.facts.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a line to the latency table.
    pub(crate) fn latency(&mut self, name: &str, latencies: &Latencies) -> &mut Self {
        self.latencies.push((name.to_owned(), latencies.row()));
        self
    }

    /// Sets what broke.
    pub(crate) fn judge(&mut self, breaks: Breaks) -> &mut Self {
        self.breaks = breaks;
        self
    }

    /// Whether every promise was kept.
    pub(crate) const fn is_ok(&self) -> bool {
        self.breaks.is_empty()
    }

    /// The report as text; its last line is the verdict.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{}\n", self.scenario);
        let width = self.facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            let value = match value {
                Value::String(word) => word.clone(),
                other => other.to_string(),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:width$}  {value}");
        }
        if !self.latencies.is_empty() {
            text.push_str(&self.table());
        }
        text.push_str(&self.breaks.verdict());
        text
    }

    fn table(&self) -> String {
        let width = self.latencies.iter().map(|(name, _)| name.len()).max().unwrap_or(0).max("latency (ms)".len());
        let mut table = format!("  {:width$} {:>10}", "latency (ms)", "count");
        QUANTILES.iter().map(|(name, _)| *name).chain(["max"]).for_each(|name| {
            let _ = write!(table, " {name:>10}");
        });
        table.push('\n');
        for (name, row) in &self.latencies {
            let _ = write!(table, "  {name:width$} {:>10}", row.count);
            for value in row.quantiles_ms.iter().chain([&row.max_ms]) {
                let _ = write!(table, " {value:>10.2}");
            }
            table.push('\n');
        }
        table
    }

    /// The report as JSON.
    pub(crate) fn json(&self) -> Value {
        let facts: serde_json::Map<String, Value> =
            self.facts.iter().map(|(name, value)| (name.replace([' ', '-'], "_"), value.clone())).collect();
        let latencies: serde_json::Map<String, Value> = self.latencies.iter().map(|(name, row)| (name.clone(), row_json(row))).collect();
        let verdict = if self.is_ok() { "ok" } else { "BROKEN" };
        json!({
            "scenario": self.scenario,
            "facts": facts,
            "latencies_ms": latencies,
            "invariants": verdict,
            "broken_count": self.breaks.count(),
            "broken": self.breaks.kept(),
        })
    }

    /// Writes the JSON to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.json()).context("writing the report")?;
        std::fs::write(path, text + "\n").with_context(|| format!("writing {}", path.display()))
    }
}

fn row_json(row: &Row) -> Value {
    let mut values = serde_json::Map::new();
    values.insert("count".to_owned(), row.count.into());
    for ((name, _), value) in QUANTILES.iter().zip(row.quantiles_ms) {
        values.insert((*name).to_owned(), value.into());
    }
    values.insert("max".to_owned(), row.max_ms.into());
    Value::Object(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let latencies = Latencies::default();
        (1..=1_000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        let mut report = Report::new("race");
        report.fact("guests", 500).fact("note", "loopback").latency("hold won", &latencies);
        report
    }

    #[test]
    fn quantiles_are_in_milliseconds_to_three_digits() {
        let json = report().json();
        let row = &json["latencies_ms"]["hold won"];
        for (name, expected) in [("p50", 500.0), ("p90", 900.0), ("p99", 990.0), ("p99.9", 999.0), ("max", 1_000.0)] {
            let value = row[name].as_f64().unwrap();
            assert!((value - expected).abs() <= expected / 1_000.0, "{name}: {value}");
        }
        assert_eq!(row["count"], 1_000);
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        let mut report = report();
        assert_eq!(report.text().lines().last(), Some("invariants: ok"));
        let mut breaks = Breaks::default();
        breaks.add("a night was sold twice");
        report.judge(breaks);
        assert_eq!(report.text().lines().last(), Some("invariants: BROKEN a night was sold twice"));
        assert_eq!(report.json()["invariants"], "BROKEN");
    }

    #[test]
    fn nothing_recorded_is_zero() {
        assert_eq!(Latencies::default().row(), Row { count: 0, quantiles_ms: [0.0; 4], max_ms: 0.0 });
    }

    #[test]
    fn a_latency_beyond_the_scale_is_kept_at_its_end() {
        let latencies = Latencies::default();
        latencies.record(Duration::from_secs(100_000));
        assert!(latencies.row().max_ms >= 600_000.0);
    }
}
