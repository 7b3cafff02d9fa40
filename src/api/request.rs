//! What every REST handler gets: the caller, the key, the path, the query and the body, each read when asked for and refused with a
//! problem.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, header};
use latchkey_protocol::ErrorCode;
use serde::de::DeserializeOwned;

use super::address::{behind, customer};
use super::json;
use super::problem::Problem;
use super::rest::{Context, Head};
use crate::service::accounts::Origin;
use crate::service::{Caller, Expected, IdempotencyKey, Services};

/// A REST request.
pub struct Ask {
    /// The operations.
    pub services: Arc<Services>,
    /// What the edge itself knows.
    pub context: Arc<Context>,
    path: Path,
    has_last_slash: bool,
    query: String,
    headers: HeaderMap,
    body: Result<Bytes, Problem>,
    address: Option<IpAddr>,
    caller: Option<Caller>,
}

/// What stands for the names in an operation's path.
pub(super) struct Path(pub(super) Vec<(String, String)>);

impl Ask {
    /// A request that nobody has looked at.
    pub(super) fn new(services: Arc<Services>, context: Arc<Context>, head: Head, path: Path) -> Self {
        let address = head.peer.map(|peer| behind(peer.0.ip(), &head.headers, &context.trusted_proxies));
        let has_last_slash = head.path.ends_with('/');
        Self {
            services,
            context,
            path,
            has_last_slash,
            query: head.query,
            headers: head.headers,
            body: Ok(Bytes::new()),
            address,
            caller: None,
        }
    }

    /// Its caller is known and its body has been read.
    pub(super) fn admit(&mut self, caller: Option<Caller>, body: Result<Bytes, Problem>) {
        self.caller = caller;
        self.body = body;
    }

    /// The verified bearer of the request's token.
    pub(super) fn authenticate(&self) -> Result<Caller, Problem> {
        let value = self.header(header::AUTHORIZATION.as_str()).unwrap_or_default();
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| Problem::new(ErrorCode::Unauthenticated, "a bearer token is required"))?;
        Ok(self.services.accounts.authenticate(token)?)
    }

    /// The caller of an operation that not everybody may call.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn caller(&self) -> Result<Caller, Problem> {
        self.caller.ok_or_else(|| Problem::new(ErrorCode::Unauthenticated, "a bearer token is required"))
    }

    /// The caller of an operation that anybody may call, if they said who they are.
    #[must_use]
    pub const fn known_caller(&self) -> Option<Caller> {
        self.caller
    }

    /// The `Idempotency-Key` header.
    ///
    /// # Errors
    /// `KeyRequired`.
    pub fn key(&self) -> Result<IdempotencyKey, Problem> {
        Ok(IdempotencyKey::new(self.header("idempotency-key").unwrap_or_default())?)
    }

    /// Which versions `If-Match` allows a change to be based on (RFC 9110, 13.1.1).
    ///
    /// # Errors
    /// `PreconditionRequired` if it is missing (RFC 6585, 3).
    pub fn if_match(&self) -> Result<Expected, Problem> {
        let required = || Problem::new(ErrorCode::PreconditionRequired, "send `If-Match` with the `ETag` that the change is based on");
        let tags = self.header(header::IF_MATCH.as_str()).ok_or_else(required)?;
        if tags.trim() == "*" {
            return Ok(Expected::Any);
        }
        // A weak tag never matches, nor does one that is not ours.
        let version = |tag: &str| tag.trim().strip_prefix("\"v")?.strip_suffix('"')?.parse().ok();
        Ok(Expected::OneOf(tags.split(',').filter_map(version).collect()))
    }

    /// What stands in the path for `name`.
    ///
    /// # Errors
    /// `NotFound` if it is not one of its kind: there is no such thing.
    pub fn path<T: FromStr>(&self, name: &str) -> Result<T, Problem> {
        let text = self.path.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        text.and_then(|text| text.parse().ok()).ok_or_else(|| Problem::new(ErrorCode::NotFound, format!("no such {name}")))
    }

    /// From where the request comes, and with what.
    #[must_use]
    pub fn origin(&self) -> Origin {
        let user_agent = self.header(header::USER_AGENT.as_str()).map(str::to_owned);
        Origin { address: self.customer(), user_agent }
    }

    /// Whether the path was written with its last slash: what is relative to a page depends on it.
    #[must_use]
    pub const fn has_last_slash(&self) -> bool {
        self.has_last_slash
    }

    /// The query.
    ///
    /// # Errors
    /// `Invalid` with the field that is missing, unknown, there twice or of the wrong form.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_urlencoded::from_str(&self.query).map_err(|error| {
            let message = error.to_string();
            let field = json::named_field(&message).map_or_else(|| self.faulty_parameter::<T>(), str::to_owned);
            Problem::invalid(&field, message)
        })
    }

    /// The parameter without which the query has another fault, or none: serde does not name it.
    fn faulty_parameter<T: DeserializeOwned>(&self) -> String {
        let pairs: Vec<&str> = self.query.split('&').collect();
        let fault = |query: &str| serde_urlencoded::from_str::<T>(query).err().map(|error| error.to_string());
        let whole = fault(&self.query);
        let culprit = pairs.iter().enumerate().find(|(at, _)| {
            let others: Vec<&str> = pairs.iter().enumerate().filter(|(other, _)| other != at).map(|(_, pair)| *pair).collect();
            fault(&others.join("&")) != whole
        });
        let name = culprit.and_then(|(_, pair)| pair.split('=').next());
        name.filter(|name| !name.is_empty()).unwrap_or("query").to_owned()
    }

    /// The body.
    ///
    /// # Errors
    /// `TooLarge`, or `Malformed` if it broke off.
    pub fn bytes(&self) -> Result<&Bytes, Problem> {
        self.body.as_ref().map_err(Clone::clone)
    }

    /// The body as JSON of that type.
    ///
    /// # Errors
    /// `Malformed` if it is not JSON, `Invalid` if it is of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        json::object(self.bytes()?).map_err(|fault| {
            if fault.is_malformed {
                Problem::new(ErrorCode::Malformed, format!("the body is not JSON: {}", fault.message))
            } else {
                Problem::invalid(fault.field.as_deref().unwrap_or("body"), fault.message)
            }
        })
    }

    /// All headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Who sent the request, as far as its address tells: what limits count by.
    #[must_use]
    pub fn customer(&self) -> Option<IpAddr> {
        self.address.map(customer)
    }
}

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's body, bounded by `max_bytes` and ten seconds.
pub(super) async fn collect<B: Buf, E>(body: impl Stream<Item = Result<B, E>>, max_bytes: usize) -> Result<Bytes, Problem> {
    collect_within(body, max_bytes, BODY_TIMEOUT).await
}

