//! Somebody who follows one topic and checks what P4 promises of it: each event once, in order, without a gap.

use latchkey_protocol::event::Event as WireEvent;
use latchkey_protocol::server::{Snapshot, Subscribed};
use latchkey_protocol::view::{Calendar, NightRange, NightState};
use latchkey_protocol::{Date, PropertyId, Seq, Topic};

use super::Client;
use super::socket::Event;

pub(crate) struct Watcher {
    pub(crate) client: Client,
    pub(crate) topic: Topic,
    pub(crate) first: Subscribed,
}

impl Watcher {
    pub(crate) async fn of(client: Client, home: PropertyId) -> Self {
        let topic = Topic::Property(home);
        let first = client.subscribe(topic).await.unwrap();
        Self { client, topic, first }
    }

    /// Everything from the snapshot up to event `head`; panics at a gap, a repetition or a step back.
    pub(crate) async fn until(&self, head: Seq) -> Vec<Event> {
        if head > self.first.seq {
            self.client.event(self.topic, head).await;
        }
        let events = self.client.events(self.topic);
        assert_gapless(&events, self.first.seq);
        events.into_iter().filter(|event| event.seq <= head).collect()
    }

    /// The next change of availability after event `seq`.
    pub(crate) async fn change(&self, seq: Seq) -> NightRange {
        night_range(&self.client.event(self.topic, seq).await)
    }

    /// The nights that are not free after event `head`, by snapshot and events alone.
    pub(crate) async fn taken_at(&self, head: Seq) -> Vec<(Date, NightState)> {
        let Snapshot::Calendar(calendar) = &self.first.snapshot else { panic!("{:?}", self.first) };
        let mut nights = taken(calendar);
        for event in self.until(head).await.iter().filter(|event| event.kind == "availability.changed") {
            let change = night_range(event);
            nights.retain(|(night, _)| !(change.from..change.to).contains(night));
            nights.extend(each_night(&change));
        }
        nights.retain(|(_, state)| *state != NightState::Free);
        nights.sort_unstable();
        nights
    }
}

/// The nights of a calendar that are not free.
pub(crate) fn taken(calendar: &Calendar) -> Vec<(Date, NightState)> {
    calendar.taken.iter().flat_map(each_night).collect()
}

/// Its nights, one by one.
pub(crate) fn each_night(range: &NightRange) -> Vec<(Date, NightState)> {
    (0..range.to.days_since(range.from)).map(|offset| (range.from.saturating_add(offset), range.state)).collect()
}

/// An `availability.changed` event's data.
#[track_caller]
pub(crate) fn night_range(event: &Event) -> NightRange {
    match typed(event) {
        WireEvent::AvailabilityChanged(range) => range,
        other => panic!("not a change of availability: {other:?}"),
    }
}

/// An event by its type.
#[track_caller]
pub(crate) fn typed(event: &Event) -> WireEvent {
    serde_json::from_value(serde_json::json!({ "type": event.kind, "data": event.data })).unwrap()
}

/// P4: `after + 1`, `after + 2`, …
#[track_caller]
pub(crate) fn assert_gapless(events: &[Event], after: Seq) {
    let seqs: Vec<Seq> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<Seq> = (after + 1..).take(seqs.len()).collect();
    assert_eq!(seqs, expected);
}
