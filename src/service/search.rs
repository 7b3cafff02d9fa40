//! Finding homes: the index in memory, kept current by what is committed, and saved so that a start need not read every home.
//!
//! Events come in commit order from the task that pushes them ([`Search::apply`]). Changes of nights are folded in at once; a change of a home, a
//! gap, or anything while the index is being built puts the home on a list (`stale`) of those that are read again as a whole: each with the
//! number of the event that such a read must contain. Because a commit is visible before its event is published, a read
//! afterwards always contains it, so the index ends up right whatever the order of reads and events.

mod ask;
mod file;
mod live;
mod start;
mod watches;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use latchkey_protocol::event::Event as WireEvent;
use latchkey_protocol::rest::{FindProperties, FoundProperty, Page};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use self::watches::Watches;
pub use self::watches::{Watcher, Watching};
use super::turns::Turns;
use super::{ServiceError, wire};
use crate::clock::Clock;
use crate::domain::calendar::NightRun;
use crate::domain::retention::NodeId;
use crate::domain::{ClaimId, Date, PropertyId, Seq, Timestamp, Topic};
use crate::search::{Applied, Home, Index};
use crate::store::{SearchHome, Store, StoreError, StoredEvent};

/// Answers `true` when every event that was published before the call has been applied; `false` if that will never be.
pub type Fence = Box<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// Told of a home that was read as a whole, up to an event.
pub type OnRead = Box<dyn Fn(PropertyId, Seq) + Send + Sync>;

/// How often the index is saved, if it has changed.
const SAVE_EVERY: Duration = Duration::from_mins(1);

/// How long the worker rests when nobody wakes it.
const IDLE: Duration = Duration::from_secs(1);

/// Homes that are read from the store at once.
const READ_AT_ONCE: usize = 64;

/// Days before today from which nights are read: those that preparation may look at, whatever the time zone.
const DAYS_BACK: i32 = 16;

/// What is not in the index as it should be.
struct Stale {
    /// Homes to be read again, and the event that a read of them must contain.
    homes: HashMap<PropertyId, Seq>,
    /// No event is folded in yet; every home that one names is read again.
    is_building: bool,
    /// How far the logs of other processes were contained at the start.
    positions: BTreeMap<NodeId, i64>,
    /// How far they have been followed since.
    followed: BTreeMap<NodeId, i64>,
}

/// The search.
pub struct Search {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    fence: Fence,
    index: Arc<RwLock<Index>>,
    /// Grows whenever the index may have changed.
    version: AtomicU64,
    watches: Arc<Watches>,
    stale: Mutex<Stale>,
    work: Notify,
    is_ready: AtomicBool,
    has_changed: AtomicBool,
    turns: Turns,
    /// Told of homes that were read as a whole, whose events may never come by.
    on_read: OnceLock<OnRead>,
    /// Who saves the index; the one who saves it at the end must not overtake the one who does every minute, nor the process end before them.
    saving: AsyncMutex<()>,
}

