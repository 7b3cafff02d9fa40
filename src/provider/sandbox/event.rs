//! The sandbox's webhooks: flat bodies with Stripe's names for what happened.

use latchkey_protocol::PaymentId;
use serde::{Deserialize, Serialize};

use crate::domain::payment::{AttemptResult, Dispute, DisputeState, Report};
use crate::provider::webhook::WebhookEvent;

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "latchkey-signature";

/// A webhook's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxEvent {
    /// Its id: a webhook that comes twice has the same.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// To which payment.
    pub payment: PaymentId,
    /// By which attempt; for a refund or a dispute, any.
    pub attempt: u32,
}

/// What happened, by Stripe's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum What {
    /// The guest must authenticate.
    #[serde(rename = "payment_intent.requires_action")]
    RequiresAction {
        /// The secret for the guest's client.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        client_secret: Option<String>,
    },
    /// The bank takes its time.
    #[serde(rename = "payment_intent.processing")]
    Processing,
    /// The method was refused.
    #[serde(rename = "payment_intent.payment_failed")]
    PaymentFailed {
        /// The provider's word for it.
        reason: String,
    },
    /// The money is set aside.
    #[serde(rename = "payment_intent.amount_capturable_updated")]
    Authorised,
    /// The money will not come in.
    #[serde(rename = "payment_intent.canceled")]
    Canceled,
    /// The money came in.
    #[serde(rename = "payment_intent.succeeded")]
    Succeeded,
    /// Money went back.
    #[serde(rename = "charge.refunded")]
    Refunded {
        /// The sum of all refunds, in minor units.
        total_minor: i64,
    },
    /// The guest's bank disputes the charge.
    #[serde(rename = "charge.dispute.created")]
    DisputeCreated {
        /// How much of it, in minor units.
        amount_minor: i64,
    },
    /// The bank has decided.
    #[serde(rename = "charge.dispute.closed")]
    DisputeClosed {
        /// How much it was about, in minor units.
        amount_minor: i64,
        /// For whom.
        status: Verdict,
    },
}

/// How a dispute ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The money is ours again.
    Won,
    /// The money went back to the guest.
    Lost,
}

impl From<What> for AttemptResult {
    fn from(what: What) -> Self {
        let disputed = |amount_minor, state| Self::Disputed(Dispute { amount_minor, state });
        match what {
            What::RequiresAction { client_secret } => Self::RequiresAction { client_secret },
            What::Authorised => Self::Authorised,
            What::Canceled => Self::Canceled,
            What::Processing => Self::Processing,
            What::PaymentFailed { reason } => Self::Declined { reason },
            What::Succeeded => Self::Succeeded,
            What::Refunded { total_minor } => Self::Refunded { total_minor, failed_minor: 0 },
            What::DisputeCreated { amount_minor } => disputed(amount_minor, DisputeState::Open),
            What::DisputeClosed { amount_minor, status: Verdict::Won } => disputed(amount_minor, DisputeState::Won),
            What::DisputeClosed { amount_minor, status: Verdict::Lost } => disputed(amount_minor, DisputeState::Lost),
        }
    }
}

impl From<SandboxEvent> for WebhookEvent {
    fn from(event: SandboxEvent) -> Self {
        let report = Report { attempt: event.attempt, result: event.what.into() };
        Self { id: event.id, payment: event.payment, report }
    }
}
