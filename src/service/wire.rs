//! Domain values as clients see them. The only translation there is: replies, snapshots and stored events all come from here.

mod account;
mod property;
mod search;

use std::sync::Arc;

use latchkey_protocol::{event as wire_event, view};

pub use self::account::{audit_entry, me, session, user};
pub use self::property::{block, calendar_days, photo, property};
pub use self::search::found_property;
use crate::domain::booking::{Deal, Party};
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::job::JobState;
use crate::domain::pricing::LineKind;
use crate::domain::{
    Booking, BookingState, Calendar, Date, Event, Hold, HoldState, Job, JobKind, Payment, PaymentState, PropertyId, Quote, Seq, Timestamp,
    TopicEvent,
};
use crate::store::NewEvent;

/// A home's calendar in `[from, to)`.
#[must_use]
pub fn calendar(calendar: &Calendar, from: Date, to: Date) -> view::Calendar {
    view::Calendar {
        property: calendar.listing().id,
        seq: calendar.seq(),
        from,
        to,
        taken: calendar.taken(from, to).into_iter().map(night_range).collect(),
    }
}

fn night_range(run: NightRun) -> view::NightRange {
    view::NightRange { from: run.from, to: run.to, state: night_state(run.state) }
}

const fn night_state(state: NightState) -> view::NightState {
    match state {
        NightState::Free => view::NightState::Free,
        NightState::Held => view::NightState::Held,
        NightState::Booked => view::NightState::Booked,
        NightState::Blocked => view::NightState::Blocked,
    }
}

/// A run of nights, read back from an event.
#[must_use]
pub const fn night_run(range: view::NightRange) -> NightRun {
    let state = match range.state {
        view::NightState::Free => NightState::Free,
        view::NightState::Held => NightState::Held,
        view::NightState::Booked => NightState::Booked,
        view::NightState::Blocked => NightState::Blocked,
    };
    NightRun { from: range.from, to: range.to, state }
}

/// A price.
#[must_use]
pub fn quote(quote: &Quote) -> view::Quote {
    let lines = quote.lines.iter().map(|line| view::QuoteLine {
        kind: match line.kind {
            LineKind::Nights => view::QuoteLineKind::Nights,
            LineKind::WeeklyDiscount => view::QuoteLineKind::WeeklyDiscount,
            LineKind::MonthlyDiscount => view::QuoteLineKind::MonthlyDiscount,
            LineKind::ExtraGuests => view::QuoteLineKind::ExtraGuests,
            LineKind::Cleaning => view::QuoteLineKind::Cleaning,
            LineKind::ServiceFee => view::QuoteLineKind::ServiceFee,
            LineKind::Taxes => view::QuoteLineKind::Taxes,
        },
        quantity: line.quantity,
        unit_minor: line.unit.minor,
        amount_minor: line.amount.minor,
    });
    view::Quote {
        property: quote.property,
        check_in: quote.stay.check_in(),
        check_out: quote.stay.check_out(),
        guests: quote.guests,
        currency: quote.total.currency.code().to_owned(),
        lines: lines.collect(),
        total_minor: quote.total.minor,
    }
}

/// A hold, as of `seq` of its property's topic.
#[must_use]
pub fn hold(hold: &Hold, seq: Seq) -> view::Hold {
    let (state, at) = match hold.state {
        HoldState::Active { expires_at } => (view::HoldState::Active, expires_at),
        HoldState::Converted { at } => (view::HoldState::Converted, at),
        HoldState::Released { at } => (view::HoldState::Released, at),
        HoldState::Expired { at } => (view::HoldState::Expired, at),
    };
    view::Hold {
        id: hold.id,
        property: hold.property,
        check_in: hold.stay.check_in(),
        check_out: hold.stay.check_out(),
        guests: hold.guests,
        state,
        expires_at: at.epoch_ms(),
        seq,
    }
}

