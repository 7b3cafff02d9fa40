//! What is searched for: whole numbers only, so that equal queries are equal and have the same fingerprint everywhere.

use crate::domain::{Amenities, Currency, Date, Location, Refusal, Stay};

/// Most days that flexible dates may move, either way.
pub const MAX_FLEXIBLE_DAYS: u8 = 3;

/// Largest circle, in metres.
pub const MAX_RADIUS_M: u32 = 500_000;

/// What prices are compared in when the query does not say.
pub const DEFAULT_CURRENCY: &str = "EUR";

/// Most guests any home takes.
const MAX_GUESTS: u16 = 50;

/// The order of results; ties are broken by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// By id, the newest home first.
    Newest,
    /// The nearest first.
    Distance,
    /// The cheapest first: by the total of the dates asked, or by the price of a night without dates.
    Price,
    /// The best rated first, those without a rating last.
    Rating,
}

/// A circle on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Circle {
    /// Its middle.
    pub centre: Location,
    /// In metres, 1 to [`MAX_RADIUS_M`].
    pub radius_m: u32,
}

/// The nights that are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dates {
    /// The nights asked for.
    pub stay: Stay,
    /// By how many days it may be moved, either way.
    pub flexible: u8,
}

/// A question to the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Query {
    /// Only homes in this circle.
    pub near: Option<Circle>,
    /// Only homes that can be booked for these nights, with their totals.
    pub dates: Option<Dates>,
    /// Only homes that take so many people.
    pub guests: u16,
    /// Only stays that cost no more, in minor units.
    pub max_total_minor: Option<i64>,
    /// Only homes priced in it.
    pub currency: Option<Currency>,
    /// Only homes that offer all of these.
    pub amenities: Amenities,
    /// In which order.
    pub sort: Sort,
}

impl Query {
    /// Everything, newest first, for one guest.
    #[must_use]
    pub fn everything() -> Self {
        let amenities = Amenities::default();
        Self { near: None, dates: None, guests: 1, max_total_minor: None, currency: None, amenities, sort: Sort::Newest }
    }

    /// Checks what must go together. Where prices are compared and no currency is named, it is [`DEFAULT_CURRENCY`].
    ///
    /// # Errors
    /// `Invalid` with the field at fault.
    pub fn validated(mut self) -> Result<Self, Refusal> {
        let check = |is_right, field, reason| if is_right { Ok(()) } else { Err(Refusal::Invalid { field, reason }) };
        check((1..=MAX_GUESTS).contains(&self.guests), "guests", "1 to 50")?;
        check(self.near.is_none_or(|near| (1..=MAX_RADIUS_M).contains(&near.radius_m)), "radius_km", "0.001 to 500")?;
        check(self.dates.is_none_or(|dates| dates.flexible <= MAX_FLEXIBLE_DAYS), "flexible", "0 to 3")?;
        check(self.max_total_minor.is_none_or(|most| most >= 0), "max_total_minor", "0 or more")?;
        check(self.max_total_minor.is_none() || self.dates.is_some(), "max_total_minor", "needs check_in and check_out")?;
        check(self.sort != Sort::Distance || self.near.is_some(), "sort", "distance needs near")?;
        if self.currency.is_none() && (self.sort == Sort::Price || self.max_total_minor.is_some()) {
            self.currency = Some(DEFAULT_CURRENCY.parse()?);
        }
        Ok(self)
    }

    /// A number that other queries very probably do not have, the same on every node and after every restart (FNV-1a).
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let Self { near, dates, guests, max_total_minor, currency, amenities, sort } = *self;
        let mut hash = Fnv::default();
        match near {
            Some(Circle { centre, radius_m }) => {
                hash.number(1, i64::from(centre.latitude_e6()));
                hash.number(2, i64::from(centre.longitude_e6()));
                hash.number(3, i64::from(radius_m));
            }
            None => hash.number(4, 0),
        }
        if let Some(Dates { stay, flexible }) = dates {
            hash.number(5, i64::from(stay.check_in().epoch_day()));
            hash.number(6, i64::from(stay.check_out().epoch_day()));
            hash.number(7, i64::from(flexible));
        }
        hash.number(8, i64::from(guests));
        hash.number(9, max_total_minor.unwrap_or(-1));
        hash.number(10, amenities.bits().cast_signed());
        for letter in currency.map(Currency::code).unwrap_or_default().bytes() {
            hash.number(11, i64::from(letter));
        }
        hash.number(12, sort as i64);
        hash.0
    }

    /// The stays that are looked at, the one asked for first, then by how far they are moved, the earlier first.
    pub(super) fn stays(&self) -> impl Iterator<Item = Stay> {
        let dates = self.dates;
        let shifts = [0, -1, 1, -2, 2, -3, 3].into_iter();
        shifts.filter_map(move |shift: i32| {
            let Dates { stay, flexible } = dates?;
            (shift.unsigned_abs() <= u32::from(flexible)).then(|| moved(stay, shift))?
        })
    }
}

