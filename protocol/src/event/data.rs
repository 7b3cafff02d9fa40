//! What events carry: ids, dates, amounts and states, never personal text.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::{BookingId, HoldId, NotificationId, PaymentId, PropertyId, ReviewId, SessionId, UserId};
use crate::view::{AlterationEnd, AlterationState, BookingState, Dispute, NightRange, PaymentState, Side};
use crate::words::NotificationKind;

/// Nights that changed their state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NightRanges {
    /// In order; no night is in two of them.
    pub nights: Vec<NightRange>,
}

/// Names a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PropertyRef {
    /// Which one.
    pub property: PropertyId,
}

/// Names a home as it was after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PropertyVersion {
    /// Which one.
    pub property: PropertyId,
    /// Its version then.
    pub version: i64,
}

/// Names an account as it was after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AccountVersion {
    /// Whose.
    pub user: UserId,
    /// Its version then: that of its `ETag`.
    pub version: i64,
}

/// Names a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionRef {
    /// Which one.
    pub session: SessionId,
}

/// What became of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HoldNotice {
    /// Which hold.
    pub hold: HoldId,
    /// On which home.
    pub property: PropertyId,
}

/// What became of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BookingNotice {
    /// Which booking.
    pub booking: BookingId,
    /// Of which home.
    pub property: PropertyId,
    /// Its state now.
    pub state: BookingState,
    /// While it waits for its payment: until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<EpochMs>,
}

/// Names a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = BookingMention))]
pub struct BookingRef {
    /// Which one.
    pub booking: BookingId,
    /// Of which home.
    pub property: PropertyId,
}

/// A proposal to change a stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterationNotice {
    /// Of which booking.
    pub booking: BookingId,
    /// Which of its alterations.
    pub number: u32,
    /// Where it is.
    pub state: AlterationState,
    /// When it ends by itself.
    pub expires_at: EpochMs,
}

/// What became of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlterationEnded {
    /// Of which booking.
    pub booking: BookingId,
    /// Which of its alterations.
    pub number: u32,
    /// How it ended.
    pub end: AlterationEnd,
}

/// What became of a payout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PayoutNotice {
    /// For which booking.
    pub booking: BookingId,
    /// ISO 4217 code.
    pub currency: String,
    /// What the host has of it, in minor units.
    pub paid_minor: i64,
    /// What is on its way, in minor units; negative: back.
    pub pending_minor: i64,
}

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PaymentNotice {
    /// Which payment.
    pub payment: PaymentId,
    /// For which booking.
    pub booking: BookingId,
    /// Its state now.
    pub state: PaymentState,
    /// How much has come in, in minor units.
    pub captured_minor: i64,
    /// How much went back, in minor units.
    pub refunded_minor: i64,
    /// Whether the guest's bank disputes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<Dispute>,
}

/// Somebody wrote to the other side of a booking. Never the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessageNotice {
    /// In the thread of which booking.
    pub booking: BookingId,
    /// Its number in the thread.
    pub message: u64,
    /// Who wrote it.
    pub sender: UserId,
}

/// How far somebody has read a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MessagesRead {
    /// The thread of which booking.
    pub booking: BookingId,
    /// Who.
    pub reader: UserId,
    /// The number of the last message that they have read.
    pub up_to: u64,
}

/// A new notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationNotice {
    /// Which.
    pub notification: NotificationId,
    /// What it is about.
    pub kind: NotificationKind,
    /// Of which booking.
    pub booking: BookingId,
}

/// Notifications that are read now: all up to one, or those that are listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NotificationsRead {
    /// This one and all before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<NotificationId>,
    /// These.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationId>,
}

/// That one side has written its review, and nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewSubmitted {
    /// Of which stay.
    pub booking: BookingId,
    /// At which home.
    pub property: PropertyId,
    /// Who.
    pub by: Side,
}

/// What became of a published review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewNotice {
    /// Which.
    pub review: ReviewId,
    /// At which home the stay was.
    pub property: PropertyId,
    /// Of which stay; not on the home's topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingId>,
    /// Who wrote it.
    pub by: Side,
    /// Its stars altogether, 1 to 5.
    pub overall: u8,
    /// What the home's reviews come to now; on the home's topic alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<HomeRating>,
}

/// What a home's reviews come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HomeRating {
    /// The home's version now.
    pub version: i64,
    /// How many reviews count.
    pub review_count: u32,
    /// Their average altogether in hundredths of a star, if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating_hundredths: Option<u16>,
}
