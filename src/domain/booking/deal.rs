//! A booking with its payments: none is ever decided without the others.

use latchkey_protocol::PaymentId;

use super::{AlterationState, Booking, BookingState};
use crate::domain::payment::Payment;
use crate::domain::settlement::{Payout, Shares};
use crate::domain::time::Timestamp;

/// A booking with its payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// The stay.
    pub booking: Booking,
    /// The money for it.
    pub payment: Payment,
    /// The money for what alterations cost more, in order.
    pub further_payments: Vec<Payment>,
}

impl Deal {
    /// Every payment, the first one first.
    pub fn payments(&self) -> impl DoubleEndedIterator<Item = &Payment> {
        std::iter::once(&self.payment).chain(&self.further_payments)
    }

    /// Every payment, to be changed.
    pub fn payments_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Payment> {
        std::iter::once(&mut self.payment).chain(&mut self.further_payments)
    }

    /// One of the payments.
    #[must_use]
    pub fn find_payment(&self, payment: PaymentId) -> Option<&Payment> {
        self.payments().find(|known| known.id == payment)
    }

    /// Puts a payment in the place of its former self, or behind the others.
    pub fn put_payment(&mut self, payment: Payment) {
        if let Some(known) = self.payments_mut().find(|known| known.id == payment.id) {
            *known = payment;
        } else {
            self.further_payments.push(payment);
        }
    }

    /// The payment that the guest is to make now: for the booking, or for an accepted alteration.
    #[must_use]
    pub fn payment_due(&self) -> Option<PaymentId> {
        match (self.booking.state, &self.booking.alteration) {
            (BookingState::PendingPayment { .. }, _) => Some(self.payment.id),
            (_, Some(alteration)) => match alteration.state {
                AlterationState::AwaitingPayment { payment } => Some(payment),
                AlterationState::Proposed => None,
            },
            (_, None) => None,
        }
    }

    /// What came in and was neither promised back nor lost, in minor units.
    #[must_use]
    pub fn in_hand_minor(&self) -> i64 {
        self.payments().map(Payment::in_hand_minor).sum()
    }

    /// Whether the provider keeps money of it back.
    #[must_use]
    pub fn is_disputed(&self) -> bool {
        self.payments().any(Payment::is_disputed)
    }

    /// Whether its money may be divided now: the guest has been there for a day, nothing is disputed, and what is there is what is kept.
    #[must_use]
    pub fn may_settle(&self, now: Timestamp) -> bool {
        let is_due = self.booking.settled != Shares::ZERO || now >= Payout::due_at(self.booking.times.check_in_at);
        is_due && self.booking.confirmed_at.is_some() && !self.is_disputed() && self.in_hand_minor() == self.booking.kept().total_minor()
    }

    /// The movement of its payout that the provider is to make now, in minor units; negative: back from the host. Nothing is sent while the
    /// provider keeps money back: whose that is, the dispute decides.
    #[must_use]
    pub fn payout_to_make_minor(&self) -> i64 {
        let pending_minor = self.booking.payout.pending_minor;
        if self.is_disputed() { pending_minor.min(0) } else { pending_minor }
    }

    /// Whether nothing is to come any more: the stay is over, all money is where it belongs.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let refunds_are_done = self.payments().all(|payment| payment.refunded_minor == payment.refund_due_minor);
        let payout = self.booking.payout;
        let is_settled = self.booking.settled == self.booking.kept() && self.in_hand_minor() == self.booking.kept().total_minor();
        let is_paid_out = payout.pending_minor == 0 && payout.paid_minor == self.booking.settled.host_minor;
        !self.booking.state.is_live() && refunds_are_done && !self.is_disputed() && is_settled && is_paid_out
    }

    /// When something happens to it that nobody asks for: an alteration runs out, the stay is over, the host is paid.
    #[must_use]
    pub fn next_advance_at(&self, now: Timestamp) -> Option<Timestamp> {
        let booking = &self.booking;
        let alteration_ends = booking.alteration.as_ref().map(|alteration| alteration.expires_at);
        let stay_ends = match booking.state {
            BookingState::Confirmed { .. } | BookingState::CheckedIn { .. } => Some(booking.times.check_out_at),
            BookingState::PendingPayment { .. }
            | BookingState::Requested { .. }
            | BookingState::Completed { .. }
            | BookingState::PaymentFailed { .. }
            | BookingState::Declined { .. }
            | BookingState::Withdrawn { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. }
            | BookingState::NoShow { .. } => None,
        };
        // Later settlements follow from whatever changes the shares.
        let payout_due = Payout::due_at(booking.times.check_in_at);
        let is_to_settle = booking.confirmed_at.is_some() && booking.settled == Shares::ZERO && booking.kept() != Shares::ZERO;
        let settles = Some(payout_due).filter(|due| is_to_settle && now < *due);
        [alteration_ends, stay_ends, settles].into_iter().flatten().min()
    }
}
