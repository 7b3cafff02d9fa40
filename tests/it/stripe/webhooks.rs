//! Stripe's webhooks, as the provider reads them.

use http::HeaderMap;
use latchkey::domain::payment::{Dispute, DisputeState};
use latchkey::provider::stripe::SIGNATURE_HEADER;
use latchkey::provider::webhook::{WebhookError, WebhookEvent};
use serde_json::{Value, json};

use super::*;
use crate::support::stripe::{Account, Trouble};

use AttemptResult::{Authorised, Canceled, Processing, Succeeded};

impl Bench {
    async fn open(&self, event: &Value) -> Result<Option<WebhookEvent>, WebhookError> {
        let body = event.to_string();
        let headers = signed(&body, self.clock.now());
        self.stripe.open_webhook(&headers, body.as_bytes(), self.clock.now()).await
    }

    /// The event that happened last.
    fn last(&self) -> Value {
        self.server.account(|account| account.events.last().unwrap().clone())
    }

    #[track_caller]
    fn expected(&self, event: &Value, attempt: u32, result: AttemptResult) -> WebhookEvent {
        WebhookEvent { id: event["id"].as_str().unwrap().to_owned(), payment: self.payment, report: of(attempt, result) }
    }
}

pub(super) fn signed(body: &str, now: i64) -> HeaderMap {
    let signature = secret().sign(body.as_bytes(), now).parse().unwrap();
    HeaderMap::from_iter([(http::HeaderName::from_static(SIGNATURE_HEADER), signature)])
}

#[tokio::test]
async fn every_step_of_a_payment_is_read_with_the_attempt_that_it_is_about() {
    let bench = Bench::start().await;
    let mut seen = Vec::new();
    bench.charge(DECLINED, 1).await.unwrap();
    seen.push((bench.last(), 1, AttemptResult::Declined { reason: "generic_decline".to_owned() }));
    bench.charge(AUTHENTICATION, 2).await.unwrap();
    seen.push((bench.last(), 2, AttemptResult::RequiresAction { client_secret: Some("pi_1_secret_canary".to_owned()) }));
    bench.charge(VISA, 3).await.unwrap();
    seen.push((bench.last(), 3, Authorised));
    bench.stripe.capture(bench.intent()).await.unwrap();
    seen.push((bench.last(), 3, Succeeded));
    bench.refund(5_000).await.unwrap();
    seen.push((bench.last(), 0, AttemptResult::Refunded { total_minor: 5_000, failed_minor: 0 }));
    // An event tells its object as it was then: so the order in which they come does not matter.
    for (event, attempt, result) in seen.into_iter().rev() {
        assert_eq!(bench.open(&event).await, Ok(Some(bench.expected(&event, attempt, result))), "{event}");
    }
}

#[tokio::test]
async fn what_is_slow_and_what_is_given_up_is_read() {
    let bench = Bench::start().await;
    bench.charge("pm_slow", 1).await.unwrap();
    assert_eq!(bench.open(&bench.last()).await, Ok(Some(bench.expected(&bench.last(), 1, Processing))));
    let bench = Bench::start().await;
    bench.stripe.void(bench.intent()).await.unwrap();
    assert_eq!(bench.open(&bench.last()).await, Ok(Some(bench.expected(&bench.last(), 1, Canceled))));
}

#[tokio::test]
async fn p9_money_that_was_set_aside_and_is_let_go_of_did_not_come_in_and_go_back() {
    let bench = Bench::start().await;
    bench.charge(VISA, 1).await.unwrap();
    bench.stripe.void(bench.intent()).await.unwrap();
    let events = bench.server.account(|account| account.events.clone());
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["payment_intent.amount_capturable_updated", "charge.refunded", "payment_intent.canceled"]);
    assert_eq!(bench.open(&events[1]).await, Ok(None), "it was never captured");
    assert_eq!(bench.open(&events[2]).await, Ok(Some(bench.expected(&events[2], 1, Canceled))));
}

