//! A price as it is stored with whatever it is the price of.

use surrealdb::types::SurrealValue;

use super::{date, narrow, refused, unknown};
use crate::domain::pricing::{Line, LineKind};
use crate::domain::{Currency, Money, PropertyId, Quote, Stay};
use crate::store::error::StoreError;

#[derive(Debug, Clone, SurrealValue)]
pub(super) struct LineRow {
    kind: String,
    quantity: i64,
    unit_minor: i64,
}

impl From<&Line> for LineRow {
    fn from(line: &Line) -> Self {
        let kind = match line.kind {
            LineKind::Nights => "nights",
            LineKind::WeeklyDiscount => "weekly_discount",
            LineKind::MonthlyDiscount => "monthly_discount",
            LineKind::ExtraGuests => "extra_guests",
            LineKind::Cleaning => "cleaning",
            LineKind::ServiceFee => "service_fee",
            LineKind::Taxes => "taxes",
        };
        Self { kind: kind.to_owned(), quantity: i64::from(line.quantity), unit_minor: line.unit.minor }
    }
}

impl LineRow {
    fn into_line(self, currency: Currency) -> Result<Line, StoreError> {
        let kind = match self.kind.as_str() {
            "nights" => LineKind::Nights,
            "weekly_discount" => LineKind::WeeklyDiscount,
            "monthly_discount" => LineKind::MonthlyDiscount,
            "extra_guests" => LineKind::ExtraGuests,
            "cleaning" => LineKind::Cleaning,
            "service_fee" => LineKind::ServiceFee,
            "taxes" => LineKind::Taxes,
            word => return Err(unknown("booking.lines.kind", word)),
        };
        let (quantity, unit) = (narrow(self.quantity, "booking.lines.quantity")?, Money { minor: self.unit_minor, currency });
        Ok(Line { kind, quantity, unit, amount: unit.times(quantity).map_err(|refusal| refused(&refusal))? })
    }
}

/// The stored parts of a quote, of a home in a currency that the record knows.
pub(super) struct QuoteParts {
    pub(super) check_in: i64,
    pub(super) check_out: i64,
    pub(super) guests: i64,
    pub(super) lines: Vec<LineRow>,
    pub(super) total_minor: i64,
}

impl From<&Quote> for QuoteParts {
    fn from(quote: &Quote) -> Self {
        Self {
            check_in: i64::from(quote.stay.check_in().epoch_day()),
            check_out: i64::from(quote.stay.check_out().epoch_day()),
            guests: i64::from(quote.guests),
            lines: quote.lines.iter().map(LineRow::from).collect(),
            total_minor: quote.total.minor,
        }
    }
}

impl QuoteParts {
    pub(super) fn into_quote(self, property: PropertyId, currency: Currency) -> Result<Quote, StoreError> {
        Ok(Quote {
            property,
            stay: Stay::new(date(self.check_in)?, date(self.check_out)?).map_err(|refusal| refused(&refusal))?,
            guests: narrow(self.guests, "booking.guests")?,
            lines: self.lines.into_iter().map(|line| line.into_line(currency)).collect::<Result<_, _>>()?,
            total: Money { minor: self.total_minor, currency },
        })
    }
}
