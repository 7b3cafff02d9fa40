//! A small REST client: JSON in, JSON or problem details out, over hyper's pooled client.
//!
//! Invariant: a request is repeated only when that is harmless. Every caller either reads, carries an idempotency key, does
//! something that may be done twice (registration, login), or asks for a single attempt; the rest is retried after a lost
//! connection or `busy`, with a bound.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use latchkey_protocol::error::{Detail, WireError};
use latchkey_protocol::rest::Problem;
use latchkey_protocol::{ErrorCode, PropertyId, view};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::plan::Stay;
use crate::target::Target;

/// Largest answer read; a page of a hundred bookings is a tenth of it.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// One attempt's time.
const ATTEMPT: Duration = Duration::from_secs(30);

/// Why there is no answer of the wished kind.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// The hub said no, and why.
    #[error("{method} {path}: {} ({})", .error.code.as_str(), .error.message)]
    Refused { method: Method, path: String, error: Box<WireError> },
    /// The answer is not what the protocol promises.
    #[error("{method} {path}: {status} with an unreadable body: {body}")]
    Unreadable { method: Method, path: String, status: StatusCode, body: String },
    /// Nobody answered until patience ended.
    #[error("{method} {path}: {reason}")]
    Unreachable { method: Method, path: String, reason: String },
}

impl RestError {
    /// The hub's own code, if it refused.
    pub(crate) fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { error, .. } => Some(error.code),
            Self::Unreadable { .. } | Self::Unreachable { .. } => None,
        }
    }
}

/// One request, before it is sent (perhaps several times).
#[derive(Debug)]
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    token: Option<&'a str>,
    key: Option<&'a str>,
    body: Bytes,
    once: bool,
}

impl<'a> Call<'a> {
    /// A read.
    pub(crate) fn get(path: String) -> Self {
        Self { method: Method::GET, path, token: None, key: None, body: Bytes::new(), once: false }
    }

    /// A post of JSON.
    pub(crate) fn post<B: Serialize>(path: &str, body: &B) -> Self {
        // The protocol's bodies have string keys and finite numbers: writing them cannot fail.
        let body = serde_json::to_vec(body).expect("protocol types are always writable as JSON").into();
        Self { method: Method::POST, path: path.to_owned(), token: None, key: None, body, once: false }
    }

    /// Speaks for a user.
    pub(crate) fn bearer(mut self, token: &'a str) -> Self {
        self.token = Some(token);
        self
    }

    /// Sends it only once, whatever comes of it.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Makes a change safe to repeat.
    pub(crate) fn key(mut self, key: &'a str) -> Self {
        self.key = Some(key);
        self
    }
}

/// What one attempt came to: an answer, or a reason to try again.
enum Attempt<T> {
    Done(Result<T, RestError>),
    Again { wish: Option<Duration>, otherwise: RestError },
}

/// The client; shared by everyone in a run.
#[derive(Debug)]
pub(crate) struct Rest {
    client: Client<HttpConnector, Full<Bytes>>,
    target: Target,
    patience: Duration,
    calls: AtomicU64,
}

impl Rest {
    /// A client that keeps trying an unreachable or busy hub for `patience`.
    pub(crate) fn new(target: Target, patience: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(16).build(connector);
        Self { client, target, patience, calls: AtomicU64::new(0) }
    }

    /// Sends until there is an answer that a retry would not change.
    ///
    /// # Errors
    /// A refusal, an answer against the protocol, or an unreachable hub.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call<'_>) -> Result<T, RestError> {
        let mut backoff = Backoff::new(self.calls.fetch_add(1, Ordering::Relaxed), self.patience);
        loop {
            match self.attempt(&call).await {
                Attempt::Done(result) => return result,
                Attempt::Again { wish, otherwise } => match backoff.next_wait(wish).filter(|_| !call.once) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(otherwise),
                },
            }
        }
    }

    /// A page that is not JSON, such as `/metrics`.
    ///
    /// # Errors
    /// No answer, or one that says no.
    pub(crate) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = self.request(&Call::get(path.to_owned()))?;
        let response = self.client.request(request).await.with_context(|| format!("reading {path}"))?;
        anyhow::ensure!(response.status().is_success(), "{path}: {}", response.status());
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?;
        String::from_utf8(body.to_bytes().to_vec()).with_context(|| format!("{path} is not text"))
    }

    async fn attempt<T: DeserializeOwned>(&self, call: &Call<'_>) -> Attempt<T> {
        let unreachable = |reason: String| Attempt::Again {
            wish: None,
            otherwise: RestError::Unreachable { method: call.method.clone(), path: call.path.clone(), reason },
        };
        let request = match self.request(call) {
            Ok(request) => request,
            Err(reason) => return Attempt::Done(Err(unreadable(call, StatusCode::BAD_REQUEST, &reason.to_string()))),
        };
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((head.status, head.headers, body.to_bytes()))
        };
        match tokio::time::timeout(ATTEMPT, exchange).await {
            Ok(Ok((status, headers, body))) => judge(call, status, &headers, &body),
            Ok(Err(reason)) => unreachable(reason),
            Err(_) => unreachable(format!("no answer within {} s", ATTEMPT.as_secs())),
        }
    }

    fn request(&self, call: &Call<'_>) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder().method(call.method.clone()).uri(self.target.rest_url(&call.path));
        if call.method != Method::GET {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(token) = call.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if let Some(key) = call.key {
            request = request.header("idempotency-key", key);
        }
        request.body(Full::new(call.body.clone()))
    }

    /// A property's public calendar for the nights of `window`.
    ///
    /// # Errors
    /// As [`Rest::send`].
    pub(crate) async fn calendar(&self, property: PropertyId, window: Stay) -> Result<view::Calendar, RestError> {
        let path = format!("/properties/{property}/calendar/?from={}&to={}", window.check_in, window.check_out);
        self.send(Call::get(path)).await
    }
}

