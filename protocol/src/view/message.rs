//! What the two sides of a booking write to each other.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::{BookingId, PropertyId, UserId};

/// A message in the thread of a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Message {
    /// In the thread of which booking.
    pub booking: BookingId,
    /// Its number in the thread: 1, 2, 3 … in the order in which they were sent, without gaps.
    #[cfg_attr(feature = "openapi", schema(minimum = 1))]
    pub number: u64,
    /// Who wrote it.
    pub sender: UserId,
    /// What was written; left out once its sender was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// When it was sent.
    pub sent_at: EpochMs,
}

/// The thread of a booking, as one of its sides sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Thread {
    /// Of which booking.
    pub booking: BookingId,
    /// Of which home.
    pub property: PropertyId,
    /// Who is on the other side.
    pub other: UserId,
    /// How many messages it has: the number of the last one.
    pub messages: u64,
    /// When the last one was sent; left out while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent_at: Option<EpochMs>,
    /// How many of the other side's messages the caller has not read.
    pub unread: u64,
    /// The last message that the caller has read; 0 if none.
    pub read_up_to: u64,
    /// The last message that the other side has read; 0 if none.
    pub other_read_up_to: u64,
}
