//! Every REST route, on one page. A handler translates, calls, translates back; its noun's file has it.

mod auth;
mod bookings;
mod page;
mod payments;
mod properties;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::{HeaderValue, StatusCode, header};
use latchkey_protocol::rest::{CalendarWindow, PageQuery, PaymentsOf};
use latchkey_protocol::{BookingId, HoldId, PropertyId};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};

use super::problem::Problem;
use super::request::{Ask, ask};
use crate::clock::Clock;
use crate::provider::webhook::WebhookSecret;
use crate::service::{ServiceError, Services};

/// What the edge itself knows.
pub struct Context {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For `/readyz`: whether there is room to write. Asked of whoever stores, whom this edge does not know.
    pub has_room: Box<dyn Fn() -> bool + Send + Sync>,
    /// Shared with the payment provider.
    pub webhook_secret: WebhookSecret,
    /// False while the process starts and while it drains.
    pub ready: AtomicBool,
    /// Renders `/metrics`, if metrics are recorded.
    pub metrics: Option<PrometheusHandle>,
    /// Register, log in and refresh, per address.
    pub auth_rate: DefaultKeyedRateLimiter<IpAddr>,
}

impl Context {
    /// A limiter of that many authentication requests per address and minute.
    #[must_use]
    pub fn auth_limiter(per_minute: NonZeroU32) -> DefaultKeyedRateLimiter<IpAddr> {
        RateLimiter::keyed(Quota::per_minute(per_minute))
    }
}

impl Ask {
    /// Counts an authentication request against its address.
    fn within_auth_rate(&self) -> Result<(), Problem> {
        let Some(customer) = self.customer() else { return Ok(()) };
        Ok(self.context.auth_rate.check_key(&customer).map_err(ServiceError::from)?)
    }
}

type Handled = Result<Response, Problem>;

/// A JSON answer.
fn json<T: Serialize>(status: StatusCode, body: &T) -> Handled {
    Ok(warp::reply::with_status(warp::reply::json(body), status).into_response())
}

/// A JSON answer with 200.
fn ok<T: Serialize>(body: &T) -> Handled {
    json(StatusCode::OK, body)
}

/// A JSON answer with 201 and the new thing's place.
fn created<T: Serialize>(location: &str, body: &T) -> Handled {
    let reply = warp::reply::with_status(warp::reply::json(body), StatusCode::CREATED);
    Ok(warp::reply::with_header(reply, "location", location).into_response())
}

