//! The first few of many candidates: a bounded buffer that forgets what cannot be among them.

/// A home that may be a result. Its order is `(key, rank)`: `key` is what the query sorts by, or a bound below it, and `rank` breaks
/// ties by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) key: u64,
    pub(super) rank: u32,
    pub(super) slot: u32,
}

/// Keeps the `most` smallest candidates it is offered.
///
/// It holds up to twice as many, and cuts when full: two comparisons and moves a candidate, whatever their order.
pub(super) struct Smallest {
    most: usize,
    held: Vec<Candidate>,
    cut: Option<Candidate>,
    has_dropped: bool,
}

impl Smallest {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self { most, held: Vec::with_capacity(most * 2), cut: None, has_dropped: false }
    }

    #[inline]
    pub(super) fn offer(&mut self, candidate: Candidate) {
        if self.cut.is_some_and(|cut| candidate > cut) {
            self.has_dropped = true;
            return;
        }
        self.held.push(candidate);
        if self.held.len() == self.most * 2 {
            self.reduce();
        }
    }

    fn reduce(&mut self) {
        if self.held.len() > self.most {
            self.held.select_nth_unstable(self.most - 1);
            self.held.truncate(self.most);
            self.cut = self.held.last().copied();
            self.has_dropped = true;
        }
    }

    /// Them in order, and whether these are all there were.
    pub(super) fn finish(mut self) -> (Vec<Candidate>, bool) {
        self.reduce();
        self.held.sort_unstable();
        (self.held, !self.has_dropped)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_keeps_the_first_ones_in_order_and_says_whether_there_were_more(
            keys in prop::collection::vec(0u64..20, 0..200), most in 1usize..40,
        ) {
            let mut all: Vec<Candidate> =
                keys.iter().zip(0u32..).map(|(key, rank)| Candidate { key: *key, rank, slot: rank }).collect();
            let mut smallest = Smallest::new(most);
            for candidate in &all {
                smallest.offer(*candidate);
            }
            let (kept, is_all) = smallest.finish();
            prop_assert_eq!(is_all, all.len() <= most);
            all.sort_unstable();
            all.truncate(most);
            prop_assert_eq!(kept, all);
        }
    }
}
