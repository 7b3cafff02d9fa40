//! Every REST route, on one page. A handler translates, calls a service, translates back; its noun's file has it.
//!
//! What is said here is all there is: `operation.rs` says what each word does. An operation also needs a row in the authorisation matrix
//! (`tests/it/matrix/table.rs`), and `openapi.json` is written again (CONTRIBUTING.md).

use http::StatusCode;
use latchkey_protocol::ErrorCode::{
    AlreadyRegistered, BadCredentials, DatesUnavailable, Expired, Forbidden, HoldCooldown, HoldLimit, Invalid, InvalidState, NotFound,
    RuleViolated, TooEarly, TooManyConnections, Unauthenticated, UpgradeRequired,
};
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, Pay};
use latchkey_protocol::rest::{
    AuditQuery, BookingsQuery, CalendarWindow, CaptionPhoto, ChangeEmail, ChangePassword, CreateBlock, CreateProperty, FindProperties,
    ForgotPassword, FoundProperty, GiveRefund, JobsQuery, Login, MinSeq, ModerateReview, NotificationsQuery, OnProperty, OrderPhotos,
    PageQuery, PaymentsQuery, ProposeAlteration, ReadMessages, ReadNotifications, Refresh, Register, ReplyToReview, ResetPassword,
    SendMessage, SetPreferences, SetRoles, Tokens, UpdateMe, UpdateProperty, VerifyEmail, Visit, WithPassword, WriteReview,
};
use latchkey_protocol::view::{
    AuditEntry, Block, Blocks, Booking, CalendarDays, Cancellation, Export, Hold, Job, Me, Message, Notification, Payment, Photo,
    Preferences, Property, Quote, Review, Reviews, Sessions, Thread, UnreadCount, User as PublicUser,
};

use super::events::{self, EventsQuery};
use super::operation::Access::{Admin, Host, Provider, User};
use super::operation::{Operation, Rate, delete, get, patch, post, put};
use super::{admin, auth, bookings, holds, hub, jobs, messages, notifications, payments, photos, properties, reviews, users};
use crate::service::photos::MAX_PHOTO_BYTES;

const TEXT: &[&str] = &["text/plain"];
const JSON: &[&str] = &["application/json"];

/// All of REST.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [accounts(), people(), homes(), holds(), bookings(), talk(), opinions(), money(), work(), around()].into_iter().flatten().collect()
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
        post("/auth/logout/", "logOut", auth::log_out).says("End this session").only(User).refuses(&[NotFound]),
        post("/auth/logout/everywhere/", "logOutEverywhere", auth::log_out_everywhere).says("End every session, this one too").only(User),
        post("/auth/verify-email/", "verifyEmail", auth::verify_email).says("Show that mail reaches one, with the token from it").rate(Rate::Auth)
            .takes::<VerifyEmail>(),
        post("/auth/verify-email/resend/", "resendVerification", auth::resend_verification).says("Get that mail again").only(User)
            .answers_nothing(StatusCode::ACCEPTED),
        post("/auth/password/forgot/", "forgotPassword", auth::forgot_password).says("Get a mail to set a new password with; 202 whether or not there is such an account").rate(Rate::Auth)
            .takes::<ForgotPassword>().answers_nothing(StatusCode::ACCEPTED),
        post("/auth/password/reset/", "resetPassword", auth::reset_password).says("Set a new password with the token from a mail; ends every session").rate(Rate::Auth)
            .takes::<ResetPassword>(),
    ]
}

