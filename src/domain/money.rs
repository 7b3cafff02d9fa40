//! Amounts: integer minor units and an ISO 4217 code; arithmetic that would overflow is refused, never wrapped.

use std::fmt;
use std::str::FromStr;

use super::error::Refusal;

/// Largest amount of one price or total, in minor units: far above any stay, far below where sums overflow.
pub const MAX_AMOUNT_MINOR: i64 = 1_000_000_000_000;

/// Active ISO 4217 codes that homes can be priced in.
const CODES: [&str; 32] = [
    "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR", "ISK", "JPY",
    "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD",
];

/// An ISO 4217 currency code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(&'static str);

impl Currency {
    /// The three letters.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl FromStr for Currency {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        CODES
            .iter()
            .find(|code| **code == text)
            .map(|code| Self(code))
            .ok_or(Refusal::Invalid { field: "currency", reason: "not an ISO 4217 code we price in" })
    }
}

/// An amount in minor units of a currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    /// Minor units (cents); negative amounts are owed the other way.
    pub minor: i64,
    /// Of which currency.
    pub currency: Currency,
}

impl Money {
    /// No money.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// `PriceOverflow` above [`MAX_AMOUNT_MINOR`] in either direction, or for two currencies.
    pub fn plus(self, other: Self) -> Result<Self, Refusal> {
        if self.currency != other.currency {
            return Err(Refusal::PriceOverflow);
        }
        Self::checked(self.minor.checked_add(other.minor), self.currency)
    }

    /// This amount `quantity` times.
    ///
    /// # Errors
    /// `PriceOverflow` above [`MAX_AMOUNT_MINOR`].
    pub fn times(self, quantity: u16) -> Result<Self, Refusal> {
        Self::checked(self.minor.checked_mul(i64::from(quantity)), self.currency)
    }

    fn checked(minor: Option<i64>, currency: Currency) -> Result<Self, Refusal> {
        match minor {
            Some(minor) if minor.abs() <= MAX_AMOUNT_MINOR => Ok(Self { minor, currency }),
            Some(_) | None => Err(Refusal::PriceOverflow),
        }
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.minor, self.currency)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_that_would_overflow_is_refused() {
        let eur: Currency = "EUR".parse().unwrap();
        let most = Money { minor: MAX_AMOUNT_MINOR, currency: eur };
        assert_eq!(most.plus(Money { minor: 1, currency: eur }), Err(Refusal::PriceOverflow));
        assert_eq!(Money { minor: i64::MAX, currency: eur }.times(2), Err(Refusal::PriceOverflow));
        assert_eq!(most.plus(Money::zero("USD".parse().unwrap())), Err(Refusal::PriceOverflow));
        assert_eq!(Money { minor: 100, currency: eur }.times(3).unwrap().minor, 300);
    }

    #[test]
    fn a_code_that_is_no_currency_is_refused() {
        for text in ["", "eur", "EURO", "XXX"] {
            assert!(matches!(text.parse::<Currency>(), Err(Refusal::Invalid { field: "currency", .. })), "{text}");
        }
    }
}
