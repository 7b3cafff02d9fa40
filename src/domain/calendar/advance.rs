//! What happens to a booking by itself: an alteration runs out, the stay is over, the host is paid.

use latchkey_protocol::BookingId;

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{AlterationEnd, BookingState, Deal, Step};
use crate::domain::change::Decision;
use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

impl Calendar {
    /// Does to a booking what its time has come for; the outcome is when to look at it again. `ended` is the booking as stored, if it is not
    /// live here any more. Doing it twice is harmless.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn advance(&self, booking: BookingId, ended: Option<Deal>, now: Timestamp) -> Result<Decision<Option<Timestamp>>, Refusal> {
        let mut deal = self.any_deal(booking, ended)?;
        let before = deal.clone();
        let mut draft = Draft::new(self, now);
        if deal.booking.alteration.as_ref().is_some_and(|alteration| now >= alteration.expires_at) {
            draft.end_alteration(&mut deal, AlterationEnd::Expired);
        }
        if now >= deal.booking.times.check_out_at
            && matches!(deal.booking.state, BookingState::Confirmed { .. } | BookingState::CheckedIn { .. })
        {
            deal.booking = deal.booking.clone().step(Step::Complete, now)?;
            draft.end_alteration(&mut deal, AlterationEnd::Expired);
            draft.tell_state(&mut deal.booking);
        }
        draft.balance(&mut deal)?;
        if deal != before {
            draft.set(&deal);
        }
        let next = deal.next_advance_at(now);
        Ok(draft.decide(next))
    }
}
