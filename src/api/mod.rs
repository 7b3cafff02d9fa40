//! The edges: REST and WebSocket, on one port.
//!
//! A handler translates, calls a service, translates back. Nothing here touches the store's data or decides a rule.

mod address;
mod json;
pub mod problem;
pub mod request;
pub mod rest;
pub mod server;
mod stream;
mod unrouted;
pub mod ws;

use std::sync::Arc;

use warp::Filter as _;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use crate::service::Services;

/// Every route: `/ws`, then REST, then what no route takes.
pub fn routes(edge: Arc<ws::Edge>, services: Arc<Services>, context: Arc<rest::Context>) -> BoxedFilter<(Response,)> {
    let live = warp::path!("ws").and(ws::route(edge));
    let routes = live.or(rest::routes(services, context)).unify().or(unrouted::methods()).unify();
    routes.recover(unrouted::as_problem).unify().boxed()
}
