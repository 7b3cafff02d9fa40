//! Histories of one public topic, each of which breaks one thing.

use super::*;

fn day(number: i32) -> Date {
    Date::from_epoch_day(number).unwrap()
}

fn range(from: i32, to: i32, state: NightState) -> NightRange {
    NightRange { from: day(from), to: day(to), state }
}

fn calendar(seq: Seq, taken: &[NightRange]) -> Calendar {
    let property = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    Calendar { property, seq, from: day(0), to: day(100), taken: taken.to_vec() }
}

fn see(timeline: &mut Timeline, seq: Seq, change: NightRange) -> Result<(), String> {
    timeline.see(seq, "availability.changed", &serde_json::to_string(&change).unwrap(), Instant::now())
}

fn timeline(changes: &[NightRange]) -> Timeline {
    let mut timeline = Timeline::default();
    timeline.start(&calendar(1, &[])).unwrap();
    for (seq, change) in (2..).zip(changes) {
        see(&mut timeline, seq, *change).unwrap();
    }
    timeline
}

#[test]
fn a_hold_that_becomes_a_booking_contradicts_nothing() {
    let timeline = timeline(&[range(10, 12, NightState::Held), range(10, 12, NightState::Held), range(10, 12, NightState::Booked)]);
    assert_eq!(timeline.contradictions(), [""; 0]);
    assert_eq!(timeline.disagreements(&calendar(4, &[range(10, 12, NightState::Booked)])), [""; 0]);
    assert_eq!(timeline.head(), 4);
}

#[test]
fn a_night_held_twice_is_noticed() {
    let timeline = timeline(&[range(10, 12, NightState::Held), range(11, 13, NightState::Held)]);
    assert_eq!(timeline.contradictions(), ["event 3: 1970-01-12 became Held while it was Held"]);
}

#[test]
fn two_watchers_who_saw_different_events_are_noticed() {
    let mut timeline = timeline(&[range(10, 12, NightState::Held)]);
    assert!(see(&mut timeline, 2, range(10, 12, NightState::Held)).is_ok());
    assert!(see(&mut timeline, 2, range(10, 13, NightState::Held)).is_err());
    assert!(timeline.see(2, "property.listed", "{}", Instant::now()).is_err());
}

#[test]
fn the_order_of_fields_is_no_difference() {
    let mut timeline = timeline(&[range(10, 12, NightState::Held)]);
    let data = r#"{ "state": "held", "to": "1970-01-13", "from": "1970-01-11" }"#;
    assert_eq!(timeline.see(2, "availability.changed", data, Instant::now()), Ok(()));
}

#[test]
fn a_private_event_on_a_public_topic_is_noticed() {
    let data = r#"{"hold":"01890a5d-ac96-774b-bcce-b302099a8057","property":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
    assert!(Timeline::default().see(1, "hold.expired", data, Instant::now()).unwrap_err().contains("public"));
}

#[test]
fn a_calendar_that_differs_from_the_events_is_noticed() {
    let timeline = timeline(&[range(10, 12, NightState::Held)]);
    assert_eq!(timeline.disagreements(&calendar(2, &[range(10, 11, NightState::Held)])).len(), 1);
    assert_eq!(timeline.disagreements(&calendar(2, &[range(10, 12, NightState::Booked)])).len(), 2);
    assert_eq!(timeline.disagreements(&calendar(2, &[range(10, 13, NightState::Held)])).len(), 1);
}

#[test]
fn snapshots_that_contradict_each_other_or_the_events_are_noticed() {
    let mut timeline = timeline(&[range(10, 12, NightState::Held)]);
    assert!(timeline.start(&calendar(1, &[range(1, 2, NightState::Held)])).is_err());
    assert_eq!(timeline.start(&calendar(2, &[])), Ok(()));
    assert_eq!(timeline.contradictions().len(), 2);
}

#[test]
fn events_that_nobody_saw_are_noticed() {
    let mut timeline = timeline(&[range(10, 12, NightState::Held)]);
    see(&mut timeline, 4, range(20, 21, NightState::Held)).unwrap();
    assert_eq!(timeline.contradictions(), ["no watcher saw all events up to 4"]);
    // A snapshot from behind the gap makes up for it: that is what a reset is.
    timeline.start(&calendar(3, &[range(10, 12, NightState::Held)])).unwrap();
    assert_eq!(timeline.contradictions(), [""; 0]);
}

#[test]
fn receipts_are_those_of_the_hold_asked_for() {
    let mut timeline = timeline(&[range(10, 12, NightState::Held), range(10, 12, NightState::Booked)]);
    see(&mut timeline, 2, range(10, 12, NightState::Held)).unwrap();
    assert_eq!(timeline.receipts_of_hold(day(10), day(12), 3).unwrap().len(), 2);
    assert_eq!(timeline.receipts_of_hold(day(10), day(13), 3), None);
    assert_eq!(timeline.receipts_of_hold(day(10), day(12), 1), None);
    assert!(timeline.held_at(2).is_some() && timeline.held_at(3).is_none());
}