#[rustfmt::skip]
fn people() -> Vec<Operation> {
    vec![
        get("/users/", "listUsers", users::list).says("Everybody, newest first").only(Admin)
            .query::<PageQuery>().gives_page::<Me>(),
        get("/users/{user}/", "readUser", users::find).says("Somebody's public profile; all of it for themselves and admins")
            .gives::<PublicUser>(),
        get("/users/me/", "readMe", users::me).says("One's own account").only(User)
            .gives::<Me>().tagged(),
        patch("/users/me/", "updateMe", users::update).says("Change one's profile").only(User).conditional()
            .takes::<UpdateMe>().gives::<Me>().refuses(&[InvalidState]),
        post("/users/me/host/", "becomeHost", users::become_host).says("Become a host; not after an admin took that role away").only(User)
            .gives::<Me>().refuses(&[Forbidden, InvalidState]),
        post("/users/me/password/", "changePassword", users::change_password).says("Change one's password; ends the other sessions").only(User)
            .takes::<ChangePassword>().refuses(&[BadCredentials]),
        post("/users/me/email/", "changeEmail", users::change_email).says("Move to another e-mail address, which is to be verified again").only(User)
            .takes::<ChangeEmail>().gives::<Me>().refuses(&[BadCredentials, AlreadyRegistered, InvalidState]),
        get("/users/me/sessions/", "listSessions", users::sessions).says("One's live sessions").only(User)
            .gives::<Sessions>(),
        delete("/users/me/sessions/{session}/", "endSession", users::end_session).says("End one of one's sessions").only(User),
        get("/users/me/export/", "exportMe", users::export).says("Everything that is held about one").only(User)
            .gives::<Export>(),
        post("/users/me/deactivate/", "deactivateMe", users::deactivate).says("Leave until the next log-in").only(User)
            .takes::<WithPassword>().refuses(&[BadCredentials, InvalidState]),
        post("/users/me/erase/", "eraseMe", users::erase).says("Leave for good: nothing personal stays").only(User)
            .takes::<WithPassword>().refuses(&[BadCredentials, InvalidState]),
        post("/admin/users/{user}/suspend/", "suspendUser", admin::suspend).says("Lock somebody out").only(Admin)
            .gives::<Me>().refuses(&[InvalidState]),
        post("/admin/users/{user}/restore/", "restoreUser", admin::restore).says("Let them in again").only(Admin)
            .gives::<Me>().refuses(&[InvalidState]),
        put("/admin/users/{user}/roles/", "setRoles", admin::set_roles).says("Give and take roles; never the last admin's").only(Admin)
            .takes::<SetRoles>().gives::<Me>().refuses(&[InvalidState]),
        get("/admin/audit/", "listAudit", admin::audit).says("What happened to accounts, newest first").only(Admin)
            .query::<AuditQuery>().gives_page::<AuditEntry>(),
    ]
}

