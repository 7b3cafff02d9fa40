//! Every REST route, on one page. A handler translates, calls a service, translates back; its noun's file has it.
//!
//! What is said here is all there is: `operation.rs` says what each word does. An operation also needs a row in the authorisation matrix
//! (`tests/it/matrix.rs`), and `openapi.json` is written again (`LATCHKEY_WRITE_DOCUMENTS=1 cargo test documents`).

use http::StatusCode;
use latchkey_protocol::ErrorCode::{
    AlreadyRegistered, BadCredentials, DatesUnavailable, Expired, HoldCooldown, HoldLimit, Invalid, InvalidState, NotFound, RuleViolated,
    Unauthenticated, UpgradeRequired,
};
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, Pay};
use latchkey_protocol::rest::{
    CalendarWindow, CreateProperty, FindProperties, FoundProperty, Login, OnProperty, Page, PageQuery, PaymentsOf, Refresh, Register,
    Tokens,
};
use latchkey_protocol::view::{Booking, Calendar, Hold, Me, Payment, Property, Quote};

use super::operation::Access::{Provider, User};
use super::operation::{Operation, Rate, get, post};
use super::{auth, bookings, hub, payments, properties};

const TEXT: &[&str] = &["text/plain"];
const JSON: &[&str] = &["application/json"];

/// All of REST.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [accounts(), homes(), stays(), money(), around()].into_iter().flatten().collect()
}

#[rustfmt::skip]
fn accounts() -> Vec<Operation> {
    vec![
        post("/auth/register/", "register", auth::register).says("Create an account").rate(Rate::Auth)
            .takes::<Register>().creates::<Me>().refuses(&[AlreadyRegistered]),
        post("/auth/login/", "logIn", auth::log_in).says("Open a session").rate(Rate::Auth)
            .takes::<Login>().gives::<Tokens>().refuses(&[BadCredentials]),
        post("/auth/refresh/", "refresh", auth::refresh).says("Take a refresh token for new tokens").rate(Rate::Auth)
            .takes::<Refresh>().gives::<Tokens>().refuses(&[Unauthenticated]),
        get("/users/me/", "readMe", auth::me).says("One's own account").only(User)
            .gives::<Me>(),
    ]
}

#[rustfmt::skip]
fn homes() -> Vec<Operation> {
    vec![
        post("/properties/", "createProperty", properties::create).says("List a home; the caller becomes its host").only(User).keyed()
            .takes::<CreateProperty>().creates::<Property>(),
        get("/properties/", "findProperties", properties::search).says("Homes that match, with the exact total for the dates asked")
            .query::<FindProperties>().gives::<Page<FoundProperty>>(),
        get("/properties/{property}/", "readProperty", properties::find).says("A home")
            .gives::<Property>(),
        get("/properties/{property}/calendar/", "readCalendar", properties::calendar).says("A home's nights")
            .query::<CalendarWindow>().gives::<Calendar>(),
    ]
}

#[rustfmt::skip]
fn stays() -> Vec<Operation> {
    vec![
        post("/quotes/", "quote", bookings::quote).says("What a stay costs")
            .takes::<AskQuote>().gives::<Quote>().refuses(&[NotFound, RuleViolated]),
        post("/holds/", "holdDates", bookings::hold).says("Take nights for a short while").only(User).keyed()
            .takes::<HoldDates>().creates::<Hold>().refuses(&[NotFound, RuleViolated, DatesUnavailable, HoldLimit, HoldCooldown]),
        get("/holds/{hold}/", "readHold", bookings::find_hold).says("One's own hold").only(User)
            .query::<OnProperty>().gives::<Hold>(),
        post("/holds/{hold}/extend/", "extendHold", bookings::extend_hold).says("Lengthen one's own live hold").only(User).keyed()
            .takes::<OnProperty>().gives::<Hold>().refuses(&[Expired, InvalidState]),
        post("/holds/{hold}/release/", "releaseHold", bookings::release_hold).says("Give the nights of one's own live hold back").only(User).keyed()
            .takes::<OnProperty>().gives::<Hold>().refuses(&[Expired, InvalidState]),
        post("/bookings/", "bookHold", bookings::book).says("Turn one's own live hold into a booking that waits for its payment").only(User).keyed()
            .takes::<BookHold>().creates::<Booking>().refuses(&[NotFound, Expired, InvalidState]),
        get("/bookings/", "listBookings", bookings::list).says("One's bookings, as guest and as host, newest first").only(User)
            .query::<PageQuery>().gives::<Page<Booking>>(),
        get("/bookings/{booking}/", "readBooking", bookings::find).says("A booking that one is a party of").only(User)
            .gives::<Booking>(),
        post("/bookings/{booking}/cancel/", "cancelBooking", bookings::cancel).says("Call a booking off, as guest or host").only(User).keyed()
            .gives::<Booking>().refuses(&[Expired, InvalidState]),
    ]
}

#[rustfmt::skip]
fn money() -> Vec<Operation> {
    vec![
        post("/payments/", "pay", payments::pay).says("Pay for one's own booking").only(User).keyed()
            .takes::<Pay>().creates::<Payment>().refuses(&[NotFound, Expired, InvalidState]),
        get("/payments/", "listPayments", payments::list).says("The payments of a booking that one is a party of").only(User)
            .query::<PaymentsOf>().gives::<Page<Payment>>().refuses(&[NotFound]),
        post("/webhooks/payments/", "takeWebhook", payments::webhook).says("The payment provider's word, signed").only(Provider).rate(Rate::Unlimited)
            .takes_bytes(JSON, super::operation::MAX_BODY_BYTES).refuses(&[Unauthenticated, Invalid]),
    ]
}

#[rustfmt::skip]
fn around() -> Vec<Operation> {
    vec![
        get("/ws/", "connect", hub::connect).says("WebSocket, subprotocol latchkey.v1.json; ask with `Connection: Upgrade`").rate(Rate::Unlimited)
            .answers_nothing(StatusCode::SWITCHING_PROTOCOLS).refuses(&[UpgradeRequired]),
        get("/healthz/", "healthz", hub::healthz).says("Whether the process answers").rate(Rate::Unlimited).gives_bytes(TEXT),
        get("/readyz/", "readyz", hub::readyz).says("Whether it wants requests: 503 while it starts or drains, or without room on its disk")
            .rate(Rate::Unlimited).gives_bytes(TEXT),
        get("/metrics/", "metrics", hub::metrics).says("Metrics for Prometheus").rate(Rate::Unlimited)
            .gives_bytes(TEXT).refuses(&[NotFound]),
        get("/problems/", "listProblems", hub::problems).says("Every error's type, status and meaning").rate(Rate::Unlimited)
            .gives::<Vec<latchkey_protocol::rest::ProblemType>>(),
        get("/openapi.json/", "readDocument", hub::document).says("This document").rate(Rate::Unlimited).gives_bytes(JSON).tagged(),
        get("/docs/", "docs", hub::docs).says("This document, to be read and tried out").rate(Rate::Unlimited).gives_bytes(&["text/html"]),
        get("/docs/{file}/", "docsFile", hub::docs_file).says("What that page consists of").rate(Rate::Unlimited).words(&["file"])
            .gives_bytes(&["text/html", "text/css", "text/javascript", "image/png"]),
    ]
}
