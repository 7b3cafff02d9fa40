//! Who looks at which page, and what each of them was told of it last.
//!
//! Equal queries share a page (`search::Views`), so a search that thousands look at is evaluated once. Changes are noted after they are in the
//! index; a watch is entered before its page is evaluated, and doubts that page if anything was noted in between ("register, then check"). So after the last
//! change every page is evaluated once more at least, or was found not to be touched, and whoever has room is told.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use latchkey_protocol::server::SearchUpdate;
use tokio::sync::Notify;

use crate::domain::{PropertyId, Timestamp};
use crate::search::{Hit, Index, Query, Results, ViewId, Views};
use crate::service::{ServiceError, wire};

/// Watches on this node; further ones are refused as busy.
const MAX_WATCHES: usize = 20_000;

/// Who is told of pages.
pub trait Watcher: Send + Sync {
    /// Whether something may be said to it now. Asked again soon if not.
    fn has_room(&self) -> bool;

    /// Says what a page has become. Called under a lock: it must not wait, nor watch or unwatch anything.
    fn tell(&self, update: &SearchUpdate);
}

struct Watch {
    /// What it is called by who watches.
    number: u32,
    watcher: Arc<dyn Watcher>,
    /// What the watcher knows; nothing before the reply to its command is out.
    shown: Option<Arc<Vec<Hit>>>,
    revision: u64,
}

#[derive(Default)]
struct Desk {
    views: Views,
    /// Who looks at each page, by the ids of their watches: in the order they came, and many can leave at once.
    audiences: HashMap<ViewId, BTreeMap<u64, Watch>>,
    /// Pages that may not be what they were.
    doubted: BTreeSet<ViewId>,
    /// Pages of which somebody knows an older state.
    untold: BTreeSet<ViewId>,
    watches: usize,
    last_id: u64,
}

#[derive(Default)]
struct Changed {
    homes: HashSet<PropertyId>,
    /// How many changes were ever noted.
    noted: u64,
}

/// Every watch of this node.
#[derive(Default)]
pub(super) struct Watches {
    desk: Mutex<Desk>,
    changed: Mutex<Changed>,
    is_watched: AtomicBool,
    /// Told when there is something to do.
    pub(super) news: Notify,
}

/// A page that is to be shown to somebody: the right to be told, given back when dropped; nothing is told afterwards.
pub struct Watching {
    watches: Arc<Watches>,
    view: ViewId,
    id: u64,
    /// The changes that had been noted when it was entered.
    noted: u64,
    results: Option<Results>,
}

impl Watches {
    /// Enters somebody who will look at a page.
    pub(super) fn enter(
        self: &Arc<Self>,
        query: Query,
        limit: usize,
        number: u32,
        watcher: Arc<dyn Watcher>,
    ) -> Result<Watching, ServiceError> {
        let mut desk = self.desk();
        if desk.watches >= MAX_WATCHES {
            return Err(ServiceError::Busy);
        }
        self.is_watched.store(true, Ordering::SeqCst);
        desk.watches += 1;
        desk.last_id += 1;
        let (view, id) = (desk.views.enter(query, limit), desk.last_id);
        desk.audiences.entry(view).or_default().insert(id, Watch { number, watcher, shown: None, revision: 1 });
        metrics::gauge!("latchkey_search_watches").set(desk.watches as f64);
        let noted = self.changed().noted;
        Ok(Watching { watches: Arc::clone(self), view, id, noted, results: None })
    }

    /// Notes that a home is not what it was; the index knows.
    pub(super) fn note(&self, home: PropertyId) {
        if !self.is_watched.load(Ordering::SeqCst) {
            return;
        }
        let mut changed = self.changed();
        changed.noted += 1;
        changed.homes.insert(home);
        drop(changed);
        self.news.notify_one();
    }

    /// The homes that have changed since this was last asked.
    pub(super) fn take_changed(&self) -> Vec<PropertyId> {
        std::mem::take(&mut self.changed().homes).into_iter().collect()
    }

    /// Doubts the pages that these homes may have changed.
    pub(super) fn doubt(&self, index: &Index, homes: &[PropertyId], now: Timestamp) {
        let desk = &mut *self.desk();
        desk.doubted.extend(desk.views.touched(index, homes, now));
    }

    /// Doubts every page that the date alone may have changed.
    pub(super) fn doubt_dated(&self) {
        let desk = &mut *self.desk();
        desk.doubted.extend(desk.views.dated());
    }

    /// Doubts every page.
    pub(super) fn doubt_all(&self) {
        let desk = &mut *self.desk();
        desk.doubted.extend(desk.views.ids());
    }

    /// How many pages a change may have to be compared with.
    pub(super) fn pages(&self) -> usize {
        self.desk().views.len()
    }

    /// The pages that are to be evaluated or told.
    pub(super) fn due(&self) -> Vec<ViewId> {
        let desk = self.desk();
        desk.doubted.union(&desk.untold).copied().collect()
    }

