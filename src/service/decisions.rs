//! The one way in which a user's command becomes a change: claim, decide, commit, under a key.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ServiceError;
use super::availability::Availability;
use super::idempotency::{Keys, Use};
use crate::clock::Clock;
use crate::domain::{Calendar, Decision, PropertyId, Refusal, Timestamp};
use crate::store::{CommitError, Contended, Lane};

/// How often a command is decided again because another writer was first.
const MAX_DECISIONS: u32 = 5;

/// Decides users' commands on these calendars.
pub struct Decisions {
    availability: Arc<Availability>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl Decisions {
    /// On these calendars, under these keys.
    #[must_use]
    pub fn new(availability: Arc<Availability>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { availability, keys, clock }
    }

    /// Claims, decides and commits, again if another writer was first; the same key gives the first answer.
    ///
    /// # Errors
    /// What `decide` refuses, unless that is the first use's own success; `KeyReused`, `Busy`, `Unavailable`.
    pub async fn decide<T, F>(&self, used: &Use, property: PropertyId, decide: F) -> Result<T, ServiceError>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        for _ in 0..MAX_DECISIONS {
            let claim = self.availability.claim(property).await?;
            let now = Timestamp::from_epoch_ms(self.clock.now());
            let decision = match decide(claim.calendar(), now) {
                Ok(decision) => decision,
                Err(refusal) => {
                    drop(claim);
                    return self.keys.or_first_answer(used, refusal.into()).await;
                }
            };
            let idempotency = used.record(&decision.outcome, now)?;
            match claim.commit(decision.changes, Some(idempotency), Lane::Normal).await {
                Ok(()) => return Ok(decision.outcome),
                Err(CommitError::Contended(Contended::Key)) => {
                    return self.keys.first_answer(used).await?.ok_or(ServiceError::Busy);
                }
                // Another writer was first, or a lease ran out on the way: decide on what is true now.
                Err(CommitError::Contended(_) | CommitError::TooLate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// Claims, decides and commits, again if another writer was first; for what can be said twice without harm, and so needs no key.
    ///
    /// # Errors
    /// What `decide` refuses; `Busy`, `Unavailable`.
    pub async fn decide_again<T, F>(&self, property: PropertyId, decide: F) -> Result<T, ServiceError>
    where
        F: Fn(&Calendar, Timestamp) -> Result<Decision<T>, Refusal>,
    {
        for _ in 0..MAX_DECISIONS {
            if let Some(outcome) = self.decide_once(property, &decide).await? {
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
        let claim = self.availability.claim(property).await?;
        let decision = decide(claim.calendar(), Timestamp::from_epoch_ms(self.clock.now()))?;
        if decision.changes.is_empty() {
            return Ok(Some(decision.outcome));
        }
        match claim.commit(decision.changes, None, Lane::Normal).await {
            Ok(()) => Ok(Some(decision.outcome)),
            Err(CommitError::Contended(_) | CommitError::TooLate) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The same decision, with its outcome as clients see it.
pub fn reply<T, R>(decision: Decision<T>, view: impl Fn(&T) -> R) -> Decision<R> {
    Decision { outcome: view(&decision.outcome), changes: decision.changes }
}
