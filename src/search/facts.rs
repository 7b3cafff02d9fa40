//! What the scan looks at for each home: one cache line, made from its terms, that rules most homes out.
//!
//! Nothing here decides. A home that passes is asked by the domain's own functions whether it accepts the stay and what that
//! costs; what is here must only never rule out a home that they would take, and never promise a total they would not reach. A property
//! test holds that.

use super::find::rating_order;
use super::prices::Prices;
use super::query::{Query, Sort};
use crate::domain::pricing::{MONTHLY_NIGHTS, WEEKLY_NIGHTS, is_weekend};
use crate::domain::terms::{Season, Weekdays};
use crate::domain::{Currency, Date, Listing, Stay};

/// A home's terms in short. Where seasons differ, the most generous of each.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    amenities: u64,
    currency: [u8; 3],
    /// The ordinary price of a night.
    nightly: u32,
    /// Of all seasons and of the days between them.
    nights: PriceRange,
    cleaning: u32,
    extra_guest: u32,
    /// Taken off the nights of a week, and of four, in basis points.
    weekly_bp: u16,
    monthly_bp: u16,
    /// Taxes and service fee, in basis points.
    fees_bp: u16,
    min_nights: u16,
    max_nights: u16,
    window_days: u16,
    notice_days: u8,
    included_guests: u8,
    max_guests: u8,
    /// Days of the week, one bit each.
    check_in_days: u8,
    check_out_days: u8,
    /// What its reviews come to, in hundredths of a star.
    rating: Option<u16>,
}

/// The part of a query that facts are compared with, worked out once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probe {
    amenities: u64,
    currency: Option<[u8; 3]>,
    /// Whether totals matter.
    compares_totals: bool,
    guests: u16,
    stay: Option<StayProbe>,
}

#[derive(Debug, Clone, Copy)]
struct StayProbe {
    nights: u16,
    /// Fewest and most weekend nights of any shift.
    weekend_nights: (u16, u16),
    check_in_days: u8,
    check_out_days: u8,
    /// First night of any shift, and the day after the last one.
    span: (Date, Date),
    /// Most days from today to the arrival, and fewest to the departure, of any shift in any time zone.
    most_ahead: i32,
    least_window: i32,
}

impl Probe {
    /// What must hold for a home if it is `today` in UTC; nothing is found if there is no stay left to look at.
    pub(super) fn of(query: &Query, today: Date) -> Self {
        let stay = query.dates.map(|dates| {
            let weekend = |stay: Stay| u16::try_from(stay.nights().filter(|night| is_weekend(*night)).count()).unwrap_or(0);
            let (mut fewest, mut most) = (u16::MAX, 0);
            let (mut first, mut last) = (dates.stay.check_out(), dates.stay.check_in());
            for stay in query.stays() {
                (fewest, most) = (fewest.min(weekend(stay)), most.max(weekend(stay)));
                (first, last) = (first.min(stay.check_out()), last.max(stay.check_in()));
            }
            let flexible = i32::from(dates.flexible);
            StayProbe {
                nights: dates.stay.night_count(),
                weekend_nights: (fewest.min(most), most),
                check_in_days: days_of(query.stays().map(Stay::check_in)),
                check_out_days: days_of(query.stays().map(Stay::check_out)),
                span: (dates.stay.check_in().saturating_add(-flexible), dates.stay.check_out().saturating_add(flexible)),
                // Somewhere it is still yesterday, elsewhere already tomorrow.
                most_ahead: last.days_since(today) + 1,
                least_window: first.days_since(today) - 1,
            }
        });
        let compares_totals = query.sort == Sort::Price || query.max_total_minor.is_some();
        Self { amenities: query.amenities.bits(), currency: query.currency.map(letters), compares_totals, guests: query.guests, stay }
    }
}

impl Facts {
    pub(super) fn of(listing: &Listing) -> Self {
        let terms = &listing.terms;
        let (rates, rules) = (&terms.rates, &terms.rules);
        let seasons = terms.seasons.as_slice();
        let ordinary = PriceRange::one(terms.prices(None));
        let nights = |pick: fn(&Season) -> Option<u16>| seasons.iter().filter_map(pick);
        Self {
            amenities: listing.description.amenities.bits(),
            currency: letters(terms.currency),
            nightly: price(rates.nightly_minor),
            nights: seasons.iter().map(|season| PriceRange::one(terms.prices(Some(season)))).fold(ordinary, PriceRange::widened),
            cleaning: price(rates.cleaning_fee_minor),
            extra_guest: price(rates.extra_guest_minor),
            weekly_bp: rates.discount_bp(WEEKLY_NIGHTS),
            monthly_bp: rates.discount_bp(MONTHLY_NIGHTS),
            fees_bp: rates.tax_bp.saturating_add(rates.service_fee_bp),
            min_nights: nights(|season| season.min_nights).fold(rules.min_nights, u16::min),
            max_nights: nights(|season| season.max_nights).fold(rules.max_nights, u16::max),
            window_days: rules.booking_window_days,
            notice_days: u8::try_from(rules.advance_notice_days).unwrap_or(u8::MAX),
            included_guests: u8::try_from(rates.included_guests).unwrap_or(u8::MAX),
            max_guests: u8::try_from(terms.max_guests).unwrap_or(u8::MAX),
            check_in_days: days_in(rules.check_in_days),
            check_out_days: days_in(rules.check_out_days),
            rating: listing.ratings.overall_hundredths(),
        }
    }

