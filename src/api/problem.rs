//! Errors over REST: RFC 9457 problem details. One exhaustive map from error codes to statuses.

use http::{HeaderValue, StatusCode, header};
use latchkey_protocol::rest::Problem as ProblemBody;
use latchkey_protocol::{ErrorCode, WireError, error::Detail};
use warp::reply::{Reply, Response};

use crate::service::ServiceError;

/// A refused request.
#[derive(Debug, Clone)]
pub struct Problem(WireError);

impl Problem {
    /// A problem that no service found.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(WireError::new(code, message))
    }

    /// Its code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// A field at fault.
    #[must_use]
    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self(WireError::new(ErrorCode::Invalid, message).with("field", field))
    }
}

impl From<WireError> for Problem {
    fn from(error: WireError) -> Self {
        Self(error)
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        Self(error.to_wire())
    }
}

/// The HTTP status of each code.
#[must_use]
pub const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Malformed | ErrorCode::KeyRequired => StatusCode::BAD_REQUEST,
        ErrorCode::UnknownCommand | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
        ErrorCode::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
        ErrorCode::RateLimited
        | ErrorCode::HoldLimit
        | ErrorCode::HoldCooldown
        | ErrorCode::TooManyInFlight
        | ErrorCode::TooManyConnections
        | ErrorCode::TooManySubscriptions => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unauthenticated | ErrorCode::BadCredentials => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Invalid | ErrorCode::RuleViolated | ErrorCode::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::AlreadyRegistered | ErrorCode::DatesUnavailable | ErrorCode::InvalidState | ErrorCode::TooEarly => StatusCode::CONFLICT,
        ErrorCode::Expired => StatusCode::GONE,
        ErrorCode::PaymentDeclined => StatusCode::PAYMENT_REQUIRED,
        ErrorCode::Busy | ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The `type` of a problem: a name, since RFC 9457 does not want it to be looked up; `GET /problems/` says what each means.
#[must_use]
pub fn kind(code: ErrorCode) -> String {
    format!("urn:latchkey:problem:{}", code.as_str())
}

/// The body of a refusal.
#[must_use]
pub fn body(error: WireError) -> ProblemBody {
    ProblemBody {
        kind: kind(error.code),
        title: error.code.as_str().replace('_', " "),
        status: status(error.code).as_u16(),
        detail: error.message.clone(),
        error,
    }
}

impl Reply for Problem {
    fn into_response(self) -> Response {
        let (status, error) = (status(self.0.code), self.0);
        let retry_after_s = match error.details.get("retry_after_ms") {
            Some(Detail::Number(ms)) => Some((*ms).max(1).saturating_add(999) / 1_000),
            _ if error.retryable && status == StatusCode::SERVICE_UNAVAILABLE => Some(1),
            _ => None,
        };
        let mut response = warp::reply::json(&body(error)).into_response();
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_must_wait_is_told_how_long_in_seconds_rounded_up() {
        let cooldown = |ms: i64| Problem(WireError::new(ErrorCode::HoldCooldown, "later").with("retry_after_ms", ms));
        for (problem, seconds) in [
            (cooldown(30_000_i64), Some("30")),
            (cooldown(1_001), Some("2")),
            (cooldown(500), Some("1")),
            (cooldown(-7), Some("1")),
            (Problem::new(ErrorCode::Busy, "later"), Some("1")),
            (Problem(WireError::new(ErrorCode::RateLimited, "later").with("retry_after_ms", 1_000_u64)), Some("1")),
            (Problem::new(ErrorCode::NotFound, "never"), None),
        ] {
            let text = format!("{problem:?}");
            let response = problem.into_response();
            assert_eq!(response.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap()), seconds, "{text}");
        }
    }
}
