//! Changing a home: what is left out stays.

use serde::{Deserialize, Deserializer, Serialize};

use crate::view::{Coordinates, Season};
use crate::words::{Amenity, CancellationPolicy, Weekday};

/// `PATCH /properties/{id}/` with `If-Match`; answered by [`crate::view::Property`]. RFC 7396: what is left out stays, `null` clears what
/// may be absent. Ranges as in [`super::CreateProperty`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateProperty {
    /// Headline, 1 to 120 characters.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 120))]
    pub title: Option<String>,
    /// The whole story, up to 5000 characters.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, max_length = 5000))]
    pub description: Option<String>,
    /// City, 1 to 80 characters.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 1, max_length = 80))]
    pub city: Option<String>,
    /// ISO 3166-1 alpha-2 code of the country.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, min_length = 2, max_length = 2, pattern = "^[A-Z]{2}$", example = "AT"))]
    pub country: Option<Option<String>>,
    /// Street and number, 1 to 200 characters.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, min_length = 1, max_length = 200))]
    pub address: Option<Option<String>>,
    /// Where it is: both members, or `null` (not while it is published).
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Coordinates>))]
    pub location: Option<Option<Coordinates>>,
    /// IANA time zone; only of a draft.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub time_zone: Option<String>,
    /// Most guests at once, 1 to 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 50))]
    pub max_guests: Option<u16>,
    /// Rooms to sleep in, 0 to 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 50))]
    pub bedrooms: Option<u16>,
    /// Beds, 0 to 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 50))]
    pub beds: Option<u16>,
    /// Bathrooms, 0 to 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 50))]
    pub bathrooms: Option<u16>,
    /// What it offers, all of it.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub amenities: Option<Vec<Amenity>>,
    /// What guests should know and keep to, up to 2000 characters.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, max_length = 2000))]
    pub house_rules: Option<String>,
    /// Animals may come.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub pets_allowed: Option<bool>,
    /// Smoking is allowed inside.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub smoking_allowed: Option<bool>,
    /// Parties are allowed.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub parties_allowed: Option<bool>,
    /// Children may come.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub children_allowed: Option<bool>,
    /// Guests may arrive from this minute of the local day, 0 to 1439.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 1439))]
    pub check_in_from_minute: Option<u16>,
    /// Guests must arrive by this minute of the local day.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<u16>, minimum = 0, maximum = 1439))]
    pub check_in_until_minute: Option<Option<u16>>,
    /// Guests must have left by this minute of the local day, 0 to 1439.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 1439))]
    pub check_out_until_minute: Option<u16>,
    /// ISO 4217 code of every price; only of a draft.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_length = 3, max_length = 3))]
    pub currency: Option<String>,
    /// Price of one night in minor units, 1 to 10^9.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 1_000_000_000))]
    pub nightly_minor: Option<i64>,
    /// Price of a Friday or Saturday night in minor units, 1 to 10^9.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<i64>, minimum = 1, maximum = 1_000_000_000))]
    pub weekend_minor: Option<Option<i64>>,
    /// Taken off the nights of a stay of a week or more, in basis points, 0 to 9000.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 9000))]
    pub weekly_discount_bp: Option<u16>,
    /// Taken off the nights of a stay of 28 nights or more, instead, in basis points, 0 to 9000.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 9000))]
    pub monthly_discount_bp: Option<u16>,
    /// Price of cleaning in minor units, once a stay, 0 to 10^9.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 1_000_000_000))]
    pub cleaning_fee_minor: Option<i64>,
    /// Guests that the nightly price is for, 1 to 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 50))]
    pub included_guests: Option<u16>,
    /// Price of each further guest, each night, in minor units, 0 to 10^9.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 1_000_000_000))]
    pub extra_guest_minor: Option<i64>,
    /// Taxes, in basis points, 0 to 5000.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 5000))]
    pub tax_bp: Option<u16>,
    /// Shortest stay in nights, 1 to 365.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 365))]
    pub min_nights: Option<u16>,
    /// Longest stay in nights, `min_nights` to 365.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 365))]
    pub max_nights: Option<u16>,
    /// Days between today and the first day on which guests may arrive, 0 to 30.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 30))]
    pub advance_notice_days: Option<u16>,
    /// How far ahead nights can be taken, in days from today, 1 to 730.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 1, maximum = 730))]
    pub booking_window_days: Option<u16>,
    /// Days kept free before and after each stay, 0 to 7.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, minimum = 0, maximum = 7))]
    pub preparation_days: Option<u16>,
    /// Days of the week on which guests may arrive.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_items = 1))]
    pub check_in_days: Option<Vec<Weekday>>,
    /// Days of the week on which guests may leave.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, min_items = 1))]
    pub check_out_days: Option<Vec<Weekday>>,
    /// Whether guests book without asking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instant_book: Option<bool>,
    /// What guests get back who call a booking off that they make from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation_policy: Option<CancellationPolicy>,
    /// All of its seasons; they must not overlap; at most 50.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false, max_items = 50))]
    pub seasons: Option<Vec<Season>>,
}

/// A member that is there, so that `null` is told from one that is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_clears_what_may_be_absent_and_is_refused_elsewhere() {
        let read = serde_json::from_str::<UpdateProperty>;
        assert_eq!(read("{}").unwrap(), UpdateProperty::default());
        assert_eq!(read(r#"{"country":null}"#).unwrap().country, Some(None));
        assert_eq!(read(r#"{"country":"AT"}"#).unwrap().country, Some(Some("AT".to_owned())));
        for refused in [r#"{"title":null}"#, r#"{"seasons":null}"#, r#"{"location":{"latitude":1.0}}"#, r#"{"state":"published"}"#] {
            assert!(read(refused).is_err(), "{refused}");
        }
    }
}