    /// Whether the home may be a result; if not, it is none.
    #[inline]
    pub(super) fn may_match(&self, probe: &Probe) -> bool {
        if self.amenities & probe.amenities != probe.amenities
            || probe.guests > u16::from(self.max_guests)
            || probe.currency.is_some_and(|currency| currency != self.currency)
        {
            return false;
        }
        probe.stay.is_none_or(|stay| {
            (self.min_nights..=self.max_nights).contains(&stay.nights)
                && i32::from(self.notice_days) <= stay.most_ahead
                && i32::from(self.window_days) >= stay.least_window
                && self.check_in_days & stay.check_in_days != 0
                && self.check_out_days & stay.check_out_days != 0
        })
    }

    /// The ordinary price of a night, as a sort key.
    pub(super) fn nightly(&self) -> u64 {
        u64::from(self.nightly)
    }

    /// The home's place among ratings.
    #[inline]
    pub(super) fn rating(&self) -> u64 {
        rating_order(self.rating)
    }

    /// The lowest and the highest total of any shift of the stay; nothing without dates, or if the query does not compare totals.
    #[inline]
    pub(super) fn bounds(&self, probe: &Probe) -> Option<(i64, i64)> {
        let stay = probe.stay.filter(|_| probe.compares_totals)?;
        Some(self.totals(&stay, probe.guests, self.nights))
    }

    /// The same from the prices at these dates; nothing as well if the home has no seasons.
    pub(super) fn season_bounds(&self, probe: &Probe, prices: &Prices) -> Option<(i64, i64)> {
        let stay = probe.stay.filter(|_| probe.compares_totals)?;
        Some(self.totals(&stay, probe.guests, prices.range(stay.span)?))
    }

    /// Reckoned in floating point, which is exact to a millionth here, and a few minor units wider than need be.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "totals are below 10^15")]
    fn totals(&self, stay: &StayProbe, guests: u16, PriceRange { weekday, weekend }: PriceRange) -> (i64, i64) {
        let discount_bp = match stay.nights {
            MONTHLY_NIGHTS.. => self.monthly_bp,
            WEEKLY_NIGHTS.. => self.weekly_bp,
            _ => 0,
        };
        let left = 1.0 - f64::from(discount_bp) * BASIS_POINT;
        let extra_guests = guests.saturating_sub(u16::from(self.included_guests));
        let extra = f64::from(extra_guests) * f64::from(stay.nights) * f64::from(self.extra_guest);
        let fees = 1.0 + f64::from(self.fees_bp) * BASIS_POINT;
        let nights_minor = |weekday: u32, weekend: u32, weekend_nights: u16| {
            f64::from(stay.nights - weekend_nights) * f64::from(weekday) + f64::from(weekend_nights) * f64::from(weekend)
        };
        let total = |nights_minor: f64| (nights_minor * left + extra + f64::from(self.cleaning)) * fees;
        let (few, many) = stay.weekend_nights;
        let low = nights_minor(weekday.0, weekend.0, few).min(nights_minor(weekday.0, weekend.0, many));
        let high = nights_minor(weekday.1, weekend.1, few).max(nights_minor(weekday.1, weekend.1, many));
        (total(low) as i64 - SLACK, total(high) as i64 + SLACK)
    }
}

/// Lowest and highest price of a night, and of a weekend's night.
#[derive(Debug, Clone, Copy)]
pub(super) struct PriceRange {
    weekday: (u32, u32),
    weekend: (u32, u32),
}

impl PriceRange {
    /// Of one price.
    pub(super) fn one((weekday_minor, weekend_minor): (i64, i64)) -> Self {
        let one = |minor| (price(minor), price(minor));
        Self { weekday: one(weekday_minor), weekend: one(weekend_minor) }
    }

    /// Of both.
    pub(super) fn widened(self, other: Self) -> Self {
        let both = |one: (u32, u32), other: (u32, u32)| (one.0.min(other.0), one.1.max(other.1));
        Self { weekday: both(self.weekday, other.weekday), weekend: both(self.weekend, other.weekend) }
    }
}

/// More than rounding each part of a total, and cutting the sum, can change it.
const SLACK: i64 = 5;

const BASIS_POINT: f64 = 1.0 / 10_000.0;

/// The code of a currency, quick to compare.
fn letters(currency: Currency) -> [u8; 3] {
    currency.code().as_bytes().try_into().unwrap_or_default()
}

fn price(minor: i64) -> u32 {
    u32::try_from(minor).unwrap_or(u32::MAX)
}

/// A set of days of the week as bits.
fn days_in(days: Weekdays) -> u8 {
    days_of((0..7).map(|offset| Date::MIN.saturating_add(offset)).filter(|date| days.contain(*date)))
}

fn days_of(dates: impl Iterator<Item = Date>) -> u8 {
    dates.fold(0, |bits, date| bits | 1 << date.weekday())
}
