//! What every REST handler gets: the caller, the key, the path, the query and the body, each read when asked for and refused with a
//! problem.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use latchkey_protocol::{ErrorCode, read};
use serde::de::DeserializeOwned;

use super::address::{behind, customer};
use super::body::Received;
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
    body: Result<Received, Problem>,
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
            body: Ok(Received::default()),
            address,
            caller: None,
        }
    }

    /// Its caller is known and its body has been read.
    pub(super) fn admit(&mut self, caller: Option<Caller>, body: Result<Received, Problem>) {
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
        // A weak tag never matches, nor does one that is not ours. Of a version there may be several views: "v7", "v7-others".
        let version = |tag: &str| tag.trim().strip_prefix("\"v")?.strip_suffix('"')?.split('-').next()?.parse().ok();
        Ok(Expected::OneOf(tags.split(',').filter_map(version).collect()))
    }

    /// Whether the client says with `If-None-Match` that it has what that `ETag` names: an answer with it would be sent as 304.
    #[must_use]
    pub fn has_already(&self, tag: &str) -> bool {
        self.headers.get(header::IF_NONE_MATCH).is_some_and(|known| names_tag(known, tag))
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
            let field = read::named_field(&message).or_else(|| faulty_parameter::<T>(&self.query)).unwrap_or("query");
            Problem::invalid(field, message.as_str())
        })
    }

    /// The body.
    ///
    /// # Errors
    /// `TooLarge`; `Malformed` if it broke off; `Busy` if too much is being uploaded.
    pub fn bytes(&self) -> Result<&Bytes, Problem> {
        self.body.as_ref().map(|body| &body.bytes).map_err(Clone::clone)
    }

    /// The body as JSON of that type.
    ///
    /// # Errors
    /// `Malformed` if it is not JSON, `Invalid` if it is of another shape.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        read::object(self.bytes()?).map_err(|fault| {
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

/// Whether an `If-None-Match` names a tag; compared weakly (RFC 9110, 13.1.2).
pub(super) fn names_tag(known: &HeaderValue, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.to_str().unwrap_or_default().split(',').any(|known| known.trim() == "*" || strong(known) == strong(tag))
}

/// Parameters that are looked at for the one at fault: more than any operation has.
const MAX_SUSPECTS: usize = 50;

/// The parameter whose value cannot be read: serde does not name it. Each is tried alone, which takes no more than reading the query once;
/// that others are missing then is no fault of this one.
fn faulty_parameter<T: DeserializeOwned>(query: &str) -> Option<&str> {
    let is_at_fault = |pair: &str| {
        let fault = serde_urlencoded::from_str::<T>(pair).err().map(|error| error.to_string());
        fault.is_some_and(|message| read::named_field(&message).is_none())
    };
    let mut pairs = query.split('&').filter(|pair| !pair.is_empty());
    let culprit = pairs.by_ref().take(MAX_SUSPECTS).find(|pair| is_at_fault(pair))?;
    culprit.split('=').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde::Deserialize;

    use super::*;

    thread_local! {
        static READ: Cell<usize> = const { Cell::new(0) };
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde")]
    struct Fields {
        place: String,
        guests: u16,
        limit: Option<u16>,
    }

    /// Counts how often it is read.
    #[derive(Debug)]
    struct Counted;

    impl<'de> Deserialize<'de> for Counted {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            READ.with(|read| read.set(read.get() + 1));
            Fields::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named_by_its_parameter_whatever_else_is_missing() {
        for (query, name) in [
            ("place=a&guests=x", Some("guests")),
            ("guests=x", Some("guests")),
            ("&&limit=7&&guests=-1&place=a&", Some("guests")),
            ("place=a&guests=2&limit=70000", Some("limit")),
            ("guests=x&limit=x", Some("guests")),
            ("place=a&guests=", Some("guests")),
        ] {
            assert_eq!(faulty_parameter::<Fields>(query), name, "{query}");
        }
    }

    /// Once for each of fifteen thousand parts, every part of the query was read again.
    #[test]
    fn p10_a_query_of_many_parts_costs_no_more_than_a_bounded_number_of_looks() {
        for (query, name) in
            [(format!("{}guests=x&limit=x", "&".repeat(15_800)), Some("guests")), (format!("{}guests=x", "limit=1&".repeat(2_000)), None)]
        {
            READ.with(|read| read.set(0));
            assert_eq!(faulty_parameter::<Counted>(&query), name);
            assert!(READ.with(Cell::get) <= MAX_SUSPECTS, "{} looks", READ.with(Cell::get));
        }
    }
}
