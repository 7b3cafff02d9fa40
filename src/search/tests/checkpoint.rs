//! A checkpoint gives back the index it was made of, and anything else is refused.

use proptest::prelude::*;

use super::equal::told;
use super::world::{START, World, home_id, query, step};
use crate::search::Index;
use crate::search::checkpoint::{Draft, Head, Unreadable, read};

fn head() -> Head {
    Head {
        epoch: "the first".to_owned(),
        written_at_ms: 17,
        positions: [([1; 16], 9), ([2; 16], 0)].into(),
        pending: vec![home_id(3), home_id(4)],
    }
}

fn written(index: &Index) -> Vec<u8> {
    let (mut draft, mut bytes) = Draft::begin(&head());
    while let Some(homes) = draft.homes(index) {
        bytes.extend(draft.seal(homes));
    }
    bytes.extend(draft.finish());
    bytes
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(
        steps in prop::collection::vec(step(), 0..60), queries in prop::collection::vec(query(), 1..6), days in 0i64..400,
    ) {
        let mut world = World::of(steps);
        let bytes = written(&world.index);
        world.now = world.now.plus_ms(days * 86_400_000);
        let (found, index) = read(&bytes, world.now.utc_date()).unwrap();
        index.check_invariants();
        prop_assert_eq!(found, head());
        prop_assert_eq!(index.len(), world.index.len());
        for number in 0..40 {
            prop_assert_eq!(index.seq(home_id(number)), world.index.seq(home_id(number)));
        }
        for query in queries {
            prop_assert_eq!(told(&index.find(&query, None, 50, world.now)), told(&world.plain.find(&query, None, 50, world.now)));
        }
    }

    #[test]
    fn a_torn_or_changed_file_is_no_checkpoint(
        steps in prop::collection::vec(step(), 0..20), at in any::<prop::sample::Index>(), flip in 1u8..=255, cut in any::<prop::sample::Index>(),
    ) {
        let world = World::of(steps);
        let bytes = written(&world.index);
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= flip;
        prop_assert!(read(&changed, START.utc_date()).is_err());
        prop_assert!(read(&bytes[..cut.index(bytes.len())], START.utc_date()).is_err());
    }
}

#[test]
fn what_is_no_checkpoint_says_why() {
    let bytes = written(&Index::new(START.utc_date()));
    let with = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        read(&bytes, START.utc_date()).err()
    };
    assert_eq!(read(b"", START.utc_date()).err(), Some(Unreadable::Form));
    assert_eq!(with(0), Some(Unreadable::Form), "not one at all");
    assert_eq!(with(8), Some(Unreadable::Form), "another version");
    assert_eq!(with(20), Some(Unreadable::Torn));
    assert_eq!(with(bytes.len() - 1), Some(Unreadable::Torn));
}
