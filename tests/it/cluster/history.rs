//! What was asked and answered, in the order in which that happened, and whether one calendar for each home could have answered so.
//!
//! The home's topic is the order of all changes. A history is right (linearizable) if every acknowledged change is exactly one event of it, no event
//! takes a night that is taken, what was asked after an answer comes after it, and no refusal names nights that were given back before it was asked.

use std::collections::{BTreeMap, BTreeSet};

use latchkey_protocol::view::{Hold, NightState};
use latchkey_protocol::{Date, PropertyId, Seq};

use crate::support::Dates;
use crate::support::socket::Event;
use crate::support::watcher::{each_night, night_range};

/// An instant: how many questions and answers were before.
pub(super) type Instant = u64;

#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Held(Hold),
    /// Refused because of this night, which that event had taken.
    Lost {
        night: Date,
        taken_by: Seq,
    },
    Released(Hold),
}

/// A command that was answered, perhaps after having been said several times.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    pub(super) home: PropertyId,
    pub(super) dates: Dates,
    pub(super) asked: Instant,
    pub(super) answered: Instant,
    pub(super) outcome: Outcome,
}

impl Operation {
    /// Its event, if it changed something.
    const fn seq(&self) -> Option<Seq> {
        match &self.outcome {
            Outcome::Held(hold) | Outcome::Released(hold) => Some(hold.seq),
            Outcome::Lost { .. } => None,
        }
    }
}

/// Checks the history of a home against all of its events; gives the nights that are taken in the end.
pub(super) fn check(home: PropertyId, operations: &[Operation], events: &[Event]) -> Vec<(Date, NightState)> {
    let operations: Vec<&Operation> = operations.iter().filter(|operation| operation.home == home).collect();
    let mut changes: BTreeMap<Seq, &Operation> = BTreeMap::new();
    for operation in &operations {
        if let Some(seq) = operation.seq() {
            let twin = changes.insert(seq, operation);
            assert!(twin.is_none(), "P1: one event, two acknowledged changes: {twin:?} {operation:?}");
        }
    }
    let freed = replay(&changes, events);
    check_order(&changes);
    for operation in &operations {
        let Outcome::Lost { night, taken_by } = &operation.outcome else { continue };
        assert!((operation.dates.check_in..operation.dates.check_out).contains(night), "P5: {operation:?}");
        let taker = changes.get(taken_by).unwrap_or_else(|| panic!("P5: event {taken_by} took nothing: {operation:?}"));
        let is_taker = matches!(taker.outcome, Outcome::Held(_)) && (taker.dates.check_in..taker.dates.check_out).contains(night);
        assert!(is_taker, "P5: {operation:?} {taker:?}");
        assert!(taker.asked < operation.answered, "P5: refused for what was not yet asked: {operation:?} {taker:?}");
        if let Some(freer) = freed.get(taken_by).and_then(|seq| changes.get(seq)) {
            assert!(freer.answered > operation.asked, "refused for nights that had been given back: {operation:?} {freer:?}");
        }
    }
    taken(events)
}

/// P1, P3, P7: each event is one acknowledged change, and takes only what is free. Which event gave back what another took.
fn replay(changes: &BTreeMap<Seq, &Operation>, events: &[Event]) -> BTreeMap<Seq, Seq> {
    let (mut owners, mut freed) = (BTreeMap::<Date, Seq>::new(), BTreeMap::new());
    for event in events.iter().filter(|event| event.kind == "availability.changed") {
        let change = night_range(event);
        let operation = changes.get(&event.seq).unwrap_or_else(|| panic!("P7: event {event:?} was acknowledged to nobody"));
        assert_eq!((change.from, change.to), (operation.dates.check_in, operation.dates.check_out), "P3: {event:?} {operation:?}");
        let nights = each_night(&change).into_iter().map(|(night, _)| night);
        match change.state {
            NightState::Held => {
                assert!(matches!(operation.outcome, Outcome::Held(_)), "P3: {event:?} {operation:?}");
                for night in nights {
                    let before = owners.insert(night, event.seq);
                    assert_eq!(before, None, "P1: {night} is taken twice: {operation:?}");
                }
            }
            NightState::Free => {
                assert!(matches!(operation.outcome, Outcome::Released(_)), "P3: {event:?} {operation:?}");
                let before: BTreeSet<Option<Seq>> = nights.map(|night| owners.remove(&night)).collect();
                assert_eq!(before.len(), 1, "P1: what was given back was not one hold's: {operation:?}");
                freed.extend(before.into_iter().flatten().map(|taker| (taker, event.seq)));
            }
            NightState::Booked | NightState::Blocked => panic!("nobody asked for that: {event:?}"),
        }
    }
    let told = events.last().map_or(0, |event| event.seq);
    assert!(changes.keys().all(|seq| *seq <= told), "P2: a change that was acknowledged has no event");
    freed
}

