//! What a stay costs: rates, lines, and a total that is their sum.
//!
//! Amounts are reckoned in one place (`Charges`): the lines of a quote spell them out, and [`Terms::total_minor`] adds them up without
//! building lines, which search does thousands of times for one query. Each amount that is a part of another is rounded once, half to even.

use latchkey_protocol::{Date, PropertyId};

use super::error::Refusal;
use super::listing::Listing;
use super::money::{MAX_AMOUNT_MINOR, Money};
use super::stay::Stay;
use super::terms::{Season, Terms};
use super::time::Timestamp;

/// Highest price of a night or a fee, in minor units.
pub const MAX_PRICE_MINOR: i64 = 1_000_000_000;

/// Nights from which the weekly discount is given.
pub const WEEKLY_NIGHTS: u16 = 7;

/// Nights from which the monthly discount is given instead.
pub const MONTHLY_NIGHTS: u16 = 28;

/// A whole, in basis points.
const WHOLE_BP: i64 = 10_000;

/// What a home costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Price of one night, in minor units.
    pub nightly_minor: i64,
    /// Price of a Friday or Saturday night, if another, in minor units.
    pub weekend_minor: Option<i64>,
    /// Taken off the nights of a stay of a week or more, in basis points.
    pub weekly_discount_bp: u16,
    /// Taken off the nights of a stay of 28 nights or more, instead, in basis points.
    pub monthly_discount_bp: u16,
    /// Price of cleaning, once a stay, in minor units.
    pub cleaning_fee_minor: i64,
    /// Guests that the nightly price is for.
    pub included_guests: u16,
    /// Price of each further guest, each night, in minor units.
    pub extra_guest_minor: i64,
    /// Taxes on nights after discount, further guests and cleaning, in basis points.
    pub tax_bp: u16,
    /// The platform's fee on the same, in basis points: stamped when the home was listed.
    pub service_fee_bp: u16,
}

impl Rates {
    /// A nightly price and nothing else.
    #[must_use]
    pub const fn nightly(nightly_minor: i64) -> Self {
        Self {
            nightly_minor,
            weekend_minor: None,
            weekly_discount_bp: 0,
            monthly_discount_bp: 0,
            cleaning_fee_minor: 0,
            included_guests: 1,
            extra_guest_minor: 0,
            tax_bp: 0,
            service_fee_bp: 0,
        }
    }

    /// Checks every field's range.
    ///
    /// # Errors
    /// `Invalid` with the first field at fault.
    pub fn validate(&self) -> Result<(), Refusal> {
        let check = |is_right, field, reason| if is_right { Ok(()) } else { Err(Refusal::Invalid { field, reason }) };
        check((1..=MAX_PRICE_MINOR).contains(&self.nightly_minor), "nightly_minor", "1 to 1000000000")?;
        check(self.weekend_minor.is_none_or(|minor| (1..=MAX_PRICE_MINOR).contains(&minor)), "weekend_minor", "1 to 1000000000")?;
        check(self.weekly_discount_bp <= 9_000, "weekly_discount_bp", "0 to 9000")?;
        check(self.monthly_discount_bp <= 9_000, "monthly_discount_bp", "0 to 9000")?;
        check((0..=MAX_PRICE_MINOR).contains(&self.cleaning_fee_minor), "cleaning_fee_minor", "0 to 1000000000")?;
        check((1..=50).contains(&self.included_guests), "included_guests", "1 to 50")?;
        check((0..=MAX_PRICE_MINOR).contains(&self.extra_guest_minor), "extra_guest_minor", "0 to 1000000000")?;
        check(self.tax_bp <= 5_000, "tax_bp", "0 to 5000")?;
        check(self.service_fee_bp <= 5_000, "service_fee_bp", "0 to 5000")
    }
}

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Nights of one price.
    Nights,
    /// Taken off for a week or longer; negative.
    WeeklyDiscount,
    /// Taken off for 28 nights or longer; negative.
    MonthlyDiscount,
    /// Guests beyond those that the nightly price is for: so many guests times so many nights.
    ExtraGuests,
    /// Cleaning, once.
    Cleaning,
    /// The platform's fee.
    ServiceFee,
    /// Taxes.
    Taxes,
}

