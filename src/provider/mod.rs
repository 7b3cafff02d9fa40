//! The outside world. `mail` sends letters; the rest is payment providers: the seam, the sandbox, Stripe, and the webhooks they call back with.
//!
//! Calls go out after the intent is committed and outside any claim, with an idempotency key that is recorded, so that a call
//! repeated after a crash charges nobody twice (P7).

pub mod mail;
pub mod sandbox;
pub mod stripe;
pub mod webhook;

use futures_util::future::BoxFuture;
use http::HeaderMap;
use latchkey_protocol::{BookingId, EpochMs, PaymentId, UserId};

use self::webhook::{WebhookError, WebhookEvent};
use crate::domain::Money;
use crate::domain::payment::Report;

/// A payment as its provider knows it: by these two its intent is made, or the one that was made is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intent {
    /// Which payment: the intent's metadata, and the key under which it is made.
    pub payment: PaymentId,
    /// How much. A payment's never changes.
    pub amount: Money,
}

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
    /// For which payment.
    pub intent: Intent,
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
    /// Charges a method; the same payment and attempt give the first answer again. A payment that is paid, on its way or canceled is not
    /// charged by a further attempt (as Stripe's intents cannot be confirmed then): that reports what has become of it.
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Takes the money that was set aside; asking again changes nothing. Reports `Succeeded`, or `Canceled` if it cannot be had any more.
    fn capture(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Lets go of a payment that has not come in, so that a charge that is still under way finds nothing to charge; asking again changes
    /// nothing. Reports `Canceled`, or `Succeeded` if the money came in first; while that is open it is `Unreachable`.
    fn void(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// Sends money back until `total` has gone back over all refunds; asking again changes nothing.
    fn refund(&self, intent: Intent, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>>;

    /// What the provider knows of a payment now, `None` if nothing: for webhooks that were lost.
    fn look_up(&self, intent: Intent, attempt: u32) -> BoxFuture<'_, Result<Option<Report>, ProviderError>>;

    /// Makes one movement to or from a host; asking again changes nothing.
    fn pay_out(&self, pay_out: PayOut) -> BoxFuture<'_, Result<(), ProviderError>>;

    /// Reads a webhook of its own; `None` if it says nothing about a payment of ours.
    fn open_webhook<'a>(
        &'a self,
        headers: &'a HeaderMap,
        body: &'a [u8],
        now: EpochMs,
    ) -> BoxFuture<'a, Result<Option<WebhookEvent>, WebhookError>>;
}
