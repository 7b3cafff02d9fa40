//! From a request to its operation: finds it, checks what every operation wants checked, runs it.
//!
//! In order: the path (404), the method (405 with `Allow`), the limit on requests (429), who calls (401), the key, then the handler. Whether
//! the caller has the role that an operation wants is the service's to decide (403): it would be read twice here. The body is read
//! before a refusal only if it is small, so that a client which sends one hears the answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use latchkey_protocol::ErrorCode;
use warp::reply::{Reply as _, Response};

use super::operation::{Access, MAX_BODY_BYTES, Operation, Rate};
use super::{Context, Handled};
use crate::api::body::{Received, collect};
use crate::api::limits::Standing;
use crate::api::problem::Problem;
use crate::api::request::{Ask, Path, names_tag};
use crate::api::server::PeerAddr;
use crate::service::{Caller, Services};

/// How long an operation may take. What it has begun to commit goes on.
const TIME_LIMIT: Duration = Duration::from_mins(1);

/// The operations of one path.
#[derive(Default)]
struct Place {
    operations: Vec<Operation>,
    allow: String,
}

/// Every operation, by path.
pub struct Router {
    places: matchit::Router<usize>,
    by_number: Vec<Place>,
    services: Arc<Services>,
    context: Arc<Context>,
}

/// A request without its body.
pub(in crate::api) struct Head {
    pub(in crate::api) method: Method,
    pub(in crate::api) path: String,
    pub(in crate::api) query: String,
    pub(in crate::api) headers: HeaderMap,
    pub(in crate::api) peer: Option<PeerAddr>,
}

impl Router {
    /// Of these operations.
    ///
    /// # Panics
    /// If two of them have paths that no request can tell apart: a mistake in `routes.rs`, found by every test.
    #[must_use]
    pub fn new(operations: Vec<Operation>, services: Arc<Services>, context: Arc<Context>) -> Self {
        let mut router = Self { places: matchit::Router::new(), by_number: Vec::new(), services, context };
        for operation in operations {
            let known = router.by_number.iter().position(|place| place.operations[0].path == operation.path);
            let number = known.unwrap_or(router.by_number.len());
            if known.is_none() {
                router.places.insert(operation.path, number).expect("paths differ");
                router.by_number.push(Place::default());
            }
            router.by_number[number].operations.push(operation);
        }
        for place in &mut router.by_number {
            place.allow = allow(&place.operations);
        }
        router
    }

    /// Answers a request.
    pub(in crate::api) async fn answer<B: Buf, E>(&self, head: Head, body: impl Stream<Item = Result<B, E>> + Send) -> Response {
        // The last slash may be left out.
        let path = if head.path.ends_with('/') { head.path.clone() } else { format!("{}/", head.path) };
        let Ok(found) = self.places.at(&path) else {
            return Problem::new(ErrorCode::NotFound, "no such route; /docs/ shows them all").into_response();
        };
        let place = &self.by_number[*found.value];
        let Some(operation) = place.operations.iter().find(|operation| operation.method == head.method) else {
            return place.has_no(&head.method);
        };
        let path = Path(found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect());
        let mut standing = None;
        let known = head.headers.get(header::IF_NONE_MATCH).cloned().filter(|_| operation.has_etag && operation.method == Method::GET);
        let handled = self.run(operation, head, path, body, &mut standing).await;
        let mut response = unless_known(known.as_ref(), handled.unwrap_or_else(Problem::into_response));
        // Tokens and private answers must not be stored (RFC 6749, 5.1).
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        if let Some(standing) = standing {
            standing.tell(response.headers_mut());
        }
        let status = response.status().as_u16().to_string();
        metrics::counter!("latchkey_http_requests", "operation" => operation.id, "status" => status).increment(1);
        response
    }

    async fn run<B: Buf, E>(
        &self,
        operation: &Operation,
        head: Head,
        path: Path,
        body: impl Stream<Item = Result<B, E>> + Send,
        standing: &mut Option<Standing>,
    ) -> Handled {
        let mut ask = Ask::new(Arc::clone(&self.services), Arc::clone(&self.context), head, path);
        let admitted = self.admit(operation, &ask, standing);
        let is_read = operation.body.is_some() && (admitted.is_ok() || operation.max_body_bytes <= MAX_BODY_BYTES);
        let room = (operation.max_body_bytes > MAX_BODY_BYTES).then_some(&self.context.uploads);
        let body = if is_read { collect(body, operation.max_body_bytes, room).await } else { Ok(Received::default()) };
        let admitted = admitted?;
        ask.admit(admitted, body);
        if operation.is_keyed {
            ask.key()?;
        }
        if operation.is_conditional {
            ask.if_match()?;
        }
        let late = |_| {
            Err(Problem::new(
                ErrorCode::Internal,
                "no answer within a minute: whether it was done is not known, repeat it with the same key",
            ))
        };
        tokio::time::timeout(TIME_LIMIT, (operation.run)(ask)).await.unwrap_or_else(late)
    }

    /// Who calls, if they are known and within their limits.
    fn admit(&self, operation: &Operation, ask: &Ask, standing: &mut Option<Standing>) -> Result<Option<Caller>, Problem> {
        let caller = match operation.access {
            Access::Provider => Ok(None),
            // Authentication is how one gets rid of a token that has ended; what is not limited is the same for all.
            Access::Anyone if operation.rate != Rate::Usual => Ok(None),
            Access::Anyone if ask.header(header::AUTHORIZATION.as_str()).is_none() => Ok(None),
            Access::Anyone | Access::User | Access::Host | Access::Admin => ask.authenticate().map(Some),
        };
        let user = caller.as_ref().ok().and_then(|caller| caller.map(|caller| caller.user));
        *standing = self.context.limits.count(operation.rate, user, ask.customer());
        if let Some(standing) = standing {
            standing.refuse()?;
        }
        caller
    }
}

impl Place {
    /// The answer to a method that the path does not have (RFC 9110, 15.5.6).
    fn has_no(&self, method: &Method) -> Response {
        let mut response = if method == Method::OPTIONS {
            StatusCode::NO_CONTENT.into_response()
        } else {
            Problem::new(ErrorCode::MethodNotAllowed, format!("this route takes {}", self.allow)).into_response()
        };
        if let Ok(allow) = HeaderValue::from_str(&self.allow) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    }
}

/// The answer, or 304 without a body if the client has it already (RFC 9110, 15.4.5).
fn unless_known(known: Option<&HeaderValue>, mut response: Response) -> Response {
    let tag = response.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
    let is_known = known.zip(tag).is_some_and(|(known, tag)| names_tag(known, tag));
    if is_known && response.status() == StatusCode::OK {
        *response.body_mut() = Bytes::new().into();
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    response
}

/// `HEAD` comes with `GET`: the accept loop turns it into one.
fn allow(operations: &[Operation]) -> String {
    let mut methods = Vec::new();
    for operation in operations {
        methods.push(operation.method.as_str());
        if operation.method == Method::GET {
            methods.push("HEAD");
        }
    }
    methods.push("OPTIONS");
    methods.join(", ")
}
