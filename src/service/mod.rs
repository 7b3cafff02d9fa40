//! The operations of the hub, one verb each, and the only callers of `store`.
//!
//! A service claims, decides, commits: it takes a property's claim, asks the domain for a decision, and hands the change set
//! with the claim to the store. REST and WebSocket call the same methods and get the same errors.

pub mod accounts;
pub mod availability;
pub mod bookings;
pub mod cache;
pub mod decisions;
pub mod error;
pub mod expiry;
mod freshness;
pub mod idempotency;
pub mod jobs;
pub mod listings;
pub mod mails;
pub mod messages;
pub mod notifications;
pub mod payments;
pub mod peers;
pub mod photos;
pub mod quota;
pub mod retention;
pub mod reviews;
pub mod roles;
pub mod search;
pub mod stays;
mod throttle;
pub mod tokens;
pub mod topics;
mod turns;
pub mod wire;

use latchkey_protocol::{EpochMs, SessionId, UserId};

pub use error::ServiceError;
pub use idempotency::IdempotencyKey;

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

/// Which versions of a thing a change may be based on: what `If-Match` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whichever is there.
    Any,
    /// One of these.
    OneOf(Vec<i64>),
}

impl Expected {
    /// Whether a change of this version is allowed.
    ///
    /// # Errors
    /// `Stale` if somebody has changed it since.
    pub fn check(&self, version: i64) -> Result<(), ServiceError> {
        match self {
            Self::Any => Ok(()),
            Self::OneOf(versions) if versions.contains(&version) => Ok(()),
            Self::OneOf(_) => Err(ServiceError::Stale),
        }
    }
}

/// Every service of a node.
pub struct Services {
    /// Register, log in, refresh, verify tokens.
    pub accounts: accounts::Accounts,
    /// Homes.
    pub listings: std::sync::Arc<listings::Listings>,
    /// Their pictures.
    pub photos: photos::Photos,
    /// Quotes, holds, and booking them.
    pub bookings: bookings::Bookings,
    /// Bookings, from their request to their end.
    pub stays: stays::Stays,
    /// Paying, webhooks, refunds, payouts.
    pub payments: std::sync::Arc<payments::Payments>,
    /// Reviews of completed stays.
    pub reviews: reviews::Reviews,
    /// Who may follow what, and snapshots.
    pub topics: topics::Topics,
    /// Work for later: leasing, recording, and what an admin may do.
    pub jobs: jobs::Jobs,
    /// Sending what is owed by mail.
    pub mails: mails::Mails,
    /// What the two sides of a booking write to each other.
    pub messages: messages::Messages,
    /// What somebody should know.
    pub notifications: std::sync::Arc<notifications::Notifications>,
    /// Deleting by age.
    pub retention: retention::Retention,
    /// Finding homes.
    pub search: std::sync::Arc<search::Search>,
    /// Ends leases when nobody comes.
    pub expiry: std::sync::Arc<expiry::Expiry>,
}
