//! What clients say about a home, read into the domain's words; ranges are the domain's business.

use jiff::tz::TimeZone;
use latchkey_protocol::rest::{CreateProperty, UpdateProperty};
use latchkey_protocol::view;

use crate::domain::listing::{Description, Hours, HouseRules};
use crate::domain::pricing::Rates;
use crate::domain::terms::{Season, Seasons, StayRules, Terms};
use crate::domain::{Country, Listing, Location, Refusal};

/// What a new home is, with the platform's fee of the day.
pub(super) fn created(ask: &CreateProperty, service_fee_bp: u16) -> Result<(Description, Terms), Refusal> {
    let description = Description {
        title: ask.title.trim().to_owned(),
        text: ask.description.trim().to_owned(),
        city: ask.city.trim().to_owned(),
        country: ask.country.as_deref().map(str::parse).transpose()?,
        address: ask.address.as_deref().map(|text| text.trim().to_owned()),
        location: ask.location.map(location).transpose()?,
        bedrooms: ask.bedrooms,
        beds: ask.beds,
        bathrooms: ask.bathrooms,
        amenities: ask.amenities.iter().copied().collect(),
        house_rules: HouseRules {
            text: ask.house_rules.trim().to_owned(),
            pets_allowed: ask.pets_allowed,
            smoking_allowed: ask.smoking_allowed,
            parties_allowed: ask.parties_allowed,
            children_allowed: ask.children_allowed,
        },
        hours: Hours {
            check_in_from: ask.check_in_from_minute,
            check_in_until: ask.check_in_until_minute,
            check_out_until: ask.check_out_until_minute,
        },
    };
    let terms = Terms {
        time_zone: time_zone(&ask.time_zone)?,
        currency: ask.currency.parse()?,
        max_guests: ask.max_guests,
        rates: Rates {
            nightly_minor: ask.nightly_minor,
            weekend_minor: ask.weekend_minor,
            weekly_discount_bp: ask.weekly_discount_bp,
            monthly_discount_bp: ask.monthly_discount_bp,
            cleaning_fee_minor: ask.cleaning_fee_minor,
            included_guests: ask.included_guests.unwrap_or(ask.max_guests),
            extra_guest_minor: ask.extra_guest_minor,
            tax_bp: ask.tax_bp,
            service_fee_bp,
        },
        rules: StayRules {
            min_nights: ask.min_nights,
            max_nights: ask.max_nights,
            advance_notice_days: ask.advance_notice_days,
            booking_window_days: ask.booking_window_days,
            preparation_days: ask.preparation_days,
            check_in_days: ask.check_in_days.iter().copied().collect(),
            check_out_days: ask.check_out_days.iter().copied().collect(),
        },
        seasons: seasons(&ask.seasons)?,
    };
    Ok((description, terms))
}

/// The home with what the client wants otherwise; what is left out stays (RFC 7396).
pub(super) fn updated(mut listing: Listing, ask: &UpdateProperty) -> Result<Listing, Refusal> {
    let about = &mut listing.description;
    put_text(&mut about.title, ask.title.as_deref());
    put_text(&mut about.text, ask.description.as_deref());
    put_text(&mut about.city, ask.city.as_deref());
    if let Some(country) = &ask.country {
        about.country = country.as_deref().map(str::parse::<Country>).transpose()?;
    }
    if let Some(address) = &ask.address {
        about.address = address.as_deref().map(|text| text.trim().to_owned());
    }
    if let Some(at) = ask.location {
        about.location = at.map(location).transpose()?;
    }
    put(&mut about.bedrooms, ask.bedrooms);
    put(&mut about.beds, ask.beds);
    put(&mut about.bathrooms, ask.bathrooms);
    put(&mut about.amenities, ask.amenities.as_ref().map(|words| words.iter().copied().collect()));
    put_text(&mut about.house_rules.text, ask.house_rules.as_deref());
    put(&mut about.house_rules.pets_allowed, ask.pets_allowed);
    put(&mut about.house_rules.smoking_allowed, ask.smoking_allowed);
    put(&mut about.house_rules.parties_allowed, ask.parties_allowed);
    put(&mut about.house_rules.children_allowed, ask.children_allowed);
    put(&mut about.hours.check_in_from, ask.check_in_from_minute);
    put(&mut about.hours.check_in_until, ask.check_in_until_minute);
    put(&mut about.hours.check_out_until, ask.check_out_until_minute);
    put(&mut listing.booking_terms.is_instant, ask.instant_book);
    put(&mut listing.booking_terms.policy, ask.cancellation_policy);
    update_terms(&mut listing.terms, ask)?;
    Ok(listing)
}

fn update_terms(terms: &mut Terms, ask: &UpdateProperty) -> Result<(), Refusal> {
    put(&mut terms.time_zone, ask.time_zone.as_deref().map(time_zone).transpose()?);
    put(&mut terms.currency, ask.currency.as_deref().map(str::parse).transpose()?);
    put(&mut terms.max_guests, ask.max_guests);
    put(&mut terms.seasons, ask.seasons.as_deref().map(seasons).transpose()?);
    let rates = &mut terms.rates;
    put(&mut rates.nightly_minor, ask.nightly_minor);
    put(&mut rates.weekend_minor, ask.weekend_minor);
    put(&mut rates.weekly_discount_bp, ask.weekly_discount_bp);
    put(&mut rates.monthly_discount_bp, ask.monthly_discount_bp);
    put(&mut rates.cleaning_fee_minor, ask.cleaning_fee_minor);
    put(&mut rates.included_guests, ask.included_guests);
    put(&mut rates.extra_guest_minor, ask.extra_guest_minor);
    put(&mut rates.tax_bp, ask.tax_bp);
    let rules = &mut terms.rules;
    put(&mut rules.min_nights, ask.min_nights);
    put(&mut rules.max_nights, ask.max_nights);
    put(&mut rules.advance_notice_days, ask.advance_notice_days);
    put(&mut rules.booking_window_days, ask.booking_window_days);
    put(&mut rules.preparation_days, ask.preparation_days);
    put(&mut rules.check_in_days, ask.check_in_days.as_ref().map(|days| days.iter().copied().collect()));
    put(&mut rules.check_out_days, ask.check_out_days.as_ref().map(|days| days.iter().copied().collect()));
    Ok(())
}

fn put<T>(field: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *field = value;
    }
}

fn put_text(field: &mut String, given: Option<&str>) {
    put(field, given.map(|text| text.trim().to_owned()));
}

fn time_zone(name: &str) -> Result<TimeZone, Refusal> {
    TimeZone::get(name).map_err(|_| Refusal::Invalid { field: "time_zone", reason: "not an IANA time zone" })
}

fn location(at: view::Coordinates) -> Result<Location, Refusal> {
    Location::from_degrees(at.latitude, at.longitude)
}

fn seasons(seasons: &[view::Season]) -> Result<Seasons, Refusal> {
    let season = |season: &view::Season| Season {
        from: season.from,
        to: season.to,
        min_nights: season.min_nights,
        max_nights: season.max_nights,
        nightly_minor: season.nightly_minor,
        weekend_minor: season.weekend_minor,
    };
    Seasons::new(seasons.iter().map(season).collect())
}
