//! What every HTTP answer goes through on its way out: header fields for browsers, CORS, compression.

use std::convert::Infallible;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use hyper::body::Incoming;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::cors::{AllowOrigin, CorsLayer};
use warp::filters::BoxedFilter;

/// Shortest body that is worth compressing, in bytes: less than a packet gains nothing.
const MIN_COMPRESSED_BYTES: u64 = 1_024;

/// How long a browser may remember what a preflight said.
const PREFLIGHT_LASTS: std::time::Duration = std::time::Duration::from_hours(1);

/// Which pages of other origins may read answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Origins {
    /// None.
    #[default]
    None,
    /// These.
    These(Vec<HeaderValue>),
    /// All: there are no cookies, so a page can use only tokens that it was given.
    All,
}

impl Origins {
    /// From `*` or origins such as `https://example.test`.
    ///
    /// # Errors
    /// Names what is not an origin.
    pub fn new(origins: &[String]) -> Result<Self, String> {
        if origins.iter().any(|origin| origin == "*") {
            return Ok(Self::All);
        }
        let is_origin = |origin: &str| {
            let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
            host.is_some_and(|host| !host.is_empty() && !host.contains(['/', ' ', ',']))
        };
        let parse = |origin: &String| {
            let value = HeaderValue::from_str(origin).ok().filter(|_| is_origin(origin));
            value.ok_or_else(|| format!("{origin} is not an origin of the form https://example.test"))
        };
        let these: Vec<HeaderValue> = origins.iter().map(parse).collect::<Result<_, _>>()?;
        Ok(if these.is_empty() { Self::None } else { Self::These(these) })
    }

    fn layer(&self) -> Option<CorsLayer> {
        let allowed = match self {
            Self::None => return None,
            Self::These(origins) => AllowOrigin::list(origins.clone()),
            Self::All => AllowOrigin::any(),
        };
        let named = |names: &[&'static str]| names.iter().map(|name| HeaderName::from_static(name)).collect::<Vec<_>>();
        let layer = CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers(named(&["authorization", "content-type", "idempotency-key", "if-match", "if-none-match", "last-event-id"]))
            .expose_headers(named(&["etag", "location", "retry-after", "ratelimit", "ratelimit-policy"]))
            .max_age(PREFLIGHT_LASTS);
        Some(layer)
    }
}

/// A request to the hub, as hyper reads it.
pub type HttpRequest = http::Request<Incoming>;

/// An answer of the hub, as hyper writes it.
pub type HttpResponse = http::Response<HttpBody>;

/// A body on its way out.
pub type HttpBody = http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, BoxError>;

/// The whole of HTTP as one service; cloned for each connection.
pub type HttpService = tower::util::BoxCloneSyncService<HttpRequest, HttpResponse, Infallible>;

/// Wraps the routes.
#[must_use]
pub fn wrap(routes: BoxedFilter<(warp::reply::Response,)>, origins: &Origins) -> HttpService {
    let cors = origins.layer().map(Arc::new);
    // No answer has a secret beside text of the client's choice, so lengths tell nothing (BREACH).
    let pays = SizeAbove::new(MIN_COMPRESSED_BYTES)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::const_new("application/octet-stream"))
        .and(NotForContentType::SSE);
    let inner = ServiceBuilder::new().layer(CompressionLayer::new().gzip(true).br(true).compress_when(pays)).service(warp::service(routes));
    let service = tower::service_fn(move |request: HttpRequest| {
        let (inner, cors) = (inner.clone(), cors.clone());
        async move {
            // The layer takes every OPTIONS for a preflight; ours answer with `Allow`.
            let is_preflight = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
            let is_crossing = request.headers().contains_key(header::ORIGIN) && (request.method() != Method::OPTIONS || is_preflight);
            let answered = match cors.filter(|_| is_crossing) {
                Some(cors) => tower::Layer::layer(&*cors, inner).oneshot(request).await.map(boxed),
                None => inner.oneshot(request).await.map(boxed),
            };
            let mut response = answered.unwrap_or_else(|never: Infallible| match never {});
            protect(response.headers_mut());
            Ok(response)
        }
    });
    HttpService::new(service)
}

fn boxed<B>(response: http::Response<B>) -> HttpResponse
where
    B: hyper::body::Body<Data = bytes::Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    use http_body_util::BodyExt as _;
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}

/// For browsers (OWASP, "REST Security Cheat Sheet"): an answer is what its type says, shows itself in no frame and loads nothing.
fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_nothing_more() {
        let origins = |texts: &[&str]| Origins::new(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(origins(&[]), Ok(Origins::None));
        assert_eq!(origins(&["https://example.test", "*"]), Ok(Origins::All));
        assert!(matches!(origins(&["https://example.test", "http://127.0.0.1:3000"]), Ok(Origins::These(these)) if these.len() == 2));
        for text in ["", "example.test", "https://", "https://example.test/", "https://a b", "https://a,https://b"] {
            assert!(origins(&[text]).is_err(), "{text}");
        }
    }
}
