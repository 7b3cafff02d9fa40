//! What other nodes commit, followed in their logs: whatever this node has in memory of it is brought up to date, or known to be out of date.
//!
//! The logs are read twice a second, all in one query, and at once for whoever must know ([`Peers::catch_up`]). They are the truth; a bus between
//! nodes only makes news of it immediate. While they cannot be read this node cannot know whose session has ended elsewhere, so it is told to be
//! discreet ([`Outlook`]). An embedded database has no other nodes, and nothing is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ServiceError;
use crate::domain::retention::NodeId;
use crate::domain::{PropertyId, Seq, Topic};
use crate::store::{LoggedBatch, Notice, Store, StoreError, StoredEvent};

/// How often logs are read when nobody asks for it.
const READ_EVERY: Duration = Duration::from_millis(500);

/// A node that has not read the logs for this long withholds what is private.
const BLIND_AFTER: Duration = Duration::from_secs(1);

/// The longest wait for [`Peers::catch_up`].
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Topics whose events are read at once.
const READ_AT_ONCE: usize = 64;

/// What was read of other nodes' logs, in their order.
#[derive(Debug, Default)]
pub struct News {
    /// What else is otherwise.
    pub notices: Vec<Notice>,
    /// Keys that were used, with their scopes.
    pub keys: Vec<(String, String)>,
    /// The newest event of each topic that has one.
    pub heads: BTreeMap<Topic, Seq>,
    /// The events of homes among them, but for those that are known already.
    pub events: Vec<StoredEvent>,
    /// The homes whose events are known already: the bus has brought them.
    pub known: Vec<PropertyId>,
    /// How far the logs have been read with this.
    pub positions: Vec<(NodeId, i64)>,
}

/// Who acts on it: on all of one before the next.
pub trait Outlook: Send + Sync + 'static {
    /// Whether everything of a home up to that event is known here.
    fn knows(&self, home: PropertyId, seq: Seq) -> bool;

    /// Takes news in.
    fn take(&self, news: News) -> BoxFuture<'_, ()>;

    /// The logs cannot be read, or can be again.
    fn is_blind(&self, is_blind: bool);
}

/// The logs of other nodes.
pub struct Peers {
    store: Arc<Store>,
    /// Reads that were begun, and the last one that came to the end of every log.
    begun: AtomicU64,
    done: watch::Sender<u64>,
    asked: Notify,
    is_blind: AtomicBool,
}

