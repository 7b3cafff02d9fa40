//! Stripe's webhooks: which events say something about a payment of ours, and what.
//!
//! An event shows its object as it was when it happened, so that reports of one payment may come in any order; of refunds, which can fail later, it
//! says only that something is new, and they are asked for. Events of other kinds, and of objects that are not ours, are taken and change
//! nothing.

use http::HeaderMap;
use latchkey_protocol::{EpochMs, PaymentId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Stripe;
use super::client::CallError;
use super::objects::{Charge, Dispute, Event, Metadata, PaymentIntent, Refund, Status};
use crate::domain::payment::{AttemptResult, Report};
use crate::provider::ProviderError;
use crate::provider::webhook::{WebhookError, WebhookEvent};

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "stripe-signature";

impl Stripe {
    pub(super) async fn open(&self, headers: &HeaderMap, body: &[u8], now: EpochMs) -> Result<Option<WebhookEvent>, WebhookError> {
        self.webhook_secret.check(headers, SIGNATURE_HEADER, body, now)?;
        let Event { id, kind, data } = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
        let told = match kind.as_str() {
            "payment_intent.requires_action"
            | "payment_intent.processing"
            | "payment_intent.payment_failed"
            | "payment_intent.amount_capturable_updated"
            | "payment_intent.succeeded"
            | "payment_intent.canceled" => of_intent(&kind, &read(data.object)?),
            "charge.refunded" => self.of_charge(read(data.object)?).await?,
            "refund.failed" | "refund.updated" => self.of_refund(read(data.object)?).await?,
            "charge.dispute.created"
            | "charge.dispute.updated"
            | "charge.dispute.funds_withdrawn"
            | "charge.dispute.funds_reinstated"
            | "charge.dispute.closed" => self.of_dispute(read(data.object)?).await?,
            _ => None,
        };
        Ok(told.map(|(payment, report)| WebhookEvent { id, payment, report }))
    }

    async fn of_charge(&self, charge: Charge) -> Result<Option<(PaymentId, Report)>, WebhookError> {
        if !charge.captured {
            // What was only set aside is let go of, which the intent's own event says: nothing came in, so nothing went back.
            return Ok(None);
        }
        self.of_refunds(&charge.metadata, charge.payment_intent, &charge.currency).await
    }

    async fn of_refund(&self, refund: Refund) -> Result<Option<(PaymentId, Report)>, WebhookError> {
        if refund.counts() {
            return Ok(None);
        }
        tracing::warn!(amount = refund.amount, currency = refund.currency, intent = refund.payment_intent, "a refund has failed after all");
        self.of_refunds(&refund.metadata, refund.payment_intent, &refund.currency).await
    }

    /// What has become of all refunds by now: how much a charge had "refunded" at some time does not say whether one had failed before.
    async fn of_refunds(
        &self,
        metadata: &Metadata,
        intent: Option<String>,
        currency: &str,
    ) -> Result<Option<(PaymentId, Report)>, WebhookError> {
        let Some(intent) = intent else { return Ok(None) };
        let payment = match metadata.payment() {
            Some(payment) => Some(payment),
            None => self.payment_of(Some(&intent)).await?,
        };
        let Some(payment) = payment else { return Ok(None) };
        // A refusal is a key that may not read refunds, say: somebody must see to it, and Stripe tells it again for three days.
        let refunded = self.refunded(&intent, currency).await.map_err(|error| match error {
            ProviderError::Unreachable(reason) => WebhookError::Unreachable(reason),
            ProviderError::Refused(reason) => {
                tracing::error!(%payment, reason, "refunds of a payment cannot be read");
                WebhookError::Unreachable(reason)
            }
        })?;
        Ok(refunded.map(|result| (payment, Report { attempt: 0, result })))
    }

    async fn of_dispute(&self, dispute: Dispute) -> Result<Option<(PaymentId, Report)>, WebhookError> {
        let Some(result) = dispute.result() else { return Ok(None) };
        let payment = self.payment_of(dispute.payment_intent.as_deref()).await?;
        Ok(payment.map(|payment| (payment, Report { attempt: 0, result })))
    }

    /// Disputes do not say whose they are.
    async fn payment_of(&self, intent: Option<&str>) -> Result<Option<PaymentId>, WebhookError> {
        let Some(id) = intent else { return Ok(None) };
        match self.retrieve(id).await {
            Ok(intent) => Ok(intent.metadata.payment()),
            Err(CallError::Unreachable(reason)) => Err(WebhookError::Unreachable(reason)),
            Err(CallError::Refused(_)) => Ok(None),
        }
    }
}

fn read<T: DeserializeOwned>(object: Value) -> Result<T, WebhookError> {
    serde_json::from_value(object).map_err(|_| WebhookError::Malformed)
}

fn of_intent(kind: &str, intent: &PaymentIntent) -> Option<(PaymentId, Report)> {
    let result = match kind {
        "payment_intent.requires_action" => AttemptResult::RequiresAction { client_secret: intent.client_secret.clone() },
        "payment_intent.processing" => AttemptResult::Processing,
        "payment_intent.payment_failed" => {
            AttemptResult::Declined { reason: intent.last_payment_error.clone().unwrap_or_default().reason() }
        }
        "payment_intent.succeeded" => AttemptResult::Succeeded,
        "payment_intent.canceled" => AttemptResult::Canceled,
        // Also told when nothing is left to be captured.
        _ if intent.status == Status::RequiresCapture => AttemptResult::Authorised,
        _ => return None,
    };
    Some((intent.metadata.payment()?, Report { attempt: intent.metadata.attempt(), result }))
}
