//! Copies of homes that nodes leave for each other, so that what one has read from the database another need not.
//!
//! A copy says up to which event of its home it is. It is new enough if it contains the last event that this node has heard of and that says more
//! than which nights are free; so what this node knows by its logs bounds how old a copy may be, as it bounds its own cache. Nothing need be deleted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use dashmap::DashMap;
use tokio::time::Instant;

use crate::domain::{Listing, PropertyId, Seq};
use crate::service::ServiceError;
use crate::shared::Copies;
use crate::store::Store;

/// After a change on this node copies of a home are not used for so long: by then its event has come by.
const BARRED_FOR: Duration = Duration::from_mins(1);

/// Homes of which something is remembered; beyond, it is forgotten, and a copy must contain every event.
const MAX_KNOWN: usize = 100_000;

/// The newest event of a home that this node knows of; nothing if it follows that home not at all.
pub type HeadOf = Box<dyn Fn(PropertyId) -> Option<Seq> + Send + Sync>;

/// What a copy of a home must contain.
#[derive(Debug, Clone, Copy, Default)]
struct Needed {
    seq: Option<Seq>,
    barred_until: Option<Instant>,
}

/// Homes that were read, here or by others.
#[derive(Default)]
pub(super) struct HomeCopies {
    copies: Option<Arc<Copies>>,
    head_of: OnceLock<HeadOf>,
    needed: DashMap<PropertyId, Needed>,
}

impl HomeCopies {
    pub(super) fn new(copies: Option<Arc<Copies>>) -> Self {
        Self { copies, ..Self::default() }
    }

    pub(super) fn follow(&self, head_of: HeadOf) {
        let _ = self.head_of.set(head_of);
    }

    /// An event says that the home has changed.
    pub(super) fn changed(&self, property: PropertyId, seq: Seq) {
        if self.copies.is_some() {
            self.make_room();
            let mut needed = self.needed.entry(property).or_default();
            needed.seq = needed.seq.max(Some(seq));
        }
    }

    fn make_room(&self) {
        if self.needed.len() >= MAX_KNOWN {
            self.needed.retain(|_, needed| needed.is_barred());
        }
    }

    /// The home was changed by this node; the event may not have come by yet.
    pub(super) fn bar(&self, property: PropertyId) {
        if self.copies.is_some() {
            self.make_room();
            self.needed.entry(property).or_default().barred_until = Some(Instant::now() + BARRED_FOR);
        }
    }

    /// The home, from a copy that is new enough or else from the database; then a copy is left for others.
    pub(super) async fn read(&self, property: PropertyId, store: &Store) -> Result<Option<Listing>, ServiceError> {
        // Before anything is read: what is read contains it.
        let head = self.head_of.get().and_then(|head_of| head_of(property));
        let (Some(copies), Some(head)) = (&self.copies, head) else { return Ok(store.listing(property).await?) };
        let name = format!("home:{}:{property}", store.format());
        if let Some(least) = self.least(property, head)
            && let Some((seq, bytes)) = copies.get(&name).await
            && seq >= least
            && let Some(listing) = store.listing_of(property, &bytes)
        {
            return Ok(Some(listing));
        }
        let listing = store.listing(property).await?;
        if let Some(listing) = &listing {
            // Asked anew: what changed it meanwhile may have been forgotten to make room. Whatever changes it later says so.
            let known = self.head_of.get().and_then(|head_of| head_of(property)).unwrap_or(Seq::MAX);
            self.make_room();
            self.needed.entry(property).or_default().seq.get_or_insert(known);
            copies.put(&name, head, &store.copy_of(listing));
        }
        Ok(listing)
    }

    /// The event that a copy must contain at least; nothing if none is to be used.
    fn least(&self, property: PropertyId, head: Seq) -> Option<Seq> {
        let needed = self.needed.get(&property).map(|needed| *needed).unwrap_or_default();
        (!needed.is_barred()).then(|| needed.seq.unwrap_or(head))
    }
}

impl Needed {
    fn is_barred(&self) -> bool {
        self.barred_until.is_some_and(|until| Instant::now() < until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{Link, Shared};

    #[test]
    fn a_copy_must_contain_the_last_change_that_was_heard_of_and_everything_if_none_was() {
        let copies = Arc::clone(Shared::new(Link::open("redis://127.0.0.1:1", "test").unwrap()).copies());
        let shared = HomeCopies::new(Some(copies));
        let home = PropertyId::from_bytes([7; 16]);
        assert_eq!(shared.least(home, 40), Some(40), "perhaps the last one changed it");
        shared.changed(home, 30);
        shared.changed(home, 12);
        assert_eq!(shared.least(home, 41), Some(30), "since then only nights were taken");
        shared.bar(home);
        assert_eq!(shared.least(home, 41), None, "whoever changed it here reads what they wrote");
        shared.changed(home, 42);
        shared.needed.get_mut(&home).unwrap().barred_until = Some(Instant::now());
        assert_eq!(shared.least(home, 43), Some(42));
    }
}
