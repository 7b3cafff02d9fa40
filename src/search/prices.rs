//! What the nights of a home with seasons cost, in short: with it a total is bounded by the prices of the seasons that are asked for, where facts
//! know only the lowest and the highest of all.
//!
//! As with facts nothing is decided here: the domain prices whatever may be a result. But those that cannot be on the page that is asked for are
//! told by one small read instead of by all that the domain looks at.

use super::facts::PriceRange;
use crate::domain::{Date, Terms};

/// Days of the same prices, up to the next run's.
#[derive(Debug, Clone, Copy)]
struct Run {
    from: Date,
    prices: PriceRange,
}

/// The prices of a home's nights from the first day of the calendar on; none of a home without seasons, whose facts tell as much.
#[derive(Debug, Clone, Default)]
pub(super) struct Prices(Box<[Run]>);

impl Prices {
    pub(super) fn of(terms: &Terms) -> Self {
        let seasons = terms.seasons.as_slice();
        if seasons.is_empty() {
            return Self::default();
        }
        let mut runs = Vec::with_capacity(seasons.len() * 2 + 1);
        let mut add = |from, season| runs.push(Run { from, prices: PriceRange::one(terms.prices(season)) });
        let mut ordinary_from = Date::MIN;
        for season in seasons {
            if ordinary_from < season.from {
                add(ordinary_from, None);
            }
            add(season.from, Some(season));
            ordinary_from = season.to;
        }
        add(ordinary_from, None);
        Self(runs.into())
    }

    /// Lowest and highest price of a night in `[from, to)`, and of a weekend's night; nothing without seasons.
    pub(super) fn range(&self, (from, to): (Date, Date)) -> Option<PriceRange> {
        let first = self.0.partition_point(|run| run.from <= from).checked_sub(1)?;
        let touched = self.0.get(first..)?.iter().take_while(|run| run.from < to);
        touched.map(|run| run.prices).reduce(PriceRange::widened)
    }
}
