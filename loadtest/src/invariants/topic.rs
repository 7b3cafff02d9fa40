//! P4 for one subscriber: a topic's events come as `+1`, `+1`, `+1`, whatever happens to the connection.

use latchkey_protocol::Seq;

/// A step that is not `+1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misstep {
    /// Events are missing in between.
    #[error("gap: expected event {expected}, got {got}")]
    Gap { expected: Seq, got: Seq },
    /// Seen already, or out of order.
    #[error("event {got} again or out of order, after {last}")]
    Again { last: Seq, got: Seq },
}

/// Where a subscriber is in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    last: Seq,
}

impl Cursor {
    /// Behind a snapshot taken at `seq`.
    pub(crate) const fn at(seq: Seq) -> Self {
        Self { last: seq }
    }

    /// The newest event seen.
    pub(crate) const fn last(self) -> Seq {
        self.last
    }

    /// Takes the next event. After a gap the cursor stands behind it, so that one gap is reported once.
    ///
    /// # Errors
    /// [`Misstep`], for every step that is not `+1`.
    pub(crate) fn step(&mut self, seq: Seq) -> Result<(), Misstep> {
        let expected = self.last + 1;
        if seq < expected {
            return Err(Misstep::Again { last: self.last, got: seq });
        }
        self.last = seq;
        if seq == expected { Ok(()) } else { Err(Misstep::Gap { expected, got: seq }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(start: Seq, seqs: &[Seq]) -> Vec<Misstep> {
        let mut cursor = Cursor::at(start);
        seqs.iter().filter_map(|seq| cursor.step(*seq).err()).collect()
    }

    #[test]
    fn a_gapless_walk_has_no_misstep() {
        assert_eq!(walk(4, &[5, 6, 7]), []);
    }

    #[test]
    fn a_gap_is_reported_once() {
        assert_eq!(walk(4, &[5, 8, 9]), [Misstep::Gap { expected: 6, got: 8 }]);
    }

    #[test]
    fn an_event_behind_the_snapshot_or_seen_before_is_reported() {
        assert_eq!(walk(4, &[4, 5]), [Misstep::Again { last: 4, got: 4 }]);
        assert_eq!(walk(4, &[5, 5]), [Misstep::Again { last: 5, got: 5 }]);
    }

    #[test]
    fn a_swap_of_two_events_is_reported() {
        assert_eq!(walk(0, &[2, 1, 3]), [Misstep::Gap { expected: 1, got: 2 }, Misstep::Again { last: 2, got: 1 }]);
    }
}
