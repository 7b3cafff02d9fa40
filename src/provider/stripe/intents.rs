//! A payment's one intent: making it, finding it again, and confirming it with a method.

use std::sync::Arc;

use latchkey_protocol::{EpochMs, PaymentId};

use super::client::{CallError, Keep};
use super::objects::{List, PaymentIntent};
use super::{Stripe, amounts};
use crate::domain::payment::{AttemptResult, Report};
use crate::provider::{Capture, Charge, Intent, ProviderError};

/// How old a payment may be for the key of its intent to be known at Stripe still, in milliseconds: it is kept for 24 hours or longer.
const KEY_LASTS_MS: i64 = 23 * 3_600_000;

/// When a payment's id was made, which is before anything was done with it (RFC 9562, 5.7).
fn made_at(payment: PaymentId) -> EpochMs {
    payment.as_bytes()[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte))
}

impl Stripe {
    /// The id of a payment's intent, which is made if there is none. If that is refused for what was asked (`is_of_request`), there is none and
    /// will be none.
    pub(super) async fn find(&self, of: Intent) -> Result<Arc<str>, CallError> {
        if let Some(id) = self.intents.get(&of.payment).await {
            return Ok(id);
        }
        // A search comes late with what is new, and a key is forgotten with what is old. Nothing is in between: what was made more than a
        // day ago is found, and what was made since then has its key.
        let is_young = self.clock.now() - made_at(of.payment) < KEY_LASTS_MS;
        let found = if is_young { None } else { self.search(of.payment).await? };
        let id = match found {
            Some(id) => id,
            None => self.make(of).await?,
        };
        let id: Arc<str> = id.into();
        self.intents.insert(of.payment, Arc::clone(&id)).await;
        Ok(id)
    }

    async fn search(&self, payment: PaymentId) -> Result<Option<String>, CallError> {
        let query = vec![("query", format!("metadata['payment']:'{payment}'"))];
        let found = self.client.get::<List<PaymentIntent>>("/v1/payment_intents/search", &query).await;
        let found = found.map_err(|error| match error {
            // Of what there is it says nothing.
            CallError::Refused(error) => CallError::Unreachable(format!("the search: {}", error.codes())),
            CallError::Unreachable(reason) => CallError::Unreachable(reason),
        })?;
        // More than one: the others come from answers that were failures, and were never confirmed.
        Ok(found.data.into_iter().max_by_key(|intent| intent.result().is_some()).map(|intent| intent.id))
    }

    /// Makes the intent, or is given the one that was made under this key. Every parameter is the same each time.
    async fn make(&self, of: Intent) -> Result<String, CallError> {
        let form = vec![
            ("amount", amounts::to_stripe(of.amount).to_string()),
            ("currency", amounts::currency(of.amount)),
            ("capture_method", "manual".to_owned()),
            // Whoever must leave for a page of their bank's could not come back to one of ours.
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[payment]", of.payment.to_string()),
            ("metadata[attempt]", "1".to_owned()),
        ];
        let made: PaymentIntent =
            self.client.post_once("/v1/payment_intents", &form, &format!("pi_{}", of.payment), Keep::Refusals).await?;
        Ok(made.id)
    }

    pub(super) async fn retrieve(&self, id: &str) -> Result<PaymentIntent, CallError> {
        self.client.get(&format!("/v1/payment_intents/{id}"), &Vec::new()).await
    }

    /// Confirms the intent with a method.
    pub(super) async fn confirm(&self, charge: Charge) -> Result<Report, ProviderError> {
        let attempt = charge.attempt;
        let told = |result| Ok(Report { attempt, result });
        let id = match self.find(charge.intent).await {
            Ok(id) => id,
            Err(CallError::Refused(error)) if error.is_of_request() => {
                return told(AttemptResult::Declined { reason: error.decline().reason() });
            }
            Err(error) => return Err(error.into()),
        };
        // From here on its webhooks are about this attempt. The first one is named when the intent is made.
        if attempt > 1
            && let Some(result) = self.name_attempt(&id, attempt).await?
        {
            return told(result);
        }
        let capture = match charge.capture {
            Capture::Later => "manual",
            Capture::AtOnce => "automatic",
        };
        let form = vec![("payment_method", charge.method), ("capture_method", capture.to_owned())];
        let key = format!("pi_{}_{attempt}", charge.intent.payment);
        match self.client.post_once::<PaymentIntent>(&format!("/v1/payment_intents/{id}/confirm"), &form, &key, Keep::Refusals).await {
            Ok(confirmed) => match confirmed.result() {
                Some(result) => told(result),
                None => Err(ProviderError::Unreachable("the intent is not confirmed yet".to_owned())),
            },
            Err(CallError::Refused(error)) => match error.payment_intent.as_ref().and_then(|known| known.closed()) {
                Some(result) => told(result),
                None if error.is_of_method() || error.is_of_request() => told(AttemptResult::Declined { reason: error.decline().reason() }),
                None => Err(CallError::Refused(error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    /// Says which attempt the intent is at; what has become of it, if it cannot be confirmed any more.
    async fn name_attempt(&self, id: &str, attempt: u32) -> Result<Option<AttemptResult>, CallError> {
        let form = vec![("metadata[attempt]", attempt.to_string())];
        match self.client.post::<PaymentIntent>(&format!("/v1/payment_intents/{id}"), &form).await {
            Ok(named) => Ok(named.closed()),
            Err(CallError::Refused(error)) => match error.payment_intent.as_ref().and_then(|known| known.closed()) {
                Some(result) => Ok(Some(result)),
                None => Err(CallError::Refused(error)),
            },
            Err(error) => Err(error),
        }
    }
}
