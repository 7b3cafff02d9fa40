//! Who asks for which nights: rounds of a race, and the supply of nights for uncontended holds.
//!
//! Pure: everything follows from the arguments and the seed. Invariant: no two rounds, and no two slots of a supply, share
//! a night, so whoever owns a night won it in the one round that offered it.

use std::time::{SystemTime, UNIX_EPOCH};

use latchkey_protocol::{Date, EpochMs};

use crate::random::SplitMix64;

/// Nights that races use of one property: within its calendar's default year, well within its booking window.
pub(crate) const RACE_NIGHTS: u32 = 350;
/// A race's first night, in days from today.
const RACE_LEAD_DAYS: i32 = 7;
/// The supply's first night, in days from today: two, because today differs between time zones.
const SUPPLY_LEAD_DAYS: i32 = 2;
/// The hub takes bookings up to this many days ahead.
const BOOKING_WINDOW_DAYS: i32 = 700;

/// Nights `[check_in, check_out)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stay {
    /// First night.
    pub(crate) check_in: Date,
    /// Morning of departure.
    pub(crate) check_out: Date,
}

impl Stay {
    /// Every night of the stay.
    pub(crate) fn nights(self) -> impl Iterator<Item = Date> {
        (self.check_in.epoch_day()..self.check_out.epoch_day()).filter_map(|day| Date::from_epoch_day(day).ok())
    }

    /// Whether that night belongs to the stay.
    pub(crate) fn contains(self, night: Date) -> bool {
        self.check_in <= night && night < self.check_out
    }
}

/// One race: every guest wants part of `window` of one property.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Round {
    /// 0, 1, 2 …
    pub(crate) number: u32,
    /// Which of the run's properties.
    pub(crate) property: usize,
    /// Nights nobody asked for before.
    pub(crate) window: Stay,
}

/// The rounds of a run that begins on `today`: windows one after the other, one property after the other.
pub(crate) fn rounds(count: u32, nights: u32, today: Date) -> Vec<Round> {
    let per_property = per_property(nights);
    let round = |number: u32| {
        let offset = (number % per_property) * nights.max(1);
        let check_in = today.saturating_add(RACE_LEAD_DAYS + signed(offset));
        let window = Stay { check_in, check_out: check_in.saturating_add(signed(nights.max(1))) };
        Round { number, property: (number / per_property) as usize, window }
    };
    (0..count).map(round).collect()
}

/// How many properties those rounds need.
pub(crate) fn properties_needed(count: u32, nights: u32) -> usize {
    count.div_ceil(per_property(nights)).max(1) as usize
}

fn per_property(nights: u32) -> u32 {
    (RACE_NIGHTS / nights.max(1)).max(1)
}

fn signed(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

/// A stay within `window`: in half of all cases the whole of it, so that guests really collide; else any part of it.
pub(crate) fn sub_stay(window: Stay, random: &mut SplitMix64) -> Stay {
    if random.below(2) == 0 {
        return window;
    }
    let nights = u64::from(window.check_out.days_since(window.check_in).unsigned_abs());
    let first = random.below(nights);
    let length = 1 + random.below(nights - first);
    let day = |offset: u64| window.check_in.saturating_add(i32::try_from(offset).unwrap_or(i32::MAX));
    Stay { check_in: day(first), check_out: day(first + length) }
}

/// Distinct stays over many properties, spread so that neighbours in the order never meet on one property.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Supply {
    properties: usize,
    nights: u32,
    first: Date,
}

impl Supply {
    /// The supply of `properties` empty calendars for stays of `nights`, beginning on `today`.
    pub(crate) fn new(properties: usize, nights: u32, today: Date) -> Self {
        Self { properties: properties.max(1), nights: nights.max(1), first: today.saturating_add(SUPPLY_LEAD_DAYS) }
    }

    /// How many stays there are.
    pub(crate) fn len(self) -> usize {
        let nights = (BOOKING_WINDOW_DAYS - SUPPLY_LEAD_DAYS).unsigned_abs();
        self.properties * (nights / self.nights) as usize
    }

    /// The property and the nights of stay number `index`, `None` beyond the supply.
    pub(crate) fn slot(self, index: usize) -> Option<(usize, Stay)> {
        if index >= self.len() {
            return None;
        }
        let row = i32::try_from(index / self.properties).ok()?;
        let nights = signed(self.nights);
        let check_in = self.first.saturating_add(row * nights);
        Some((index % self.properties, Stay { check_in, check_out: check_in.saturating_add(nights) }))
    }
}

/// The wall clock, as the wire counts it.
pub(crate) fn now_ms() -> EpochMs {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    EpochMs::try_from(elapsed.as_millis()).unwrap_or(EpochMs::MAX)
}

/// Today in UTC. Leads of days keep the difference to a property's own today out of every plan.
pub(crate) fn today() -> Date {
    let day = i32::try_from(now_ms().div_euclid(86_400_000)).unwrap_or_default();
    Date::from_epoch_day(day).unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn day(number: i32) -> Date {
        Date::from_epoch_day(number).unwrap()
    }

    #[test]
    fn no_two_rounds_share_a_night_and_properties_follow_when_one_is_full() {
        let rounds = rounds(300, 3, day(20_000));
        let nights: HashSet<_> = rounds.iter().flat_map(|round| round.window.nights().map(move |night| (round.property, night))).collect();
        assert_eq!(nights.len(), 900);
        assert_eq!(rounds.last().unwrap().property + 1, properties_needed(300, 3));
        assert!(nights.iter().all(|(_, night)| (7..357).contains(&night.days_since(day(20_000)))));
    }

    #[test]
    fn a_sub_stay_lies_within_its_window_and_half_of_them_are_all_of_it() {
        let window = Stay { check_in: day(100), check_out: day(103) };
        let mut random = SplitMix64::new(5);
        let stays: Vec<_> = (0..1_000).map(|_| sub_stay(window, &mut random)).collect();
        assert!(stays.iter().all(|s| window.check_in <= s.check_in && s.check_in < s.check_out && s.check_out <= window.check_out));
        let whole = stays.iter().filter(|stay| **stay == window).count();
        assert!((500..750).contains(&whole), "{whole}");
        let kinds: HashSet<_> = stays.iter().map(|s| (s.check_in, s.check_out)).collect();
        assert_eq!(kinds.len(), 6);
    }

    #[test]
    fn the_same_seed_asks_for_the_same_stays() {
        let window = Stay { check_in: day(100), check_out: day(110) };
        let draw = || -> Vec<_> { (0..50).map(|lane| sub_stay(window, &mut SplitMix64::lane(9, lane))).collect() };
        assert_eq!(draw(), draw());
    }

    #[test]
    fn a_supply_never_gives_one_night_twice_and_ends_within_the_booking_window() {
        let supply = Supply::new(3, 2, day(20_000));
        let stays: Vec<_> = (0..).map_while(|index| supply.slot(index)).collect();
        assert_eq!(stays.len(), 3 * 349);
        let nights: HashSet<_> = stays.iter().flat_map(|(property, stay)| stay.nights().map(move |night| (*property, night))).collect();
        assert_eq!(nights.len(), stays.len() * 2);
        assert!(stays.iter().all(|(_, stay)| stay.check_out <= day(20_700)));
    }
}
