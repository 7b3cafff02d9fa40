//! Where a home is: a point on the earth, a country.

use std::str::FromStr;

use super::error::Refusal;

/// A point on the earth, in millionths of a degree: 11 cm at the equator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    latitude_e6: i32,
    longitude_e6: i32,
}

impl Location {
    /// From millionths of a degree, north and east positive.
    ///
    /// # Errors
    /// `Invalid` beyond 90 or 180 degrees.
    pub fn from_microdegrees(latitude_e6: i32, longitude_e6: i32) -> Result<Self, Refusal> {
        if !(-90_000_000..=90_000_000).contains(&latitude_e6) {
            return Err(Refusal::Invalid { field: "latitude", reason: "-90 to 90" });
        }
        if !(-180_000_000..=180_000_000).contains(&longitude_e6) {
            return Err(Refusal::Invalid { field: "longitude", reason: "-180 to 180" });
        }
        Ok(Self { latitude_e6, longitude_e6 })
    }

    /// From degrees, rounded to millionths.
    ///
    /// # Errors
    /// `Invalid` beyond 90 or 180 degrees, or for what is not a number.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Result<Self, Refusal> {
        Self::from_microdegrees(millionths(latitude), millionths(longitude))
    }

    /// Degrees north, in millionths.
    #[must_use]
    pub const fn latitude_e6(self) -> i32 {
        self.latitude_e6
    }

    /// Degrees east, in millionths.
    #[must_use]
    pub const fn longitude_e6(self) -> i32 {
        self.longitude_e6
    }

    /// Degrees north.
    #[must_use]
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude_e6) / 1e6
    }

    /// Degrees east.
    #[must_use]
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude_e6) / 1e6
    }
}

/// Not a number becomes what no range contains.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and both ends are out of range")]
fn millionths(degrees: f64) -> i32 {
    if degrees.is_nan() { i32::MAX } else { (degrees * 1e6).round() as i32 }
}

/// ISO 3166-1 alpha-2 codes, officially assigned (2026).
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD \
    CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM \
    GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK \
    LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK \
    TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// A country, by its ISO 3166-1 alpha-2 code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Country(&'static str);

impl Country {
    /// The two letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl From<Country> for String {
    /// The two letters.
    fn from(country: Country) -> Self {
        country.0.to_owned()
    }
}

impl FromStr for Country {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let known = CODES.split_whitespace().find(|code| *code == text);
        known.map(Self).ok_or(Refusal::Invalid { field: "country", reason: "not an ISO 3166-1 alpha-2 code" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_beyond_the_poles_or_the_date_line_names_its_field() {
        for (latitude, longitude, field) in [
            (48.2, 16.37, None),
            (-90.0, 180.0, None),
            (90.000_001, 0.0, Some("latitude")),
            (f64::NAN, 0.0, Some("latitude")),
            (f64::INFINITY, 0.0, Some("latitude")),
            (0.0, -180.000_001, Some("longitude")),
        ] {
            let refused = match Location::from_degrees(latitude, longitude) {
                Err(Refusal::Invalid { field, .. }) => Some(field),
                Ok(_) | Err(_) => None,
            };
            assert_eq!(refused, field, "{latitude}, {longitude}");
        }
        let vienna = Location::from_degrees(48.208_176_4, 16.373_819_2).unwrap();
        assert_eq!((vienna.latitude_e6(), vienna.longitude_e6()), (48_208_176, 16_373_819));
    }

    #[test]
    fn a_country_is_one_of_249_codes() {
        assert_eq!(CODES.split_whitespace().count(), 249);
        assert_eq!("AT".parse::<Country>().unwrap().code(), "AT");
        for text in ["at", "XX", "AUT", "", "AT DE"] {
            assert!(text.parse::<Country>().is_err(), "{text}");
        }
    }
}
