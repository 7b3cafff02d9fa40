//! P4 across subscribers: one public topic as all its watchers saw it.
//!
//! Every watcher's events are laid onto one timeline; the first copy of an event is kept, every later one must say the same.
//! Folding the timeline over a snapshot gives the calendar that everyone should see, and shows a night that was sold twice
//! even if no guest noticed.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};
use std::time::Instant;

use latchkey_protocol::event::Event;
use latchkey_protocol::view::{Calendar, NightRange, NightState};
use latchkey_protocol::{Date, Seq};
use serde_json::Value;

use crate::frame::read_event;

/// An event as the first watcher saw it.
#[derive(Debug)]
struct Seen {
    kind: String,
    data: String,
    change: Option<NightRange>,
    receipts: Vec<Instant>,
}

/// One property topic.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    snapshots: BTreeMap<Seq, Calendar>,
    events: BTreeMap<Seq, Seen>,
    without_receipts: bool,
}

impl Timeline {
    /// A timeline that forgets when watchers received what: for a fan-out, whose receipts would be the largest thing in memory.
    pub(crate) fn without_receipts() -> Self {
        Self { without_receipts: true, ..Self::default() }
    }

    /// Lays down a watcher's snapshot.
    ///
    /// # Errors
    /// Another watcher's snapshot at the same `seq` was different.
    pub(crate) fn start(&mut self, calendar: &Calendar) -> Result<(), String> {
        match self.snapshots.get(&calendar.seq) {
            // The window moves at midnight; what both tell about must be equal.
            Some(known) if !agree(known, calendar) => Err(format!("two different snapshots at seq {}", calendar.seq)),
            Some(_) => Ok(()),
            None => {
                self.snapshots.insert(calendar.seq, calendar.clone());
                Ok(())
            }
        }
    }

    /// Lays down a watcher's event.
    ///
    /// # Errors
    /// Another watcher's event with this `seq` was different, or it is not one the protocol describes.
    pub(crate) fn see(&mut self, seq: Seq, kind: &str, data: &str, received_at: Instant) -> Result<(), String> {
        if let Some(seen) = self.events.get_mut(&seq) {
            if seen.kind != kind || !same_json(&seen.data, data) {
                return Err(format!("two different events with seq {seq}: {} {} and {kind} {data}", seen.kind, seen.data));
            }
            if is_held(seen.change) && !self.without_receipts {
                seen.receipts.push(received_at);
            }
            return Ok(());
        }
        let change = match read_event(kind, data).map_err(|error| format!("event {seq}: {error}"))? {
            Event::AvailabilityChanged(range) => Some(range),
            Event::PropertyListed(_)
            | Event::PropertyPublished(_)
            | Event::PropertyUpdated(_)
            | Event::PropertyUnlisted(_)
            | Event::PropertyDeleted(_)
            | Event::ReviewPublished(_)
            | Event::ReviewHidden(_)
            | Event::ReviewShown(_) => None,
            Event::AvailabilityConflated(_) => return Err(format!("event {seq} stands for several")),
            Event::HoldExpired(_)
            | Event::BookingCreated(_)
            | Event::BookingConfirmed(_)
            | Event::BookingExpired(_)
            | Event::BookingCancelled(_)
            | Event::BookingRequested(_)
            | Event::BookingDeclined(_)
            | Event::BookingWithdrawn(_)
            | Event::BookingPaymentFailed(_)
            | Event::BookingCheckedIn(_)
            | Event::BookingCompleted(_)
            | Event::BookingNoShow(_)
            | Event::BookingUpdated(_)
            | Event::AlterationProposed(_)
            | Event::AlterationEnded(_)
            | Event::PaymentDisputed(_)
            | Event::PayoutUpdated(_)
            | Event::PaymentUpdated(_)
            | Event::PaymentSucceeded(_)
            | Event::PaymentRefunded(_)
            | Event::AccountUpdated(_)
            | Event::SessionEnded(_)
            | Event::MessageSent(_)
            | Event::MessageRead(_)
            | Event::NotificationCreated(_)
            | Event::NotificationRead(_)
            | Event::ReviewSubmitted(_)
            | Event::ReviewReplied(_) => return Err(format!("event {seq}: {kind} on a public topic")),
        };
        let receipts = if is_held(change) && !self.without_receipts { vec![received_at] } else { Vec::new() };
        self.events.insert(seq, Seen { kind: kind.to_owned(), data: data.to_owned(), change, receipts });
        Ok(())
    }

    /// The newest `seq` anyone saw.
    pub(crate) fn head(&self) -> Seq {
        let event = self.events.last_key_value().map_or(0, |(seq, _)| *seq);
        event.max(self.snapshots.last_key_value().map_or(0, |(seq, _)| *seq))
    }

    /// The nights that became held with event `seq`.
    pub(crate) fn held_at(&self, seq: Seq) -> Option<NightRange> {
        self.events.get(&seq)?.change.filter(|range| range.state == NightState::Held)
    }

