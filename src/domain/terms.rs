//! The terms on which a home is let: which stays its host accepts, season by season, and what nights cost.
//!
//! Apart from [`super::Listing`], so that search can keep the terms of a hundred thousand homes without their texts and ask the same
//! functions that decide a hold.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, civil};
use latchkey_protocol::{Date, Weekday};

use super::error::{Refusal, Rule};
use super::money::Currency;
use super::pricing::{MAX_PRICE_MINOR, Rates};
use super::stay::{MAX_NIGHTS, Stay};
use super::time::Timestamp;

/// Most seasons of one home.
pub const MAX_SEASONS: usize = 50;

/// How far ahead nights can be taken at most, in days from today.
pub const BOOKING_WINDOW_DAYS: u16 = 730;

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Weekdays(u8);

impl Weekdays {
    /// All seven.
    pub const ALL: Self = Self(0b111_1111);

    /// Whether the date falls on one of them.
    #[must_use]
    pub const fn contain(self, date: Date) -> bool {
        self.0 & (1 << date.weekday()) != 0
    }

    /// Each day, from Monday on.
    pub fn iter(self) -> impl Iterator<Item = Weekday> {
        Weekday::ALL.iter().copied().filter(move |day| self.0 & (1 << (*day as u8)) != 0)
    }

    /// The first date from `date` on that falls on one of them.
    fn next(self, date: Date) -> Date {
        (0..7).map(|days| date.saturating_add(days)).find(|date| self.contain(*date)).unwrap_or(date)
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        Self(days.into_iter().fold(0, |bits, day| bits | 1 << (day as u8)))
    }
}

/// Which stays the host accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StayRules {
    /// Shortest stay, in nights, where the season says nothing.
    pub min_nights: u16,
    /// Longest stay, in nights, where the season says nothing.
    pub max_nights: u16,
    /// Days between today and the first day on which guests may arrive: 0 is today.
    pub advance_notice_days: u16,
    /// How far ahead nights can be taken, in days from today.
    pub booking_window_days: u16,
    /// Days kept free before and after each stay. They own no nights: the neighbouring claims are looked at.
    pub preparation_days: u16,
    /// Days of the week on which guests may arrive.
    pub check_in_days: Weekdays,
    /// Days of the week on which guests may leave.
    pub check_out_days: Weekdays,
}

impl Default for StayRules {
    fn default() -> Self {
        Self {
            min_nights: 1,
            max_nights: MAX_NIGHTS,
            advance_notice_days: 0,
            booking_window_days: BOOKING_WINDOW_DAYS,
            preparation_days: 0,
            check_in_days: Weekdays::ALL,
            check_out_days: Weekdays::ALL,
        }
    }
}

/// The days `[from, to)`, in which some things are otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Season {
    /// First day.
    pub from: Date,
    /// The day after the last one.
    pub to: Date,
    /// Shortest stay that begins in it, in nights.
    pub min_nights: Option<u16>,
    /// Longest stay that begins in it, in nights.
    pub max_nights: Option<u16>,
    /// Price of its nights, in minor units; of all of them, unless it has a price for weekends.
    pub nightly_minor: Option<i64>,
    /// Price of its Friday and Saturday nights, in minor units.
    pub weekend_minor: Option<i64>,
}

/// A home's seasons: in order, and no day in two of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seasons(Box<[Season]>);

impl Seasons {
    /// Puts seasons in order.
    ///
    /// # Errors
    /// `Invalid` (field `seasons`): too many, one that ends before it begins, two that overlap, a value out of range.
    pub fn new(mut seasons: Vec<Season>) -> Result<Self, Refusal> {
        let invalid = |reason| Err(Refusal::Invalid { field: "seasons", reason });
        if seasons.len() > MAX_SEASONS {
            return invalid("at most 50");
        }
        seasons.sort_unstable_by_key(|season| season.from);
        if seasons.iter().any(|season| season.to <= season.from) {
            return invalid("to must be after from");
        }
        if seasons.windows(2).any(|pair| pair[1].from < pair[0].to) {
            return invalid("two of them overlap");
        }
        let nights = seasons.iter().flat_map(|season| [season.min_nights, season.max_nights]).flatten();
        if nights.into_iter().any(|nights| !(1..=MAX_NIGHTS).contains(&nights)) {
            return invalid("min_nights and max_nights are 1 to 365");
        }
        let prices = seasons.iter().flat_map(|season| [season.nightly_minor, season.weekend_minor]).flatten();
        if prices.into_iter().any(|minor| !(1..=MAX_PRICE_MINOR).contains(&minor)) {
            return invalid("prices are 1 to 1000000000");
        }
        Ok(Self(seasons.into()))
    }

