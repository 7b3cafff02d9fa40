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

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::StatusCode;
use latchkey_protocol::rest::{CalendarWindow, PageQuery, PaymentsOf};
use latchkey_protocol::{BookingId, ErrorCode, HoldId, PropertyId};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use warp::filters::BoxedFilter;
use warp::reply::{Reply, Response};
use warp::{Filter, Rejection};

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
    /// Counts an authentication request against its address; IPv6 by /64, which is one customer's (RFC 6177).
    fn within_auth_rate(&self) -> Result<(), Problem> {
        let address = match self.peer() {
            Some(IpAddr::V6(address)) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
            Some(address) => address,
            None => return Ok(()),
        };
        self.context.auth_rate.check_key(&address).map_err(|until| {
            let wait = until.wait_time_from(DefaultClock::default().now());
            ServiceError::RateLimited { retry_after_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX) }.into()
        })
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
    let nouns = auth.or(properties).unify().or(bookings).unify().or(payments).unify().map(|handled: Handled| match handled {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    });
    nouns.or(operations(context)).unify().recover(as_problem).unify().boxed()
}

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

/// What no route took.
async fn as_problem(rejection: Rejection) -> Result<Response, std::convert::Infallible> {
    let problem = if rejection.is_not_found() {
        Problem::new(ErrorCode::NotFound, "no such route")
    } else if rejection.find::<warp::reject::InvalidQuery>().is_some() {
        Problem::invalid("query", "the query string has a field that is missing, unknown or of the wrong form")
    } else if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        Problem::new(ErrorCode::MethodNotAllowed, "this route has no such method")
    } else {
        tracing::error!(?rejection, "a request was rejected for a reason nobody expected");
        Problem::new(ErrorCode::Internal, "internal error")
    };
    Ok(problem.into_response())
}
