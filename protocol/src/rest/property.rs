//! Bodies of `/properties/…`.

mod update;

use serde::{Deserialize, Serialize};

pub use self::update::UpdateProperty;

use crate::date::Date;
use crate::id::PhotoId;
use crate::view::{Coordinates, Season};
use crate::words::{Amenity, CancellationPolicy, Weekday};

/// `POST /properties/`; answered by [`crate::view::Property`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct CreateProperty {
    /// Headline, 1 to 120 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 120, example = "Attic near the Naschmarkt"))]
    pub title: String,
    /// The whole story, up to 5000 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 5000))]
    pub description: String,
    /// City, 1 to 80 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 80, example = "Vienna"))]
    pub city: String,
    /// ISO 3166-1 alpha-2 code of the country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 2, max_length = 2, pattern = "^[A-Z]{2}$", example = "AT"))]
    pub country: Option<String>,
    /// Street and number, 1 to 200 characters: for the host, and later for guests whose booking is confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 200))]
    pub address: Option<String>,
    /// Where it is; a home is not published without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Coordinates>,
    /// IANA time zone, such as `Europe/Vienna`; nights are local dates there.
    #[cfg_attr(feature = "openapi", schema(example = "Europe/Vienna"))]
    pub time_zone: String,
    /// Most guests at once, 1 to 50.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50, example = 4))]
    pub max_guests: u16,
    /// Rooms to sleep in, 0 to 50.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 50))]
    pub bedrooms: u16,
    /// Beds, 0 to 50.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 50))]
    pub beds: u16,
    /// Bathrooms, 0 to 50.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 50))]
    pub bathrooms: u16,
    /// What it offers.
    #[serde(default)]
    pub amenities: Vec<Amenity>,
    /// What guests should know and keep to, up to 2000 characters.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_length = 2000))]
    pub house_rules: String,
    /// Animals may come.
    #[serde(default)]
    pub pets_allowed: bool,
    /// Smoking is allowed inside.
    #[serde(default)]
    pub smoking_allowed: bool,
    /// Parties are allowed.
    #[serde(default)]
    pub parties_allowed: bool,
    /// Children may come.
    #[serde(default = "yes")]
    pub children_allowed: bool,
    /// Guests may arrive from this minute of the local day, 0 to 1439.
    #[serde(default = "fifteen")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1439, example = 900))]
    pub check_in_from_minute: u16,
    /// Guests must arrive by this minute of the local day, if there is an end: after `check_in_from_minute`, to 1439.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1439))]
    pub check_in_until_minute: Option<u16>,
    /// Guests must have left by this minute of the local day, 0 to 1439.
    #[serde(default = "eleven")]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1439, example = 660))]
    pub check_out_until_minute: u16,
    /// ISO 4217 code of every price.
    #[cfg_attr(feature = "openapi", schema(min_length = 3, max_length = 3, example = "EUR"))]
    pub currency: String,
    /// Price of one night in minor units, 1 to 10^9.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000, example = 9800))]
    pub nightly_minor: i64,
    /// Price of a Friday or Saturday night in minor units, if another, 1 to 10^9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 1_000_000_000))]
    pub weekend_minor: Option<i64>,
    /// Taken off the nights of a stay of a week or more, in basis points, 0 to 9000.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 9000))]
    pub weekly_discount_bp: u16,
    /// Taken off the nights of a stay of 28 nights or more, instead, in basis points, 0 to 9000.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 9000))]
    pub monthly_discount_bp: u16,
    /// Price of cleaning in minor units, once a stay, 0 to 10^9.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1_000_000_000))]
    pub cleaning_fee_minor: i64,
    /// Guests that the nightly price is for, 1 to 50; `max_guests` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 50))]
    pub included_guests: Option<u16>,
    /// Price of each further guest, each night, in minor units, 0 to 10^9.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 1_000_000_000))]
    pub extra_guest_minor: i64,
    /// Taxes on nights after discount, further guests and cleaning, in basis points, 0 to 5000.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 5000))]
    pub tax_bp: u16,
    /// Shortest stay in nights, 1 to 365.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 365))]
    pub min_nights: u16,
    /// Longest stay in nights, `min_nights` to 365.
    #[serde(default = "longest")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 365))]
    pub max_nights: u16,
    /// Days between today and the first day on which guests may arrive, 0 to 30.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 30))]
    pub advance_notice_days: u16,
    /// How far ahead nights can be taken, in days from today, 1 to 730.
    #[serde(default = "window")]
    #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 730))]
    pub booking_window_days: u16,
    /// Days kept free before and after each stay, 0 to 7.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(minimum = 0, maximum = 7))]
    pub preparation_days: u16,
    /// Days of the week on which guests may arrive: all if left out.
    #[serde(default = "all_week")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub check_in_days: Vec<Weekday>,
    /// Days of the week on which guests may leave: all if left out.
    #[serde(default = "all_week")]
    #[cfg_attr(feature = "openapi", schema(min_items = 1))]
    pub check_out_days: Vec<Weekday>,
    /// Whether guests book without asking; otherwise each request waits up to 24 hours for the host's answer.
    #[serde(default = "yes")]
    pub instant_book: bool,
    /// What guests get back who call a booking off; each booking keeps the policy it was made under.
    #[serde(default = "flexible")]
    pub cancellation_policy: CancellationPolicy,
    /// When some things are otherwise; they must not overlap; at most 50.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(max_items = 50))]
    pub seasons: Vec<Season>,
    /// Show it to everybody at once.
    #[serde(default)]
    pub publish: bool,
}