    /// In order.
    #[must_use]
    pub const fn as_slice(&self) -> &[Season] {
        &self.0
    }

    /// The season of a day.
    #[must_use]
    pub fn at(&self, date: Date) -> Option<&Season> {
        let next = self.0.partition_point(|season| season.to <= date);
        self.0.get(next).filter(|season| season.from <= date)
    }

    /// A stay in pieces that lie within one season, or within none: the season, the first night and the day after the last.
    pub fn pieces(&self, stay: Stay) -> impl Iterator<Item = (Option<&Season>, Date, Date)> {
        let mut next = self.0.partition_point(|season| season.to <= stay.check_in());
        let mut from = stay.check_in();
        std::iter::from_fn(move || {
            if from >= stay.check_out() {
                return None;
            }
            let first = from;
            let season = match self.0.get(next) {
                Some(season) if season.from <= from => {
                    next += 1;
                    from = season.to.min(stay.check_out());
                    Some(season)
                }
                Some(later) => {
                    from = later.from.min(stay.check_out());
                    None
                }
                None => {
                    from = stay.check_out();
                    None
                }
            };
            Some((season, first, from))
        })
    }
}

/// Everything that decides whether a stay is accepted and what it costs, but for the nights being free.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The home's local time: nights are its dates.
    pub time_zone: TimeZone,
    /// Currency of every price.
    pub currency: Currency,
    /// Most guests at once.
    pub max_guests: u16,
    /// Prices.
    pub rates: Rates,
    /// Which stays are accepted.
    pub rules: StayRules,
    /// What is otherwise when.
    pub seasons: Seasons,
}

impl Terms {
    /// Any stay at these rates.
    #[must_use]
    pub fn new(time_zone: TimeZone, currency: Currency, max_guests: u16, rates: Rates) -> Self {
        Self { time_zone, currency, max_guests, rates, rules: StayRules::default(), seasons: Seasons::default() }
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        let invalid = |field, reason| Err(Refusal::Invalid { field, reason });
        let rules = &self.rules;
        if !(1..=50).contains(&self.max_guests) {
            return invalid("max_guests", "1 to 50");
        }
        self.rates.validate()?;
        if !(1..=MAX_NIGHTS).contains(&rules.min_nights) {
            return invalid("min_nights", "1 to 365");
        }
        if !(rules.min_nights..=MAX_NIGHTS).contains(&rules.max_nights) {
            return invalid("max_nights", "min_nights to 365");
        }
        if rules.advance_notice_days > 30 {
            return invalid("advance_notice_days", "0 to 30");
        }
        if !(1..=BOOKING_WINDOW_DAYS).contains(&rules.booking_window_days) {
            return invalid("booking_window_days", "1 to 730");
        }
        if rules.preparation_days > 7 {
            return invalid("preparation_days", "0 to 7");
        }
        for (field, days) in [("check_in_days", rules.check_in_days), ("check_out_days", rules.check_out_days)] {
            if days.0 == 0 {
                return invalid(field, "at least one day");
            }
        }
        if self.seasons.as_slice().iter().any(|season| self.min_nights(season.from) > self.max_nights(season.from)) {
            return invalid("seasons", "min_nights is more than max_nights");
        }
        Ok(())
    }

    /// The time zone's IANA name. It has one, since zones come from their names.
    #[must_use]
    pub fn time_zone_name(&self) -> &str {
        self.time_zone.iana_name().unwrap_or("UTC")
    }

    /// The local date at `now`.
    #[must_use]
    pub fn today(&self, now: Timestamp) -> Date {
        let instant = jiff::Timestamp::from_millisecond(now.epoch_ms()).unwrap_or_default();
        let local = self.time_zone.to_datetime(instant).date();
        Date::from_year_month_day(i32::from(local.year()), i32::from(local.month()), i32::from(local.day())).unwrap_or(Date::MIN)
    }

