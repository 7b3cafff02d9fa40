//! Properties. What came later than the first homes is in optional parts: a home stored before has none of them.

use jiff::tz::TimeZone;
use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, date, id_of, narrow, record, refused, unknown};
use crate::domain::booking::BookingTerms;
use crate::domain::listing::{Description, Hours, HouseRules};
use crate::domain::photo::ImageKind;
use crate::domain::pricing::Rates;
use crate::domain::terms::{Season, Seasons, StayRules, Terms, Weekdays};
use crate::domain::{Amenity, Listing, ListingState, Location, Photo, PhotoId, PropertyId, Timestamp, Weekday};
use crate::store::error::StoreError;

/// `property:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct ListingRow {
    pub(in crate::store) id: RecordId,
    host: Uuid,
    state: Option<String>,
    version: Option<i64>,
    title: String,
    city: String,
    time_zone: String,
    max_guests: i64,
    currency: String,
    nightly_minor: i64,
    cleaning_fee_minor: i64,
    min_nights: i64,
    max_nights: i64,
    about: Option<AboutRow>,
    rates: Option<RatesRow>,
    rules: Option<RulesRow>,
    seasons: Option<Vec<SeasonRow>>,
    photos: Option<Vec<PhotoRow>>,
    cancellation_policy: Option<String>,
    instant_book: Option<bool>,
    created_at: i64,
    updated_at: Option<i64>,
}

#[derive(Debug, Clone, SurrealValue)]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
struct AboutRow {
    description: String,
    country: Option<String>,
    address: Option<String>,
    latitude_e6: Option<i64>,
    longitude_e6: Option<i64>,
    bedrooms: i64,
    beds: i64,
    bathrooms: i64,
    amenities: Vec<String>,
    house_rules: String,
    pets_allowed: bool,
    smoking_allowed: bool,
    parties_allowed: bool,
    children_allowed: bool,
    check_in_from: i64,
    check_in_until: Option<i64>,
    check_out_until: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct RatesRow {
    weekend_minor: Option<i64>,
    weekly_discount_bp: i64,
    monthly_discount_bp: i64,
    included_guests: i64,
    extra_guest_minor: i64,
    tax_bp: i64,
    service_fee_bp: i64,
}

#[derive(Debug, Clone, SurrealValue)]
#[allow(clippy::struct_field_names, reason = "named as in the schema")]
struct RulesRow {
    advance_notice_days: i64,
    booking_window_days: i64,
    preparation_days: i64,
    check_in_days: Vec<String>,
    check_out_days: Vec<String>,
}

#[derive(Debug, Clone, SurrealValue)]
struct SeasonRow {
    from: i64,
    to: i64,
    min_nights: Option<i64>,
    max_nights: Option<i64>,
    nightly_minor: Option<i64>,
    weekend_minor: Option<i64>,
}

#[derive(Debug, Clone, SurrealValue)]
struct PhotoRow {
    photo: Uuid,
    kind: String,
    width_px: i64,
    height_px: i64,
    bytes: i64,
    caption: Option<String>,
    created_at: i64,
}

/// `photo:[uuid]`: a picture that is named by its home.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct PhotoOwnerRow {
    pub(in crate::store) id: RecordId,
    pub(in crate::store) property: Uuid,
}

impl PhotoOwnerRow {
    pub(in crate::store) fn new(photo: PhotoId, property: PropertyId) -> Self {
        Self { id: record("photo", photo), property: property.to_uuid() }
    }
}

impl From<&Listing> for ListingRow {
    fn from(listing: &Listing) -> Self {
        let Terms { time_zone: _, currency, max_guests, rates, rules, seasons } = &listing.terms;
        Self {
            id: record("property", listing.id),
            host: listing.host.to_uuid(),
            state: Some(listing.state.name().to_owned()),
            version: Some(listing.version),
            title: listing.description.title.clone(),
            city: listing.description.city.clone(),
            time_zone: listing.terms.time_zone_name().to_owned(),
            max_guests: i64::from(*max_guests),
            currency: currency.code().to_owned(),
            nightly_minor: rates.nightly_minor,
            cleaning_fee_minor: rates.cleaning_fee_minor,
            min_nights: i64::from(rules.min_nights),
            max_nights: i64::from(rules.max_nights),
            about: Some(AboutRow::from(&listing.description)),
            rates: Some(RatesRow::from(rates)),
            rules: Some(RulesRow::from(rules)),
            seasons: Some(seasons.as_slice().iter().map(SeasonRow::from).collect()),
            photos: Some(listing.photos.iter().map(PhotoRow::from).collect()),
            cancellation_policy: Some(listing.booking_terms.policy.as_str().to_owned()),
            instant_book: Some(listing.booking_terms.is_instant),
            created_at: listing.created_at.epoch_ms(),
            updated_at: Some(listing.updated_at.epoch_ms()),
        }
    }
}

