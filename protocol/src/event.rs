//! Events: what is pushed, by `type` and `data`.

mod data;

use serde::{Deserialize, Serialize};

pub use self::data::*;
use crate::view::NightRange;

/// An event's type and its data, as `{"type":"hold.expired","data":{…}}`.
///
/// Events name things by id and carry no personal text, so that erasing a user leaves the log whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// On `property:{id}`: the home was listed. Always its topic's first event.
    #[serde(rename = "property.listed")]
    PropertyListed(PropertyRef),
    /// On `property:{id}`: everybody can see the home.
    #[serde(rename = "property.published")]
    PropertyPublished(PropertyVersion),
    /// On `property:{id}`: something about the home is otherwise; read it again.
    #[serde(rename = "property.updated")]
    PropertyUpdated(PropertyVersion),
    /// On `property:{id}`: the home's host alone can see it. For everybody else the topic ends with it, see [`crate::server::Ended`].
    #[serde(rename = "property.unlisted")]
    PropertyUnlisted(PropertyVersion),
    /// On `property:{id}`: the home is gone, and its topic ends for everybody.
    #[serde(rename = "property.deleted")]
    PropertyDeleted(PropertyVersion),
    /// On `property:{id}`: nights changed their state. It never says who did it.
    #[serde(rename = "availability.changed")]
    AvailabilityChanged(NightRange),
    /// On `property:{id}`, to a client that reads slowly, with `from_seq`: what several `availability.changed` together came to. It is never stored
    /// and never replayed.
    #[serde(rename = "availability.conflated")]
    AvailabilityConflated(NightRanges),
    /// On the guest's inbox: a hold ran out.
    #[serde(rename = "hold.expired")]
    HoldExpired(HoldNotice),
    /// On both inboxes and the booking: a booking waits for its payment.
    #[serde(rename = "booking.created")]
    BookingCreated(BookingNotice),
    /// On both inboxes and the booking: it is paid, the nights are the guest's.
    #[serde(rename = "booking.confirmed")]
    BookingConfirmed(BookingNotice),
    /// On both inboxes and the booking: the payment did not come in time.
    #[serde(rename = "booking.expired")]
    BookingExpired(BookingNotice),
    /// On both inboxes and the booking: one side called it off.
    #[serde(rename = "booking.cancelled")]
    BookingCancelled(BookingNotice),
    /// On both inboxes and the booking: the money is set aside, the host is asked.
    #[serde(rename = "booking.requested")]
    BookingRequested(BookingNotice),
    /// On both inboxes and the booking: the host said no.
    #[serde(rename = "booking.declined")]
    BookingDeclined(BookingNotice),
    /// On both inboxes and the booking: the guest took the request back.
    #[serde(rename = "booking.withdrawn")]
    BookingWithdrawn(BookingNotice),
    /// On both inboxes and the booking: the money that was set aside did not come in; the nights are free again.
    #[serde(rename = "booking.payment_failed")]
    BookingPaymentFailed(BookingNotice),
    /// On both inboxes and the booking: the guest is there.
    #[serde(rename = "booking.checked_in")]
    BookingCheckedIn(BookingNotice),
    /// On both inboxes and the booking: the stay is over.
    #[serde(rename = "booking.completed")]
    BookingCompleted(BookingNotice),
    /// On both inboxes and the booking: the guest never came.
    #[serde(rename = "booking.no_show")]
    BookingNoShow(BookingNotice),
    /// On the booking: something about it is otherwise; read it again.
    #[serde(rename = "booking.updated")]
    BookingUpdated(BookingRef),
    /// On both inboxes and the booking: a change of the stay is proposed, or accepted and to be paid.
    #[serde(rename = "alteration.proposed")]
    AlterationProposed(AlterationNotice),
    /// On both inboxes and the booking: a proposal is no more.
    #[serde(rename = "alteration.ended")]
    AlterationEnded(AlterationEnded),
    /// On both inboxes and the booking: the guest's bank disputes a payment, or has decided.
    #[serde(rename = "payment.disputed")]
    PaymentDisputed(PaymentNotice),
    /// On the host's inbox: money is on its way, back, or has arrived.
    #[serde(rename = "payout.updated")]
    PayoutUpdated(PayoutNotice),
    /// On the guest's inbox and the booking: the payment waits for the guest, the bank or another method.
    #[serde(rename = "payment.updated")]
    PaymentUpdated(PaymentNotice),
    /// On both inboxes and the booking: the money came in.
    #[serde(rename = "payment.succeeded")]
    PaymentSucceeded(PaymentNotice),
    /// On both inboxes and the booking: money goes or went back, for the reason that `state` of the booking gives.
    #[serde(rename = "payment.refunded")]
    PaymentRefunded(PaymentNotice),
    /// On the user's inbox: their profile, address, roles or standing changed; read it again.
    #[serde(rename = "account.updated")]
    AccountUpdated(AccountVersion),
    /// On the user's inbox: a session was logged out, revoked or ended as stolen. One that runs out by itself is not told.
    #[serde(rename = "session.ended")]
    SessionEnded(SessionRef),
    /// On both inboxes and the booking: one side wrote to the other; `GET /bookings/{booking}/messages/` has the text.
    #[serde(rename = "message.sent")]
    MessageSent(MessageNotice),
    /// On both inboxes and the booking: one side has read what the other wrote.
    #[serde(rename = "message.read")]
    MessageRead(MessagesRead),
    /// On the inbox of whom it is for: there is a new notification, besides the event that it follows from.
    #[serde(rename = "notification.created")]
    NotificationCreated(NotificationNotice),
    /// On the inbox of whose they are: notifications were read, here or on another device.
    #[serde(rename = "notification.read")]
    NotificationRead(NotificationsRead),
    /// On the booking and the other side's inbox: one side has written its review. What it says is told when both have, or when the time is over. On
    /// its author's inbox: they have written it anew.
    #[serde(rename = "review.submitted")]
    ReviewSubmitted(ReviewSubmitted),
    /// On both inboxes, the booking and, of a guest's review, the home: everybody can read it.
    #[serde(rename = "review.published")]
    ReviewPublished(ReviewNotice),
    /// On both inboxes and the booking: the reviewed side has answered.
    #[serde(rename = "review.replied")]
    ReviewReplied(ReviewNotice),
    /// On both inboxes, the booking and, of a guest's review, the home: an admin has hidden it.
    #[serde(rename = "review.hidden")]
    ReviewHidden(ReviewNotice),
    /// On both inboxes, the booking and, of a guest's review, the home: everybody can read it again.
    #[serde(rename = "review.shown")]
    ReviewShown(ReviewNotice),
}