    /// The instant at which a local day begins, or its minute `minute`: 0 to 1439. A local time that a clock change skips is taken as much
    /// later as the clock jumps (RFC 5545, 3.3.5).
    #[must_use]
    pub fn instant(&self, date: Date, minute: u16) -> Timestamp {
        let (year, month, day) = date.year_month_day();
        let part = |number: i32| i8::try_from(number).unwrap_or(1);
        let midnight = civil::Date::new(i16::try_from(year).unwrap_or(i16::MAX), part(month), part(day)).unwrap_or(civil::Date::MAX);
        let local = midnight.to_datetime(civil::Time::midnight()).saturating_add(SignedDuration::from_mins(i64::from(minute)));
        let instant = self.time_zone.to_ambiguous_timestamp(local).compatible();
        Timestamp::from_epoch_ms(instant.map_or(i64::MAX, jiff::Timestamp::as_millisecond))
    }

    /// Shortest stay that begins on this day.
    #[must_use]
    pub fn min_nights(&self, check_in: Date) -> u16 {
        self.seasons.at(check_in).and_then(|season| season.min_nights).unwrap_or(self.rules.min_nights)
    }

    /// Longest stay that begins on this day.
    #[must_use]
    pub fn max_nights(&self, check_in: Date) -> u16 {
        self.seasons.at(check_in).and_then(|season| season.max_nights).unwrap_or(self.rules.max_nights)
    }

    /// The first day on which guests may arrive, whatever the day of the week, if it is `today`.
    #[must_use]
    pub fn earliest_check_in(&self, today: Date) -> Date {
        today.saturating_add(i32::from(self.rules.advance_notice_days))
    }

    /// The last day on which guests may leave, whatever the day of the week, if it is `today`.
    #[must_use]
    pub fn latest_check_out(&self, today: Date) -> Date {
        today.saturating_add(i32::from(self.rules.booking_window_days))
    }

    /// The nights of a stay and its days of preparation on both sides, `[from, to)`: nobody else stays in any of them.
    #[must_use]
    pub fn nights_kept_free(&self, stay: Stay) -> (Date, Date) {
        let reach = i32::from(self.rules.preparation_days);
        (stay.check_in().saturating_add(-reach), stay.check_out().saturating_add(reach))
    }

    /// Whether the rules allow such a stay on the home's local date `today`. Whether the nights are free, and the days of preparation around
    /// them, is the calendar's business.
    ///
    /// # Errors
    /// `Invalid` for no guests; `RuleViolated` with the first rule broken, in the order of [`Rule`].
    pub fn accepts(&self, stay: Stay, guests: u16, today: Date) -> Result<(), Refusal> {
        let refuse = |rule, limit: i64| Err(Refusal::RuleViolated { rule, limit });
        let day = |date: Date| i64::from(date.epoch_day());
        let (check_in, check_out, nights) = (stay.check_in(), stay.check_out(), stay.night_count());
        if guests == 0 {
            return Err(Refusal::Invalid { field: "guests", reason: "1 or more" });
        }
        if check_in < today {
            return refuse(Rule::NotInThePast, day(today));
        }
        if check_in < self.earliest_check_in(today) {
            return refuse(Rule::AdvanceNotice, day(self.earliest_check_in(today)));
        }
        if check_out > self.latest_check_out(today) {
            return refuse(Rule::BookingWindow, day(self.latest_check_out(today)));
        }
        if !self.rules.check_in_days.contain(check_in) {
            return refuse(Rule::CheckInDay, day(self.rules.check_in_days.next(check_in)));
        }
        if !self.rules.check_out_days.contain(check_out) {
            return refuse(Rule::CheckOutDay, day(self.rules.check_out_days.next(check_out)));
        }
        if nights < self.min_nights(check_in) {
            return refuse(Rule::MinNights, i64::from(self.min_nights(check_in)));
        }
        if nights > self.max_nights(check_in) {
            return refuse(Rule::MaxNights, i64::from(self.max_nights(check_in)));
        }
        self.takes(guests)
    }

    /// Whether so many guests can stay at once.
    ///
    /// # Errors
    /// `Invalid` for none; `RuleViolated`.
    pub fn takes(&self, guests: u16) -> Result<(), Refusal> {
        if guests == 0 {
            return Err(Refusal::Invalid { field: "guests", reason: "1 or more" });
        }
        if guests > self.max_guests {
            return Err(Refusal::RuleViolated { rule: Rule::MaxGuests, limit: i64::from(self.max_guests) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
