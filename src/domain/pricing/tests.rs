//! Prices, line by line, and against a recomputation that goes night by night.

use jiff::tz::TimeZone;
use latchkey_protocol::UserId;
use proptest::prelude::*;

use super::*;
use crate::domain::listing::Description;
use crate::domain::terms::{Season, Seasons};

const START: Timestamp = Timestamp::from_epoch_ms(1_790_000_000_000);

/// A Monday, after [`START`].
const MONDAY: &str = "2026-11-23";

fn day(offset: i32) -> Date {
    MONDAY.parse::<Date>().unwrap().saturating_add(offset)
}

fn stay(first: i32, nights: i32) -> Stay {
    Stay::new(day(first), day(first + nights)).unwrap()
}

fn listing(rates: Rates, seasons: Vec<Season>) -> Listing {
    let mut terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 50, rates);
    terms.seasons = Seasons::new(seasons).unwrap();
    let description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
    Listing::new(PropertyId::from_bytes([7; 16]), UserId::from_bytes([9; 16]), description, terms, START)
}

fn season(first: i32, last: i32, nightly_minor: Option<i64>, weekend_minor: Option<i64>) -> Season {
    Season { from: day(first), to: day(last), min_nights: None, max_nights: None, nightly_minor, weekend_minor }
}

/// Kind, quantity and unit price of each line.
fn lines(listing: &Listing, stay: Stay, guests: u16) -> Vec<(LineKind, u16, i64)> {
    let quote = Quote::of(listing, stay, guests, START).unwrap();
    quote.lines.iter().map(|line| (line.kind, line.quantity, line.unit.minor)).collect()
}

fn rates() -> Rates {
    Rates {
        weekend_minor: Some(13_000),
        weekly_discount_bp: 1_000,
        monthly_discount_bp: 2_500,
        cleaning_fee_minor: 3_000,
        included_guests: 2,
        extra_guest_minor: 1_500,
        tax_bp: 333,
        service_fee_bp: 1_000,
        ..Rates::nightly(10_000)
    }
}

#[test]
fn a_quote_has_a_line_for_each_thing_paid_for() {
    use LineKind::{Cleaning, ExtraGuests, MonthlyDiscount, Nights, ServiceFee, Taxes, WeeklyDiscount};
    let plain = listing(Rates::nightly(10_000), vec![]);
    assert_eq!(lines(&plain, stay(0, 3), 9), [(Nights, 3, 10_000)]);
    let home = listing(rates(), vec![]);
    // Thursday to Monday: 20000, 26000 and 3000 of cleaning; 10 % and 3.33 % of 49000.
    let rows = [
        (stay(3, 4), 2, vec![(Nights, 2, 10_000), (Nights, 2, 13_000), (Cleaning, 1, 3_000), (ServiceFee, 1, 4_900), (Taxes, 1, 1_632)]),
        (stay(0, 2), 4, vec![(Nights, 2, 10_000), (ExtraGuests, 4, 1_500), (Cleaning, 1, 3_000), (ServiceFee, 1, 2_900), (Taxes, 1, 966)]),
        (
            stay(0, 7),
            1,
            vec![
                (Nights, 5, 10_000),
                (Nights, 2, 13_000),
                (WeeklyDiscount, 1, -7_600),
                (Cleaning, 1, 3_000),
                (ServiceFee, 1, 7_140),
                (Taxes, 1, 2_378),
            ],
        ),
        (
            stay(0, 28),
            1,
            vec![
                (Nights, 20, 10_000),
                (Nights, 8, 13_000),
                (MonthlyDiscount, 1, -76_000),
                (Cleaning, 1, 3_000),
                (ServiceFee, 1, 23_100),
                (Taxes, 1, 7_692),
            ],
        ),
    ];
    for (stay, guests, expected) in rows {
        assert_eq!(lines(&home, stay, guests), expected, "{stay:?} for {guests}");
    }
}

#[test]
fn the_weekly_discount_holds_for_a_month_if_there_is_no_monthly_one() {
    let home = listing(Rates { weekly_discount_bp: 1_000, ..Rates::nightly(10_000) }, vec![]);
    for (nights, expected) in [(6, None), (7, Some(-7_000)), (27, Some(-27_000)), (28, Some(-28_000))] {
        let discount = lines(&home, stay(0, nights), 1).into_iter().find(|line| line.0 == LineKind::WeeklyDiscount);
        assert_eq!(discount.map(|line| line.2), expected, "{nights} nights");
    }
}

#[test]
fn a_seasons_price_is_for_all_of_its_nights_unless_it_has_one_for_weekends() {
    let base = Rates { weekend_minor: Some(13_000), ..Rates::nightly(10_000) };
    // The nights from Thursday to Saturday.
    for (season, expected) in [
        (season(3, 6, None, None), [10_000, 13_000, 13_000]),
        (season(3, 6, Some(20_000), None), [20_000, 20_000, 20_000]),
        (season(3, 6, Some(20_000), Some(25_000)), [20_000, 25_000, 25_000]),
        (season(3, 6, None, Some(25_000)), [10_000, 25_000, 25_000]),
        (season(4, 5, Some(20_000), None), [10_000, 20_000, 13_000]),
    ] {
        let terms = listing(base, vec![season]).terms;
        assert_eq!(stay(3, 3).nights().map(|night| terms.night_minor(night)).collect::<Vec<_>>(), expected, "{season:?}");
    }
}

