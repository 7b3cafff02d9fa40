//! `/payments/` and the webhooks they are settled by.

use http::StatusCode;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::{Page, PageQuery, PaymentsQuery};
use warp::reply::Reply as _;

use super::page::Bounds;
use super::{Ask, Handled, Problem, created, ok};
use crate::provider::webhook::WebhookError;
use crate::service::ServiceError;

pub(super) async fn pay(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let payment = ask.services.payments.pay(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/payments/{}/", payment.id), &payment)
}

pub(super) async fn list(ask: Ask) -> Handled {
    let (caller, query) = (ask.caller()?, ask.query::<PaymentsQuery>()?);
    let bounds = Bounds::of(&PageQuery { cursor: query.cursor, limit: query.limit })?;
    if let Some(booking) = query.booking {
        return ok(&Page { items: ask.services.payments.list_of(&caller, booking).await?, next: None });
    }
    let lists = ask.services.payments.list(&caller, bounds.before, bounds.fetch()).await?;
    let page = bounds.page(lists, |payments| payments.first().map_or_else(String::new, |payment| payment.booking.to_string()));
    ok(&Page { items: page.items.into_iter().flatten().collect::<Vec<_>>(), next: page.next })
}

pub(super) async fn find(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.payments.find(&caller, ask.path("payment")?).await?)
}

pub(super) async fn refresh(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.payments.refresh(&caller, ask.path("payment")?).await?)
}

pub(super) async fn refund(ask: Ask) -> Handled {
    let (caller, refund) = (ask.caller()?, ask.json()?);
    ok(&ask.services.payments.give_refund(&caller, ask.key()?, ask.path("payment")?, refund).await?)
}

/// Answers 204 only when the webhook's effect is on disk; anything else makes the provider send it again.
pub(super) async fn webhook(ask: Ask) -> Handled {
    let event = ask.services.payments.open_webhook(ask.headers(), ask.bytes()?).await.map_err(|error| match error {
        WebhookError::BadSignature | WebhookError::Stale => Problem::new(ErrorCode::Unauthenticated, error.to_string()),
        WebhookError::Malformed => Problem::new(ErrorCode::Malformed, error.to_string()),
        WebhookError::Unreachable(_) => ServiceError::Unavailable(error.to_string()).into(),
    })?;
    if let Some(event) = event {
        ask.services.payments.take_webhook(event).await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
