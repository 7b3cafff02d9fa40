//! The guest comes, leaves, leaves early, or never comes; and what is written to that, which goes with who wrote it.

use latchkey_protocol::{BookingId, Date, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{AlterationEnd, BookingState, Deal, MAX_NOTE_CHARS, Party, Step, Visit};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

impl Calendar {
    /// One side says that the guest is there.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `Invalid` for the note; `InvalidState`; `TooEarly` before the day of
    /// arrival.
    pub fn check_in(&self, booking: BookingId, caller: UserId, note: Option<String>, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        let by = Some(deal.booking.require_party(caller)?);
        let note = checked(note)?;
        let mut deal = Deal { booking: deal.booking.clone().step(Step::CheckIn, now)?, ..deal.clone() };
        self.refuse_before(deal.booking.stay().check_in(), now)?;
        deal.booking.checked_in = Some(Visit { at: now, by, note });
        let mut draft = Draft::after_expiry(self, now)?;
        draft.tell_state(&mut deal.booking);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// One side says that the guest has left, on the last day.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `Invalid` for the note; `InvalidState`; `TooEarly` before the day of
    /// departure: that is [`Self::leave_early`].
    pub fn check_out(&self, booking: BookingId, caller: UserId, note: Option<String>, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        let by = Some(deal.booking.require_party(caller)?);
        let note = checked(note)?;
        let mut deal = Deal { booking: deal.booking.clone().step(Step::CheckOut, now)?, ..deal.clone() };
        self.refuse_before(deal.booking.stay().check_out(), now)?;
        deal.booking.checked_out = Some(Visit { at: now, by, note });
        self.end_stay(deal, now)
    }

    /// The guest leaves before the last day. The nights from today on return to sale; of their price goes back what the policy says.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `NotYours` for the host; `Invalid` for the note; `InvalidState`, also on
    /// the last day: that is [`Self::check_out`].
    pub fn leave_early(&self, booking: BookingId, caller: UserId, note: Option<String>, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        deal.booking.require_guest(caller)?;
        let note = checked(note)?;
        let today = self.listing.today(now);
        let terms = self.terms_of_leaving(&deal.booking, now);
        let mut deal = Deal { booking: deal.booking.clone().step(Step::CheckOut, now)?, ..deal.clone() };
        if today >= deal.booking.stay().check_out() {
            return Err(Refusal::InvalidState { state: "last_day" });
        }
        deal.booking.checked_out = Some(Visit { at: now, by: Some(Party::Guest), note });
        deal.booking.left_on = Some(today.max(deal.booking.stay().check_in()));
        let mut draft = Draft::after_expiry(self, now)?;
        draft.end_alteration(&mut deal, AlterationEnd::Withdrawn);
        draft.free_from(deal.booking.stay(), today, deal.booking.id);
        draft.tell_state(&mut deal.booking);
        draft.give_back(&mut deal, terms.returned)?;
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// The host says that the guest never came. The nights from today on return to sale; nothing goes back.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `NotYours` for the guest; `InvalidState`; `TooEarly` before the
    /// day after arrival.
    pub fn mark_no_show(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        deal.booking.require_host(caller)?;
        let mut deal = Deal { booking: deal.booking.clone().step(Step::MarkNoShow, now)?, ..deal.clone() };
        self.refuse_before(deal.booking.stay().check_in().saturating_add(1), now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        draft.end_alteration(&mut deal, AlterationEnd::Withdrawn);
        draft.free_from(deal.booking.stay(), self.listing.today(now), deal.booking.id);
        draft.tell_state(&mut deal.booking);
        draft.balance(&mut deal)?;
        draft.wake(&deal);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// Takes away the notes of a user who was erased. Doing it twice is harmless.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn forget_notes(&self, booking: BookingId, ended: Option<Deal>, user: UserId, now: Timestamp) -> Result<Decision<()>, Refusal> {
        let known = self.any_deal(booking, ended)?.booking;
        let mut draft = Draft::new(self, now);
        if let Some(mut noteless) = known.without_notes_of(user) {
            draft.tell_updated(&mut noteless);
            draft.write(Write::SetBooking(noteless));
        }
        Ok(draft.decide(()))
    }

    /// Writes down that the stay, whose state says so, is over. Its nights are of the past.
    pub(super) fn end_stay(&self, mut deal: Deal, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        debug_assert!(matches!(deal.booking.state, BookingState::Completed { .. }));
        let mut draft = Draft::after_expiry(self, now)?;
        draft.end_alteration(&mut deal, AlterationEnd::Expired);
        draft.tell_state(&mut deal.booking);
        draft.balance(&mut deal)?;
        draft.wake(&deal);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    fn refuse_before(&self, day: Date, now: Timestamp) -> Result<(), Refusal> {
        if self.listing.today(now) < day { Err(Refusal::TooEarly { from: self.listing.terms.instant(day, 0) }) } else { Ok(()) }
    }
}

/// A note as it is kept; an empty one is none.
fn checked(note: Option<String>) -> Result<Option<String>, Refusal> {
    let note = note.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if note.as_ref().is_some_and(|text| text.chars().count() > MAX_NOTE_CHARS) {
        return Err(Refusal::Invalid { field: "note", reason: "at most 500 characters" });
    }
    Ok(note)
}
