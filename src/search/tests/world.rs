//! Small random worlds, crowded so that rules, prices and places meet and tie.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::listing::{Description, Hours, HouseRules};
use crate::domain::pricing::Rates;
use crate::domain::review::RatingSums;
use crate::domain::terms::{Season, Seasons, StayRules, Terms};
use crate::domain::{Amenity, Currency, Date, Listing, ListingState, Location, PropertyId, Seq, Stay, Timestamp, UserId, Weekday};
use crate::search::index::bit_of;
use crate::search::plain::Plain;
use crate::search::{Applied, Circle, Dates, Home, Index, Query, Sort};

/// 2026-11-20T23:30:00Z: in Tokyo it is tomorrow.
pub(super) const START: Timestamp = Timestamp::from_epoch_ms(1_795_217_400_000);

pub(super) fn date(day: i32) -> Date {
    START.utc_date().saturating_add(day)
}

/// The number of a home; homes are few, so that changes meet.
pub(super) fn home_id(number: u8) -> PropertyId {
    let mut bytes = [0; 16];
    bytes[0] = number.wrapping_mul(37);
    bytes[15] = number;
    PropertyId::from_bytes(bytes)
}

fn season(from: i32, length: i32, kind: u8) -> Season {
    let some = |bit: u8| kind & bit != 0;
    Season {
        from: date(from),
        to: date(from + length),
        min_nights: some(1).then_some(2),
        max_nights: some(2).then_some(20),
        nightly_minor: some(4).then_some(8_000),
        weekend_minor: some(8).then_some(15_001),
    }
}

fn weekdays(bits: u8) -> crate::domain::terms::Weekdays {
    Weekday::ALL.iter().copied().filter(|day| bits & 1 << (*day as u8) != 0).collect()
}

prop_compose! {
    fn rates()(
        nightly_minor in prop_oneof![Just(10_000i64), 1i64..30_000, Just(999_999_999)],
        weekend_minor in prop::option::weighted(0.3, prop_oneof![Just(9_000i64), Just(14_000)]),
        weekly_discount_bp in prop_oneof![3 => Just(0u16), 1 => 0..=9_000u16],
        monthly_discount_bp in prop_oneof![3 => Just(0u16), 1 => 0..=9_000u16],
        cleaning_fee_minor in prop_oneof![Just(0i64), Just(3_000), 0i64..9_999],
        included_guests in 1u16..4,
        extra_guest_minor in prop_oneof![Just(0i64), Just(1_500)],
        tax_bp in prop_oneof![Just(0u16), 0..=5_000u16],
        service_fee_bp in prop_oneof![Just(0u16), Just(1_000), Just(1_234)],
    ) -> Rates {
        Rates {
            nightly_minor, weekend_minor, weekly_discount_bp, monthly_discount_bp, cleaning_fee_minor, included_guests, extra_guest_minor,
            tax_bp, service_fee_bp,
        }
    }
}

prop_compose! {
    fn terms()(
        zone in prop_oneof![Just("Europe/Vienna"), Just("Asia/Tokyo"), Just("Pacific/Pago_Pago"), Just("Pacific/Kiritimati")],
        currency in prop_oneof![4 => Just("EUR"), 1 => Just("JPY")],
        max_guests in prop_oneof![3 => 1u16..5, 1 => Just(50)],
        rates in rates().boxed(),
        (min_nights, more_nights) in prop_oneof![3 => Just((1u16, 364u16)), 1 => (1u16..6, 0u16..30)],
        advance_notice_days in prop_oneof![3 => Just(0u16), 1 => 0u16..4],
        booking_window_days in prop_oneof![3 => Just(730u16), 1 => 1u16..60],
        preparation_days in prop_oneof![2 => Just(0u16), 1 => 0u16..=7],
        check_in_days in prop_oneof![3 => Just(127u8), 1 => 1u8..128],
        check_out_days in prop_oneof![3 => Just(127u8), 1 => 1u8..128],
        seasons in prop::collection::vec((0i32..8, 1i32..9, 0u8..16), 0..4),
        endless in prop::option::weighted(0.3, (0i32..20, 0u8..16)),
    ) -> Terms {
        let mut from = -5;
        let mut seasons: Vec<Season> = seasons.into_iter().map(|(gap, length, kind)| {
            let season = season(from + gap, length, kind);
            from += gap + length;
            season
        }).collect();
        if let Some((gap, kind)) = endless {
            seasons.push(Season { to: Date::MAX, ..season(from + gap, 1, kind) });
        }
        Terms {
            time_zone: TimeZone::get(zone).unwrap(),
            currency: currency.parse().unwrap(),
            max_guests,
            rates,
            rules: StayRules {
                min_nights,
                max_nights: (min_nights + more_nights).min(365),
                advance_notice_days,
                booking_window_days,
                preparation_days,
                check_in_days: weekdays(check_in_days),
                check_out_days: weekdays(check_out_days),
            },
            seasons: Seasons::new(seasons).unwrap(),
        }
    }
}

