//! Civil dates: `2026-12-24` on the wire, a day number in code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A day of the proleptic Gregorian calendar, years 0001 to 9999, counted in days since 1970-01-01.
///
/// It has no time zone: a night belongs to the local calendar of its property.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

/// Text that is not a date of the form `2026-12-24`, or a day outside years 0001 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidDate;

impl fmt::Display for InvalidDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a date of the form 2026-12-24")
    }
}

impl std::error::Error for InvalidDate {}

impl Date {
    /// 0001-01-01.
    pub const MIN: Self = Self(-719_162);
    /// 9999-12-31.
    pub const MAX: Self = Self(2_932_896);

    /// The date that many days after 1970-01-01 (before, if negative).
    ///
    /// # Errors
    /// [`InvalidDate`] outside years 0001 to 9999.
    pub const fn from_epoch_day(day: i32) -> Result<Self, InvalidDate> {
        if day < Self::MIN.0 || day > Self::MAX.0 { Err(InvalidDate) } else { Ok(Self(day)) }
    }

    /// Days since 1970-01-01.
    #[must_use]
    pub const fn epoch_day(self) -> i32 {
        self.0
    }

    /// The date `days` later (earlier, if negative), held within years 0001 to 9999.
    #[must_use]
    pub const fn saturating_add(self, days: i32) -> Self {
        let day = self.0.saturating_add(days);
        if day < Self::MIN.0 {
            Self::MIN
        } else if day > Self::MAX.0 {
            Self::MAX
        } else {
            Self(day)
        }
    }

    /// Whole days from `earlier` to this date; negative if this one is before it.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }

    /// Day of the week: 0 is Monday, 6 is Sunday (ISO 8601 order).
    #[must_use]
    pub const fn weekday(self) -> u8 {
        // 1970-01-01 was a Thursday. The remainder is in 0..7, so the cast keeps it.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        {
            (self.0 + 3).rem_euclid(7) as u8
        }
    }

    /// Year, month 1 to 12, day 1 to 31. (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.)
    #[must_use]
    pub const fn year_month_day(self) -> (i32, i32, i32) {
        let shifted = self.0 + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        (year, month, day)
    }

    /// The date with this year, month and day. (Hinnant's `days_from_civil`.)
    ///
    /// # Errors
    /// [`InvalidDate`] for a day that does not exist.
    pub const fn from_year_month_day(year: i32, month: i32, day: i32) -> Result<Self, InvalidDate> {
        if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31 {
            return Err(InvalidDate);
        }
        let shifted_year = if month <= 2 { year - 1 } else { year };
        let era = shifted_year.div_euclid(400);
        let year_of_era = shifted_year.rem_euclid(400);
        let shifted_month = if month > 2 { month - 3 } else { month + 9 };
        let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let date = Self(era * 146_097 + day_of_era - 719_468);
        // February 30 comes out as a day in March: it does not read back as what was asked.
        let (_, month_back, day_back) = date.year_month_day();
        if month_back == month && day_back == day { Ok(date) } else { Err(InvalidDate) }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.year_month_day();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Date {
    type Err = InvalidDate;

    fn from_str(text: &str) -> Result<Self, InvalidDate> {
        let bytes = text.as_bytes();
        if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
            return Err(InvalidDate);
        }
        let number = |digits: &[u8]| {
            digits.iter().try_fold(
                0,
                |sum, digit| {
                    if digit.is_ascii_digit() { Ok(sum * 10 + i32::from(digit - b'0')) } else { Err(InvalidDate) }
                },
            )
        };
        Self::from_year_month_day(number(&bytes[..4])?, number(&bytes[5..7])?, number(&bytes[8..])?)
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Date {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        crate::openapi::text("date", "2026-12-24")
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Date {}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Date;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date of the form 2026-12-24")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Date, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_reads_back_and_follows_the_one_before() {
        let mut before = (0, 12, 31);
        for day in Date::MIN.0..=Date::MAX.0 {
            let date = Date::from_epoch_day(day).unwrap();
            let (year, month, day_of_month) = date.year_month_day();
            assert!((year, month, day_of_month) > before);
            assert_eq!(Date::from_year_month_day(year, month, day_of_month), Ok(date));
            before = (year, month, day_of_month);
        }
        assert_eq!(before, (9999, 12, 31));
    }

    #[test]
    fn known_dates_have_their_known_numbers_and_weekdays() {
        for (text, day, weekday) in [("1970-01-01", 0, 3), ("2000-02-29", 11_016, 1), ("2026-11-21", 20_778, 5), ("1969-12-29", -3, 0)] {
            let date: Date = text.parse().unwrap();
            assert_eq!((date.epoch_day(), date.weekday(), date.to_string().as_str()), (day, weekday, text));
        }
    }

    #[test]
    fn text_that_is_not_a_date_is_refused() {
        for text in
            ["", "2026-1-1", "2026-13-01", "2026-02-29", "2026-00-10", "0000-01-01", "2026/01/01", "+026-01-01", "2026-01-0a", "２０26-01"]
        {
            assert_eq!(text.parse::<Date>(), Err(InvalidDate), "{text}");
        }
    }
}
