//! Read documents, kept until what they say changes.
//!
//! A change forgets the document before its own answer is given, so nobody reads what was true before their own write. What was read while
//! it changed is never served: each entry carries the number of changes that had happened before it was read, and counts only while no other has.

use std::future::Future;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use moka::future::Cache as Entries;

/// Counters of changes; keys share them, and a shared one costs a read more.
const COUNTERS: usize = 1_024;

/// A document that nobody has read for this long is dropped.
const IDLE: Duration = Duration::from_mins(10);

/// Documents of one kind, by key.
pub struct Cache<K, V> {
    name: &'static str,
    entries: Entries<K, (u64, V)>,
    changes: Vec<AtomicU64>,
    hasher: RandomState,
}

impl<K, V> Cache<K, V>
where
    K: Hash + Eq + Copy + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// An empty cache of at most `capacity` documents; `name` is what its metrics call it.
    #[must_use]
    pub fn new(name: &'static str, capacity: u64) -> Self {
        Self::weighed(name, capacity, |_| 1)
    }

    /// An empty cache of documents that weigh at most `capacity` together.
    #[must_use]
    pub fn weighed(name: &'static str, capacity: u64, weigh: fn(&V) -> usize) -> Self {
        let weigher = move |_: &K, (_, value): &(u64, V)| u32::try_from(weigh(value)).unwrap_or(u32::MAX);
        let entries = Entries::builder().max_capacity(capacity).weigher(weigher).time_to_idle(IDLE).build();
        Self { name, entries, changes: (0..COUNTERS).map(|_| AtomicU64::new(0)).collect(), hasher: RandomState::new() }
    }

    fn counter(&self, key: &K) -> &AtomicU64 {
        let hash = usize::try_from(self.hasher.hash_one(key) % COUNTERS as u64).unwrap_or(0);
        &self.changes[hash]
    }

    /// The document, read by `load` if it is not here. What is not there is not remembered.
    ///
    /// # Errors
    /// What `load` fails with.
    pub async fn get_or_load<E>(&self, key: K, load: impl Future<Output = Result<Option<V>, E>>) -> Result<Option<V>, E> {
        let changes = self.counter(&key);
        let known = self.entries.get(&key).await.filter(|(number, _)| *number == changes.load(Ordering::Acquire));
        let outcome = if known.is_some() { "hit" } else { "miss" };
        metrics::counter!("latchkey_cache_reads", "cache" => self.name, "outcome" => outcome).increment(1);
        if let Some((_, value)) = known {
            return Ok(Some(value));
        }
        let before = changes.load(Ordering::Acquire);
        let Some(value) = load.await? else { return Ok(None) };
        self.entries.insert(key, (before, value.clone())).await;
        Ok(Some(value))
    }

    /// What `key` leads to has changed: called after the commit and before its answer.
    pub fn forget(&self, key: K) {
        // What is there is not taken out, but is never served again.
        self.counter(&key).fetch_add(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn read(cache: &Cache<u8, u64>, key: u8, stored: u64) -> u64 {
        cache.get_or_load(key, async { Ok::<_, Infallible>(Some(stored)) }).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_document_is_read_once_until_it_changes() {
        let cache = Cache::new("test", 10);
        assert_eq!(read(&cache, 1, 7).await, 7);
        assert_eq!(read(&cache, 1, 8).await, 7);
        cache.forget(1);
        assert_eq!(read(&cache, 1, 8).await, 8);
        assert_eq!(cache.get_or_load(2, async { Ok::<_, Infallible>(None) }).await, Ok(None));
        assert_eq!(read(&cache, 2, 3).await, 3, "what was not there may come");
    }

    #[tokio::test]
    async fn a_cache_holds_as_much_as_it_may_weigh() {
        let cache = Cache::weighed("test", 10, |value: &u64| usize::try_from(*value).unwrap());
        for (key, weight) in [(1, 6), (2, 11), (3, 6), (4, 4)] {
            read(&cache, key, weight).await;
            cache.entries.run_pending_tasks().await;
            assert!(cache.entries.weighted_size() <= 10);
        }
        assert!(cache.entries.entry_count() > 0);
    }

    #[tokio::test]
    async fn what_was_read_while_it_changed_is_served_to_its_reader_only() {
        let cache = Cache::new("test", 10);
        let slow = cache.get_or_load(1, async {
            // The database has answered with what was there before; then the change and its answer overtake this reader.
            cache.forget(1);
            Ok::<_, Infallible>(Some(7))
        });
        assert_eq!(slow.await, Ok(Some(7)));
        assert_eq!(read(&cache, 1, 8).await, 8);
    }
}
