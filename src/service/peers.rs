//! What other nodes commit, followed in their logs: whatever this node has in memory of it is brought up to date, or known to be out of date.
//!
//! The logs are read several times a second, all in one query, and at once for whoever must know ([`Peers::catch_up`]). They are the truth; a bus
//! between nodes only makes news of it immediate. While they cannot be read this node cannot know whose session has ended elsewhere, so each read
//! says until when it may be trusted with what is private ([`Outlook::trust`]). An embedded database has no other nodes, and nothing is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::ServiceError;
use crate::clock::Clock;
use crate::domain::retention::{GONE_AFTER_MS, NodeId};
use crate::domain::{PropertyId, Seq, Topic};
use crate::store::{ChangeSet, Lane, LoggedBatch, Notice, Store, StoreError, StoredEvent, Tail};

/// How often logs are read when nobody asks for it. With this, a read may take two thirds of a second before anything private is withheld.
const READ_EVERY: Duration = Duration::from_millis(300);

/// The longest rest between two reads that were asked for: the database does other things too.
const MAX_REST: Duration = Duration::from_millis(20);

/// A node that has not read the logs for this long withholds what is private.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// A node that has not read the logs for this long is not ready. Longer, so that it is not sent away for a moment's delay.
const READY_FOR: Duration = Duration::from_secs(3);

/// While the logs cannot be read, the connection to the database is opened anew this often: it may be one that nothing comes back on.
const REOPEN_EVERY: Duration = Duration::from_secs(10);

/// How often a node that has nothing to say says that it is there. Many times in [`GONE_AFTER_MS`].
const SAY_EVERY: Duration = Duration::from_mins(10);

/// The longest wait for [`Peers::catch_up`].
const MAX_WAIT: Duration = Duration::from_secs(5);

/// Topics whose events are read at once.
const READ_AT_ONCE: usize = 64;

/// How far the logs of other processes have been read.
#[derive(Debug, Default)]
pub struct Logs {
    /// The last batch of each that is known here.
    reached: BTreeMap<NodeId, i64>,
    /// Those that are over, and were read to their end.
    over: BTreeSet<NodeId>,
}

impl Logs {
    /// The last batch of each that is known.
    #[must_use]
    pub const fn reached(&self) -> &BTreeMap<NodeId, i64> {
        &self.reached
    }

    /// Those that may go on.
    fn open(&self) -> BTreeMap<NodeId, i64> {
        self.reached.iter().filter(|(node, _)| !self.over.contains(*node)).map(|(node, last)| (*node, *last)).collect()
    }

    /// Takes up processes that are new here, from their first batch on, and forgets those that nothing is left of. Says whether there was a new one.
    fn follow(&mut self, tail: &Tail) -> bool {
        self.reached.retain(|known, _| tail.nodes.iter().any(|process| process.node == *known));
        self.over.retain(|known| self.reached.contains_key(known));
        let known = self.reached.len();
        for process in &tail.nodes {
            self.reached.entry(process.node).or_insert(0);
        }
        self.reached.len() > known
    }

    /// These pages are known now.
    fn advance(&mut self, tail: &Tail) {
        for (node, page) in &tail.pages {
            if let Some(last) = page.last() {
                self.reached.insert(*node, last.number);
            }
        }
        let is_read = |node: &NodeId, last| self.reached.get(node).is_some_and(|reached| *reached >= last);
        let over: Vec<NodeId> = tail
            .nodes
            .iter()
            .filter(|process| process.is_over && is_read(&process.node, process.last))
            .map(|process| process.node)
            .collect();
        self.over.extend(over);
    }
}

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
    /// How far the logs have been read with this.
    pub positions: BTreeMap<NodeId, i64>,
}

/// Who acts on it: on all of one before the next.
pub trait Outlook: Send + Sync + 'static {
    /// Whether everything of a home up to that event is known here.
    fn knows(&self, home: PropertyId, seq: Seq) -> bool;

    /// Takes news in.
    fn take(&self, news: News) -> BoxFuture<'_, ()>;

    /// Until then this node knows whose sessions have ended elsewhere, as far as it must.
    fn trust(&self, until: Instant);
}

/// The logs of other nodes.
pub struct Peers {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    /// Reads that were begun, and the last one that came to the end of every log.
    begun: AtomicU64,
    done: watch::Sender<u64>,
    asked: Notify,
    /// When that was begun.
    last_read: Mutex<Instant>,
}

/// Why the logs are followed no further.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the other nodes take this process for gone")]
    Disowned,
    #[error("this process has not heard of the others for half a day: what it has in memory is too old")]
    TooOld,
}

