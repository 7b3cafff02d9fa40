//! The live side's own refusals, and the hub's, as clients read them.

use latchkey_protocol::client::Command;
use latchkey_protocol::{ErrorCode, WireError};

use crate::hub::AttachError;

/// A command that needs to know who asks.
pub(super) fn unauthenticated(command: Command) -> WireError {
    WireError::new(ErrorCode::Unauthenticated, format!("authenticate before `{}`", command.as_str()))
}

/// A connection stays with the user it began with.
pub(super) fn other_user() -> WireError {
    WireError::new(ErrorCode::Forbidden, "this connection speaks for another user; open a second one")
}

/// A change without an idempotency key.
pub(super) fn key_required() -> WireError {
    let max = latchkey_protocol::MAX_KEY_BYTES;
    WireError::new(ErrorCode::KeyRequired, format!("`key` is needed, 1 to {max} bytes: repeat it when you repeat the command"))
}

/// Messages come too fast.
pub(super) fn rate_limited(retry_after_ms: u64) -> WireError {
    WireError::new(ErrorCode::RateLimited, "slow down").with("retry_after_ms", retry_after_ms)
}

/// More topics than one connection may follow.
pub(super) fn too_many_subscriptions(limit: usize) -> WireError {
    WireError::new(ErrorCode::TooManySubscriptions, "unsubscribe from something first").with("limit", limit as u64)
}

/// More searches than one connection may watch.
pub(super) fn too_many_searches(limit: usize) -> WireError {
    WireError::new(ErrorCode::TooManySubscriptions, "unwatch a search first").with("limit", limit as u64)
}

/// More searches than one customer may watch.
pub(super) fn too_many_searches_of_customer(limit: usize) -> WireError {
    WireError::new(ErrorCode::TooManySubscriptions, "you watch as many searches as you may on all connections; unwatch one first")
        .with("limit", limit as u64)
}

/// Said about a booking that the connection does not follow.
pub(super) fn not_followed() -> WireError {
    WireError::new(ErrorCode::InvalidState, "subscribe to the booking's topic first").with("state", "not_followed")
}

/// Not now.
pub(super) fn busy(why: &str) -> WireError {
    WireError::new(ErrorCode::Busy, why)
}

/// A private topic, but the token has run out. Nobody reads it: the connection is closed with 4011 by then, and takes no more.
pub(super) fn expired() -> WireError {
    WireError::new(ErrorCode::Unauthenticated, "the token has run out")
}

/// A command's task ended without an answer.
pub(super) fn unanswered() -> WireError {
    WireError::new(ErrorCode::Internal, "the command failed; repeat it with the same key to learn its outcome")
}

/// Why a topic could not be followed. The first two are answered by a snapshot instead, where one can be had.
pub(super) fn of_attach(error: &AttachError) -> WireError {
    match error {
        AttachError::TooOld { .. } | AttachError::AboveHead { .. } => {
            WireError::new(ErrorCode::Unavailable, "the events since then are out of reach; subscribe anew")
        }
        AttachError::Unknown => WireError::new(ErrorCode::NotFound, "no such topic"),
        AttachError::Full => busy("too many topics are followed on this node"),
        AttachError::Source(_) | AttachError::Lost | AttachError::Gone => {
            WireError::new(ErrorCode::Unavailable, "the topic cannot be followed now")
        }
    }
}
