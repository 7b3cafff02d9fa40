//! Walking through pages while homes come, go and change: nothing that did not change is skipped or repeated.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::equal::told;
use super::world::{Step, World, query, step};
use crate::search::{Cursor, Index, Query};

fn touched(step: &Step) -> Option<u8> {
    match step {
        Step::List(listing, _) => Some(listing.id.as_bytes()[15]),
        Step::Change(number, _) | Step::Delete(number) => Some(*number),
        Step::Wait(_) => None,
    }
}

/// The next page, by a cursor that has been to a client and back.
fn page(index: &Index, query: &Query, after: Option<&str>, limit: usize, now: crate::domain::Timestamp) -> Vec<(u8, String)> {
    let cursor = after.map(|text| Cursor::decode(text, query.fingerprint()).unwrap());
    let hits = index.find(query, cursor, limit, now);
    hits.iter().map(|hit| (hit.listing.id.as_bytes()[15], hit.cursor().encode(query.fingerprint()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn pages_put_together_are_the_whole_result(
        steps in prop::collection::vec(step(), 0..80), query in query(), limit in 1usize..6,
    ) {
        let world = World::of(steps);
        let whole: Vec<u8> = told(&world.plain.find(&query, None, 100, world.now)).into_iter().map(|(number, ..)| number).collect();
        let (mut walked, mut after) = (Vec::new(), None::<String>);
        loop {
            let found = page(&world.index, &query, after.as_deref(), limit, world.now);
            let Some((_, cursor)) = found.last() else { break };
            after = Some(cursor.clone());
            walked.extend(found.into_iter().map(|(number, _)| number));
            prop_assert!(walked.len() <= whole.len(), "a page repeats something: {:?}", walked);
        }
        prop_assert_eq!(walked, whole);
    }

    #[test]
    fn what_does_not_change_during_a_walk_is_seen_once(
        steps in prop::collection::vec(step(), 20..80),
        meanwhile in prop::collection::vec(prop::collection::vec(step(), 0..3), 0..20),
        query in query(), limit in 1usize..4,
    ) {
        let mut world = World::of(steps);
        let before: BTreeSet<u8> = told(&world.plain.find(&query, None, 100, world.now)).into_iter().map(|(number, ..)| number).collect();
        let (mut walked, mut after, mut changed) = (Vec::new(), None::<String>, BTreeSet::new());
        // Time stands still: with the days, what can be booked changes for everybody.
        let mut meanwhile = meanwhile.into_iter().map(|steps| steps.into_iter().filter(|step| touched(step).is_some()).collect::<Vec<_>>());
        loop {
            let found = page(&world.index, &query, after.as_deref(), limit, world.now);
            let Some((_, cursor)) = found.last() else { break };
            after = Some(cursor.clone());
            walked.extend(found.into_iter().map(|(number, _)| number));
            prop_assert!(walked.len() < 1_000);
            for step in meanwhile.next().unwrap_or_default() {
                changed.extend(touched(&step));
                world.take(step);
            }
        }
        let unchanged: Vec<u8> = walked.iter().copied().filter(|number| !changed.contains(number)).collect();
        let once: BTreeSet<u8> = unchanged.iter().copied().collect();
        prop_assert_eq!(unchanged.len(), once.len(), "repeated");
        let expected: BTreeSet<u8> = before.into_iter().filter(|number| !changed.contains(number)).collect();
        prop_assert_eq!(once, expected, "skipped, or not there before");
    }
}
