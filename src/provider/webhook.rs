//! Webhooks: signed, fresh, and read once.
//!
//! The signature is Stripe's scheme: header `t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">`, accepted within 300 s of our clock.
//! Deduplication is not here: the event id is inserted in the change set the webhook causes.

use aws_lc_rs::hmac;
use latchkey_protocol::{EpochMs, PaymentId};
use serde::{Deserialize, Serialize};

use crate::digest::hex;
use crate::domain::payment::{AttemptResult, Report};

/// The header that carries the signature.
pub const SIGNATURE_HEADER: &str = "latchkey-signature";

/// How far a webhook's time may be from ours, in seconds (Stripe's default).
pub const TOLERANCE_S: i64 = 300;

/// Signatures that one header may carry: two while the secret is being changed, and some room.
const MAX_SIGNATURES: usize = 4;

/// Length of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// A webhook's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookEvent {
    /// The provider's id: a webhook that comes twice has the same.
    pub id: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
    /// To which payment.
    pub payment: PaymentId,
    /// By which attempt; for a refund, any.
    pub attempt: u32,
}

/// What happened, by Stripe's names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum What {
    /// The guest must authenticate.
    #[serde(rename = "payment_intent.requires_action")]
    RequiresAction {
        /// The provider's secret for the guest's client, if it gives one.
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
}

impl From<What> for AttemptResult {
    fn from(what: What) -> Self {
        match what {
            What::RequiresAction { client_secret } => Self::RequiresAction { client_secret },
            What::Authorised => Self::Authorised,
            What::Canceled => Self::Canceled,
            What::Processing => Self::Processing,
            What::PaymentFailed { reason } => Self::Declined { reason },
            What::Succeeded => Self::Succeeded,
            What::Refunded { total_minor } => Self::Refunded { total_minor },
        }
    }
}

impl From<WebhookEvent> for Report {
    fn from(event: WebhookEvent) -> Self {
        Self { attempt: event.attempt, result: event.what.into() }
    }
}

/// Why a webhook was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No signature, a wrong one, or one of another form.
    #[error("the signature is not ours")]
    BadSignature,
    /// Signed too long ago, or in the future: it may be a replay.
    #[error("signed more than {TOLERANCE_S} s from now")]
    Stale,
    /// Signed by us, but not an event we know.
    #[error("not a webhook event")]
    Malformed,
}

/// The secret shared with the provider.
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

impl WebhookSecret {
    /// From the secret's bytes.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The header for `body`, signed at `now`.
    #[must_use]
    pub fn sign(&self, body: &[u8], now: EpochMs) -> String {
        let at = now.div_euclid(1_000);
        format!("t={at},v1={}", hex(hmac::sign(&self.0, &signed(at, body)).as_ref()))
    }

    /// Reads a webhook.
    ///
    /// # Errors
    /// [`WebhookError`], signature first.
    pub fn open(&self, header: Option<&str>, body: &[u8], now: EpochMs) -> Result<WebhookEvent, WebhookError> {
        let (at, signatures) = parse(header.unwrap_or_default()).ok_or(WebhookError::BadSignature)?;
        let payload = signed(at, body);
        if !signatures.iter().any(|signature| hmac::verify(&self.0, &payload, signature).is_ok()) {
            return Err(WebhookError::BadSignature);
        }
        if (now.div_euclid(1_000) - at).abs() > TOLERANCE_S {
            return Err(WebhookError::Stale);
        }
        serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)
    }
}

fn signed(at: i64, body: &[u8]) -> Vec<u8> {
    let mut payload = format!("{at}.").into_bytes();
    payload.extend_from_slice(body);
    payload
}

fn parse(header: &str) -> Option<(i64, Vec<Vec<u8>>)> {
    let (mut at, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", seconds) => at = Some(seconds.parse().ok()?),
            // Each one costs a pass over the body: more than a provider sends while it changes its secret is an attack.
            ("v1", signature) if signatures.len() < MAX_SIGNATURES && signature.len() == 2 * TAG_BYTES => {
                signatures.push(unhex(signature)?);
            }
            ("v1", _) => return None,
            // Another scheme, as Stripe has them: of no interest.
            _ => {}
        }
    }
    Some((at?, signatures))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: EpochMs = 1_790_000_000_000;

    fn body() -> Vec<u8> {
        let event = WebhookEvent { id: "evt_1".to_owned(), what: What::Succeeded, payment: PaymentId::from_bytes([1; 16]), attempt: 1 };
        serde_json::to_vec(&event).unwrap()
    }

    #[test]
    fn a_webhook_is_read_only_if_it_is_ours_and_fresh() {
        let secret = WebhookSecret::new(b"shared");
        let header = secret.sign(&body(), NOW);
        assert_eq!(secret.open(Some(&header), &body(), NOW).unwrap().id, "evt_1");
        let many = format!("{header}{}", format!(",v1={}", "00".repeat(TAG_BYTES)).repeat(MAX_SIGNATURES));
        let rows = [
            (None, body(), NOW, WebhookError::BadSignature),
            (Some("t=1,v1=00"), body(), NOW, WebhookError::BadSignature),
            (Some("nonsense"), body(), NOW, WebhookError::BadSignature),
            (Some(many.as_str()), body(), NOW, WebhookError::BadSignature),
            (Some(header.as_str()), b"{}".to_vec(), NOW, WebhookError::BadSignature),
            (Some(header.as_str()), body(), NOW + TOLERANCE_S * 1_000 + 1_000, WebhookError::Stale),
            (Some(header.as_str()), body(), NOW - TOLERANCE_S * 1_000 - 1_000, WebhookError::Stale),
        ];
        for (header, body, now, expected) in rows {
            assert_eq!(secret.open(header, &body, now), Err(expected), "{header:?}");
        }
        let other = WebhookSecret::new(b"other").sign(&body(), NOW);
        assert_eq!(secret.open(Some(&other), &body(), NOW), Err(WebhookError::BadSignature));
        let nonsense = secret.sign(b"{}", NOW);
        assert_eq!(secret.open(Some(&nonsense), b"{}", NOW), Err(WebhookError::Malformed));
    }
}
