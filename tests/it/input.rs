//! Bad input, row by row: each gets its typed error and disturbs nobody.

use http::Method;
use latchkey_protocol::error::Detail;
use latchkey_protocol::{ErrorCode, PropertyId};
use serde_json::{Value, json};

use crate::support::hub::{cottage, list_home};
use crate::support::rest::Answer;
use crate::support::{Dates, Guest, Hub, fresh_key, nights, refused, today};

fn days(from: i32, to: i32) -> Dates {
    Dates { check_in: today().saturating_add(from), check_out: today().saturating_add(to) }
}

/// Bodies of a hold or a quote with what each is refused with, and the field or rule it names.
fn bad_stays(home: PropertyId) -> Vec<(Value, ErrorCode, Option<&'static str>)> {
    let stay = |dates: Dates| serde_json::to_value(dates.of(home)).unwrap();
    let with = |field: &str, value: Value| {
        let mut body = stay(nights(0, 2));
        body[field] = value;
        body
    };
    let mut lacking = stay(nights(0, 2));
    lacking.as_object_mut().unwrap().remove("check_out");
    vec![
        (stay(days(-10, -8)), ErrorCode::RuleViolated, Some("not_in_the_past")),
        (stay(days(12, 10)), ErrorCode::Invalid, Some("check_out")),
        (stay(days(10, 10)), ErrorCode::Invalid, Some("check_out")),
        (stay(days(10, 410)), ErrorCode::Invalid, Some("check_out")),
        (stay(days(10, 50)), ErrorCode::RuleViolated, Some("max_nights")),
        (stay(days(725, 740)), ErrorCode::RuleViolated, Some("booking_window")),
        (with("guests", json!(0)), ErrorCode::Invalid, Some("guests")),
        (with("guests", json!(5)), ErrorCode::RuleViolated, Some("max_guests")),
        (with("guests", json!(-1)), ErrorCode::Invalid, None),
        (with("guests", json!(100_000)), ErrorCode::Invalid, None),
        (with("property", json!(PropertyId::from_bytes([4; 16]))), ErrorCode::NotFound, None),
        (with("property", json!("nonsense")), ErrorCode::Invalid, None),
        (with("check_in", json!("2027-02-30")), ErrorCode::Invalid, None),
        (with("check_in", json!("0000-00-00")), ErrorCode::Invalid, None),
        (with("check_in", json!(7)), ErrorCode::Invalid, None),
        (with("price", json!(1)), ErrorCode::Invalid, Some("price")),
        (lacking, ErrorCode::Invalid, Some("check_out")),
        (json!([home, "2027-01-01", "2027-01-02", 1]), ErrorCode::Invalid, None),
        (json!("text"), ErrorCode::Invalid, None),
        (json!(null), ErrorCode::Invalid, None),
    ]
}

const fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::NotFound => 404,
        _ => 422,
    }
}

#[tokio::test]
async fn a_stay_that_cannot_be_is_refused_with_its_reason_on_both_edges() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    for (body, code, names) in bad_stays(home.id) {
        for command in ["quote", "hold"] {
            let error = refused(ada.live.call(command, Some(&fresh_key()), &body).await, code);
            let path = format!("/{command}s/");
            let problem = ada.post(&path, &body).send().await.expect_problem(status(code), code);
            if let Some(names) = names {
                let name =
                    |details: &std::collections::BTreeMap<String, Detail>| details.get("rule").or_else(|| details.get("field")).cloned();
                assert_eq!(name(&error.details), Some(names.into()), "{command} {body}");
                assert_eq!(name(&problem.error.details), Some(names.into()), "{command} {body}");
            }
        }
    }
    ada.hold(&home, nights(0, 2)).await.unwrap();
}