const fn booking_state(state: BookingState) -> view::BookingState {
    match state {
        BookingState::PendingPayment { .. } => view::BookingState::PendingPayment,
        BookingState::Confirmed { .. } => view::BookingState::Confirmed,
        BookingState::Expired { .. } => view::BookingState::Expired,
        BookingState::CancelledByGuest { .. } => view::BookingState::CancelledByGuest,
        BookingState::CancelledByHost { .. } => view::BookingState::CancelledByHost,
    }
}

/// A booking.
#[must_use]
pub fn booking(booking: &Booking) -> view::Booking {
    view::Booking {
        id: booking.id,
        property: booking.property,
        guest: booking.guest,
        host: booking.host,
        check_in: booking.stay().check_in(),
        check_out: booking.stay().check_out(),
        guests: booking.quote.guests,
        state: booking_state(booking.state),
        expires_at: booking.deadline().map(crate::domain::Timestamp::epoch_ms),
        payment: booking.payment,
        quote: quote(&booking.quote),
        created_at: booking.created_at.epoch_ms(),
        seq: booking.seq,
    }
}

const fn payment_state(state: &PaymentState) -> view::PaymentState {
    match state {
        PaymentState::RequiresPaymentMethod { .. } => view::PaymentState::RequiresPaymentMethod,
        PaymentState::RequiresConfirmation { .. } => view::PaymentState::RequiresConfirmation,
        PaymentState::RequiresAction => view::PaymentState::RequiresAction,
        PaymentState::Processing => view::PaymentState::Processing,
        PaymentState::Succeeded => view::PaymentState::Succeeded,
        PaymentState::Canceled => view::PaymentState::Canceled,
    }
}

/// A job, as an admin sees it.
#[must_use]
pub fn job(job: &Job) -> view::Job {
    let (what, user, payment) = match &job.kind {
        JobKind::Refund { payment } => ("refund", None, Some(*payment)),
        JobKind::Mail(mail) => (mail.name(), Some(mail.user()), None),
        JobKind::Sweep(sweep) => (sweep.name(), None, None),
        JobKind::Homes { host } => ("homes", Some(*host), None),
    };
    view::Job {
        kind: job.id.work.name().to_owned(),
        key: job.id.key.clone(),
        what: what.to_owned(),
        user,
        payment,
        state: match job.state {
            JobState::Waiting { .. } => view::JobState::Waiting,
            JobState::Running { .. } => view::JobState::Running,
            JobState::Dead { .. } => view::JobState::Dead,
        },
        run_at: job.state.due_at().map(Timestamp::epoch_ms),
        attempts: job.attempts,
        last_error: job.last_error.clone(),
        created_at: job.created_at.epoch_ms(),
    }
}

/// A payment, as one side sees it: why a method was declined is the guest's alone to know.
#[must_use]
pub fn payment(payment: &Payment, party: Party) -> view::Payment {
    let decline_reason = match &payment.state {
        PaymentState::RequiresPaymentMethod { declined } => declined.clone().filter(|_| party == Party::Guest),
        PaymentState::RequiresConfirmation { .. }
        | PaymentState::RequiresAction
        | PaymentState::Processing
        | PaymentState::Succeeded
        | PaymentState::Canceled => None,
    };
    view::Payment {
        id: payment.id,
        booking: payment.booking,
        currency: payment.amount.currency.code().to_owned(),
        amount_minor: payment.amount.minor,
        captured_minor: payment.captured_minor,
        refunded_minor: payment.refunded_minor,
        state: payment_state(&payment.state),
        decline_reason,
        created_at: payment.created_at.epoch_ms(),
    }
}

/// A booking with its payment, as one side sees them.
#[must_use]
pub fn booking_file(deal: &Deal, party: Party) -> view::BookingFile {
    view::BookingFile { booking: booking(&deal.booking), payment: payment(&deal.payment, party) }
}

/// An event on its way to the log, with its JSON.
#[must_use]
pub fn new_event(event: &TopicEvent) -> NewEvent {
    let wire = wire(&event.event);
    NewEvent { topic: event.topic, seq: event.seq, at: event.at, kind: wire.kind(), data: data(&wire) }
}

