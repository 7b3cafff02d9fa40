//! Why a service refused, and what that is on the wire: one exhaustive map for WebSocket and REST.

use governor::NotUntil;
use governor::clock::{Clock as _, DefaultClock, QuantaInstant};
use latchkey_protocol::{ErrorCode, WireError};

use crate::domain::{Refusal, Seq};
use crate::provider::ProviderError;
use crate::store::{CommitError, StoreError};

/// A refused or failed command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No token, or not a valid one.
    #[error("not authenticated: {0}")]
    Unauthenticated(&'static str),
    /// Valid, but not for this.
    #[error("not allowed")]
    Forbidden,
    /// No such thing, or not the caller's.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The key was used before with another body.
    #[error("this idempotency key was used with another body")]
    KeyReused,
    /// No key, or one that is empty or too long.
    #[error("an idempotency key of 1 to 128 bytes is required")]
    KeyRequired,
    /// The e-mail address is registered already.
    #[error("this e-mail address is registered already")]
    AlreadyRegistered,
    /// E-mail and password do not match.
    #[error("e-mail and password do not match")]
    BadCredentials,
    /// Somebody else changed it since.
    #[error("it was changed since: read it again")]
    Stale,
    /// The user has as many active holds as they may.
    #[error("at most {limit} active holds at once")]
    HoldLimit {
        /// How many that is.
        limit: usize,
    },
    /// Too many attempts.
    #[error("too many attempts")]
    RateLimited {
        /// When to come back, in milliseconds.
        retry_after_ms: u64,
    },
    /// A queue is full or a wait was too long.
    #[error("busy, try again")]
    Busy,
    /// An event that the reader knows of has not come here in time.
    #[error("event {seq} is the newest here: {min_seq} has not come in time, if there is such an event")]
    Behind {
        /// The event that was asked for.
        min_seq: Seq,
        /// The newest one that is known.
        seq: Seq,
    },
    /// The database takes no reads or writes now.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// The payment provider does not do it now. Its words are codes and ids, and may be shown and kept.
    #[error("unavailable: {0}")]
    Provider(#[from] ProviderError),
    /// The process stops before it learns whether the change is on disk.
    #[error("whether this was done is not known: repeat it with the same key")]
    OutcomeUnknown,
    /// A fault of ours, logged where it happened.
    #[error("internal error")]
    Internal,
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::error!(reason, "a read failed");
                Self::Unavailable("the database does not answer".to_owned())
            }
            StoreError::Corrupt(_) | StoreError::Schema { .. } => {
                tracing::error!(%error, "stored data cannot be read");
                Self::Internal
            }
        }
    }
}

impl From<CommitError> for ServiceError {
    fn from(error: CommitError) -> Self {
        match error {
            // Whoever can decide again has done so, often enough.
            CommitError::Contended(_) | CommitError::TooLate | CommitError::Busy => Self::Busy,
            CommitError::Unavailable(reason) => Self::Unavailable(reason.to_owned()),
            CommitError::Unknown => Self::OutcomeUnknown,
            CommitError::Refused(_) => {
                tracing::error!(%error, "a change set was refused");
                Self::Internal
            }
        }
    }
}

impl From<NotUntil<QuantaInstant>> for ServiceError {
    fn from(until: NotUntil<QuantaInstant>) -> Self {
        let wait = until.wait_time_from(DefaultClock::default().now());
        Self::RateLimited { retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl ServiceError {
    /// The error as clients receive it.
    #[must_use]
    pub fn to_wire(&self) -> WireError {
        let wire = |code| WireError::new(code, self.to_string());
        match self {
            Self::Refused(refusal) => refusal_to_wire(refusal),
            Self::Unauthenticated(_) => wire(ErrorCode::Unauthenticated),
            Self::Forbidden => wire(ErrorCode::Forbidden),
            Self::NotFound(_) => wire(ErrorCode::NotFound),
            Self::KeyReused => wire(ErrorCode::KeyReused),
            Self::KeyRequired => wire(ErrorCode::KeyRequired),
            Self::AlreadyRegistered => wire(ErrorCode::AlreadyRegistered),
            Self::BadCredentials => wire(ErrorCode::BadCredentials),
            Self::Stale => wire(ErrorCode::PreconditionFailed),
            Self::HoldLimit { limit } => wire(ErrorCode::HoldLimit).with("limit", u64::try_from(*limit).unwrap_or(u64::MAX)),
            Self::RateLimited { retry_after_ms } => wire(ErrorCode::RateLimited).with("retry_after_ms", *retry_after_ms),
            Self::Busy => wire(ErrorCode::Busy),
            Self::Behind { min_seq, seq } => wire(ErrorCode::Busy).with("min_seq", *min_seq).with("seq", *seq),
            Self::Unavailable(_) | Self::Provider(_) => wire(ErrorCode::Unavailable),
            Self::OutcomeUnknown | Self::Internal => wire(ErrorCode::Internal),
        }
    }
}

impl From<ServiceError> for WireError {
    fn from(error: ServiceError) -> Self {
        error.to_wire()
    }
}

fn refusal_to_wire(refusal: &Refusal) -> WireError {
    let wire = |code| WireError::new(code, refusal.to_string());
    match refusal {
        Refusal::Invalid { field, .. } => wire(ErrorCode::Invalid).with("field", *field),
        Refusal::PriceOverflow => wire(ErrorCode::Invalid).with("field", "price"),
        Refusal::RuleViolated { rule, limit } => wire(ErrorCode::RuleViolated).with("rule", rule.name()).with("limit", *limit),
        Refusal::DatesUnavailable { from, seq, .. } => wire(ErrorCode::DatesUnavailable).with("from", from.to_string()).with("seq", *seq),
        Refusal::Stale { version } => wire(ErrorCode::PreconditionFailed).with("version", *version),
        Refusal::NotFound => wire(ErrorCode::NotFound),
        Refusal::NotYours => wire(ErrorCode::Forbidden),
        Refusal::Expired { expires_at } => WireError::new(ErrorCode::Expired, "it ran out").with("expires_at", expires_at.epoch_ms()),
        Refusal::InvalidState { state } => wire(ErrorCode::InvalidState).with("state", *state),
        Refusal::TooEarly { from } => WireError::new(ErrorCode::TooEarly, "it is too early for this").with("from", from.epoch_ms()),
        Refusal::ExtendedToTheEnd { until } => {
            WireError::new(ErrorCode::InvalidState, "a hold cannot be extended any further").with("until", until.epoch_ms())
        }
        Refusal::HoldCooldown { until, retry_after_ms } => {
            WireError::new(ErrorCode::HoldCooldown, "you held these nights a moment ago: leave them to others for a while")
                .with("until", until.epoch_ms())
                .with("retry_after_ms", *retry_after_ms)
        }
        Refusal::PriceChanged { total_minor } => {
            wire(ErrorCode::InvalidState).with("state", "price_changed").with("total_minor", *total_minor)
        }
        Refusal::RefundTooLarge => wire(ErrorCode::InvalidState).with("state", "refund_too_large"),
    }
}
