//! Which keys for holds a user's commits have used: what tells a first try that lost from one that won before and is repeated.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use latchkey_protocol::UserId;
use moka::future::Cache;

use crate::store::{FirstUse, Store, StoreError};

/// Users whose keys are in memory.
const MAX_USERS: u64 = 100_000;

/// Beyond so many keys in a week each is looked up instead.
const MANY: usize = 100;

/// A user who has not lost for this long is forgotten.
const IDLE: Duration = Duration::from_mins(10);

/// Hashes of one user's keys; those beyond [`MANY`] are not kept.
type Hashes = Arc<Mutex<Vec<u64>>>;

/// The keys of those who lost lately.
pub(super) struct KnownKeys {
    known: Cache<UserId, Hashes>,
    /// Being read: what is committed meanwhile is added here.
    loading: DashMap<UserId, Hashes>,
    hasher: RandomState,
}

impl KnownKeys {
    pub(super) fn new() -> Self {
        let known = Cache::builder().max_capacity(MAX_USERS).time_to_idle(IDLE).build();
        Self { known, loading: DashMap::new(), hasher: RandomState::new() }
    }

    /// Whether a commit may have used the key; `false` is never wrong.
    pub(super) async fn contain(&self, store: &Store, user: UserId, used: &FirstUse) -> Result<bool, StoreError> {
        let read = async {
            let hashes = Hashes::default();
            self.loading.insert(user, Arc::clone(&hashes));
            for key in store.keys_of(&used.scope).await? {
                self.add_to(&hashes, &key);
            }
            Ok(hashes)
        };
        let read = self.known.try_get_with(user, read).await;
        // Only now that they are known, since whoever commits looks in both places; and what a failure left behind.
        self.loading.remove_if(&user, |_, loaded| match &read {
            Ok(hashes) => Arc::ptr_eq(loaded, hashes),
            Err(_) => Arc::strong_count(loaded) == 1,
        });
        let hashes = read.map_err(|error: Arc<StoreError>| StoreError::clone(&error))?;
        let hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(hashes.len() > MANY || hashes.contains(&self.hasher.hash_one(used.key.as_str())))
    }

    /// One more is used, or may be.
    pub(super) async fn add(&self, user: UserId, key: &str) {
        if let Some(hashes) = self.loading.get(&user) {
            self.add_to(&hashes, key);
        }
        if let Some(hashes) = self.known.get(&user).await {
            self.add_to(&hashes, key);
        }
    }

    fn add_to(&self, hashes: &Hashes, key: &str) {
        let mut hashes = hashes.lock().unwrap_or_else(PoisonError::into_inner);
        if hashes.len() <= MANY {
            hashes.push(self.hasher.hash_one(key));
        }
    }
}