/// One thing paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// What for.
    pub kind: LineKind,
    /// How many.
    pub quantity: u16,
    /// Price of each.
    pub unit: Money,
    /// Quantity times price.
    pub amount: Money,
}

/// The price of a stay. A booking keeps the one it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// Which home.
    pub property: PropertyId,
    /// Which nights.
    pub stay: Stay,
    /// How many people.
    pub guests: u16,
    /// Each thing paid for; lines of no amount are left out.
    pub lines: Vec<Line>,
    /// The sum of the lines.
    pub total: Money,
}

impl Quote {
    /// Prices a stay that the listing accepts at `now`: its nights in order of their first night, one line for each price; discount; further
    /// guests; cleaning; service fee; taxes.
    ///
    /// # Errors
    /// What [`Terms::accepts`] refuses; `PriceOverflow`.
    pub fn of(listing: &Listing, stay: Stay, guests: u16, now: Timestamp) -> Result<Self, Refusal> {
        listing.terms.accepts(stay, guests, listing.terms.today(now))?;
        Self::price(listing, stay, guests)
    }

    /// Prices a stay without asking whether the listing accepts it.
    ///
    /// # Errors
    /// `PriceOverflow`.
    pub fn price(listing: &Listing, stay: Stay, guests: u16) -> Result<Self, Refusal> {
        let terms = &listing.terms;
        let charges = Charges::of(terms, stay, guests);
        let mut quote = Self { property: listing.id, stay, guests, lines: Vec::with_capacity(6), total: Money::zero(terms.currency) };
        for (unit_minor, nights) in terms.nights_by_price(stay) {
            quote.add(LineKind::Nights, nights, unit_minor)?;
        }
        let discount = if stay.night_count() >= MONTHLY_NIGHTS && terms.rates.monthly_discount_bp > 0 {
            LineKind::MonthlyDiscount
        } else {
            LineKind::WeeklyDiscount
        };
        quote.add(discount, 1, -charges.discount_minor)?;
        quote.add(LineKind::ExtraGuests, charges.extra_guest_nights, terms.rates.extra_guest_minor)?;
        quote.add(LineKind::Cleaning, 1, terms.rates.cleaning_fee_minor)?;
        quote.add(LineKind::ServiceFee, 1, charges.service_fee_minor)?;
        quote.add(LineKind::Taxes, 1, charges.taxes_minor)?;
        Ok(quote)
    }

    fn add(&mut self, kind: LineKind, quantity: u16, unit_minor: i64) -> Result<(), Refusal> {
        let unit = Money { minor: unit_minor, currency: self.total.currency };
        let amount = unit.times(quantity)?;
        if amount.minor != 0 {
            self.total = self.total.plus(amount)?;
            self.lines.push(Line { kind, quantity, unit, amount });
        }
        Ok(())
    }
}

/// The amounts of a stay, in minor units.
struct Charges {
    nights_minor: i64,
    discount_minor: i64,
    extra_guest_nights: u16,
    extra_guests_minor: i64,
    cleaning_minor: i64,
    service_fee_minor: i64,
    taxes_minor: i64,
}

impl Charges {
    /// No sum of these can leave the range of an i64: prices are at most 10^9, stays 365 nights, guests 2^16.
    fn of(terms: &Terms, stay: Stay, guests: u16) -> Self {
        let (rates, nights) = (&terms.rates, stay.night_count());
        let nights_minor = terms.seasons.pieces(stay).map(|(season, from, to)| terms.piece_minor(season, from, to)).sum();
        let discount_minor = share(nights_minor, rates.discount_bp(nights));
        let extra_guests = if rates.extra_guest_minor == 0 { 0 } else { guests.saturating_sub(rates.included_guests) };
        let extra_guest_nights = extra_guests.saturating_mul(nights);
        let extra_guests_minor = i64::from(extra_guest_nights) * rates.extra_guest_minor;
        let subtotal_minor: i64 = nights_minor - discount_minor + extra_guests_minor + rates.cleaning_fee_minor;
        Self {
            nights_minor,
            discount_minor,
            extra_guest_nights,
            extra_guests_minor,
            cleaning_minor: rates.cleaning_fee_minor,
            service_fee_minor: share(subtotal_minor, rates.service_fee_bp),
            taxes_minor: share(subtotal_minor, rates.tax_bp),
        }
    }

