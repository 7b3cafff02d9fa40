//! Book, pay, cancel, and what the provider reports.

use latchkey_protocol::{BookingId, ClaimId, PaymentId, UserId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::booking::{Booking, BookingState, Deal, Party};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::{Event, NightState};
use crate::domain::job::Job;
use crate::domain::ledger::{Transfer, TransferKind};
use crate::domain::money::Money;
use crate::domain::payment::{AttemptResult, Payment, Report};
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
        let quote = self.quote(hold.stay, hold.guests, now)?;
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
            quote,
            payment: payment.id,
            seq: 0,
            state: BookingState::PendingPayment { expires_at: now.plus_ms(self.leases.payment_ms) },
            created_at: now,
        };
        draft.tell_state(&mut booking);
        let deal = Deal { booking, payment };
        draft.write(Write::AddBooking(deal.booking.clone()));
        draft.write(Write::AddPayment(deal.payment.clone()));
        Ok(draft.decide(deal))
    }

    /// Records the method with which the guest wants to pay; the provider is asked after this is committed.
    ///
    /// # Errors
    /// `NotFound`, `NotYours` (a host does not pay), `Expired`, `InvalidState`.
    pub fn begin_payment(&self, booking: BookingId, caller: UserId, method: String, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let Some(Claim::Booked(deal)) = self.claims.get(&booking) else { return Err(Refusal::NotFound) };
        match deal.booking.party(caller) {
            Some(Party::Guest) => {}
            Some(Party::Host) => return Err(Refusal::NotYours),
            None => return Err(Refusal::NotFound),
        }
        let lease_end = deal.booking.payable(now)?;
        let mut deal = Deal { booking: deal.booking.clone(), payment: deal.payment.clone().attempt(method)? };
        let mut draft = Draft::after_expiry(self, now)?;
        draft.before(lease_end);
        draft.tell_guest(&mut deal.booking, &Event::PaymentUpdated(deal.payment.clone()));
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// Calls a booking off. The guest gets everything back until the day before check-in (listing-local), and always when the
    /// host cancels.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `Expired`; `InvalidState` once the stay is over.
    pub fn cancel(&self, booking: BookingId, caller: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
        let Some(Claim::Booked(deal)) = self.claims.get(&booking) else { return Err(Refusal::NotFound) };
        let party = deal.booking.party(caller).ok_or(Refusal::NotFound)?;
        if self.listing.today(now) >= deal.booking.stay().check_out() {
            return Err(Refusal::InvalidState { state: "over" });
        }
        let mut deal = Deal { booking: deal.booking.clone().cancel(party, now)?, payment: deal.payment.clone().cancel() };
        let mut draft = Draft::after_expiry(self, now)?;
        draft.free(deal.booking.stay(), deal.booking.id);
        draft.tell_state(&mut deal.booking);
        let full_refund = party == Party::Host || self.listing.today(now) < deal.booking.stay().check_in();
        if full_refund {
            draft.owe_refund(&mut deal)?;
        }
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// Takes a provider's report into account. `ended` is the booking as stored, if it is not live here any more.
    ///
    /// Money for a live booking confirms it; money for one that is over, or whose lease has run out, is owed back. A report
    /// that says nothing new changes nothing.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn report_payment(
        &self,
        booking: BookingId,
        ended: Option<Deal>,
        report: &Report,
        now: Timestamp,
    ) -> Result<Decision<Deal>, Refusal> {
        let stored = match (self.claims.get(&booking), ended) {
            (Some(Claim::Booked(deal)), _) => deal.as_ref().clone(),
            (_, Some(deal)) => deal,
            (Some(Claim::Hold(_) | Claim::Blocked(_)) | None, None) => return Err(Refusal::NotFound),
        };
        // An overdue booking is expired by this very decision, and reported on as what it then is: also one that was stored as
        // waiting and is not in this calendar.
        let mut draft = Draft::new(self, now);
        let mut deal = stored;
        for claim in self.overdue(now) {
            if !matches!(claim, Claim::Booked(due) if due.booking.id == booking) {
                draft.expire(claim)?;
            }
        }
        if deal.booking.deadline().is_some_and(|deadline| now >= deadline) {
            draft.expire_deal(&mut deal)?;
        }
        let expired_now = draft.has_freed(booking);
        match deal.payment.report(report) {
            Some(payment) => {
                let refunded_before_minor = deal.payment.refunded_minor;
                deal.payment = payment;
                draft.take_report(&mut deal, refunded_before_minor, report)?;
                draft.set(&deal);
            }
            None if expired_now => draft.set(&deal),
            None => {}
        }
        Ok(draft.decide(deal))
    }
}

impl Draft<'_> {
    /// What follows from a report that moved the payment.
    fn take_report(&mut self, deal: &mut Deal, refunded_before_minor: i64, report: &Report) -> Result<(), Refusal> {
        match report.result {
            AttemptResult::RequiresAction | AttemptResult::Processing | AttemptResult::Declined { .. } => {
                self.tell_guest(&mut deal.booking, &Event::PaymentUpdated(deal.payment.clone()));
            }
            AttemptResult::Succeeded => {
                self.move_money(deal, TransferKind::Capture, deal.payment.amount);
                self.tell_parties(&mut deal.booking, &Event::PaymentSucceeded(deal.payment.clone()));
                if let BookingState::PendingPayment { expires_at } = deal.booking.state {
                    self.before(expires_at);
                    deal.booking = deal.booking.clone().confirm(self.now)?;
                    self.announce(deal.booking.stay(), NightState::Booked);
                    self.tell_state(&mut deal.booking);
                } else {
                    self.owe_refund(deal)?;
                }
            }
            AttemptResult::Refunded { .. } => {
                let minor = deal.payment.refunded_minor - refunded_before_minor;
                self.move_money(deal, TransferKind::Refund, Money { minor, currency: deal.payment.amount.currency });
                if deal.payment.refunded_minor == deal.payment.refund_due_minor {
                    self.write(Write::EndJob(Job::refund(deal.payment.id, self.now).id));
                }
                self.tell_parties(&mut deal.booking, &Event::PaymentRefunded(deal.payment.clone()));
            }
        }
        Ok(())
    }

    /// Enters a movement into the ledger (P9).
    fn move_money(&mut self, deal: &mut Deal, kind: TransferKind, amount: Money) {
        deal.payment.transfers += 1;
        let transfer = Transfer::between_provider_and(deal.booking.host, kind, deal.payment.id, deal.payment.transfers, amount, self.now);
        self.write(Write::AddTransfer(transfer));
    }

    /// Promises everything that came in back to the guest, and plans the work.
    fn owe_refund(&mut self, deal: &mut Deal) -> Result<(), Refusal> {
        let due = deal.payment.captured_minor - deal.payment.refund_due_minor;
        if due > 0 {
            deal.payment = deal.payment.clone().owe_refund(due)?;
            self.write(Write::AddJob(Job::refund(deal.payment.id, self.now)));
            self.tell_parties(&mut deal.booking, &Event::PaymentRefunded(deal.payment.clone()));
        }
        Ok(())
    }
}