    /// What is to be evaluated for a page: nothing if it is not doubted, or nobody who looks at it has room for news.
    pub(super) fn begin(&self, view: ViewId) -> Option<(Query, usize)> {
        let desk = &mut *self.desk();
        let audience = desk.audiences.get(&view)?;
        let is_wanted = desk.doubted.contains(&view) && audience.values().any(|watch| watch.shown.is_some() && watch.watcher.has_room());
        is_wanted.then(|| desk.doubted.remove(&view));
        desk.views.asked(view).filter(|_| is_wanted)
    }

    /// Puts on a page what was found for it.
    pub(super) fn put(&self, view: ViewId, results: Results) {
        let desk = &mut *self.desk();
        if desk.views.put(view, results) {
            desk.untold.insert(view);
        }
    }

    /// Tells at most so many of those who look at a page what it has become. Says whether there are more.
    pub(super) fn tell(&self, view: ViewId, at_most: usize) -> bool {
        self.desk().tell(view, at_most)
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Taken after `desk`, if both are.
    fn changed(&self) -> MutexGuard<'_, Changed> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Desk {
    fn tell(&mut self, view: ViewId, at_most: usize) -> bool {
        self.untold.remove(&view);
        let Some((query, limit)) = self.views.asked(view) else { return false };
        let (Some(results), Some(audience)) = (self.views.results(view), self.audiences.get_mut(&view)) else { return false };
        let mut left = at_most;
        // Most know the same, so that what is new to one is new to the next.
        let mut news: Option<(Arc<Vec<Hit>>, Option<SearchUpdate>)> = None;
        for Watch { number, watcher, shown, revision } in audience.values_mut() {
            let Some(known) = shown.as_ref().filter(|known| !Arc::ptr_eq(known, &results.hits)) else { continue };
            if left == 0 || !watcher.has_room() {
                self.untold.insert(view);
                continue;
            }
            left -= 1;
            let (_, update) = match news.take() {
                Some(same) if Arc::ptr_eq(&same.0, known) => news.insert(same),
                _ => news.insert((Arc::clone(known), wire::search_update(&query, limit, known, &results.hits))),
            };
            if let Some(update) = update {
                *revision += 1;
                (update.watch, update.revision) = (*number, *revision);
                watcher.tell(update);
                metrics::counter!("latchkey_search_watch_updates_total").increment(1);
            }
            *shown = Some(Arc::clone(&results.hits));
        }
        left == 0 && self.untold.contains(&view)
    }
}

impl Watching {
    /// Keeps what was found for the page, until it is shown.
    pub(super) fn found(&mut self, results: Results) {
        self.results = Some(results);
    }

