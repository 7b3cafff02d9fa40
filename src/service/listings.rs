//! Homes.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;
use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::{Topic, view};

use super::idempotency::{IdempotencyKey, Keys};
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::{Event, Listing, PropertyId, Refusal, Timestamp, TopicEvent, Write};
use crate::entropy::fresh_id;
use crate::store::{ChangeSet, CommitError, Contended, Lane, Store};

/// Homes.
pub struct Listings {
    store: Arc<Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Every home's id, in order: pages are found here and read by id, since the database would read and sort them all.
    ids: RwLock<BTreeSet<PropertyId>>,
}

impl Listings {
    /// In this store.
    #[must_use]
    pub fn new(store: Arc<Store>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { store, keys, clock, ids: RwLock::default() }
    }

    /// Reads which homes there are, at start.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn restore(&self) -> Result<(), ServiceError> {
        let ids = self.store.listing_ids().await?;
        self.ids.write().unwrap_or_else(PoisonError::into_inner).extend(ids);
        Ok(())
    }

    /// Lists a home; the caller becomes its host. Its topic begins with this.
    ///
    /// # Errors
    /// `Invalid`, `KeyReused`, `Busy`.
    pub async fn create(&self, caller: &Caller, key: IdempotencyKey, ask: CreateProperty) -> Result<view::Property, ServiceError> {
        let used = self.keys.begin(caller.user, "create_property", key, &ask).await?;
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let time_zone =
            TimeZone::get(&ask.time_zone).map_err(|_| Refusal::Invalid { field: "time_zone", reason: "not an IANA time zone" })?;
        let listing = Listing {
            id: PropertyId::from_bytes(fresh_id(now.epoch_ms())),
            host: caller.user,
            title: ask.title.trim().to_owned(),
            city: ask.city.trim().to_owned(),
            time_zone,
            max_guests: ask.max_guests,
            currency: ask.currency.parse()?,
            nightly_minor: ask.nightly_minor,
            cleaning_fee_minor: ask.cleaning_fee_minor,
            min_nights: ask.min_nights,
            max_nights: ask.max_nights,
            created_at: now,
        };
        listing.validate()?;
        let event =
            TopicEvent { topic: Topic::Property(listing.id), seq: Some(1), at: now, event: Event::PropertyListed { property: listing.id } };
        let property = wire::property(&listing);
        let set = ChangeSet {
            writes: vec![Write::AddListing(listing)],
            events: vec![wire::new_event(&event)],
            deadline: None,
            idempotency: Some(used.record(&property, now)?),
        };
        match self.store.commit(set, Lane::Normal).await {
            Ok(()) => {
                self.ids.write().unwrap_or_else(PoisonError::into_inner).insert(property.id);
                Ok(property)
            }
            Err(CommitError::Contended(Contended::Key)) => self.keys.first_answer(&used).await?.ok_or(ServiceError::Busy),
            Err(error) => Err(error.into()),
        }
    }

    /// A home.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, property: PropertyId) -> Result<view::Property, ServiceError> {
        let listing = self.store.listing(property).await?.ok_or(ServiceError::NotFound("property"))?;
        Ok(wire::property(&listing))
    }

    /// Homes, newest first, older than `before`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(&self, before: Option<PropertyId>, limit: u16) -> Result<Vec<view::Property>, ServiceError> {
        let page: Vec<PropertyId> = {
            let ids = self.ids.read().unwrap_or_else(PoisonError::into_inner);
            let newest = Bound::Excluded(before.unwrap_or(PropertyId::from_bytes([0xff; 16])));
            ids.range((Bound::Unbounded, newest)).rev().take(usize::from(limit)).copied().collect()
        };
        Ok(self.store.listings(&page).await?.iter().map(wire::property).collect())
    }
}
