//! `GET /properties/`: the search for homes.

use serde::{Deserialize, Serialize};

use crate::EpochMs;
use crate::date::Date;
use crate::id::{PropertyId, UserId};
use crate::view::{Coordinates, Photo};
use crate::words::Amenity;

/// The order of results; ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SearchSort {
    /// The newest home first.
    Newest,
    /// The nearest first; needs `near`.
    Distance,
    /// The cheapest first: by the total of the dates, or by the price of a night without dates. Compares one currency.
    Price,
    /// The best rated by guests first, those without a review last.
    Rating,
}

/// Query of `GET /properties/`; everything may be left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams))]
#[serde(deny_unknown_fields)]
pub struct FindProperties {
    /// Only homes around this point: degrees north and degrees east, with a comma between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(pattern = r"^-?[0-9]{1,2}(\.[0-9]{1,9})?,-?[0-9]{1,3}(\.[0-9]{1,9})?$", example = "48.2,16.37"))]
    pub near: Option<String>,
    /// How far around it, in kilometres, 0.001 to 500; 10 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0.001, maximum = 500, example = 5))]
    pub radius_km: Option<f64>,
    /// First night; with it, only homes that can be booked now for exactly these nights, each with its exact total.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<Date>,
    /// Morning of departure, 1 to 365 days after `check_in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out: Option<Date>,
    /// Days by which both dates may be moved, 0 to 3; each home is offered for its cheapest dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0, maximum = 3))]
    pub flexible: Option<u8>,
    /// Only homes that take so many people, 1 to 50; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 50, example = 2))]
    pub guests: Option<u16>,
    /// Only stays whose total is not higher, in minor units; needs dates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 0))]
    pub max_total_minor: Option<i64>,
    /// Only homes priced in this ISO 4217 currency. `EUR` if left out where prices are compared (`max_total_minor`, `sort=price`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(min_length = 3, max_length = 3, example = "EUR"))]
    pub currency: Option<String>,
    /// Only homes that offer all of these, with commas between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(example = "wifi,kitchen"))]
    pub amenities: Option<String>,
    /// In which order; `distance` if left out with `near`, else `newest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub sort: Option<SearchSort>,
    /// `next` of the page before, with the same query; opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// 1 to 100, 20 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(minimum = 1, maximum = 100))]
    pub limit: Option<u16>,
}

/// A home as a result: what a list of homes shows. The rest is at `/properties/{id}/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct FoundProperty {
    /// Its id.
    pub id: PropertyId,
    /// Who lets it.
    pub host: UserId,
    /// Headline.
    pub title: String,
    /// City.
    pub city: String,
    /// ISO 3166-1 alpha-2 code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
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
    /// ISO 4217 code of every price.
    pub currency: String,
    /// Price of one night, in minor units.
    pub nightly_minor: i64,
    /// The picture to be shown first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<Photo>,
    /// How many published reviews of guests there are.
    pub review_count: u32,
    /// Their average altogether in hundredths of a star (487 is 4.87), if there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating_hundredths: Option<u16>,
    /// When it was made.
    pub created_at: EpochMs,
    /// How far it is from `near`, in metres.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distance_m: Option<u32>,
    /// First night of the stay that is offered, if dates were asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_in: Option<Date>,
    /// Morning of departure of the stay that is offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_out: Option<Date>,
    /// What that stay costs with everything, in minor units: the total of its quote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_minor: Option<i64>,
}