#[test]
fn a_half_is_rounded_to_even() {
    for (minor, bp, expected) in [(50, 100, 0), (150, 100, 2), (250, 100, 2), (149, 100, 1), (151, 100, 2), (1, 9_999, 1), (0, 500, 0)] {
        assert_eq!(share(minor, bp), expected, "{bp} bp of {minor}");
    }
}

#[test]
fn a_price_beyond_what_we_calculate_with_is_refused_on_both_ways() {
    let rates = Rates { extra_guest_minor: MAX_PRICE_MINOR, ..Rates::nightly(MAX_PRICE_MINOR) };
    let home = listing(rates, vec![]);
    assert_eq!(Quote::of(&home, stay(0, 365), 50, START), Err(Refusal::PriceOverflow));
    assert_eq!(home.terms.total_minor(stay(0, 365), 50), Err(Refusal::PriceOverflow));
    assert!(home.terms.total_minor(stay(0, 365), 1).is_ok());
}

/// What a stay costs, night by night and in fractions: the obvious way.
fn naive_total_minor(rates: &Rates, seasons: &[Season], stay: Stay, guests: u16) -> i64 {
    let mut nights = 0;
    for night in stay.nights() {
        let season = seasons.iter().find(|season| season.from <= night && night < season.to);
        let is_weekend = night.weekday() == 4 || night.weekday() == 5;
        let seasonal =
            season.and_then(|season| if is_weekend { season.weekend_minor.or(season.nightly_minor) } else { season.nightly_minor });
        let usual = if is_weekend { rates.weekend_minor.unwrap_or(rates.nightly_minor) } else { rates.nightly_minor };
        nights += seasonal.unwrap_or(usual);
    }
    let count = i64::from(stay.night_count());
    let discount_bp = match count {
        28.. if rates.monthly_discount_bp > 0 => rates.monthly_discount_bp,
        7.. => rates.weekly_discount_bp,
        _ => 0,
    };
    let subtotal = nights - rounded(nights, discount_bp)
        + i64::from(guests.saturating_sub(rates.included_guests)) * count * rates.extra_guest_minor
        + rates.cleaning_fee_minor;
    subtotal + rounded(subtotal, rates.service_fee_bp) + rounded(subtotal, rates.tax_bp)
}

/// Half to even, by looking at both neighbours.
fn rounded(minor: i64, bp: u16) -> i64 {
    let exact = minor * i64::from(bp);
    let down = exact.div_euclid(10_000);
    let (to_down, to_up) = (exact - down * 10_000, (down + 1) * 10_000 - exact);
    match to_down.cmp(&to_up) {
        std::cmp::Ordering::Less => down,
        std::cmp::Ordering::Greater => down + 1,
        std::cmp::Ordering::Equal => down + down % 2,
    }
}

prop_compose! {
    fn any_rates()(
        nightly_minor in 1..200_000_i64,
        weekend_minor in prop::option::of(1..200_000_i64),
        (weekly_discount_bp, monthly_discount_bp) in (0..=9_000_u16, 0..=9_000_u16),
        cleaning_fee_minor in 0..50_000_i64,
        (included_guests, extra_guest_minor) in (1..8_u16, 0..5_000_i64),
        (tax_bp, service_fee_bp) in (0..=5_000_u16, 0..=5_000_u16),
    ) -> Rates {
        Rates {
            nightly_minor, weekend_minor, weekly_discount_bp, monthly_discount_bp, cleaning_fee_minor, included_guests, extra_guest_minor,
            tax_bp, service_fee_bp,
        }
    }
}

fn any_seasons() -> impl Strategy<Value = Vec<Season>> {
    let one = (0..9_i32, 1..12_i32, prop::option::of(1..200_000_i64), prop::option::of(1..200_000_i64));
    prop::collection::vec(one, 0..6).prop_map(|seasons| {
        let mut first = 0;
        let place = |(gap, length, nightly, weekend): (i32, i32, _, _)| {
            let season = season(first + gap, first + gap + length, nightly, weekend);
            first += gap + length;
            season
        };
        seasons.into_iter().map(place).collect()
    })
}

proptest! {
    #[test]
    fn p9_every_way_to_a_total_gives_the_same(
        rates in any_rates(), seasons in any_seasons(), first in 0..40_i32, nights in 1..80_i32, guests in 1..10_u16,
    ) {
        let (home, stay) = (listing(rates, seasons.clone()), stay(first, nights));
        let quote = Quote::of(&home, stay, guests, START).unwrap();
        prop_assert_eq!(quote.total.minor, quote.lines.iter().map(|line| line.amount.minor).sum::<i64>());
        prop_assert_eq!(home.terms.total_minor(stay, guests), Ok(quote.total.minor));
        prop_assert_eq!(quote.total.minor, naive_total_minor(&rates, &seasons, stay, guests));
        for line in &quote.lines {
            prop_assert_eq!(line.amount.minor, line.unit.minor * i64::from(line.quantity));
            prop_assert!(line.amount.minor != 0);
        }
        prop_assert!(quote.total.minor > 0);
    }

    #[test]
    fn a_night_more_costs_more_unless_it_brings_a_discount(
        rates in any_rates(), seasons in any_seasons(), first in 0..40_i32, nights in 1..80_i32, guests in 1..10_u16,
    ) {
        let rates = Rates { weekly_discount_bp: 0, monthly_discount_bp: 0, ..rates };
        let terms = listing(rates, seasons).terms;
        let total = |nights, guests| terms.total_minor(stay(first, nights), guests).unwrap();
        prop_assert!(total(nights, guests) < total(nights + 1, guests));
        prop_assert!(total(nights, guests) <= total(nights, guests + 1));
    }
}
