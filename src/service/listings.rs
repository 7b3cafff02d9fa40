//! Homes: made, read, changed, shown and taken back by their hosts.
//!
//! Each change is decided under the home's claim by its calendar, so that rules and `seq` belong together (`domain/calendar/manage.rs`).

mod blocks;
mod copies;
mod fields;

use std::sync::Arc;

use latchkey_protocol::rest::{CreateProperty, UpdateProperty};
use latchkey_protocol::{EpochMs, Topic, view};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, MutexGuard};

pub use self::copies::HeadOf;
use self::copies::HomeCopies;
use super::accounts::Departure;
use super::availability::Availability;
use super::cache::Cache;
use super::decisions::{Attempts, Decisions};
use super::freshness::at_least;
use super::idempotency::{IdempotencyKey, Keys};
use super::roles::Roles;
use super::{Caller, Expected, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::account::{Account, AccountWrite};
use crate::domain::booking::BookingTerms;
use crate::domain::listing::may_list_another;
use crate::domain::{
    Calendar, Decision, Event, Listing, ListingState, Photo, PropertyId, Refusal, Seq, Timestamp, TopicEvent, UserId, Write,
};
use crate::entropy::fresh_id;
use crate::shared::Copies;
use crate::store::{ChangeSet, CommitError, Contended, Lane, Store};

/// Homes kept in memory for reading, in bytes.
const CACHED_BYTES: u64 = 64 * 1024 * 1024;

/// Hosts who put homes on sale at once; more share a turn by chance.
const TURNS: usize = 64;

/// Homes.
pub struct Listings {
    store: Arc<Store>,
    roles: Roles,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    availability: Arc<Availability>,
    clock: Arc<dyn Clock>,
    /// Stamped on each new home, in basis points.
    service_fee_bp: u16,
    /// One for each host, by the last byte of their id: what they put on sale raises the version of their account, so many at once would only
    /// get into each other's way.
    turns: [Mutex<()>; TURNS],
    /// The homes that are read, in whatever state they are.
    cache: Cache<PropertyId, Arc<Listing>>,
    /// What is behind it.
    shared: HomeCopies,
}

/// What is kept under a key of what was made: texts are personal, and taken from the request, which is the same whenever the key is. So the
/// first answer can be given even if what was made is gone.
#[derive(Debug, Serialize, Deserialize)]
struct Created<I> {
    id: I,
    created_at: EpochMs,
}

impl Listings {
    /// In this store.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        availability: Arc<Availability>,
        clock: Arc<dyn Clock>,
        service_fee_bp: u16,
        copies: Option<Arc<Copies>>,
    ) -> Self {
        let cache = Cache::weighed("listings", CACHED_BYTES, |listing: &Arc<Listing>| weight(listing));
        let turns = [const { Mutex::const_new(()) }; TURNS];
        let (roles, shared) = (Roles::new(Arc::clone(&store)), HomeCopies::new(copies));
        Self { store, roles, keys, decisions, availability, clock, service_fee_bp, turns, cache, shared }
    }

    /// Makes a home, a draft unless it is to be published at once; the caller becomes its host. Its topic begins with this.
    ///
    /// # Errors
    /// `Forbidden` for who is no host, `Invalid`, `InvalidState` beyond 500 homes, `KeyReused`, `Busy`.
    pub async fn create(&self, caller: &Caller, key: IdempotencyKey, ask: CreateProperty) -> Result<view::Property, ServiceError> {
        self.roles.require_host(caller).await?;
        let used = self.keys.begin(caller.user, "create_property", key, &ask).await?;
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let (description, terms) = fields::created(&ask, self.service_fee_bp)?;
        let id = PropertyId::from_bytes(fresh_id(now.epoch_ms()));
        let booking_terms = BookingTerms { policy: ask.cancellation_policy, is_instant: ask.instant_book };
        let listing = Listing { booking_terms, ..Listing::new(id, caller.user, description, terms, now) };
        let listing = if ask.publish { listing.publish()? } else { listing };
        listing.validate()?;
        let created = Created { id, created_at: now.epoch_ms() };
        let as_first = |first: Created<PropertyId>| {
            let at = Timestamp::from_epoch_ms(first.created_at);
            let listing = Listing { id: first.id, created_at: at, updated_at: at, ..listing.clone() };
            wire::property(&listing, Some(caller.user))
        };
        let event = TopicEvent { topic: Topic::Property(id), seq: Some(1), at: now, event: Event::PropertyListed { property: id } };
        let _turn = self.turn(caller.user).await;
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let as_host = self.as_host(caller.user).await?;
            // After that: whoever lists another home meanwhile changes the account, and both look again.
            if let Err(full) = may_list_another(self.store.count_listings(caller.user).await?) {
                // Unless it is the last of them that they ask for once more.
                return Ok(as_first(self.keys.first_answer(&used).await?.ok_or(full)?));
            }
            let set = ChangeSet {
                writes: vec![Write::AddListing(Box::new(listing.clone())), as_host],
                events: vec![wire::new_event(&event)],
                deadline: None,
                idempotency: Some(used.record(&created, now)?),
            };
            match self.store.commit(set, Lane::Normal).await {
                Ok(()) => return Ok(wire::property(&listing, Some(caller.user))),
                Err(CommitError::Contended(Contended::Key)) => {
                    return Ok(as_first(self.keys.first_answer(&used).await?.ok_or(ServiceError::Busy)?));
                }
                // Their account was changed meanwhile.
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// What rides with whatever puts a home on sale: its host may let, and their account is at a new version when that is committed. So
    /// whoever closes the account at that moment has to look again (`accounts/leaving.rs`), and after that nothing is put on sale.
    async fn as_host(&self, user: UserId) -> Result<Write, ServiceError> {
        let account = self.store.account(user).await?.filter(Account::may_let).ok_or(ServiceError::Forbidden)?;
        Ok(Write::Account(AccountWrite::Set(account.touched())))
    }

    async fn turn(&self, host: UserId) -> MutexGuard<'_, ()> {
        let last = host.as_bytes().last().copied().unwrap_or_default();
        self.turns[usize::from(last) % TURNS].lock().await
    }

    /// A home, as the caller or somebody unknown sees it. What is not there for others is there for whoever looks after the hub, as its
    /// host sees it, unless it is deleted.
    ///
    /// # Errors
    /// `NotFound`, also for what is not theirs to see.
    pub async fn find(&self, caller: Option<&Caller>, property: PropertyId, min_seq: Option<Seq>) -> Result<view::Property, ServiceError> {
        if min_seq.is_none() {
            let listing = self.listing(property).await?.ok_or(ServiceError::NotFound("property"))?;
            return self.shown(caller, &listing).await;
        }
        // As the calendar has it: what is kept for reading does not say up to which event it is.
        let read = || async {
            let look = |calendar: &Calendar| (calendar.seq(), calendar.listing().clone());
            let (seq, listing) = self.availability.look(property, look).await?;
            Ok((seq, self.shown(caller, &listing).await?))
        };
        at_least(min_seq, self.availability.catch_up(), read).await
    }

    async fn shown(&self, caller: Option<&Caller>, listing: &Listing) -> Result<view::Property, ServiceError> {
        let viewer = caller.map(|caller| caller.user);
        if listing.is_visible_to(viewer) {
            return Ok(wire::property(listing, viewer));
        }
        match caller {
            Some(caller) if listing.state != ListingState::Deleted && self.roles.is_admin(caller).await? => {
                Ok(wire::property(listing, Some(listing.host)))
            }
            Some(_) | None => Err(ServiceError::NotFound("property")),
        }
    }

    async fn listing(&self, property: PropertyId) -> Result<Option<Arc<Listing>>, ServiceError> {
        let read = async { Ok::<_, ServiceError>(self.shared.read(property, &self.store).await?.map(Arc::new)) };
        self.cache.get_or_load(property, read).await
    }

    /// The caller's own homes in every state, newest first, older than `before`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list_own(&self, caller: &Caller, before: Option<PropertyId>, limit: u16) -> Result<Vec<view::Property>, ServiceError> {
        let listings = self.store.listings_page(caller.user, before, limit).await?;
        Ok(listings.iter().map(|listing| wire::property(listing, Some(caller.user))).collect())
    }

    /// Changes what is given of one's own home.
    ///
    /// # Errors
    /// `NotFound`, `Stale`, `Invalid`, `InvalidState`, `Busy`.
    pub async fn update(
        &self,
        caller: &Caller,
        property: PropertyId,
        expected: &Expected,
        ask: &UpdateProperty,
    ) -> Result<view::Property, ServiceError> {
        self.change(caller, property, |calendar, now| {
            refuse_stale(calendar, caller.user, expected)?;
            calendar.update(caller.user, |listing| fields::updated(listing, ask), now)
        })
        .await
    }

    /// Shows one's own home to everybody.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for who is no host any more, `Invalid` if something is missing, `Busy`.
    pub async fn publish(&self, caller: &Caller, property: PropertyId) -> Result<view::Property, ServiceError> {
        let own = self.availability.look(property, |calendar| calendar.own_listing(caller.user).map(|_| ())).await?;
        own.map_err(ServiceError::Refused).map_err(of_property)?;
        let _turn = self.turn(caller.user).await;
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let as_host = self.as_host(caller.user).await?;
            let decide = |calendar: &Calendar, now| {
                let mut decision = calendar.publish(caller.user, now)?;
                if !decision.changes.is_empty() {
                    decision.changes.writes.push(as_host.clone());
                }
                Ok(decision)
            };
            if let Some(published) = self.decisions.decide_once(property, decide).await.map_err(of_property)? {
                self.forget(property);
                return Ok(wire::property(&published, Some(caller.user)));
            }
        }
        Err(ServiceError::Busy)
    }

    /// Takes one's own home back from everybody else.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState` of a draft, `Busy`.
    pub async fn unlist(&self, caller: &Caller, property: PropertyId) -> Result<view::Property, ServiceError> {
        self.change(caller, property, |calendar, now| calendar.unlist(caller.user, now)).await
    }

    /// Removes one's own home for everybody.
    ///
    /// # Errors
    /// `NotFound`, `InvalidState` while somebody holds it or has booked it, `Busy`.
    pub async fn delete(&self, caller: &Caller, property: PropertyId) -> Result<(), ServiceError> {
        self.change(caller, property, |calendar, now| calendar.delete(caller.user, now)).await.map(|_| ())
    }

    /// What becomes of every home of a user who goes: off sale with the holds on them, or erased. Said again, it changes nothing.
    ///
    /// # Errors
    /// `Busy`, `Unavailable`; what was done until then stays so.
    pub async fn let_go(self: Arc<Self>, host: UserId, departure: Departure) -> Result<(), ServiceError> {
        for home in self.store.listings_of(host).await? {
            match departure {
                Departure::ForNow if home.state == ListingState::Deleted => continue,
                Departure::ForNow => self.decisions.decide_again(home.id, Calendar::withdraw).await?,
                Departure::ForGood => {
                    let notes = self.store.blocks_of(home.id).await?;
                    self.decisions.decide_again(home.id, |calendar, now| calendar.erase(&notes, now)).await?
                }
            };
            self.forget(home.id);
        }
        Ok(())
    }

    /// Changes one's own home by a command of its calendar.
    pub(super) async fn change<F>(&self, caller: &Caller, property: PropertyId, decide: F) -> Result<view::Property, ServiceError>
    where
        F: Fn(&Calendar, Timestamp) -> Result<Decision<Listing>, Refusal>,
    {
        let changed = self.decisions.decide_again(property, decide).await.map_err(of_property)?;
        self.forget(changed.id);
        Ok(wire::property(&changed, Some(caller.user)))
    }

    /// Forgets what was read of a home, before a change on this node is answered: nobody reads what was true before their own write.
    pub fn forget(&self, property: PropertyId) {
        self.shared.bar(property);
        self.cache.forget(property);
    }

    /// Forgets what was read of a home: an event says that it has changed, here or elsewhere.
    pub fn changed(&self, property: PropertyId, seq: Seq) {
        self.shared.changed(property, seq);
        self.cache.forget(property);
    }

    /// Says how far this node knows of a home; only once, when the node is wired.
    pub fn follow(&self, head_of: HeadOf) {
        self.shared.follow(head_of);
    }
}

/// Refuses a change that is based on another version than the home has.
pub(super) fn refuse_stale(calendar: &Calendar, by: UserId, expected: &Expected) -> Result<(), Refusal> {
    let version = calendar.own_listing(by)?.version;
    expected.check(version).map_err(|_| Refusal::Stale { version })
}

/// The domain speaks of claims; here it is the home that is not there.
pub(super) fn of_property(error: ServiceError) -> ServiceError {
    match error {
        ServiceError::Refused(Refusal::NotFound) => ServiceError::NotFound("property"),
        other => other,
    }
}

/// About how many bytes a home takes in memory.
fn weight(home: &Listing) -> usize {
    let about = &home.description;
    let texts = [&about.title, &about.text, &about.city, &about.house_rules.text].map(String::len);
    let address = about.address.as_ref().map_or(0, String::len);
    let photos: usize = home.photos.iter().map(|photo| size_of::<Photo>() + photo.caption.as_ref().map_or(0, String::len)).sum();
    size_of::<Listing>() + texts.iter().sum::<usize>() + address + photos + size_of_val(home.terms.seasons.as_slice())
}
