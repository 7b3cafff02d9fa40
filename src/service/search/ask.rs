//! A query as clients write it, as the index understands it.

use latchkey_protocol::rest::{FindProperties, SearchSort};

use crate::domain::{Amenities, Amenity, Location, Refusal, Stay};
use crate::search::{Circle, Cursor, Dates, Query, Sort};

/// Results on a page, if the client does not say.
const DEFAULT_LIMIT: u16 = 20;

/// How far around a point, in kilometres, if the client does not say.
const DEFAULT_RADIUS_KM: f64 = 10.0;

/// What is asked for.
pub(super) struct Asked {
    pub(super) query: Query,
    pub(super) after: Option<Cursor>,
    pub(super) limit: usize,
}

const fn invalid<T>(field: &'static str, reason: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Invalid { field, reason })
}

/// Reads a query.
pub(super) fn query(ask: &FindProperties) -> Result<Asked, Refusal> {
    let limit = ask.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=100).contains(&limit) {
        return invalid("limit", "1 to 100");
    }
    let near = circle(ask)?;
    let sort = match (ask.sort, near) {
        (Some(SearchSort::Newest), _) | (None, None) => Sort::Newest,
        (Some(SearchSort::Distance), _) | (None, Some(_)) => Sort::Distance,
        (Some(SearchSort::Price), _) => Sort::Price,
        (Some(SearchSort::Rating), _) => Sort::Rating,
    };
    let query = Query {
        near,
        dates: dates(ask)?,
        guests: ask.guests.unwrap_or(1),
        max_total_minor: ask.max_total_minor,
        currency: ask.currency.as_deref().map(str::parse).transpose()?,
        amenities: ask.amenities.as_deref().map(amenities).transpose()?.unwrap_or_default(),
        sort,
    };
    let query = query.validated()?;
    let after = ask.cursor.as_deref().map(|text| Cursor::decode(text, query.fingerprint())).transpose()?;
    Ok(Asked { query, after, limit: usize::from(limit) })
}

fn circle(ask: &FindProperties) -> Result<Option<Circle>, Refusal> {
    let Some(near) = &ask.near else {
        return if ask.radius_km.is_some() { invalid("radius_km", "needs near") } else { Ok(None) };
    };
    let form = Refusal::Invalid { field: "near", reason: "degrees north and degrees east, such as 48.2,16.37" };
    let degrees = |text: &str| {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
        text.parse::<f64>().ok().filter(|_| is_plain).ok_or(form)
    };
    let (latitude, longitude) = near.split_once(',').ok_or(form)?;
    let centre = Location::from_degrees(degrees(latitude)?, degrees(longitude)?).map_err(|_| form)?;
    let radius_km = ask.radius_km.unwrap_or(DEFAULT_RADIUS_KM);
    if !(0.001..=500.0).contains(&radius_km) {
        return invalid("radius_km", "0.001 to 500");
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 500000")]
    let radius_m = (radius_km * 1_000.0).round() as u32;
    Ok(Some(Circle { centre, radius_m }))
}

fn dates(ask: &FindProperties) -> Result<Option<Dates>, Refusal> {
    let flexible = ask.flexible.unwrap_or(0);
    match (ask.check_in, ask.check_out) {
        (Some(check_in), Some(check_out)) => Ok(Some(Dates { stay: Stay::new(check_in, check_out)?, flexible })),
        (Some(_), None) => invalid("check_out", "goes with check_in"),
        (None, Some(_)) => invalid("check_in", "goes with check_out"),
        (None, None) if flexible > 0 => invalid("flexible", "needs check_in and check_out"),
        (None, None) => Ok(None),
    }
}

fn amenities(text: &str) -> Result<Amenities, Refusal> {
    let words = text.split(',').map(str::parse::<Amenity>);
    words.collect::<Result<_, _>>().map_err(|_| Refusal::Invalid { field: "amenities", reason: "words such as wifi,kitchen" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> FindProperties {
        serde_urlencoded::from_str(text).unwrap()
    }

    #[test]
    fn a_query_that_cannot_be_meant_names_its_field() {
        for (text, field) in [
            ("", None),
            ("near=48.2,16.37&radius_km=5&check_in=2027-05-01&check_out=2027-05-08&guests=4&max_total_minor=1", None),
            ("amenities=wifi,kitchen&sort=price&flexible=0&currency=EUR&limit=100", None),
            ("near=-90,180&radius_km=0.001", None),
            ("near=48.2", Some("near")),
            ("near=48.2,16.37,3", Some("near")),
            ("near=91,0", Some("near")),
            ("near=0,-180.1", Some("near")),
            ("near=nan,0", Some("near")),
            ("near=inf,0", Some("near")),
            ("near=1e1,0", Some("near")),
            ("near=,", Some("near")),
            ("near=1,1&radius_km=0", Some("radius_km")),
            ("near=1,1&radius_km=NaN", Some("radius_km")),
            ("near=1,1&radius_km=500.1", Some("radius_km")),
            ("radius_km=5", Some("radius_km")),
            ("sort=distance", Some("sort")),
            ("check_in=2027-05-01", Some("check_out")),
            ("check_out=2027-05-01", Some("check_in")),
            ("check_in=2027-05-01&check_out=2027-05-01", Some("check_out")),
            ("check_in=2027-05-01&check_out=2027-05-02&flexible=4", Some("flexible")),
            ("flexible=1", Some("flexible")),
            ("max_total_minor=5", Some("max_total_minor")),
            ("check_in=2027-05-01&check_out=2027-05-02&max_total_minor=-1", Some("max_total_minor")),
            ("guests=0", Some("guests")),
            ("guests=51", Some("guests")),
            ("currency=eur", Some("currency")),
            ("amenities=", Some("amenities")),
            ("amenities=wifi,moat", Some("amenities")),
            ("limit=0", Some("limit")),
            ("limit=101", Some("limit")),
            ("cursor=nonsense", Some("cursor")),
        ] {
            let found = match query(&ask(text)) {
                Err(Refusal::Invalid { field, .. }) => Some(field),
                Ok(_) | Err(_) => None,
            };
            assert_eq!(found, field, "{text}");
        }
    }

    #[test]
    fn what_is_left_out_has_its_documented_meaning() {
        let asked = query(&ask("near=48.2,16.37")).ok().unwrap();
        assert_eq!(asked.limit, 20);
        assert_eq!((asked.query.sort, asked.query.guests, asked.query.currency), (Sort::Distance, 1, None));
        assert_eq!(asked.query.near.map(|near| near.radius_m), Some(10_000));
        assert_eq!(query(&ask("")).ok().unwrap().query, Query::everything());
        assert_eq!(query(&ask("sort=price")).ok().unwrap().query.currency, Some("EUR".parse().unwrap()));
    }
}