impl Search {
    /// An empty index; [`Self::run`] fills it. `file` is where it is saved.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, file: PathBuf, fence: Fence) -> Self {
        let today = Timestamp::from_epoch_ms(clock.now()).utc_date();
        Self {
            store,
            clock,
            file,
            fence,
            index: Arc::new(RwLock::new(Index::new(today))),
            version: AtomicU64::new(0),
            watches: Arc::default(),
            stale: Mutex::new(Stale { homes: HashMap::new(), is_building: true, positions: BTreeMap::new(), followed: BTreeMap::new() }),
            work: Notify::new(),
            is_ready: AtomicBool::new(false),
            has_changed: AtomicBool::new(false),
            turns: Turns::new(),
            on_read: OnceLock::new(),
            saving: AsyncMutex::new(()),
        }
    }

    /// Whether the index contains everything that was there when the process started.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    /// Homes that match, a page of them.
    ///
    /// # Errors
    /// `Invalid` with the field; `Unavailable` while the index is being built; `Busy`.
    pub async fn find(&self, ask: &FindProperties) -> Result<Page<FoundProperty>, ServiceError> {
        let ask::Asked { query, after, limit } = ask::query(ask)?;
        self.check_ready()?;
        let now = self.now();
        self.roll(now);
        let index = Arc::clone(&self.index);
        // One result more than the page holds tells whether there is another page.
        let search = move || index.read().unwrap_or_else(PoisonError::into_inner).find(&query, after, limit + 1, now);
        Ok(wire::found_page(&query, limit, &self.turns.work(search).await?))
    }

    fn check_ready(&self) -> Result<(), ServiceError> {
        let unavailable = || ServiceError::Unavailable("the search index is being built".to_owned());
        self.is_ready().then_some(()).ok_or_else(unavailable)
    }

    /// Takes note of a committed event. To be called for each, in commit order.
    pub fn apply(&self, event: &StoredEvent) {
        let Topic::Property(property) = event.topic else { return };
        self.has_changed.store(true, Ordering::Relaxed);
        let mut stale = self.stale();
        // Known already: another node's log may tell what is in here, and an old "unlisted" must not take out what was published since.
        if !stale.is_building && self.index_ref().seq(property) >= Some(event.seq) {
            return;
        }
        let change = night_run(event);
        let is_awaited = stale.homes.contains_key(&property);
        if let (Some(run), false, false) = (change, stale.is_building, is_awaited) {
            let applied = self.index_mut().apply(property, event.seq, Some(run));
            match applied {
                Applied::Known => return self.watches.note(property),
                // A home that is not published: it is read when it is.
                Applied::Absent => return,
                Applied::Gap => {}
            }
        }
        if matches!(event.kind.as_ref(), "property.unlisted" | "property.deleted") {
            self.index_mut().remove(property);
            self.watches.note(property);
        }
        stale.need(property, event.seq);
        drop(stale);
        self.work.notify_one();
    }

    /// Whether the index contains a home as of that event, or a later one.
    #[must_use]
    pub fn knows(&self, home: PropertyId, seq: Seq) -> bool {
        self.is_ready() && self.index_ref().seq(home) >= Some(seq)
    }

    /// The newest event of a home on sale that this node knows of.
    #[must_use]
    pub fn head_of(&self, home: PropertyId) -> Option<Seq> {
        if !self.is_ready() {
            return None;
        }
        // One that is to be read again has an event that the index does not contain yet.
        let heard_of = self.stale().homes.get(&home).copied();
        self.index_ref().seq(home).map(|seq| heard_of.map_or(seq, |heard_of| heard_of.max(seq)))
    }

    /// Says who is told of homes that were read as a whole, each with the number of the last event that this contains; only once.
    pub fn on_read(&self, on_read: OnRead) {
        let _ = self.on_read.set(on_read);
    }

    /// Every event of these logs up to here has been given to [`Self::apply`], or had happened before this process began to read.
    pub fn followed(&self, positions: &BTreeMap<NodeId, i64>) {
        self.stale().followed.extend(positions);
    }

    /// Builds the index, then keeps it current, until the process ends.
    pub async fn run(self: Arc<Self>) {
        self.start().await;
        let mut saves = tokio::time::interval_at(tokio::time::Instant::now() + SAVE_EVERY, SAVE_EVERY);
        saves.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.work.notified() => {}
                () = tokio::time::sleep(IDLE) => {}
                _ = saves.tick() => self.save().await,
            }
            self.roll(self.now());
            self.read_stale().await;
        }
    }

    /// Reads the homes that must be read again, until there are none.
    async fn read_stale(&self) {
        loop {
            let homes: Vec<PropertyId> = self.stale().homes.keys().take(READ_AT_ONCE).copied().collect();
            if homes.is_empty() {
                return;
            }
            if let Err(error) = self.read_again(&homes).await {
                tracing::warn!(%error, "search cannot read homes; trying again");
                tokio::time::sleep(IDLE).await;
            }
        }
    }

    async fn read_again(&self, properties: &[PropertyId]) -> Result<(), StoreError> {
        let found = self.store.search_homes(properties, self.first_night()).await?;
        let claims: HashSet<ClaimId> = found.iter().flat_map(|home| home.nights.iter().map(|(_, claim)| *claim)).collect();
        let blocks = self.store.blocks_among(&claims.into_iter().collect::<Vec<_>>()).await?;
        let mut found: HashMap<PropertyId, Home> = found.into_iter().map(|home| (home.listing.id, indexed(home, &blocks))).collect();
        let mut stale = self.stale();
        for property in properties {
            let home = found.remove(property);
            let needed = stale.homes.get(property).copied().unwrap_or(0);
            match home {
                // Something happened since: once more.
                Some(home) if home.seq < needed => {}
                Some(home) => {
                    self.tell_read(*property, home.seq);
                    self.index_mut().put(home);
                    stale.homes.remove(property);
                    self.watches.note(*property);
                }
                None => {
                    self.index_mut().remove(*property);
                    stale.homes.remove(property);
                    self.watches.note(*property);
                }
            }
        }
        Ok(())
    }

    fn tell_read(&self, property: PropertyId, seq: Seq) {
        if let Some(on_read) = self.on_read.get() {
            on_read(property, seq);
        }
    }

    /// Moves the index on to the date it is.
    fn roll(&self, now: Timestamp) {
        let today = now.utc_date();
        let is_behind = self.index_ref().is_before(today);
        if is_behind {
            self.index_mut().roll(today);
        }
    }

    fn first_night(&self) -> Date {
        self.now().utc_date().saturating_add(-DAYS_BACK)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }

    fn stale(&self) -> MutexGuard<'_, Stale> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never held for long: readers wait for it. Taken after `stale`, if both are.
    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        let index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        self.version.fetch_add(1, Ordering::AcqRel);
        index
    }

    fn index_ref(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stale {
    fn need(&mut self, property: PropertyId, seq: Seq) {
        let needed = self.homes.entry(property).or_insert(seq);
        *needed = seq.max(*needed);
    }
}

/// A home as the index takes it.
fn indexed(home: SearchHome, blocks: &HashSet<ClaimId>) -> Home {
    let taken = home.taken(blocks);
    Home { listing: home.listing, seq: home.seq, taken }
}

/// The nights that an event changes, if it is one that changes nights and nothing else.
fn night_run(event: &StoredEvent) -> Option<NightRun> {
    if event.kind != "availability.changed" {
        return None;
    }
    let json = format!(r#"{{"type":"availability.changed","data":{}}}"#, event.data);
    match serde_json::from_str(&json) {
        Ok(WireEvent::AvailabilityChanged(range)) => Some(wire::night_run(range)),
        Ok(_) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests;
