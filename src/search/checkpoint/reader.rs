//! Bytes of the checkpoint, read back as `writer` wrote them. Nothing that is read is trusted.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use super::Unreadable;
use crate::domain::booking::BookingTerms;
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::listing::{Description, Hours, HouseRules};
use crate::domain::photo::{ImageKind, Photo};
use crate::domain::pricing::Rates;
use crate::domain::terms::{Season, Seasons, StayRules, Terms, Weekdays};
use crate::domain::{Amenities, Amenity, Date, Listing, ListingState, Location, PhotoId, PropertyId, Timestamp, UserId, Weekday};

/// What is left to read.
pub(super) struct Reader<'a> {
    left: &'a [u8],
    /// Looked up once each.
    zones: HashMap<String, TimeZone>,
}

type Read<T> = Result<T, Unreadable>;

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, zones: HashMap::new() }
    }

    pub(super) fn end(&self) -> Read<()> {
        if self.left.is_empty() { Ok(()) } else { Err(Unreadable::Meaningless) }
    }

    fn raw(&mut self, length: usize) -> Read<&'a [u8]> {
        let (bytes, left) = self.left.split_at_checked(length).ok_or(Unreadable::Meaningless)?;
        self.left = left;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.raw(N)?.try_into().map_err(|_| Unreadable::Meaningless)
    }

    pub(super) fn u8(&mut self) -> Read<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn flag(&mut self) -> Read<bool> {
        Ok(self.u8()? != 0)
    }

    fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Read<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn i32(&mut self) -> Read<i32> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Read<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    pub(super) fn length(&mut self) -> Read<usize> {
        usize::try_from(self.u32()?).map_err(|_| Unreadable::Meaningless)
    }

    fn str(&mut self) -> Read<&'a str> {
        let length = self.length()?;
        std::str::from_utf8(self.raw(length)?).map_err(|_| Unreadable::Meaningless)
    }

    pub(super) fn text(&mut self) -> Read<String> {
        self.str().map(str::to_owned)
    }

    fn word<T: std::str::FromStr>(&mut self) -> Read<T> {
        self.str()?.parse().map_err(|_| Unreadable::Meaningless)
    }

    pub(super) fn date(&mut self) -> Read<Date> {
        Date::from_epoch_day(self.i32()?).map_err(|_| Unreadable::Meaningless)
    }

    fn timestamp(&mut self) -> Read<Timestamp> {
        self.i64().map(Timestamp::from_epoch_ms)
    }

    fn option<T>(&mut self, read: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        if self.flag()? { read(self).map(Some) } else { Ok(None) }
    }

    fn list<T>(&mut self, read: impl Fn(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        (0..self.length()?).map(|_| read(self)).collect()
    }

    pub(super) fn run(&mut self) -> Read<NightRun> {
        let (from, to) = (self.date()?, self.date()?);
        let state = match self.u8()? {
            0 => NightState::Free,
            1 => NightState::Held,
            2 => NightState::Booked,
            3 => NightState::Blocked,
            _ => return Err(Unreadable::Meaningless),
        };
        Ok(NightRun { from, to, state })
    }

    pub(super) fn listing(&mut self) -> Read<Listing> {
        Ok(Listing {
            id: PropertyId::from_bytes(self.array()?),
            host: UserId::from_bytes(self.array()?),
            state: ListingState::Published,
            version: self.i64()?,
            description: self.description()?,
            terms: self.terms()?,
            booking_terms: BookingTerms { policy: self.word()?, is_instant: self.flag()? },
            photos: self.list(Self::photo)?,
            created_at: self.timestamp()?,
            updated_at: self.timestamp()?,
        })
    }

    fn description(&mut self) -> Read<Description> {
        Ok(Description {
            title: self.text()?,
            text: String::new(),
            city: self.text()?,
            country: self.option(Self::word)?,
            address: None,
            location: self
                .option(|reader| Location::from_microdegrees(reader.i32()?, reader.i32()?).map_err(|_| Unreadable::Meaningless))?,
            bedrooms: self.u16()?,
            beds: self.u16()?,
            bathrooms: self.u16()?,
            amenities: self.list(Self::word::<Amenity>)?.into_iter().collect::<Amenities>(),
            house_rules: HouseRules {
                text: String::new(),
                pets_allowed: self.flag()?,
                smoking_allowed: self.flag()?,
                parties_allowed: self.flag()?,
                children_allowed: self.flag()?,
            },
            hours: Hours { check_in_from: self.u16()?, check_in_until: self.option(Self::u16)?, check_out_until: self.u16()? },
        })
    }

    fn zone(&mut self) -> Read<TimeZone> {
        let name = self.str()?;
        if let Some(zone) = self.zones.get(name) {
            return Ok(zone.clone());
        }
        let zone = TimeZone::get(name).map_err(|_| Unreadable::Meaningless)?;
        self.zones.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    fn terms(&mut self) -> Read<Terms> {
        let time_zone = self.zone()?;
        let currency = self.word()?;
        let max_guests = self.u16()?;
        let (nightly_minor, cleaning_fee_minor, extra_guest_minor) = (self.i64()?, self.i64()?, self.i64()?);
        let rates = Rates {
            nightly_minor,
            weekend_minor: self.option(Self::i64)?,
            weekly_discount_bp: self.u16()?,
            monthly_discount_bp: self.u16()?,
            cleaning_fee_minor,
            included_guests: self.u16()?,
            extra_guest_minor,
            tax_bp: self.u16()?,
            service_fee_bp: self.u16()?,
        };
        let rules = StayRules {
            min_nights: self.u16()?,
            max_nights: self.u16()?,
            advance_notice_days: self.u16()?,
            booking_window_days: self.u16()?,
            preparation_days: self.u16()?,
            check_in_days: self.weekdays()?,
            check_out_days: self.weekdays()?,
        };
        let seasons = Seasons::new(self.list(Self::season)?).map_err(|_| Unreadable::Meaningless)?;
        Ok(Terms { time_zone, currency, max_guests, rates, rules, seasons })
    }

    fn weekdays(&mut self) -> Read<Weekdays> {
        let bits = self.u8()?;
        Ok(Weekday::ALL.iter().copied().filter(|day| bits & 1 << (*day as u8) != 0).collect())
    }

    fn season(&mut self) -> Read<Season> {
        Ok(Season {
            from: self.date()?,
            to: self.date()?,
            min_nights: self.option(Self::u16)?,
            max_nights: self.option(Self::u16)?,
            nightly_minor: self.option(Self::i64)?,
            weekend_minor: self.option(Self::i64)?,
        })
    }

    fn photo(&mut self) -> Read<Photo> {
        let id = PhotoId::from_bytes(self.array()?);
        let kind = ImageKind::from_media_type(self.str()?).ok_or(Unreadable::Meaningless)?;
        Ok(Photo {
            id,
            kind,
            width_px: self.u16()?,
            height_px: self.u16()?,
            bytes: self.u32()?,
            caption: self.option(Self::text)?,
            created_at: self.timestamp()?,
        })
    }
}
