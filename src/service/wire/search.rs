//! Results of a search, as clients see them.

use std::sync::Arc;

use latchkey_protocol::rest::{FoundProperty, Page};
use latchkey_protocol::server::SearchUpdate;

use super::photo;
use super::property::coordinates;
use crate::search::{Hit, Query};

/// A home that was found, with what it was found for.
fn found_property(hit: &Hit) -> FoundProperty {
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

/// The page of at most `limit` results, of one more than which it is made.
#[must_use]
pub fn found_page(query: &Query, limit: usize, hits: &[Hit]) -> Page<FoundProperty> {
    Page { items: hits.iter().take(limit).map(found_property).collect(), next: next(query, limit, hits) }
}

/// What must be told to somebody who knows the page of the results `before`, so that they know that of `hits`; nothing if the pages are equal. Who is
/// told is filled in later.
#[must_use]
pub fn search_update(query: &Query, limit: usize, before: &[Hit], hits: &[Hit]) -> Option<SearchUpdate> {
    let page = |hits: &[Hit]| -> Vec<_> { hits.iter().take(limit).map(|hit| hit.listing.id).collect() };
    let is_known = |hit: &&Hit| before.iter().take(limit).any(|known| known.listing.id == hit.listing.id && is_same(known, hit));
    let entries: Vec<_> = hits.iter().take(limit).filter(|hit| !is_known(hit)).map(found_property).collect();
    let (order, next) = (page(hits), next(query, limit, hits));
    let is_same = entries.is_empty() && order == page(before) && next == self::next(query, limit, before);
    (!is_same).then_some(SearchUpdate { watch: 0, revision: 0, order, entries, next })
}

fn next(query: &Query, limit: usize, hits: &[Hit]) -> Option<String> {
    let last = hits.get(limit.checked_sub(1)?).filter(|_| hits.len() > limit)?;
    Some(last.cursor().encode(query.fingerprint()))
}

/// Whether clients see no difference.
fn is_same(one: &Hit, other: &Hit) -> bool {
    let is_unchanged = Arc::ptr_eq(&one.listing, &other.listing) && one.offer == other.offer && one.distance_m == other.distance_m;
    is_unchanged || found_property(one) == found_property(other)
}