#[rustfmt::skip]
fn homes() -> Vec<Operation> {
    vec![
        post("/properties/", "createProperty", properties::create).says("Make a home, a draft or published at once").only(Host).keyed()
            .takes::<CreateProperty>().creates::<Property>().tagged().refuses(&[InvalidState]),
        get("/properties/", "findProperties", properties::search).says("Homes that match, with the exact total for the dates asked")
            .query::<FindProperties>().gives_page::<FoundProperty>(),
        get("/properties/mine/", "listOwnProperties", properties::list_own).says("One's own homes in every state, newest first").only(User)
            .query::<PageQuery>().gives_page::<Property>(),
        get("/properties/{property}/", "readProperty", properties::find).says("A home; its host sees it in every state, with its address")
            .query::<MinSeq>().gives::<Property>().tagged(),
        patch("/properties/{property}/", "updateProperty", properties::update).says("Change one's own home: what is left out stays").only(User).conditional()
            .takes::<UpdateProperty>().gives::<Property>().refuses(&[InvalidState]),
        delete("/properties/{property}/", "deleteProperty", properties::delete).says("Remove one's own home for everybody; not while it is held or booked").only(User)
            .refuses(&[InvalidState]),
        post("/properties/{property}/publish/", "publishProperty", properties::publish).says("Show one's own home to everybody, as a host").only(User)
            .gives::<Property>().tagged().refuses(&[Forbidden, Invalid]),
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
fn holds() -> Vec<Operation> {
    vec![
        post("/quotes/", "quote", holds::quote).says("What a stay costs")
            .takes::<AskQuote>().gives::<Quote>().refuses(&[NotFound, RuleViolated]),
        post("/holds/", "holdDates", holds::hold).says("Take nights for a short while").only(User).keyed()
            .takes::<HoldDates>().creates::<Hold>().refuses(&[NotFound, RuleViolated, DatesUnavailable, HoldLimit, HoldCooldown]),
        get("/holds/{hold}/", "readHold", holds::find).says("One's own hold").only(User)
            .query::<OnProperty>().gives::<Hold>(),
        post("/holds/{hold}/extend/", "extendHold", holds::extend).says("Lengthen one's own live hold").only(User).keyed()
            .takes::<OnProperty>().gives::<Hold>().refuses(&[Expired, InvalidState]),
        post("/holds/{hold}/release/", "releaseHold", holds::release).says("Give the nights of one's own live hold back").only(User).keyed()
            .takes::<OnProperty>().gives::<Hold>().refuses(&[Expired, InvalidState]),
        post("/bookings/", "bookHold", holds::book).says("Turn one's own live hold into a booking that waits for its payment").only(User).keyed()
            .takes::<BookHold>().creates::<Booking>().refuses(&[NotFound, Expired, InvalidState]),
    ]
}

#[rustfmt::skip]
fn bookings() -> Vec<Operation> {
    vec![
        get("/bookings/", "listBookings", bookings::list).says("One's bookings, as guest and as host, newest first").only(User)
            .query::<BookingsQuery>().gives_page::<Booking>(),
        get("/bookings/{booking}/", "readBooking", bookings::find).says("A booking that one is a party of, with its notes; once it is confirmed, with the address").only(User)
            .query::<MinSeq>().gives::<Booking>(),
        get("/bookings/{booking}/cancellation/", "readCancellation", bookings::cancellation).says("What calling the booking off, or leaving early, would give back now").only(User)
            .gives::<Cancellation>().refuses(&[Expired, InvalidState]),
        post("/bookings/{booking}/cancel/", "cancelBooking", bookings::cancel).says("Call a booking off, as guest or host; withdraws or declines a request").only(User).keyed()
            .gives::<Booking>().refuses(&[Expired, InvalidState]),
        post("/bookings/{booking}/accept/", "acceptBooking", bookings::accept).says("Say yes to a request, as its host").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState]),
        post("/bookings/{booking}/decline/", "declineBooking", bookings::decline).says("Say no to a request, as its host").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState]),
        post("/bookings/{booking}/check-in/", "checkIn", bookings::check_in).says("Say that the guest is there").only(User).keyed()
            .takes::<Visit>().gives::<Booking>().refuses(&[Expired, InvalidState, TooEarly]),
        post("/bookings/{booking}/check-out/", "checkOut", bookings::check_out).says("Say that the guest has left, on the last day").only(User).keyed()
            .takes::<Visit>().gives::<Booking>().refuses(&[Expired, InvalidState, TooEarly]),
        post("/bookings/{booking}/early-departure/", "leaveEarly", bookings::leave_early).says("Leave before the last day, as the guest: the nights from today on return to sale").only(User).keyed()
            .takes::<Visit>().gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState]),
        post("/bookings/{booking}/no-show/", "markNoShow", bookings::no_show).says("Say that the guest never came, as the host, from the day after arrival on").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState, TooEarly]),
        post("/bookings/{booking}/alterations/", "proposeAlteration", bookings::propose_alteration).says("Propose other dates or another number of guests to the other side").only(User).keyed()
            .takes::<ProposeAlteration>().gives::<Booking>().refuses(&[Expired, InvalidState, RuleViolated, DatesUnavailable]),
        post("/bookings/{booking}/alterations/{number}/accept/", "acceptAlteration", bookings::accept_alteration).says("Say yes to the other side's proposal; what it costs more is paid first").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState, RuleViolated, DatesUnavailable]),
        post("/bookings/{booking}/alterations/{number}/decline/", "declineAlteration", bookings::decline_alteration).says("Say no to the other side's proposal").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState]),
        post("/bookings/{booking}/alterations/{number}/withdraw/", "withdrawAlteration", bookings::withdraw_alteration).says("Take one's own proposal back").only(User).keyed()
            .gives::<Booking>().refuses(&[Forbidden, Expired, InvalidState]),
    ]
}

