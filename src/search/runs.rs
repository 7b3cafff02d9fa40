//! Runs of nights in one state: those of a home that lie beyond the ring of [`super::nights`].

use std::collections::BTreeMap;

use crate::domain::Date;
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;

/// Runs that do not overlap, in order; free nights are in none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Runs(BTreeMap<Date, NightRun>);

impl Runs {
    /// Sets the state of a run of nights, whatever it was before.
    pub(super) fn set(&mut self, run: NightRun) {
        if run.to <= run.from {
            return;
        }
        // What begins before it may reach into it, or beyond it.
        let touched: Vec<NightRun> = self.0.range(..run.to).rev().take_while(|(_, old)| old.to > run.from).map(|(_, old)| *old).collect();
        for old in touched {
            self.0.remove(&old.from);
            if old.from < run.from {
                self.0.insert(old.from, NightRun { to: run.from, ..old });
            }
            if old.to > run.to {
                self.0.insert(run.to, NightRun { from: run.to, ..old });
            }
        }
        if run.state != NightState::Free {
            self.0.insert(run.from, run);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = NightRun> {
        self.0.values().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn runs_tell_what_a_list_of_nights_tells(
            sets in prop::collection::vec((0..60i32, 0..20i32, prop_oneof![Just(NightState::Free), Just(NightState::Blocked), Just(NightState::Booked)]), 0..30),
        ) {
            let date = |day| Date::from_epoch_day(day).unwrap();
            let (mut runs, mut model) = (Runs::default(), [NightState::Free; 100]);
            for (from, length, state) in sets {
                runs.set(NightRun { from: date(from), to: date(from + length), state });
                for day in from..from + length {
                    model[usize::try_from(day).unwrap()] = state;
                }
            }
            let mut told = [NightState::Free; 100];
            let mut end = date(0);
            for run in runs.iter() {
                prop_assert!(run.from >= end && run.to > run.from);
                end = run.to;
                for day in run.from.epoch_day()..run.to.epoch_day() {
                    told[usize::try_from(day).unwrap()] = run.state;
                }
            }
            prop_assert_eq!(told, model);
        }
    }
}
