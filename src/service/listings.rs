//! Homes.

mod fields;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::{Topic, view};

use super::idempotency::{IdempotencyKey, Keys};
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::{Event, Listing, PropertyId, Timestamp, TopicEvent, Write};
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
        let (description, terms) = fields::created(&ask, 0)?;
        let id = PropertyId::from_bytes(fresh_id(now.epoch_ms()));
        let listing = Listing::new(id, caller.user, description, terms, now);
        let listing = if ask.publish { listing.publish()? } else { listing };
        listing.validate()?;
        let event =
            TopicEvent { topic: Topic::Property(listing.id), seq: Some(1), at: now, event: Event::PropertyListed { property: listing.id } };
        let property = wire::property(&listing, Some(caller.user));
        let set = ChangeSet {
            writes: vec![Write::AddListing(Box::new(listing))],
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
        Ok(wire::property(&listing, None))
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
        Ok(self.store.listings(&page).await?.iter().map(|listing| wire::property(listing, None)).collect())
    }
}
