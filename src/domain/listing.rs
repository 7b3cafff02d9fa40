//! A home that is let: what it is, what it costs, and which stays its host accepts.

use jiff::tz::TimeZone;
use latchkey_protocol::{Date, PropertyId, UserId};

use super::error::{Refusal, Rule};
use super::money::{Currency, Money};
use super::stay::{MAX_NIGHTS, Stay};
use super::time::Timestamp;

/// How far ahead nights can be taken, in days from today.
pub const BOOKING_WINDOW_DAYS: i32 = 730;

/// Highest price of a night or a fee, in minor units.
const MAX_PRICE_MINOR: i64 = 1_000_000_000;

/// A listed home.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// Its id.
    pub id: PropertyId,
    /// Who lets it.
    pub host: UserId,
    /// Headline.
    pub title: String,
    /// City.
    pub city: String,
    /// Its local time.
    pub time_zone: TimeZone,
    /// Most guests at once.
    pub max_guests: u16,
    /// Currency of every price.
    pub currency: Currency,
    /// Price of one night, in minor units.
    pub nightly_minor: i64,
    /// Price of cleaning, once a stay, in minor units.
    pub cleaning_fee_minor: i64,
    /// Shortest stay, in nights.
    pub min_nights: u16,
    /// Longest stay, in nights.
    pub max_nights: u16,
    /// When it was listed.
    pub created_at: Timestamp,
}

impl Listing {
    /// Checks every field's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        let invalid = |field, reason| Err(Refusal::Invalid { field, reason });
        if !(1..=120).contains(&self.title.trim().chars().count()) {
            return invalid("title", "1 to 120 characters");
        }
        if !(1..=80).contains(&self.city.trim().chars().count()) {
            return invalid("city", "1 to 80 characters");
        }
        if !(1..=50).contains(&self.max_guests) {
            return invalid("max_guests", "1 to 50");
        }
        if !(1..=MAX_PRICE_MINOR).contains(&self.nightly_minor) {
            return invalid("nightly_minor", "1 to 1000000000");
        }
        if !(0..=MAX_PRICE_MINOR).contains(&self.cleaning_fee_minor) {
            return invalid("cleaning_fee_minor", "0 to 1000000000");
        }
        if !(1..=MAX_NIGHTS).contains(&self.min_nights) {
            return invalid("min_nights", "1 to 365");
        }
        if !(self.min_nights..=MAX_NIGHTS).contains(&self.max_nights) {
            return invalid("max_nights", "min_nights to 365");
        }
        Ok(())
    }

    /// The local date at `now`.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Date {
        let instant = jiff::Timestamp::from_millisecond(now.epoch_ms()).unwrap_or_default();
        let local = self.time_zone.to_datetime(instant).date();
        Date::from_year_month_day(i32::from(local.year()), i32::from(local.month()), i32::from(local.day())).unwrap_or(Date::MIN)
    }

    /// Whether the rules allow such a stay, decided at `now`; whether the nights are free is the calendar's business.
    ///
    /// # Errors
    /// `RuleViolated` with the first rule broken, in the order of [`Rule`]; `Invalid` for no guests.
    pub fn accepts(&self, stay: Stay, guests: u16, now: Timestamp) -> Result<(), Refusal> {
        let refuse = |rule, limit| Err(Refusal::RuleViolated { rule, limit });
        let today = self.today(now);
        let last_day = today.saturating_add(BOOKING_WINDOW_DAYS);
        if guests == 0 {
            return Err(Refusal::Invalid { field: "guests", reason: "1 or more" });
        }
        if stay.check_in() < today {
            return refuse(Rule::NotInThePast, i64::from(today.epoch_day()));
        }
        if stay.check_out() > last_day {
            return refuse(Rule::BookingWindow, i64::from(last_day.epoch_day()));
        }
        if stay.night_count() < self.min_nights {
            return refuse(Rule::MinNights, i64::from(self.min_nights));
        }
        if stay.night_count() > self.max_nights {
            return refuse(Rule::MaxNights, i64::from(self.max_nights));
        }
        if guests > self.max_guests {
            return refuse(Rule::MaxGuests, i64::from(self.max_guests));
        }
        Ok(())
    }

    /// Price of one night.
    #[must_use]
    pub const fn nightly(&self) -> Money {
        Money { minor: self.nightly_minor, currency: self.currency }
    }

    /// Price of cleaning.
    #[must_use]
    pub const fn cleaning(&self) -> Money {
        Money { minor: self.cleaning_fee_minor, currency: self.currency }
    }
}
