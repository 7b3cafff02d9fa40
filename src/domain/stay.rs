//! A stay: the half-open run of nights `[check_in, check_out)`.

use latchkey_protocol::Date;

use super::error::Refusal;

/// Longest stay, in nights.
pub const MAX_NIGHTS: u16 = 365;

/// Longest run of nights off sale.
pub const MAX_NIGHTS_OFF_SALE: u16 = 730;

/// One to [`MAX_NIGHTS`] nights in a row (to [`MAX_NIGHTS_OFF_SALE`] off sale), by the local calendar of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stay {
    check_in: Date,
    check_out: Date,
}

impl Stay {
    /// The nights from `check_in` to the one before `check_out`.
    ///
    /// # Errors
    /// `Invalid` (field `check_out`) if it is not after `check_in`, or more than [`MAX_NIGHTS`] after it.
    pub fn new(check_in: Date, check_out: Date) -> Result<Self, Refusal> {
        match check_out.days_since(check_in) {
            nights if nights < 1 => Err(Refusal::Invalid { field: "check_out", reason: "must be after check_in" }),
            nights if nights > i32::from(MAX_NIGHTS) => Err(Refusal::Invalid { field: "check_out", reason: "more than 365 nights" }),
            _ => Ok(Self { check_in, check_out }),
        }
    }

    /// Nights in which nobody stays: taken off sale by the host.
    ///
    /// # Errors
    /// `Invalid` (field `to`) if it is not after `from`, or more than [`MAX_NIGHTS_OFF_SALE`] after it.
    pub fn off_sale(from: Date, to: Date) -> Result<Self, Refusal> {
        match to.days_since(from) {
            nights if nights < 1 => Err(Refusal::Invalid { field: "to", reason: "must be after from" }),
            nights if nights > i32::from(MAX_NIGHTS_OFF_SALE) => Err(Refusal::Invalid { field: "to", reason: "more than 730 nights" }),
            _ => Ok(Self { check_in: from, check_out: to }),
        }
    }

    /// First night.
    #[must_use]
    pub const fn check_in(self) -> Date {
        self.check_in
    }

    /// Morning of departure; the night before is the last one.
    #[must_use]
    pub const fn check_out(self) -> Date {
        self.check_out
    }

    /// How many nights.
    #[must_use]
    pub fn night_count(self) -> u16 {
        u16::try_from(self.check_out.days_since(self.check_in)).unwrap_or(u16::MAX)
    }

    /// Each night, in order.
    pub fn nights(self) -> impl DoubleEndedIterator<Item = Date> {
        (0..self.check_out.days_since(self.check_in)).map(move |offset| self.check_in.saturating_add(offset))
    }

    /// Whether the two share a night.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.check_in < other.check_out && other.check_in < self.check_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn a_stay_has_one_to_365_nights() {
        for (from, to, nights) in [
            ("2026-12-01", "2026-12-02", Some(1)),
            ("2027-01-01", "2028-01-01", Some(365)),
            ("2026-12-01", "2026-12-01", None),
            ("2026-12-02", "2026-12-01", None),
            ("2027-01-01", "2028-01-02", None),
        ] {
            assert_eq!(Stay::new(date(from), date(to)).ok().map(Stay::night_count), nights, "{from} to {to}");
        }
    }

    #[test]
    fn the_morning_of_departure_is_free_for_the_next_guest() {
        let first = Stay::new(date("2026-12-01"), date("2026-12-04")).unwrap();
        let next = Stay::new(date("2026-12-04"), date("2026-12-05")).unwrap();
        assert!(!first.overlaps(next) && !next.overlaps(first) && first.overlaps(first));
        assert_eq!(first.nights().last(), Some(date("2026-12-03")));
    }
}
