//! Error codes: one closed list for WebSocket and REST.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What went wrong, as a fact a program can act on.
///
/// Listed in order of precedence: of several faults in one command, the first in this list is the one reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Not JSON, or not a command's envelope.
    Malformed,
    /// No such command or route.
    UnknownCommand,
    /// The method is not offered here (REST).
    MethodNotAllowed,
    /// This address speaks WebSocket version 13 and nothing else (REST).
    UpgradeRequired,
    /// The body is longer than the limit (REST; a WebSocket is closed with 1009).
    TooLarge,
    /// The body is of a media type that this route does not take (REST).
    UnsupportedMediaType,
    /// Too many requests; `details.retry_after_ms` says when to come back.
    RateLimited,
    /// No token, or one that is not valid.
    Unauthenticated,
    /// Valid token, but this is not for you.
    Forbidden,
    /// The idempotency key is missing or longer than 128 bytes.
    KeyRequired,
    /// A field is missing, unknown or out of range; `details.field` names it.
    Invalid,
    /// This change needs `If-Match` with the `ETag` that it is based on (REST).
    PreconditionRequired,
    /// The key was used before with another body.
    KeyReused,
    /// No such thing, or not yours.
    NotFound,
    /// The e-mail address is registered already.
    AlreadyRegistered,
    /// E-mail and password do not match.
    BadCredentials,
    /// Somebody else changed it since: it no longer has the `ETag` of `If-Match` (REST). Read it again.
    PreconditionFailed,
    /// The property's rules refuse the stay; `details.rule` names the rule.
    RuleViolated,
    /// Somebody else has one of the nights; `details.seq` is when it was taken, `details.from` the first such night.
    DatesUnavailable,
    /// The hold, booking or request ran out.
    Expired,
    /// The thing is in a state that does not allow this; `details.state` names it.
    InvalidState,
    /// Too many active holds; `details.limit` says how many are allowed.
    HoldLimit,
    /// The same nights again too soon; `details.retry_after_ms` says when.
    HoldCooldown,
    /// Not before its time; `details.from` says when.
    TooEarly,
    /// The payment method was declined; `details.reason` is the provider's word.
    PaymentDeclined,
    /// More subscriptions than one connection may have, or more watched searches than it or its user or address; `details.limit`.
    TooManySubscriptions,
    /// More unanswered commands than one connection may have; `details.limit`.
    TooManyInFlight,
    /// More live connections than one network address may have; `details.limit`, and `details.retry_after_ms` says when to try again.
    TooManyConnections,
    /// A queue is full or a wait was too long; nothing was done, try again.
    Busy,
    /// The database or the disk cannot take writes now; nothing was done.
    Unavailable,
    /// A fault of ours; it is in the log. Whether the command was done may be unknown: repeat it with the same key.
    Internal,
}

