//! Homes, their photos, seasons, blocks and days, as clients read them.

use serde::{Deserialize, Serialize};

use super::{NightRange, NightState};
use crate::date::Date;
use crate::id::{BlockId, BookingId, HoldId, PhotoId, PropertyId, UserId};
use crate::words::{Amenity, CancellationPolicy, Weekday};
use crate::{EpochMs, Seq};

/// Where a home is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PropertyState {
    /// Being written; only its host sees it.
    Draft,
    /// For everybody.
    Published,
    /// Taken back; what is booked goes on living.
    Unlisted,
    /// Gone for everybody.
    Deleted,
}

/// A point on the earth (WGS 84), kept to a millionth of a degree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Coordinates {
    /// Degrees north, -90 to 90.
    #[cfg_attr(feature = "openapi", schema(minimum = -90, maximum = 90, example = 48.198))]
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    #[cfg_attr(feature = "openapi", schema(minimum = -180, maximum = 180, example = 16.363))]
    pub longitude: f64,
}

/// The days `[from, to)`, in which some things are otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Season {
    /// First day.
    pub from: Date,
    /// The day after the last one.
    pub to: Date,
    /// Shortest stay that begins in it, in nights, 1 to 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 365))]
    pub min_nights: Option<u16>,
    /// Longest stay that begins in it, in nights, 1 to 365.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 365))]
    pub max_nights: Option<u16>,
    /// Price of its nights in minor units, weekends included unless they have a price here, 1 to 10^9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000))]
    pub nightly_minor: Option<i64>,
    /// Price of its Friday and Saturday nights in minor units, 1 to 10^9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000))]
    pub weekend_minor: Option<i64>,
}

/// A photo of a home, served at `/photos/{id}/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Photo {
    /// Its id; whoever knows it may see the photo.
    pub id: PhotoId,
    /// `image/jpeg`, `image/png` or `image/webp`.
    #[cfg_attr(feature = "openapi", schema(example = "image/jpeg"))]
    pub media_type: String,
    /// Pixels across.
    pub width_px: u16,
    /// Pixels down.
    pub height_px: u16,
    /// Length of the file.
    pub bytes: u32,
    /// What is to be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caption: Option<String>,
    /// When it was uploaded.
    pub created_at: EpochMs,
}

/// A home as everyone may see it; its address is there for its host alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Property {
    /// Its id.
    pub id: PropertyId,
    /// Who lets it.
    pub host: UserId,
    /// Where it is in its life.
    pub state: PropertyState,
    /// Counts its changes; `ETag` is `"v` and this and `"`.
    pub version: i64,
    /// Headline.
    pub title: String,
    /// The whole story.
    pub description: String,
    /// City.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Street and number; for the host alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Coordinates>,
    /// IANA time zone; nights are local dates there.
    pub time_zone: String,
    /// Most guests at once.
    pub max_guests: u16,
    /// Rooms to sleep in.
    pub bedrooms: u16,
    /// Beds.
    pub beds: u16,
    /// Bathrooms.
    pub bathrooms: u16,
    /// What it offers.
    pub amenities: Vec<Amenity>,
    /// What guests should know and keep to.
    pub house_rules: String,
    /// Animals may come.
    pub pets_allowed: bool,
    /// Smoking is allowed inside.
    pub smoking_allowed: bool,
    /// Parties are allowed.
    pub parties_allowed: bool,
    /// Children may come.
    pub children_allowed: bool,
    /// Guests may arrive from this minute of the local day.
    pub check_in_from_minute: u16,
    /// Guests must arrive by this minute of the local day, if there is an end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in_until_minute: Option<u16>,
    /// Guests must have left by this minute of the local day.
    pub check_out_until_minute: u16,
    /// ISO 4217 code of every price.
    pub currency: String,
    /// Price of one night, in minor units.
    pub nightly_minor: i64,
    /// Price of a Friday or Saturday night, if another, in minor units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekend_minor: Option<i64>,
    /// Taken off the nights of a stay of a week or more, in basis points.
    pub weekly_discount_bp: u16,
    /// Taken off the nights of a stay of 28 nights or more, instead, in basis points.
    pub monthly_discount_bp: u16,
    /// Price of cleaning, once a stay, in minor units.
    pub cleaning_fee_minor: i64,
    /// Guests that the nightly price is for.
    pub included_guests: u16,
    /// Price of each further guest, each night, in minor units.
    pub extra_guest_minor: i64,
    /// Taxes on nights after discount, further guests and cleaning, in basis points.
    pub tax_bp: u16,
    /// The platform's fee on the same, in basis points.
    pub service_fee_bp: u16,
    /// Shortest stay, in nights.
    pub min_nights: u16,
    /// Longest stay, in nights.
    pub max_nights: u16,
    /// Days between today and the first day on which guests may arrive.
    pub advance_notice_days: u16,
    /// How far ahead nights can be taken, in days from today.
    pub booking_window_days: u16,
    /// Days kept free before and after each stay.
    pub preparation_days: u16,
    /// Days of the week on which guests may arrive.
    pub check_in_days: Vec<Weekday>,
    /// Days of the week on which guests may leave.
    pub check_out_days: Vec<Weekday>,
    /// Whether guests book without asking; otherwise each request waits up to 24 hours for the host's answer.
    pub instant_book: bool,
    /// What guests get back who call a booking off.
    pub cancellation_policy: CancellationPolicy,
    /// When some things are otherwise, in order.
    pub seasons: Vec<Season>,
    /// Pictures, the first to be shown first.
    pub photos: Vec<Photo>,
    /// When it was made.
    pub created_at: EpochMs,
    /// When it was last changed.
    pub updated_at: EpochMs,
}

/// Nights that a host took off sale; for the host alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Block {
    /// Its id.
    pub id: BlockId,
    /// Of which home.
    pub property: PropertyId,
    /// First night.
    pub from: Date,
    /// The day after the last night.
    pub to: Date,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// When it was made.
    pub created_at: EpochMs,
}

/// The blocks of a home that are not over, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blocks {
    /// At most 200.
    pub items: Vec<Block>,
}

/// Why a night cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DayReason {
    /// Somebody is deciding.
    Hold {
        /// Which hold.
        hold: HoldId,
    },
    /// Somebody has booked it, or is paying.
    Booking {
        /// Which booking.
        booking: BookingId,
    },
    /// The host took it off sale.
    Block {
        /// Which block.
        block: BlockId,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// Kept free beside a stay.
    Preparation,
    /// In the past, or sooner than the home takes guests.
    TooSoon,
    /// Further ahead than the home takes bookings.
    TooLate,
}

/// One day of a calendar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Day {
    /// The local date.
    pub date: Date,
    /// The night that begins then. Nights kept free beside a stay are `blocked`.
    pub state: NightState,
    /// Price of the night, before discounts and fees, in minor units.
    pub price_minor: i64,
    /// Shortest stay that begins then, in nights.
    pub min_nights: u16,
    /// Some stay can begin then.
    pub can_check_in: bool,
    /// Some stay can end then.
    pub can_check_out: bool,
    /// Why the night cannot be had; for the host alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DayReason>,
}

/// `GET /properties/{id}/calendar/`: the snapshot of `property:{id}`, and each day with its price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CalendarDays {
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
    /// Each day.
    pub days: Vec<Day>,
}