    const fn total_minor(&self) -> i64 {
        self.nights_minor - self.discount_minor + self.extra_guests_minor + self.cleaning_minor + self.service_fee_minor + self.taxes_minor
    }
}

impl Rates {
    /// What is taken off for that many nights, in basis points.
    #[must_use]
    pub const fn discount_bp(&self, nights: u16) -> u16 {
        if nights >= MONTHLY_NIGHTS && self.monthly_discount_bp > 0 {
            self.monthly_discount_bp
        } else if nights >= WEEKLY_NIGHTS {
            self.weekly_discount_bp
        } else {
            0
        }
    }
}

impl Terms {
    /// What a stay costs, without asking whether it is accepted: equal to [`Quote::of`]'s total.
    ///
    /// # Errors
    /// `PriceOverflow`.
    pub fn total_minor(&self, stay: Stay, guests: u16) -> Result<i64, Refusal> {
        let total_minor = Charges::of(self, stay, guests).total_minor();
        if total_minor > MAX_AMOUNT_MINOR { Err(Refusal::PriceOverflow) } else { Ok(total_minor) }
    }

    /// The price of one night, before discounts and fees, in minor units.
    #[must_use]
    pub fn night_minor(&self, night: Date) -> i64 {
        let (weekday_minor, weekend_minor) = self.prices(self.seasons.at(night));
        if is_weekend(night) { weekend_minor } else { weekday_minor }
    }

    /// Prices of a night and of a weekend's night. A season with a price and none for weekends has one price for all of its nights.
    pub(crate) fn prices(&self, season: Option<&Season>) -> (i64, i64) {
        let rates = &self.rates;
        let (nightly, weekend) = season.map_or((None, None), |season| (season.nightly_minor, season.weekend_minor));
        let weekday_minor = nightly.unwrap_or(rates.nightly_minor);
        (weekday_minor, weekend.or(nightly).or(rates.weekend_minor).unwrap_or(rates.nightly_minor))
    }

    fn piece_minor(&self, season: Option<&Season>, from: Date, to: Date) -> i64 {
        let (weekday_minor, weekend_minor) = self.prices(season);
        let (nights, weekend_nights) = (to.days_since(from), weekend_nights(from, to));
        i64::from(nights - weekend_nights) * weekday_minor + i64::from(weekend_nights) * weekend_minor
    }

    /// Each price with how many of the nights have it, in order of its first night.
    fn nights_by_price(&self, stay: Stay) -> Vec<(i64, u16)> {
        let mut prices: Vec<(i64, u16)> = Vec::with_capacity(2);
        for minor in stay.nights().map(|night| self.night_minor(night)) {
            match prices.iter_mut().find(|(price, _)| *price == minor) {
                Some((_, nights)) => *nights += 1,
                None => prices.push((minor, 1)),
            }
        }
        prices
    }
}

/// Friday and Saturday nights.
#[must_use]
pub const fn is_weekend(night: Date) -> bool {
    matches!(night.weekday(), 4 | 5)
}

/// How many of the nights `[from, to)` are a weekend's.
fn weekend_nights(from: Date, to: Date) -> i32 {
    let nights = to.days_since(from);
    let rest = (nights - nights % 7..nights).filter(|day| is_weekend(from.saturating_add(*day))).count();
    nights / 7 * 2 + i32::try_from(rest).unwrap_or(0)
}

/// That many basis points of an amount that is not negative, rounded half to even.
const fn share(minor: i64, bp: u16) -> i64 {
    let exact = minor * bp as i64;
    let (whole, rest) = (exact / WHOLE_BP, exact % WHOLE_BP);
    let is_up = 2 * rest > WHOLE_BP || (2 * rest == WHOLE_BP && whole % 2 == 1);
    whole + is_up as i64
}

#[cfg(test)]
mod tests;
