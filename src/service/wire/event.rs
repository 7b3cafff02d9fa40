//! Events as they go over the wire and into the log.

use std::sync::Arc;

use latchkey_protocol::{event as wire_event, view};

use super::booking::{alteration_end, alteration_state, booking_state, dispute, payment_state};
use super::night_state;
use super::review::side;
use crate::domain::event::{ReviewChange, ReviewNotice};
use crate::domain::{BookingId, BookingState, Currency, Event, Payment, PropertyId, Timestamp, TopicEvent};
use crate::store::NewEvent;

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
        wire_event::Event::AvailabilityConflated(data) => serde_json::to_string(data),
        wire_event::Event::HoldExpired(data) => serde_json::to_string(data),
        wire_event::Event::BookingCreated(data)
        | wire_event::Event::BookingConfirmed(data)
        | wire_event::Event::BookingExpired(data)
        | wire_event::Event::BookingCancelled(data)
        | wire_event::Event::BookingRequested(data)
        | wire_event::Event::BookingDeclined(data)
        | wire_event::Event::BookingWithdrawn(data)
        | wire_event::Event::BookingPaymentFailed(data)
        | wire_event::Event::BookingCheckedIn(data)
        | wire_event::Event::BookingCompleted(data)
        | wire_event::Event::BookingNoShow(data) => serde_json::to_string(data),
        wire_event::Event::BookingUpdated(data) => serde_json::to_string(data),
        wire_event::Event::AlterationProposed(data) => serde_json::to_string(data),
        wire_event::Event::AlterationEnded(data) => serde_json::to_string(data),
        wire_event::Event::PaymentUpdated(data)
        | wire_event::Event::PaymentSucceeded(data)
        | wire_event::Event::PaymentRefunded(data)
        | wire_event::Event::PaymentDisputed(data) => serde_json::to_string(data),
        wire_event::Event::PayoutUpdated(data) => serde_json::to_string(data),
        wire_event::Event::AccountUpdated(data) => serde_json::to_string(data),
        wire_event::Event::SessionEnded(data) => serde_json::to_string(data),
        wire_event::Event::MessageSent(data) => serde_json::to_string(data),
        wire_event::Event::MessageRead(data) => serde_json::to_string(data),
        wire_event::Event::NotificationCreated(data) => serde_json::to_string(data),
        wire_event::Event::NotificationRead(data) => serde_json::to_string(data),
        wire_event::Event::ReviewSubmitted(data) => serde_json::to_string(data),
        wire_event::Event::ReviewPublished(data)
        | wire_event::Event::ReviewReplied(data)
        | wire_event::Event::ReviewHidden(data)
        | wire_event::Event::ReviewShown(data) => serde_json::to_string(data),
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
        Event::BookingChanged { booking, property, state } => booking_changed(
            wire_event::BookingNotice {
                booking: *booking,
                property: *property,
                state: booking_state(*state),
                expires_at: state.deadline().map(Timestamp::epoch_ms),
            },
            *state,
        ),
        Event::BookingUpdated { booking, property } => {
            wire_event::Event::BookingUpdated(wire_event::BookingRef { booking: *booking, property: *property })
        }
        Event::AlterationProposed { booking, number, state, expires_at, .. } => {
            wire_event::Event::AlterationProposed(wire_event::AlterationNotice {
                booking: *booking,
                number: *number,
                state: alteration_state(*state),
                expires_at: expires_at.epoch_ms(),
            })
        }
        Event::AlterationEnded { booking, number, end, .. } => wire_event::Event::AlterationEnded(wire_event::AlterationEnded {
            booking: *booking,
            number: *number,
            end: alteration_end(*end),
        }),
        Event::PayoutChanged { booking, paid_minor, pending_minor, currency } => {
            payout_updated(*booking, *paid_minor, *pending_minor, *currency)
        }
        Event::PaymentUpdated(payment) => wire_event::Event::PaymentUpdated(payment_notice(payment)),
        Event::PaymentSucceeded(payment) => wire_event::Event::PaymentSucceeded(payment_notice(payment)),
        Event::PaymentRefunded(payment) => wire_event::Event::PaymentRefunded(payment_notice(payment)),
        Event::AccountUpdated { user, edition } => {
            wire_event::Event::AccountUpdated(wire_event::AccountVersion { user: *user, version: *edition })
        }
        Event::SessionEnded { session } => wire_event::Event::SessionEnded(wire_event::SessionRef { session: *session }),
        Event::PaymentDisputed(payment) => wire_event::Event::PaymentDisputed(payment_notice(payment)),
        Event::MessageSent { booking, message, sender } => {
            wire_event::Event::MessageSent(wire_event::MessageNotice { booking: *booking, message: *message, sender: *sender })
        }
        Event::MessageRead { booking, reader, up_to } => {
            wire_event::Event::MessageRead(wire_event::MessagesRead { booking: *booking, reader: *reader, up_to: *up_to })
        }
        Event::NotificationCreated { notification, kind, booking } => {
            let notice = wire_event::NotificationNotice { notification: *notification, kind: *kind, booking: *booking };
            wire_event::Event::NotificationCreated(notice)
        }
        Event::NotificationRead { up_to, notifications } => {
            wire_event::Event::NotificationRead(wire_event::NotificationsRead { up_to: *up_to, notifications: notifications.clone() })
        }
        Event::ReviewSubmitted { booking, property, by } => {
            wire_event::Event::ReviewSubmitted(wire_event::ReviewSubmitted { booking: *booking, property: *property, by: side(*by) })
        }
        Event::ReviewChanged { change, notice } => review_changed(*change, review_notice(notice)),
    }
}

