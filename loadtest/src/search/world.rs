//! A made-up market: homes in crowded cities all over the world, and a year of stays in each.

use latchkey::domain::booking::BookingTerms;
use latchkey::domain::calendar::NightRun;
use latchkey::domain::event::NightState;
use latchkey::domain::listing::{Description, Hours, HouseRules};
use latchkey::domain::pricing::Rates;
use latchkey::domain::review::RatingSums;
use latchkey::domain::terms::{Season, Seasons, StayRules, Terms, Weekdays};
use latchkey::domain::{Amenity, Date, Listing, ListingState, Location, PropertyId, Timestamp, UserId, Weekday};
use latchkey::search::Home;

use crate::random::SplitMix64;

/// Cities; the first have the most homes.
const CITIES: u64 = 300;

/// Lanes of randomness: homes have their numbers, cities these.
const CITY_LANE: u64 = 1 << 40;

/// The middle of a city, in millionths of a degree, and its time zone.
pub(super) fn city(number: u64) -> (i32, i32, &'static str) {
    let mut random = SplitMix64::lane(7, CITY_LANE + number);
    let (latitude, longitude) = (between(&mut random, -50_000_000, 65_000_000), between(&mut random, -170_000_000, 170_000_000));
    let zone = match longitude {
        i32::MIN..-100_000_000 => "America/Los_Angeles",
        -100_000_000..-30_000_000 => "America/New_York",
        -30_000_000..40_000_000 => "Europe/Vienna",
        40_000_000..100_000_000 => "Asia/Kolkata",
        100_000_000.. => "Asia/Tokyo",
    };
    (latitude, longitude, zone)
}

/// A city as homes and guests choose it: some are many times as popular as others.
pub(super) fn popular(random: &mut SplitMix64) -> u64 {
    random.below(CITIES).min(random.below(CITIES)).min(random.below(CITIES))
}

/// A place in a city, a few kilometres around its middle.
pub(super) fn place(random: &mut SplitMix64, (latitude, longitude): (i32, i32)) -> Location {
    let mut offset = || between(random, -40_000, 40_000) + between(random, -40_000, 40_000);
    let (latitude, longitude) = (latitude + offset(), longitude + offset());
    Location::from_microdegrees(latitude, longitude).expect("cities lie far from the ends of the map")
}

/// A number in `low..high`.
pub(super) fn between(random: &mut SplitMix64, low: i32, high: i32) -> i32 {
    let span = u64::from(high.saturating_sub(low).unsigned_abs());
    low.saturating_add(i32::try_from(random.below(span)).unwrap_or(0))
}

fn is_one_in(random: &mut SplitMix64, many: u64) -> bool {
    random.below(many) == 0
}

/// A number of homes with a year of stays from a day on: always the same ones for the same three.
#[derive(Debug, Clone, Copy)]
pub(super) struct Market {
    pub(super) seed: u64,
    pub(super) homes: u32,
    pub(super) day: Date,
}

impl Market {
    /// Every home.
    pub(super) fn homes(self) -> impl Iterator<Item = Home> {
        let midnight = Timestamp::from_epoch_ms(i64::from(self.day.epoch_day()) * 86_400_000);
        (0..self.homes).map(move |number| home(self.seed, number, midnight))
    }
}

/// The home of that number.
fn home(seed: u64, number: u32, now: Timestamp) -> Home {
    let mut random = SplitMix64::lane(seed, u64::from(number));
    let (latitude, longitude, zone) = city(popular(&mut random));
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    id[8..].copy_from_slice(&random.draw().to_be_bytes());
    let amenities = Amenity::ALL.iter().enumerate().filter(|(index, _)| random.below(40) >= *index as u64).map(|(_, word)| *word).collect();
    let description = Description {
        title: format!("A home with a view, number {number}"),
        text: String::new(),
        city: "Anytown".to_owned(),
        country: "AT".parse().ok(),
        address: None,
        location: Some(place(&mut random, (latitude, longitude))),
        bedrooms: 2,
        beds: 3,
        bathrooms: 1,
        amenities,
        house_rules: HouseRules::default(),
        hours: Hours::default(),
    };
    let terms = terms(&mut random, zone, now);
    let listing = Listing {
        id: PropertyId::from_bytes(id),
        host: UserId::from_bytes(id),
        state: ListingState::Published,
        version: 1,
        description,
        terms,
        booking_terms: BookingTerms::DEFAULT,
        photos: Vec::new(),
        ratings: RatingSums::NONE,
        created_at: now,
        updated_at: now,
    };
    let taken = stays(&mut random, now.utc_date());
    // One event listed it, and one changed each run of nights.
    Home { listing, seq: 1 + taken.len() as u64, taken }
}