#[rustfmt::skip]
fn talk() -> Vec<Operation> {
    vec![
        post("/bookings/{booking}/messages/", "sendMessage", messages::send).says("Write to the other side of a booking, until 60 days after it is over; at most 30 messages a minute").only(User).keyed()
            .takes::<SendMessage>().creates::<Message>().refuses(&[InvalidState]),
        get("/bookings/{booking}/messages/", "listMessages", messages::list).says("What the two sides of a booking wrote, newest first").only(User)
            .query::<PageQuery>().gives_page::<Message>(),
        post("/bookings/{booking}/messages/read/", "readMessages", messages::mark_read).says("Mark messages as read, up to one; never back").only(User)
            .takes::<ReadMessages>().gives::<Thread>(),
        get("/threads/", "listThreads", messages::threads).says("One's threads, that with the newest message first").only(User)
            .query::<PageQuery>().gives_page::<Thread>(),
        get("/threads/{booking}/", "readThread", messages::find_thread).says("The thread of a booking, also if nobody has written").only(User)
            .gives::<Thread>(),
        get("/notifications/", "listNotifications", notifications::list).says("One's notifications, newest first; kept for 90 days after they were read, unread for a year").only(User)
            .query::<NotificationsQuery>().gives_page::<Notification>(),
        get("/notifications/unread-count/", "countUnreadNotifications", notifications::unread_count).says("How many notifications one has not read").only(User)
            .gives::<UnreadCount>(),
        post("/notifications/read/", "readNotifications", notifications::mark_read).says("Mark notifications as read: up to one, or those that are named").only(User)
            .takes::<ReadNotifications>().gives::<UnreadCount>(),
        get("/notifications/preferences/", "readPreferences", notifications::preferences).says("Of what one wants to be notified, and how").only(User)
            .gives::<Preferences>().tagged(),
        put("/notifications/preferences/", "setPreferences", notifications::set_preferences).says("Choose of what one wants to be notified, and how").only(User).conditional()
            .takes::<SetPreferences>().gives::<Preferences>(),
    ]
}

#[rustfmt::skip]
fn opinions() -> Vec<Operation> {
    vec![
        post("/bookings/{booking}/reviews/", "submitReview", reviews::submit).says("Review a completed stay within 14 days: the guest the stay, the host the guest; sealed until both are in or the time is over").only(User).keyed()
            .takes::<WriteReview>().creates::<Review>().tagged().refuses(&[Expired, InvalidState]),
        get("/bookings/{booking}/reviews/", "listBookingReviews", reviews::of_booking).says("The reviews of a stay: one's own, and the other side's once it is published").only(User)
            .gives::<Reviews>(),
        get("/reviews/{review}/", "readReview", reviews::find).says("A published review, or one's own; admins see hidden ones too")
            .gives::<Review>().tagged(),
        put("/reviews/{review}/", "reviseReview", reviews::revise).says("Write one's own review anew while it is sealed").only(User).conditional()
            .takes::<WriteReview>().gives::<Review>().refuses(&[Expired, InvalidState]),
        post("/reviews/{review}/reply/", "replyToReview", reviews::answer).says("Answer a published review of one's home, or of oneself as a guest, once, within 30 days").only(User).keyed()
            .takes::<ReplyToReview>().gives::<Review>().refuses(&[Forbidden, Expired, InvalidState]),
        get("/properties/{property}/reviews/", "listPropertyReviews", reviews::of_home).says("What guests say about a home, the last published first")
            .query::<PageQuery>().gives_page::<Review>(),
        get("/users/{user}/reviews/", "listUserReviews", reviews::of_guest).says("What hosts say about somebody as a guest, the last published first")
            .query::<PageQuery>().gives_page::<Review>(),
        post("/admin/reviews/{review}/hide/", "hideReview", reviews::hide).says("Hide a published review from everybody but its author; it counts no more").only(Admin)
            .takes::<ModerateReview>().gives::<Review>().refuses(&[InvalidState]),
        post("/admin/reviews/{review}/show/", "showReview", reviews::show).says("Show a hidden review again").only(Admin)
            .takes::<ModerateReview>().gives::<Review>().refuses(&[InvalidState]),
    ]
}

