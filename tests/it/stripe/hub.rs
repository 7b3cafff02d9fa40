//! Guests who pay through a whole hub whose provider is Stripe.

use latchkey_protocol::ErrorCode;
use latchkey_protocol::view::{Booking, BookingState, Payment, PaymentState};
use serde_json::Value;

use super::webhooks::signed;
use super::*;
use crate::support::hub::{list_home, serve_args};
use crate::support::rest::Answer;
use crate::support::stripe::{Account, Trouble};
use crate::support::{Guest, Hub, HubProcess, eventually, nights, refused};

/// A hub, a guest and a booking of 230.00 that waits for its payment.
struct World {
    server: StripeServer,
    hub: Hub,
    host: Guest,
    ada: Guest,
    booking: Booking,
}

fn options(server: &StripeServer) -> String {
    format!(
        "--payment-provider stripe --stripe-api-base {} --stripe-secret-key {STRIPE_KEY} --stripe-webhook-secret {ENDPOINT_SECRET} \
         --stripe-timeout-ms {}",
        server.url,
        TIMEOUT.as_millis()
    )
}

impl World {
    async fn start() -> Self {
        let server = StripeServer::start().await;
        let hub = Hub::with(&options(&server)).await;
        let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
        let home = list_home(&host).await;
        let booking = ada.hold_and_book(&home, nights(5, 2)).await;
        Self { server, hub, host, ada, booking }
    }

    async fn deliver(&self, event: &Value) -> Answer {
        let body = event.to_string();
        let headers = signed(&body, self.hub.now());
        let (name, value) = headers.iter().next().unwrap();
        self.hub.rest.post("/webhooks/payments/").text(&body).header(name.clone(), value.to_str().unwrap()).send().await
    }

    /// Delivers what has happened, the last first, and all of it twice.
    async fn deliver_all(&self) {
        let mut events = self.server.account(|account| account.events.clone());
        events.reverse();
        for event in events.iter().chain(&events) {
            assert_eq!(self.deliver(event).await.status, 204, "{event}");
        }
    }

    async fn payment(&self) -> Payment {
        self.ada.payment(self.booking.id).await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Payment) -> bool) -> Payment {
        let probe = || async { Some(self.payment().await).filter(|payment| is_so(payment)) };
        eventually(what, probe).await
    }
}

#[tokio::test]
async fn a_booking_is_paid_and_refunded_through_stripe_and_its_webhooks_in_any_order_change_nothing() {
    let world = World::start().await;
    world.ada.pay(&world.booking, VISA).await.unwrap();
    let paid = world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
    assert_eq!((paid.captured_minor, world.ada.booking(world.booking.id).await.state), (23_000, BookingState::Confirmed));
    assert_eq!(world.server.account(|account| account.kept()), 23_000);
    world.deliver_all().await;
    assert_eq!(world.payment().await, paid);

    world.host.cancel(&world.booking).await.unwrap();
    let refunded = world.until("the refund", |payment| payment.refunded_minor == 23_000).await;
    assert_eq!(world.server.account(|account| account.kept()), 0);
    world.deliver_all().await;
    assert_eq!(world.payment().await, refunded);
}

#[tokio::test]
async fn p9_a_refund_that_fails_days_later_is_owed_again_and_sent_again_a_day_after() {
    let mut world = World::start().await;
    world.ada.pay(&world.booking, VISA).await.unwrap();
    world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
    world.host.cancel(&world.booking).await.unwrap();
    let refunded = world.until("the refund", |payment| payment.refunded_minor == 23_000).await;

    world.server.account(Account::fail_refund);
    world.deliver_all().await;
    let owed = world.payment().await;
    assert_eq!((owed.refunded_minor, owed.refund_due_minor), (0, 23_000));
    world.deliver_all().await;
    assert_eq!(world.payment().await, owed, "heard of twice");
    world.hub.advance_s(23 * 3_600);
    world.ada = Guest::log_in(world.hub.address, "ada@example.test").await;
    world.deliver_all().await;
    assert_eq!((world.payment().await, world.server.asked("refund").len()), (owed, 1), "not at once: its bank would not take it");
    world.hub.advance_s(2 * 3_600);
    world.ada = Guest::log_in(world.hub.address, "ada@example.test").await;
    assert_eq!(world.until("the second refund", |payment| payment.refunded_minor == 23_000).await, refunded);
    assert_eq!((world.server.account(|account| account.kept()), world.server.asked("refund").len()), (0, 2));
    world.deliver_all().await;
    assert_eq!(world.payment().await, refunded);
}

