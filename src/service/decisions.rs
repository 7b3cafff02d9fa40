//! The one way in which a user's command becomes a change: claim, decide, commit, under a key.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ServiceError;
use super::availability::{Availability, PropertyClaim, Seen};
use super::idempotency::{Keys, Use};
use crate::clock::Clock;
use crate::domain::booking::Deal;
use crate::domain::calendar::Reviewed;
use crate::domain::{BookingId, Calendar, Claim, Decision, PropertyId, Refusal, Timestamp, Write};
use crate::entropy;
use crate::store::{CommitError, Contended, Lane, Store};

/// How often something is decided again because another writer was first: with several nodes at one home, that is often so.
const MAX_DECISIONS: u32 = 20;

/// The longest pause before that, in milliseconds.
const MAX_PAUSE_MS: u64 = 64;

/// The attempts at one command.
#[derive(Default)]
pub(super) struct Attempts {
    begun: u32,
    /// The other nodes' logs were read since the command came.
    has_caught_up: bool,
}

impl Attempts {
    /// Whether there is another one; the later ones come after a pause, at random: of several nodes that collided each goes on at another moment.
    pub(super) async fn next(&mut self) -> bool {
        if self.begun > 0 {
            let pause_ms = entropy::jitter(MAX_PAUSE_MS.min(1 << self.begun.min(10)));
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
        }
        self.begun += 1;
        self.begun <= MAX_DECISIONS
    }
}

