//! Results of a search, as clients see them.

use latchkey_protocol::rest::FoundProperty;

use super::photo;
use super::property::coordinates;
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
        country: about.country.map(String::from),
        location: about.location.map(coordinates),
        time_zone: terms.time_zone_name().to_owned(),
        max_guests: terms.max_guests,
        bedrooms: about.bedrooms,
        beds: about.beds,
        bathrooms: about.bathrooms,
        amenities: about.amenities.iter().collect(),
        currency: terms.currency.code().to_owned(),
        nightly_minor: terms.rates.nightly_minor,
        photo: hit.listing.photos.first().map(photo),
        review_count: hit.listing.ratings.count,
        rating_hundredths: hit.listing.ratings.overall_hundredths(),
        created_at: hit.listing.created_at.epoch_ms(),
        distance_m: hit.distance_m,
        check_in: hit.offer.map(|(stay, _)| stay.check_in()),
        check_out: hit.offer.map(|(stay, _)| stay.check_out()),
        total_minor: hit.offer.map(|(_, total_minor)| total_minor),
    }
}
