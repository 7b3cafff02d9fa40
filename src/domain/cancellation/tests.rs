//! A row for each policy and each of its deadlines, on both sides of it.

use latchkey_protocol::{BookingId, PaymentId, PropertyId, UserId};

use super::*;
use crate::domain::booking::{BookingState, BookingTerms, StayTimes, Visit};
use crate::domain::pricing::{Line, Quote};
use crate::domain::settlement::Payout;
use crate::domain::{Money, Stay};

const CHECK_IN: Timestamp = Timestamp::from_epoch_ms(1_800_000_000_000);

/// Four nights at 100.00, cleaning 40.00, fee 44.00, taxes 22.00, confirmed so long before check-in.
fn booking(policy: CancellationPolicy, confirmed_before_ms: i64) -> Booking {
    let money = |minor| Money { minor, currency: "EUR".parse().unwrap() };
    let line = |kind, quantity, minor| Line { kind, quantity, unit: money(minor), amount: money(minor * i64::from(quantity)) };
    let check_in: Date = "2027-01-15".parse().unwrap();
    Booking {
        id: BookingId::from_bytes([1; 16]),
        property: PropertyId::from_bytes([2; 16]),
        guest: UserId::from_bytes([3; 16]),
        host: UserId::from_bytes([4; 16]),
        quote: Quote {
            property: PropertyId::from_bytes([2; 16]),
            stay: Stay::new(check_in, check_in.saturating_add(4)).unwrap(),
            guests: 2,
            lines: vec![
                line(LineKind::Nights, 4, 10_000),
                line(LineKind::Cleaning, 1, 4_000),
                line(LineKind::ServiceFee, 1, 4_400),
                line(LineKind::Taxes, 1, 2_200),
            ],
            total: money(50_600),
        },
        terms: BookingTerms { policy, is_instant: true },
        times: StayTimes { check_in_at: CHECK_IN, check_out_at: CHECK_IN.plus_ms(4 * DAY_MS) },
        payment: PaymentId::from_bytes([5; 16]),
        further_payments: Vec::new(),
        seq: 1,
        state: BookingState::Confirmed { at: CHECK_IN.plus_ms(-confirmed_before_ms) },
        confirmed_at: Some(CHECK_IN.plus_ms(-confirmed_before_ms)),
        free_until: free_until(CHECK_IN.plus_ms(-confirmed_before_ms), CHECK_IN),
        checked_in: None,
        checked_out: None,
        left_on: None,
        alterations: 0,
        alteration: None,
        returned: Shares::ZERO,
        settled: Shares::ZERO,
        payout: Payout::default(),
        transfers: 0,
        created_at: CHECK_IN.plus_ms(-confirmed_before_ms),
    }
}

/// Host's part, fee, taxes.
fn back(booking: &Booking, now: Timestamp, leaves_after_nights: i32) -> (i64, i64, i64) {
    let tier = Schedule::of(booking).tier(booking.terms.policy, now);
    let leaves_on = booking.stay().check_in().saturating_add(leaves_after_nights);
    let shares = returned(booking, tier, leaves_on, now);
    (shares.host_minor, shares.fee_minor, shares.taxes_minor)
}

#[test]
fn each_policy_gives_back_what_it_says_on_both_sides_of_each_of_its_deadlines() {
    use CancellationPolicy::{Firm, Flexible, Limited, Moderate, Strict};
    const ALL: (i64, i64, i64) = (44_000, 4_400, 2_200);
    // Half of 400.00 and cleaning; taxes in proportion: 240 / 440 of 22.00.
    const HALF: (i64, i64, i64) = (24_000, 0, 1_200);
    // Cleaning alone: nobody came.
    const CLEANING: (i64, i64, i64) = (4_000, 0, 200);
    let rows = [
        (Flexible, DAY_MS, ALL),
        // All nights but the first, and cleaning: 340 / 440 of 22.00.
        (Flexible, 0, (34_000, 0, 1_700)),
        (Moderate, 5 * DAY_MS, ALL),
        // Half of all nights but the first, and cleaning: 190 / 440 of 22.00.
        (Moderate, 4 * DAY_MS, (19_000, 0, 950)),
        (Limited, 14 * DAY_MS, ALL),
        (Limited, 7 * DAY_MS, HALF),
        (Limited, 6 * DAY_MS, CLEANING),
        (Firm, 30 * DAY_MS, ALL),
        (Firm, 7 * DAY_MS, HALF),
        (Firm, 6 * DAY_MS, CLEANING),
        (Strict, 300 * DAY_MS, HALF),
        (Strict, 7 * DAY_MS, HALF),
        (Strict, 6 * DAY_MS, CLEANING),
    ];
    for (policy, before_ms, expected) in rows {
        let booking = booking(policy, 400 * DAY_MS);
        // A deadline is exclusive: a millisecond before it.
        let now = CHECK_IN.plus_ms(-before_ms - 1);
        assert_eq!(back(&booking, now, 0), expected, "{policy:?}, {before_ms} ms before");
    }
}