impl TryFrom<ListingRow> for Listing {
    type Error = StoreError;

    fn try_from(row: ListingRow) -> Result<Self, StoreError> {
        let state = match row.state.as_deref() {
            Some("draft") => ListingState::Draft,
            None | Some("published") => ListingState::Published,
            Some("unlisted") => ListingState::Unlisted,
            Some("deleted") => ListingState::Deleted,
            Some(word) => return Err(unknown("property.state", word)),
        };
        let max_guests = narrow(row.max_guests, "property.max_guests")?;
        let first_rates =
            Rates { cleaning_fee_minor: row.cleaning_fee_minor, included_guests: max_guests, ..Rates::nightly(row.nightly_minor) };
        let first_rules = StayRules {
            min_nights: narrow(row.min_nights, "property.min_nights")?,
            max_nights: narrow(row.max_nights, "property.max_nights")?,
            ..StayRules::default()
        };
        let seasons = row.seasons.unwrap_or_default().into_iter().map(SeasonRow::into_season).collect::<Result<_, _>>()?;
        Ok(Self {
            id: id_of(&row.id)?,
            host: StoredId::from_uuid(row.host),
            state,
            version: row.version.unwrap_or(1),
            description: description(row.title, row.city, row.about)?,
            terms: Terms {
                time_zone: TimeZone::get(&row.time_zone).map_err(|_| unknown("property.time_zone", &row.time_zone))?,
                currency: row.currency.parse().map_err(|refusal| refused(&refusal))?,
                max_guests,
                rates: row.rates.map_or(Ok(first_rates), |rates| rates.into_rates(first_rates))?,
                rules: row.rules.map_or(Ok(first_rules), |rules| rules.into_rules(first_rules))?,
                seasons: Seasons::new(seasons).map_err(|refusal| refused(&refusal))?,
            },
            booking_terms: BookingTerms {
                policy: match row.cancellation_policy {
                    Some(word) => word.parse().map_err(|_| unknown("property.cancellation_policy", &word))?,
                    None => BookingTerms::DEFAULT.policy,
                },
                is_instant: row.instant_book.unwrap_or(BookingTerms::DEFAULT.is_instant),
            },
            photos: row.photos.unwrap_or_default().into_iter().map(PhotoRow::into_photo).collect::<Result<_, _>>()?,
            created_at: Timestamp::from_epoch_ms(row.created_at),
            updated_at: Timestamp::from_epoch_ms(row.updated_at.unwrap_or(row.created_at)),
        })
    }
}

impl From<&Description> for AboutRow {
    fn from(about: &Description) -> Self {
        let (rules, hours) = (&about.house_rules, &about.hours);
        Self {
            description: about.text.clone(),
            country: about.country.map(String::from),
            address: about.address.clone(),
            latitude_e6: about.location.map(|location| i64::from(location.latitude_e6())),
            longitude_e6: about.location.map(|location| i64::from(location.longitude_e6())),
            bedrooms: i64::from(about.bedrooms),
            beds: i64::from(about.beds),
            bathrooms: i64::from(about.bathrooms),
            amenities: about.amenities.iter().map(|amenity| amenity.as_str().to_owned()).collect(),
            house_rules: rules.text.clone(),
            pets_allowed: rules.pets_allowed,
            smoking_allowed: rules.smoking_allowed,
            parties_allowed: rules.parties_allowed,
            children_allowed: rules.children_allowed,
            check_in_from: i64::from(hours.check_in_from),
            check_in_until: hours.check_in_until.map(i64::from),
            check_out_until: i64::from(hours.check_out_until),
        }
    }
}

fn description(title: String, city: String, row: Option<AboutRow>) -> Result<Description, StoreError> {
    let Some(row) = row else {
        return Ok(Description::new(title, city));
    };
    let minute = |minute| narrow::<u16>(minute, "property.about.check_in");
    let location = match row.latitude_e6.zip(row.longitude_e6) {
        Some((latitude, longitude)) => {
            let (latitude, longitude) = (narrow(latitude, "property.latitude")?, narrow(longitude, "property.longitude")?);
            Some(Location::from_microdegrees(latitude, longitude).map_err(|refusal| refused(&refusal))?)
        }
        None => None,
    };
    Ok(Description {
        title,
        text: row.description,
        city,
        country: row.country.map(|code| code.parse()).transpose().map_err(|refusal| refused(&refusal))?,
        address: row.address,
        location,
        bedrooms: narrow(row.bedrooms, "property.bedrooms")?,
        beds: narrow(row.beds, "property.beds")?,
        bathrooms: narrow(row.bathrooms, "property.bathrooms")?,
        amenities: words::<Amenity>(&row.amenities)?.into_iter().collect(),
        house_rules: HouseRules {
            text: row.house_rules,
            pets_allowed: row.pets_allowed,
            smoking_allowed: row.smoking_allowed,
            parties_allowed: row.parties_allowed,
            children_allowed: row.children_allowed,
        },
        hours: Hours {
            check_in_from: minute(row.check_in_from)?,
            check_in_until: row.check_in_until.map(minute).transpose()?,
            check_out_until: minute(row.check_out_until)?,
        },
    })
}

