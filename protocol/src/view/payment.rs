//! Payments, disputes and payouts.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::id::{BookingId, PaymentId};

/// Where a payment is: Stripe's names for the states of a PaymentIntent, and what becomes of its money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaymentState {
    /// Waits for a payment method (again, after a declined one).
    RequiresPaymentMethod,
    /// A method was given; the provider is being asked.
    RequiresConfirmation,
    /// The guest must authenticate with their bank.
    RequiresAction,
    /// The bank takes its time.
    Processing,
    /// The money is set aside, to be captured.
    RequiresCapture,
    /// The money is ours.
    Succeeded,
    /// Will not happen.
    Canceled,
}

/// Where a dispute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DisputeState {
    /// The provider keeps the money back.
    Open,
    /// The money stays.
    Won,
    /// The money went back to the guest.
    Lost,
}

/// A guest's bank took, or wants to take, a charge back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dispute {
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Where it is.
    pub state: DisputeState,
}

/// A payment as the booking's parties see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payment {
    /// Its id.
    pub id: PaymentId,
    /// For which booking.
    pub booking: BookingId,
    /// ISO 4217 code.
    pub currency: String,
    /// How much is asked, in minor units.
    pub amount_minor: i64,
    /// How much has come in.
    pub captured_minor: i64,
    /// How much is promised back.
    pub refund_due_minor: i64,
    /// How much went back.
    pub refunded_minor: i64,
    /// Where it is.
    pub state: PaymentState,
    /// Why the last method was declined, in the provider's words; for the guest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    /// With what the guest's client authenticates while the payment requires action; for the guest alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// Whether the guest's bank disputes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispute: Option<Dispute>,
    /// When it was asked for.
    pub created_at: EpochMs,
}

/// What a host is paid for a booking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Payout {
    /// For which booking.
    pub booking: BookingId,
    /// ISO 4217 code.
    pub currency: String,
    /// When it is due: 24 hours after the guest may arrive.
    pub due_at: EpochMs,
    /// The host's share as it is now, in minor units.
    pub share_minor: i64,
    /// What has been sent of it, less what was taken back.
    pub paid_minor: i64,
    /// What is on its way; negative: back.
    pub pending_minor: i64,
}