#[test]
fn at_a_deadline_the_next_tier_applies() {
    for (policy, before_ms, tier) in [
        (CancellationPolicy::Flexible, DAY_MS, Tier::UnspentNights { percent: 100 }),
        (CancellationPolicy::Moderate, 5 * DAY_MS, Tier::UnspentNights { percent: 50 }),
        (CancellationPolicy::Limited, 14 * DAY_MS, Tier::HalfOfTheNights),
        (CancellationPolicy::Limited, 7 * DAY_MS, Tier::NoNights),
        (CancellationPolicy::Firm, 30 * DAY_MS, Tier::HalfOfTheNights),
        (CancellationPolicy::Firm, 7 * DAY_MS, Tier::NoNights),
        (CancellationPolicy::Strict, 7 * DAY_MS, Tier::NoNights),
    ] {
        let schedule = Schedule::of(&booking(policy, 400 * DAY_MS));
        assert_eq!(schedule.tier(policy, CHECK_IN.plus_ms(-before_ms)), tier, "{policy:?}, {before_ms} ms before");
    }
}

#[test]
fn within_a_day_of_the_confirmation_everything_goes_back_if_check_in_was_a_week_away() {
    for policy in CancellationPolicy::ALL {
        let early = booking(*policy, 8 * DAY_MS);
        let confirmed_at = early.confirmed_at.unwrap();
        let tier = |now| Schedule::of(&early).tier(*policy, now);
        assert_eq!(tier(confirmed_at.plus_ms(GRACE_MS - 1)), Tier::Everything, "{policy:?}");
        let late = booking(*policy, 7 * DAY_MS - 1);
        let tier = Schedule::of(&late).tier(*policy, late.confirmed_at.unwrap());
        let is_usual = matches!(policy, CancellationPolicy::Flexible | CancellationPolicy::Moderate);
        assert_eq!(tier == Tier::Everything, is_usual, "{policy:?}: no grace");
    }
}

#[test]
fn a_guest_who_leaves_early_pays_for_the_nights_stayed_and_one_more_and_for_cleaning() {
    let flexible = booking(CancellationPolicy::Flexible, 400 * DAY_MS);
    // Of four nights one is stayed, one is paid for besides, two go back: 200 / 440 of 22.00.
    assert_eq!(back(&flexible, CHECK_IN.plus_ms(DAY_MS), 1), (20_000, 0, 1_000));
    // Who came before the hour has used the home, too.
    let strict = Booking {
        checked_in: Some(Visit { at: CHECK_IN.plus_ms(-2), by: None, note: None }),
        ..booking(CancellationPolicy::Strict, 400 * DAY_MS)
    };
    assert_eq!(back(&strict, CHECK_IN.plus_ms(-1), 0), (0, 0, 0));
    assert_eq!(back(&flexible, CHECK_IN.plus_ms(3 * DAY_MS), 3), (0, 0, 0), "the last night is the one more");
    let moderate = booking(CancellationPolicy::Moderate, 400 * DAY_MS);
    assert_eq!(back(&moderate, CHECK_IN.plus_ms(DAY_MS), 1), (10_000, 0, 500));
    let strict = booking(CancellationPolicy::Strict, 400 * DAY_MS);
    assert_eq!(back(&strict, CHECK_IN.plus_ms(DAY_MS), 1), (0, 0, 0));
}

#[test]
fn halves_are_rounded_to_the_even_minor_unit() {
    for (minor, expected) in [(1, 0), (2, 1), (3, 2), (5, 2), (7, 4)] {
        assert_eq!(part(minor, 1, 2), expected, "{minor}");
    }
}
