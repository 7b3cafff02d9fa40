//! The edges: REST and WebSocket, on one port.
//!
//! A handler translates, calls a service, translates back. Nothing here touches the store's data or decides a rule.

mod address;
pub mod asyncapi;
pub mod body;
pub mod layers;
pub mod limits;
pub mod openapi;
pub mod problem;
pub mod request;
pub mod rest;
pub mod server;
mod stream;
pub mod ws;

use std::sync::Arc;

use http::{HeaderMap, Method};
use latchkey_protocol::ErrorCode;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::{Reply as _, Response};
use warp::{Filter as _, Rejection};

use self::problem::Problem;
use self::rest::{Head, Router};
use self::server::PeerAddr;
use crate::service::Services;

/// Every route: `/ws`, then REST.
pub fn routes(edge: Arc<ws::Edge>, services: Arc<Services>, context: Arc<rest::Context>) -> BoxedFilter<(Response,)> {
    let router = Arc::new(Router::new(rest::operations(), services, context));
    let live = warp::path!("ws").and(ws::route(edge));
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let rest = warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<PeerAddr>())
        .and(warp::body::stream())
        .then(move |method: Method, path: FullPath, query: String, headers: HeaderMap, peer: Option<PeerAddr>, body| {
            let router = Arc::clone(&router);
            let head = Head { method, path: path.as_str().to_owned(), query, headers, peer };
            async move { router.answer(head, body).await }
        });
    live.or(rest).unify().recover(unexpected).unify().boxed()
}

/// The router answers everything, so nothing should come here.
async fn unexpected(rejection: Rejection) -> Result<Response, std::convert::Infallible> {
    tracing::error!(?rejection, "a request was rejected for a reason nobody expected");
    Ok(Problem::new(ErrorCode::Internal, "internal error").into_response())
}
