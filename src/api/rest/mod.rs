//! REST: the table of operations, the way of a request through it, and a file of handlers for each noun.

mod admin;
mod auth;
mod bookings;
mod document;
mod events;
mod holds;
mod hub;
mod jobs;
mod messages;
mod notifications;
mod operation;
mod page;
mod payments;
mod photos;
mod properties;
mod reviews;
mod router;
mod routes;
mod users;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use http::{StatusCode, header};
use ipnet::IpNet;
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use warp::reply::{Reply as _, Response};

pub use self::operation::{Access, Answer, Body, Operation, Rate};
pub(super) use self::router::Head;
pub use self::router::Router;
pub use self::routes::operations;
use super::body::UploadRoom;
use super::limits::Limits;
use super::problem::Problem;
use super::request::Ask;
use super::ws::Edge;
use crate::clock::Clock;

/// What the edge itself knows.
pub struct Context {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For `/readyz`: whether there is room to write. Asked of whoever stores, whom this edge does not know.
    pub has_room: Box<dyn Fn() -> bool + Send + Sync>,
    /// For `/readyz`: whether the database answers.
    pub hears_database: Box<dyn Fn() -> bool + Send + Sync>,
    /// False while the process starts and while it drains.
    pub ready: AtomicBool,
    /// Renders `/metrics`, if metrics are recorded.
    pub metrics: Option<PrometheusHandle>,
    /// How many requests each caller and each address may make; the live side counts its searches here too.
    pub limits: Arc<Limits>,
    /// How much may be uploaded at once.
    pub uploads: UploadRoom,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The live side.
    pub live: Arc<Edge>,
}

type Handled = Result<Response, Problem>;

/// A JSON answer with 200.
fn ok<T: Serialize>(body: &T) -> Handled {
    Ok(warp::reply::json(body).into_response())
}

/// A JSON answer with 201 and the new thing's place.
fn created<T: Serialize>(location: &str, body: &T) -> Handled {
    let reply = warp::reply::with_status(warp::reply::json(body), StatusCode::CREATED);
    Ok(warp::reply::with_header(reply, header::LOCATION, location).into_response())
}

/// An answer without a body.
fn nothing() -> Handled {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An answer of a file's bytes, which may be kept as `cache_control` says.
fn file(bytes: Response, media_type: &str, cache_control: &'static str) -> Handled {
    kept(cache_control, Ok(warp::reply::with_header(bytes, header::CONTENT_TYPE, media_type).into_response()))
}

/// The same answer, which may be kept as `cache_control` says.
fn kept(cache_control: &'static str, answer: Handled) -> Handled {
    Ok(warp::reply::with_header(answer?, header::CACHE_CONTROL, cache_control).into_response())
}

/// The same answer with the `ETag` of a version.
fn tagged(version: i64, answer: Handled) -> Handled {
    tagged_as(&format!("v{version}"), answer)
}

/// The same answer with that `ETag`, of which the quotes are no part.
fn tagged_as(tag: &str, answer: Handled) -> Handled {
    Ok(warp::reply::with_header(answer?, header::ETAG, format!("\"{tag}\"")).into_response())
}
