//! The promises as checks over what clients saw. Pure: histories in, broken promises out.
//!
//! Nothing here talks to the hub, so each check is tested with a history that breaks it: a load tester that cannot fail
//! proves nothing. Scenarios collect what breaks in a [`BreakLog`]; its verdict is the last line of every run.

pub(crate) mod claims;
pub(crate) mod inbox;
pub(crate) mod timeline;
pub(crate) mod topic;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sentences kept; beyond that only counted, for a hub that breaks one promise usually breaks it a thousand times.
const KEPT: usize = 100;
/// Sentences in the verdict line.
const SHOWN: usize = 3;

/// What broke, in the order it was noticed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaks {
    kept: Vec<String>,
    count: usize,
}

impl Breaks {
    /// Notes one broken promise.
    pub(crate) fn add(&mut self, what: &str) {
        self.count += 1;
        if self.kept.len() < KEPT {
            self.kept.push(what.replace(['\n', '\r'], " "));
        }
    }

    /// Whether every promise was kept.
    pub(crate) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first of them.
    pub(crate) fn kept(&self) -> &[String] {
        &self.kept
    }

    /// How many there were.
    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    /// The run's last line: scripts read it.
    pub(crate) fn verdict(&self) -> String {
        if self.is_empty() {
            return "invariants: ok".to_owned();
        }
        let shown = self.kept.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        let rest = self.count - self.kept.len().min(SHOWN);
        let more = if rest > 0 { format!(" (and {rest} more)") } else { String::new() };
        format!("invariants: BROKEN {shown}{more}")
    }
}

/// [`Breaks`] that many tasks write to.
#[derive(Debug, Default)]
pub(crate) struct BreakLog(Mutex<Breaks>);

impl BreakLog {
    /// Notes one broken promise.
    pub(crate) fn add(&self, what: impl AsRef<str>) {
        self.lock().add(what.as_ref());
    }

    /// Notes several.
    pub(crate) fn extend(&self, all: Vec<String>) {
        let mut breaks = self.lock();
        for what in all {
            breaks.add(&what);
        }
    }

    /// What has been noted so far.
    pub(crate) fn take(&self) -> Breaks {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Breaks> {
        // Plain data that is whole after every statement: a panicked writer leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_is_one_line_that_names_the_first_few() {
        let mut breaks = Breaks::default();
        assert_eq!(breaks.verdict(), "invariants: ok");
        breaks.add("a\nb");
        assert_eq!(breaks.verdict(), "invariants: BROKEN a b");
        (0..200).for_each(|number| breaks.add(&number.to_string()));
        assert_eq!(breaks.verdict(), "invariants: BROKEN a b; 0; 1 (and 198 more)");
        assert_eq!((breaks.count(), breaks.kept().len()), (201, KEPT));
    }
}
