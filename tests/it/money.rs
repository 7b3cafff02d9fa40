//! P9: money adds up. Payments of every outcome, webhooks of every kind, and the ledger read behind the hub's back.

use latchkey::provider::sandbox::{SIGNATURE_HEADER, SandboxEvent, What};
use latchkey::provider::webhook::WebhookSecret;
use latchkey_protocol::view::{Booking, BookingState, Payment, PaymentState};
use latchkey_protocol::{ErrorCode, PaymentId};
use serde_json::Value;

use crate::support::hub::{WEBHOOK_SECRET, list_home};
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, eventually, nights, refused};

fn event(id: &str, what: What, payment: PaymentId) -> Vec<u8> {
    serde_json::to_vec(&SandboxEvent { id: id.to_owned(), what, payment, attempt: 1 }).unwrap()
}

async fn deliver(hub: &Hub, body: &[u8], signature: &str) -> Answer {
    let request = hub.rest.post("/webhooks/payments/").text(std::str::from_utf8(body).unwrap());
    request.header(http::HeaderName::from_static(SIGNATURE_HEADER), signature).send().await
}

async fn deliver_signed(hub: &Hub, body: &[u8]) -> Answer {
    deliver(hub, body, &WebhookSecret::new(WEBHOOK_SECRET.as_bytes()).sign(body, hub.now())).await
}

/// The payment, once all that is owed has gone back.
async fn refunded(guest: &Guest, booking: &Booking) -> Payment {
    let probe = || async {
        let payment = guest.payment(booking.id).await;
        (payment.refunded_minor == payment.captured_minor && payment.captured_minor > 0).then_some(payment)
    };
    eventually("the refund", probe).await
}

#[tokio::test]
async fn a_declined_card_says_why_and_another_one_pays() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    for _ in 0..2 {
        let declined = ada.pay(&booking, "pm_card_declined").await.unwrap();
        assert_eq!((declined.state, declined.captured_minor), (PaymentState::RequiresPaymentMethod, 0));
        assert_eq!(declined.decline_reason.as_deref(), Some("card_declined"));
    }
    let paid = ada.pay(&booking, "pm_card_visa").await.unwrap();
    assert_eq!((paid.state, paid.captured_minor, paid.decline_reason), (PaymentState::Succeeded, 23_000, None));
    // Two declines; set aside, and taken.
    hub.webhooks_taken(4).await;
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Confirmed, "late words of the declined attempts change nothing");
    refused(ada.pay(&booking, "pm_card_visa").await, ErrorCode::InvalidState);
}

#[tokio::test]
async fn a_card_that_needs_authentication_pays_when_its_guest_is_back_from_the_bank() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let asked = ada.pay(&booking, "pm_card_authentication_required").await.unwrap();
    assert_eq!(asked.state, PaymentState::RequiresAction);
    assert_eq!(ada.booking(booking.id).await.state, BookingState::PendingPayment);
    let paid = ada.pay(&booking, "pm_card_authentication_required").await.unwrap();
    assert_eq!(paid.state, PaymentState::Succeeded);
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Confirmed);
}

#[tokio::test]
async fn a_payment_that_settles_late_but_in_time_confirms_its_booking() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    ada.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    assert_eq!(ada.pay(&booking, "pm_card_settles_late").await.unwrap().state, PaymentState::Processing);
    refused(ada.pay(&booking, "pm_card_visa").await, ErrorCode::InvalidState);
    hub.advance_s(3);
    ada.hears("booking.confirmed").await;
    assert_eq!(ada.payment(booking.id).await.captured_minor, 23_000);
}

#[tokio::test]
async fn a_cancelled_booking_is_refunded_and_its_nights_are_free() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    for (number, by_host) in [false, true].into_iter().enumerate() {
        let booking = ada.hold_and_book(&home, nights(0, 2)).await;
        ada.pay(&booking, "pm_card_visa").await.unwrap();
        let canceller = if by_host { &host } else { &ada };
        let cancelled = canceller.cancel(&booking).await.unwrap();
        let expected = if by_host { BookingState::CancelledByHost } else { BookingState::CancelledByGuest };
        assert_eq!(cancelled.state, expected);
        let payment = refunded(&ada, &booking).await;
        assert_eq!((payment.captured_minor, payment.refunded_minor), (23_000, 23_000));
        refused(canceller.cancel(&booking).await, ErrorCode::InvalidState);
        hub.webhooks_taken(3 * (number + 1)).await;
    }
    ada.live.ping().await;
    let heard = ada.heard();
    assert_eq!(heard.iter().filter(|kind| *kind == "booking.cancelled").count(), 2, "{heard:?}");
    // Owed and sent, for each of the two.
    assert_eq!(heard.iter().filter(|kind| *kind == "payment.refunded").count(), 4, "{heard:?}");
    ada.hold(&home, nights(0, 2)).await.unwrap();
}

