//! Two ways into a hub, the services and REST, with one kind of answer: JSON or a refusal.

use std::sync::Arc;

use http::Method;
use latchkey::service::stays::Answer;
use latchkey::service::{Caller, IdempotencyKey, ServiceError, Services};
use latchkey_protocol::rest::{CalendarWindow, OnProperty, Page, Problem, ReadNotifications, Visit};
use latchkey_protocol::view::Notification;
use latchkey_protocol::{NotificationId, SessionId, UserId, WireError};
use serde::Serialize;
use serde_json::{Value, json};

use super::ask::{Ask, Word};
use crate::support::Rest;
use crate::support::rest::Request;

/// What a hub says to an ask.
pub(super) type Told = Result<Value, WireError>;

/// Somebody with an account.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) user: UserId,
    pub(super) token: String,
}

impl Person {
    /// The same as a caller whose token does not run out: a history outlives every token.
    fn caller(&self) -> Caller {
        Caller { user: self.user, session: SessionId::from_bytes([7; 16]), expires_at: i64::MAX }
    }
}

/// A way in.
#[derive(Clone)]
pub(super) enum Door {
    Services(Arc<Services>),
    Rest(Box<Rest>),
}

impl Door {
    /// Asks; nothing if the connection broke before the answer.
    pub(super) async fn ask(&self, who: &Person, key: &str, ask: &Ask) -> Option<Told> {
        match self {
            Self::Services(services) => {
                let (caller, key) = (who.caller(), IdempotencyKey::new(key).unwrap());
                let told = Box::pin(serve(services, &caller, key, ask)).await;
                Some(told.map_err(|error| error.to_wire()))
            }
            Self::Rest(rest) => Box::pin(send(rest, who, key, ask)).await,
        }
    }
}

fn told<T: Serialize>(view: T) -> Value {
    serde_json::to_value(view).unwrap()
}

async fn serve(services: &Services, caller: &Caller, key: IdempotencyKey, ask: &Ask) -> Result<Value, ServiceError> {
    let (bookings, stays, payments) = (&services.bookings, &services.stays, &services.payments);
    Ok(match ask.clone() {
        Ask::Quote(ask) => told(bookings.quote(Some(caller.user), ask).await?),
        Ask::Hold(ask) => told(bookings.hold(caller, key, ask).await?),
        Ask::Extend(ask) => told(bookings.extend_hold(caller, key, ask).await?),
        Ask::Release(ask) => told(bookings.release_hold(caller, key, ask).await?),
        Ask::Book(ask) => told(bookings.book(caller, key, ask).await?),
        Ask::Pay(ask) => told(payments.pay(caller, key, ask).await?),
        Ask::Refresh(payment) => told(payments.refresh(caller, payment).await?),
        Ask::Stay(booking, word) => told(stay(services, caller, key, booking, word).await?),
        Ask::Propose(booking, ask) => told(stays.propose_alteration(caller, key, booking, ask).await?),
        Ask::Answer(booking, number, answer) => told(stays.answer_alteration(caller, key, booking, number, answer).await?),
        Ask::GiveRefund(payment, ask) => told(payments.give_refund(caller, key, payment, ask).await?),
        Ask::Send(booking, ask) => told(services.messages.send(caller, key, booking, ask).await?),
        Ask::ReadMessages(booking, ask) => told(services.messages.mark_read(caller, booking, ask).await?),
        Ask::Review(booking, ask) => told(services.reviews.submit(caller, key, booking, &ask).await?),
        Ask::Reply(review, ask) => told(services.reviews.answer(caller, key, review, &ask).await?),
        Ask::ReadNotifications => {
            let newest = services.notifications.list(caller, None, false, 1).await?.pop();
            told(services.notifications.mark_read(caller, &up_to(newest.map(|newest| newest.id))).await?)
        }
        Ask::Block(property, ask) => told(services.listings.block(caller, key, property, &ask).await?),
        Ask::Unblock(property, block) => told(services.listings.unblock(caller, property, block).await?),
        Ask::Publish(property) => told(services.listings.publish(caller, property).await?),
        Ask::Unlist(property) => told(services.listings.unlist(caller, property).await?),
        Ask::FindHold(ask) => told(bookings.find_hold(caller, ask.hold, ask.property).await?),
        Ask::FindBooking(booking) => told(stays.find(caller, booking, None).await?),
        Ask::FindThread(booking) => told(services.messages.find_thread(caller, booking).await?),
        Ask::Cancellation(booking) => told(stays.cancellation(caller, booking).await?),
        Ask::Payments(booking) => told(payments.list_of(caller, booking).await?),
        Ask::Reviews(booking) => told(services.reviews.of_booking(caller, booking).await?),
        Ask::Calendar(property) => told(bookings.calendar(Some(caller.user), property, CalendarWindow::default()).await?),
    })
}

