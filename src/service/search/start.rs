//! How the index comes to be at start: from the checkpoint and the commit log after it, or from every home in the store.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use futures_util::{StreamExt as _, stream};

use super::{IDLE, READ_AT_ONCE, Search, file, indexed, night_run};
use crate::domain::{PropertyId, Seq, Topic};
use crate::search::Index;
use crate::search::checkpoint::Head;
use crate::store::StoreError;

/// The position of a log that is over, and contained as a whole: a process that had ended when every home was read.
const ENDED: i64 = i64::MAX;

/// Reads of the store that are under way at once while every home is read.
const READS: usize = 2;

/// Progress is logged whenever so many homes have been read.
const TELL_EVERY: usize = 10_000;

/// A home with so many events or more after the checkpoint is read again: an event costs about as much as a night.
const FOLDED_AT_MOST: Seq = 256;

impl Search {
    /// Fills the index; when this returns, it contains whatever was committed before the process started, and since.
    pub(super) async fn start(&self) {
        while let Err(error) = self.fill().await {
            tracing::warn!(%error, "cannot build the search index; trying again");
            tokio::time::sleep(IDLE).await;
        }
        loop {
            self.read_stale().await;
            let mut stale = self.stale();
            // From here on events are folded in; none is lost between, since they wait for this lock.
            if stale.homes.is_empty() {
                stale.is_building = false;
                break;
            }
        }
        self.has_changed.store(true, Ordering::Relaxed);
        self.is_ready.store(true, Ordering::Release);
        let homes = self.index.read().map_or(0, |index| index.len());
        tracing::info!(homes, "search is ready");
    }

    async fn fill(&self) -> Result<(), StoreError> {
        let (path, epoch, now) = (self.file.clone(), self.store.epoch().to_owned(), self.now());
        let today = now.utc_date();
        let loaded = tokio::task::spawn_blocking(move || file::load(&path, &epoch, now, today)).await;
        if let Some((head, index)) = loaded.ok().flatten() {
            tracing::info!(homes = index.len(), "search starts from its checkpoint");
            *self.index_mut() = index;
            let pending = head.pending.iter().copied().collect();
            self.await_again(head);
            match self.go_on(&pending).await {
                // What the checkpoint lacks cannot be known, and trying again would not help.
                Err(error @ StoreError::Corrupt(_)) => tracing::error!(%error, "search cannot go on from its checkpoint"),
                done => return done,
            }
        }
        self.read_all().await
    }

    /// Takes over what the logs name.
    async fn go_on(&self, pending: &HashSet<PropertyId>) -> Result<(), StoreError> {
        self.follow_logs().await?;
        self.fold_in(pending).await
    }

    /// Goes on from where the checkpoint was.
    fn await_again(&self, head: Head) {
        let mut stale = self.stale();
        stale.positions = head.positions;
        for property in head.pending {
            stale.need(property, 0);
        }
    }

    /// Marks every home that the logs name after their positions.
    async fn follow_logs(&self) -> Result<(), StoreError> {
        let (own, _) = self.store.position();
        let mut batches = 0;
        for node in self.store.nodes().await?.into_iter().map(|process| process.node).filter(|node| *node != own) {
            let mut position = self.stale().positions.get(&node).copied().unwrap_or(0);
            while position != ENDED {
                let page = self.store.log(node, position + 1).await?;
                let Some(last) = page.last().filter(|last| last.number > position) else { break };
                position = last.number;
                batches += page.len();
                let mut stale = self.stale();
                for (topic, seq) in page.iter().flat_map(|batch| &batch.events) {
                    if let Topic::Property(property) = topic {
                        stale.need(*property, *seq);
                    }
                }
                stale.positions.insert(node, position);
            }
        }
        tracing::info!(batches, homes = self.stale().homes.len(), "search has followed the commit logs");
        Ok(())
    }

    /// Brings the homes that the logs name up to date by their events, where these change nothing but nights: what a crash left to do, which may
    /// concern every home, is then a few rows of each and not a year of nights. The others stay on the list of those that are read again as a
    /// whole, and so does what the checkpoint said was `pending`.
    async fn fold_in(&self, pending: &HashSet<PropertyId>) -> Result<(), StoreError> {
        let behind: Vec<(Topic, Seq, Seq)> = {
            let stale = self.stale();
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let named = stale.homes.iter().filter(|(property, _)| !pending.contains(property));
            let range = |(property, needed): (&PropertyId, &Seq)| Some((Topic::Property(*property), index.seq(*property)? + 1, *needed));
            named.filter_map(range).filter(|(_, from, to)| to.saturating_sub(*from) < FOLDED_AT_MOST).collect()
        };
        for ranges in behind.chunks(READ_AT_ONCE) {
            let missing: Vec<_> = ranges.iter().filter(|(_, from, to)| from <= to).copied().collect();
            let events = self.store.events_of(&missing).await?;
            let mut stale = self.stale();
            let mut index = self.index_mut();
            for event in &events {
                if let (Topic::Property(property), Some(run)) = (event.topic, night_run(event)) {
                    // After an event of another kind, or one that retention has deleted, there is a gap: then the home is not up to date below.
                    index.apply(property, event.seq, Some(run));
                }
            }
            // More may have happened meanwhile, and is on the list.
            for (topic, ..) in ranges {
                let Topic::Property(property) = topic else { continue };
                if index.seq(*property) >= stale.homes.get(property).copied() {
                    stale.homes.remove(property);
                }
            }
        }
        tracing::info!(homes = behind.len(), to_read = self.stale().homes.len(), "search has folded in what the logs name");
        Ok(())
    }

    /// Reads every home.
    async fn read_all(&self) -> Result<(), StoreError> {
        // Logs that may go on are followed from before this; the others are contained as a whole.
        let over = self.store.nodes().await?.into_iter().filter(|process| process.is_over);
        let ended: Vec<_> = over.map(|process| (process.node, ENDED)).collect();
        *self.index_mut() = Index::new(self.now().utc_date());
        let mut properties = self.store.published_ids().await?;
        properties.sort_unstable();
        // A block that is made from now on comes with an event, and its home is read again.
        let blocks = Arc::new(self.store.block_ids().await?);
        let total = properties.len();
        tracing::info!(homes = total, "search reads every home");
        let first_night = self.first_night();
        let read = |properties: Vec<PropertyId>| async move { self.store.search_homes(&properties, first_night).await };
        let chunks: Vec<Vec<PropertyId>> = properties.chunks(READ_AT_ONCE).map(<[PropertyId]>::to_vec).collect();
        let mut reads = stream::iter(chunks).map(read).buffered(READS);
        let mut done = 0;
        while let Some(homes) = reads.next().await {
            for home in homes? {
                let home = indexed(home, &blocks);
                self.tell_read(home.listing.id, home.seq);
                self.index_mut().put(home);
            }
            let before = done;
            done = (done + READ_AT_ONCE).min(total);
            if before / TELL_EVERY != done / TELL_EVERY {
                tracing::info!(done, of = total, "search reads every home");
            }
        }
        self.stale().positions.extend(ended);
        Ok(())
    }
}
