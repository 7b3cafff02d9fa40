//! A host answers a request to book.

use latchkey_protocol::{BookingId, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{BookingState, Deal, Step};
use crate::domain::change::Decision;
use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

impl Calendar {
    /// The host says yes: the nights are the guest's, and the money that was set aside is taken.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `NotYours` for the guest; `Expired`; `InvalidState`.
    pub fn accept(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        deal.booking.require_host(caller)?;
        let deadline = match deal.booking.state {
            BookingState::Requested { expires_at } => Some(expires_at),
            // Refused by the step below.
            _ => None,
        };
        let mut deal = Deal { booking: deal.booking.clone().step(Step::Accept, now)?, ..deal.clone() };
        let mut draft = Draft::after_expiry(self, now)?;
        if let Some(deadline) = deadline {
            draft.before(deadline);
        }
        draft.confirm_nights(&mut deal);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// The host says no: the nights are free again, and the money is let go.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn decline(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let deal = self.live_deal(booking)?;
        deal.booking.require_host(caller)?;
        let mut deal = Deal { booking: deal.booking.clone().step(Step::Decline, now)?, ..deal.clone() };
        let mut draft = Draft::after_expiry(self, now)?;
        draft.free(deal.booking.stay(), deal.booking.id);
        draft.tell_state(&mut deal.booking);
        draft.give_up(&mut deal)?;
        draft.set(&deal);
        Ok(draft.decide(deal))
    }
}
