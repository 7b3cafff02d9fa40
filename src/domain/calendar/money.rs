//! Where a booking's money goes: what every decision that changes its price, its state or its payments ends with.

use latchkey_protocol::PaymentId;

use super::draft::Draft;
use crate::domain::booking::{Deal, Party};
use crate::domain::change::Write;
use crate::domain::error::Refusal;
use crate::domain::event::Event;
use crate::domain::job::Job;
use crate::domain::ledger::{Movement, Transfer};
use crate::domain::settlement::Shares;

impl Draft<'_> {
    /// Enters a movement into the ledger (P9).
    pub(super) fn move_money(&mut self, deal: &mut Deal, movement: Movement) {
        let booking = &mut deal.booking;
        booking.transfers += 1;
        let currency = booking.quote.total.currency;
        let transfer = Transfer::new(booking.id, booking.transfers, movement, booking.host, currency, self.now);
        if !transfer.lines.is_empty() {
            self.write(Write::AddTransfer(transfer));
        }
    }

    /// A booking that will not be stayed and was never the guest's keeps nothing; its payments are not waited for any more.
    pub(super) fn give_up(&mut self, deal: &mut Deal) -> Result<(), Refusal> {
        deal.booking.returned = Shares::of(&deal.booking.quote);
        self.stop_waiting(deal);
        self.balance(deal)
    }

    /// Waits for no payment any more; the provider lets go of what it was asked for.
    pub(super) fn stop_waiting(&mut self, deal: &mut Deal) {
        let waiting: Vec<PaymentId> = deal.payments().map(|payment| payment.id).collect();
        for payment in waiting {
            self.cancel_payment(deal, payment);
        }
    }

    /// Waits for this payment no more.
    pub(super) fn cancel_payment(&mut self, deal: &mut Deal, payment: PaymentId) {
        let Some(known) = deal.find_payment(payment) else { return };
        let (payment, must_void) = known.clone().cancel();
        if must_void {
            self.write(Write::AddJob(Job::void(payment.id, self.now)));
        }
        deal.put_payment(payment);
    }

    /// Brings the money to where the decision wants it: what is not kept is promised back to the guest; once the guest has been there for
    /// a day, what is kept is divided, and the host's share sent. Nothing happens if everything is there already.
    pub(super) fn balance(&mut self, deal: &mut Deal) -> Result<(), Refusal> {
        let surplus_minor = deal.in_hand_minor() - deal.booking.kept().total_minor();
        self.owe_refund(deal, surplus_minor)?;
        if deal.may_settle(self.now) {
            self.settle(deal);
        }
        Ok(())
    }

    /// Promises that much back to the guest, of the newest payments first, and plans the work. What a dispute holds is promised when that
    /// is decided.
    fn owe_refund(&mut self, deal: &mut Deal, minor: i64) -> Result<(), Refusal> {
        let mut left_minor = minor;
        let refundable: Vec<_> = deal.payments().rev().map(|payment| (payment.id, payment.refundable_minor())).collect();
        for (payment, refundable_minor) in refundable {
            let owed_minor = left_minor.min(refundable_minor);
            if owed_minor > 0 {
                left_minor -= owed_minor;
                self.owe_refund_of(deal, payment, owed_minor)?;
            }
        }
        Ok(())
    }

    /// Promises that much of a payment back to the guest, and plans the work.
    pub(super) fn owe_refund_of(&mut self, deal: &mut Deal, payment: PaymentId, minor: i64) -> Result<(), Refusal> {
        let payment = deal.find_payment(payment).ok_or(Refusal::NotFound)?.clone().owe_refund(minor)?;
        self.write(Write::AddJob(Job::refund(payment.id, self.now)));
        self.tell_parties(&mut deal.booking, &Event::PaymentRefunded(payment.clone()));
        deal.put_payment(payment);
        Ok(())
    }

    /// Divides what is kept, or corrects the division, and plans what is then sent to the host or taken back.
    fn settle(&mut self, deal: &mut Deal) {
        let difference = deal.booking.kept().minus(deal.booking.settled);
        if difference != Shares::ZERO {
            deal.booking.settled = deal.booking.kept();
            self.move_money(deal, Movement::Settle(difference));
        }
        let payout = deal.booking.payout.towards(deal.booking.settled.host_minor);
        if payout != deal.booking.payout {
            deal.booking.payout = payout;
            self.tell_payout(deal, 0);
        } else if difference != Shares::ZERO {
            // Nothing for the host, but the booking is otherwise; and without an event nothing would guard it.
            self.tell_updated(&mut deal.booking);
        }
        // Also for a movement that is under way: its job may have ended for a dispute that is over now.
        if payout.pending_minor != 0 {
            self.write(Write::AddJob(Job::pay_out(deal.booking.id, self.now)));
        }
    }

    /// Tells the host what is on its way, and both that the booking is otherwise. The host is notified of `moved_minor`, which was moved just now, if
    /// it was sent: of what is taken back they know from the refund.
    pub(super) fn tell_payout(&mut self, deal: &mut Deal, moved_minor: i64) {
        let payout = deal.booking.payout;
        let event = Event::PayoutChanged {
            booking: deal.booking.id,
            paid_minor: payout.paid_minor,
            pending_minor: payout.pending_minor,
            currency: deal.booking.quote.total.currency,
        };
        if moved_minor > 0 {
            self.notify(deal.booking.host, Party::Host, event);
        } else {
            self.changes.append_quietly(deal.booking.host, self.now, event);
        }
        self.tell_updated(&mut deal.booking);
    }

    /// Has the booking looked at again when something happens to it by itself.
    pub(super) fn wake(&mut self, deal: &Deal) {
        if let Some(at) = deal.next_advance_at(self.now) {
            self.write(Write::AddJob(Job::advance(deal.booking.id, self.now).delayed_until(at)));
        }
    }
}