#[tokio::test]
async fn a_home_that_cannot_be_listed_names_its_field() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    ada.become_host().await;
    let rows = [
        ("title", json!("")),
        ("title", json!("x".repeat(121))),
        ("city", json!(" ")),
        ("time_zone", json!("Mars/Olympus")),
        ("max_guests", json!(0)),
        ("max_guests", json!(51)),
        ("currency", json!("EURO")),
        ("nightly_minor", json!(0)),
        ("nightly_minor", json!(-5)),
        ("nightly_minor", json!(i64::MAX)),
        ("cleaning_fee_minor", json!(-1)),
        ("cleaning_fee_minor", json!(1_000_000_001)),
        ("min_nights", json!(0)),
        ("max_nights", json!(366)),
        ("max_nights", json!(0)),
        ("description", json!("x".repeat(5_001))),
        ("country", json!("at")),
        ("address", json!("")),
        ("location", json!(null)),
        ("house_rules", json!("x".repeat(2_001))),
        ("bedrooms", json!(51)),
        ("check_in_until_minute", json!(900)),
        ("check_out_until_minute", json!(1_440)),
        ("weekend_minor", json!(0)),
        ("included_guests", json!(0)),
        ("tax_bp", json!(5_001)),
        ("preparation_days", json!(8)),
        ("check_in_days", json!([])),
        ("seasons", json!([{"from": "2027-01-01", "to": "2027-02-01"}, {"from": "2027-01-31", "to": "2027-03-01"}])),
        ("price", json!(1)),
    ];
    for (field, value) in rows {
        let mut body = serde_json::to_value(cottage()).unwrap();
        body[field] = value.clone();
        let problem = ada.post("/properties/", &body).send().await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], field.into(), "{value}");
    }
    for number in ["1e30", "9223372036854775808", "1.5", "\"100\""] {
        let body = serde_json::to_string(&cottage()).unwrap().replace("10000", number);
        let answer = ada.post("/properties/", &json!({})).text(&body).send().await;
        answer.expect_problem(422, ErrorCode::Invalid);
    }
    let dearest = json!({ "nightly_minor": 1_000_000_000, "cleaning_fee_minor": 1_000_000_000, "max_nights": 365 });
    let mut body = serde_json::to_value(cottage()).unwrap();
    body.as_object_mut().unwrap().extend(dearest.as_object().unwrap().clone());
    let home = ada.post("/properties/", &body).send().await.expect_json(201);
    let quote = ada.quote(&home, nights(0, 365)).await.unwrap();
    assert_eq!(quote.total_minor, 366_000_000_000, "the dearest stay there is does not overflow");
}

/// A hold with everything right but what the row says.
async fn hold_with(guest: &Guest, token: Option<&str>, key: Option<&str>, body: &str) -> Answer {
    let mut request = guest.rest.post("/holds/").text(body);
    if let Some(token) = token {
        request = request.header(http::header::AUTHORIZATION, token);
    }
    if let Some(key) = key {
        request = request.key(key);
    }
    request.send().await
}

#[tokio::test]
async fn a_request_without_its_token_key_or_body_gets_its_problem() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let body = serde_json::to_string(&nights(0, 2).of(home.id)).unwrap();
    let token = format!("Bearer {}", ada.tokens.access_token);
    let (long, longest) = ("k".repeat(129), "k".repeat(128));
    let huge = format!("{}{}", body, " ".repeat(64 * 1024));
    let rows = [
        (None, Some("k"), body.as_str(), 401, ErrorCode::Unauthenticated),
        (Some("Bearer nonsense"), Some("k"), &body, 401, ErrorCode::Unauthenticated),
        (Some("Basic YTpi"), Some("k"), &body, 401, ErrorCode::Unauthenticated),
        (Some(&token), None, &body, 400, ErrorCode::KeyRequired),
        (Some(&token), Some(""), &body, 400, ErrorCode::KeyRequired),
        (Some(&token), Some(&long), &body, 400, ErrorCode::KeyRequired),
        (Some(&token), Some("k"), "", 400, ErrorCode::Malformed),
        (Some(&token), Some("k"), "{\"property\":", 400, ErrorCode::Malformed),
        (Some(&token), Some("k"), "not json", 400, ErrorCode::Malformed),
        (Some(&token), Some("k"), "[]", 422, ErrorCode::Invalid),
        (Some(&token), Some("k"), &huge, 413, ErrorCode::TooLarge),
    ];
    for (token, key, body, status, code) in rows {
        let answer = hold_with(&ada, token, key, body).await;
        answer.expect_problem(status, code);
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    }
    refused(ada.live.call("hold", None, &nights(0, 2).of(home.id)).await, ErrorCode::KeyRequired);
    refused(ada.live.call("hold", Some(&long), &nights(0, 2).of(home.id)).await, ErrorCode::KeyRequired);
    assert_eq!(hold_with(&ada, Some(&token), Some(&longest), &body).await.status, 201);
}

