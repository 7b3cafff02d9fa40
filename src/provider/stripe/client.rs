//! Requests to Stripe's API: form bodies, JSON answers, keys of idempotency, and what each failure means.
//!
//! A request is made once; whoever asked asks again, with the same key. No part of an answer's text goes into an error, only its codes and
//! the request's id: errors are logged and shown, and Stripe's texts repeat what was sent.

use std::time::Duration;

use http::StatusCode;
use http::header::AUTHORIZATION;
use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use serde::de::DeserializeOwned;

use super::objects::{Failure, StripeError};
use crate::provider::ProviderError;

/// The version of the API that this is written for, whatever the account's is.
const API_VERSION: &str = "2025-08-27.basil";

/// How often a new key is taken because Stripe keeps a failure of its own under the old one: the work may have been done each time.
const MAX_FAILED_KEYS: u32 = 5;

/// How often because it keeps a refusal: nothing was done. More than a job asks in the day for which answers are kept, so that each time it asks
/// anew, and not after a day of hearing the last refusal again.
const MAX_REFUSED_KEYS: u32 = 64;

/// The secret key of an account.
#[derive(Clone)]
pub struct ApiKey(http::HeaderValue);

impl ApiKey {
    /// From its text, `sk_…` or `rk_…`; `None` if that cannot be a key.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_key = text.contains('_') && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut value = http::HeaderValue::from_str(&format!("Bearer {text}")).ok().filter(|_| is_key)?;
        value.set_sensitive(true);
        Some(Self(value))
    }
}

/// Why a request had no result.
#[derive(Debug)]
pub(super) enum CallError {
    /// It was not answered, or by a failure on Stripe's side: it may be made again, with the same key.
    Unreachable(String),
    /// Stripe said no.
    Refused(Box<StripeError>),
}

impl From<CallError> for ProviderError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Unreachable(reason) => Self::Unreachable(reason),
            CallError::Refused(error) => Self::Refused(error.codes()),
        }
    }
}

/// What Stripe's answer to a first request is good for when the request is repeated. Stripe keeps each under the request's key for a day,
/// also a 500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// A refusal is the answer.
    Refusals,
    /// Only success is: what was refused for want of money may be possible an hour later.
    Successes,
}

/// A form's fields.
pub(super) type Form<'a> = Vec<(&'a str, String)>;

/// Stripe's API.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    key: ApiKey,
}

/// An answer, and whether it is one that was given before under the same key.
struct Answer {
    status: StatusCode,
    is_replayed: bool,
    request: String,
    body: Vec<u8>,
}

impl Client {
    /// # Errors
    /// If TLS cannot be set up.
    pub(super) fn new(base: &str, key: ApiKey, timeout: Duration) -> Result<Self, reqwest::Error> {
        // No redirects: the key is for Stripe alone.
        let http = reqwest::Client::builder().timeout(timeout).connect_timeout(timeout).redirect(Policy::none()).build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), key })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Form<'_>) -> Result<T, CallError> {
        read(self.send(self.http.get(self.url(path)).query(query)).await?)
    }

    /// For what Stripe's own states make the same however often it is asked for: an answer that is kept under a key would only get old.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, form: &Form<'_>) -> Result<T, CallError> {
        read(self.send(self.http.post(self.url(path)).form(form)).await?)
    }

    /// For what must happen once. Where the kept answer is of no use there is a next key, the same for everyone who asks for this; after a
    /// 500 the work may have been done all the same, so the caller must have looked, or it must not matter.
    pub(super) async fn post_once<T: DeserializeOwned>(&self, path: &str, form: &Form<'_>, key: &str, keep: Keep) -> Result<T, CallError> {
        let (mut failed, mut refused) = (0, 0);
        loop {
            let key = if failed + refused == 0 { key.to_owned() } else { format!("{key}_after_{}", failed + refused) };
            let answer = self.send(self.http.post(self.url(path)).form(form).header("idempotency-key", key)).await?;
            let is_refusal = keep == Keep::Successes && answer.status.is_client_error();
            match answer.is_replayed {
                true if answer.status.is_server_error() && failed < MAX_FAILED_KEYS => failed += 1,
                true if is_refusal && refused < MAX_REFUSED_KEYS => refused += 1,
                true | false => return read(answer),
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        // An address may name an object, but never the secret of one.
        let failed = |error: reqwest::Error| CallError::Unreachable(describe(&error.without_url()));
        let request = request.header(AUTHORIZATION, self.key.0.clone()).header("stripe-version", API_VERSION);
        let response = request.send().await.map_err(failed)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
        let (is_replayed, request) = (header("idempotent-replayed") == "true", header("request-id"));
        let status = response.status();
        let body = response.bytes().await.map_err(failed)?.to_vec();
        Ok(Answer { status, is_replayed, request, body })
    }
}

fn describe(error: &reqwest::Error) -> String {
    let kind = if error.is_timeout() { "did not answer in time" } else { "could not be asked" };
    format!("Stripe {kind}")
}

fn read<T: DeserializeOwned>(answer: Answer) -> Result<T, CallError> {
    let Answer { status, request, body, .. } = answer;
    let unreachable = |what: &str| CallError::Unreachable(format!("Stripe {what} ({status}, request {request})"));
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| unreachable("answered in another form"));
    }
    // 409: the same key is being worked on, or somebody else changes the object.
    if status.is_server_error() || matches!(status, StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS) || !status.is_client_error() {
        return Err(unreachable("could not do it now"));
    }
    let Failure { error } = serde_json::from_slice(&body).map_err(|_| unreachable("answered in another form"))?;
    Err(CallError::Refused(Box::new(StripeError { request, is_bad_request: status == StatusCode::BAD_REQUEST, ..error })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_not_shown_and_what_cannot_be_one_is_refused() {
        let key = ApiKey::new("sk_test_canary").unwrap();
        assert_eq!(format!("{:?}", key.0), "Sensitive");
        for text in ["", "sk", "sk_live_a\n", "sk live"] {
            assert!(ApiKey::new(text).is_none(), "{text:?}");
        }
    }
}
