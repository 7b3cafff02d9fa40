//! What a client that reads slowly is told of a home's nights: not each change, but what they came to.
//!
//! A home's calendar is a state of which only the newest counts, so changes that wait for the same client are told together: one push with the range
//! of events that it stands for. Everything else is told as it happened, and whatever comes after a change of its topic stays after it.

use std::collections::BTreeMap;

use bytes::Bytes;
use latchkey_protocol::event::NightRanges;
use latchkey_protocol::server::Push;
use latchkey_protocol::view::NightRange;
use latchkey_protocol::{EpochMs, Seq, Topic};
use serde_json::value::RawValue;

use super::encoding::Encoding;
use crate::hub::EventFrame;

/// The types of these events on the wire.
const CHANGED: &str = "availability.changed";
const CONFLATED: &str = "availability.conflated";

/// What a run of nights that waits counts for, in bytes: about what it is on the wire.
const RUN_BYTES: usize = 64;

/// The changes of one topic that wait.
struct Waiting {
    from_seq: Seq,
    seq: Seq,
    at: EpochMs,
    /// In order; no night is in two of them.
    nights: Vec<NightRange>,
}

/// Changes of nights that wait for room, by topic.
#[derive(Default)]
pub(super) struct Conflation(BTreeMap<Topic, Waiting>);

impl Conflation {
    pub(super) fn has(&self, topic: Topic) -> bool {
        self.0.contains_key(&topic)
    }

    /// The memory that what waits counts for.
    pub(super) fn bytes(&self) -> usize {
        self.0.values().map(|waiting| waiting.nights.len() * RUN_BYTES).sum()
    }

    /// Takes an event of a topic, if it is a change of nights.
    pub(super) fn take(&mut self, topic: Topic, event: &EventFrame) -> bool {
        let Some((seq, at, night)) = change_in(event) else { return false };
        let waiting = self.0.entry(topic).or_insert_with(|| Waiting { from_seq: seq, seq, at, nights: Vec::new() });
        (waiting.seq, waiting.at) = (seq, at);
        lay(&mut waiting.nights, night);
        true
    }

    /// The frame that tells what waits of a topic.
    pub(super) fn tell(&mut self, topic: Topic, encoding: Encoding) -> Option<Bytes> {
        self.0.remove(&topic).map(|waiting| waiting.frame(topic, encoding))
    }

    /// The frame that tells what waits of some topic.
    pub(super) fn tell_next(&mut self, encoding: Encoding) -> Option<Bytes> {
        let (topic, waiting) = self.0.pop_first()?;
        Some(waiting.frame(topic, encoding))
    }

    /// Forgets what waits of a topic that is not followed any more.
    pub(super) fn forget(&mut self, topic: Topic) {
        self.0.remove(&topic);
    }
}

impl Waiting {
    fn frame(self, topic: Topic, encoding: Encoding) -> Bytes {
        let Self { from_seq, seq, at, nights } = self;
        let from_seq = (from_seq < seq).then_some(from_seq);
        if let ([night], None) = (nights.as_slice(), from_seq) {
            return encoding.frame(256, &Push { topic, seq, from_seq, kind: CHANGED.to_owned(), at, data: night });
        }
        let data = NightRanges { nights };
        encoding.frame(256, &Push { topic, seq, from_seq, kind: CONFLATED.to_owned(), at, data })
    }
}

/// The change of nights that an event's frame tells, if it is one: only who reads slowly pays for reading it again.
fn change_in(event: &EventFrame) -> Option<(Seq, EpochMs, NightRange)> {
    let push: Push<&RawValue> = serde_json::from_slice(event.json()).ok()?;
    if push.kind != CHANGED {
        return None;
    }
    Some((push.seq, push.at, serde_json::from_str(push.data.get()).ok()?))
}

/// Lays a run of nights over others.
fn lay(nights: &mut Vec<NightRange>, new: NightRange) {
    let mut laid = Vec::with_capacity(nights.len() + 2);
    laid.extend(nights.iter().filter_map(|old| piece(old, old.from, old.to.min(new.from))));
    laid.push(new);
    laid.extend(nights.iter().filter_map(|old| piece(old, old.from.max(new.to), old.to)));
    *nights = laid;
}

fn piece(of: &NightRange, from: latchkey_protocol::Date, to: latchkey_protocol::Date) -> Option<NightRange> {
    (from < to).then_some(NightRange { from, to, ..*of })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_protocol::view::NightState;
    use latchkey_protocol::{Date, PropertyId};
    use proptest::prelude::*;

    use super::*;

    const TOPIC: Topic = Topic::Property(PropertyId::from_bytes([1; 16]));

    fn date(day: i32) -> Date {
        Date::from_epoch_day(20_000 + day).unwrap()
    }

    fn event(seq: Seq, kind: &'static str, data: &str) -> EventFrame {
        EventFrame::of(&crate::hub::StoredEvent { topic: TOPIC, seq, kind: kind.into(), at: 7, data: Arc::from(data) })
    }

    fn changed(seq: Seq, night: NightRange) -> EventFrame {
        event(seq, "availability.changed", &serde_json::to_string(&night).unwrap())
    }

    fn read<T: serde::de::DeserializeOwned>(told: &Bytes, encoding: Encoding) -> Push<T> {
        let payload = crate::hub::frame::payload(told);
        match encoding {
            Encoding::Json | Encoding::Events => serde_json::from_slice(payload).unwrap(),
            Encoding::MessagePack => rmp_serde::from_slice(payload).unwrap(),
        }
    }

    #[test]
    fn one_change_is_told_as_it_was_and_nothing_else_is_taken() {
        let mut waiting = Conflation::default();
        let night = NightRange { from: date(1), to: date(3), state: NightState::Held };
        assert!(!waiting.take(TOPIC, &event(4, "property.updated", "{}")) && !waiting.has(TOPIC));
        assert!(waiting.take(TOPIC, &changed(5, night)) && waiting.has(TOPIC));
        assert_eq!(&waiting.tell(TOPIC, Encoding::Json).unwrap(), changed(5, night).text());
        assert!(waiting.tell(TOPIC, Encoding::Json).is_none() && !waiting.has(TOPIC));
    }

    proptest! {
        #[test]
        fn several_changes_together_leave_a_calendar_as_one_by_one(
            changes in prop::collection::vec((0..40i32, 1..12i32, prop_oneof![Just(NightState::Free), Just(NightState::Held), Just(NightState::Booked)]), 2..30),
        ) {
            let (mut waiting, mut model) = (Conflation::default(), BTreeMap::new());
            for (seq, (from, nights, state)) in (10..).zip(&changes) {
                let night = NightRange { from: date(*from), to: date(from + nights), state: *state };
                prop_assert!(waiting.take(TOPIC, &changed(seq, night)));
                model.extend((*from..from + nights).map(|day| (day, *state)));
            }
            let encoding = if changes.len() % 2 == 0 { Encoding::Json } else { Encoding::MessagePack };
            let told: Push<NightRanges> = read(&waiting.tell_next(encoding).unwrap(), encoding);
            prop_assert_eq!((told.from_seq, told.seq, told.kind.as_str()), (Some(10), 9 + changes.len() as u64, "availability.conflated"));
            prop_assert!(told.data.nights.windows(2).all(|pair| pair[0].to <= pair[1].from), "{:?}", told.data.nights);
            let laid: BTreeMap<i32, NightState> = told.data.nights.iter()
                .flat_map(|run| (0..run.to.days_since(run.from)).map(move |offset| (run.from.days_since(date(0)) + offset, run.state)))
                .collect();
            prop_assert_eq!(laid, model);
        }
    }
}
