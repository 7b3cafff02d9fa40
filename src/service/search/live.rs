//! Watched searches: each page is evaluated again when a change may have touched it, and whoever looks at it is told.
//!
//! One task does it all, a slice at a time on a thread that serves no sockets, and rests after each slice for as long as it took: live pages cost half
//! a core at most, however many there are and whatever happens; with more to do than that they come later. What happens within a tick is told
//! together, and a page that nobody has room for is left alone until somebody has.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use latchkey_protocol::client::WatchSearch;
use latchkey_protocol::rest::Page;
use latchkey_protocol::server::SearchWatched;
use tokio::time::Instant;

use super::watches::{Watcher, Watching};
use super::{IDLE, Search, ask};
use crate::domain::PropertyId;
use crate::search::{Query, Results, ViewId};
use crate::service::{ServiceError, wire};

/// A page is evaluated at most once in this time.
const TICK: Duration = Duration::from_millis(250);

/// What is done before others get their turn takes about this long.
const SLICE: Duration = Duration::from_millis(5);

/// Homes that are compared with pages at once, counted for each page: about a slice.
const COMPARED_AT_ONCE: usize = 5_000;

/// Beyond so many homes every page is evaluated again instead: that is as much work as some hundred comparisons of each.
const COMPARED_AT_MOST: usize = 250;

/// Watchers who are told at once.
const TOLD_AT_ONCE: usize = 64;

/// Everywhere on earth dates begin at whole quarters of an hour of UTC.
const QUARTER_MS: i64 = 15 * 60_000;

impl Search {
    /// The first page of what is asked, which is kept current for the watcher once the answer is out: see [`Watching::begin`]. It will be
    /// called `number`.
    ///
    /// # Errors
    /// As [`Self::find`]; `Busy` too when this node has no more room for watches.
    pub async fn watch(
        self: &Arc<Self>,
        ask: WatchSearch,
        number: u32,
        watcher: Arc<dyn Watcher>,
    ) -> Result<(Watching, SearchWatched), ServiceError> {
        let ask::Asked { query, limit, .. } = ask::query(&ask.into())?;
        self.check_ready()?;
        let mut watching = self.watches.enter(query, limit, number, watcher)?;
        let search = Arc::clone(self);
        let results = self.turns.work(move || search.evaluate(&query, limit)).await?;
        let Page { items, next } = wire::found_page(&query, limit, &results.hits);
        watching.found(results);
        Ok((watching, SearchWatched { watch: number, revision: 1, items, next }))
    }

    /// Keeps watched pages current, until the process ends.
    pub async fn keep_watched(self: Arc<Self>) {
        let mut quarter = self.quarter();
        loop {
            if self.watches.due().is_empty() {
                tokio::select! {
                    () = self.watches.news.notified() => {}
                    () = tokio::time::sleep(IDLE) => {}
                }
            }
            let tick = tokio::time::sleep(TICK);
            if self.quarter() != quarter {
                quarter = self.quarter();
                // What is found from here on is newer than what was found before.
                drop(self.index_mut());
                self.watches.doubt_dated();
            }
            self.find_doubted().await;
            self.serve().await;
            tick.await;
        }
    }

    /// Compares what has changed with what is watched.
    async fn find_doubted(self: &Arc<Self>) {
        let changed = self.watches.take_changed();
        if changed.len() > COMPARED_AT_MOST {
            // They are in the index: what is found from here on is newer than what was found before.
            drop(self.index_mut());
            return self.watches.doubt_all();
        }
        for homes in changed.chunks((COMPARED_AT_ONCE / (self.watches.pages() + 1)).max(1)) {
            let (search, homes) = (Arc::clone(self), homes.to_vec());
            aside(move || search.doubt(&homes)).await;
        }
    }

    fn doubt(&self, homes: &[PropertyId]) {
        let now = self.now();
        self.roll(now);
        self.watches.doubt(&self.index_ref(), homes, now);
    }

    /// Evaluates what is doubted and tells what is new.
    async fn serve(self: &Arc<Self>) {
        let mut due = self.watches.due();
        while !due.is_empty() {
            let search = Arc::clone(self);
            due = aside(move || search.serve_some(due)).await;
        }
    }

    /// Does so for some pages; gives the others back.
    fn serve_some(&self, mut due: Vec<ViewId>) -> Vec<ViewId> {
        let end = Instant::now() + SLICE;
        while let Some(view) = due.pop() {
            if let Some((query, limit)) = self.watches.begin(view) {
                self.watches.put(view, self.evaluate(&query, limit));
                metrics::counter!("latchkey_search_watch_evaluations_total").increment(1);
            }
            if self.watches.tell(view, TOLD_AT_ONCE) {
                due.push(view);
            }
            if Instant::now() >= end {
                break;
            }
        }
        due
    }

    /// What a page shows now.
    fn evaluate(&self, query: &Query, limit: usize) -> Results {
        self.roll(self.now());
        let index = self.index_ref();
        let version = self.version.load(Ordering::Acquire);
        // One result more than the page holds tells whether there is another page.
        Results { hits: Arc::new(index.find(query, None, limit + 1, self.now())), version }
    }

    /// How many quarters of an hour have begun.
    fn quarter(&self) -> i64 {
        self.clock.now().div_euclid(QUARTER_MS)
    }
}

/// Does that on a thread that serves no sockets, and rests for as long as it took.
async fn aside<T: Send + Default + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let begun = Instant::now();
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "keeping watched searches current failed");
        T::default()
    });
    tokio::time::sleep(begun.elapsed()).await;
    done
}

#[cfg(test)]
mod tests {
    use jiff::tz::{TimeZone, db};

    use super::*;

    /// Midnight comes by the offset from UTC, or when that changes: all of these are whole quarters.
    #[test]
    fn dates_begin_at_whole_quarters_of_an_hour_everywhere_for_the_next_years() {
        let quarter_s = QUARTER_MS / 1_000;
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let end: jiff::Timestamp = "2037-01-01T00:00:00Z".parse().unwrap();
        let mut zones = 0;
        for name in db().available() {
            let zone = TimeZone::get(name.as_str()).unwrap();
            assert_eq!(i64::from(zone.to_offset(start).seconds()) % quarter_s, 0, "{name}");
            for change in zone.following(start).take_while(|change| change.timestamp() < end) {
                assert_eq!(
                    (change.timestamp().as_second() % quarter_s, i64::from(change.offset().seconds()) % quarter_s),
                    (0, 0),
                    "{name}"
                );
            }
            zones += 1;
        }
        assert!(zones > 300, "{zones}");
    }
}
