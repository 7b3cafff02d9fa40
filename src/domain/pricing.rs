//! What a stay costs: lines, and a total that is their sum.

use latchkey_protocol::PropertyId;

use super::error::Refusal;
use super::listing::Listing;
use super::money::Money;
use super::stay::Stay;
use super::time::Timestamp;

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Nights at the nightly price.
    Nights,
    /// Cleaning, once.
    Cleaning,
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
    /// Prices a stay that the listing accepts at `now`.
    ///
    /// # Errors
    /// What [`Listing::accepts`] refuses; `PriceOverflow`.
    pub fn of(listing: &Listing, stay: Stay, guests: u16, now: Timestamp) -> Result<Self, Refusal> {
        listing.accepts(stay, guests, now)?;
        let mut quote = Self { property: listing.id, stay, guests, lines: Vec::with_capacity(2), total: Money::zero(listing.currency) };
        quote.add(LineKind::Nights, stay.night_count(), listing.nightly())?;
        quote.add(LineKind::Cleaning, 1, listing.cleaning())?;
        Ok(quote)
    }

    fn add(&mut self, kind: LineKind, quantity: u16, unit: Money) -> Result<(), Refusal> {
        let amount = unit.times(quantity)?;
        if amount.minor != 0 {
            self.total = self.total.plus(amount)?;
            self.lines.push(Line { kind, quantity, unit, amount });
        }
        Ok(())
    }
}
