//! Homes.

mod fields;

use std::sync::Arc;

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
}

impl Listings {
    /// In this store.
    #[must_use]
    pub fn new(store: Arc<Store>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { store, keys, clock }
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
            Ok(()) => Ok(property),
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
}
