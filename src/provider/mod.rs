//! The outside world. `mail` sends letters; the rest is payment providers: the seam, the sandbox, and the webhooks they call back with.
//!
//! Calls go out after the intent is committed and outside any claim, with an idempotency key that is recorded, so that a call
//! repeated after a crash charges nobody twice (P7).

pub mod mail;
pub mod sandbox;
pub mod webhook;

use futures_util::future::BoxFuture;
use latchkey_protocol::PaymentId;

use crate::domain::Money;
use crate::domain::payment::Report;

/// Ask for a payment with a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Which payment: the provider's metadata, and the key of its intent.
    pub payment: PaymentId,
    /// How much.
    pub amount: Money,
    /// The provider's token for a card or account.
    pub method: String,
    /// Which attempt: with the payment, the call's idempotency key.
    pub attempt: u32,
}

/// The provider could not be asked, or did not answer: the same call may be made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("payment provider: {0}")]
pub struct ProviderError(pub String);

/// A payment provider. Each answer is also sent as a webhook, which may come first, late or twice.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Charges a method; the same payment and attempt give the first answer again, and a payment that is paid or on its way is
    /// not charged by a further attempt (Stripe: an intent that is `processing` or `succeeded` cannot be confirmed).
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Sends money back until `total` has gone back over all refunds; asking again changes nothing.
    fn refund(&self, payment: PaymentId, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>>;
}
