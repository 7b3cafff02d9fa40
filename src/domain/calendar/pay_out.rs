//! What became of money on its way to or from a host, and refunds that somebody gives of their own accord.

use latchkey_protocol::{BookingId, PaymentId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::Deal;
use crate::domain::change::Decision;
use crate::domain::error::Refusal;
use crate::domain::ledger::Movement;
use crate::domain::time::Timestamp;

impl Calendar {
    /// The provider has made a payout's movement of that number. `ended` is the booking as stored, if it is not live here any more. Old news
    /// changes nothing.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn record_payout(&self, booking: BookingId, ended: Option<Deal>, revision: u32, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let mut deal = self.any_deal(booking, ended)?;
        let mut draft = Draft::new(self, now);
        let pending_minor = deal.booking.payout.pending_minor;
        if revision != deal.booking.payout.revision || pending_minor == 0 {
            return Ok(draft.decide(deal));
        }
        deal.booking.payout = deal.booking.payout.moved(revision);
        draft.move_money(&mut deal, Movement::PayOut { minor: pending_minor });
        draft.tell_payout(&mut deal, pending_minor);
        draft.balance(&mut deal)?;
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// Promises `minor` of a payment back beyond the policy; all that can be, if `None`. It comes out of the host's share first. `ended` is
    /// the booking as stored, if it is not live here any more. Who may is decided by the caller of this.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given, or has no such payment; `Invalid` for nothing or less; `RefundTooLarge`.
    pub fn refund(
        &self,
        booking: BookingId,
        payment: PaymentId,
        ended: Option<Deal>,
        minor: Option<i64>,
        now: Timestamp,
    ) -> Result<Decision<(Deal, PaymentId)>, Refusal> {
        let mut deal = self.any_deal(booking, ended)?;
        let known = deal.find_payment(payment).ok_or(Refusal::NotFound)?;
        let most_minor = known.refundable_minor().min(deal.booking.kept().total_minor());
        let minor = minor.unwrap_or(most_minor);
        if minor < 0 || (minor == 0 && most_minor > 0) {
            return Err(Refusal::Invalid { field: "amount_minor", reason: "1 or more" });
        }
        if minor == 0 || minor > most_minor {
            return Err(Refusal::RefundTooLarge);
        }
        let returned = deal.booking.kept().take(minor);
        let mut draft = Draft::new(self, now);
        deal.booking.returned = deal.booking.returned.plus(returned);
        draft.owe_refund_of(&mut deal, payment, minor)?;
        draft.balance(&mut deal)?;
        draft.set(&deal);
        Ok(draft.decide((deal, payment)))
    }
}
