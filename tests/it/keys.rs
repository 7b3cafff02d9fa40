//! P7: say it twice, do it once. Every command that changes something, over both edges, one after the other and at once.

use futures_util::future::join_all;
use latchkey_protocol::client::{BookingRef, Pay};
use latchkey_protocol::rest::OnProperty;
use latchkey_protocol::view::{Hold, Property};
use latchkey_protocol::{BookingId, ErrorCode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::guest::{book_hold, hold_ref};
use crate::support::hub::{cottage, list_home};
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, fresh_key, nights, refused};

/// Both edges get the same two bodies, which must both be possible, so that only the key can refuse the second.
struct Twice {
    command: &'static str,
    path: String,
    other_path: String,
    socket: [Value; 2],
    rest: [Value; 2],
}

fn value(body: &impl Serialize) -> Value {
    serde_json::to_value(body).unwrap()
}

async fn rest(guest: &Guest, path: &str, key: &str, body: &Value) -> Answer {
    guest.rest.post(path).bearer(&guest.tokens.access_token).key(key).json(body).send().await
}

/// At once and again over a socket: one answer. Another body: refused.
async fn say_twice_by_socket(guest: &Guest, case: &Twice) -> Value {
    let (key, command) = (fresh_key(), case.command);
    let key = Some(key.as_str());
    let twins = join_all((0..4).map(|_| guest.live.call(command, key, &case.socket[0]))).await;
    let first = twins[0].clone().unwrap_or_else(|error| panic!("{command}: {error:?}"));
    let again = guest.live.call(command, key, &case.socket[0]).await;
    for answer in twins.iter().chain([&again]) {
        assert_eq!(answer.as_ref(), Ok(&first), "{command}");
    }
    refused(guest.live.call(command, key, &case.socket[1]).await, ErrorCode::KeyReused);
    first
}

async fn say_twice_by_rest(guest: &Guest, case: &Twice) -> Value {
    let key = fresh_key();
    let twins = join_all((0..4).map(|_| rest(guest, &case.path, &key, &case.rest[0]))).await;
    let again = rest(guest, &case.path, &key, &case.rest[0]).await;
    let first: Value = twins[0].json();
    for answer in twins.iter().chain([&again]) {
        assert!(answer.status.is_success(), "{}: {}", case.path, answer.text());
        assert_eq!(answer.json::<Value>(), first, "{}", case.path);
    }
    rest(guest, &case.other_path, &key, &case.rest[1]).await.expect_problem(422, ErrorCode::KeyReused);
    first
}

fn case(command: &'static str, path: &str, bodies: [Value; 2]) -> Twice {
    Twice { command, path: path.to_owned(), other_path: path.to_owned(), rest: bodies.clone(), socket: bodies }
}

/// Extend and release name the hold in the path.
fn hold_case(command: &'static str, verb: &str, holds: [&Hold; 2]) -> Twice {
    let path = |hold: &Hold| format!("/holds/{}/{verb}/", hold.id);
    let on = value(&OnProperty { property: holds[0].property });
    Twice {
        command,
        path: path(holds[0]),
        other_path: path(holds[1]),
        rest: [on.clone(), on],
        socket: holds.map(|hold| value(&hold_ref(hold))),
    }
}

/// Each edge has nights of its own; `at` is where they begin.
async fn every_command_once(guest: &Guest, home: &Property, at: i32, by_rest: bool) {
    let say = async |case: Twice| if by_rest { say_twice_by_rest(guest, &case).await } else { say_twice_by_socket(guest, &case).await };
    let hold = async |first: i32| guest.hold(home, nights(at + first, 2)).await.unwrap();
    let wanted = [0, 3].map(|first| value(&nights(at + first, 2).of(home.id)));
    let held: Hold = serde_json::from_value(say(case("hold", "/holds/", wanted)).await).unwrap();
    let other = hold(6).await;
    say(hold_case("extend_hold", "extend", [&held, &other])).await;
    say(hold_case("release_hold", "release", [&held, &other])).await;

    let (first, second) = (hold(9).await, hold(12).await);
    let booked = say(case("book", "/bookings/", [value(&book_hold(&first)), value(&book_hold(&second))])).await;
    assert_eq!(booked["id"], json!(first.id));
    let second = guest.book(&second).await.unwrap().id;
    let pay = |booking: BookingId| value(&Pay { booking, payment_method: "pm_card_visa".to_owned() });
    let paid = say(case("pay", "/payments/", [pay(first.id), pay(second)])).await;
    assert_eq!((&paid["state"], &paid["captured_minor"]), (&json!("succeeded"), &json!(23_000)));

    let cancel = [first.id, second].map(|booking| value(&BookingRef { booking }));
    let [path, other_path] = [first.id, second].map(|booking| format!("/bookings/{booking}/cancel/"));
    let cancel = Twice { path, other_path, rest: [json!({}), json!({})], ..case("cancel", "", cancel) };
    assert_eq!(say(cancel).await["state"], json!("cancelled_by_guest"));
}

