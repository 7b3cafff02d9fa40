//! Say it twice, do it once (P7).
//!
//! A key is registered in memory before anything is claimed, and a twin on this node waits for the first. Elsewhere, or after a
//! crash, the insert of `idempotency:[scope, key]` fails and the stored answer is given. P7 covers committed results: a refusal is
//! not stored, but before refusing the key is looked up, since what stands in the way may be the first use's own success.
//!
//! Those who lose a race for nights are many, and must not cost a read each. A user's keys for holds are read once (`known.rs`), and only a key
//! that is among them is looked up.

mod known;

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use latchkey_protocol::{MAX_KEY_BYTES, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use self::known::KnownKeys;
use super::ServiceError;
use crate::digest::{hex, sha256};
use crate::domain::{Refusal, Timestamp};
use crate::store::{FirstUse, Idempotency, KeyFound, Store};

/// The command whose losers are many.
pub const HOLD: &str = "hold";

/// How long a twin waits for the first use.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A client's idempotency key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks the length: 1 to [`MAX_KEY_BYTES`] bytes, without control characters.
    ///
    /// # Errors
    /// `KeyRequired`.
    pub fn new(key: &str) -> Result<Self, ServiceError> {
        if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
            return Err(ServiceError::KeyRequired);
        }
        Ok(Self(key.to_owned()))
    }
}

/// Scope and key of each use, and what ends when it does.
type InUse = DashMap<(String, String), watch::Receiver<()>>;

/// The keys that are being used now, on this node.
pub struct Keys {
    store: Arc<Store>,
    in_use: Arc<InUse>,
    known: KnownKeys,
}

/// A registered use; dropping it lets a waiting twin go on.
pub struct Use {
    /// What is written with the change set.
    pub used: FirstUse,
    user: UserId,
    command: &'static str,
    registered: Arc<InUse>,
    _done: watch::Sender<()>,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.registered.remove(&(self.used.scope.clone(), self.used.key.clone()));
    }
}

impl Use {
    /// The record of this use, with the answer it led to.
    ///
    /// # Errors
    /// `Internal` if the answer cannot be written as JSON.
    pub fn record<T: Serialize>(&self, reply: &T, at: Timestamp) -> Result<Idempotency, ServiceError> {
        let reply = serde_json::to_string(reply).map_err(|_| ServiceError::Internal)?;
        Ok(Idempotency { used: self.used.clone(), reply: reply.into(), at })
    }
}

impl Keys {
    /// No key in use.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, in_use: Arc::default(), known: KnownKeys::new() }
    }

    /// Registers the use of a key for a command with this body, after waiting for a twin.
    ///
    /// # Errors
    /// `Busy` if the twin takes too long.
    pub async fn begin<B: Serialize>(
        &self,
        user: UserId,
        command: &'static str,
        key: IdempotencyKey,
        body: &B,
    ) -> Result<Arc<Use>, ServiceError> {
        let scope = format!("{user} {command}");
        let body = serde_json::to_vec(body).map_err(|_| ServiceError::Internal)?;
        let first = FirstUse { scope, key: key.0, fingerprint: hex(&sha256(&body)[..16]) };
        loop {
            let mut twin = match self.in_use.entry((first.scope.clone(), first.key.clone())) {
                Entry::Vacant(vacant) => {
                    let (done, waiting) = watch::channel(());
                    vacant.insert(waiting);
                    return Ok(Arc::new(Use { used: first, user, command, registered: Arc::clone(&self.in_use), _done: done }));
                }
                Entry::Occupied(occupied) => occupied.get().clone(),
            };
            // Ends with an error when the twin's sender is dropped: that is what is waited for.
            if tokio::time::timeout(MAX_WAIT, twin.changed()).await.is_err() {
                return Err(ServiceError::Busy);
            }
        }
    }

    /// The first use's answer, if there was one.
    ///
    /// # Errors
    /// `KeyReused` if it was for another body.
    pub async fn first_answer<T: DeserializeOwned>(&self, used: &Use) -> Result<Option<T>, ServiceError> {
        match self.store.find_key(&used.used).await? {
            None => Ok(None),
            Some(KeyFound::Other) => Err(ServiceError::KeyReused),
            Some(KeyFound::Same(reply)) => serde_json::from_str(&reply).map(Some).map_err(|_| ServiceError::Internal),
        }
    }

    /// What to say instead of `refused`: the first use's answer, if that is what stands in the way. With other nodes, their logs must have been read
    /// after the refusal was decided.
    ///
    /// # Errors
    /// `refused` itself, or `KeyReused`.
    pub async fn or_first_answer<T: DeserializeOwned>(&self, used: &Use, refused: ServiceError) -> Result<T, ServiceError> {
        let may_be_own_success = match refused {
            // Now the nights are others', but they may have been the caller's before.
            ServiceError::Refused(Refusal::DatesUnavailable { others_only: true, .. }) if used.command == HOLD => {
                self.known.contain(&self.store, used.user, &used.used).await?
            }
            _ => may_be_own_success(&refused),
        };
        if !may_be_own_success {
            return Err(refused);
        }
        self.first_answer(used).await?.ok_or(refused)
    }

    /// Another node has committed the use of a key.
    pub async fn committed_elsewhere(&self, scope: &str, key: &str) {
        if let Some((user, HOLD)) = scope.split_once(' ')
            && let Ok(user) = user.parse()
        {
            self.known.add(user, key).await;
        }
    }

    /// Says that the use was committed, or may have been: called before its answer, by a task that nobody cancels.
    pub async fn committed(&self, used: &Use) {
        if used.command == HOLD {
            self.known.add(used.user, &used.used.key).await;
        }
    }
}

/// Whether the caller's own earlier success could be the reason of a refusal. What the caller may do and how fast is asked before the key, and
/// what went wrong is not the key's fault.
const fn may_be_own_success(refused: &ServiceError) -> bool {
    match refused {
        ServiceError::Unauthenticated(_)
        | ServiceError::Forbidden
        | ServiceError::KeyReused
        | ServiceError::KeyRequired
        | ServiceError::RateLimited { .. }
        | ServiceError::Busy
        | ServiceError::Behind { .. }
        | ServiceError::Unavailable(_)
        | ServiceError::Provider(_)
        | ServiceError::OutcomeUnknown
        | ServiceError::Internal => false,
        // Also what looks like a fault of the request: dates that were free to be proposed are the booking's own once they were accepted.
        ServiceError::Refused(_)
        | ServiceError::NotFound(_)
        | ServiceError::AlreadyRegistered
        | ServiceError::BadCredentials
        | ServiceError::Stale
        | ServiceError::HoldLimit { .. } => true,
    }
}
