//! Pages of results that somebody looks at, and which of them a changed home may change.
//!
//! A page is the first results of its query and one more, which tells whether there is another page. It stays what it is as long as of the homes
//! that changed each one on it is the same result as before, and no other is a result that comes before its last. That is asked of the index home by home,
//! a microsecond each, instead of evaluating the query, and only of pages that the home is on or near: those with a small circle are found by the
//! squares of the map. The answer may be "touched" too often; it is never wrongly "not" (property tests).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::find::Hit;
use super::geo::Cell;
use super::index::Index;
use super::query::Query;
use crate::domain::{PropertyId, Timestamp};

/// Names a page for as long as it is looked at.
pub type ViewId = u64;

/// Squares of the map that a circle may touch to be looked up by them: some 40 km across. Pages with larger ones are asked about every change.
const MAX_CELLS: usize = 64;

/// The first results of a query at some moment, and when that was.
#[derive(Debug, Clone)]
pub struct Results {
    /// As many as the page holds, and one more if there is one.
    pub hits: Arc<Vec<Hit>>,
    /// A number that grows with every change of the index.
    pub version: u64,
}

struct View {
    query: Query,
    limit: usize,
    results: Option<Results>,
    cells: Option<Vec<Cell>>,
}

/// Every page that is looked at; equal ones are one.
#[derive(Default)]
pub struct Views {
    all: HashMap<ViewId, View>,
    pub(super) by_query: HashMap<(Query, usize), ViewId>,
    pub(super) by_cell: HashMap<Cell, HashSet<ViewId>>,
    /// Those that are in no cell's list.
    pub(super) wide: BTreeSet<ViewId>,
    pub(super) by_home: HashMap<PropertyId, HashSet<ViewId>>,
    last_id: ViewId,
}

impl Views {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = ViewId> {
        self.all.keys().copied()
    }

    /// The page of so many results of a query.
    pub fn enter(&mut self, query: Query, limit: usize) -> ViewId {
        if let Some(known) = self.by_query.get(&(query, limit)) {
            return *known;
        }
        self.last_id += 1;
        let id = self.last_id;
        let cells = query.near.and_then(|near| Cell::around(near.centre, near.radius_m, MAX_CELLS));
        match &cells {
            Some(cells) => cells.iter().for_each(|cell| {
                self.by_cell.entry(*cell).or_default().insert(id);
            }),
            None => {
                self.wide.insert(id);
            }
        }
        self.by_query.insert((query, limit), id);
        self.all.insert(id, View { query, limit, results: None, cells });
        id
    }

    /// Forgets a page that nobody looks at any more.
    pub fn remove(&mut self, id: ViewId) {
        let Some(view) = self.all.remove(&id) else { return };
        self.by_query.remove(&(view.query, view.limit));
        self.wide.remove(&id);
        for cell in view.cells.iter().flatten() {
            strike(&mut self.by_cell, *cell, id);
        }
        for home in homes(view.results.as_ref()) {
            strike(&mut self.by_home, home, id);
        }
    }

    /// What is asked for by a page.
    #[must_use]
    pub fn asked(&self, id: ViewId) -> Option<(Query, usize)> {
        self.all.get(&id).map(|view| (view.query, view.limit))
    }

    /// What is on a page.
    #[must_use]
    pub fn results(&self, id: ViewId) -> Option<&Results> {
        self.all.get(&id)?.results.as_ref()
    }

    /// Pages that may change with the date alone: those of certain nights.
    pub fn dated(&self) -> impl Iterator<Item = ViewId> {
        self.all.iter().filter(|(_, view)| view.query.dates.is_some()).map(|(id, _)| *id)
    }

    /// Puts on a page what was found. What is older than what is there changes nothing; says whether it was taken.
    pub fn put(&mut self, id: ViewId, results: Results) -> bool {
        let Some(view) = self.all.get_mut(&id) else { return false };
        if view.results.as_ref().is_some_and(|known| known.version > results.version) {
            return false;
        }
        let before = view.results.replace(results);
        for home in homes(before.as_ref()) {
            strike(&mut self.by_home, home, id);
        }
        for home in homes(self.all.get(&id).and_then(|view| view.results.as_ref())) {
            self.by_home.entry(home).or_default().insert(id);
        }
        true
    }

    /// The pages that may no longer be what they were, since these homes changed: in the index already, and it is `now`.
    #[must_use]
    pub fn touched(&self, index: &Index, changed: &[PropertyId], now: Timestamp) -> BTreeSet<ViewId> {
        let mut shown: HashMap<ViewId, Vec<PropertyId>> = HashMap::new();
        let mut near: HashMap<ViewId, Vec<PropertyId>> = HashMap::new();
        for home in changed {
            for view in self.by_home.get(home).into_iter().flatten() {
                shown.entry(*view).or_default().push(*home);
            }
            for view in index.cell(*home).and_then(|cell| self.by_cell.get(&cell)).into_iter().flatten() {
                near.entry(*view).or_default().push(*home);
            }
        }
        let is_touched = |id: &ViewId| {
            let shown = shown.get(id).map_or(&[][..], Vec::as_slice);
            let others = if self.wide.contains(id) { changed } else { near.get(id).map_or(&[][..], Vec::as_slice) };
            self.all.get(id).is_some_and(|view| view.is_touched(index, shown, others, now))
        };
        let asked: BTreeSet<ViewId> = shown.keys().chain(near.keys()).chain(&self.wide).copied().collect();
        asked.into_iter().filter(is_touched).collect()
    }
}

impl View {
    /// Whether the page may be another, if of the homes that changed these were on it, and the others are where it would find them.
    fn is_touched(&self, index: &Index, shown: &[PropertyId], others: &[PropertyId], now: Timestamp) -> bool {
        // One that was not evaluated yet will be.
        let Some(Results { hits, .. }) = &self.results else { return false };
        let place = |hit: &Hit| hit.cursor().place(self.query.sort);
        let last = hits.last().filter(|_| hits.len() > self.limit).map(place);
        let hit_of = index.hit_of(&self.query, now);
        let is_known = |hit: &Hit| match hits.iter().find(|known| known.listing.id == hit.listing.id) {
            Some(known) => known == hit,
            None => last.is_some_and(|last| place(hit) > last),
        };
        shown.iter().any(|home| hit_of(*home).is_none_or(|hit| !is_known(&hit)))
            || others.iter().any(|home| hit_of(*home).is_some_and(|hit| !is_known(&hit)))
    }
}

fn homes(results: Option<&Results>) -> impl Iterator<Item = PropertyId> {
    results.into_iter().flat_map(|results| results.hits.iter().map(|hit| hit.listing.id))
}

fn strike<K: Eq + std::hash::Hash>(lists: &mut HashMap<K, HashSet<ViewId>>, key: K, id: ViewId) {
    if let Some(list) = lists.get_mut(&key) {
        list.remove(&id);
        if list.is_empty() {
            lists.remove(&key);
        }
    }
}
