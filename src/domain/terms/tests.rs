//! Rows of cases for each rule.

use super::*;

/// A Monday.
const TODAY: &str = "2026-11-23";

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn day(offset: i32) -> Date {
    date(TODAY).saturating_add(offset)
}

fn stay(first: i32, nights: i32) -> Stay {
    Stay::new(day(first), day(first + nights)).unwrap()
}

fn terms() -> Terms {
    Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, Rates::nightly(10_000))
}

fn season(first: i32, last: i32) -> Season {
    Season { from: day(first), to: day(last), min_nights: None, max_nights: None, nightly_minor: None, weekend_minor: None }
}

fn days(days: &[Weekday]) -> Weekdays {
    days.iter().copied().collect()
}

/// The rule that refuses, and its bound; an epoch day as days from today.
fn broken(terms: &Terms, stay: Stay, guests: u16) -> Option<(Rule, i64)> {
    terms.validate().unwrap();
    match terms.accepts(stay, guests, date(TODAY)) {
        Ok(()) => None,
        Err(Refusal::RuleViolated { rule, limit }) => match rule {
            Rule::NotInThePast | Rule::AdvanceNotice | Rule::BookingWindow | Rule::CheckInDay | Rule::CheckOutDay => {
                Some((rule, limit - i64::from(date(TODAY).epoch_day())))
            }
            Rule::MinNights | Rule::MaxNights | Rule::MaxGuests | Rule::Preparation => Some((rule, limit)),
        },
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_rule_refuses_beyond_its_bound_and_not_at_it() {
    let with = |change: fn(&mut StayRules)| {
        let mut terms = terms();
        change(&mut terms.rules);
        terms
    };
    let week = |rules: &mut StayRules| (rules.min_nights, rules.max_nights) = (3, 7);
    let notice = |rules: &mut StayRules| rules.advance_notice_days = 2;
    let window = |rules: &mut StayRules| rules.booking_window_days = 30;
    let saturdays =
        |rules: &mut StayRules| (rules.check_in_days, rules.check_out_days) = (days(&[Weekday::Saturday]), days(&[Weekday::Saturday]));
    let rows = [
        (terms(), stay(0, 1), None),
        (terms(), stay(-1, 1), Some((Rule::NotInThePast, 0))),
        (with(notice), stay(2, 1), None),
        (with(notice), stay(1, 1), Some((Rule::AdvanceNotice, 2))),
        (with(window), stay(29, 1), None),
        (with(window), stay(29, 2), Some((Rule::BookingWindow, 30))),
        (with(saturdays), stay(5, 7), None),
        (with(saturdays), stay(6, 7), Some((Rule::CheckInDay, 12))),
        (with(saturdays), stay(5, 6), Some((Rule::CheckOutDay, 12))),
        (with(week), stay(1, 3), None),
        (with(week), stay(1, 2), Some((Rule::MinNights, 3))),
        (with(week), stay(1, 7), None),
        (with(week), stay(1, 8), Some((Rule::MaxNights, 7))),
    ];
    for (terms, stay, expected) in rows {
        assert_eq!(broken(&terms, stay, 4), expected, "{stay:?} under {:?}", terms.rules);
    }
    assert_eq!(broken(&terms(), stay(1, 1), 5), Some((Rule::MaxGuests, 4)));
    let nobody = Refusal::Invalid { field: "guests", reason: "1 or more" };
    assert_eq!(terms().accepts(stay(1, 1), 0, date(TODAY)), Err(nobody));
}

#[test]
fn the_season_in_which_a_stay_begins_says_how_long_it_is() {
    let summer = Season { min_nights: Some(5), max_nights: Some(6), ..season(10, 20) };
    let fair = Season { max_nights: Some(2), ..season(20, 22) };
    let terms = Terms { seasons: Seasons::new(vec![fair, summer]).unwrap(), ..terms() };
    for (stay, expected) in [
        (stay(9, 1), None),
        (stay(10, 4), Some((Rule::MinNights, 5))),
        (stay(19, 5), None),
        (stay(19, 7), Some((Rule::MaxNights, 6))),
        (stay(20, 1), None),
        (stay(20, 3), Some((Rule::MaxNights, 2))),
        (stay(22, 3), None),
    ] {
        assert_eq!(broken(&terms, stay, 1), expected, "{stay:?}");
    }
}

#[test]
fn seasons_that_cannot_be_are_refused_and_others_are_put_in_order() {
    let refused = |seasons: Vec<Season>| match Seasons::new(seasons) {
        Err(Refusal::Invalid { field: "seasons", reason }) => Some(reason),
        Ok(_) | Err(_) => None,
    };
    for (seasons, reason) in [
        (vec![season(5, 9), season(1, 5)], None),
        (vec![season(5, 5)], Some("to must be after from")),
        (vec![season(5, 9), season(1, 6)], Some("two of them overlap")),
        (vec![Season { min_nights: Some(0), ..season(1, 2) }], Some("min_nights and max_nights are 1 to 365")),
        (vec![Season { weekend_minor: Some(0), ..season(1, 2) }], Some("prices are 1 to 1000000000")),
        ((0..51).map(|number| season(number, number + 1)).collect(), Some("at most 50")),
    ] {
        assert_eq!(refused(seasons.clone()), reason, "{seasons:?}");
    }
    let ordered = Seasons::new(vec![season(5, 9), season(1, 5)]).unwrap();
    assert_eq!(ordered.as_slice()[0].from, day(1));
    for (offset, first) in [(0, None), (1, Some(1)), (4, Some(1)), (5, Some(5)), (8, Some(5)), (9, None)] {
        assert_eq!(ordered.at(day(offset)).map(|season| season.from), first.map(day), "day {offset}");
    }
}

#[test]
fn values_out_of_range_name_their_field() {
    let mut rows: Vec<(&str, Terms)> = Vec::new();
    let mut row = |field, change: &dyn Fn(&mut Terms)| {
        let mut terms = terms();
        change(&mut terms);
        rows.push((field, terms));
    };
    row("max_guests", &|terms| terms.max_guests = 51);
    row("min_nights", &|terms| terms.rules.min_nights = 0);
    row("max_nights", &|terms| (terms.rules.min_nights, terms.rules.max_nights) = (8, 7));
    row("advance_notice_days", &|terms| terms.rules.advance_notice_days = 31);
    row("booking_window_days", &|terms| terms.rules.booking_window_days = 731);
    row("preparation_days", &|terms| terms.rules.preparation_days = 8);
    row("check_in_days", &|terms| terms.rules.check_in_days = days(&[]));
    row("check_out_days", &|terms| terms.rules.check_out_days = days(&[]));
    row("weekend_minor", &|terms| terms.rates.weekend_minor = Some(0));
    row("weekly_discount_bp", &|terms| terms.rates.weekly_discount_bp = 9_001);
    row("monthly_discount_bp", &|terms| terms.rates.monthly_discount_bp = 9_001);
    row("included_guests", &|terms| terms.rates.included_guests = 0);
    row("extra_guest_minor", &|terms| terms.rates.extra_guest_minor = -1);
    row("tax_bp", &|terms| terms.rates.tax_bp = 5_001);
    row("service_fee_bp", &|terms| terms.rates.service_fee_bp = 5_001);
    row("seasons", &|terms| {
        terms.rules.max_nights = 7;
        terms.seasons = Seasons::new(vec![Season { min_nights: Some(8), ..season(1, 2) }]).unwrap();
    });
    for (expected, terms) in rows {
        assert!(matches!(terms.validate(), Err(Refusal::Invalid { field, .. }) if field == expected), "{expected}: {:?}", terms.validate());
    }
    terms().validate().unwrap();
}

#[test]
fn today_is_what_the_homes_own_clocks_say() {
    // 2026-11-23T23:30:00Z.
    let now = Timestamp::from_epoch_ms(1_795_476_600_000);
    for (zone, today) in [("Pacific/Honolulu", "2026-11-23"), ("UTC", "2026-11-23"), ("Europe/Vienna", "2026-11-24")] {
        let terms = Terms { time_zone: TimeZone::get(zone).unwrap(), ..terms() };
        assert_eq!(terms.today(now), date(today), "{zone}");
    }
}
