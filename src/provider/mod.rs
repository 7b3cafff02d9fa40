//! The outside world. `mail` sends letters; the rest is payment providers: the seam, the sandbox, and the webhooks they call back with.
//!
//! Calls go out after the intent is committed and outside any claim, with an idempotency key that is recorded, so that a call
//! repeated after a crash charges nobody twice (P7).

pub mod mail;
pub mod sandbox;
pub mod webhook;

use futures_util::future::BoxFuture;
use latchkey_protocol::{BookingId, PaymentId, UserId};

use crate::domain::Money;
use crate::domain::payment::Report;

/// When the money of a charge is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// It is set aside, and taken when [`PaymentProvider::capture`] says so.
    Later,
    /// At once.
    AtOnce,
}

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
    /// When the money is taken.
    pub capture: Capture,
}

/// Send money to a host, or take it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayOut {
    /// For which booking.
    pub booking: BookingId,
    /// To whom.
    pub host: UserId,
    /// Which movement of that booking: with it, the call's idempotency key.
    pub revision: u32,
    /// How much; negative: back.
    pub amount: Money,
}

/// Why a call had no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It could not be asked, or did not answer: the same call may be made again.
    #[error("payment provider: {0}")]
    Unreachable(String),
    /// It said no, and will say so again.
    #[error("payment provider refuses: {0}")]
    Refused(String),
}

/// A payment provider. Each answer is also sent as a webhook, which may come first, late or twice.
pub trait PaymentProvider: Send + Sync + 'static {
    /// Charges a method; the same payment and attempt give the first answer again, and a payment that is paid or on its way is
    /// not charged by a further attempt (Stripe: an intent that is `processing` or `succeeded` cannot be confirmed).
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Takes the money that was set aside; asking again changes nothing. Reports `Succeeded`, or `Canceled` if it cannot be had any more.
    fn capture(&self, payment: PaymentId, amount: Money) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Lets go of a payment that has not come in; asking again changes nothing. Reports `Canceled`, or `Succeeded` if the money came in first.
    fn void(&self, payment: PaymentId) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Sends money back until `total` has gone back over all refunds; asking again changes nothing.
    fn refund(&self, payment: PaymentId, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// What the provider knows of a payment now, `None` if nothing: for webhooks that were lost.
    fn look_up(&self, payment: PaymentId, attempt: u32) -> BoxFuture<'_, Result<Option<Report>, ProviderError>>;

    /// Makes one movement to or from a host; asking again changes nothing.
    fn pay_out(&self, pay_out: PayOut) -> BoxFuture<'_, Result<(), ProviderError>>;
}