/// Decides users' commands on these calendars.
pub struct Decisions {
    availability: Arc<Availability>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl Decisions {
    /// On these calendars, under these keys.
    #[must_use]
    pub fn new(availability: Arc<Availability>, store: Arc<Store>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { availability, store, keys, clock }
    }

    /// Claims, decides and commits, again if another writer was first; the same key gives the first answer.
    ///
    /// # Errors
    /// What `decide` refuses, unless that is the first use's own success; `KeyReused`, `Busy`, `Unavailable`.
    pub async fn decide<T, F>(&self, used: &Arc<Use>, property: PropertyId, decide: F) -> Result<T, ServiceError>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let claim = self.availability.claim(property).await?;
            let now = self.now();
            let decided = decide(claim.calendar(), now);
            if let Some(outcome) = self.conclude(used, claim, decided, now, &mut attempts).await? {
                return Ok(outcome);
            }
        }
        Err(ServiceError::Busy)
    }

    /// Claims, decides and commits on a booking in whatever state, again if another writer was first; `decide` gets the booking as stored if it
    /// is over and so not in the calendar. The same key gives the first answer.
    ///
    /// # Errors
    /// `NotFound` for no such booking; what `decide` refuses, unless that is the first use's own success; `KeyReused`, `Busy`, `Unavailable`.
    pub async fn decide_on_booking<T, F>(&self, used: &Arc<Use>, booking: BookingId, decide: F) -> Result<T, ServiceError>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(&Calendar, Option<Deal>, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let (claim, ended) = self.claim_booking(booking).await?;
            let now = self.now();
            let decided = decide(claim.calendar(), ended, now);
            if let Some(outcome) = self.conclude(used, claim, decided, now, &mut attempts).await? {
                return Ok(outcome);
            }
        }
        Err(ServiceError::Busy)
    }

    /// The same for a change of what is written about a booking.
    ///
    /// # Errors
    /// As [`Self::decide_on_booking`].
    pub async fn decide_on_reviews<T, F>(&self, used: &Arc<Use>, booking: BookingId, decide: F) -> Result<T, ServiceError>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(&Calendar, Reviewed, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let (claim, reviewed) = self.claim_reviews(booking).await?;
            let now = self.now();
            let decided = decide(claim.calendar(), reviewed, now);
            if let Some(outcome) = self.conclude(used, claim, decided, now, &mut attempts).await? {
                return Ok(outcome);
            }
        }
        Err(ServiceError::Busy)
    }

    /// The same for what can be said twice without harm, and so needs no key.
    ///
    /// # Errors
    /// `NotFound` for no such booking; what `decide` refuses; `Busy`, `Unavailable`.
    pub async fn decide_on_reviews_again<T, F>(&self, booking: BookingId, lane: Lane, decide: F) -> Result<T, ServiceError>
    where
        F: Fn(&Calendar, Reviewed, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let (claim, reviewed) = self.claim_reviews(booking).await?;
            let decided = decide(claim.calendar(), reviewed, self.now());
            if let Some(outcome) = self.conclude_unkeyed(claim, decided, lane, &mut attempts).await? {
                return Ok(outcome);
            }
        }
        Err(ServiceError::Busy)
    }

    /// Whether another node had changed the home before this was asked, and this one did not know. Neither a refusal nor "nothing to do" may rest on
    /// that: what stood in the way may be gone. A change may, for its own append fails then. Asked once for a command: a calendar that is loaded after that
    /// is new enough for it, whatever others do meanwhile.
    async fn is_outdated(&self, seen: Seen, attempts: &mut Attempts) -> Result<bool, ServiceError> {
        if std::mem::replace(&mut attempts.has_caught_up, true) {
            return Ok(false);
        }
        self.availability.catch_up().await?;
        Ok(self.availability.is_behind(seen))
    }

    /// Commits what was decided under a key, or gives the first answer; nothing if it is to be decided again on what is true now: another
    /// writer was first, or a lease ran out on the way.
    async fn conclude<T: Serialize + DeserializeOwned>(
        &self,
        used: &Arc<Use>,
        claim: PropertyClaim,
        decided: Result<Decision<T>, Refusal>,
        now: Timestamp,
        attempts: &mut Attempts,
    ) -> Result<Option<T>, ServiceError> {
        let seen = claim.seen();
        let Decision { outcome, changes } = match decided {
            Ok(decision) if decision.changes.is_empty() && self.is_outdated(seen, attempts).await? => return Ok(None),
            Ok(decision) => decision,
            Err(refusal) => {
                // Others may decide meanwhile.
                drop(claim);
                if self.is_outdated(seen, attempts).await? {
                    return Ok(None);
                }
                return self.keys.or_first_answer(used, refusal.into()).await.map(Some);
            }
        };
        let idempotency = used.record(&outcome, now)?;
        let (keys, own) = (Arc::clone(&self.keys), Arc::clone(used));
        // In the commit's own task: a client that hangs up meanwhile must not keep the key from being known.
        let known = async move { keys.committed(&own).await };
        match claim.commit_and(changes, Some(idempotency), Lane::Normal, known).await {
            Ok(()) => Ok(Some(outcome)),
            Err(CommitError::Contended(Contended::Key)) => self.keys.first_answer(used).await?.ok_or(ServiceError::Busy).map(Some),
            Err(CommitError::Contended(_) | CommitError::TooLate) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes down what happened to a booking by no user's command: what the provider says, or its time. It has room of its own in the
    /// committer's queue. A webhook that was taken into account before changes nothing; what it changed then is told again.
    ///
    /// # Errors
    /// `NotFound` for no such booking; what `decide` refuses; `Busy`, `Unavailable`.
    pub async fn record_on_booking<T, F>(&self, booking: BookingId, webhook: Option<&str>, decide: F) -> Result<T, ServiceError>
    where
        F: Fn(&Calendar, Option<Deal>, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let (claim, ended) = self.claim_booking(booking).await?;
            let now = self.now();
            let mut decision = match decide(claim.calendar(), ended, now) {
                Ok(decision) if !decision.changes.is_empty() => decision,
                _ if self.is_outdated(claim.seen(), &mut attempts).await? => continue,
                decided => decided?,
            };
            if let Some(event_id) = webhook {
                decision.changes.writes.push(Write::SeeWebhook { event_id: event_id.to_owned(), at: now });
            }
            if decision.changes.is_empty() {
                return Ok(decision.outcome);
            }
            match claim.commit(decision.changes, None, Lane::Reserved).await {
                Ok(()) | Err(CommitError::Contended(Contended::Webhook)) => return Ok(decision.outcome),
                Err(CommitError::Contended(_) | CommitError::TooLate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// The claim on a booking's home, and the booking as stored if it is not live there.
    async fn claim_booking(&self, booking: BookingId) -> Result<(PropertyClaim, Option<Deal>), ServiceError> {
        let property = self.store.deal(booking).await?.ok_or(ServiceError::NotFound("booking"))?.booking.property;
        let claim = self.availability.claim(property).await?;
        let ended = match claim.calendar().claim(booking) {
            Some(Claim::Booked(_)) => None,
            // Read under the claim: its own topic guards it.
            Some(Claim::Hold(_) | Claim::Blocked(_)) | None => self.store.deal(booking).await?,
        };
        Ok((claim, ended))
    }

    /// The same, with what both sides have written about it.
    async fn claim_reviews(&self, booking: BookingId) -> Result<(PropertyClaim, Reviewed), ServiceError> {
        let (claim, ended) = self.claim_booking(booking).await?;
        // Read after the booking, whose next event guards that there are no others; each is replaced by its version.
        let reviews = self.store.reviews_of_booking(booking).await?;
        Ok((claim, Reviewed { ended, reviews }))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }

    /// Claims, decides and commits, again if another writer was first; for what can be said twice without harm, and so needs no key.
    ///
    /// # Errors
    /// What `decide` refuses; `Busy`, `Unavailable`.
    pub async fn decide_again<T, F>(&self, property: PropertyId, decide: F) -> Result<T, ServiceError>
    where
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let mut attempts = Attempts::default();
        while attempts.next().await {
            if let Some(outcome) = self.decide_unkeyed(property, &decide, &mut attempts).await? {
                return Ok(outcome);
            }
        }
        Err(ServiceError::Busy)
    }

    /// Claims, decides and commits; nothing, if another writer was first: then what the decision rests on besides the calendar is to be read
    /// again too.
    ///
    /// # Errors
    /// As [`Self::decide_again`].
    pub async fn decide_once<T, F>(&self, property: PropertyId, decide: F) -> Result<Option<T>, ServiceError>
    where
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        self.decide_unkeyed(property, decide, &mut Attempts::default()).await
    }

    async fn decide_unkeyed<T, F>(&self, property: PropertyId, decide: F, attempts: &mut Attempts) -> Result<Option<T>, ServiceError>
    where
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        let claim = self.availability.claim(property).await?;
        let decided = decide(claim.calendar(), self.now());
        self.conclude_unkeyed(claim, decided, Lane::Normal, attempts).await
    }

    /// Commits what was decided without a key; nothing if it is to be decided again.
    async fn conclude_unkeyed<T>(
        &self,
        claim: PropertyClaim,
        decided: Result<Decision<T>, Refusal>,
        lane: Lane,
        attempts: &mut Attempts,
    ) -> Result<Option<T>, ServiceError> {
        let changes_something = decided.as_ref().is_ok_and(|decision| !decision.changes.is_empty());
        if !changes_something && self.is_outdated(claim.seen(), attempts).await? {
            return Ok(None);
        }
        commit(claim, decided?, lane).await
    }
}

/// Commits what was decided without a key; nothing if another writer was first, and it is to be decided again.
async fn commit<T>(claim: PropertyClaim, decision: Decision<T>, lane: Lane) -> Result<Option<T>, ServiceError> {
    if decision.changes.is_empty() {
        return Ok(Some(decision.outcome));
    }
    match claim.commit(decision.changes, None, lane).await {
        Ok(()) => Ok(Some(decision.outcome)),
        Err(CommitError::Contended(_) | CommitError::TooLate) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The same decision, with its outcome as clients see it.
pub fn reply<T, R>(decision: Decision<T>, view: impl Fn(&T) -> R) -> Decision<R> {
    Decision { outcome: view(&decision.outcome), changes: decision.changes }
}