impl ErrorCode {
    /// Every code, in order of precedence.
    pub const ALL: [Self; 31] = [
        Self::Malformed,
        Self::UnknownCommand,
        Self::MethodNotAllowed,
        Self::UpgradeRequired,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::Unauthenticated,
        Self::Forbidden,
        Self::KeyRequired,
        Self::Invalid,
        Self::PreconditionRequired,
        Self::KeyReused,
        Self::NotFound,
        Self::AlreadyRegistered,
        Self::BadCredentials,
        Self::PreconditionFailed,
        Self::RuleViolated,
        Self::DatesUnavailable,
        Self::Expired,
        Self::InvalidState,
        Self::HoldLimit,
        Self::HoldCooldown,
        Self::TooEarly,
        Self::PaymentDeclined,
        Self::TooManySubscriptions,
        Self::TooManyInFlight,
        Self::TooManyConnections,
        Self::Busy,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Whether the same command with the same key may succeed later without anything else changing.
    #[must_use]
    pub const fn retryable(self) -> bool {
        matches!(
            self,
            Self::RateLimited
                | Self::HoldCooldown
                | Self::TooManyInFlight
                | Self::TooManyConnections
                | Self::Busy
                | Self::Unavailable
                | Self::Internal
        )
    }

    /// What the code says, in a sentence for people.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Malformed => "Not JSON, or not a command's envelope.",
            Self::UnknownCommand => "No such command or route.",
            Self::MethodNotAllowed => "The method is not offered here (REST).",
            Self::UpgradeRequired => "This address speaks WebSocket version 13 and nothing else (REST).",
            Self::TooLarge => "The body is longer than the limit (REST; a WebSocket is closed with 1009).",
            Self::UnsupportedMediaType => "The body is of a media type that this route does not take (REST).",
            Self::RateLimited => "Too many requests; `details.retry_after_ms` says when to come back.",
            Self::Unauthenticated => "No token, or one that is not valid.",
            Self::Forbidden => "Valid token, but this is not for you.",
            Self::KeyRequired => "The idempotency key is missing or longer than 128 bytes.",
            Self::Invalid => "A field is missing, unknown or out of range; `details.field` names it.",
            Self::PreconditionRequired => "This change needs `If-Match` with the `ETag` that it is based on (REST).",
            Self::KeyReused => "The key was used before with another body.",
            Self::NotFound => "No such thing, or not yours.",
            Self::AlreadyRegistered => "The e-mail address is registered already.",
            Self::BadCredentials => "E-mail and password do not match.",
            Self::PreconditionFailed => "Somebody else changed it since: it no longer has the `ETag` of `If-Match` (REST). Read it again.",
            Self::RuleViolated => "The property's rules refuse the stay; `details.rule` names the rule.",
            Self::DatesUnavailable => {
                "Somebody else has one of the nights; `details.seq` is when it was taken, `details.from` the first such night."
            }
            Self::Expired => "The hold, booking or request ran out.",
            Self::InvalidState => "The thing is in a state that does not allow this; `details.state` names it.",
            Self::HoldLimit => "Too many active holds; `details.limit` says how many are allowed.",
            Self::HoldCooldown => "The same nights again too soon; `details.retry_after_ms` says when.",
            Self::TooEarly => "Not before its time; `details.from` says when.",
            Self::PaymentDeclined => "The payment method was declined; `details.reason` is the provider's word.",
            Self::TooManySubscriptions => {
                "More subscriptions than one connection may have, or more watched searches than it or its user or address; `details.limit`."
            }
            Self::TooManyInFlight => "More unanswered commands than one connection may have; `details.limit`.",
            Self::TooManyConnections => {
                "More live connections than one network address may have; `details.limit`, and `details.retry_after_ms` says when to try again."
            }
            Self::Busy => "A queue is full or a wait was too long; nothing was done, try again.",
            Self::Unavailable => "The database or the disk cannot take writes now; nothing was done.",
            Self::Internal => {
                "A fault of ours; it is in the log. Whether the command was done may be unknown: repeat it with the same key."
            }
        }
    }

    /// The code as it is written on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownCommand => "unknown_command",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::TooLarge => "too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::KeyRequired => "key_required",
            Self::Invalid => "invalid",
            Self::PreconditionRequired => "precondition_required",
            Self::KeyReused => "key_reused",
            Self::NotFound => "not_found",
            Self::AlreadyRegistered => "already_registered",
            Self::BadCredentials => "bad_credentials",
            Self::PreconditionFailed => "precondition_failed",
            Self::RuleViolated => "rule_violated",
            Self::DatesUnavailable => "dates_unavailable",
            Self::Expired => "expired",
            Self::InvalidState => "invalid_state",
            Self::HoldLimit => "hold_limit",
            Self::HoldCooldown => "hold_cooldown",
            Self::TooEarly => "too_early",
            Self::PaymentDeclined => "payment_declined",
            Self::TooManySubscriptions => "too_many_subscriptions",
            Self::TooManyInFlight => "too_many_in_flight",
            Self::TooManyConnections => "too_many_connections",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A detail of an error: a number or a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum Detail {
    /// A count, a sequence, a duration in milliseconds.
    Number(i64),
    /// A name, a date, a reason.
    Text(String),
}

impl From<i64> for Detail {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u64> for Detail {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<String> for Detail {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Detail {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// An error as a client receives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WireError {
    /// The fact.
    pub code: ErrorCode,
    /// A sentence for people; it may change between versions.
    pub message: String,
    /// See [`ErrorCode::retryable`].
    pub retryable: bool,
    /// What the code's description promises.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, Detail>,
}

impl WireError {
    /// An error with no details yet.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retryable: code.retryable(), details: BTreeMap::new() }
    }

    /// The same error with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, detail: impl Into<Detail>) -> Self {
        self.details.insert(name.to_owned(), detail.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_written_as_serde_writes_it() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{}\"", code.as_str()));
        }
    }
}
