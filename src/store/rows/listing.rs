//! Properties.

use jiff::tz::TimeZone;
use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, id_of, narrow, record, refused, unknown};
use crate::domain::{Listing, Timestamp};
use crate::store::error::StoreError;

/// `property:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct ListingRow {
    pub(in crate::store) id: RecordId,
    host: Uuid,
    title: String,
    city: String,
    time_zone: String,
    max_guests: i64,
    currency: String,
    nightly_minor: i64,
    cleaning_fee_minor: i64,
    min_nights: i64,
    max_nights: i64,
    created_at: i64,
}

impl From<&Listing> for ListingRow {
    fn from(listing: &Listing) -> Self {
        Self {
            id: record("property", listing.id),
            host: listing.host.to_uuid(),
            title: listing.title.clone(),
            city: listing.city.clone(),
            time_zone: listing.time_zone.iana_name().unwrap_or("UTC").to_owned(),
            max_guests: i64::from(listing.max_guests),
            currency: listing.currency.code().to_owned(),
            nightly_minor: listing.nightly_minor,
            cleaning_fee_minor: listing.cleaning_fee_minor,
            min_nights: i64::from(listing.min_nights),
            max_nights: i64::from(listing.max_nights),
            created_at: listing.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<ListingRow> for Listing {
    type Error = StoreError;

    fn try_from(row: ListingRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id_of(&row.id)?,
            host: StoredId::from_uuid(row.host),
            title: row.title,
            city: row.city,
            time_zone: TimeZone::get(&row.time_zone).map_err(|_| unknown("property.time_zone", &row.time_zone))?,
            max_guests: narrow(row.max_guests, "property.max_guests")?,
            currency: row.currency.parse().map_err(|refusal| refused(&refusal))?,
            nightly_minor: row.nightly_minor,
            cleaning_fee_minor: row.cleaning_fee_minor,
            min_nights: narrow(row.min_nights, "property.min_nights")?,
            max_nights: narrow(row.max_nights, "property.max_nights")?,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}