async fn stay(
    services: &Services,
    caller: &Caller,
    key: IdempotencyKey,
    booking: latchkey_protocol::BookingId,
    word: Word,
) -> Result<latchkey_protocol::view::Booking, ServiceError> {
    let (stays, ask) = (&services.stays, latchkey_protocol::client::BookingRef { booking });
    match word {
        Word::Accept => stays.accept(caller, key, ask).await,
        Word::Decline => stays.decline(caller, key, ask).await,
        Word::Cancel => stays.cancel(caller, key, ask).await,
        Word::NoShow => stays.mark_no_show(caller, key, ask).await,
        Word::CheckIn => stays.check_in(caller, key, booking, Visit::default()).await,
        Word::CheckOut => stays.check_out(caller, key, booking, Visit::default()).await,
        Word::LeaveEarly => stays.leave_early(caller, key, booking, Visit::default()).await,
    }
}

fn up_to(newest: Option<NotificationId>) -> ReadNotifications {
    ReadNotifications { up_to: newest, notifications: newest.is_none().then(Vec::new) }
}

async fn send(rest: &Rest, who: &Person, key: &str, ask: &Ask) -> Option<Told> {
    if matches!(ask, Ask::ReadNotifications) {
        let newest = answered(rest.get("/notifications/?limit=1").bearer(&who.token)).await?.unwrap();
        let newest: Page<Notification> = serde_json::from_value(newest).unwrap();
        let body = up_to(newest.items.first().map(|newest| newest.id));
        return answered(rest.post("/notifications/read/").bearer(&who.token).json(&body)).await;
    }
    let (method, path, body) = spelt(ask);
    let mut request = rest.request(method, &path).bearer(&who.token);
    if ask.is_keyed() {
        request = request.key(key);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let told = answered(request).await?;
    Some(told.map(|value| match ask {
        Ask::Payments(_) => value["items"].clone(),
        _ => value,
    }))
}

/// An ask as REST spells it.
fn spelt(ask: &Ask) -> (Method, String, Option<Value>) {
    let on_home = |ask: &latchkey_protocol::client::HoldRef| json!(OnProperty { property: ask.property });
    let post = |path: String, body: Value| (Method::POST, path, Some(body));
    let get = |path: String| (Method::GET, path, None);
    match ask {
        Ask::Quote(ask) => post("/quotes/".to_owned(), json!(ask)),
        Ask::Hold(ask) => post("/holds/".to_owned(), json!(ask)),
        Ask::Extend(ask) => post(format!("/holds/{}/extend/", ask.hold), on_home(ask)),
        Ask::Release(ask) => post(format!("/holds/{}/release/", ask.hold), on_home(ask)),
        Ask::Book(ask) => post("/bookings/".to_owned(), json!(ask)),
        Ask::Pay(ask) => post("/payments/".to_owned(), json!(ask)),
        Ask::Refresh(payment) => post(format!("/payments/{payment}/refresh/"), json!({})),
        Ask::Stay(booking, word) => post(format!("/bookings/{booking}/{}/", word.path()), json!({})),
        Ask::Propose(booking, ask) => post(format!("/bookings/{booking}/alterations/"), json!(ask)),
        Ask::Answer(booking, number, answer) => {
            let answer = match answer {
                Answer::Accept => "accept",
                Answer::Decline => "decline",
                Answer::Withdraw => "withdraw",
            };
            post(format!("/bookings/{booking}/alterations/{number}/{answer}/"), json!({}))
        }
        Ask::GiveRefund(payment, ask) => post(format!("/payments/{payment}/refunds/"), json!(ask)),
        Ask::Send(booking, ask) => post(format!("/bookings/{booking}/messages/"), json!(ask)),
        Ask::ReadMessages(booking, ask) => post(format!("/bookings/{booking}/messages/read/"), json!(ask)),
        Ask::Review(booking, ask) => post(format!("/bookings/{booking}/reviews/"), json!(ask)),
        Ask::Reply(review, ask) => post(format!("/reviews/{review}/reply/"), json!(ask)),
        Ask::ReadNotifications => unreachable!("it is two requests"),
        Ask::Block(property, ask) => post(format!("/properties/{property}/blocks/"), json!(ask)),
        Ask::Unblock(property, block) => (Method::DELETE, format!("/properties/{property}/blocks/{block}/"), None),
        Ask::Publish(property) => post(format!("/properties/{property}/publish/"), json!({})),
        Ask::Unlist(property) => post(format!("/properties/{property}/unlist/"), json!({})),
        Ask::FindHold(ask) => get(format!("/holds/{}/?property={}", ask.hold, ask.property)),
        Ask::FindBooking(booking) => get(format!("/bookings/{booking}/")),
        Ask::FindThread(booking) => get(format!("/threads/{booking}/")),
        Ask::Cancellation(booking) => get(format!("/bookings/{booking}/cancellation/")),
        Ask::Payments(booking) => get(format!("/payments/?booking={booking}")),
        Ask::Reviews(booking) => get(format!("/bookings/{booking}/reviews/")),
        Ask::Calendar(property) => get(format!("/properties/{property}/calendar/")),
    }
}

async fn answered(request: Request<'_>) -> Option<Told> {
    let answer = crate::support::within("an answer", request.try_send()).await.ok()?;
    if !answer.status.is_success() {
        // A body that was cut off is no answer.
        return serde_json::from_slice::<Problem>(&answer.body).ok().map(|problem| Err(problem.error));
    }
    if answer.body.is_empty() {
        return (answer.status == 204).then_some(Ok(Value::Null));
    }
    serde_json::from_slice(&answer.body).ok().map(Ok)
}
