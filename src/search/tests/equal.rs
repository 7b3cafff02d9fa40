//! Index and plain scan agree, and what narrows never rules out what the domain would take.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::world::{START, World, any_listing, date, home_id, query, step};
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::pricing::Rates;
use crate::domain::terms::{Season, Seasons};
use crate::domain::{Date, Stay, Terms};
use crate::search::facts::{Facts, Probe};
use crate::search::prices::Prices;
use crate::search::{Applied, Dates, Hit, Home, Index, Query};

/// What a client sees of results.
pub(super) fn told(hits: &[Hit]) -> Vec<(u8, Option<u32>, Option<(String, i64)>)> {
    hits.iter()
        .map(|hit| {
            let offer = hit.offer.map(|(stay, total)| (format!("{}..{}", stay.check_in(), stay.check_out()), total));
            (hit.listing.id.as_bytes()[15], hit.distance_m, offer)
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn the_index_finds_what_the_plain_scan_finds_in_the_same_order(
        steps in prop::collection::vec(step(), 0..80), queries in prop::collection::vec((query(), 1usize..12), 1..12),
    ) {
        let world = World::of(steps);
        for (query, limit) in queries {
            let expected = world.plain.find(&query, None, limit, world.now);
            let found = world.index.find(&query, None, limit, world.now);
            prop_assert_eq!(told(&found), told(&expected), "{:?}", query);
        }
    }

    #[test]
    fn facts_rule_nothing_out_that_the_domain_takes_and_bound_its_total(listing in any_listing(), query in query()) {
        let (facts, prices) = (Facts::of(&listing), Prices::of(&listing.terms));
        let probe = Probe::of(&query, START.utc_date());
        let terms = &listing.terms;
        for stay in query.stays() {
            if terms.accepts(stay, query.guests, terms.today(START)).is_err() || query.currency.is_some_and(|code| code != terms.currency)
                || !listing.description.amenities.contain(query.amenities) {
                continue;
            }
            prop_assert!(facts.may_match(&probe));
            if let Some((low, high)) = facts.bounds(&probe)
                && let Ok(total) = terms.total_minor(stay, query.guests) {

                prop_assert!((low..=high).contains(&total), "{} {} {}", low, total, high);
                let narrow = facts.season_bounds(&probe, &prices);
                prop_assert_eq!(narrow.is_some(), !terms.seasons.as_slice().is_empty());
                if let Some((least, most)) = narrow {
                    prop_assert!((least..=most).contains(&total) && low <= least && most <= high, "{} {} {} {} {}", low, least, total, most, high);
                }
            }
        }
    }
}

#[test]
fn the_ordinary_price_counts_beside_a_season_without_end() {
    let mut listing = home(1, Vec::new()).listing;
    let endless =
        Season { from: date(20), to: Date::MAX, min_nights: None, max_nights: None, nightly_minor: Some(8_000), weekend_minor: None };
    listing.terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, Rates::nightly(10_000));
    listing.terms.seasons = Seasons::new(vec![endless]).unwrap();
    let (facts, most) = (Facts::of(&listing), Some(1_000_000));
    for (first, total) in [(5, 20_000), (22, 16_000)] {
        let stay = Stay::new(date(first), date(first + 2)).unwrap();
        let query = Query { dates: Some(Dates { stay, flexible: 0 }), max_total_minor: most, ..Query::everything() };
        let (low, high) = facts.bounds(&Probe::of(&query, START.utc_date())).unwrap();
        assert_eq!(listing.terms.total_minor(stay, 1).ok(), Some(total));
        assert!((low..=high).contains(&total), "{low} to {high}");
    }
}

fn home(seq: u64, taken: Vec<NightRun>) -> Home {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut listing = super::world::listing(1).new_tree(&mut runner).unwrap().current();
    listing.state = crate::domain::ListingState::Published;
    Home { listing, seq, taken }
}

#[test]
fn an_event_that_comes_too_early_is_a_gap_and_one_that_comes_again_changes_nothing() {
    let mut index = Index::new(START.utc_date());
    let night = |day, state| NightRun { from: date(day), to: date(day + 1), state };
    assert_eq!(index.apply(home_id(1), 1, None), Applied::Absent);
    index.put(home(5, vec![night(3, NightState::Booked)]));
    for (seq, day, applied, is_free) in [
        (5, 10, Applied::Known, true),
        (7, 10, Applied::Gap, true),
        (6, 10, Applied::Known, false),
        (7, 11, Applied::Known, false),
        (6, 12, Applied::Known, true),
    ] {
        assert_eq!(index.apply(home_id(1), seq, Some(night(day, NightState::Held))), applied, "{seq}");
        assert_eq!(index.nights.is_free(0, date(day), date(day + 1)), is_free, "{seq}");
    }
    // A slow read that is older than the events since must not undo them.
    index.put(home(6, Vec::new()));
    assert_eq!(index.seq(home_id(1)), Some(7));
    assert!(!index.nights.is_free(0, date(11), date(12)));
}
