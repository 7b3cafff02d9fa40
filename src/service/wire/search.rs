//! Results of a search, as clients see them.

use latchkey_protocol::rest::FoundProperty;
use latchkey_protocol::view;

use super::photo;
use crate::search::Hit;

/// A home that was found, with what it was found for.
#[must_use]
pub fn found_property(hit: &Hit) -> FoundProperty {
    let (about, terms) = (&hit.listing.description, &hit.listing.terms);
    FoundProperty {
        id: hit.listing.id,
        host: hit.listing.host,
        title: about.title.clone(),
        city: about.city.clone(),
        country: about.country.map(|country| country.code().to_owned()),
        location: about.location.map(|at| view::Coordinates { latitude: at.latitude(), longitude: at.longitude() }),
        time_zone: terms.time_zone.iana_name().unwrap_or("UTC").to_owned(),
        max_guests: terms.max_guests,
        bedrooms: about.bedrooms,
        beds: about.beds,
        bathrooms: about.bathrooms,
        amenities: about.amenities.iter().collect(),
        currency: terms.currency.code().to_owned(),
        nightly_minor: terms.rates.nightly_minor,
        photo: hit.listing.photos.first().map(photo),
        created_at: hit.listing.created_at.epoch_ms(),
        distance_m: hit.distance_m,
        check_in: hit.offer.map(|(stay, _)| stay.check_in()),
        check_out: hit.offer.map(|(stay, _)| stay.check_out()),
        total_minor: hit.offer.map(|(_, total_minor)| total_minor),
    }
}
