//! Answering a query: narrow, order by a bound, ask the domain, stop when nothing better can come.
//!
//! 1. *Narrow.* Homes of the circle's cells, or of every block, that are free for a shift of the dates (bits) and whose facts do not rule them
//!    out. Each becomes a candidate whose key is what the query sorts by; for totals a bound below it.
//! 2. *Order.* The first few candidates by `(key, id)` are kept; the rest is looked at again only if they do not suffice. The bounds of those with
//!    seasons are narrowed to the nights that are asked for.
//! 3. *Ask.* In that order the domain says whether the stay is accepted and what it costs. As soon as a page is full and its last result is before
//!    the next candidate's bound, nothing that was not asked can belong to it (Fagin's threshold).

use std::sync::Arc;

use super::cursor::Cursor;
use super::facts::Probe;
use super::geo::{Cell, Chord, Point};
use super::index::{Index, bit_of};
use super::nights::{BLOCK, Row};
use super::query::{Query, Sort};
use super::select::{Candidate, Smallest};
use crate::domain::{Listing, PropertyId, Stay, Timestamp};

/// A result.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The home, without its long texts.
    pub listing: Arc<Listing>,
    /// From the middle of the circle, in metres.
    pub distance_m: Option<u32>,
    /// The cheapest stay that can be booked, and its total in minor units, if dates were asked.
    pub offer: Option<(Stay, i64)>,
    pub(super) key: u64,
}

impl Hit {
    /// Its place in the results: what the next page comes after.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { key: self.key, id: self.listing.id }
    }
}

/// Cells of a circle that are looked up one by one; of a larger one every home is looked at.
const MAX_CELLS: usize = 2_000;

/// Beyond a page, candidates that are kept at first: as many as are usually refused or have too low a bound. Fewer in tests, whose worlds are small, so
/// that they come to a second round.
const SPARE: usize = if cfg!(test) { 1 } else { 160 };

/// The same for a page that others come before: a home whose bound is among theirs may have its total here.
const SPARE_AFTER: usize = if cfg!(test) { 2 } else { 2_000 };

/// If those do not suffice, so many times more are kept in the next round.
const GROWTH: usize = if cfg!(test) { 2 } else { 8 };

/// Five stars.
const BEST_HUNDREDTHS: u16 = 500;

struct Find<'a> {
    index: &'a Index,
    query: &'a Query,
    probe: Probe,
    now: Timestamp,
    circle: Option<(Point, Chord)>,
    /// Results come after this.
    after: Option<(u64, u32)>,
}

impl Index {
    /// The first `limit` results after `after`, in the query's order, if it is `now`.
    #[must_use]
    pub fn find(&self, query: &Query, after: Option<Cursor>, limit: usize, now: Timestamp) -> Vec<Hit> {
        let after = after.map(|cursor| (cursor.key, self.rank_after(query.sort, cursor.id)));
        self.question(query, after, now).run(limit)
    }

    /// What a single home is in the results of the query, if it is among them and it is `now`: asked of several homes, one after another.
    pub(super) fn hit_of<'a>(&'a self, query: &'a Query, now: Timestamp) -> impl Fn(PropertyId) -> Option<Hit> + 'a {
        let find = self.question(query, None, now);
        move |property| {
            let slot = self.slot(property)?;
            let candidate = find.is_free(slot).then(|| find.candidate(slot)).flatten()?;
            find.ask(&find.narrowed(candidate)?)
        }
    }

    fn question<'a>(&'a self, query: &'a Query, after: Option<(u64, u32)>, now: Timestamp) -> Find<'a> {
        let circle = query.near.map(|near| (Point::of(near.centre), Chord::of_metres(near.radius_m)));
        let probe = Probe::of(query, now.utc_date());
        Find { index: self, query, probe, now, circle, after }
    }

