//! From a hold to a booking, and to the attempt to pay for it.

use latchkey_protocol::{BookingId, ClaimId, PaymentId, UserId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::booking::{Booking, BookingState, Deal, StayTimes};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::{Event, NightState};
use crate::domain::payment::Payment;
use crate::domain::settlement::{Payout, Shares};
use crate::domain::time::Timestamp;

/// A guest wants to turn a hold into a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookHold {
    /// The hold.
    pub claim: ClaimId,
    /// Whose it is.
    pub guest: UserId,
    /// The id of the payment to come.
    pub payment: PaymentId,
    /// The total the guest agreed to, in minor units.
    pub expected_total_minor: Option<i64>,
}

impl Calendar {
    /// Turns the guest's own live hold into a booking that waits for its payment. The nights keep their owner.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `PriceChanged`, `PriceOverflow`, or a rule that the host changed meanwhile.
    pub fn book(&self, ask: &BookHold, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let hold = self.own_hold(ask.claim, ask.guest)?;
        let lease_end = hold.live(now)?;
        // Whether the stay is early enough was decided when it was held: midnight may have passed since.
        let quote = self.quote(hold.stay, hold.guests, hold.created_at)?;
        if ask.expected_total_minor.is_some_and(|expected| expected != quote.total.minor) {
            return Err(Refusal::PriceChanged { total_minor: quote.total.minor });
        }
        let mut draft = Draft::after_expiry(self, now)?;
        draft.before(lease_end);
        draft.announce(hold.stay, NightState::Held);
        draft.write(Write::SetHold(hold.convert(now)?));
        let payment = Payment::ask(ask.payment, hold.id, quote.total, now);
        let mut booking = Booking {
            id: hold.id,
            property: hold.property,
            guest: hold.guest,
            host: self.listing.host,
            terms: self.listing.booking_terms,
            times: StayTimes::of(&self.listing, hold.stay),
            quote,
            payment: payment.id,
            further_payments: Vec::new(),
            seq: 0,
            state: BookingState::PendingPayment { expires_at: now.plus_ms(self.leases.payment_ms) },
            confirmed_at: None,
            free_until: None,
            checked_in: None,
            checked_out: None,
            left_on: None,
            alterations: 0,
            alteration: None,
            returned: Shares::ZERO,
            settled: Shares::ZERO,
            payout: Payout::default(),
            transfers: 0,
            created_at: now,
        };
        draft.tell_state(&mut booking);
        let deal = Deal { booking, payment, further_payments: Vec::new() };
        draft.write(Write::AddBooking(deal.booking.clone()));
        draft.write(Write::AddPayment(deal.payment.clone()));
        Ok(draft.decide(deal))
    }

    /// Records the method with which the guest wants to pay what is due now, for the booking or for an accepted alteration; the
    /// provider is asked after this is committed. The outcome names the payment.
    ///
    /// # Errors
    /// `NotFound`, `NotYours` (a host does not pay), `Expired`, `InvalidState`.
    pub fn begin_payment(
        &self,
        booking: BookingId,
        caller: UserId,
        method: String,
        now: Timestamp,
    ) -> Result<Decision<(Deal, PaymentId)>, Refusal> {
        let deal = self.live_deal(booking)?;
        deal.booking.require_guest(caller)?;
        let deadline = match &deal.booking.alteration {
            Some(alteration) if deal.payment_due().is_some() => alteration.live(now)?.expires_at,
            Some(_) | None => deal.booking.payable(now)?,
        };
        let due = deal.payment_due().and_then(|due| deal.find_payment(due)).ok_or(Refusal::NotFound)?;
        let payment = due.clone().attempt(method)?;
        let payment_id = payment.id;
        let mut deal = deal.clone();
        let mut draft = Draft::after_expiry(self, now)?;
        draft.before(deadline);
        draft.tell_guest(&mut deal.booking, &Event::PaymentUpdated(payment.clone()));
        deal.put_payment(payment);
        draft.set(&deal);
        Ok(draft.decide((deal, payment_id)))
    }

    /// A booking that is live here.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn live_deal(&self, booking: BookingId) -> Result<&Deal, Refusal> {
        match self.claims.get(&booking) {
            Some(Claim::Booked(deal)) => Ok(deal),
            Some(Claim::Hold(_) | Claim::Blocked(_)) | None => Err(Refusal::NotFound),
        }
    }

    /// A booking to be decided on whatever its state: as it is here, or as stored if it is over.
    ///
    /// # Errors
    /// `NotFound` if it is neither.
    pub(super) fn any_deal(&self, booking: BookingId, ended: Option<Deal>) -> Result<Deal, Refusal> {
        match self.live_deal(booking) {
            Ok(deal) => Ok(deal.clone()),
            Err(refusal) => ended.filter(|deal| deal.booking.id == booking).ok_or(refusal),
        }
    }
}
