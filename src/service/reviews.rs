//! Reviews of completed stays: written, answered, moderated, read.
//!
//! What a review says is read from its record and goes nowhere else: events, keys and jobs hold ids. What is sealed is there for its author
//! alone; so each read asks [`crate::domain::Review::is_visible_to`].

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use latchkey_protocol::rest::{ModerateReview, ReplyToReview, WriteReview};
use latchkey_protocol::{EpochMs, view};
use serde::{Deserialize, Serialize};

use super::accounts::Origin;
use super::decisions::{Decisions, reply};
use super::idempotency::{IdempotencyKey, Keys};
use super::listings::Listings;
use super::roles::Roles;
use super::{Caller, Expected, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::account::{Account, AccountWrite, AuditEntry, AuditKind, Moderation};
use crate::domain::calendar::SubmitReview;
use crate::domain::{AuditId, BookingId, PropertyId, Refusal, Review, ReviewId, Timestamp, UserId, Write};
use crate::entropy::fresh_id;
use crate::store::{Lane, ReviewSubject, Store};

/// What an admin does with a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moderate {
    /// Takes it from everybody's eyes.
    Hide,
    /// Gives it back.
    Show,
}

/// A place in a list of published reviews, which are in the order of their publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// When the review there was published.
    pub published_at: EpochMs,
    /// Which it is: of one instant there may be several.
    pub id: ReviewId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.published_at, self.id)
    }
}

/// Text that is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (published_at, id) = text.split_once('/').ok_or(NoPlace)?;
        Ok(Self { published_at: published_at.parse().map_err(|_| NoPlace)?, id: id.parse().map_err(|_| NoPlace)? })
    }
}

/// The answer kept under a key: a review can be written anew, so it is read again when the key is.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    id: ReviewId,
}

/// Reviews.
pub struct Reviews {
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    listings: Arc<Listings>,
    roles: Roles,
    clock: Arc<dyn Clock>,
}

impl Reviews {
    /// In this store.
    #[must_use]
    pub fn new(store: Arc<Store>, keys: Arc<Keys>, decisions: Arc<Decisions>, listings: Arc<Listings>, clock: Arc<dyn Clock>) -> Self {
        Self { roles: Roles::new(Arc::clone(&store)), store, keys, decisions, listings, clock }
    }

