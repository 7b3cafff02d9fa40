//! Every REST route, on one page. A handler translates, calls a service, translates back; its noun's file has it.
//!
//! What is said here is all there is: `operation.rs` says what each word does. An operation also needs a row in the authorisation matrix
//! (`tests/it/matrix.rs`), and `openapi.json` is written again (`LATCHKEY_WRITE_DOCUMENTS=1 cargo test documents`).

use http::StatusCode;
use latchkey_protocol::ErrorCode::{
    AlreadyRegistered, BadCredentials, DatesUnavailable, Expired, Forbidden, HoldCooldown, HoldLimit, Invalid, InvalidState, NotFound,
    RuleViolated, Unauthenticated, UpgradeRequired,
};
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, Pay};
use latchkey_protocol::rest::{
    CalendarWindow, CaptionPhoto, CreateBlock, CreateProperty, FindProperties, FoundProperty, Login, OnProperty, OrderPhotos, Page,
    PageQuery, PaymentsOf, Refresh, Register, Tokens, UpdateProperty,
};
use latchkey_protocol::view::{Block, Blocks, Booking, CalendarDays, Hold, Me, Payment, Photo, Property, Quote};

use super::operation::Access::{Provider, User};
use super::operation::{Operation, Rate, delete, get, patch, post, put};
use super::{auth, bookings, hub, payments, photos, properties};
use crate::service::photos::MAX_PHOTO_BYTES;

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
        post("/properties/", "createProperty", properties::create).says("Make a home, a draft or published at once; the caller becomes its host").only(User).keyed()
            .takes::<CreateProperty>().creates::<Property>().tagged(),
        get("/properties/", "findProperties", properties::search).says("Homes that match, with the exact total for the dates asked")
            .query::<FindProperties>().gives::<Page<FoundProperty>>(),
        get("/properties/mine/", "listOwnProperties", properties::list_own).says("One's own homes in every state, newest first").only(User)
            .query::<PageQuery>().gives::<Page<Property>>(),
        get("/properties/{property}/", "readProperty", properties::find).says("A home; its host sees it in every state, with its address")
            .gives::<Property>().tagged(),
        patch("/properties/{property}/", "updateProperty", properties::update).says("Change one's own home: what is left out stays").only(User).conditional()
            .takes::<UpdateProperty>().gives::<Property>().refuses(&[InvalidState]),
        delete("/properties/{property}/", "deleteProperty", properties::delete).says("Remove one's own home for everybody; not while it is held or booked").only(User)
            .refuses(&[InvalidState]),
        post("/properties/{property}/publish/", "publishProperty", properties::publish).says("Show one's own home to everybody").only(User)
            .gives::<Property>().tagged().refuses(&[Invalid]),
        post("/properties/{property}/unlist/", "unlistProperty", properties::unlist).says("Take one's own home back; what is booked goes on living").only(User)
            .gives::<Property>().tagged().refuses(&[InvalidState]),
        get("/properties/{property}/calendar/", "readCalendar", properties::calendar).says("A home's nights, day by day with prices; its host reads why")
            .query::<CalendarWindow>().gives::<CalendarDays>(),
        post("/properties/{property}/blocks/", "createBlock", properties::block).says("Take nights of one's own home off sale").only(User).keyed()
            .takes::<CreateBlock>().creates::<Block>().refuses(&[DatesUnavailable, InvalidState]),
        get("/properties/{property}/blocks/", "listBlocks", properties::blocks).says("The blocks of one's own home that are not over").only(User)
            .gives::<Blocks>(),
        get("/properties/{property}/blocks/{block}/", "readBlock", properties::find_block).says("A block of one's own home").only(User)
            .gives::<Block>(),
        delete("/properties/{property}/blocks/{block}/", "deleteBlock", properties::unblock).says("Put a block's nights back on sale").only(User),
        post("/properties/{property}/photos/", "addPhoto", photos::add).says("Add a photo to one's own home: the file itself, 320 to 10000 pixels a side").only(User).keyed()
            .takes_bytes(photos::MEDIA_TYPES, MAX_PHOTO_BYTES).creates::<Photo>().refuses(&[Invalid, InvalidState]),
        put("/properties/{property}/photos/order/", "orderPhotos", photos::order).says("Put the photos of one's own home in order").only(User).conditional()
            .takes::<OrderPhotos>().gives::<Property>(),
        patch("/properties/{property}/photos/{photo}/", "captionPhoto", photos::caption).says("Say what is to be seen on a photo").only(User).conditional()
            .takes::<CaptionPhoto>().gives::<Property>(),
        delete("/properties/{property}/photos/{photo}/", "removePhoto", photos::remove).says("Take a photo from one's own home").only(User),
        get("/photos/{photo}/", "readPhoto", photos::read).says("A photo's file; whoever knows its id may see it")
            .gives_bytes(photos::MEDIA_TYPES).tagged(),
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
            .takes::<Pay>().creates::<Payment>().refuses(&[Forbidden, NotFound, Expired, InvalidState]),
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