#[tokio::test]
async fn a_declined_card_says_why_and_another_one_pays_the_same_intent() {
    let world = World::start().await;
    let declined = world.ada.pay(&world.booking, DECLINED).await.unwrap();
    assert_eq!((declined.state, declined.decline_reason.as_deref()), (PaymentState::RequiresPaymentMethod, Some("generic_decline")));
    world.ada.pay(&world.booking, VISA).await.unwrap();
    world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
    // Among them the decline, which comes last and is old.
    world.deliver_all().await;
    assert_eq!(world.payment().await.state, PaymentState::Succeeded);
    assert_eq!(world.server.account(|account| account.intents.len()), 1);
}

#[tokio::test]
async fn a_guest_who_must_authenticate_has_paid_when_stripe_says_so() {
    let world = World::start().await;
    let asked = world.ada.pay(&world.booking, AUTHENTICATION).await.unwrap();
    assert_eq!(asked.state, PaymentState::RequiresAction);
    world.server.account(Account::authenticate);
    world.deliver_all().await;
    world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
    assert_eq!(world.ada.booking(world.booking.id).await.state, BookingState::Confirmed);
    assert_eq!(world.server.account(|account| account.kept()), 23_000);
}

#[tokio::test]
async fn p7_a_guest_whose_payment_broke_off_pays_once_with_the_same_key_also_after_a_restart() {
    for trouble in [Trouble::HangsAfter, Trouble::DropsAfter, Trouble::FailsAfter] {
        let mut world = World::start().await;
        world.server.trouble("confirm", trouble);
        let ask = latchkey_protocol::client::Pay { booking: world.booking.id, payment_method: VISA.to_owned() };
        let pay = async |world: &World| {
            let request = world.ada.rest.post("/payments/").bearer(&world.ada.tokens.access_token).key("once").json(&ask);
            request.send().await
        };
        pay(&world).await.expect_problem(503, ErrorCode::Unavailable);
        world.hub.restart().await;
        world.ada.reconnect(world.hub.address).await;
        pay(&world).await.expect_json::<Payment>(201);
        world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
        assert_eq!(world.server.account(|account| (account.kept(), account.charged())), (23_000, 23_000), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_dispute_is_seen_by_the_hub_and_events_of_no_interest_are_taken() {
    let world = World::start().await;
    world.ada.pay(&world.booking, VISA).await.unwrap();
    world.until("the capture", |payment| payment.state == PaymentState::Succeeded).await;
    world.server.account(|account| {
        account.dispute("needs_response", "charge.dispute.created");
        account.dispute("lost", "charge.dispute.closed");
        account.tell("customer.created", serde_json::json!({"id": "cus_1"}));
    });
    world.deliver_all().await;
    let payment = serde_json::to_value(world.payment().await).unwrap();
    assert!(payment.to_string().contains("lost"), "{payment}");
    refused(world.ada.pay(&world.booking, VISA).await, ErrorCode::InvalidState);
}

#[tokio::test]
async fn a_webhook_that_is_not_stripes_is_refused() {
    let world = World::start().await;
    world.hub.rest.post("/webhooks/payments/").text("{}").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    let sandbox = http::HeaderName::from_static(latchkey::provider::sandbox::SIGNATURE_HEADER);
    let signature = secret().sign(b"{}", world.hub.now());
    let answer = world.hub.rest.post("/webhooks/payments/").text("{}").header(sandbox, &signature).send().await;
    answer.expect_problem(401, ErrorCode::Unauthenticated);
    world.deliver(&serde_json::json!({})).await.expect_problem(400, ErrorCode::Malformed);
}

#[tokio::test]
async fn the_keys_are_not_shown_and_a_hub_without_them_does_not_start() {
    let (server, data) = (StripeServer::start().await, tempfile::tempdir().unwrap());
    let shown = format!("{:?}", serve_args(data.path(), &options(&server)));
    assert!(!shown.contains("canary"), "{shown}");
    for (options, reason) in [
        ("--payment-provider stripe", "--stripe-secret-key-file is needed"),
        ("--payment-provider stripe --stripe-secret-key sk_test_canary", "--stripe-webhook-secret-file is needed"),
        ("--payment-provider stripe --stripe-secret-key canary --stripe-webhook-secret whsec_canary", "this is no secret key"),
        (
            "--payment-provider stripe --stripe-secret-key sk_test_canary --stripe-webhook-secret whsec_canary \
             --stripe-api-base http://stripe.example.test",
            "over https only",
        ),
    ] {
        let refusal = HubProcess::refused(data.path(), options).await;
        assert!(!refusal.status.success() && refusal.said.contains(reason), "{}", refusal.said);
        assert!(!refusal.said.contains("canary"), "{}", refusal.said);
    }
}