async fn collect_within<B: Buf, E>(body: impl Stream<Item = Result<B, E>>, max_bytes: usize, within: Duration) -> Result<Bytes, Problem> {
    let late = |_| Err(Problem::new(ErrorCode::Malformed, "the body did not come in time"));
    tokio::time::timeout(within, read_all(body, max_bytes)).await.unwrap_or_else(late)
}

async fn read_all<B: Buf, E>(body: impl Stream<Item = Result<B, E>>, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| Problem::new(ErrorCode::Malformed, "the body broke off"))?;
        if collected.len() + chunk.remaining() > max_bytes {
            return Err(Problem::new(ErrorCode::TooLarge, format!("the body is longer than {max_bytes} bytes")));
        }
        collected.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
    }
    Ok(collected.freeze())
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    #[tokio::test]
    async fn a_body_must_come_whole_in_time_and_within_its_bound() {
        let within = Duration::from_millis(20);
        let max = 64 * 1024;
        let chunk = |length| Ok::<_, ()>(Bytes::from(vec![b'x'; length]));
        let code = |outcome: Result<Bytes, Problem>| outcome.map(|body| body.len()).map_err(|problem| problem.code());
        assert_eq!(code(collect_within(stream::iter([chunk(7), chunk(max - 7)]), max, within).await), Ok(max));
        assert_eq!(code(collect_within(stream::iter([chunk(8), chunk(max - 7)]), max, within).await), Err(ErrorCode::TooLarge));
        assert_eq!(code(collect_within(stream::iter([chunk(7), Err(())]), max, within).await), Err(ErrorCode::Malformed));
        assert_eq!(code(collect_within(stream::iter([chunk(7)]).chain(stream::pending()), max, within).await), Err(ErrorCode::Malformed));
    }
}