const fn review_changed(change: ReviewChange, notice: wire_event::ReviewNotice) -> wire_event::Event {
    match change {
        ReviewChange::Published => wire_event::Event::ReviewPublished(notice),
        ReviewChange::Replied => wire_event::Event::ReviewReplied(notice),
        ReviewChange::Hidden => wire_event::Event::ReviewHidden(notice),
        ReviewChange::Shown => wire_event::Event::ReviewShown(notice),
    }
}

fn review_notice(notice: &ReviewNotice) -> wire_event::ReviewNotice {
    wire_event::ReviewNotice {
        review: notice.review,
        property: notice.property,
        booking: notice.booking,
        by: side(notice.by),
        overall: notice.overall,
        home: notice.home.map(|home| wire_event::HomeRating {
            version: home.version,
            review_count: home.review_count,
            rating_hundredths: home.rating_hundredths,
        }),
    }
}

fn payout_updated(booking: BookingId, paid_minor: i64, pending_minor: i64, currency: Currency) -> wire_event::Event {
    wire_event::Event::PayoutUpdated(wire_event::PayoutNotice { booking, currency: currency.code().to_owned(), paid_minor, pending_minor })
}

const fn booking_changed(notice: wire_event::BookingNotice, state: BookingState) -> wire_event::Event {
    match state {
        BookingState::PendingPayment { .. } => wire_event::Event::BookingCreated(notice),
        BookingState::Requested { .. } => wire_event::Event::BookingRequested(notice),
        BookingState::Confirmed { .. } => wire_event::Event::BookingConfirmed(notice),
        BookingState::CheckedIn { .. } => wire_event::Event::BookingCheckedIn(notice),
        BookingState::Completed { .. } => wire_event::Event::BookingCompleted(notice),
        BookingState::PaymentFailed { .. } => wire_event::Event::BookingPaymentFailed(notice),
        BookingState::Declined { .. } => wire_event::Event::BookingDeclined(notice),
        BookingState::Withdrawn { .. } => wire_event::Event::BookingWithdrawn(notice),
        BookingState::Expired { .. } => wire_event::Event::BookingExpired(notice),
        BookingState::CancelledByGuest { .. } | BookingState::CancelledByHost { .. } => wire_event::Event::BookingCancelled(notice),
        BookingState::NoShow { .. } => wire_event::Event::BookingNoShow(notice),
    }
}

const fn property_version(property: PropertyId, version: i64) -> wire_event::PropertyVersion {
    wire_event::PropertyVersion { property, version }
}

fn payment_notice(payment: &Payment) -> wire_event::PaymentNotice {
    wire_event::PaymentNotice {
        payment: payment.id,
        booking: payment.booking,
        state: payment_state(&payment.state),
        captured_minor: payment.captured_minor,
        refunded_minor: payment.refunded_minor,
        dispute: payment.dispute.map(dispute),
    }
}