    /// What the page's number is on its connection has been told, and what is on it: from here on, so is whatever it becomes.
    pub fn begin(&mut self) {
        let Some(results) = self.results.take() else { return };
        let desk = &mut *self.watches.desk();
        let watch = desk.audiences.get_mut(&self.view).and_then(|audience| audience.get_mut(&self.id));
        if let Some(watch) = watch {
            watch.shown = Some(Arc::clone(&results.hits));
        }
        // The page may be newer than this by now, or others may know an older one.
        desk.views.put(self.view, results);
        desk.untold.insert(self.view);
        if self.watches.changed().noted != self.noted {
            desk.doubted.insert(self.view);
        }
        self.watches.news.notify_one();
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let desk = &mut *self.watches.desk();
        let Some(audience) = desk.audiences.get_mut(&self.view) else { return };
        audience.remove(&self.id);
        if audience.is_empty() {
            desk.audiences.remove(&self.view);
            desk.views.remove(self.view);
            desk.doubted.remove(&self.view);
            desk.untold.remove(&self.view);
        }
        desk.watches -= 1;
        metrics::gauge!("latchkey_search_watches").set(desk.watches as f64);
        if desk.watches == 0 {
            self.watches.is_watched.store(false, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::domain::listing::Description;
    use crate::domain::pricing::Rates;
    use crate::domain::{Listing, Location, Terms, UserId};
    use crate::search::Home;

    /// Somebody with or without room, and the revisions they were told.
    #[derive(Default)]
    struct Reader {
        has_room: AtomicBool,
        told: Mutex<Vec<(u32, u64)>>,
    }

    impl Watcher for Reader {
        fn has_room(&self) -> bool {
            self.has_room.load(Ordering::SeqCst)
        }

        fn tell(&self, update: &SearchUpdate) {
            self.told.lock().unwrap().push((update.watch, update.revision));
        }
    }

    impl Reader {
        fn new(has_room: bool) -> Arc<Self> {
            Arc::new(Self { has_room: AtomicBool::new(has_room), told: Mutex::default() })
        }

        fn told(&self) -> Vec<(u32, u64)> {
            std::mem::take(&mut *self.told.lock().unwrap())
        }
    }

    fn hit(number: u8) -> Hit {
        let terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, Rates::nightly(10_000));
        let mut description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
        description.location = Some(Location::from_degrees(48.2, 16.37).unwrap());
        let id = PropertyId::from_bytes([number; 16]);
        let listing = Listing::new(id, UserId::from_bytes([9; 16]), description, terms, Timestamp::from_epoch_ms(0)).publish().unwrap();
        let mut index = Index::new(Timestamp::from_epoch_ms(0).utc_date());
        index.put(Home { listing, seq: 1, taken: Vec::new() });
        index.find(&Query::everything(), None, 1, Timestamp::from_epoch_ms(0)).remove(0)
    }

    fn results(count: u8, version: u64) -> Results {
        Results { hits: Arc::new((1..=count).map(hit).collect()), version }
    }

    fn enter(watches: &Arc<Watches>, number: u32, reader: &Arc<Reader>, found: Results) -> Watching {
        let reader = Arc::clone(reader) as Arc<dyn Watcher>;
        let mut watching = watches.enter(Query::everything(), 20, number, reader).unwrap();
        watching.found(found);
        watching
    }

    /// What the task does for each page that is due; says how many were evaluated.
    fn serve(watches: &Arc<Watches>, found: &Results) -> usize {
        let (mut due, mut evaluated) = (watches.due(), 0);
        while let Some(view) = due.pop() {
            if watches.begin(view).is_some() {
                evaluated += 1;
                watches.put(view, found.clone());
            }
            while watches.tell(view, 1) {}
        }
        evaluated
    }

    #[test]
    fn p10_while_nobody_has_room_nothing_is_evaluated_and_in_the_end_all_know_the_newest() {
        let watches = Arc::<Watches>::default();
        let (quick, slow, other) = (Reader::new(true), Reader::new(false), Reader::new(true));
        let mut watching = [(1, &quick), (2, &slow), (3, &other)].map(|(number, reader)| enter(&watches, number, reader, results(1, 1)));
        watching.iter_mut().take(2).for_each(Watching::begin);
        let doubt = || watches.desk().doubted.insert(1);
        assert_eq!((serve(&watches, &results(1, 1)), watches.due().len()), (0, 0));
        for version in 2..5 {
            doubt();
            assert_eq!(serve(&watches, &results(u8::try_from(version).unwrap(), version)), 1);
        }
        assert_eq!((quick.told(), slow.told(), other.told()), (vec![(1, 2), (1, 3), (1, 4)], vec![], vec![]));
        quick.has_room.store(false, Ordering::SeqCst);
        doubt();
        assert_eq!(serve(&watches, &results(5, 5)), 0, "nobody has room");
        slow.has_room.store(true, Ordering::SeqCst);
        assert_eq!(serve(&watches, &results(5, 5)), 1);
        assert_eq!((quick.told(), slow.told()), (vec![], vec![(2, 2)]));
        quick.has_room.store(true, Ordering::SeqCst);
        assert_eq!(serve(&watches, &results(5, 5)), 0);
        assert_eq!((quick.told(), slow.told(), watches.due()), (vec![(1, 5)], vec![], vec![]));
        // One who began with an older page is told what has become of it.
        watching[2].begin();
        assert_eq!((serve(&watches, &results(5, 5)), other.told()), (0, vec![(3, 2)]));
        drop(watching);
        let desk = watches.desk();
        assert_eq!((desk.views.len(), desk.audiences.len(), desk.watches), (0, 0, 0));
    }

    #[test]
    fn those_who_look_at_a_page_are_told_in_the_order_they_came_whoever_left_in_between() {
        let watches = Arc::<Watches>::default();
        let reader = Reader::new(true);
        let mut watching: Vec<Watching> = (1..=40).map(|number| enter(&watches, number, &reader, results(1, 1))).collect();
        watching.iter_mut().for_each(Watching::begin);
        for gone in [30, 0, 17] {
            drop(watching.remove(gone));
        }
        watches.desk().doubted.insert(1);
        assert_eq!(serve(&watches, &results(2, 2)), 1);
        let told: Vec<u32> = reader.told().into_iter().map(|(number, _)| number).collect();
        assert_eq!(told, (2..=40).filter(|number| ![19, 31].contains(number)).collect::<Vec<_>>());
        let desk = watches.desk();
        assert_eq!((desk.watches, desk.audiences[&1].len()), (37, 37));
        drop(desk);
    }

    #[test]
    fn a_page_is_doubted_if_anything_was_noted_between_its_evaluation_and_its_being_shown() {
        let watches = Arc::<Watches>::default();
        let reader = Reader::new(true);
        let mut watching = enter(&watches, 1, &reader, results(1, 1));
        watches.note(PropertyId::from_bytes([1; 16]));
        assert_eq!(watches.take_changed().len(), 1);
        assert_eq!(serve(&watches, &results(2, 2)), 0, "nothing is told before the reply");
        watching.begin();
        assert_eq!((serve(&watches, &results(2, 2)), reader.told()), (1, vec![(1, 2)]));
        drop(watching);
        watches.note(PropertyId::from_bytes([1; 16]));
        assert_eq!(watches.take_changed(), [], "nobody watches");
    }

    #[test]
    fn p10_there_is_an_end_to_watches() {
        let watches = Arc::<Watches>::default();
        let reader = Reader::new(true);
        watches.desk().watches = MAX_WATCHES;
        let reader = Arc::clone(&reader) as Arc<dyn Watcher>;
        assert!(matches!(watches.enter(Query::everything(), 20, 1, reader), Err(ServiceError::Busy)));
    }
}