#[tokio::test]
async fn p7_a_webhook_counts_once_and_only_if_it_is_ours_and_fresh() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let body = event("evt_test", What::Succeeded, booking.payment);
    let (secret, wrong) = (WebhookSecret::new(WEBHOOK_SECRET.as_bytes()), WebhookSecret::new(b"another secret"));
    for signature in [String::new(), "t=1,v1=00".to_owned(), wrong.sign(&body, hub.now()), secret.sign(&body, hub.now() - 301_000)] {
        deliver(&hub, &body, &signature).await.expect_problem(401, ErrorCode::Unauthenticated);
    }
    deliver_signed(&hub, b"{}").await.expect_problem(400, ErrorCode::Malformed);
    let unknown = event("evt_unknown", What::Succeeded, PaymentId::from_bytes([3; 16]));
    deliver_signed(&hub, &unknown).await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(ada.payment(booking.id).await.captured_minor, 0, "none of these moved anything");

    let twins = futures_util::future::join_all((0..4).map(|_| deliver_signed(&hub, &body))).await;
    let again = deliver_signed(&hub, &body).await;
    assert!(twins.iter().chain([&again]).all(|answer| answer.status == 204), "{twins:?}");
    ada.live.ping().await;
    let heard = ada.heard();
    assert_eq!(heard, ["booking.created", "payment.succeeded", "booking.confirmed", "notification.created"]);
}

#[tokio::test]
async fn p9_the_ledger_balances_and_refunds_never_exceed_captures() {
    let mut hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    let mut expected = Vec::new();
    // Paid and kept, cancelled by either side, cancelled before it was paid.
    for (number, paid, canceller) in [(0, true, None), (1, true, Some(&ada)), (2, true, Some(&host)), (3, false, Some(&ada))] {
        let booking = ada.hold_and_book(&home, nights(number * 3, 2)).await;
        if paid {
            ada.pay(&booking, "pm_card_visa").await.unwrap();
        }
        if let Some(canceller) = canceller {
            canceller.cancel(&booking).await.unwrap();
        }
        if paid && canceller.is_some() {
            refunded(&ada, &booking).await;
        }
        // A provider that errs about how much went back; or somebody who refunded a part at the provider's own pages.
        let total_minor = if canceller.is_some() { 1_000_000 } else { 3_000 };
        let word = event(&format!("evt_refund_{number}"), What::Refunded { total_minor }, booking.payment);
        let status = deliver_signed(&hub, &word).await.status;
        assert_eq!(status, 204);
        let payment = ada.payment(booking.id).await;
        assert!(payment.refunded_minor <= payment.captured_minor && payment.captured_minor <= payment.amount_minor, "{payment:?}");
        // Nothing was ever charged for the last one, so what is said to have gone back was: and it did.
        expected.push((booking.id.to_string(), payment.captured_minor - payment.refunded_minor));
    }
    let late = ada.hold_and_book(&home, nights(20, 2)).await;
    ada.pay(&late, "pm_card_settles_late").await.unwrap();
    hub.advance_s(21);
    refunded(&ada, &late).await;
    expected.push((late.id.to_string(), 0));
    assert_eq!(expected.iter().map(|(_, kept)| kept).sum::<i64>(), 20_000);
    hub.stop().await;
    assert_ledger(&hub, &expected).await;
}

/// Every movement sums to zero, and what each payment moved is what it says it has kept.
async fn assert_ledger(hub: &Hub, expected: &[(String, i64)]) {
    let url = format!("surrealkv://{}", hub.data().join("database").display());
    let auditor = surrealdb::engine::any::connect(url).await.unwrap();
    auditor.use_ns("latchkey").use_db("main").await.unwrap();
    let mut answers = auditor.query("SELECT type::string(id) AS id, kind, lines FROM ledger").await.unwrap();
    let rows: surrealdb::types::Value = answers.take(0).unwrap();
    let rows = rows.into_json_value();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 4 + 4 + 2, "captures, refunds, and both of the late payment: {rows:?}");
    let minor = |line: &Value| line["minor"].as_i64().unwrap();
    for (booking, kept) in expected {
        let moved: i64 = rows
            .iter()
            .filter(|row| row["id"].as_str().unwrap().contains(booking.as_str()))
            .flat_map(|row| row["lines"].as_array().unwrap())
            .filter(|line| line["account"] == "provider")
            .map(minor)
            .sum();
        assert_eq!(moved, *kept, "{booking}: {rows:?}");
    }
    for row in rows {
        assert_eq!(row["lines"].as_array().unwrap().iter().map(minor).sum::<i64>(), 0, "{row}");
    }
}
