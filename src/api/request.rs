//! What every REST handler gets: the caller, the key, the body, each read when asked for and refused with a problem.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderMap, Method, header};
use latchkey_protocol::ErrorCode;
use serde::de::DeserializeOwned;
use warp::Filter;
use warp::filters::BoxedFilter;

use super::address::customer;
use super::json;
use super::problem::Problem;
use super::rest::Context;
use super::server::PeerAddr;
use crate::service::{Caller, IdempotencyKey, Services};

/// Largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// A REST request.
pub struct Ask {
    /// The operations.
    pub services: Arc<Services>,
    /// What the edge itself knows.
    pub context: Arc<Context>,
    headers: HeaderMap,
    body: Result<Bytes, Problem>,
    peer: Option<PeerAddr>,
}

impl Ask {
    /// The verified bearer of the request's token.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn caller(&self) -> Result<Caller, Problem> {
        let value = self.header(header::AUTHORIZATION.as_str()).unwrap_or_default();
        let token = value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        let token = token.ok_or_else(|| Problem::new(ErrorCode::Unauthenticated, "a bearer token is required"))?;
        Ok(self.services.accounts.authenticate(token)?)
    }

    /// The `Idempotency-Key` header.
    ///
    /// # Errors
    /// `KeyRequired`.
    pub fn key(&self) -> Result<IdempotencyKey, Problem> {
        Ok(IdempotencyKey::new(self.header("idempotency-key").unwrap_or_default())?)
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

    /// A header's text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Who sent the request, as far as its address tells: what limits count by.
    #[must_use]
    pub fn customer(&self) -> Option<IpAddr> {
        self.peer.map(|peer| customer(peer.0.ip()))
    }
}

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Collects a request, bounded by [`MAX_BODY_BYTES`] and ten seconds. Only a `POST` has a body that anybody reads.
pub fn ask(services: Arc<Services>, context: Arc<Context>) -> BoxedFilter<(Ask,)> {
    warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(warp::ext::optional::<PeerAddr>())
        .then(move |method: Method, headers: HeaderMap, body, peer: Option<PeerAddr>| {
            let (services, context) = (Arc::clone(&services), Arc::clone(&context));
            async move {
                let body = if method == Method::POST { collect(body, BODY_TIMEOUT).await } else { Ok(Bytes::new()) };
                Ask { services, context, headers, body, peer }
            }
        })
        .boxed()
}

async fn collect<B: Buf, E>(body: impl Stream<Item = Result<B, E>>, within: Duration) -> Result<Bytes, Problem> {
    let late = |_| Err(Problem::new(ErrorCode::Malformed, "the body did not come in time"));
    tokio::time::timeout(within, read_all(body)).await.unwrap_or_else(late)
}

async fn read_all<B: Buf, E>(body: impl Stream<Item = Result<B, E>>) -> Result<Bytes, Problem> {
    let mut body = std::pin::pin!(body);
    let mut collected = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| Problem::new(ErrorCode::Malformed, "the body broke off"))?;
        if collected.len() + chunk.remaining() > MAX_BODY_BYTES {
            return Err(Problem::new(ErrorCode::TooLarge, "the body is longer than 65536 bytes"));
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
        let chunk = |length| Ok::<_, ()>(Bytes::from(vec![b'x'; length]));
        let code = |outcome: Result<Bytes, Problem>| outcome.map(|body| body.len()).map_err(|problem| problem.code());
        assert_eq!(code(collect(stream::iter([chunk(7), chunk(MAX_BODY_BYTES - 7)]), within).await), Ok(MAX_BODY_BYTES));
        assert_eq!(code(collect(stream::iter([chunk(8), chunk(MAX_BODY_BYTES - 7)]), within).await), Err(ErrorCode::TooLarge));
        assert_eq!(code(collect(stream::iter([chunk(7), Err(())]), within).await), Err(ErrorCode::Malformed));
        assert_eq!(code(collect(stream::iter([chunk(7)]).chain(stream::pending()), within).await), Err(ErrorCode::Malformed));
    }
}