    /// A candidate's rank: the order of results with equal keys.
    fn rank(&self, sort: Sort, slot: u32) -> u32 {
        let place = self.ranks[slot as usize];
        match sort {
            Sort::Newest => u32::MAX - place,
            Sort::Distance | Sort::Price | Sort::Rating => place + 1,
        }
    }

    /// The rank that candidates after a home's place are greater than, whether or not that home is still there.
    fn rank_after(&self, sort: Sort, id: PropertyId) -> u32 {
        let before = self.ids_before(id);
        let is_there = self.seq(id).is_some();
        let place = u32::try_from(before).unwrap_or(u32::MAX);
        match sort {
            Sort::Newest => u32::MAX - place,
            Sort::Distance | Sort::Price | Sort::Rating => place + u32::from(is_there),
        }
    }
}

impl Find<'_> {
    fn run(&self, limit: usize) -> Vec<Hit> {
        let mut found: Vec<((u64, u32), Hit)> = Vec::with_capacity(limit + 1);
        let is_done = |found: &[((u64, u32), Hit)], next: &Candidate| {
            found.len() == limit && found.last().is_none_or(|(place, _)| *place < (next.key, next.rank))
        };
        let mut most = limit + if self.after.is_some() { SPARE_AFTER } else { SPARE };
        let (mut waiting, mut done): (Vec<Candidate>, Option<Candidate>) = (Vec::new(), None);
        loop {
            let (candidates, is_all) = self.candidates(done, most);
            // Whatever comes before it has been looked at.
            let seen = candidates.last().copied().filter(|_| !is_all);
            waiting.extend(candidates.into_iter().filter_map(|candidate| self.narrowed(candidate)));
            waiting.sort_unstable();
            let ready = seen.map_or(waiting.len(), |seen| waiting.partition_point(|candidate| *candidate <= seen));
            for candidate in waiting.drain(..ready) {
                if is_done(&found, &candidate) {
                    return hits(found);
                }
                let Some(hit) = self.ask(&candidate) else { continue };
                let place = (hit.key, candidate.rank);
                if self.after.is_some_and(|after| place <= after) {
                    continue;
                }
                let at = found.partition_point(|(other, _)| *other < place);
                found.insert(at, (place, hit));
                found.truncate(limit);
            }
            match seen {
                Some(seen) if !is_done(&found, &seen) => done = Some(seen),
                Some(_) | None => return hits(found),
            }
            most *= GROWTH;
        }
    }

    /// The first candidates after `done`, in order, and whether these are all.
    fn candidates(&self, done: Option<Candidate>, most: usize) -> (Vec<Candidate>, bool) {
        let of_circle = self.slots_of_circle();
        if self.query.sort == Sort::Newest && of_circle.is_none() {
            return self.newest(done, most);
        }
        let mut smallest = Smallest::new(most);
        let mut consider = |slot: u32| {
            if let Some(candidate) = self.candidate(slot)
                && done.is_none_or(|done| candidate > done)
            {
                smallest.offer(candidate);
            }
        };
        if let Some(slots) = of_circle {
            slots.into_iter().filter(|slot| self.is_free(*slot)).for_each(&mut consider);
        } else {
            let blocks = 0..self.index.live.len();
            blocks.flat_map(|block| slots_in(block, self.free_in_block(block))).for_each(&mut consider);
        }
        smallest.finish()
    }

    /// The same for the newest: the homes are in that order already, so only as many as are needed are looked at.
    fn newest(&self, done: Option<Candidate>, most: usize) -> (Vec<Candidate>, bool) {
        let free: Vec<Row> = (0..self.index.live.len()).map(|block| self.free_in_block(block)).collect();
        let is_free = |slot: u32| {
            let (block, word, bit) = bit_of(slot);
            free[block][word] & bit != 0
        };
        // Ranks of the newest count down from the largest number.
        let before = [self.after.map(|(_, rank)| rank), done.map(|done| done.rank)].into_iter().flatten().max();
        let end = before.map_or(self.index.len(), |rank| (u32::MAX - rank) as usize);
        let mut candidates = Vec::with_capacity(most);
        for slot in self.index.order[..end].iter().rev().filter(|slot| is_free(**slot)) {
            candidates.extend(self.candidate(*slot));
            if candidates.len() == most {
                return (candidates, false);
            }
        }
        (candidates, true)
    }

    /// The homes of the circle's cells, if they are few enough to be looked at one by one.
    fn slots_of_circle(&self) -> Option<Vec<u32>> {
        let near = self.query.near?;
        let cells = Cell::around(near.centre, near.radius_m, MAX_CELLS)?;
        let homes = || cells.iter().filter_map(|cell| self.index.cells.get(cell));
        let count: usize = homes().map(Vec::len).sum();
        (count <= self.index.len() / 8 + 64).then(|| homes().flatten().copied().collect())
    }

    /// Whether a home is free for a shift of the dates.
    fn is_free(&self, slot: u32) -> bool {
        self.query.dates.is_none() || self.query.stays().any(|stay| self.index.nights.is_free(slot, stay.check_in(), stay.check_out()))
    }

    /// The homes of a block that are free for a shift of the dates.
    fn free_in_block(&self, block: usize) -> Row {
        let live = &self.index.live[block];
        self.query.dates.map_or(*live, |dates| {
            let flexible = i32::from(dates.flexible);
            let nights = (dates.stay.check_in(), dates.stay.check_out());
            self.index.nights.free_in_block(block, live, nights, -flexible..=flexible)
        })
    }

    /// The home as a candidate, unless it is ruled out.
    #[inline]
    fn candidate(&self, slot: u32) -> Option<Candidate> {
        let at = slot as usize;
        let facts = self.index.facts[at].as_ref()?;
        if !facts.may_match(&self.probe) {
            return None;
        }
        let chord = match self.circle {
            Some((centre, reach)) => Some(self.index.points[at]?.chord(centre)).filter(|chord| *chord <= reach).map(Some)?,
            None => None,
        };
        let bounds = facts.bounds(&self.probe);
        if bounds.is_some_and(|(low, _)| self.is_too_dear(low)) {
            return None;
        }
        let rank = self.index.rank(self.query.sort, slot);
        let (low, high) = match (self.query.sort, bounds) {
            (Sort::Newest, _) => (0, 0),
            (Sort::Distance, _) => chord.map(|chord| (chord.order(), chord.order()))?,
            (Sort::Price, Some((low, high))) => (order(low), order(high)),
            (Sort::Price, None) => (facts.nightly(), facts.nightly()),
            (Sort::Rating, _) => (facts.rating(), facts.rating()),
        };
        self.is_after(high, rank).then_some(Candidate { key: low, rank, slot })
    }

    /// The same with the bounds of the very nights that are asked for, if the home has seasons; nothing if they rule it out.
    fn narrowed(&self, candidate: Candidate) -> Option<Candidate> {
        let at = candidate.slot as usize;
        let facts = self.index.facts[at].as_ref()?;
        let Some((low, high)) = facts.season_bounds(&self.probe, &self.index.prices[at]) else {
            return Some(candidate);
        };
        if self.is_too_dear(low) {
            return None;
        }
        match self.query.sort {
            Sort::Price => self.is_after(order(high), candidate.rank).then_some(Candidate { key: order(low), ..candidate }),
            Sort::Newest | Sort::Distance | Sort::Rating => Some(candidate),
        }
    }

    fn is_too_dear(&self, total_minor: i64) -> bool {
        self.query.max_total_minor.is_some_and(|most| total_minor > most)
    }

    /// Whether a home that comes no later than this may come after the page before.
    fn is_after(&self, key: u64, rank: u32) -> bool {
        self.after.is_none_or(|after| (key, rank) > after)
    }

    /// Asks the domain: the result that a candidate is, if it is one.
    fn ask(&self, candidate: &Candidate) -> Option<Hit> {
        let at = candidate.slot as usize;
        let listing = &self.index.entries[at].as_ref()?.listing;
        let distance_m = self.circle.and_then(|(centre, _)| Some(self.index.points[at]?.chord(centre).metres()));
        let offer = match self.query.dates {
            Some(_) => Some(self.cheapest(candidate, listing)?),
            None => None,
        };
        let key = match (self.query.sort, offer) {
            (Sort::Price, Some((_, total_minor))) => order(total_minor),
            (Sort::Newest | Sort::Distance | Sort::Price | Sort::Rating, _) => candidate.key,
        };
        Some(Hit { listing: Arc::clone(listing), distance_m, offer, key })
    }

    /// Whether a candidate, which is free for one of the stays, is free for this one: the nights that all of them share need no look.
    fn is_free_for(&self, slot: u32, stay: Stay) -> bool {
        let Some(dates) = self.query.dates else { return true };
        let nights = &self.index.nights;
        let flexible = i32::from(dates.flexible);
        let (shared_from, shared_to) = (dates.stay.check_in().saturating_add(flexible), dates.stay.check_out().saturating_add(-flexible));
        if shared_from < shared_to {
            nights.is_free(slot, stay.check_in(), shared_from) && nights.is_free(slot, shared_to, stay.check_out())
        } else {
            nights.is_free(slot, stay.check_in(), stay.check_out())
        }
    }

    /// The cheapest stay that can be booked now, and its total; of equal ones the first that is tried. `None` as well if a page before this one
    /// has the home: one stay shows it, and the others are not priced, since the cheapest can only lie further ahead.
    fn cheapest(&self, candidate: &Candidate, listing: &Listing) -> Option<(Stay, i64)> {
        let (terms, nights, slot) = (&listing.terms, &self.index.nights, candidate.slot);
        let after = self.after.filter(|_| self.query.sort == Sort::Price);
        let today = terms.today(self.now);
        let mut best: Option<(Stay, i64)> = None;
        for stay in self.query.stays() {
            let (from, to) = terms.nights_kept_free(stay);
            let can_be_booked =
                self.is_free_for(slot, stay) && nights.is_unused(slot, from, to) && terms.accepts(stay, self.query.guests, today).is_ok();
            if !can_be_booked {
                continue;
            }
            let Ok(total_minor) = terms.total_minor(stay, self.query.guests) else { continue };
            if after.is_some_and(|after| (order(total_minor), candidate.rank) <= after) {
                return None;
            }
            if best.is_none_or(|(_, least)| total_minor < least) {
                best = Some((stay, total_minor));
            }
        }
        best.filter(|(_, total_minor)| !self.is_too_dear(*total_minor))
    }
}

fn hits(found: Vec<((u64, u32), Hit)>) -> Vec<Hit> {
    found.into_iter().map(|(_, hit)| hit).collect()
}

/// The slots of the bits that are set in a block's row.
#[allow(clippy::large_types_passed_by_value, reason = "it is consumed, and inlined")]
fn slots_in(block: usize, row: Row) -> impl Iterator<Item = u32> {
    let first = u32::try_from(block * BLOCK).unwrap_or(u32::MAX);
    (0u32..).zip(row).flat_map(move |(number, mut word)| {
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros())?;
            word &= word - 1;
            Some(first + number * 64 + bit)
        })
    })
}

/// An amount as a sort key; bounds may lie below zero, amounts do not.
pub(super) fn order(minor: i64) -> u64 {
    u64::try_from(minor).unwrap_or(0)
}

/// A rating as a sort key: the best first, homes without one last.
pub(super) fn rating_order(hundredths: Option<u16>) -> u64 {
    hundredths.map_or(u64::from(u16::MAX), |hundredths| u64::from(BEST_HUNDREDTHS.saturating_sub(hundredths)))
}