/// All of REST.
pub fn routes(services: Arc<Services>, context: Arc<Context>) -> BoxedFilter<(Response,)> {
    let ask = ask(services, Arc::clone(&context));
    let auth = warp::path!("auth" / "register")
        .and(warp::post())
        .and(ask.clone())
        .then(auth::register)
        .or(warp::path!("auth" / "login").and(warp::post()).and(ask.clone()).then(auth::log_in))
        .unify()
        .or(warp::path!("auth" / "refresh").and(warp::post()).and(ask.clone()).then(auth::refresh))
        .unify()
        .or(warp::path!("users" / "me").and(warp::get()).and(ask.clone()).then(auth::me))
        .unify()
        .boxed();
    let properties = warp::path!("properties")
        .and(warp::post())
        .and(ask.clone())
        .then(properties::create)
        .or(warp::path!("properties").and(warp::get()).and(ask.clone()).and(warp::query::<PageQuery>()).then(properties::list))
        .unify()
        .or(warp::path!("properties" / PropertyId).and(warp::get()).and(ask.clone()).then(properties::find))
        .unify()
        .or(warp::path!("properties" / PropertyId / "calendar")
            .and(warp::get())
            .and(ask.clone())
            .and(warp::query::<CalendarWindow>())
            .then(properties::calendar))
        .unify()
        .boxed();
    let bookings = warp::path!("quotes")
        .and(warp::post())
        .and(ask.clone())
        .then(bookings::quote)
        .or(warp::path!("holds").and(warp::post()).and(ask.clone()).then(bookings::hold))
        .unify()
        .or(warp::path!("holds" / HoldId).and(warp::get()).and(ask.clone()).and(warp::query()).then(bookings::find_hold))
        .unify()
        .or(warp::path!("holds" / HoldId / "extend").and(warp::post()).and(ask.clone()).then(bookings::extend_hold))
        .unify()
        .or(warp::path!("holds" / HoldId / "release").and(warp::post()).and(ask.clone()).then(bookings::release_hold))
        .unify()
        .or(warp::path!("bookings").and(warp::post()).and(ask.clone()).then(bookings::book))
        .unify()
        .or(warp::path!("bookings").and(warp::get()).and(ask.clone()).and(warp::query::<PageQuery>()).then(bookings::list))
        .unify()
        .or(warp::path!("bookings" / BookingId).and(warp::get()).and(ask.clone()).then(bookings::find))
        .unify()
        .or(warp::path!("bookings" / BookingId / "cancel").and(warp::post()).and(ask.clone()).then(bookings::cancel))
        .unify()
        .boxed();
    let payments = warp::path!("payments")
        .and(warp::post())
        .and(ask.clone())
        .then(payments::pay)
        .or(warp::path!("payments").and(warp::get()).and(ask.clone()).and(warp::query::<PaymentsOf>()).then(payments::list))
        .unify()
        .or(warp::path!("webhooks" / "payments").and(warp::post()).and(ask).then(payments::webhook))
        .unify()
        .boxed();
    let nouns = auth.or(properties).unify().or(bookings).unify().or(payments).unify().map(move |handled: Handled| {
        let mut response = handled.unwrap_or_else(warp::Reply::into_response);
        // Tokens and private answers must not be stored (RFC 6749, 5.1); public ones are stale within milliseconds.
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    });
    nouns.or(operations(context)).unify().boxed()
}

const GET: &str = "GET, HEAD, OPTIONS";
const POST: &str = "POST, OPTIONS";
const GET_POST: &str = "GET, HEAD, POST, OPTIONS";

/// The `Allow` of every path above, and of `/ws`; `*` is an id. A test in `app` asks each for each method.
pub const METHODS: [(&str, &str); 21] = [
    ("ws", GET),
    ("auth/register", POST),
    ("auth/login", POST),
    ("auth/refresh", POST),
    ("users/me", GET),
    ("properties", GET_POST),
    ("properties/*", GET),
    ("properties/*/calendar", GET),
    ("quotes", POST),
    ("holds", POST),
    ("holds/*", GET),
    ("holds/*/extend", POST),
    ("holds/*/release", POST),
    ("bookings", GET_POST),
    ("bookings/*", GET),
    ("bookings/*/cancel", POST),
    ("payments", GET_POST),
    ("webhooks/payments", POST),
    ("healthz", GET),
    ("readyz", GET),
    ("metrics", GET),
];

/// For orchestrators and monitoring.
fn operations(context: Arc<Context>) -> BoxedFilter<(Response,)> {
    let healthz = warp::path!("healthz").and(warp::get()).map(|| "ok\n".into_response());
    let ready = Arc::clone(&context);
    let readyz = warp::path!("readyz").and(warp::get()).map(move || {
        if !ready.ready.load(Ordering::Relaxed) {
            return warp::reply::with_status("starting or draining\n", StatusCode::SERVICE_UNAVAILABLE).into_response();
        }
        if !(ready.has_room)() {
            return warp::reply::with_status("no room on the disk\n", StatusCode::SERVICE_UNAVAILABLE).into_response();
        }
        "ready\n".into_response()
    });
    let metrics = warp::path!("metrics").and(warp::get()).map(move || match &context.metrics {
        Some(metrics) => metrics.render().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    });
    healthz.or(readyz).unify().or(metrics).unify().boxed()
}