impl CreateProperty {
    /// What must be said; everything else as if it were left out.
    #[must_use]
    pub fn new(title: &str, city: &str, time_zone: &str, max_guests: u16, currency: &str, nightly_minor: i64) -> Self {
        Self {
            title: title.to_owned(),
            description: String::new(),
            city: city.to_owned(),
            country: None,
            address: None,
            location: None,
            time_zone: time_zone.to_owned(),
            max_guests,
            bedrooms: one(),
            beds: one(),
            bathrooms: one(),
            amenities: Vec::new(),
            house_rules: String::new(),
            pets_allowed: false,
            smoking_allowed: false,
            parties_allowed: false,
            children_allowed: yes(),
            check_in_from_minute: fifteen(),
            check_in_until_minute: None,
            check_out_until_minute: eleven(),
            currency: currency.to_owned(),
            nightly_minor,
            weekend_minor: None,
            weekly_discount_bp: 0,
            monthly_discount_bp: 0,
            cleaning_fee_minor: 0,
            included_guests: None,
            extra_guest_minor: 0,
            tax_bp: 0,
            min_nights: one(),
            max_nights: longest(),
            advance_notice_days: 0,
            booking_window_days: window(),
            preparation_days: 0,
            check_in_days: all_week(),
            check_out_days: all_week(),
            instant_book: yes(),
            cancellation_policy: flexible(),
            seasons: Vec::new(),
            publish: false,
        }
    }
}

const fn one() -> u16 {
    1
}

const fn yes() -> bool {
    true
}

const fn flexible() -> CancellationPolicy {
    CancellationPolicy::Flexible
}

const fn fifteen() -> u16 {
    15 * 60
}

const fn eleven() -> u16 {
    11 * 60
}

const fn longest() -> u16 {
    365
}

const fn window() -> u16 {
    730
}

fn all_week() -> Vec<Weekday> {
    Weekday::ALL.to_vec()
}

/// `POST /properties/{id}/blocks/`; answered by [`crate::view::Block`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateBlock {
    /// First night: today in the home's time zone, or later.
    pub from: Date,
    /// The day after the last night, at most 730 later.
    pub to: Date,
    /// Why, up to 500 characters; the host alone reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(max_length = 500))]
    pub note: Option<String>,
}

/// `PUT /properties/{id}/photos/order/` with `If-Match`; answered by [`crate::view::Property`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OrderPhotos {
    /// Each of the home's photos once, the first to be shown first.
    #[cfg_attr(feature = "openapi", schema(max_items = 30))]
    pub photos: Vec<PhotoId>,
}

/// `PATCH /properties/{id}/photos/{photo}/` with `If-Match`; answered by [`crate::view::Property`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CaptionPhoto {
    /// What is to be seen, up to 200 characters; `null` or empty clears it.
    #[cfg_attr(feature = "openapi", schema(max_length = 200))]
    pub caption: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_needs_little_to_be_created() {
        let text = r#"{"title":"T","city":"C","time_zone":"Europe/Vienna","max_guests":4,"currency":"EUR","nightly_minor":9800}"#;
        let created = serde_json::from_str::<CreateProperty>(text).unwrap();
        assert_eq!(created, CreateProperty::new("T", "C", "Europe/Vienna", 4, "EUR", 9_800));
        assert_eq!(serde_json::from_str::<CreateProperty>(&serde_json::to_string(&created).unwrap()).unwrap(), created);
    }
}
