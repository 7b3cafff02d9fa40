//! Bookings, alterations, payments and payouts as clients see them.

use latchkey_protocol::view;

use super::quote;
use super::review::side;
use crate::domain::booking::{Alteration, AlterationEnd, AlterationState, Deal, Party, Visit};
use crate::domain::calendar::CallOff;
use crate::domain::cancellation::Tier;
use crate::domain::payment::{Dispute, DisputeState};
use crate::domain::settlement::{Payout, Shares};
use crate::domain::{Booking, BookingState, Payment, PaymentState, Timestamp};

pub(super) const fn booking_state(state: BookingState) -> view::BookingState {
    match state {
        BookingState::PendingPayment { .. } => view::BookingState::PendingPayment,
        BookingState::Requested { .. } => view::BookingState::Requested,
        BookingState::Confirmed { .. } => view::BookingState::Confirmed,
        BookingState::CheckedIn { .. } => view::BookingState::CheckedIn,
        BookingState::Completed { .. } => view::BookingState::Completed,
        BookingState::PaymentFailed { .. } => view::BookingState::PaymentFailed,
        BookingState::Declined { .. } => view::BookingState::Declined,
        BookingState::Withdrawn { .. } => view::BookingState::Withdrawn,
        BookingState::Expired { .. } => view::BookingState::Expired,
        BookingState::CancelledByGuest { .. } => view::BookingState::CancelledByGuest,
        BookingState::CancelledByHost { .. } => view::BookingState::CancelledByHost,
        BookingState::NoShow { .. } => view::BookingState::NoShow,
    }
}

/// The name of a state that a client asks for.
#[must_use]
pub const fn state_name(state: view::BookingState) -> &'static str {
    match state {
        view::BookingState::PendingPayment => "pending_payment",
        view::BookingState::Requested => "requested",
        view::BookingState::Confirmed => "confirmed",
        view::BookingState::CheckedIn => "checked_in",
        view::BookingState::Completed => "completed",
        view::BookingState::PaymentFailed => "payment_failed",
        view::BookingState::Declined => "declined",
        view::BookingState::Withdrawn => "withdrawn",
        view::BookingState::Expired => "expired",
        view::BookingState::CancelledByGuest => "cancelled_by_guest",
        view::BookingState::CancelledByHost => "cancelled_by_host",
        view::BookingState::NoShow => "no_show",
    }
}

pub(super) const fn alteration_state(state: AlterationState) -> view::AlterationState {
    match state {
        AlterationState::Proposed => view::AlterationState::Proposed,
        AlterationState::AwaitingPayment { .. } => view::AlterationState::AwaitingPayment,
    }
}

pub(super) const fn alteration_end(end: AlterationEnd) -> view::AlterationEnd {
    match end {
        AlterationEnd::Applied => view::AlterationEnd::Applied,
        AlterationEnd::Declined => view::AlterationEnd::Declined,
        AlterationEnd::Withdrawn => view::AlterationEnd::Withdrawn,
        AlterationEnd::Expired => view::AlterationEnd::Expired,
        AlterationEnd::DatesTaken => view::AlterationEnd::DatesTaken,
    }
}

/// A booking as the answer to a command: without what its parties wrote, so that it can be kept under an idempotency key.
#[must_use]
pub fn booking(booking: &Booking) -> view::Booking {
    let at = |visit: &Option<Visit>| visit.as_ref().map(|visit| visit.at.epoch_ms());
    view::Booking {
        id: booking.id,
        property: booking.property,
        guest: booking.guest,
        host: booking.host,
        check_in: booking.stay().check_in(),
        check_out: booking.stay().check_out(),
        check_in_at: booking.times.check_in_at.epoch_ms(),
        check_out_at: booking.times.check_out_at.epoch_ms(),
        guests: booking.quote.guests,
        state: booking_state(booking.state),
        expires_at: booking.deadline().map(Timestamp::epoch_ms),
        instant_book: booking.terms.is_instant,
        cancellation_policy: booking.terms.policy,
        payment: booking.payment,
        further_payments: booking.further_payments.clone(),
        quote: quote(&booking.quote),
        confirmed_at: booking.confirmed_at.map(Timestamp::epoch_ms),
        checked_in_at: at(&booking.checked_in),
        checked_out_at: at(&booking.checked_out),
        left_on: booking.left_on,
        alteration: booking.alteration.as_ref().map(|proposed| alteration(proposed, booking)),
        check_in_note: None,
        check_out_note: None,
        address: None,
        payout: None,
        created_at: booking.created_at.epoch_ms(),
        seq: booking.seq,
    }
}

/// A booking as one of its parties reads it: with notes, the address while it is confirmed, and the payout for the host.
#[must_use]
pub fn booking_details(of: &Booking, party: Party, address: Option<String>) -> view::Booking {
    let note = |visit: &Option<Visit>| visit.as_ref().and_then(|visit| visit.note.clone());
    view::Booking {
        check_in_note: note(&of.checked_in),
        check_out_note: note(&of.checked_out),
        address: address.filter(|_| is_awaited(of)),
        payout: Some(payout(of)).filter(|_| party == Party::Host && of.confirmed_at.is_some()),
        ..booking(of)
    }
}

