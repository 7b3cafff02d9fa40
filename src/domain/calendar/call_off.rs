//! Calling a booking off, and what the guest gets back for it.

use latchkey_protocol::{BookingId, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{AlterationEnd, Booking, BookingState, Deal, Party, Step};
use crate::domain::cancellation::{Schedule, Tier, returned};
use crate::domain::change::Decision;
use crate::domain::error::Refusal;
use crate::domain::settlement::Shares;
use crate::domain::time::Timestamp;

/// What calling a booking off, or leaving early, would mean now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOff {
    /// What goes back of the price; of what was paid, if that is less.
    pub returned: Shares,
    /// By which rule.
    pub tier: Tier,
    /// Until when the guest gets what back.
    pub schedule: Schedule,
}

impl Calendar {
    /// What the guest would get back if the caller called the booking off at `now`, or, once they have checked in, left early.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; what [`Self::cancel`] refuses.
    pub fn call_off(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<CallOff, Refusal> {
        let booking = &self.live_deal(booking)?.booking;
        let party = booking.require_party(caller)?;
        match booking.state {
            BookingState::CheckedIn { .. } if party == Party::Guest => Ok(self.terms_of_leaving(booking, now)),
            _ => {
                booking.state.step(Self::cancel_step(party), now)?;
                self.refuse_after_stay(booking, now)?;
                Ok(self.terms_of_cancelling(booking, party, now))
            }
        }
    }

    /// Calls a booking off. The guest gets back what the policy says, and everything if the host does it; a request is withdrawn or declined.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `Expired`; `InvalidState` once the guest has checked in or the stay
    /// is over.
    pub fn cancel(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        let party = deal.booking.require_party(caller)?;
        let terms = self.terms_of_cancelling(&deal.booking, party, now);
        let mut deal = Deal { booking: deal.booking.clone().step(Self::cancel_step(party), now)?, ..deal.clone() };
        self.refuse_after_stay(&deal.booking, now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        draft.end_alteration(&mut deal, AlterationEnd::Withdrawn);
        draft.free(deal.booking.stay(), deal.booking.id);
        draft.tell_state(&mut deal.booking);
        draft.give_back(&mut deal, terms.returned)?;
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    const fn cancel_step(party: Party) -> Step {
        match party {
            Party::Guest => Step::CancelByGuest,
            Party::Host => Step::CancelByHost,
        }
    }

    fn refuse_after_stay(&self, booking: &Booking, now: Timestamp) -> Result<(), Refusal> {
        if self.listing.today(now) >= booking.stay().check_out() {
            return Err(Refusal::InvalidState { state: "over" });
        }
        Ok(())
    }

    fn terms_of_cancelling(&self, booking: &Booking, party: Party, now: Timestamp) -> CallOff {
        let schedule = Schedule::of(booking);
        let tier = match (party, booking.confirmed_at) {
            (Party::Guest, Some(_)) => schedule.tier(booking.terms.policy, now),
            (Party::Host, _) | (Party::Guest, None) => Tier::Everything,
        };
        self.call_off_by(booking, tier, now)
    }

    /// A guest who has checked in and leaves early.
    pub(super) fn terms_of_leaving(&self, booking: &Booking, now: Timestamp) -> CallOff {
        self.call_off_by(booking, Schedule::of(booking).tier(booking.terms.policy, now), now)
    }

    fn call_off_by(&self, booking: &Booking, tier: Tier, now: Timestamp) -> CallOff {
        let leaves_on = self.listing.today(now).max(booking.stay().check_in());
        // What has gone back already does not go back twice.
        let kept = booking.kept();
        let returned = returned(booking, tier, leaves_on, now).minus(booking.returned);
        let none_negative = Shares {
            host_minor: returned.host_minor.max(0),
            fee_minor: returned.fee_minor.max(0),
            taxes_minor: returned.taxes_minor.max(0),
        };
        CallOff { returned: none_negative.at_most(kept), tier, schedule: Schedule::of(booking) }
    }
}

impl Draft<'_> {
    /// Gives that much of the price back. Money that was only set aside is let go if nothing of it is kept.
    pub(super) fn give_back(&mut self, deal: &mut Deal, returned: Shares) -> Result<(), Refusal> {
        deal.booking.returned = deal.booking.returned.plus(returned);
        if deal.booking.kept() == Shares::ZERO {
            self.stop_waiting(deal);
        }
        self.balance(deal)?;
        self.wake(deal);
        Ok(())
    }
}