    /// When each watcher received the newest event, up to `seq`, with which exactly these nights became held.
    pub(crate) fn receipts_of_hold(&self, check_in: Date, check_out: Date, seq: Seq) -> Option<&[Instant]> {
        let hold = NightRange { from: check_in, to: check_out, state: NightState::Held };
        self.events.range(..=seq).rev().find(|(_, seen)| seen.change == Some(hold)).map(|(_, seen)| seen.receipts.as_slice())
    }

    /// What the timeline itself gives away: snapshots that contradict the events, nights that changed as no night may.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut broken = Vec::new();
        for calendar in self.snapshots.values() {
            broken.extend(self.disagreements(calendar));
        }
        let head = self.head();
        if let Err(what) = self.fold(head, &mut |what| broken.push(what)) {
            broken.push(what);
        }
        broken
    }

    /// Where a calendar differs from what the events up to its `seq` add up to.
    pub(crate) fn disagreements(&self, calendar: &Calendar) -> Vec<String> {
        let folded = match self.fold(calendar.seq, &mut |_| {}) {
            Ok(folded) => folded,
            Err(what) => return vec![what],
        };
        let told = nights(calendar);
        let days = calendar.from.epoch_day()..calendar.to.epoch_day();
        let differing = days.filter_map(|day| Date::from_epoch_day(day).ok()).filter_map(|night| {
            let (seen, says) = (state(&folded, night), state(&told, night));
            (seen != says).then(|| format!("calendar at seq {}: {night} is {says:?}, the events make it {seen:?}", calendar.seq))
        });
        differing.collect()
    }

    /// The nights that are not free at `target`: the earliest snapshot from which the events reach there without a gap,
    /// and those events. Changes that no night may make go to `odd`.
    fn fold(&self, target: Seq, odd: &mut dyn FnMut(String)) -> Result<BTreeMap<Date, NightState>, String> {
        let reaches = |start: Seq| (start + 1..=target).all(|seq| self.events.contains_key(&seq));
        let Some((start, snapshot)) = self.snapshots.range(..=target).find(|(start, _)| reaches(**start)) else {
            return Err(format!("no watcher saw all events up to {target}"));
        };
        let mut folded = nights(snapshot);
        for (seq, seen) in self.events.range((Excluded(*start), Included(target))) {
            if let Some(change) = seen.change {
                apply(&mut folded, change, *seq, odd);
            }
        }
        Ok(folded)
    }
}

fn is_held(change: Option<NightRange>) -> bool {
    change.is_some_and(|range| range.state == NightState::Held)
}

fn apply(folded: &mut BTreeMap<Date, NightState>, change: NightRange, seq: Seq, odd: &mut dyn FnMut(String)) {
    let range = || (change.from.epoch_day()..change.to.epoch_day()).filter_map(|day| Date::from_epoch_day(day).ok());
    // A lease that is lengthened or becomes a booking is announced once more, as a whole.
    let is_said_again = change.state == NightState::Held && range().all(|night| state(folded, night) == NightState::Held);
    for night in range() {
        let before = state(folded, night);
        let lawful = match change.state {
            NightState::Held => before == NightState::Free || is_said_again,
            NightState::Blocked => before == NightState::Free,
            NightState::Booked => before == NightState::Held,
            NightState::Free => before != NightState::Free,
        };
        if !lawful {
            odd(format!("event {seq}: {night} became {:?} while it was {before:?}", change.state));
        }
        folded.insert(night, change.state);
    }
}

fn state(nights: &BTreeMap<Date, NightState>, night: Date) -> NightState {
    nights.get(&night).copied().unwrap_or(NightState::Free)
}

fn nights(calendar: &Calendar) -> BTreeMap<Date, NightState> {
    let days = |range: &NightRange| (range.from.epoch_day()..range.to.epoch_day(), range.state);
    let told = calendar.taken.iter().map(days).flat_map(|(days, state)| days.map(move |day| (day, state)));
    told.filter_map(|(day, state)| Some((Date::from_epoch_day(day).ok()?, state))).collect()
}

fn agree(one: &Calendar, other: &Calendar) -> bool {
    let (from, to) = (one.from.max(other.from), one.to.min(other.to));
    let within =
        |calendar: &Calendar| -> Vec<_> { nights(calendar).into_iter().filter(|(night, _)| from <= *night && *night < to).collect() };
    within(one) == within(other)
}

/// Equal as JSON: a ring and a table may write one event's fields in different orders.
fn same_json(one: &str, other: &str) -> bool {
    one == other
        || match (serde_json::from_str::<Value>(one), serde_json::from_str::<Value>(other)) {
            (Ok(one), Ok(other)) => one == other,
            _ => false,
        }
}

#[cfg(test)]
#[path = "timeline_tests.rs"]
mod tests;