impl Peers {
    /// Nothing read yet.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        let (done, last_read) = (watch::Sender::new(0), Mutex::new(Instant::now()));
        Self { store, clock, begun: AtomicU64::new(0), done, asked: Notify::new(), last_read }
    }

    /// Whether the logs could be read lately, if there are any.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.store.is_alone() || self.last_read().elapsed() < READY_FOR
    }

    fn last_read(&self) -> Instant {
        *self.last_read.lock().unwrap_or_else(PoisonError::into_inner)
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
    pub async fn ends(&self) -> Result<Logs, StoreError> {
        let mut logs = Logs::default();
        if !self.store.is_alone() {
            let tail = self.store.tail(&BTreeMap::new()).await?;
            logs.reached = tail.nodes.iter().map(|process| (process.node, process.last)).collect();
            logs.advance(&tail);
        }
        Ok(logs)
    }

    /// Reads on from there, until dropped. Returns if this process must not go on: others take it for gone, or it was away for too long.
    pub async fn follow(self: Arc<Self>, mut logs: Logs, outlook: Arc<dyn Outlook>) {
        if self.store.is_alone() {
            return std::future::pending().await;
        }
        let (mut is_told, mut reopened, mut heard_at) = (false, Instant::now(), self.clock.now());
        loop {
            let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            let (begun, now) = (Instant::now(), self.clock.now());
            let is_late = now - heard_at > GONE_AFTER_MS;
            match self.read(&mut logs, is_late, outlook.as_ref()).await {
                // Only at the end of every log is it known whose sessions have ended.
                Ok(false) => continue,
                Ok(true) => {
                    if std::mem::take(&mut is_told) {
                        tracing::info!("the logs of other nodes can be read again");
                    }
                    heard_at = now;
                    *self.last_read.lock().unwrap_or_else(PoisonError::into_inner) = begun;
                    outlook.trust(begun + TRUSTED_FOR);
                    self.done.send_replace(number);
                }
                Err(Ended::Store(error)) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "the logs of other nodes cannot be read: what is private is withheld");
                    }
                    let since = reopened.max(self.last_read());
                    if since.elapsed() >= REOPEN_EVERY {
                        reopened = Instant::now();
                        self.store.reopen();
                    }
                }
                Err(ended) => return tracing::error!("{ended}"),
            }
            // Those who ask again and again get half of the time.
            let rested = Instant::now() + begun.elapsed().min(MAX_REST);
            let asked = async {
                self.asked.notified().await;
                tokio::time::sleep_until(rested).await;
            };
            let _ = tokio::time::timeout_at(begun + READ_EVERY, asked).await;
        }
    }

    /// Says now and then that this process is there: whatever is committed says it, here nothing.
    pub async fn say_so(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SAY_EVERY).await;
            if self.store.is_alone() {
                continue;
            }
            if let Err(error) = self.store.commit(ChangeSet::default(), Lane::Reserved).await {
                tracing::debug!(%error, "the other nodes could not be told that this one is there");
            }
        }
    }

    /// Reads what is new and has it acted on; says whether every log was read to its end. Positions move on only with what was acted on.
    async fn read(&self, logs: &mut Logs, is_late: bool, outlook: &dyn Outlook) -> Result<bool, Ended> {
        let tail = self.store.tail(&logs.open()).await?;
        if tail.is_disowned {
            return Err(Ended::Disowned);
        }
        if is_late {
            return Err(Ended::TooOld);
        }
        // A process that is new here is read from its first batch on, the next time.
        let has_new = logs.follow(&tail);
        if !tail.pages.is_empty() {
            let mut news = self.news(&tail, outlook).await?;
            let reached = tail.pages.iter().filter_map(|(node, page)| Some((*node, page.last()?.number)));
            news.positions = logs.reached.iter().map(|(node, last)| (*node, *last)).chain(reached).collect();
            metrics::counter!("latchkey_peer_batches_total").increment(tail.pages.iter().map(|(_, page)| page.len() as u64).sum());
            outlook.take(news).await;
        }
        logs.advance(&tail);
        Ok(tail.is_complete && !has_new)
    }

    /// What these pages tell, with the events of homes that are not known here.
    async fn news(&self, tail: &Tail, outlook: &dyn Outlook) -> Result<News, StoreError> {
        let mut news = News::default();
        let mut ranges: BTreeMap<Topic, (Seq, Seq)> = BTreeMap::new();
        for batch in tail.pages.iter().flat_map(|(_, page)| page) {
            news.add(batch, &mut ranges);
        }
        news.heads = ranges.iter().map(|(topic, (_, to))| (*topic, *to)).collect();
        let mut unknown = Vec::new();
        for (topic, (from, to)) in &ranges {
            // Events of homes are for everybody here: the search follows them all. Others are read if somebody watches.
            let Topic::Property(home) = topic else { continue };
            if !outlook.knows(*home, *to) {
                unknown.push((*topic, *from, *to));
            }
        }
        for ranges in unknown.chunks(READ_AT_ONCE) {
            news.events.extend(self.store.events_of(ranges).await?);
        }
        Ok(news)
    }
}

impl News {
    fn add(&mut self, batch: &LoggedBatch, ranges: &mut BTreeMap<Topic, (Seq, Seq)>) {
        self.notices.extend(&batch.notices);
        self.keys.extend_from_slice(&batch.keys);
        for (topic, seq) in &batch.events {
            let (from, to) = ranges.entry(*topic).or_insert((*seq, *seq));
            (*from, *to) = ((*from).min(*seq), (*to).max(*seq));
        }
    }
}

#[cfg(test)]
mod tests;