impl Peers {
    /// Nothing read yet.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, begun: AtomicU64::new(0), done: watch::Sender::new(0), asked: Notify::new(), is_blind: AtomicBool::new(false) }
    }

    /// Whether the logs could not be read for a while.
    #[must_use]
    pub fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Acquire)
    }

    /// Waits until this node knows whatever any node had committed when this was called.
    ///
    /// # Errors
    /// `Unavailable` if the logs cannot be read in time.
    pub async fn catch_up(&self) -> Result<(), ServiceError> {
        if self.store.is_alone() {
            return Ok(());
        }
        let mut done = self.done.subscribe();
        // A read that is under way may have begun before.
        let wanted = self.begun.load(Ordering::SeqCst) + 1;
        self.asked.notify_one();
        match tokio::time::timeout(MAX_WAIT, done.wait_for(|done| *done >= wanted)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(ServiceError::Unavailable("the other nodes' logs cannot be read".to_owned())),
        }
    }

    /// Where the logs end now. To be asked before anything is read into memory: what comes later is news.
    ///
    /// # Errors
    /// As any read.
    pub async fn ends(&self) -> Result<BTreeMap<NodeId, i64>, StoreError> {
        if self.store.is_alone() {
            return Ok(BTreeMap::new());
        }
        let mut positions: BTreeMap<NodeId, i64> = self.store.tail(&BTreeMap::new()).await?.nodes.into_iter().collect();
        loop {
            let tail = self.store.tail(&positions).await?;
            for (node, page) in &tail.pages {
                advance(&mut positions, *node, page);
            }
            if tail.is_complete {
                return Ok(positions);
            }
        }
    }

    /// Reads on from these positions, until dropped.
    pub async fn follow(self: Arc<Self>, mut positions: BTreeMap<NodeId, i64>, outlook: Arc<dyn Outlook>) {
        if self.store.is_alone() {
            return std::future::pending().await;
        }
        let mut last_read = Instant::now();
        loop {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let begun = Instant::now();
            match self.read_soon(&mut positions, last_read + BLIND_AFTER, outlook.as_ref()).await {
                // Only at the end of every log is it known whose sessions have ended.
                Ok(false) => continue,
                Ok(true) => {
                    last_read = begun;
                    self.set_blind(false, outlook.as_ref());
                    self.done.send_replace(number);
                }
                Err(error) => {
                    if !self.is_blind() {
                        tracing::warn!(%error, "the logs of other nodes cannot be read");
                    }
                    // An error may come at once, again and again.
                    if Instant::now() >= last_read + BLIND_AFTER {
                        self.set_blind(true, outlook.as_ref());
                    }
                }
            }
            tokio::select! {
                () = self.asked.notified() => {}
                () = tokio::time::sleep_until(begun + READ_EVERY) => {}
            }
        }
    }

    /// One read; if it takes longer than until `blind_at`, that is said meanwhile.
    async fn read_soon(&self, positions: &mut BTreeMap<NodeId, i64>, blind_at: Instant, outlook: &dyn Outlook) -> Result<bool, StoreError> {
        let reading = self.read(positions, outlook);
        tokio::pin!(reading);
        tokio::select! {
            biased;
            read = &mut reading => return read,
            () = tokio::time::sleep_until(blind_at) => {}
        }
        self.set_blind(true, outlook);
        reading.await
    }

    /// Reads what is new and has it acted on; says whether every log was read to its end. Positions move on only with what was acted on.
    async fn read(&self, positions: &mut BTreeMap<NodeId, i64>, outlook: &dyn Outlook) -> Result<bool, StoreError> {
        let tail = self.store.tail(positions).await?;
        // A process that is new here is read from its first batch on, the next time.
        let is_complete = tail.is_complete && tail.nodes.iter().all(|(node, _)| positions.contains_key(node));
        positions.retain(|known, _| tail.nodes.iter().any(|(node, _)| node == known));
        for (node, _) in &tail.nodes {
            positions.entry(*node).or_insert(0);
        }
        if tail.pages.is_empty() {
            return Ok(is_complete);
        }
        let mut news = News::default();
        let mut ranges: BTreeMap<Topic, (Seq, Seq)> = BTreeMap::new();
        for (_, page) in &tail.pages {
            for batch in page {
                news.notices.extend(&batch.notices);
                news.keys.extend_from_slice(&batch.keys);
                for (topic, seq) in &batch.events {
                    let (from, to) = ranges.entry(*topic).or_insert((*seq, *seq));
                    (*from, *to) = ((*from).min(*seq), (*to).max(*seq));
                }
            }
        }
        news.heads = ranges.iter().map(|(topic, (_, to))| (*topic, *to)).collect();
        let mut unknown = Vec::new();
        for (topic, (from, to)) in &ranges {
            // Events of homes are for everybody here: the search follows them all. Others are read if somebody watches.
            let Topic::Property(home) = topic else { continue };
            if outlook.knows(*home, *to) {
                news.known.push(*home);
            } else {
                unknown.push((*topic, *from, *to));
            }
        }
        for ranges in unknown.chunks(READ_AT_ONCE) {
            news.events.extend(self.store.events_of(ranges).await?);
        }
        let mut read = positions.clone();
        for (node, page) in &tail.pages {
            advance(&mut read, *node, page);
        }
        news.positions = read.iter().map(|(node, number)| (*node, *number)).collect();
        metrics::counter!("latchkey_peer_batches_total").increment(tail.pages.iter().map(|(_, page)| page.len() as u64).sum());
        outlook.take(news).await;
        *positions = read;
        Ok(is_complete)
    }

    fn set_blind(&self, is_blind: bool, outlook: &dyn Outlook) {
        if self.is_blind.swap(is_blind, Ordering::AcqRel) != is_blind {
            if is_blind {
                tracing::warn!("the logs of other nodes have not been read for a second: private events are withheld");
            } else {
                tracing::info!("the logs of other nodes can be read again");
            }
            outlook.is_blind(is_blind);
        }
    }
}

fn advance(positions: &mut BTreeMap<NodeId, i64>, node: NodeId, page: &[LoggedBatch]) {
    if let Some(last) = page.last() {
        positions.insert(node, last.number);
    }
}

#[cfg(test)]
mod tests;