fn judge<T: DeserializeOwned>(call: &Call<'_>, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Attempt<T> {
    if status.is_success() {
        return Attempt::Done(serde_json::from_slice(body).map_err(|_| unreadable(call, status, &String::from_utf8_lossy(body))));
    }
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        let error = unreadable(call, status, &String::from_utf8_lossy(body));
        // A proxy or a hub without room may answer without our problem details.
        return match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Attempt::Again { wish: retry_after(headers), otherwise: error }
            }
            _ => Attempt::Done(Err(error)),
        };
    };
    let wish = retry_after(headers).or_else(|| wished_wait(&problem.error));
    let again = worth_repeating(problem.error.code);
    let error = RestError::Refused { method: call.method.clone(), path: call.path.clone(), error: Box::new(problem.error) };
    if again { Attempt::Again { wish, otherwise: error } } else { Attempt::Done(Err(error)) }
}

fn unreadable(call: &Call<'_>, status: StatusCode, body: &str) -> RestError {
    let body = body.chars().take(200).collect();
    RestError::Unreadable { method: call.method.clone(), path: call.path.clone(), status, body }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Whether the same command with the same key is worth another try: the hub did nothing, and said so.
///
/// Narrower than [`ErrorCode::retryable`]: a fault of the hub's own must surface here, and a cooldown is a rule that the
/// plans of this program do not run into.
pub(crate) const fn worth_repeating(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Busy | ErrorCode::RateLimited | ErrorCode::TooManyInFlight | ErrorCode::Unavailable)
}

/// How long the hub asks us to wait.
pub(crate) fn wished_wait(error: &WireError) -> Option<Duration> {
    match error.details.get("retry_after_ms")? {
        Detail::Number(ms) => u64::try_from(*ms).ok().map(Duration::from_millis),
        Detail::Text(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&'static str>, body: &str) -> Attempt<view::Me> {
        let mut headers = HeaderMap::new();
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, seconds.parse().unwrap());
        }
        judge(&Call::get("/x/".to_owned()), StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    fn problem(code: ErrorCode) -> String {
        let error = WireError::new(code, "no").with("retry_after_ms", 250_i64);
        let kind = format!("urn:latchkey:problem:{}", code.as_str());
        serde_json::to_string(&Problem { kind, title: String::new(), status: 400, detail: String::new(), error }).unwrap()
    }

    #[test]
    fn retry_after_is_preferred_to_the_detail() {
        let Attempt::Again { wish, .. } = answer(429, Some("3"), &problem(ErrorCode::RateLimited)) else { panic!("not retried") };
        assert_eq!(wish, Some(Duration::from_secs(3)));
        let Attempt::Again { wish, .. } = answer(503, None, &problem(ErrorCode::Busy)) else { panic!("not retried") };
        assert_eq!(wish, Some(Duration::from_millis(250)));
    }

    #[test]
    fn a_refusal_that_a_retry_would_not_change_is_final() {
        let Attempt::Done(Err(error)) = answer(409, None, &problem(ErrorCode::AlreadyRegistered)) else { panic!("not final") };
        assert_eq!(error.code(), Some(ErrorCode::AlreadyRegistered));
    }

    #[test]
    fn an_answer_against_the_protocol_is_an_error_that_shows_it() {
        let Attempt::Done(Err(error)) = answer(200, None, "<html>") else { panic!("not final") };
        assert!(error.to_string().contains("<html>"), "{error}");
    }
}