/// The JSON of an event's `data`.
fn data(event: &wire_event::Event) -> Arc<str> {
    let json = match event {
        wire_event::Event::PropertyListed(data) => serde_json::to_string(data),
        wire_event::Event::PropertyPublished(data)
        | wire_event::Event::PropertyUpdated(data)
        | wire_event::Event::PropertyUnlisted(data)
        | wire_event::Event::PropertyDeleted(data) => serde_json::to_string(data),
        wire_event::Event::AvailabilityChanged(data) => serde_json::to_string(data),
        wire_event::Event::HoldExpired(data) => serde_json::to_string(data),
        wire_event::Event::BookingCreated(data)
        | wire_event::Event::BookingConfirmed(data)
        | wire_event::Event::BookingExpired(data)
        | wire_event::Event::BookingCancelled(data) => serde_json::to_string(data),
        wire_event::Event::PaymentUpdated(data) | wire_event::Event::PaymentSucceeded(data) | wire_event::Event::PaymentRefunded(data) => {
            serde_json::to_string(data)
        }
    };
    json.expect("plain structs of ids, numbers and words are always JSON").into()
}

fn wire(event: &Event) -> wire_event::Event {
    match event {
        Event::PropertyListed { property } => wire_event::Event::PropertyListed(wire_event::PropertyRef { property: *property }),
        Event::PropertyPublished { property, version } => wire_event::Event::PropertyPublished(property_version(*property, *version)),
        Event::PropertyUpdated { property, version } => wire_event::Event::PropertyUpdated(property_version(*property, *version)),
        Event::PropertyUnlisted { property, version } => wire_event::Event::PropertyUnlisted(property_version(*property, *version)),
        Event::PropertyDeleted { property, version } => wire_event::Event::PropertyDeleted(property_version(*property, *version)),
        Event::AvailabilityChanged { from, to, state } => {
            wire_event::Event::AvailabilityChanged(view::NightRange { from: *from, to: *to, state: night_state(*state) })
        }
        Event::HoldExpired { hold, property } => {
            wire_event::Event::HoldExpired(wire_event::HoldNotice { hold: *hold, property: *property })
        }
        Event::BookingChanged { booking, property, state } => {
            let expires_at = match state {
                BookingState::PendingPayment { expires_at } => Some(expires_at.epoch_ms()),
                BookingState::Confirmed { .. }
                | BookingState::Expired { .. }
                | BookingState::CancelledByGuest { .. }
                | BookingState::CancelledByHost { .. } => None,
            };
            let notice = wire_event::BookingNotice { booking: *booking, property: *property, state: booking_state(*state), expires_at };
            match state {
                BookingState::PendingPayment { .. } => wire_event::Event::BookingCreated(notice),
                BookingState::Confirmed { .. } => wire_event::Event::BookingConfirmed(notice),
                BookingState::Expired { .. } => wire_event::Event::BookingExpired(notice),
                BookingState::CancelledByGuest { .. } | BookingState::CancelledByHost { .. } => wire_event::Event::BookingCancelled(notice),
            }
        }
        Event::PaymentUpdated(payment) => wire_event::Event::PaymentUpdated(payment_notice(payment)),
        Event::PaymentSucceeded(payment) => wire_event::Event::PaymentSucceeded(payment_notice(payment)),
        Event::PaymentRefunded(payment) => wire_event::Event::PaymentRefunded(payment_notice(payment)),
    }
}

const fn property_version(property: PropertyId, version: i64) -> wire_event::PropertyVersion {
    wire_event::PropertyVersion { property, version }
}

const fn payment_notice(payment: &Payment) -> wire_event::PaymentNotice {
    wire_event::PaymentNotice {
        payment: payment.id,
        booking: payment.booking,
        state: payment_state(&payment.state),
        captured_minor: payment.captured_minor,
        refunded_minor: payment.refunded_minor,
    }
}
