//! The rows: what each kind of caller gets from each operation. 404 is what other people's things look like.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::world::World;
use super::{Call, Role};
use crate::support::guest::PASSWORD;

/// One operation.
pub(super) struct Row {
    pub(super) id: &'static str,
    /// Anonymous, guest, other guest, host, other host, admin, revoked.
    pub(super) statuses: [u16; 7],
    /// Makes what the operation is about, and the request.
    pub(super) call: for<'a> fn(&'a World, Role) -> BoxFuture<'a, Call>,
}

macro_rules! row {
    ($id:literal, $statuses:expr, |$world:ident, $role:ident| $call:expr) => {
        Row {
            id: $id,
            statuses: $statuses,
            call: |$world, $role| {
                async move {
                    let _ = (&$world, $role);
                    $call
                }
                .boxed()
            },
        }
    };
}

/// What anybody may see; but a token that is sent must be good.
const ANYBODY: [u16; 7] = [200, 200, 200, 200, 200, 200, 401];
/// Like that, without looking at tokens at all.
const EVERYBODY: [u16; 7] = [200; 7];
/// Whoever is logged in.
const LOGGED_IN: [u16; 7] = [401, 200, 200, 200, 200, 200, 401];
const LOGGED_IN_GETS_NOTHING: [u16; 7] = [401, 204, 204, 204, 204, 204, 401];
const LOGGED_IN_CREATES: [u16; 7] = [401, 201, 201, 201, 201, 201, 401];
/// Admins alone.
const ADMIN: [u16; 7] = [401, 403, 403, 403, 403, 200, 401];
/// The guest alone.
const GUEST: [u16; 7] = [401, 200, 404, 404, 404, 404, 401];
/// The host of the home alone.
const HOST: [u16; 7] = [401, 404, 404, 200, 404, 404, 401];
const HOST_CREATES: [u16; 7] = [401, 404, 404, 201, 404, 404, 401];
const HOST_REMOVES: [u16; 7] = [401, 404, 404, 204, 404, 404, 401];
const GUEST_CREATES: [u16; 7] = [401, 201, 404, 404, 404, 404, 401];
/// The host answers what the guest, who may see it, asked.
const HOST_ANSWERS: [u16; 7] = [401, 403, 404, 200, 404, 404, 401];
/// Both parties.
const PARTIES: [u16; 7] = [401, 200, 404, 200, 404, 404, 401];
const PARTIES_CREATE: [u16; 7] = [401, 201, 404, 201, 404, 404, 401];

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    // Accounts.
    row!("register", [201; 7], |w, role| Call::to().json(json!({"email": format!("{role:?}@new.test"), "password": "correct horse battery", "name": "New"}))),
    row!("logIn", EVERYBODY, |w, role| Call::to().json(json!({"email": w.newcomer().await.email, "password": "correct horse battery"}))),
    row!("refresh", EVERYBODY, |w, role| Call::to().json(json!({"refresh_token": w.newcomer().await.tokens.refresh_token}))),
    row!("logOut", LOGGED_IN_GETS_NOTHING, |w, role| Call::to().token(w.stand_in(role).await)),
    row!("logOutEverywhere", LOGGED_IN_GETS_NOTHING, |w, role| Call::to().token(w.stand_in(role).await)),
    row!("verifyEmail", [422; 7], |w, role| Call::to().json(json!({"token": "made up"}))),
    row!("resendVerification", [401, 202, 202, 202, 202, 202, 401], |w, role| Call::to()),
    row!("forgotPassword", [202; 7], |w, role| Call::to().json(json!({"email": format!("{role:?}@nowhere.test")}))),
    row!("resetPassword", [422; 7], |w, role| Call::to().json(json!({"token": "made up", "password": "staple battery"}))),
    row!("readMe", LOGGED_IN, |w, role| Call::to()),
    row!("updateMe", LOGGED_IN, |w, role| Call::to().json(json!({"about": "Hello"}))),
    row!("readUser", ANYBODY, |w, role| Call::to().part(w.newcomer().await.user)),
    row!("listUsers", ADMIN, |w, role| Call::to()),
    row!("becomeHost", LOGGED_IN, |w, role| Call::to().token(w.stand_in(role).await)),
    row!("changePassword", LOGGED_IN_GETS_NOTHING, |w, role| Call::to().token(w.stand_in(role).await).json(json!({"current": PASSWORD, "new": "staple battery"}))),
    row!("changeEmail", LOGGED_IN, |w, role| Call::to().token(w.stand_in(role).await).json(json!({"email": format!("{role:?}@moved.test"), "password": PASSWORD}))),
    row!("listSessions", LOGGED_IN, |w, role| Call::to()),
    row!("endSession", [401, 204, 404, 404, 404, 404, 401], |w, role| Call::to().part(w.session().await)),
    row!("exportMe", LOGGED_IN, |w, role| Call::to()),
    row!("deactivateMe", LOGGED_IN_GETS_NOTHING, |w, role| Call::to().token(w.stand_in(role).await).json(json!({"password": PASSWORD}))),
    row!("eraseMe", LOGGED_IN_GETS_NOTHING, |w, role| Call::to().token(w.stand_in(role).await).json(json!({"password": PASSWORD}))),
    row!("suspendUser", ADMIN, |w, role| Call::to().part(w.newcomer().await.user)),
    row!("restoreUser", ADMIN, |w, role| Call::to().part(w.suspended().await.user)),
    row!("setRoles", ADMIN, |w, role| Call::to().part(w.newcomer().await.user).json(json!({"is_host": true, "is_admin": false}))),
    row!("listAudit", ADMIN, |w, role| Call::to()),
    // Homes.
    row!("createProperty", [401, 403, 403, 201, 201, 403, 401], |w, role| Call::to().json(serde_json::to_value(crate::support::hub::cottage()).unwrap())),
    row!("findProperties", ANYBODY, |w, role| Call::to()),
    row!("readProperty", ANYBODY, |w, role| Call::to().part(w.home.id)),
    row!("readCalendar", ANYBODY, |w, role| Call::to().part(w.home.id)),
    row!("listOwnProperties", LOGGED_IN, |w, role| Call::to()),
    row!("updateProperty", HOST, |w, role| Call::to().part(w.draft().await).json(json!({"title": "New"}))),
    row!("deleteProperty", HOST_REMOVES, |w, role| Call::to().part(w.draft().await)),
    row!("publishProperty", HOST, |w, role| Call::to().part(w.draft().await)),
    row!("unlistProperty", HOST, |w, role| Call::to().part(w.own_home().await)),
    row!("createBlock", HOST_CREATES, |w, role| { let dates = w.dates().await; Call::to().part(w.home.id).json(json!({"from": dates.check_in, "to": dates.check_out})) }),
    row!("listBlocks", HOST, |w, role| Call::to().part(w.home.id)),
    row!("readBlock", HOST, |w, role| Call::to().part(w.home.id).part(w.block().await)),
    row!("deleteBlock", HOST_REMOVES, |w, role| Call::to().part(w.home.id).part(w.block().await)),
    row!("addPhoto", HOST_CREATES, |w, role| Call::to().part(w.home.id).bytes("image/png", crate::support::picture::png(400, 400, ""))),
    row!("orderPhotos", HOST, |w, role| Call::to().part(w.draft().await).json(json!({"photos": []}))),
    row!("captionPhoto", HOST, |w, role| { let (home, photo) = w.photo().await; Call::to().part(home).part(photo).json(json!({"caption": "View"})) }),
    row!("removePhoto", HOST_REMOVES, |w, role| { let (home, photo) = w.photo().await; Call::to().part(home).part(photo) }),
    row!("readPhoto", ANYBODY, |w, role| Call::to().part(w.photo().await.1)),
    // Stays.
    row!("quote", ANYBODY, |w, role| Call::to().json(w.stay().await)),
    row!("holdDates", LOGGED_IN_CREATES, |w, role| Call::to().json(w.stay().await)),
    row!("readHold", GUEST, |w, role| Call::to().part(w.hold().await.id).query(format!("property={}", w.home.id))),
    row!("extendHold", GUEST, |w, role| Call::to().part(w.hold().await.id).json(json!({"property": w.home.id}))),
    row!("releaseHold", GUEST, |w, role| Call::to().part(w.hold().await.id).json(json!({"property": w.home.id}))),
    row!("bookHold", GUEST_CREATES, |w, role| Call::to().json(json!({"hold": w.hold().await.id, "property": w.home.id}))),
    row!("listBookings", LOGGED_IN, |w, role| Call::to()),
    row!("readBooking", PARTIES, |w, role| Call::to().part(w.booking().await.id)),
    row!("cancelBooking", PARTIES, |w, role| Call::to().part(w.booking().await.id)),
    row!("readCancellation", PARTIES, |w, role| Call::to().part(w.booking().await.id)),
    row!("acceptBooking", HOST_ANSWERS, |w, role| Call::to().part(w.requested().await.id)),
    row!("declineBooking", HOST_ANSWERS, |w, role| Call::to().part(w.requested().await.id)),
    row!("checkIn", PARTIES, |w, role| Call::to().part(w.arriving().await.id).json(json!({"note": "The key is under the mat."}))),
    row!("checkOut", [401, 409, 404, 409, 404, 404, 401], |w, role| Call::to().part(w.staying().await.id).json(json!({}))),
    row!("leaveEarly", [401, 200, 404, 403, 404, 404, 401], |w, role| Call::to().part(w.staying().await.id).json(json!({}))),
    row!("markNoShow", [401, 403, 404, 409, 404, 404, 401], |w, role| Call::to().part(w.arriving().await.id)),
    row!("proposeAlteration", PARTIES, |w, role| Call::to().part(w.arriving().await.id).json(json!({"guests": 1}))),
    row!("acceptAlteration", HOST_ANSWERS, |w, role| Call::to().part(w.proposed().await.id).part(1)),
    row!("declineAlteration", HOST_ANSWERS, |w, role| Call::to().part(w.proposed().await.id).part(1)),
    row!("withdrawAlteration", [401, 200, 404, 403, 404, 404, 401], |w, role| Call::to().part(w.proposed().await.id).part(1)),
    // Talking, and what one should know.
    row!("sendMessage", PARTIES_CREATE, |w, role| Call::to().part(w.booking().await.id).json(json!({"text": "Hello"}))),
    row!("listMessages", PARTIES, |w, role| Call::to().part(w.booking().await.id)),
    row!("readMessages", PARTIES, |w, role| Call::to().part(w.message().await.booking).json(json!({"up_to": 1}))),
    row!("listThreads", LOGGED_IN, |w, role| Call::to()),
    row!("readThread", PARTIES, |w, role| Call::to().part(w.booking().await.id)),
    row!("listNotifications", LOGGED_IN, |w, role| Call::to()),
    row!("countUnreadNotifications", LOGGED_IN, |w, role| Call::to()),
    row!("readNotifications", LOGGED_IN, |w, role| Call::to().json(json!({"notifications": ["01890a5d-ac96-774b-bcce-b302099a8057"]}))),
    row!("readPreferences", LOGGED_IN, |w, role| Call::to()),
    row!("setPreferences", LOGGED_IN, |w, role| Call::to().json(json!({"items": [{"kind": "refund_sent", "in_app": true, "email": false}]}))),
    // Reviews.
    row!("submitReview", [401, 201, 404, 201, 404, 404, 401], |w, role| Call::to().part(w.completed_stay().await.id).json(w.words(role))),
    row!("listBookingReviews", PARTIES, |w, role| Call::to().part(w.completed_stay().await.id)),
    row!("readReview", [404, 200, 404, 404, 404, 404, 401], |w, role| Call::to().part(w.sealed_review().await)),
    row!("reviseReview", GUEST, |w, role| Call::to().part(w.sealed_review().await).json(w.words(Role::Guest))),
    row!("replyToReview", [401, 403, 403, 200, 403, 403, 401], |w, role| Call::to().part(w.published_review().await).json(json!({"text": "Thank you!"}))),
    row!("listPropertyReviews", ANYBODY, |w, role| Call::to().part(w.home.id)),
    row!("listUserReviews", ANYBODY, |w, role| Call::to().part(w.newcomer().await.user)),
    row!("hideReview", ADMIN, |w, role| Call::to().part(w.published_review().await).json(json!({"reason": "spam"}))),
    row!("showReview", ADMIN, |w, role| Call::to().part(w.hidden_review().await).json(json!({"reason": "appeal"}))),
    // Money.
    row!("pay", [401, 201, 404, 403, 404, 404, 401], |w, role| Call::to().json(json!({"booking": w.booking().await.id, "payment_method": "pm_card_visa"}))),
    row!("listPayments", PARTIES, |w, role| Call::to().query(format!("booking={}", w.booking().await.id))),
    row!("readPayment", PARTIES, |w, role| Call::to().part(w.booking().await.payment)),
    row!("refreshPayment", PARTIES, |w, role| Call::to().part(w.booking().await.payment)),
    row!("giveRefund", [401, 403, 404, 200, 404, 200, 401], |w, role| Call::to().part(w.arriving().await.payment).json(json!({"amount_minor": 100}))),
    row!("takeWebhook", [401; 7], |w, role| Call::to().json(json!({}))),
    // Background work.
    row!("listJobs", ADMIN, |w, role| Call::to()),
    row!("retryJob", ADMIN, |w, role| Call::to().part("mail").part(w.dead_job().await)),
    row!("discardJob", [401, 403, 403, 403, 403, 204, 401], |w, role| Call::to().part("mail").part(w.dead_job().await)),
    // The hub.
    row!("connect", [426; 7], |w, role| Call::to()),
    row!("followTopics", GUEST, |w, role| Call::to().query(format!("topic=user:{}", w.guest.user))),
    row!("healthz", EVERYBODY, |w, role| Call::to()),
    row!("readyz", EVERYBODY, |w, role| Call::to()),
    row!("metrics", ANYBODY, |w, role| Call::to()),
    row!("listProblems", ANYBODY, |w, role| Call::to()),
    row!("readDocument", ANYBODY, |w, role| Call::to()),
    row!("docs", ANYBODY, |w, role| Call::to()),
    row!("docsFile", ANYBODY, |w, role| Call::to().part("swagger-ui.css")),
];