/// What was asked after an answer comes after it.
fn check_order(changes: &BTreeMap<Seq, &Operation>) {
    let mut earliest_answer_after = Instant::MAX;
    for operation in changes.values().rev() {
        assert!(operation.asked < earliest_answer_after, "an answer was overtaken by what was asked after it: {operation:?}");
        earliest_answer_after = earliest_answer_after.min(operation.answered);
    }
}

/// The nights that are not free after these events.
fn taken(events: &[Event]) -> Vec<(Date, NightState)> {
    let mut nights = BTreeMap::new();
    for change in events.iter().filter(|event| event.kind == "availability.changed").map(night_range) {
        nights.extend(each_night(&change));
    }
    nights.retain(|_, state| *state != NightState::Free);
    nights.into_iter().collect()
}

mod tests {
    use latchkey_protocol::view::HoldState;
    use latchkey_protocol::{HoldId, Topic};
    use serde_json::json;

    use super::*;

    const HOME: PropertyId = PropertyId::from_bytes([7; 16]);

    fn dates(first: i32, nights: i32) -> Dates {
        let check_in = Date::from_epoch_day(20_000 + first).unwrap();
        Dates { check_in, check_out: check_in.saturating_add(nights) }
    }

    fn hold(seq: Seq, dates: Dates, state: HoldState) -> Hold {
        let Dates { check_in, check_out } = dates;
        Hold { id: HoldId::from_bytes([1; 16]), property: HOME, check_in, check_out, guests: 2, state, expires_at: 0, seq }
    }

    fn asked(at: (Instant, Instant), dates: Dates, outcome: Outcome) -> Operation {
        Operation { home: HOME, dates, asked: at.0, answered: at.1, outcome }
    }

    fn held(at: (Instant, Instant), seq: Seq, dates: Dates) -> Operation {
        asked(at, dates, Outcome::Held(hold(seq, dates, HoldState::Active)))
    }

    fn released(at: (Instant, Instant), seq: Seq, dates: Dates) -> Operation {
        asked(at, dates, Outcome::Released(hold(seq, dates, HoldState::Released)))
    }

    fn lost(at: (Instant, Instant), dates: Dates, taken_by: Seq) -> Operation {
        asked(at, dates, Outcome::Lost { night: dates.check_in, taken_by })
    }

    fn event(seq: Seq, dates: Dates, state: NightState) -> Event {
        let data = json!({ "from": dates.check_in, "to": dates.check_out, "state": state });
        Event { topic: Topic::Property(HOME), seq, from_seq: None, kind: "availability.changed".into(), at: 0, data }
    }

    /// A hold, one who lost, giving back, and another hold of the same nights.
    fn right() -> (Vec<Operation>, Vec<Event>) {
        let one = dates(0, 2);
        let operations =
            vec![held((1, 2), 2, one), lost((3, 4), one, 2), released((5, 8), 3, one), lost((6, 7), one, 2), held((9, 10), 4, one)];
        let events = vec![event(2, one, NightState::Held), event(3, one, NightState::Free), event(4, one, NightState::Held)];
        (operations, events)
    }

    #[test]
    fn a_right_history_passes() {
        let (operations, events) = right();
        assert_eq!(check(HOME, &operations, &events).len(), 2);
    }

    #[test]
    fn each_kind_of_wrong_history_is_caught() {
        type Spoil = fn(&mut Vec<Operation>, &mut Vec<Event>);
        let spoils: [(&str, Spoil); 8] = [
            ("an acknowledged change without an event", |_, events| events.truncate(events.len() - 1)),
            ("an event that nobody was told of", |operations, _| operations.truncate(operations.len() - 1)),
            ("a night taken twice", |operations, events| {
                operations.push(held((11, 12), 5, dates(1, 2)));
                events.push(event(5, dates(1, 2), NightState::Held));
            }),
            ("one event for two", |operations, _| operations.push(held((11, 12), 4, dates(0, 2)))),
            ("an event with other nights", |_, events| events[0] = event(2, dates(0, 3), NightState::Held)),
            ("an answer that was overtaken", |operations, _| operations[0] = held((20, 21), 2, dates(0, 2))),
            ("a refusal for nights that had been given back", |operations, _| operations.push(lost((11, 12), dates(0, 2), 2))),
            ("a refusal that names an event which took nothing", |operations, _| operations.push(lost((11, 12), dates(0, 2), 3))),
        ];
        for (what, spoil) in spoils {
            let (mut operations, mut events) = right();
            spoil(&mut operations, &mut events);
            let caught = std::panic::catch_unwind(|| check(HOME, &operations, &events));
            assert!(caught.is_err(), "{what} is not caught");
        }
    }
}