#[tokio::test]
async fn what_is_said_of_refunds_is_what_they_are_now_whichever_event_says_it_and_whenever() {
    let bench = Bench::start().await;
    bench.paid().await;
    let seen = bench.server.account(|account| account.events.len());
    bench.refund(5_000).await.unwrap();
    bench.server.account(Account::fail_refund);
    bench.refund(8_000).await.unwrap();
    let events = bench.server.account(|account| account.events.split_off(seen));
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(told, ["charge.refunded", "refund.updated", "refund.failed", "charge.refunded"]);
    for event in &events {
        let now = AttemptResult::Refunded { total_minor: 8_000, failed_minor: 5_000 };
        assert_eq!(bench.open(event).await, Ok(Some(bench.expected(event, 0, now))), "{event}");
    }
    bench.server.trouble("list_refunds", Trouble::Hangs);
    assert!(matches!(bench.open(&events[1]).await, Err(WebhookError::Unreachable(_))), "it is to be sent again");
    let mut going = events[1].clone();
    going["data"]["object"]["status"] = json!("pending");
    assert_eq!(bench.open(&going).await, Ok(None), "it has counted as gone since it was made");
}

#[tokio::test]
async fn a_dispute_is_read_by_asking_whose_it_is_and_an_inquiry_is_none() {
    let bench = Bench::start().await;
    bench.paid().await;
    for (status, state) in [
        ("warning_needs_response", None),
        ("needs_response", Some(DisputeState::Open)),
        ("under_review", Some(DisputeState::Open)),
        ("won", Some(DisputeState::Won)),
        ("lost", Some(DisputeState::Lost)),
    ] {
        bench.server.account(|account| account.dispute(status, "charge.dispute.updated"));
        let event = bench.last();
        let expected = state.map(|state| bench.expected(&event, 0, AttemptResult::Disputed(Dispute { amount_minor: 23_000, state })));
        assert_eq!(bench.open(&event).await, Ok(expected), "{status}");
    }
    bench.server.trouble("retrieve", Trouble::Hangs);
    assert!(matches!(bench.open(&bench.last()).await, Err(WebhookError::Unreachable(_))), "it is to be sent again");
    assert!(matches!(bench.open(&bench.last()).await, Ok(Some(_))));
}

#[tokio::test]
async fn what_is_of_no_interest_or_not_ours_changes_nothing() {
    let bench = Bench::start().await;
    bench.charge(VISA, 1).await.unwrap();
    let mut foreign = bench.last();
    foreign["data"]["object"]["metadata"] = json!({"payment": "an order of another shop"});
    let mut captured = bench.last();
    captured["data"]["object"]["status"] = json!("succeeded");
    let customer = json!({"id": "evt_9", "object": "event", "type": "customer.created", "data": {"object": {"id": "cus_1"}}});
    let stranger = json!({"id": "evt_8", "object": "event", "type": "charge.dispute.created", "data": {"object":
        {"id": "du_9", "amount": 1, "currency": "eur", "status": "lost", "payment_intent": "pi_of_another_shop"}}});
    for event in [foreign, captured, customer, stranger] {
        assert_eq!(bench.open(&event).await, Ok(None), "{event}");
    }
}

#[tokio::test]
async fn what_is_not_signed_by_stripe_is_not_read_and_nothing_is_asked_because_of_it() {
    let bench = Bench::start().await;
    bench.paid().await;
    bench.server.account(|account| account.dispute("lost", "charge.dispute.closed"));
    let (body, now) = (bench.last().to_string(), bench.clock.now());
    let asked = bench.server.asked("retrieve").len();
    for (headers, at, expected) in [
        (HeaderMap::new(), now, WebhookError::BadSignature),
        (signed("another body", now), now, WebhookError::BadSignature),
        (signed(&body, now), now + 301_000, WebhookError::Stale),
    ] {
        assert_eq!(bench.stripe.open_webhook(&headers, body.as_bytes(), at).await, Err(expected));
    }
    assert_eq!(bench.server.asked("retrieve").len(), asked);
    for body in ["{}", "nonsense", "{\"id\":\"evt_1\",\"type\":\"payment_intent.succeeded\",\"data\":{\"object\":{}}}"] {
        assert_eq!(bench.stripe.open_webhook(&signed(body, now), body.as_bytes(), now).await, Err(WebhookError::Malformed), "{body}");
    }
}
