//! Stripe's objects, with the fields that are read (docs.stripe.com/api, version in `client.rs`). What is not read may change.

use std::collections::HashMap;

use latchkey_protocol::PaymentId;
use serde::Deserialize;

use super::amounts::from_stripe;
use crate::domain::payment::{AttemptResult, Dispute as DisputeOf, DisputeState, Report};

/// Key and value pairs of our own.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Metadata(pub(super) HashMap<String, String>);

impl Metadata {
    /// About which payment of ours an object is.
    pub(super) fn payment(&self) -> Option<PaymentId> {
        self.0.get("payment")?.parse().ok()
    }

    /// At which attempt an intent is.
    pub(super) fn attempt(&self) -> u32 {
        self.0.get("attempt").and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

/// A page of a list.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct List<T> {
    pub(super) data: Vec<T>,
    pub(super) has_more: bool,
}

/// A field that is an id, or the object itself if that was asked for.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Expandable<T> {
    Object(Box<T>),
    Id(#[allow(dead_code, reason = "says what the field is otherwise")] String),
}

/// Where an intent is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Succeeded,
    Canceled,
    /// One that Stripe did not have when this was written.
    #[serde(other)]
    Unknown,
}

/// A PaymentIntent.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PaymentIntent {
    pub(super) id: String,
    pub(super) status: Status,
    #[serde(default)]
    pub(super) metadata: Metadata,
    pub(super) client_secret: Option<String>,
    pub(super) last_payment_error: Option<Decline>,
    pub(super) latest_charge: Option<Expandable<Charge>>,
}

/// Why a method was refused.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Decline {
    code: Option<String>,
    decline_code: Option<String>,
}

impl Decline {
    /// The bank's word, or Stripe's.
    pub(super) fn reason(&self) -> String {
        self.decline_code.as_ref().or(self.code.as_ref()).cloned().unwrap_or_else(|| "declined".to_owned())
    }
}

impl PaymentIntent {
    /// What has become of the attempt that it is at; `None` if it was not confirmed yet.
    pub(super) fn result(&self) -> Option<AttemptResult> {
        match self.status {
            Status::RequiresAction => Some(AttemptResult::RequiresAction { client_secret: self.client_secret.clone() }),
            Status::Processing => Some(AttemptResult::Processing),
            Status::RequiresCapture => Some(AttemptResult::Authorised),
            Status::Succeeded => Some(AttemptResult::Succeeded),
            Status::Canceled => Some(AttemptResult::Canceled),
            Status::RequiresPaymentMethod => self.last_payment_error.as_ref().map(|why| AttemptResult::Declined { reason: why.reason() }),
            Status::RequiresConfirmation | Status::Unknown => None,
        }
    }

    pub(super) fn report(&self) -> Option<Report> {
        Some(Report { attempt: self.metadata.attempt(), result: self.result()? })
    }

    /// What has become of it, if it cannot be confirmed any more.
    pub(super) fn closed(&self) -> Option<AttemptResult> {
        match self.status {
            Status::Canceled | Status::Processing | Status::RequiresCapture | Status::Succeeded => self.result(),
            Status::RequiresConfirmation | Status::RequiresPaymentMethod | Status::RequiresAction | Status::Unknown => None,
        }
    }
}

/// A Charge: an intent's money. It has the metadata that the intent had when it was made.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Charge {
    /// Whether its money came in. Of one that was only set aside and is let go of, Stripe says that all was "refunded".
    pub(super) captured: bool,
    pub(super) currency: String,
    #[serde(default)]
    pub(super) disputed: bool,
    pub(super) payment_intent: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// A Refund.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Refund {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    status: Option<String>,
    pub(super) payment_intent: Option<String>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

impl Refund {
    /// Whether the money went back, or is on its way.
    pub(super) fn counts(&self) -> bool {
        !matches!(self.status.as_deref(), Some("failed" | "canceled"))
    }
}

/// A Dispute. It has no metadata of ours.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Dispute {
    amount: i64,
    currency: String,
    status: String,
    pub(super) payment_intent: Option<String>,
}

impl Dispute {
    /// What it says; `None` while it is only an inquiry (`warning_…`), for which no money is kept back.
    pub(super) fn result(&self) -> Option<AttemptResult> {
        let state = match self.status.as_str() {
            "needs_response" | "under_review" => DisputeState::Open,
            "won" => DisputeState::Won,
            "lost" => DisputeState::Lost,
            _ => return None,
        };
        Some(AttemptResult::Disputed(DisputeOf { amount_minor: from_stripe(self.amount, &self.currency), state }))
    }
}

/// A Transfer to a connected account.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Transfer {
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) amount_reversed: i64,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// Money of a Transfer that was taken back.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Reversal {
    pub(super) amount: i64,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// An Event: a webhook's body.
#[derive(Debug, Deserialize)]
pub(super) struct Event {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) data: EventData,
}

/// What an event is about, as it was then.
#[derive(Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) object: serde_json::Value,
}

/// The body of an answer that is not 2xx.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Failure {
    pub(super) error: StripeError,
}

/// What went wrong.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct StripeError {
    #[serde(rename = "type", default)]
    pub(super) kind: String,
    pub(super) code: Option<String>,
    pub(super) decline_code: Option<String>,
    pub(super) param: Option<String>,
    /// The intent as it is, if that is why.
    pub(super) payment_intent: Option<Box<PaymentIntent>>,
    /// By which Stripe's support finds it.
    #[serde(skip)]
    pub(super) request: String,
    /// Whether the answer was 400: nothing but what was asked is wrong. (A key that is not valid, say, is 401.)
    #[serde(skip)]
    pub(super) is_bad_request: bool,
}

impl StripeError {
    /// Whether it is the bank, or the method, that says no.
    pub(super) fn is_of_method(&self) -> bool {
        self.kind == "card_error" || self.param.as_deref().is_some_and(|param| param.starts_with("payment_method"))
    }

    /// What of it may be logged and shown.
    pub(super) fn codes(&self) -> String {
        let code = self.code.as_deref().or(self.param.as_deref()).unwrap_or_default();
        format!("{} {code} (request {})", self.kind, self.request)
    }

    /// Whether it is what was asked that is wrong, such as an amount below Stripe's least: nothing was done, and asking again changes nothing.
    pub(super) fn is_of_request(&self) -> bool {
        self.is_bad_request && self.kind == "invalid_request_error"
    }

    pub(super) fn decline(&self) -> Decline {
        Decline { code: self.code.clone(), decline_code: self.decline_code.clone() }
    }
}
