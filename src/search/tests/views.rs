//! A page that changes is always among those that are evaluated again, and most of those that do not change are not.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::equal::told;
use super::world::{START, Step, World, home_id, listing, query, run, step};
use crate::domain::PropertyId;
use crate::search::{Query, Results, ViewId, Views};

/// Views over a world, kept current as the service does it.
struct Watched {
    world: World,
    views: Views,
    pages: Vec<ViewId>,
    version: u64,
}

impl Watched {
    fn of(world: World, queries: &[(Query, usize)]) -> Self {
        let mut views = Views::default();
        let pages: BTreeSet<ViewId> = queries.iter().map(|(query, limit)| views.enter(*query, *limit)).collect();
        let mut watched = Self { world, views, pages: pages.into_iter().collect(), version: 0 };
        for id in watched.pages.clone() {
            watched.evaluate(id);
        }
        watched
    }

    fn evaluate(&mut self, id: ViewId) {
        let (query, limit) = self.views.asked(id).unwrap();
        let hits = Arc::new(self.world.index.find(&query, None, limit + 1, self.world.now));
        self.version += 1;
        assert!(self.views.put(id, Results { hits, version: self.version }));
    }

    /// Whether what is on a page is what the plain scan finds.
    fn is_current(&self, id: ViewId) -> bool {
        let (query, limit) = self.views.asked(id).unwrap();
        let expected = self.world.plain.find(&query, None, limit + 1, self.world.now);
        let shown = &self.views.results(id).unwrap().hits;
        told(shown) == told(&expected) && shown.iter().zip(&expected).all(|(shown, found)| shown.listing.ratings == found.listing.ratings)
    }
}

/// The home that a step changes.
fn changed(step: &Step) -> Option<PropertyId> {
    match step {
        Step::List(listing, _) => Some(listing.id),
        Step::Change(number, _) | Step::Delete(number) => Some(home_id(*number)),
        Step::Wait(_) => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn a_page_that_changes_is_touched_by_the_homes_that_changed(
        before in prop::collection::vec(step(), 0..60),
        queries in prop::collection::vec((query(), 1usize..6), 1..10),
        rounds in prop::collection::vec(prop::collection::vec(step(), 1..6), 1..12),
    ) {
        let mut watched = Watched::of(World::of(before), &queries);
        for steps in rounds {
            let homes: Vec<PropertyId> = steps.iter().filter_map(changed).collect();
            let has_waited = steps.iter().any(|step| matches!(step, Step::Wait(_)));
            for step in steps {
                watched.world.take(step);
            }
            let mut touched = watched.views.touched(&watched.world.index, &homes, watched.world.now);
            if has_waited {
                touched.extend(watched.views.dated());
            }
            for id in watched.pages.clone() {
                prop_assert!(touched.contains(&id) || watched.is_current(id), "{:?}", watched.views.asked(id));
                // Only what is touched is evaluated: what is left must stay right for the rounds to come.
                if touched.contains(&id) {
                    watched.evaluate(id);
                }
            }
        }
    }

    #[test]
    fn homes_that_did_not_change_touch_nothing(
        before in prop::collection::vec(step(), 0..60), queries in prop::collection::vec((query(), 1usize..6), 1..10),
    ) {
        let watched = Watched::of(World::of(before), &queries);
        let everything: Vec<PropertyId> = (0..40).map(home_id).collect();
        prop_assert!(watched.views.touched(&watched.world.index, &everything, watched.world.now).is_empty());
    }

    #[test]
    fn nothing_is_kept_of_pages_that_nobody_looks_at(
        before in prop::collection::vec(step(), 0..40), queries in prop::collection::vec((query(), 1usize..6), 1..10),
    ) {
        let mut watched = Watched::of(World::of(before), &queries);
        for id in watched.pages.clone() {
            watched.views.remove(id);
        }
        prop_assert!(watched.views.is_forgotten());
    }
}

impl Views {
    fn is_forgotten(&self) -> bool {
        self.is_empty() && self.by_query.is_empty() && self.by_cell.is_empty() && self.wide.is_empty() && self.by_home.is_empty()
    }
}

#[test]
fn equal_pages_are_one_and_older_results_change_nothing() {
    let mut views = Views::default();
    let everything = Query::everything();
    let page = views.enter(everything, 20);
    assert_eq!((views.enter(everything, 20), views.len()), (page, 1));
    assert_ne!(views.enter(everything, 21), page);
    let results = |version| Results { hits: Arc::default(), version };
    assert!(views.put(page, results(7)) && !views.put(page, results(6)) && views.put(page, results(7)));
    views.remove(page);
    assert!(!views.put(page, results(8)));
}

#[test]
fn a_change_elsewhere_or_behind_the_last_of_a_full_page_touches_no_page() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut any = |number| {
        let mut listing = listing(number).new_tree(&mut runner).unwrap().current();
        listing.state = crate::domain::ListingState::Published;
        listing
    };
    let mut world = World::new();
    for number in 1..=5 {
        world.take(Step::List(Box::new(any(number)), Vec::new()));
    }
    let mut watched = Watched::of(world, &[(Query::everything(), 2)]);
    let page = watched.pages[0];
    let shown: Vec<PropertyId> = watched.views.results(page).unwrap().hits.iter().map(|hit| hit.listing.id).collect();
    let mut touches = |number: u8| {
        let listing = any(number);
        watched.world.take(Step::List(Box::new(listing), Vec::new()));
        let touched = watched.views.touched(&watched.world.index, &[home_id(number)], START);
        !touched.is_empty()
    };
    for number in 1..=5 {
        // Three are shown or known to follow; the others come after them, whatever becomes of them.
        assert_eq!(touches(number), shown.contains(&home_id(number)), "{number}");
    }
    // Nights mean nothing to a page without dates.
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let nights = run().new_tree(&mut runner).unwrap().current();
    for id in watched.pages.clone() {
        watched.evaluate(id);
    }
    watched.world.take(Step::Change(5, nights));
    assert!(watched.views.touched(&watched.world.index, &[home_id(5)], START).is_empty());
}