    /// The caller reviews a stay that is completed, as its guest or its host.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn submit(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        ask: &WriteReview,
    ) -> Result<view::Review, ServiceError> {
        let used = self.keys.begin(caller.user, "submit_review", key, &(booking, ask)).await?;
        let submit = asked(caller, ReviewId::from_bytes(fresh_id(self.clock.now())), ask);
        let submitted = self
            .decisions
            .decide_on_reviews(&used, booking, |calendar, reviewed, now| {
                let decision = calendar.submit_review(booking, reviewed, &submit, now)?;
                Ok(reply(decision, |review| Written { id: review.id }))
            })
            .await;
        let Written { id } = submitted.map_err(of_booking)?;
        self.changed(caller, self.find_any(id).await?)
    }

    /// The caller writes their sealed review anew.
    ///
    /// # Errors
    /// `NotFound`, `Stale`, `Invalid`, `Expired`, `InvalidState`, `Busy`.
    pub async fn revise(
        &self,
        caller: &Caller,
        review: ReviewId,
        expected: &Expected,
        ask: &WriteReview,
    ) -> Result<view::Review, ServiceError> {
        let booking = self.readable(caller, review).await?.booking;
        let submit = asked(caller, review, ask);
        let is_expected = |version| expected.check(version).is_ok();
        let revised = self
            .decisions
            .decide_on_reviews_again(booking, Lane::Normal, |calendar, reviewed, now| {
                calendar.revise_review(&reviewed, &submit, is_expected, now)
            })
            .await;
        self.changed(caller, revised.map_err(of_review)?)
    }

    /// Whom a published review is about answers it.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for everybody else, `Invalid`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn answer(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        review: ReviewId,
        ask: &ReplyToReview,
    ) -> Result<view::Review, ServiceError> {
        let used = self.keys.begin(caller.user, "reply_to_review", key, &(review, ask)).await?;
        let answered = match self.readable(caller, review).await {
            Ok(known) => {
                self.decisions
                    .decide_on_reviews(&used, known.booking, |calendar, reviewed, now| {
                        let decision = calendar.reply_to_review(reviewed, review, caller.user, &ask.text, now)?;
                        Ok(reply(decision, |review| Written { id: review.id }))
                    })
                    .await
            }
            // It may have been hidden after the caller had answered it.
            Err(refused) => self.keys.or_first_answer(&used, refused).await,
        };
        let Written { id } = answered.map_err(of_review)?;
        self.changed(caller, self.find_any(id).await?)
    }

    /// An admin hides a published review, or shows it again; both are in the audit log of its author.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`, `InvalidState`, `Busy`.
    pub async fn moderate(
        &self,
        admin: &Caller,
        review: ReviewId,
        how: Moderate,
        ask: ModerateReview,
        origin: &Origin,
    ) -> Result<view::Review, ServiceError> {
        self.roles.require_admin(admin).await?;
        let known = self.find_any(review).await?;
        let moderated = self
            .decisions
            .decide_on_reviews_again(known.booking, Lane::Normal, |calendar, reviewed, now| {
                let (kind, mut decision) = match how {
                    Moderate::Hide => (AuditKind::ReviewHidden, calendar.hide_review(reviewed, review, ask.reason, now)?),
                    Moderate::Show => (AuditKind::ReviewShown, calendar.show_review(reviewed, review, now)?),
                };
                let entry = AuditEntry {
                    id: AuditId::from_bytes(fresh_id(now.epoch_ms())),
                    at: now,
                    kind,
                    user: decision.outcome.author(),
                    actor: Some(admin.user),
                    session: Some(admin.session),
                    address: origin.address.map(|address| address.to_string()),
                    moderation: Some(Moderation { review, reason: ask.reason }),
                };
                decision.changes.writes.push(Write::Account(AccountWrite::AddAudit(entry)));
                Ok(decision)
            })
            .await
            .map_err(of_review)?;
        self.listings.forget(moderated.property);
        Ok(wire::moderated_review(&moderated))
    }

    /// A review that the caller, or somebody unknown, may see; admins see hidden ones too. What is sealed is its author's alone.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: Option<&Caller>, review: ReviewId) -> Result<view::Review, ServiceError> {
        let known = self.find_any(review).await?;
        let viewer = caller.map(|caller| caller.user);
        if known.is_visible_to(viewer) {
            return Ok(wire::review(&known, viewer));
        }
        match caller {
            Some(caller) if known.hidden.is_some() && self.roles.is_admin(caller).await? => Ok(wire::moderated_review(&known)),
            Some(_) | None => Err(ServiceError::NotFound("review")),
        }
    }

    /// Of the reviews of a stay those that the caller, one of its parties, may see.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn of_booking(&self, caller: &Caller, booking: BookingId) -> Result<view::Reviews, ServiceError> {
        self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let reviews = self.store.reviews_of_booking(booking).await?;
        let viewer = Some(caller.user);
        let visible = reviews.iter().filter(|review| review.is_visible_to(viewer));
        Ok(view::Reviews { items: visible.map(|review| wire::review(review, viewer)).collect() })
    }

    /// What guests say about a home, newest first, published before `before`.
    ///
    /// # Errors
    /// `NotFound` for a home that the caller does not see.
    pub async fn of_home(
        &self,
        caller: Option<&Caller>,
        property: PropertyId,
        before: Option<Place>,
        limit: u16,
    ) -> Result<Vec<view::Review>, ServiceError> {
        self.listings.find(caller, property, None).await?;
        self.page(caller, ReviewSubject::Home(property), before, limit).await
    }

    /// What hosts say about a guest, newest first, published before `before`.
    ///
    /// # Errors
    /// `NotFound` for a user whom others do not see.
    pub async fn of_guest(
        &self,
        caller: Option<&Caller>,
        user: UserId,
        before: Option<Place>,
        limit: u16,
    ) -> Result<Vec<view::Review>, ServiceError> {
        self.store.account(user).await?.filter(Account::is_public).ok_or(ServiceError::NotFound("user"))?;
        self.page(caller, ReviewSubject::Guest(user), before, limit).await
    }

    /// Publishes what is sealed of a booking's reviews and whose time is over; gives when that is, if it is still to come.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn publish(&self, booking: BookingId) -> Result<Option<Timestamp>, ServiceError> {
        let Some(deal) = self.store.deal(booking).await? else { return Ok(None) };
        let next = self
            .decisions
            .decide_on_reviews_again(booking, Lane::Reserved, |calendar, reviewed, now| calendar.publish_reviews(booking, reviewed, now))
            .await?;
        self.listings.forget(deal.booking.property);
        Ok(next)
    }

    /// Takes away what a user who was erased has written.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn erase_words(&self, user: UserId) -> Result<(), ServiceError> {
        for review in self.store.reviews_around(user).await? {
            let booking = review.booking;
            if review.without_words_of(user).is_some() {
                self.decisions
                    .decide_on_reviews_again(booking, Lane::Reserved, |calendar, reviewed, now| {
                        calendar.forget_words(booking, reviewed, user, now)
                    })
                    .await?;
            }
        }
        Ok(())
    }

    async fn page(
        &self,
        caller: Option<&Caller>,
        subject: ReviewSubject,
        before: Option<Place>,
        limit: u16,
    ) -> Result<Vec<view::Review>, ServiceError> {
        let before = before.map(|place| (Timestamp::from_epoch_ms(place.published_at), place.id));
        let reviews = self.store.published_reviews(subject, before, limit).await?;
        let viewer = caller.map(|caller| caller.user);
        Ok(reviews.iter().map(|review| wire::review(review, viewer)).collect())
    }

    async fn find_any(&self, review: ReviewId) -> Result<Review, ServiceError> {
        self.store.review(review).await?.ok_or(ServiceError::NotFound("review"))
    }

    async fn readable(&self, caller: &Caller, review: ReviewId) -> Result<Review, ServiceError> {
        let known = self.find_any(review).await?;
        if known.is_visible_to(Some(caller.user)) { Ok(known) } else { Err(ServiceError::NotFound("review")) }
    }

    /// The answer to a change: nobody reads of the home what was true before it. A change that is repeated when the review has been hidden from
    /// the caller is answered without the review's words.
    fn changed(&self, caller: &Caller, review: Review) -> Result<view::Review, ServiceError> {
        self.listings.forget(review.property);
        let seen = wire::review(&review, Some(caller.user));
        Ok(if review.is_visible_to(Some(caller.user)) { seen } else { view::Review { text: String::new(), ..seen } })
    }
}

/// What a client writes, as the domain takes it.
fn asked(caller: &Caller, review: ReviewId, ask: &WriteReview) -> SubmitReview {
    SubmitReview { review, author: caller.user, ratings: wire::ratings_of(ask.ratings), text: ask.text.clone() }
}

/// The domain speaks of claims; here it is the booking that is not there.
fn of_booking(error: ServiceError) -> ServiceError {
    named(error, "booking")
}

/// … or the review.
fn of_review(error: ServiceError) -> ServiceError {
    named(error, "review")
}

fn named(error: ServiceError, what: &'static str) -> ServiceError {
    match error {
        ServiceError::Refused(Refusal::NotFound) => ServiceError::NotFound(what),
        other => other,
    }
}
