//! Homes, their blocks and days, as clients see them.

use latchkey_protocol::view;

use super::{night_range, night_state};
use crate::domain::calendar::{Day, Reason};
use crate::domain::terms::Season;
use crate::domain::{Block, Calendar, Date, Listing, ListingState, Location, Photo, Timestamp, UserId};

/// A home, as `viewer` or somebody unknown sees it: the address is for its host.
#[must_use]
pub fn property(listing: &Listing, viewer: Option<UserId>) -> view::Property {
    let (about, terms) = (&listing.description, &listing.terms);
    let (rates, rules) = (&terms.rates, &terms.rules);
    view::Property {
        id: listing.id,
        host: listing.host,
        state: property_state(listing.state),
        version: listing.version,
        title: about.title.clone(),
        description: about.text.clone(),
        city: about.city.clone(),
        country: about.country.map(String::from),
        address: about.address.clone().filter(|_| viewer == Some(listing.host)),
        location: about.location.map(coordinates),
        time_zone: terms.time_zone_name().to_owned(),
        max_guests: terms.max_guests,
        bedrooms: about.bedrooms,
        beds: about.beds,
        bathrooms: about.bathrooms,
        amenities: about.amenities.iter().collect(),
        house_rules: about.house_rules.text.clone(),
        pets_allowed: about.house_rules.pets_allowed,
        smoking_allowed: about.house_rules.smoking_allowed,
        parties_allowed: about.house_rules.parties_allowed,
        children_allowed: about.house_rules.children_allowed,
        check_in_from_minute: about.hours.check_in_from,
        check_in_until_minute: about.hours.check_in_until,
        check_out_until_minute: about.hours.check_out_until,
        currency: terms.currency.code().to_owned(),
        nightly_minor: rates.nightly_minor,
        weekend_minor: rates.weekend_minor,
        weekly_discount_bp: rates.weekly_discount_bp,
        monthly_discount_bp: rates.monthly_discount_bp,
        cleaning_fee_minor: rates.cleaning_fee_minor,
        included_guests: rates.included_guests,
        extra_guest_minor: rates.extra_guest_minor,
        tax_bp: rates.tax_bp,
        service_fee_bp: rates.service_fee_bp,
        min_nights: rules.min_nights,
        max_nights: rules.max_nights,
        advance_notice_days: rules.advance_notice_days,
        booking_window_days: rules.booking_window_days,
        preparation_days: rules.preparation_days,
        check_in_days: rules.check_in_days.iter().collect(),
        check_out_days: rules.check_out_days.iter().collect(),
        instant_book: listing.booking_terms.is_instant,
        cancellation_policy: listing.booking_terms.policy,
        seasons: terms.seasons.as_slice().iter().map(season).collect(),
        photos: listing.photos.iter().map(photo).collect(),
        created_at: listing.created_at.epoch_ms(),
        updated_at: listing.updated_at.epoch_ms(),
    }
}

pub(super) fn coordinates(at: Location) -> view::Coordinates {
    view::Coordinates { latitude: at.latitude(), longitude: at.longitude() }
}

const fn property_state(state: ListingState) -> view::PropertyState {
    match state {
        ListingState::Draft => view::PropertyState::Draft,
        ListingState::Published => view::PropertyState::Published,
        ListingState::Unlisted => view::PropertyState::Unlisted,
        ListingState::Deleted => view::PropertyState::Deleted,
    }
}

const fn season(season: &Season) -> view::Season {
    view::Season {
        from: season.from,
        to: season.to,
        min_nights: season.min_nights,
        max_nights: season.max_nights,
        nightly_minor: season.nightly_minor,
        weekend_minor: season.weekend_minor,
    }
}

/// A picture.
#[must_use]
pub fn photo(photo: &Photo) -> view::Photo {
    view::Photo {
        id: photo.id,
        media_type: photo.kind.media_type().to_owned(),
        width_px: photo.width_px,
        height_px: photo.height_px,
        bytes: photo.bytes,
        caption: photo.caption.clone(),
        created_at: photo.created_at.epoch_ms(),
    }
}

/// A block, for its host.
#[must_use]
pub fn block(block: &Block) -> view::Block {
    view::Block {
        id: block.id,
        property: block.property,
        from: block.nights.check_in(),
        to: block.nights.check_out(),
        note: block.note.clone(),
        created_at: block.created_at.epoch_ms(),
    }
}

/// A home's calendar day by day in `[from, to)`, with the reasons if its host asks (P8).
#[must_use]
pub fn calendar_days(calendar: &Calendar, from: Date, to: Date, viewer: Option<UserId>, now: Timestamp) -> view::CalendarDays {
    let is_host = viewer == Some(calendar.listing().host);
    view::CalendarDays {
        property: calendar.listing().id,
        seq: calendar.seq(),
        from,
        to,
        taken: calendar.taken(from, to).into_iter().map(night_range).collect(),
        days: calendar.days(from, to, now).iter().map(|day| one_day(day, is_host)).collect(),
    }
}

fn one_day(day: &Day<'_>, is_host: bool) -> view::Day {
    view::Day {
        date: day.date,
        state: night_state(day.state),
        price_minor: day.price_minor,
        min_nights: day.min_nights,
        can_check_in: day.can_check_in,
        can_check_out: day.can_check_out,
        reason: day.reason.filter(|_| is_host).map(reason),
    }
}

fn reason(reason: Reason<'_>) -> view::DayReason {
    match reason {
        Reason::Hold(hold) => view::DayReason::Hold { hold },
        Reason::Booking(booking) => view::DayReason::Booking { booking },
        Reason::Block(block) => view::DayReason::Block { block: block.id, note: block.note.clone() },
        Reason::Preparation => view::DayReason::Preparation,
        Reason::TooSoon => view::DayReason::TooSoon,
        Reason::TooLate => view::DayReason::TooLate,
    }
}
