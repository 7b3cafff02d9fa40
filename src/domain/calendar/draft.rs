//! A decision in the making: collects writes and numbers the property's events as it goes.

use std::collections::HashSet;

use latchkey_protocol::{ClaimId, Date, Topic};

use super::{Calendar, Claim};
use crate::domain::booking::{Booking, Deal, Step};
use crate::domain::change::{Changes, Decision, Night, TopicEvent, Write};
use crate::domain::error::Refusal;
use crate::domain::event::{Event, NightState};
use crate::domain::stay::Stay;
use crate::domain::time::Timestamp;

/// Changes to one calendar, not yet committed.
pub(super) struct Draft<'a> {
    pub(super) calendar: &'a Calendar,
    pub(super) now: Timestamp,
    pub(super) changes: Changes,
    seq: u64,
    freed: HashSet<ClaimId>,
}

impl<'a> Draft<'a> {
    /// An empty decision.
    pub(super) fn new(calendar: &'a Calendar, now: Timestamp) -> Self {
        Self { calendar, now, changes: Changes::default(), seq: calendar.seq(), freed: HashSet::new() }
    }

    /// A decision that first ends every claim whose lease is over: a decision treats an overdue claim as gone and writes its
    /// expiry in the same change set.
    pub(super) fn after_expiry(calendar: &'a Calendar, now: Timestamp) -> Result<Self, Refusal> {
        let mut draft = Self::new(calendar, now);
        for claim in calendar.overdue(now) {
            draft.expire(claim)?;
        }
        Ok(draft)
    }

    /// Whether `claim` no longer owns its nights in this decision.
    pub(super) fn has_freed(&self, claim: ClaimId) -> bool {
        self.freed.contains(&claim)
    }

    pub(super) fn write(&mut self, write: Write) {
        self.changes.writes.push(write);
    }

    /// The decision is void at `deadline`.
    pub(super) fn before(&mut self, deadline: Timestamp) {
        self.changes.deadline = Some(self.changes.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// Appends to `property:{id}` that a stay's nights are in `state`; gives the event's number.
    pub(super) fn announce(&mut self, stay: Stay, state: NightState) -> u64 {
        self.append(Event::AvailabilityChanged { from: stay.check_in(), to: stay.check_out(), state })
    }

    /// Appends to `property:{id}`; gives the event's number.
    pub(super) fn append(&mut self, event: Event) -> u64 {
        self.seq += 1;
        let topic = Topic::Property(self.calendar.listing.id);
        self.changes.events.push(TopicEvent { topic, seq: Some(self.seq), at: self.now, event });
        self.seq
    }

    /// Takes nights for `claim` and says so.
    pub(super) fn take(&mut self, stay: Stay, claim: ClaimId, state: NightState) -> u64 {
        let seq = self.announce(stay, state);
        let property = self.calendar.listing.id;
        self.changes.writes.extend(stay.nights().map(|date| Write::TakeNight(Night { property, date, claim, seq })));
        seq
    }

    /// Gives back the nights that `claim` owns and says so.
    pub(super) fn free(&mut self, stay: Stay, claim: ClaimId) {
        let property = self.calendar.listing.id;
        let nights = &self.calendar.nights;
        let owned = stay.nights().filter(|date| nights.get(date).is_some_and(|owner| owner.claim == claim));
        self.changes.writes.extend(owned.map(|date| Write::FreeNight(property, date)));
        self.freed.insert(claim);
        self.announce(stay, NightState::Free);
    }

    /// Gives back those nights from `from` on that `claim` owns and says so; it keeps the others.
    pub(super) fn free_from(&mut self, stay: Stay, from: Date, claim: ClaimId) {
        if let Ok(rest) = Stay::new(from.max(stay.check_in()), stay.check_out()) {
            self.free(rest, claim);
        }
    }

    /// Appends to an inbox.
    pub(super) fn notify(&mut self, user: latchkey_protocol::UserId, event: Event) {
        self.changes.events.push(TopicEvent { topic: Topic::User(user), seq: None, at: self.now, event });
    }

    /// Appends to `booking:{id}` and to the inboxes of both parties.
    pub(super) fn tell_parties(&mut self, booking: &mut Booking, event: &Event) {
        self.tell_guest(booking, event);
        // A host who stays in their own home has one inbox, and is told once.
        if booking.host != booking.guest {
            self.notify(booking.host, event.clone());
        }
    }

    /// Appends to `booking:{id}` and to the guest's inbox.
    pub(super) fn tell_guest(&mut self, booking: &mut Booking, event: &Event) {
        booking.seq += 1;
        let topic = Topic::Booking(booking.id);
        self.changes.events.push(TopicEvent { topic, seq: Some(booking.seq), at: self.now, event: event.clone() });
        self.notify(booking.guest, event.clone());
    }

    /// Appends to `booking:{id}` that it is otherwise.
    pub(super) fn tell_updated(&mut self, booking: &mut Booking) {
        booking.seq += 1;
        let event = Event::BookingUpdated { booking: booking.id, property: booking.property };
        self.changes.events.push(TopicEvent { topic: Topic::Booking(booking.id), seq: Some(booking.seq), at: self.now, event });
    }

    /// Says that a booking came to its present state.
    pub(super) fn tell_state(&mut self, booking: &mut Booking) {
        let event = Event::BookingChanged { booking: booking.id, property: booking.property, state: booking.state };
        self.tell_parties(booking, &event);
    }

    /// Writes a stored booking and its payments.
    pub(super) fn set(&mut self, deal: &Deal) {
        self.write(Write::SetBooking(deal.booking.clone()));
        self.changes.writes.extend(deal.payments().cloned().map(Write::SetPayment));
    }

    /// Ends a claim whose lease is over.
    pub(super) fn expire(&mut self, claim: &Claim) -> Result<(), Refusal> {
        match claim {
            Claim::Hold(hold) => {
                let hold = hold.expire(self.now)?;
                self.write(Write::SetHold(hold));
                self.free(hold.stay, hold.id);
                self.notify(hold.guest, Event::HoldExpired { hold: hold.id, property: hold.property });
            }
            Claim::Booked(deal) => {
                let mut deal = deal.as_ref().clone();
                self.expire_deal(&mut deal)?;
                self.set(&deal);
            }
            // Never overdue: it has no end but its host's word.
            Claim::Blocked(_) => {}
        }
        Ok(())
    }

    /// Ends a booking that was not paid or answered in time; the caller writes it.
    pub(super) fn expire_deal(&mut self, deal: &mut Deal) -> Result<(), Refusal> {
        deal.booking = deal.booking.clone().step(Step::Expire, self.now)?;
        self.free(deal.booking.stay(), deal.booking.id);
        self.tell_state(&mut deal.booking);
        self.give_up(deal)
    }

    /// The finished decision.
    pub(super) fn decide<T>(self, outcome: T) -> Decision<T> {
        Decision { outcome, changes: self.changes }
    }
}
