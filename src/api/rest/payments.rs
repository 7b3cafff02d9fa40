//! `/payments/` and the webhooks they are settled by.

use http::StatusCode;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::{Page, PaymentsOf};
use warp::reply::Reply as _;

use super::{Ask, Handled, Problem, created, ok};
use crate::provider::webhook::{SIGNATURE_HEADER, WebhookError};

pub(super) async fn pay(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let payment = ask.services.payments.pay(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/payments/?booking={}", payment.booking), &payment)
}

pub(super) async fn list(ask: Ask) -> Handled {
    let (caller, query) = (ask.caller()?, ask.query::<PaymentsOf>()?);
    let payment = ask.services.payments.find(&caller, query.booking).await?;
    ok(&Page { items: vec![payment], next: None })
}

/// Answers 204 only when the webhook's effect is on disk; anything else makes the provider send it again.
pub(super) async fn webhook(ask: Ask) -> Handled {
    let opened = ask.context.webhook_secret.open(ask.header(SIGNATURE_HEADER), ask.bytes()?, ask.context.clock.now());
    let event = opened.map_err(|error| match error {
        WebhookError::BadSignature | WebhookError::Stale => Problem::new(ErrorCode::Unauthenticated, error.to_string()),
        WebhookError::Malformed => Problem::new(ErrorCode::Malformed, error.to_string()),
    })?;
    ask.services.payments.take_webhook(event).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