#[rustfmt::skip]
fn money() -> Vec<Operation> {
    vec![
        post("/payments/", "pay", payments::pay).says("Pay what is due of one's own booking: its price, or what an accepted alteration costs more").only(User).keyed()
            .takes::<Pay>().creates::<Payment>().refuses(&[Forbidden, NotFound, Expired, InvalidState]),
        get("/payments/", "listPayments", payments::list).says("The payments of one's bookings, as guest and as host, of the newest bookings first").only(User)
            .query::<PaymentsQuery>().gives_page::<Payment>().refuses(&[NotFound]),
        get("/payments/{payment}/", "readPayment", payments::find).says("A payment of a booking that one is a party of").only(User)
            .gives::<Payment>(),
        post("/payments/{payment}/refresh/", "refreshPayment", payments::refresh).says("Ask the provider what became of a payment, after authenticating with the bank").only(User)
            .gives::<Payment>(),
        post("/payments/{payment}/refunds/", "giveRefund", payments::refund).says("Give money back beyond the policy, as the host or an admin").only(User).keyed()
            .takes::<GiveRefund>().gives::<Payment>().refuses(&[Forbidden, InvalidState]),
        post("/webhooks/payments/", "takeWebhook", payments::webhook).says("The payment provider's word, signed").only(Provider).rate(Rate::Unlimited)
            .takes_bytes(JSON, super::operation::MAX_BODY_BYTES).refuses(&[Unauthenticated, Invalid]),
    ]
}

#[rustfmt::skip]
fn work() -> Vec<Operation> {
    vec![
        get("/admin/jobs/", "listJobs", jobs::list).says("Background work, in the order of its names").only(Admin)
            .query::<JobsQuery>().gives_page::<Job>(),
        post("/admin/jobs/{kind}/{key}/retry/", "retryJob", jobs::retry).says("Have a job run now, from its first try on").only(Admin)
            .words(&["kind", "key"]).gives::<Job>().refuses(&[InvalidState]),
        delete("/admin/jobs/{kind}/{key}/", "discardJob", jobs::discard).says("Throw a mail away; refunds and what recurs stay").only(Admin)
            .words(&["kind", "key"]).refuses(&[InvalidState]),
    ]
}

#[rustfmt::skip]
fn around() -> Vec<Operation> {
    vec![
        get("/ws/", "connect", hub::connect).says("WebSocket, subprotocol latchkey.v1.json or latchkey.v1.msgpack; ask with `Connection: Upgrade`").rate(Rate::Unlimited)
            .answers_nothing(StatusCode::SWITCHING_PROTOCOLS).refuses(&[UpgradeRequired]),
        get("/events/", "followTopics", events::follow).says("Topics as server-sent events, for clients without WebSockets: a snapshot of each, then every event; protocol/README.md has the format")
            .query::<EventsQuery>().header(events::LAST_EVENT_ID, "The `id` of the last event that was seen: the stream goes on after it")
            .gives_bytes(events::MEDIA_TYPES).refuses(&[NotFound, TooManyConnections]),
        get("/healthz/", "healthz", hub::healthz).says("Whether the process answers").rate(Rate::Unlimited).gives_bytes(TEXT),
        get("/readyz/", "readyz", hub::readyz).says("Whether it wants requests: 503 while it starts or drains, or without room on its disk")
            .rate(Rate::Unlimited).gives_bytes(TEXT).refuses_plainly(StatusCode::SERVICE_UNAVAILABLE),
        get("/metrics/", "metrics", hub::metrics).says("Metrics for Prometheus")
            .gives_bytes(TEXT).refuses(&[NotFound]),
        get("/problems/", "listProblems", hub::problems).says("Every error's type, status and meaning")
            .gives::<Vec<latchkey_protocol::rest::ProblemType>>(),
        get("/openapi.json/", "readDocument", hub::document).says("This document").gives_bytes(JSON).tagged(),
        get("/docs/", "docs", hub::docs).says("This document, to be read and tried out").gives_bytes(&["text/html"]),
        get("/docs/{file}/", "docsFile", hub::docs_file).says("What that page consists of").words(&["file"])
            .gives_bytes(&["text/html", "text/css", "text/javascript", "image/png"]),
    ]
}