/// Whether the guest must find the way: whoever called it off, or has left, need not know where the home is now.
const fn is_awaited(booking: &Booking) -> bool {
    matches!(booking.state, BookingState::Confirmed { .. } | BookingState::CheckedIn { .. })
}

fn payout(booking: &Booking) -> view::Payout {
    view::Payout {
        booking: booking.id,
        currency: booking.quote.total.currency.code().to_owned(),
        due_at: Payout::due_at(booking.times.check_in_at).epoch_ms(),
        share_minor: booking.kept().host_minor,
        paid_minor: booking.payout.paid_minor,
        pending_minor: booking.payout.pending_minor,
    }
}

fn alteration(alteration: &Alteration, booking: &Booking) -> view::Alteration {
    view::Alteration {
        number: alteration.number,
        by: side(alteration.by),
        state: alteration_state(alteration.state),
        quote: quote(&alteration.quote),
        difference_minor: alteration.quote.total.minor - booking.quote.total.minor,
        payment: match alteration.state {
            AlterationState::Proposed => None,
            AlterationState::AwaitingPayment { payment } => Some(payment),
        },
        expires_at: alteration.expires_at.epoch_ms(),
        created_at: alteration.created_at.epoch_ms(),
    }
}

/// What calling a booking off would mean; nothing goes back of what nobody has paid or set aside.
#[must_use]
pub fn cancellation(deal: &Deal, terms: &CallOff) -> view::Cancellation {
    let booking = &deal.booking;
    let is_paid = deal.payment.captured_minor > 0 || deal.payment.state == PaymentState::RequiresCapture;
    let returned = if is_paid { terms.returned } else { Shares::ZERO };
    view::Cancellation {
        booking: booking.id,
        policy: booking.terms.policy,
        tier: match terms.tier {
            Tier::Everything => view::RefundTier::Everything,
            Tier::HalfOfTheNights => view::RefundTier::HalfOfTheNights,
            Tier::UnspentNights { .. } => view::RefundTier::UnspentNights,
            Tier::NoNights => view::RefundTier::NoNights,
        },
        currency: booking.quote.total.currency.code().to_owned(),
        refund_minor: returned.total_minor(),
        of_stay_minor: returned.host_minor,
        of_fee_minor: returned.fee_minor,
        of_taxes_minor: returned.taxes_minor,
        everything_until: terms.schedule.everything_until.map(Timestamp::epoch_ms),
        half_until: terms.schedule.half_until.map(Timestamp::epoch_ms),
    }
}

pub(super) const fn payment_state(state: &PaymentState) -> view::PaymentState {
    match state {
        PaymentState::RequiresPaymentMethod { .. } => view::PaymentState::RequiresPaymentMethod,
        PaymentState::RequiresConfirmation { .. } => view::PaymentState::RequiresConfirmation,
        PaymentState::RequiresAction { .. } => view::PaymentState::RequiresAction,
        PaymentState::Processing => view::PaymentState::Processing,
        PaymentState::RequiresCapture => view::PaymentState::RequiresCapture,
        PaymentState::Succeeded => view::PaymentState::Succeeded,
        PaymentState::Canceled => view::PaymentState::Canceled,
    }
}

pub(super) const fn dispute(dispute: Dispute) -> view::Dispute {
    view::Dispute {
        amount_minor: dispute.amount_minor,
        state: match dispute.state {
            DisputeState::Open => view::DisputeState::Open,
            DisputeState::Won => view::DisputeState::Won,
            DisputeState::Lost => view::DisputeState::Lost,
        },
    }
}

/// A payment, as one side sees it: why a method was declined, and with what to authenticate, is the guest's alone to know.
#[must_use]
pub fn payment(payment: &Payment, party: Party) -> view::Payment {
    let (decline_reason, client_secret) = match &payment.state {
        PaymentState::RequiresPaymentMethod { declined } => (declined.clone(), None),
        PaymentState::RequiresAction { client_secret } => (None, client_secret.clone()),
        PaymentState::RequiresConfirmation { .. }
        | PaymentState::Processing
        | PaymentState::RequiresCapture
        | PaymentState::Succeeded
        | PaymentState::Canceled => (None, None),
    };
    view::Payment {
        id: payment.id,
        booking: payment.booking,
        currency: payment.amount.currency.code().to_owned(),
        amount_minor: payment.amount.minor,
        captured_minor: payment.captured_minor,
        refund_due_minor: payment.refund_due_minor,
        refunded_minor: payment.refunded_minor,
        state: payment_state(&payment.state),
        decline_reason: decline_reason.filter(|_| party == Party::Guest),
        client_secret: client_secret.filter(|_| party == Party::Guest),
        dispute: payment.dispute.map(dispute),
        created_at: payment.created_at.epoch_ms(),
    }
}

/// A booking with its payments, as one side sees them.
#[must_use]
pub fn booking_file(deal: &Deal, party: Party) -> view::BookingFile {
    view::BookingFile {
        booking: booking(&deal.booking),
        payment: payment(&deal.payment, party),
        further_payments: deal.further_payments.iter().map(|further| payment(further, party)).collect(),
    }
}
