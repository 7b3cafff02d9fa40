//! The obviously right search: every home, every night, everything sorted. What the index must agree with, and the baseline of
//! `loadtest search`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cursor::Cursor;
use super::find::{Hit, order, rating_order};
use super::geo::{Chord, Point};
use super::index::Home;
use super::query::{Query, Sort};
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::{Date, Listing, ListingState, PropertyId, Stay, Timestamp};

struct Kept {
    listing: Arc<Listing>,
    /// The nights that are not free, in order.
    taken: Vec<(Date, NightState)>,
}

/// Every published home.
#[derive(Default)]
pub struct Plain {
    homes: BTreeMap<PropertyId, Kept>,
}

impl Plain {
    /// Puts a home in as it is now; one that is not published leaves.
    pub fn put(&mut self, home: Home) {
        let id = home.listing.id;
        self.homes.remove(&id);
        if home.listing.state == ListingState::Published {
            self.homes.insert(id, Kept { listing: Arc::new(home.listing), taken: Vec::new() });
            for run in home.taken {
                self.set(id, run);
            }
        }
    }

    /// Takes a home out.
    pub fn remove(&mut self, property: PropertyId) {
        self.homes.remove(&property);
    }

    /// Sets the state of nights.
    pub fn set(&mut self, property: PropertyId, run: NightRun) {
        let Some(home) = self.homes.get_mut(&property) else { return };
        home.taken.retain(|(date, _)| *date < run.from || *date >= run.to);
        if run.state != NightState::Free {
            home.taken.extend((0..run.to.days_since(run.from)).map(|offset| (run.from.saturating_add(offset), run.state)));
            home.taken.sort_unstable_by_key(|(date, _)| *date);
        }
    }

    /// The first `limit` results after `after`.
    #[must_use]
    pub fn find(&self, query: &Query, after: Option<Cursor>, limit: usize, now: Timestamp) -> Vec<Hit> {
        let mut hits: Vec<Hit> = self.homes.values().filter_map(|home| home.result(query, now)).collect();
        let place = |hit: &Hit| hit.cursor().place(query.sort);
        hits.sort_unstable_by_key(place);
        if let Some(after) = after {
            let after = after.place(query.sort);
            hits.retain(|hit| place(hit) > after);
        }
        hits.truncate(limit);
        hits
    }
}

impl Kept {
    fn result(&self, query: &Query, now: Timestamp) -> Option<Hit> {
        let terms = &self.listing.terms;
        let matches = self.listing.description.amenities.contain(query.amenities)
            && query.guests <= terms.max_guests
            && query.currency.is_none_or(|currency| currency == terms.currency);
        if !matches {
            return None;
        }
        let chord = match query.near {
            Some(near) => {
                let chord = Point::of(self.listing.description.location?).chord(Point::of(near.centre));
                Some(chord).filter(|chord| *chord <= Chord::of_metres(near.radius_m)).map(Some)?
            }
            None => None,
        };
        let offer = match query.dates {
            Some(_) => Some(self.cheapest(query, now)?),
            None => None,
        };
        let key = match query.sort {
            Sort::Newest => 0,
            Sort::Distance => chord?.order(),
            Sort::Price => order(offer.map_or(terms.rates.nightly_minor, |(_, total_minor)| total_minor)),
            Sort::Rating => rating_order(self.listing.ratings.overall_hundredths()),
        };
        Some(Hit { listing: Arc::clone(&self.listing), distance_m: chord.map(Chord::metres), offer, key })
    }

    fn cheapest(&self, query: &Query, now: Timestamp) -> Option<(Stay, i64)> {
        let terms = &self.listing.terms;
        let offers = query.stays().filter(|stay| self.can_be_booked(*stay));
        let accepted = offers.filter(|stay| terms.accepts(*stay, query.guests, terms.today(now)).is_ok());
        let priced = accepted.filter_map(|stay| Some((stay, terms.total_minor(stay, query.guests).ok()?)));
        let affordable = priced.filter(|(_, total_minor)| query.max_total_minor.is_none_or(|most| *total_minor <= most));
        affordable.min_by_key(|(_, total_minor)| *total_minor)
    }

    fn can_be_booked(&self, stay: Stay) -> bool {
        let (from, to) = self.listing.terms.nights_kept_free(stay);
        let first = self.taken.partition_point(|(date, _)| *date < from);
        self.taken[first..].iter().take_while(|(date, _)| *date < to).all(|(date, state)| {
            let is_in_stay = (stay.check_in()..stay.check_out()).contains(date);
            // Days of preparation may be off sale: nobody stays then.
            *state == NightState::Free || (*state == NightState::Blocked && !is_in_stay)
        })
    }
}
