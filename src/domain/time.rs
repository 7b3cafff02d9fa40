//! Instants, as the domain counts them.

use std::fmt;

use latchkey_protocol::Date;

/// A day, in milliseconds: instants count no leap seconds.
pub const DAY_MS: i64 = 86_400_000;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, by the server's clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The instant that many milliseconds after the epoch.
    #[must_use]
    pub const fn from_epoch_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn epoch_ms(self) -> i64 {
        self.0
    }

    /// The instant `ms` milliseconds later, held within range.
    #[must_use]
    pub const fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The date in UTC, held within years 0001 to 9999.
    #[must_use]
    pub fn utc_date(self) -> Date {
        let bound = if self.0 < 0 { Date::MIN } else { Date::MAX };
        let day = i32::try_from(self.0.div_euclid(DAY_MS)).ok();
        day.and_then(|day| Date::from_epoch_day(day).ok()).unwrap_or(bound)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_in_utc_begins_at_midnight_also_before_the_epoch_and_is_held_within_four_digit_years() {
        for (ms, date) in [
            (0, "1970-01-01"),
            (DAY_MS - 1, "1970-01-01"),
            (DAY_MS, "1970-01-02"),
            (-1, "1969-12-31"),
            (1_798_156_800_000, "2026-12-25"),
            (1_798_156_799_999, "2026-12-24"),
            (i64::MAX, "9999-12-31"),
            (i64::MIN, "0001-01-01"),
        ] {
            assert_eq!(Timestamp::from_epoch_ms(ms).utc_date().to_string(), date, "{ms}");
        }
    }
}