fn words<W: std::str::FromStr>(words: &[String]) -> Result<Vec<W>, StoreError> {
    words.iter().map(|word| word.parse().map_err(|_| unknown("a word of property", word))).collect()
}

impl From<&Rates> for RatesRow {
    fn from(rates: &Rates) -> Self {
        Self {
            weekend_minor: rates.weekend_minor,
            weekly_discount_bp: i64::from(rates.weekly_discount_bp),
            monthly_discount_bp: i64::from(rates.monthly_discount_bp),
            included_guests: i64::from(rates.included_guests),
            extra_guest_minor: rates.extra_guest_minor,
            tax_bp: i64::from(rates.tax_bp),
            service_fee_bp: i64::from(rates.service_fee_bp),
        }
    }
}

impl RatesRow {
    fn into_rates(self, first: Rates) -> Result<Rates, StoreError> {
        Ok(Rates {
            weekend_minor: self.weekend_minor,
            weekly_discount_bp: narrow(self.weekly_discount_bp, "property.weekly_discount_bp")?,
            monthly_discount_bp: narrow(self.monthly_discount_bp, "property.monthly_discount_bp")?,
            included_guests: narrow(self.included_guests, "property.included_guests")?,
            extra_guest_minor: self.extra_guest_minor,
            tax_bp: narrow(self.tax_bp, "property.tax_bp")?,
            service_fee_bp: narrow(self.service_fee_bp, "property.service_fee_bp")?,
            ..first
        })
    }
}

impl From<&StayRules> for RulesRow {
    fn from(rules: &StayRules) -> Self {
        let names = |days: Weekdays| days.iter().map(|day| day.as_str().to_owned()).collect();
        Self {
            advance_notice_days: i64::from(rules.advance_notice_days),
            booking_window_days: i64::from(rules.booking_window_days),
            preparation_days: i64::from(rules.preparation_days),
            check_in_days: names(rules.check_in_days),
            check_out_days: names(rules.check_out_days),
        }
    }
}

impl RulesRow {
    fn into_rules(self, first: StayRules) -> Result<StayRules, StoreError> {
        Ok(StayRules {
            advance_notice_days: narrow(self.advance_notice_days, "property.advance_notice_days")?,
            booking_window_days: narrow(self.booking_window_days, "property.booking_window_days")?,
            preparation_days: narrow(self.preparation_days, "property.preparation_days")?,
            check_in_days: words::<Weekday>(&self.check_in_days)?.into_iter().collect(),
            check_out_days: words::<Weekday>(&self.check_out_days)?.into_iter().collect(),
            ..first
        })
    }
}

impl From<&Season> for SeasonRow {
    fn from(season: &Season) -> Self {
        Self {
            from: i64::from(season.from.epoch_day()),
            to: i64::from(season.to.epoch_day()),
            min_nights: season.min_nights.map(i64::from),
            max_nights: season.max_nights.map(i64::from),
            nightly_minor: season.nightly_minor,
            weekend_minor: season.weekend_minor,
        }
    }
}

impl SeasonRow {
    fn into_season(self) -> Result<Season, StoreError> {
        let nights = |nights: Option<i64>| nights.map(|nights| narrow(nights, "property.seasons.nights")).transpose();
        Ok(Season {
            from: date(self.from)?,
            to: date(self.to)?,
            min_nights: nights(self.min_nights)?,
            max_nights: nights(self.max_nights)?,
            nightly_minor: self.nightly_minor,
            weekend_minor: self.weekend_minor,
        })
    }
}

impl From<&Photo> for PhotoRow {
    fn from(photo: &Photo) -> Self {
        Self {
            photo: photo.id.to_uuid(),
            kind: photo.kind.media_type().to_owned(),
            width_px: i64::from(photo.width_px),
            height_px: i64::from(photo.height_px),
            bytes: i64::from(photo.bytes),
            caption: photo.caption.clone(),
            created_at: photo.created_at.epoch_ms(),
        }
    }
}

impl PhotoRow {
    fn into_photo(self) -> Result<Photo, StoreError> {
        Ok(Photo {
            id: StoredId::from_uuid(self.photo),
            kind: ImageKind::from_media_type(&self.kind).ok_or_else(|| unknown("property.photos.kind", &self.kind))?,
            width_px: narrow(self.width_px, "property.photos.width_px")?,
            height_px: narrow(self.height_px, "property.photos.height_px")?,
            bytes: narrow(self.bytes, "property.photos.bytes")?,
            caption: self.caption,
            created_at: Timestamp::from_epoch_ms(self.created_at),
        })
    }
}