impl Event {
    /// The `type` on the wire.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::PropertyListed(_) => "property.listed",
            Self::PropertyPublished(_) => "property.published",
            Self::PropertyUpdated(_) => "property.updated",
            Self::PropertyUnlisted(_) => "property.unlisted",
            Self::PropertyDeleted(_) => "property.deleted",
            Self::AvailabilityChanged(_) => "availability.changed",
            Self::AvailabilityConflated(_) => "availability.conflated",
            Self::HoldExpired(_) => "hold.expired",
            Self::BookingCreated(_) => "booking.created",
            Self::BookingConfirmed(_) => "booking.confirmed",
            Self::BookingExpired(_) => "booking.expired",
            Self::BookingCancelled(_) => "booking.cancelled",
            Self::BookingRequested(_) => "booking.requested",
            Self::BookingDeclined(_) => "booking.declined",
            Self::BookingWithdrawn(_) => "booking.withdrawn",
            Self::BookingPaymentFailed(_) => "booking.payment_failed",
            Self::BookingCheckedIn(_) => "booking.checked_in",
            Self::BookingCompleted(_) => "booking.completed",
            Self::BookingNoShow(_) => "booking.no_show",
            Self::BookingUpdated(_) => "booking.updated",
            Self::AlterationProposed(_) => "alteration.proposed",
            Self::AlterationEnded(_) => "alteration.ended",
            Self::PaymentDisputed(_) => "payment.disputed",
            Self::PayoutUpdated(_) => "payout.updated",
            Self::PaymentUpdated(_) => "payment.updated",
            Self::PaymentSucceeded(_) => "payment.succeeded",
            Self::PaymentRefunded(_) => "payment.refunded",
            Self::AccountUpdated(_) => "account.updated",
            Self::SessionEnded(_) => "session.ended",
            Self::MessageSent(_) => "message.sent",
            Self::MessageRead(_) => "message.read",
            Self::NotificationCreated(_) => "notification.created",
            Self::NotificationRead(_) => "notification.read",
            Self::ReviewSubmitted(_) => "review.submitted",
            Self::ReviewPublished(_) => "review.published",
            Self::ReviewReplied(_) => "review.replied",
            Self::ReviewHidden(_) => "review.hidden",
            Self::ReviewShown(_) => "review.shown",
        }
    }
}
