//! Bytes of the checkpoint, written: little-endian numbers, texts with their length, homes field by field.
//!
//! Every struct is taken apart by name, so a new field of a home makes the compiler ask what becomes of it here.

use crate::domain::booking::BookingTerms;
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::listing::{Description, Hours, HouseRules};
use crate::domain::photo::Photo;
use crate::domain::pricing::Rates;
use crate::domain::terms::{Season, StayRules, Terms};
use crate::domain::{Date, Listing};

/// What is written so far.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn with_room(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, number: u8) {
        self.0.push(number);
    }

    fn flag(&mut self, is_set: bool) {
        self.u8(u8::from(is_set));
    }

    fn u16(&mut self, number: u16) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn u64(&mut self, number: u64) {
        self.raw(&number.to_le_bytes());
    }

    fn i32(&mut self, number: i32) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn i64(&mut self, number: i64) {
        self.raw(&number.to_le_bytes());
    }

    pub(super) fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).unwrap_or(u32::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.length(text.len());
        self.raw(text.as_bytes());
    }

    pub(super) fn date(&mut self, date: Date) {
        self.i32(date.epoch_day());
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn run(&mut self, run: &NightRun) {
        let NightRun { from, to, state } = *run;
        self.date(from);
        self.date(to);
        self.u8(match state {
            NightState::Free => 0,
            NightState::Held => 1,
            NightState::Booked => 2,
            NightState::Blocked => 3,
        });
    }

    /// A home of the index: published, without its long texts and its address.
    pub(super) fn listing(&mut self, listing: &Listing) {
        let Listing { id, host, state: _, version, description, terms, booking_terms, photos, created_at, updated_at } = listing;
        let BookingTerms { policy, is_instant } = booking_terms;
        self.raw(id.as_bytes());
        self.raw(host.as_bytes());
        self.i64(*version);
        self.description(description);
        self.terms(terms);
        self.text(policy.as_str());
        self.flag(*is_instant);
        self.length(photos.len());
        for photo in photos {
            self.photo(photo);
        }
        self.i64(created_at.epoch_ms());
        self.i64(updated_at.epoch_ms());
    }

    fn description(&mut self, description: &Description) {
        let Description { title, text: _, city, country, address: _, location, bedrooms, beds, bathrooms, amenities, house_rules, hours } =
            description;
        let HouseRules { text: _, pets_allowed, smoking_allowed, parties_allowed, children_allowed } = house_rules;
        let Hours { check_in_from, check_in_until, check_out_until } = *hours;
        self.text(title);
        self.text(city);
        self.option(*country, |writer, country| writer.text(country.code()));
        self.option(*location, |writer, location| {
            writer.i32(location.latitude_e6());
            writer.i32(location.longitude_e6());
        });
        for count in [bedrooms, beds, bathrooms] {
            self.u16(*count);
        }
        self.length(amenities.iter().count());
        for amenity in amenities.iter() {
            self.text(amenity.as_str());
        }
        for is_allowed in [pets_allowed, smoking_allowed, parties_allowed, children_allowed] {
            self.flag(*is_allowed);
        }
        self.u16(check_in_from);
        self.option(check_in_until, Self::u16);
        self.u16(check_out_until);
    }

    fn terms(&mut self, terms: &Terms) {
        let Terms { time_zone: _, currency, max_guests, rates, rules, seasons } = terms;
        let Rates {
            nightly_minor,
            weekend_minor,
            weekly_discount_bp,
            monthly_discount_bp,
            cleaning_fee_minor,
            included_guests,
            extra_guest_minor,
            tax_bp,
            service_fee_bp,
        } = *rates;
        let StayRules { min_nights, max_nights, advance_notice_days, booking_window_days, preparation_days, check_in_days, check_out_days } =
            *rules;
        self.text(terms.time_zone_name());
        self.text(currency.code());
        self.u16(*max_guests);
        for minor in [nightly_minor, cleaning_fee_minor, extra_guest_minor] {
            self.i64(minor);
        }
        self.option(weekend_minor, Self::i64);
        for number in [weekly_discount_bp, monthly_discount_bp, included_guests, tax_bp, service_fee_bp] {
            self.u16(number);
        }
        for number in [min_nights, max_nights, advance_notice_days, booking_window_days, preparation_days] {
            self.u16(number);
        }
        for days in [check_in_days, check_out_days] {
            self.u8(days.iter().fold(0, |bits, day| bits | 1 << (day as u8)));
        }
        self.length(seasons.as_slice().len());
        for Season { from, to, min_nights, max_nights, nightly_minor, weekend_minor } in seasons.as_slice() {
            self.date(*from);
            self.date(*to);
            self.option(*min_nights, Self::u16);
            self.option(*max_nights, Self::u16);
            self.option(*nightly_minor, Self::i64);
            self.option(*weekend_minor, Self::i64);
        }
    }

    fn photo(&mut self, photo: &Photo) {
        let Photo { id, kind, width_px, height_px, bytes, caption, created_at } = photo;
        self.raw(id.as_bytes());
        self.text(kind.media_type());
        self.u16(*width_px);
        self.u16(*height_px);
        self.u32(*bytes);
        self.option(caption.as_deref(), Self::text);
        self.i64(created_at.epoch_ms());
    }
}
