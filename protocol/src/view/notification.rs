//! What somebody should know, and of what they want to be told how.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::{BookingId, NotificationId};
use crate::words::NotificationKind;

/// Something about one of the caller's bookings that they did not do themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notification {
    /// Its id; later ones have greater ids.
    pub id: NotificationId,
    /// What it is about.
    pub kind: NotificationKind,
    /// Of which booking.
    pub booking: BookingId,
    /// How many messages it stands for: of a thread there is at most one unread notification. 1 for other kinds.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub count: u32,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it was read; left out until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_at: Option<EpochMs>,
}

/// How many notifications are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct UnreadCount {
    /// So many.
    pub unread: u64,
}

/// By which ways somebody wants to hear of one kind of things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Preference {
    /// Of which kind.
    pub kind: NotificationKind,
    /// Whether there is a notification in `GET /notifications/`, and `notification.created` on the inbox.
    pub in_app: bool,
    /// Whether there is a mail, if the address is verified.
    pub email: bool,
}

/// Of what somebody wants to be notified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Preferences {
    /// Every kind, in the order of the list of kinds.
    pub items: Vec<Preference>,
    /// Counts changes: the number in its `ETag`; 0 of somebody who never chose.
    pub version: i64,
}
