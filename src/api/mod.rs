//! The edges: REST and WebSocket, on one port.
//!
//! A handler translates, calls a service, translates back. Nothing here touches the store's data or decides a rule.

mod json;
pub mod problem;
pub mod request;
pub mod rest;
pub mod server;
pub mod ws;

use std::sync::Arc;

use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::service::Services;

/// Every route: `/ws`, then REST, which also answers what no route takes.
pub fn routes(edge: Arc<ws::Edge>, services: Arc<Services>, context: Arc<rest::Context>) -> BoxedFilter<(Response,)> {
    let live = warp::path!("ws").and(ws::route(edge));
    live.or(rest::routes(services, context)).unify().boxed()
}
