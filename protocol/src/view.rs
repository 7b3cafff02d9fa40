//! Shapes of things as clients read them: in replies, in snapshots, in REST bodies.

mod property;

use serde::{Deserialize, Serialize};

pub use self::property::{Block, Blocks, CalendarDays, Coordinates, Day, DayReason, Photo, Property, PropertyState, Season};

use crate::date::Date;
use crate::id::{HoldId, PropertyId};
use crate::{EpochMs, Seq};

mod account;
mod booking;
mod job;
mod payment;
pub use account::*;
pub use booking::*;
pub use job::*;
pub use payment::*;

/// What one night of a public calendar looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum NightState {
    /// Can be held.
    Free,
    /// Somebody is deciding or paying; it may become free again.
    Held,
    /// Booked and paid.
    Booked,
    /// Taken off sale by the host.
    Blocked,
}

/// A run of nights in one state, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NightRange {
    /// First night.
    pub from: Date,
    /// The day after the last night.
    pub to: Date,
    /// Their state.
    pub state: NightState,
}

/// Snapshot of `property:{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Calendar {
    /// Whose.
    pub property: PropertyId,
    /// The topic's sequence at which this was true.
    pub seq: Seq,
    /// First day told about.
    pub from: Date,
    /// The day after the last one told about.
    pub to: Date,
    /// The nights in that window that are not free, in order.
    pub taken: Vec<NightRange>,
}

/// What a line of a quote is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuoteLineKind {
    /// Nights of one price.
    Nights,
    /// Taken off for a week or longer; negative.
    WeeklyDiscount,
    /// Taken off for 28 nights or longer; negative.
    MonthlyDiscount,
    /// Guests beyond those that the nightly price is for: so many guests times so many nights.
    ExtraGuests,
    /// Cleaning, once.
    Cleaning,
    /// The platform's fee.
    ServiceFee,
    /// Taxes.
    Taxes,
}

/// One line of a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuoteLine {
    /// What for.
    pub kind: QuoteLineKind,
    /// How many.
    pub quantity: u16,
    /// Price of each, in minor units.
    pub unit_minor: i64,
    /// Quantity times price, in minor units.
    pub amount_minor: i64,
}

/// What a stay costs; the total is the sum of the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Quote {
    /// Which home.
    pub property: PropertyId,
    /// First night.
    pub check_in: Date,
    /// Morning of departure.
    pub check_out: Date,
    /// How many people.
    pub guests: u16,
    /// ISO 4217 code.
    pub currency: String,
    /// Each thing paid for.
    pub lines: Vec<QuoteLine>,
    /// The sum, in minor units.
    pub total_minor: i64,
}

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HoldState {
    /// Owns its nights until `expires_at`.
    Active,
    /// Has become a booking.
    Converted,
    /// Given back by its guest.
    Released,
    /// Ran out.
    Expired,
}

/// A hold as its guest sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Hold {
    /// Its id; the booking that grows from it keeps it.
    pub id: HoldId,
    /// On which home.
    pub property: PropertyId,
    /// First night.
    pub check_in: Date,
    /// Morning of departure.
    pub check_out: Date,
    /// How many people.
    pub guests: u16,
    /// Where it is in its life.
    pub state: HoldState,
    /// When it ends by itself; exclusive: at this instant it is over.
    pub expires_at: EpochMs,
    /// The property topic's sequence at which this was true.
    pub seq: Seq,
}

/// Snapshot of `user:{id}`: the newest bookings of that user, as guest and as host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inbox {
    /// Newest first, at most 50 of each side.
    pub bookings: Vec<Booking>,
}

/// Snapshot of `booking:{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BookingFile {
    /// The booking.
    pub booking: Booking,
    /// Its first payment.
    pub payment: Payment,
    /// Payments of what alterations cost more, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_payments: Vec<Payment>,
}