/// Around Vienna, some in the same spot, and around the date line at the pole.
pub(super) fn location() -> impl Strategy<Value = Location> {
    prop_oneof![
        2 => Just((48_200_000, 16_370_000)),
        4 => (48_100_000..48_300_000, 16_200_000..16_500_000),
        1 => (89_900_000..=90_000_000, -180_000_000..=180_000_000),
        1 => (-100_000..100_000, prop_oneof![179_900_000..=180_000_000, -180_000_000..=-179_900_000]),
    ]
    .prop_map(|(latitude, longitude)| Location::from_microdegrees(latitude, longitude).unwrap())
}

prop_compose! {
    pub(super) fn listing(number: u8)(
        state in prop_oneof![9 => Just(ListingState::Published), 1 => Just(ListingState::Unlisted)],
        location in prop::option::weighted(0.9, location()),
        amenities in prop::collection::vec(prop_oneof![Just(Amenity::Wifi), Just(Amenity::Kitchen), Just(Amenity::Waterfront)], 0..4),
        terms in terms().boxed(),
        (count, stars) in (0..1_000_u32, 1..6_u32),
    ) -> Listing {
        let description = Description {
            title: format!("Home {number}"),
            text: "Not in the index".to_owned(),
            city: "Vienna".to_owned(),
            country: Some("AT".parse().unwrap()),
            address: Some("Not in the index 7".to_owned()),
            location,
            bedrooms: 1,
            beds: 2,
            bathrooms: 1,
            amenities: amenities.into_iter().collect(),
            house_rules: HouseRules { text: "Not in the index".to_owned(), pets_allowed: true, ..HouseRules::default() },
            hours: Hours::default(),
        };
        Listing {
            id: home_id(number),
            host: UserId::from_bytes([number; 16]),
            state,
            version: 3,
            description,
            terms,
            booking_terms: crate::domain::booking::BookingTerms::DEFAULT,
            photos: Vec::new(),
            ratings: RatingSums { count, stars: [count * stars, count, 2 * count, 3 * count, 4 * count, 5 * count, count] },
            created_at: START,
            updated_at: START,
        }
    }
}

pub(super) fn any_listing() -> impl Strategy<Value = Listing> {
    (0u8..40).prop_flat_map(|number| listing(number).boxed()).boxed()
}

pub(super) fn run() -> impl Strategy<Value = NightRun> {
    let state = prop_oneof![
        2 => Just(NightState::Free),
        2 => Just(NightState::Held),
        2 => Just(NightState::Booked),
        1 => Just(NightState::Blocked)
    ];
    (prop_oneof![5 => -12i32..40, 1 => 700i32..900], 1i32..12, state).prop_map(|(from, nights, state)| NightRun {
        from: date(from),
        to: date(from + nights),
        state,
    })
}

prop_compose! {
    fn dates()(
        from in prop_oneof![8 => -2i32..40, 1 => 700i32..735, 1 => Just(3_000_000)],
        nights in prop_oneof![8 => 1i32..10, 1 => 20i32..40, 1 => Just(365)],
        flexible in 0u8..=3,
    ) -> Option<Dates> {
        Some(Dates { stay: Stay::new(date(from), date(from + nights)).ok()?, flexible })
    }
}

