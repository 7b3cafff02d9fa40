//! Which keys for holds a user's commits have used: what tells a first try that lost from one that won before and is repeated.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use latchkey_protocol::UserId;
use moka::future::Cache as Marks;

use crate::service::cache::Cache;
use crate::store::{FirstUse, Store, StoreError};

/// Users whose keys are in memory.
const MAX_USERS: u64 = 100_000;

/// Beyond so many keys a week, reading them all costs more than looking one up.
const MANY: usize = 100;

/// How long a user of many keys is taken for one.
const MARKED: Duration = Duration::from_mins(10);

/// Hashes of each user's keys, as long as no other is committed.
pub(super) struct KnownKeys {
    hashes: Cache<UserId, Arc<[u64]>>,
    /// Users of many keys, each of whose is looked up.
    busy: Marks<UserId, ()>,
    hasher: RandomState,
}

impl KnownKeys {
    pub(super) fn new() -> Self {
        let busy = Marks::builder().max_capacity(MAX_USERS).time_to_idle(MARKED).build();
        Self { hashes: Cache::new("keys", MAX_USERS), busy, hasher: RandomState::new() }
    }

    /// Whether a commit has used the key; a rare `true` is wrong, a `false` never is.
    pub(super) async fn contain(&self, store: &Store, user: UserId, used: &FirstUse) -> Result<bool, StoreError> {
        if self.busy.get(&user).await.is_some() {
            return Ok(true);
        }
        let hash = |key: &str| self.hasher.hash_one(key);
        let read = async { store.keys_of(&used.scope).await.map(|keys| Some(keys.iter().map(|key| hash(key)).collect())) };
        let hashes: Arc<[u64]> = self.hashes.get_or_load(user, read).await?.unwrap_or_default();
        if hashes.len() > MANY {
            self.busy.insert(user, ()).await;
        }
        Ok(hashes.contains(&hash(&used.key)))
    }

    /// One more may be used.
    pub(super) async fn forget(&self, user: UserId) {
        self.hashes.forget(user).await;
    }
}
