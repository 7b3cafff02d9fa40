//! Webhooks: what one says to us, and how it is known to be the provider's, and fresh.
//!
//! The signature is Stripe's scheme, which the sandbox uses too: `t=<seconds>,v1=<hex HMAC-SHA256 of "t.body">`, accepted within 300 s of
//! our clock. In which header it comes, and what the body looks like, each provider knows itself. Deduplication is not here: the event
//! id is inserted in the change set the webhook causes.

use aws_lc_rs::hmac;
use http::HeaderMap;
use latchkey_protocol::{EpochMs, PaymentId};

use crate::digest::hex;
use crate::domain::payment::Report;

/// How far a webhook's time may be from ours, in seconds (Stripe's default).
pub const TOLERANCE_S: u64 = 300;

/// Signatures that one header may carry: two while the secret is being changed, and some room.
const MAX_SIGNATURES: usize = 4;

/// Length of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// What a webhook says about a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// The provider's id: a webhook that comes twice has the same.
    pub id: String,
    /// Of which payment.
    pub payment: PaymentId,
    /// What became of it.
    pub report: Report,
}

/// Why a webhook was turned away.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The provider had to be asked which payment it is about, and could not be: it may send it again.
    #[error("payment provider: {0}")]
    Unreachable(String),
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

    /// Whether `body` is the provider's, by the signature in the header of that name, and fresh.
    ///
    /// # Errors
    /// `BadSignature`, then `Stale`.
    pub fn check(&self, headers: &HeaderMap, name: &str, body: &[u8], now: EpochMs) -> Result<(), WebhookError> {
        let header = headers.get(name).and_then(|value| value.to_str().ok());
        let (at, signatures) = parse(header.unwrap_or_default()).ok_or(WebhookError::BadSignature)?;
        let payload = signed(at, body);
        if !signatures.iter().any(|signature| hmac::verify(&self.0, &payload, signature).is_ok()) {
            return Err(WebhookError::BadSignature);
        }
        if now.div_euclid(1_000).abs_diff(at) > TOLERANCE_S {
            return Err(WebhookError::Stale);
        }
        Ok(())
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
    const BODY: &[u8] = b"{\"id\":\"evt_1\"}";

    fn with(header: Option<&str>) -> HeaderMap {
        header.map(|text| (http::HeaderName::from_static("signature"), text.parse().unwrap())).into_iter().collect()
    }

    #[test]
    fn a_webhook_is_read_only_if_it_is_ours_and_fresh() {
        let secret = WebhookSecret::new(b"shared");
        let header = secret.sign(BODY, NOW);
        assert_eq!(secret.check(&with(Some(&header)), "signature", BODY, NOW), Ok(()));
        let many = format!("{header}{}", format!(",v1={}", "00".repeat(TAG_BYTES)).repeat(MAX_SIGNATURES));
        let farthest = format!("t={},v1={}", i64::MIN, "00".repeat(TAG_BYTES));
        let (late, early) = (NOW + 301_000, NOW - 301_000);
        let rows = [
            (None, BODY, NOW, WebhookError::BadSignature),
            (Some("t=1,v1=00"), BODY, NOW, WebhookError::BadSignature),
            (Some("nonsense"), BODY, NOW, WebhookError::BadSignature),
            (Some(many.as_str()), BODY, NOW, WebhookError::BadSignature),
            (Some(farthest.as_str()), BODY, NOW, WebhookError::BadSignature),
            (Some(header.as_str()), b"{}", NOW, WebhookError::BadSignature),
            (Some(header.as_str()), BODY, late, WebhookError::Stale),
            (Some(header.as_str()), BODY, early, WebhookError::Stale),
        ];
        for (header, body, now, expected) in rows {
            assert_eq!(secret.check(&with(header), "signature", body, now), Err(expected), "{header:?}");
        }
        let other = WebhookSecret::new(b"other").sign(BODY, NOW);
        assert_eq!(secret.check(&with(Some(&other)), "signature", BODY, NOW), Err(WebhookError::BadSignature));
        assert_eq!(secret.check(&with(Some(&header)), "another", BODY, NOW), Err(WebhookError::BadSignature));
    }

    #[test]
    fn while_a_secret_is_changed_one_right_signature_of_several_is_enough() {
        let (old, new) = (WebhookSecret::new(b"old"), WebhookSecret::new(b"new"));
        let both = format!("{},{}", old.sign(BODY, NOW), new.sign(BODY, NOW).split_once(',').unwrap().1);
        for secret in [old, new] {
            assert_eq!(secret.check(&with(Some(&format!("{both},v0=aa"))), "signature", BODY, NOW), Ok(()));
        }
    }
}