/// A stay that many days later; none at the ends of the calendar.
fn moved(stay: Stay, days: i32) -> Option<Stay> {
    let by = |date: Date| Date::from_epoch_day(date.epoch_day().checked_add(days)?).ok();
    Stay::new(by(stay.check_in())?, by(stay.check_out())?).ok()
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn number(&mut self, tag: u8, number: i64) {
        for byte in std::iter::once(tag).chain(number.to_le_bytes()) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(flexible: u8) -> Option<Dates> {
        let date = |text: &str| text.parse::<Date>().unwrap();
        Some(Dates { stay: Stay::new(date("2027-05-01"), date("2027-05-08")).unwrap(), flexible })
    }

    fn circle(radius_m: u32) -> Option<Circle> {
        Some(Circle { centre: Location::from_degrees(48.2, 16.37).unwrap(), radius_m })
    }

    #[test]
    fn a_query_that_makes_no_sense_names_its_field() {
        let all = Query::everything();
        for (query, field) in [
            (all, None),
            (Query { guests: 0, ..all }, Some("guests")),
            (Query { guests: 51, ..all }, Some("guests")),
            (Query { near: circle(0), ..all }, Some("radius_km")),
            (Query { near: circle(MAX_RADIUS_M + 1), ..all }, Some("radius_km")),
            (Query { near: circle(MAX_RADIUS_M), sort: Sort::Distance, ..all }, None),
            (Query { sort: Sort::Distance, ..all }, Some("sort")),
            (Query { dates: dates(4), ..all }, Some("flexible")),
            (Query { max_total_minor: Some(1), ..all }, Some("max_total_minor")),
            (Query { max_total_minor: Some(-1), dates: dates(0), ..all }, Some("max_total_minor")),
            (Query { max_total_minor: Some(0), dates: dates(3), ..all }, None),
        ] {
            let found = match query.validated() {
                Err(Refusal::Invalid { field, .. }) => Some(field),
                Ok(_) | Err(_) => None,
            };
            assert_eq!(found, field, "{query:?}");
        }
    }

    #[test]
    fn prices_are_compared_in_one_currency() {
        let euro = Some("EUR".parse().unwrap());
        let all = Query::everything();
        assert_eq!(all.validated().unwrap().currency, None);
        assert_eq!(Query { sort: Sort::Price, ..all }.validated().unwrap().currency, euro);
        assert_eq!(Query { max_total_minor: Some(1), dates: dates(0), ..all }.validated().unwrap().currency, euro);
        let yen = Some("JPY".parse().unwrap());
        assert_eq!(Query { sort: Sort::Price, currency: yen, ..all }.validated().unwrap().currency, yen);
    }

    #[test]
    fn each_part_of_a_query_is_in_its_fingerprint() {
        let all = Query::everything();
        let queries = [
            all,
            Query { guests: 2, ..all },
            Query { near: circle(1), ..all },
            Query { near: circle(2), ..all },
            Query { dates: dates(0), ..all },
            Query { dates: dates(1), ..all },
            Query { dates: dates(0), max_total_minor: Some(0), ..all },
            Query { currency: Some("EUR".parse().unwrap()), ..all },
            Query { currency: Some("USD".parse().unwrap()), ..all },
            Query { amenities: [crate::domain::Amenity::Pool].into_iter().collect(), ..all },
            Query { sort: Sort::Price, ..all },
            Query { sort: Sort::Rating, ..all },
        ];
        let prints: std::collections::HashSet<u64> = queries.iter().map(Query::fingerprint).collect();
        assert_eq!(prints.len(), queries.len());
        assert_eq!(all.fingerprint(), Query::everything().fingerprint());
    }

    #[test]
    fn flexible_dates_are_tried_from_the_ones_asked_outward() {
        let starts = |flexible| {
            let query = Query { dates: dates(flexible), ..Query::everything() };
            query.stays().map(|stay| stay.check_in().to_string()[8..].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(starts(0), ["01"]);
        assert_eq!(starts(2), ["01", "30", "02", "29", "03"]);
        assert_eq!(Query::everything().stays().count(), 0);
    }
}
