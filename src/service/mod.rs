//! The operations of the hub, one verb each, and the only callers of `store`.
//!
//! A service claims, decides, commits: it takes a property's claim, asks the domain for a decision, and hands the change set
//! with the claim to the store. REST and WebSocket call the same methods and get the same errors.

pub mod accounts;
pub mod availability;
pub mod bookings;
pub mod error;
pub mod expiry;
pub mod idempotency;
pub mod listings;
pub mod payments;
pub mod quota;
pub mod tokens;
pub mod topics;
pub mod wire;

use latchkey_protocol::{EpochMs, SessionId, UserId};

pub use error::ServiceError;
pub use idempotency::IdempotencyKey;

use crate::domain::Timestamp;

/// Who a command is from: a verified access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// Their login.
    pub session: SessionId,
    /// When the token ends.
    pub expires_at: EpochMs,
}

/// Every service of a node.
pub struct Services {
    /// Register, log in, refresh, verify tokens.
    pub accounts: accounts::Accounts,
    /// Homes.
    pub listings: listings::Listings,
    /// Quotes, holds, bookings.
    pub bookings: bookings::Bookings,
    /// Paying, webhooks, refunds.
    pub payments: payments::Payments,
    /// Who may follow what, and snapshots.
    pub topics: topics::Topics,
    /// Ends leases when nobody comes.
    pub expiry: std::sync::Arc<expiry::Expiry>,
}

/// A fresh UUIDv7 of an instant: its first 48 bits are the milliseconds, so that ids of live leases lie in a bounded range.
#[allow(clippy::disallowed_methods, reason = "the one place that mints ids; domain gets them passed in")]
pub(crate) fn fresh_id(now: Timestamp) -> [u8; 16] {
    let random = *uuid::Uuid::now_v7().as_bytes();
    let ms = u64::try_from(now.epoch_ms()).unwrap_or(0);
    let mut bytes = random;
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes
}