#[tokio::test]
async fn a_route_a_method_or_a_query_that_is_not_there_gets_its_problem() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await.id;
    let rows = [
        (Method::GET, "/nowhere/".to_owned(), 404, ErrorCode::NotFound),
        (Method::GET, "/".to_owned(), 404, ErrorCode::NotFound),
        (Method::GET, "/properties/nonsense/".to_owned(), 404, ErrorCode::NotFound),
        (Method::GET, format!("/properties/{}/", PropertyId::from_bytes([4; 16])), 404, ErrorCode::NotFound),
        (Method::GET, format!("/properties/{}/calendar/", PropertyId::from_bytes([4; 16])), 404, ErrorCode::NotFound),
        (Method::PUT, "/holds/".to_owned(), 405, ErrorCode::MethodNotAllowed),
        (Method::DELETE, "/properties/".to_owned(), 405, ErrorCode::MethodNotAllowed),
        (Method::POST, "/users/me/".to_owned(), 405, ErrorCode::MethodNotAllowed),
        (Method::GET, "/auth/login/".to_owned(), 405, ErrorCode::MethodNotAllowed),
        (Method::GET, "/properties/?limit=0".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, "/properties/?limit=101".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, "/properties/?limit=many".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, "/properties/?cursor=nonsense".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, "/properties/?order=price".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, "/payments/?booking=nonsense".to_owned(), 422, ErrorCode::Invalid),
        (Method::GET, format!("/properties/{home}/calendar/?from=2099-01-01&to=2098-01-01"), 422, ErrorCode::Invalid),
        (Method::GET, format!("/properties/{home}/calendar/?to=2099-01-01"), 422, ErrorCode::Invalid),
        (Method::GET, format!("/properties/{home}/calendar/?from=nonsense"), 422, ErrorCode::Invalid),
    ];
    for (method, path, status, code) in rows {
        let request = ada.rest.request(method, &path).bearer(&ada.tokens.access_token);
        request.send().await.expect_problem(status, code);
    }
}

#[tokio::test]
async fn a_guest_who_hoards_is_refused_and_others_are_not() {
    let hub = Hub::with("--max-active-holds 3").await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let mut holds = Vec::new();
    for number in 0..3 {
        holds.push(ada.hold(&home, nights(number * 3, 2)).await.unwrap());
    }
    let error = refused(ada.hold(&home, nights(20, 2)).await, ErrorCode::HoldLimit);
    assert_eq!(error.details["limit"], Detail::Number(3));
    ada.post("/holds/", &nights(20, 2).of(home.id)).send().await.expect_problem(429, ErrorCode::HoldLimit);
    bob.hold(&home, nights(20, 2)).await.unwrap();
    // A refused hold and a released one count no more; a booked one counts until it is paid.
    ada.release(&holds[0]).await.unwrap();
    refused(ada.hold(&home, nights(20, 2)).await, ErrorCode::DatesUnavailable);
    ada.hold(&home, nights(30, 2)).await.unwrap();
    refused(ada.hold(&home, nights(40, 2)).await, ErrorCode::HoldLimit);
    let booking = ada.book(&holds[1]).await.unwrap();
    refused(ada.hold(&home, nights(40, 2)).await, ErrorCode::HoldLimit);
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    ada.hold(&home, nights(40, 2)).await.unwrap();
    hub.advance_s(20);
    ada.hold(&home, nights(50, 2)).await.unwrap();
}

#[tokio::test]
async fn nights_that_were_just_held_are_left_to_others_for_a_while() {
    let hub = Hub::with("--hold-cooldown-seconds 15").await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let hold = ada.hold(&home, nights(0, 3)).await.unwrap();
    ada.release(&hold).await.unwrap();
    let error = refused(ada.hold(&home, nights(2, 3)).await, ErrorCode::HoldCooldown);
    let Detail::Number(until) = error.details["until"] else { panic!("{error:?}") };
    assert!(until > hub.now() && until <= hub.now() + 15_000);
    ada.hold(&home, nights(3, 2)).await.unwrap();
    let theirs = bob.hold(&home, nights(0, 3)).await.unwrap();
    bob.release(&theirs).await.unwrap();
    hub.advance_s(15);
    ada.hold(&home, nights(0, 3)).await.unwrap();
}