#[tokio::test]
async fn p7_every_command_said_twice_by_websocket_is_done_once() {
    let hub = Hub::with("--max-active-holds 100").await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    every_command_once(&ada, &home, 0, false).await;
}

#[tokio::test]
async fn p7_every_command_said_twice_by_rest_is_done_once() {
    let hub = Hub::with("--max-active-holds 100").await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    every_command_once(&ada, &home, 0, true).await;
    let mut other = cottage();
    other.title = "Another".to_owned();
    say_twice_by_rest(&ada, &case("", "/properties/", [value(&cottage()), value(&other)])).await;
    let homes: Value = hub.rest.get("/properties/").send().await.json();
    assert_eq!(homes["items"].as_array().unwrap().len(), 2, "the first home, and the one listed five times");
}

#[tokio::test]
async fn p7_a_key_belongs_to_one_user_and_one_command_and_both_edges() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let hold = ada.hold_with("same", &home, nights(0, 2)).await.unwrap();
    bob.hold_with("same", &home, nights(5, 2)).await.unwrap();
    let body = nights(0, 2).of(home.id);
    let by_rest = ada.rest.post("/holds/").bearer(&ada.tokens.access_token).key("same").json(&body).send().await;
    assert_eq!(by_rest.expect_json::<Hold>(201), hold);
    let booking = ada.live.call("book", Some("same"), &book_hold(&hold)).await.unwrap();
    assert_eq!(booking["id"], json!(hold.id));
    // The first answer stands, whatever has become of the hold since.
    assert_eq!(ada.hold_with("same", &home, nights(0, 2)).await, Ok(hold));
}

#[tokio::test]
async fn p7_a_hold_that_was_won_has_its_answer_when_its_nights_are_anothers_by_now() {
    let mut hub = Hub::start().await;
    let (mut ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&bob).await;
    bob.hold(&home, nights(9, 2)).await.unwrap();
    refused(ada.hold_with("lost", &home, nights(9, 2)).await, ErrorCode::DatesUnavailable);
    let won = ada.hold_with("won", &home, nights(0, 2)).await.unwrap();
    ada.release(&won).await.unwrap();
    bob.hold(&home, nights(0, 2)).await.unwrap();
    assert_eq!(ada.hold_with("won", &home, nights(0, 2)).await, Ok(won.clone()));
    refused(ada.hold_with("lost", &home, nights(9, 2)).await, ErrorCode::DatesUnavailable);
    refused(ada.hold_with("won", &home, nights(9, 2)).await, ErrorCode::KeyReused);
    hub.restart().await;
    ada.reconnect(hub.address).await;
    assert_eq!(ada.hold_with("won", &home, nights(0, 2)).await, Ok(won));
}

#[tokio::test]
async fn p7_a_refusal_uses_no_key_up() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let blocking = bob.hold(&home, nights(0, 2)).await.unwrap();
    refused(ada.hold_with("k", &home, nights(0, 2)).await, ErrorCode::DatesUnavailable);
    bob.release(&blocking).await.unwrap();
    ada.hold_with("k", &home, nights(0, 2)).await.unwrap();
}

#[tokio::test]
async fn p7_an_extension_repeated_after_the_release_counts_no_hold_that_is_gone() {
    let hub = Hub::with("--max-active-holds 1").await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let hold = ada.hold(&home, nights(0, 2)).await.unwrap();
    let extended = ada.live.call("extend_hold", Some("longer"), &hold_ref(&hold)).await.unwrap();
    ada.release(&hold).await.unwrap();
    assert_eq!(ada.live.call("extend_hold", Some("longer"), &hold_ref(&hold)).await, Ok(extended));
    ada.hold(&home, nights(5, 2)).await.unwrap();
}

#[tokio::test]
async fn p7_first_answers_outlive_a_restart() {
    let mut hub = Hub::start().await;
    let mut ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let hold = ada.hold_with("h", &home, nights(0, 2)).await.unwrap();
    let booking = ada.live.call("book", Some("b"), &book_hold(&hold)).await.unwrap();
    hub.restart().await;
    ada.reconnect(hub.address).await;
    assert_eq!(ada.hold_with("h", &home, nights(0, 2)).await, Ok(hold.clone()));
    assert_eq!(ada.live.call("book", Some("b"), &book_hold(&hold)).await, Ok(booking));
    refused(ada.hold_with("h", &home, nights(7, 2)).await, ErrorCode::KeyReused);
}
