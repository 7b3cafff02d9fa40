//! What is asked: the usual, and what is hard for an index.

use latchkey::domain::{Amenities, Amenity, Stay, Timestamp};
use latchkey::search::{Circle, Dates, Query, Sort};

use super::world::{between, city, place, popular};
use crate::random::SplitMix64;

/// Queries of one kind.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) draw: fn(&mut SplitMix64, Timestamp) -> Query,
    /// Results to be skipped by a cursor first.
    pub(super) page: Option<usize>,
}

const fn shape(name: &'static str, draw: fn(&mut SplitMix64, Timestamp) -> Query) -> Shape {
    Shape { name, draw, page: None }
}

pub(super) const SHAPES: [Shape; 18] = [
    shape("newest", |_, _| Query::everything()),
    shape("city, dates", |random, now| Query { sort: Sort::Distance, ..in_city(random, now, 5_000) }),
    shape("city, dates, price", |random, now| Query { sort: Sort::Price, ..in_city(random, now, 5_000) }),
    shape("region, dates", |random, now| Query { sort: Sort::Distance, ..in_city(random, now, 60_000) }),
    shape("500 km, dates", |random, now| Query { sort: Sort::Distance, ..in_city(random, now, 500_000) }),
    shape("500 km, flexible, price", |random, now| Query { sort: Sort::Price, ..flexible(in_city(random, now, 500_000)) }),
    shape("world, dates", week),
    shape("world, price of a night", |_, _| checked(Query { sort: Sort::Price, ..Query::everything() })),
    shape("world, dates, price", |random, now| Query { sort: Sort::Price, ..week(random, now) }),
    shape("world, flexible, price", |random, now| Query { sort: Sort::Price, ..flexible(week(random, now)) }),
    shape("world, flexible, price, 6 amenities", |random, now| Query {
        sort: Sort::Price,
        amenities: equipped(random),
        ..flexible(week(random, now))
    }),
    shape("world, one night, price", |random, now| Query { sort: Sort::Price, ..nights(random, now, 1) }),
    shape("world, 28 nights, flexible, price", |random, now| Query { sort: Sort::Price, ..flexible(nights(random, now, 28)) }),
    shape("world, 300 nights, flexible, price", |random, now| Query { sort: Sort::Price, ..flexible(far(random, now, 300)) }),
    shape("world, far ahead, price", |random, now| Query { sort: Sort::Price, ..far(random, now, 7) }),
    shape("world, cheaper than any, flexible", |random, now| Query { max_total_minor: Some(1_000), ..flexible(week(random, now)) }),
    Shape { page: Some(1_000), ..shape("world, dates, price, page 50", |random, now| Query { sort: Sort::Price, ..week(random, now) }) },
    Shape {
        page: Some(1_000),
        ..shape("world, flexible, price, page 50", |random, now| Query { sort: Sort::Price, ..flexible(week(random, now)) })
    },
];

/// Some nights in the next ten months.
fn nights(random: &mut SplitMix64, now: Timestamp, count: i32) -> Query {
    from(random, now, (1, 300), count)
}

/// Three to nine nights for two to four.
fn week(random: &mut SplitMix64, now: Timestamp) -> Query {
    let count = between(random, 3, 10);
    nights(random, now, count)
}

/// Nights that begin when most homes take no bookings yet.
fn far(random: &mut SplitMix64, now: Timestamp, count: i32) -> Query {
    from(random, now, (366, 420), count)
}

fn from(random: &mut SplitMix64, now: Timestamp, (first, last): (i32, i32), count: i32) -> Query {
    let check_in = now.utc_date().saturating_add(between(random, first, last));
    let stay = Stay::new(check_in, check_in.saturating_add(count)).expect("1 to 365 nights");
    let guests = u16::try_from(between(random, 2, 5)).unwrap_or(2);
    checked(Query { dates: Some(Dates { stay, flexible: 0 }), guests, ..Query::everything() })
}

fn flexible(query: Query) -> Query {
    checked(Query { dates: query.dates.map(|dates| Dates { flexible: 3, ..dates }), ..query })
}

/// A week around a place in a city.
fn in_city(random: &mut SplitMix64, now: Timestamp, radius_m: u32) -> Query {
    let query = week(random, now);
    let (latitude, longitude, _) = city(popular(random));
    checked(Query { near: Some(Circle { centre: place(random, (latitude, longitude)), radius_m }), ..query })
}

fn equipped(random: &mut SplitMix64) -> Amenities {
    (0..6).map(|_| Amenity::ALL[usize::try_from(random.below(12)).unwrap_or(0)]).collect()
}

/// Queries that compare prices name their currency, as the hub's do.
fn checked(query: Query) -> Query {
    Query { currency: "EUR".parse().ok(), ..query }
}
