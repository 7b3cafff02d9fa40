//! Stripe, as it is documented at docs.stripe.com: a payment is a PaymentIntent.
//!
//! A payment has one intent, whatever happens: it is made unconfirmed under a key that follows from the payment alone, with parameters that
//! follow from the payment alone. So whoever needs it (another attempt, a capture, the next process after a crash) makes it "again" and is
//! given the same one. Stripe forgets keys after a day; by then the intent can be searched for by its metadata, which takes an hour at
//! worst. Only confirming moves money, and an intent that is paid or on its way cannot be confirmed: so nobody pays twice (P7).

mod amounts;
mod client;
mod intents;
mod objects;
mod payouts;
mod refunds;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use latchkey_protocol::{EpochMs, PaymentId};

pub use self::client::ApiKey;
use self::client::{CallError, Client};
use self::objects::{Dispute, Expandable, List, PaymentIntent, Status};
pub use self::payouts::{HandList, Payouts};
pub use self::webhook::SIGNATURE_HEADER;
use super::webhook::{WebhookError, WebhookEvent, WebhookSecret};
use super::{Charge, Intent, PayOut, PaymentProvider, ProviderError};
use crate::clock::Clock;
use crate::domain::Money;
use crate::domain::payment::{AttemptResult, Report};

/// Where Stripe's API is.
pub const API_BASE: &str = "https://api.stripe.com";

/// How many payments' intents are remembered, to save a request.
const REMEMBERED: u64 = 10_000;

/// What Stripe is asked with.
pub struct Settings {
    /// [`API_BASE`], or a stand-in.
    pub api_base: String,
    /// The account's key.
    pub key: ApiKey,
    /// The secret of the webhook's endpoint, `whsec_…`.
    pub webhook_secret: WebhookSecret,
    /// How long a request may take. One that took longer may have been carried out.
    pub timeout: Duration,
    /// How hosts are paid.
    pub payouts: Payouts,
}

/// Stripe.
pub struct Stripe {
    client: Client,
    webhook_secret: WebhookSecret,
    payouts: Payouts,
    intents: moka::future::Cache<PaymentId, Arc<str>>,
    clock: Arc<dyn Clock>,
}

impl Stripe {
    /// With an account.
    ///
    /// # Errors
    /// If TLS cannot be set up, with the reason.
    pub fn new(settings: Settings, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let Settings { api_base, key, webhook_secret, timeout, payouts } = settings;
        let client = Client::new(&api_base, key, timeout).map_err(|error| error.to_string())?;
        Ok(Self { client, webhook_secret, payouts, intents: moka::future::Cache::new(REMEMBERED), clock })
    }

    async fn capture_once(&self, intent: Intent) -> Result<Report, ProviderError> {
        let id = self.find(intent).await?;
        let form = vec![("amount_to_capture", amounts::to_stripe(intent.amount).to_string())];
        match self.client.post::<PaymentIntent>(&format!("/v1/payment_intents/{id}/capture"), &form).await {
            Ok(captured) => settled(&captured),
            Err(CallError::Refused(error)) => match &error.payment_intent {
                Some(known) if matches!(known.status, Status::Succeeded | Status::Canceled) => settled(known),
                // The bank let go of it: it cannot be had any more.
                known if error.kind == "card_error" || error.code.as_deref() == Some("charge_expired_for_capture") => {
                    let attempt = known.as_ref().map_or(0, |known| known.metadata.attempt());
                    Ok(Report { attempt, result: AttemptResult::Canceled })
                }
                Some(_) | None => Err(CallError::Refused(error).into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn void_once(&self, intent: Intent) -> Result<Report, ProviderError> {
        let id = match self.find(intent).await {
            Ok(id) => id,
            // Of what can never be made nothing can come in.
            Err(CallError::Refused(error)) if error.is_of_request() => return Ok(Report { attempt: 0, result: AttemptResult::Canceled }),
            Err(error) => return Err(error.into()),
        };
        let form = vec![("cancellation_reason", "abandoned".to_owned())];
        let known = match self.client.post::<PaymentIntent>(&format!("/v1/payment_intents/{id}/cancel"), &form).await {
            Ok(canceled) => canceled,
            Err(CallError::Refused(mut error)) => match error.payment_intent.take() {
                Some(known) => *known,
                None => return Err(CallError::Refused(error).into()),
            },
            Err(error) => return Err(error.into()),
        };
        settled(&known)
    }

    async fn look(&self, intent: Intent, attempt: u32) -> Result<Option<Report>, ProviderError> {
        if attempt == 0 {
            return Ok(None);
        }
        let id = self.find(intent).await?;
        let query = vec![("expand[]", "latest_charge".to_owned())];
        let known: PaymentIntent = self.client.get(&format!("/v1/payment_intents/{id}"), &query).await?;
        let Some(report) = known.report() else { return Ok(None) };
        let Some(Expandable::Object(charge)) = &known.latest_charge else { return Ok(Some(report)) };
        let mut result = report.result;
        if result == AttemptResult::Succeeded {
            // Also if the charge has nothing refunded: a refund that failed is no longer counted there.
            result = self.refunded(&id, &charge.currency).await?.unwrap_or(result);
        }
        if charge.disputed {
            let disputes: List<Dispute> = self.client.get("/v1/disputes", &vec![("payment_intent", id.to_string())]).await?;
            result = disputes.data.iter().find_map(Dispute::result).unwrap_or(result);
        }
        Ok(Some(Report { result, ..report }))
    }
}

/// What became of a payment that was to be captured or canceled.
fn settled(intent: &PaymentIntent) -> Result<Report, ProviderError> {
    let result = match intent.status {
        Status::Succeeded => AttemptResult::Succeeded,
        Status::Canceled => AttemptResult::Canceled,
        Status::Processing => return Err(ProviderError::Unreachable("the bank has not decided yet".to_owned())),
        Status::RequiresConfirmation
        | Status::RequiresPaymentMethod
        | Status::RequiresAction
        | Status::RequiresCapture
        | Status::Unknown => return Err(ProviderError::Refused("payment_intent_unexpected_state".to_owned())),
    };
    Ok(Report { attempt: intent.metadata.attempt(), result })
}

impl PaymentProvider for Stripe {
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(self.confirm(charge))
    }

    fn capture(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(self.capture_once(intent))
    }

    fn void(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(self.void_once(intent))
    }

    fn refund(&self, intent: Intent, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(self.refund_to(intent, total))
    }

    fn look_up(&self, intent: Intent, attempt: u32) -> BoxFuture<'_, Result<Option<Report>, ProviderError>> {
        Box::pin(self.look(intent, attempt))
    }

    fn pay_out(&self, pay_out: PayOut) -> BoxFuture<'_, Result<(), ProviderError>> {
        Box::pin(self.payouts.pay_out(&self.client, pay_out))
    }

    fn open_webhook<'a>(
        &'a self,
        headers: &'a HeaderMap,
        body: &'a [u8],
        now: EpochMs,
    ) -> BoxFuture<'a, Result<Option<WebhookEvent>, WebhookError>> {
        Box::pin(self.open(headers, body, now))
    }
}
