//! Bookings, alterations, and what calling off would mean.

use serde::{Deserialize, Serialize};

use super::{Payout, Quote};
use crate::date::Date;
use crate::id::{BookingId, PaymentId, PropertyId, UserId};
use crate::words::CancellationPolicy;
use crate::{EpochMs, Seq};

/// Where a booking is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BookingState {
    /// Waits for its payment until `expires_at`.
    PendingPayment,
    /// The money is set aside; waits for the host's answer until `expires_at`.
    Requested,
    /// The nights are the guest's.
    Confirmed,
    /// The guest is there.
    CheckedIn,
    /// The stay is over.
    Completed,
    /// The money that was set aside did not come in.
    PaymentFailed,
    /// The host said no to the request.
    Declined,
    /// The guest took the request back.
    Withdrawn,
    /// Neither paid nor answered in time.
    Expired,
    /// Called off by the guest.
    CancelledByGuest,
    /// Called off by the host.
    CancelledByHost,
    /// The guest never came.
    NoShow,
}

/// A side of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who stays.
    Guest,
    /// Who lets.
    Host,
}

/// A booking as its two parties see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Booking {
    /// Its id, which was the hold's.
    pub id: BookingId,
    /// Of which home.
    pub property: PropertyId,
    /// Who stays.
    pub guest: UserId,
    /// Who lets.
    pub host: UserId,
    /// First night.
    pub check_in: Date,
    /// Morning of departure.
    pub check_out: Date,
    /// When the guest may arrive, in the home's local time on the first day.
    pub check_in_at: EpochMs,
    /// When the guest must have left, on the last day.
    pub check_out_at: EpochMs,
    /// How many people.
    pub guests: u16,
    /// Where it is in its life.
    pub state: BookingState,
    /// While it waits for its payment or its answer: when it ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<EpochMs>,
    /// Whether its payment alone confirms it; otherwise the host is asked.
    pub instant_book: bool,
    /// What the guest gets back who calls it off, frozen when it was made.
    pub cancellation_policy: CancellationPolicy,
    /// Its first payment.
    pub payment: PaymentId,
    /// Payments of what alterations cost more, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_payments: Vec<PaymentId>,
    /// The price, frozen when it was booked or altered.
    pub quote: Quote,
    /// When the nights became the guest's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<EpochMs>,
    /// When the guest came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_in_at: Option<EpochMs>,
    /// When the guest left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_out_at: Option<EpochMs>,
    /// The first night that was booked and not stayed, of a guest who left early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_on: Option<Date>,
    /// A change of the stay that one side proposed and that is not decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alteration: Option<Alteration>,
    /// What somebody wrote to the arrival; only where the booking itself is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in_note: Option<String>,
    /// What somebody wrote to the departure; only where the booking itself is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out_note: Option<String>,
    /// Street and number of the home, from the confirmation to the departure; only where the booking itself is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// What the host is paid, for the host alone; only where the booking itself is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payout: Option<Payout>,
    /// When it was made.
    pub created_at: EpochMs,
    /// The booking topic's sequence at which this was true.
    pub seq: Seq,
}

/// Where a proposed alteration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlterationState {
    /// The other side has not answered.
    Proposed,
    /// Accepted; nothing changes before the guest has paid what it costs more.
    AwaitingPayment,
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlterationEnd {
    /// The stay is the proposed one.
    Applied,
    /// The other side said no.
    Declined,
    /// Whoever proposed it took it back, or the booking was called off.
    Withdrawn,
    /// Nobody answered or paid in time.
    Expired,
    /// Somebody else has one of the nights; what was paid for it goes back.
    DatesTaken,
}

/// A proposal to change a booked stay; it takes no nights before it is applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Alteration {
    /// 1, 2, 3 … within the booking.
    pub number: u32,
    /// Who proposed it.
    pub by: Side,
    /// Where it is.
    pub state: AlterationState,
    /// The stay as it would be, and what it would cost altogether.
    pub quote: Quote,
    /// What it costs more than the booking as it is, in minor units; negative: less.
    pub difference_minor: i64,
    /// With what the guest pays the difference, once it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentId>,
    /// When it ends by itself; exclusive.
    pub expires_at: EpochMs,
    /// When it was proposed.
    pub created_at: EpochMs,
}

/// By which rule something goes back to a guest who does not stay all nights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RefundTier {
    /// The whole price.
    Everything,
    /// Half of the nights, and cleaning.
    HalfOfTheNights,
    /// Of the nights that are not stayed all but the first (half of them under `moderate`); and cleaning before check-in.
    UnspentNights,
    /// Nothing of the nights; cleaning before check-in.
    NoNights,
}

/// What calling a booking off, or leaving early, would mean now, `GET /bookings/{id}/cancellation/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Cancellation {
    /// Which booking.
    pub booking: BookingId,
    /// Its policy, frozen when it was made.
    pub policy: CancellationPolicy,
    /// By which rule.
    pub tier: RefundTier,
    /// ISO 4217 code.
    pub currency: String,
    /// What goes back altogether, in minor units.
    pub refund_minor: i64,
    /// Of that, out of nights, further guests and cleaning.
    pub of_stay_minor: i64,
    /// Of that, out of the platform's fee.
    pub of_fee_minor: i64,
    /// Of that, out of taxes.
    pub of_taxes_minor: i64,
    /// Until when, exclusive, a guest gets everything back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everything_until: Option<EpochMs>,
    /// Until when, exclusive, a guest gets half of the nights back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half_until: Option<EpochMs>,
}