fn terms(random: &mut SplitMix64, zone: &str, now: Timestamp) -> Terms {
    // Prices crowd at round numbers below a hundred, with a long tail.
    let tens = 2 + random.below(12).min(random.below(12)) + if is_one_in(random, 10) { random.below(60) } else { 0 };
    let nightly_minor = i64::try_from(tens * 1_000 + random.below(10) * 100).unwrap_or(10_000);
    let rates = Rates {
        weekend_minor: is_one_in(random, 3).then_some(nightly_minor + nightly_minor / 5),
        weekly_discount_bp: if is_one_in(random, 2) { 1_000 } else { 0 },
        monthly_discount_bp: if is_one_in(random, 2) { 2_500 } else { 0 },
        cleaning_fee_minor: i64::from(between(random, 0, 8)) * 1_000,
        included_guests: 2,
        extra_guest_minor: if is_one_in(random, 2) { 1_500 } else { 0 },
        tax_bp: 300,
        service_fee_bp: 1_000,
        ..Rates::nightly(nightly_minor)
    };
    let one_of = |random: &mut SplitMix64, choices: &[u16]| choices[usize::try_from(random.below(choices.len() as u64)).unwrap_or(0)];
    let min_nights = one_of(random, &[1, 1, 2, 2, 3, 5, 7]);
    let some_days = Weekday::ALL.iter().copied().filter(|day| matches!(day, Weekday::Friday | Weekday::Saturday | Weekday::Monday));
    let rules = StayRules {
        min_nights,
        max_nights: one_of(random, &[14, 28, 90, 365]),
        advance_notice_days: one_of(random, &[0, 0, 1, 2]),
        booking_window_days: one_of(random, &[180, 365, 365, 730]),
        preparation_days: one_of(random, &[0, 0, 0, 1, 2]),
        check_in_days: if is_one_in(random, 10) { some_days.collect() } else { Weekdays::ALL },
        check_out_days: Weekdays::ALL,
    };
    let currency = ["EUR", "EUR", "EUR", "USD", "USD", "GBP", "JPY"][usize::try_from(random.below(7)).unwrap_or(0)];
    Terms {
        time_zone: jiff_zone(zone),
        currency: currency.parse().expect("a currency that homes are priced in"),
        max_guests: one_of(random, &[2, 2, 3, 4, 4, 6, 8]),
        rates,
        rules,
        seasons: seasons(random, nightly_minor, now.utc_date()),
    }
}

/// A time zone of the bundled database.
fn jiff_zone(name: &str) -> jiff::tz::TimeZone {
    jiff::tz::TimeZone::get(name).unwrap_or(jiff::tz::TimeZone::UTC)
}

/// A third of the homes has one to four seasons in each of two years.
fn seasons(random: &mut SplitMix64, nightly_minor: i64, today: Date) -> Seasons {
    if !is_one_in(random, 3) {
        return Seasons::default();
    }
    let (mut seasons, mut from) = (Vec::new(), today.saturating_add(between(random, -30, 60)));
    for _ in 0..2 + random.below(7) {
        let to = from.saturating_add(between(random, 7, 80));
        let percent = i64::from(between(random, 70, 160));
        seasons.push(Season {
            from,
            to,
            min_nights: is_one_in(random, 2).then_some(3),
            max_nights: None,
            nightly_minor: Some(nightly_minor * percent / 100),
            weekend_minor: is_one_in(random, 3).then_some(nightly_minor * (percent + 20) / 100),
        });
        from = to.saturating_add(between(random, 0, 90));
    }
    Seasons::new(seasons).unwrap_or_default()
}

/// Stays of a few nights with gaps between them, for a year; a bit more than half of all nights.
fn stays(random: &mut SplitMix64, today: Date) -> Vec<NightRun> {
    let (mut taken, mut day) = (Vec::new(), -20);
    while day < 365 {
        day += between(random, 0, 9);
        let nights = between(random, 1, 11);
        let state = match random.below(50) {
            0 => NightState::Held,
            1 => NightState::Blocked,
            _ => NightState::Booked,
        };
        taken.push(NightRun { from: today.saturating_add(day), to: today.saturating_add(day + nights), state });
        day += nights;
    }
    taken
}
