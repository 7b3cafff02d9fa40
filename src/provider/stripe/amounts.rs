//! Amounts as Stripe writes them: integers of the smallest unit of a currency, as ours are, but of the smallest unit that Stripe knows.
//!
//! They differ in the króna: it has no smaller unit (ISO 4217), but Stripe goes on writing hundredths of it, which must be whole
//! krónur. JPY, KRW and CLP are whole in both. The forint has two decimals in both; only payouts to banks, which the hub does
//! not ask for, must be of whole forints there. Source: docs.stripe.com/currencies, "Special cases".

use crate::domain::Money;

/// What Stripe calls one of our units.
fn per_unit(code: &str) -> i64 {
    if code.eq_ignore_ascii_case("ISK") { 100 } else { 1 }
}

/// An amount for Stripe; amounts have a bound far below where this could overflow.
pub(super) fn to_stripe(amount: Money) -> i64 {
    amount.minor.saturating_mul(per_unit(amount.currency.code()))
}

/// Minor units from Stripe.
pub(super) fn from_stripe(amount: i64, currency: &str) -> i64 {
    amount / per_unit(currency)
}

/// A currency's code as Stripe writes it.
pub(super) fn currency(amount: Money) -> String {
    amount.currency.code().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_currencys_amount_comes_back_as_it_went_and_krónur_go_as_hundredths() {
        for (code, minor, expected) in [("EUR", 23_001, 23_001), ("JPY", 5_000, 5_000), ("HUF", 1_234, 1_234), ("ISK", 7, 700)] {
            let amount = Money { minor, currency: code.parse().unwrap() };
            assert_eq!(to_stripe(amount), expected, "{code}");
            assert_eq!(from_stripe(expected, &currency(amount)), minor, "{code}");
        }
    }
}