prop_compose! {
    pub(super) fn query()(
        near in prop::option::of((location(), prop_oneof![1u32..500, 1_000u32..30_000, Just(500_000)])),
        dates in prop_oneof![1 => Just(None), 3 => dates().boxed()],
        guests in prop_oneof![3 => 1u16..4, 1 => 1u16..51],
        most in prop::option::weighted(0.3, 0i64..200_000),
        currency in prop_oneof![2 => Just(None), 1 => Just(Some("EUR")), 1 => Just(Some("JPY"))],
        amenities in prop::collection::vec(prop_oneof![Just(Amenity::Wifi), Just(Amenity::Kitchen)], 0..3),
        sort in 0u8..4,
    ) -> Query {
        let sort = match sort {
            0 => Sort::Newest,
            1 if near.is_some() => Sort::Distance,
            2 => Sort::Rating,
            _ => Sort::Price,
        };
        let currency: Option<Currency> = currency.map(|code| code.parse().unwrap());
        Query {
            near: near.map(|(centre, radius_m)| Circle { centre, radius_m }),
            dates,
            guests,
            max_total_minor: most.filter(|_| dates.is_some()),
            currency,
            amenities: amenities.into_iter().collect(),
            sort,
        }
        .validated()
        .unwrap()
    }
}

/// Something that happens to the world.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A home is listed, or listed anew, with these nights.
    List(Box<Listing>, Vec<NightRun>),
    /// Nights of a home change, as an event says.
    Change(u8, NightRun),
    /// A home is gone.
    Delete(u8),
    /// Days pass.
    Wait(u8),
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any_listing().prop_map(Box::new), prop::collection::vec(run(), 0..4)).prop_map(|(listing, runs)| Step::List(listing, runs)).boxed(),
        6 => (0u8..40, run()).prop_map(|(number, run)| Step::Change(number, run)),
        1 => (0u8..40).prop_map(Step::Delete),
        1 => (0u8..20).prop_map(Step::Wait),
    ]
}

/// Both searches over one history.
pub(super) struct World {
    pub(super) index: Index,
    pub(super) plain: Plain,
    pub(super) now: Timestamp,
    seqs: [Seq; 40],
}

impl World {
    pub(super) fn new() -> Self {
        Self { index: Index::new(START.utc_date()), plain: Plain::default(), now: START, seqs: [0; 40] }
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::List(listing, taken) => {
                let number = usize::from(listing.id.as_bytes()[15]);
                self.seqs[number] += 1;
                let home = Home { listing: *listing, seq: self.seqs[number], taken };
                self.plain.put(home.clone());
                self.index.put(home);
            }
            Step::Change(number, run) => {
                let seq = &mut self.seqs[usize::from(number)];
                *seq += 1;
                self.plain.set(home_id(number), run);
                let applied = self.index.apply(home_id(number), *seq, Some(run));
                assert_ne!(applied, Applied::Gap);
                // Saying it again changes nothing, nor does what is older.
                self.index.apply(home_id(number), *seq, Some(NightRun { state: NightState::Booked, ..run }));
            }
            Step::Delete(number) => {
                self.plain.remove(home_id(number));
                self.index.remove(home_id(number));
            }
            Step::Wait(days) => {
                self.now = self.now.plus_ms(i64::from(days) * 86_400_000);
                self.index.roll(self.now.utc_date());
            }
        }
    }

    pub(super) fn of(steps: Vec<Step>) -> Self {
        let mut world = Self::new();
        for step in steps {
            world.take(step);
        }
        world.index.check_invariants();
        world
    }
}

impl Index {
    /// Whether its parts agree with each other.
    pub(super) fn check_invariants(&self) {
        assert_eq!(self.entries.iter().flatten().count(), self.order.len());
        let ids: Vec<PropertyId> = self.order.iter().map(|slot| self.entries[*slot as usize].as_ref().unwrap().id).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        for (rank, slot) in self.order.iter().enumerate() {
            assert_eq!(self.ranks[*slot as usize] as usize, rank);
            assert!(self.seq(ids[rank]).is_some());
        }
        for (at, entry) in self.entries.iter().enumerate() {
            let (block, word, bit) = bit_of(u32::try_from(at).unwrap());
            assert_eq!(self.live[block][word] & bit != 0, entry.is_some());
            assert_eq!(self.facts[at].is_some(), entry.is_some());
        }
        let located = self.points.iter().flatten().count();
        assert_eq!(self.cells.values().map(Vec::len).sum::<usize>(), located);
        assert!(self.cells.values().all(|slots| !slots.is_empty()));
    }
}
