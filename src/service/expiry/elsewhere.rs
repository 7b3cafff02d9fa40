//! Leases that other nodes look after: ended here only if nobody else has.
//!
//! The node that took a lease ends it in time. If it is gone, all others find out a little later, each after a pause of its own; the first one
//! ends it, and the others hear of that.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{ClaimId, PropertyId, Timestamp};

/// How much later than the node that took it, in milliseconds: more than its timer and the way of its log take.
const GRACE_MS: i64 = 3_000;

/// Leases of other nodes, by when they are looked at.
#[derive(Default)]
pub(super) struct Elsewhere {
    leases: HashMap<ClaimId, (PropertyId, Timestamp)>,
    due: BTreeSet<(Timestamp, ClaimId)>,
}

impl Elsewhere {
    /// A lease begins, or is lengthened; `pause_ms` is this node's own.
    pub(super) fn begin(&mut self, claim: ClaimId, property: PropertyId, until: Timestamp, pause_ms: i64) {
        self.end(claim);
        let due = until.plus_ms(GRACE_MS + pause_ms);
        self.leases.insert(claim, (property, due));
        self.due.insert((due, claim));
    }

    /// A lease is over, or is no longer another node's.
    pub(super) fn end(&mut self, claim: ClaimId) {
        if let Some((_, due)) = self.leases.remove(&claim) {
            self.due.remove(&(due, claim));
        }
    }

    /// The homes of leases that should have been ended by now. They are not looked after here any more.
    pub(super) fn take_due(&mut self, now: Timestamp) -> BTreeSet<PropertyId> {
        let mut homes = BTreeSet::new();
        while let Some((_, claim)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            if let Some((home, _)) = self.leases.get(&claim) {
                homes.insert(*home);
            }
            self.end(claim);
        }
        homes
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.leases.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p6_a_lease_of_another_node_is_looked_at_when_that_should_have_ended_it() {
        let (claim, home) = (|id| ClaimId::from_bytes([id; 16]), |id| PropertyId::from_bytes([id; 16]));
        let at = Timestamp::from_epoch_ms;
        let mut leases = Elsewhere::default();
        leases.begin(claim(1), home(1), at(1_000), 0);
        leases.begin(claim(2), home(1), at(1_000), 0);
        leases.begin(claim(3), home(3), at(2_000), 500);
        leases.begin(claim(4), home(4), at(1_000), 0);
        leases.end(claim(4));
        leases.begin(claim(2), home(1), at(9_000), 0);
        assert!(leases.take_due(at(3_999)).is_empty());
        assert_eq!(leases.take_due(at(4_000)), BTreeSet::from([home(1)]));
        assert!(leases.take_due(at(5_499)).is_empty());
        assert_eq!(leases.take_due(at(5_500)), BTreeSet::from([home(3)]));
        assert_eq!((leases.len(), leases.due.len()), (1, 1));
        assert_eq!(leases.take_due(at(12_000)), BTreeSet::from([home(1)]));
        assert_eq!((leases.len(), leases.due.len()), (0, 0));
    }
}
