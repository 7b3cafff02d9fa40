//! Deleting by age, a little at a time: each run of a sweep deletes a bounded number of records, in change sets of at most `MAX_RECORDS` with
//! pauses between them, and says where the next run goes on.
//!
//! What may go is decided in `domain::retention`; all deletions go through the committer and are right however often they are made, so a run that
//! was cut off is simply made again from where the last one ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::ServiceError;
use crate::clock::Clock;
use crate::domain::job::{JobKind, Run};
use crate::domain::retention::{IdWalk, LogPosition, NodeId, Outlived, Periods, Sweep, first_kept};
use crate::domain::{Seq, Timestamp, Topic, UserId, Write};
use crate::store::{Aged, ChangeSet, Lane, LoggedBatch, Process, Store};

/// Records in one change set.
const MAX_RECORDS: usize = 500;

/// Steps of one run: reads of a window or a stretch of the log, each with at most a few change sets.
const MAX_STEPS: u32 = 200;

/// Between two change sets of a sweep: users go first.
const PAUSE: Duration = Duration::from_millis(5);

/// Between two runs of a sweep that has come to its end, in milliseconds.
const EVERY_MS: i64 = 3_600_000;

/// Between two runs of a sweep that has more to do, in milliseconds.
const SOON_MS: i64 = 1_000;

/// Deletes by age.
pub struct Retention {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    periods: Periods,
}

/// What a run came to.
struct Progress {
    sweep: Sweep,
    has_more: bool,
}

/// What is deleted of each batch in the log.
#[derive(Clone, Copy)]
struct LogParts {
    events: bool,
    keys: bool,
    /// Webhooks and the batch itself, and its process once nothing is left of it.
    batch: bool,
}

impl Retention {
    /// In this store, after these periods.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, periods: Periods) -> Self {
        Self { store, clock, periods }
    }

    /// One bounded run of a sweep.
    ///
    /// # Errors
    /// If the database cannot be read or written; the run is made again.
    pub async fn sweep(&self, sweep: Sweep) -> Result<Run, ServiceError> {
        let (now, periods) = (self.now(), self.periods);
        let before = |period_ms: i64| now.plus_ms(-period_ms);
        let events = LogParts { events: true, keys: false, batch: false };
        let keys = LogParts { events: false, keys: true, batch: false };
        let all = LogParts { events: true, keys: true, batch: true };
        let progress = match sweep {
            Sweep::Holds(walk) => self.holds(walk, before(periods.holds_ms)).await?,
            Sweep::Sessions(walk) => self.sessions(walk, before(periods.sessions_ms)).await?,
            Sweep::Tokens => self.tokens(now).await?,
            Sweep::Keys(log) => {
                let (log, has_more) = self.log(log, keys, before(periods.keys_ms)).await?;
                Progress { sweep: Sweep::Keys(log), has_more }
            }
            Sweep::Events(log) => {
                let (log, has_more) = self.log(log, events, before(periods.events_ms)).await?;
                Progress { sweep: Sweep::Events(log), has_more }
            }
            Sweep::Log(log) => {
                self.delete("node", vec![Outlived::Unseen]).await?;
                let (log, has_more) = self.log(log, all, before(periods.log_ms())).await?;
                Progress { sweep: Sweep::Log(log), has_more }
            }
            Sweep::Notifications(walk) => self.notifications(walk, now).await?,
            Sweep::Unnamed { since } => match self.unnamed(since, now).await? {
                Some(progress) => progress,
                None => return Ok(Run::Done),
            },
            Sweep::Audit(walk) => self.audit(walk, before(periods.audit_ms)).await?,
            Sweep::Addresses(user) => match self.addresses(user).await? {
                Some(progress) => progress,
                None => return Ok(Run::Done),
            },
        };
        let pause_ms = if progress.has_more { SOON_MS } else { EVERY_MS };
        Ok(Run::Again { kind: JobKind::Sweep(progress.sweep), run_at: self.now().plus_ms(pause_ms) })
    }

    /// Holds that ended before `until`. Goes no further than the first live lease, so that start-up need not look before it.
    async fn holds(&self, walk: Option<IdWalk>, until: Timestamp) -> Result<Progress, ServiceError> {
        let Some(mut walk) = self.begin(walk, Aged::Holds).await? else {
            return Ok(Progress { sweep: Sweep::Holds(None), has_more: false });
        };
        for _ in 0..MAX_STEPS {
            let Some(end) = walk.window_end(until) else { return Ok(Progress { sweep: Sweep::Holds(Some(walk)), has_more: false }) };
            let found = self.store.ended_holds(walk.from, end, MAX_RECORDS).await?;
            let is_full = found.outlived.len() >= MAX_RECORDS;
            self.delete("hold", found.outlived).await?;
            if let (Some(lease), false) = (found.stays, is_full) {
                walk.from = lease.max(walk.from);
                return Ok(Progress { sweep: Sweep::Holds(Some(walk)), has_more: false });
            }
            walk = walk.after(end, is_full);
        }
        Ok(Progress { sweep: Sweep::Holds(Some(walk)), has_more: true })
    }

    /// Sessions that were over before `since`. They end in no order, so the walk begins again when it has come to its end.
    async fn sessions(&self, walk: Option<IdWalk>, since: Timestamp) -> Result<Progress, ServiceError> {
        let Some(mut walk) = self.begin(walk, Aged::Sessions).await? else {
            return Ok(Progress { sweep: Sweep::Sessions(None), has_more: false });
        };
        for _ in 0..MAX_STEPS {
            let Some(end) = walk.window_end(since) else { return Ok(Progress { sweep: Sweep::Sessions(None), has_more: false }) };
            let found = self.store.sessions_over(walk.from, end, since, MAX_RECORDS).await?;
            let is_full = found.outlived.len() >= MAX_RECORDS;
            self.delete("family", found.outlived).await?;
            walk = walk.after(end, is_full);
        }
        Ok(Progress { sweep: Sweep::Sessions(Some(walk)), has_more: true })
    }

    /// Notifications that were read long ago, or are so old that nobody reads them, of user after user. They are read in no order, so the walk begins
    /// again when it has come to its end.
    async fn notifications(&self, walk: Option<IdWalk>, now: Timestamp) -> Result<Progress, ServiceError> {
        let first = match walk {
            Some(walk) => Some(walk),
            None => self.store.first_notified().await?.map(IdWalk::starting),
        };
        let Some(mut walk) = first else { return Ok(Progress { sweep: Sweep::Notifications(None), has_more: false }) };
        let (read, made) = (now.plus_ms(-self.periods.read_notifications_ms), now.plus_ms(-self.periods.notifications_ms));
        for _ in 0..MAX_STEPS {
            let Some(end) = walk.window_end(now) else { return Ok(Progress { sweep: Sweep::Notifications(None), has_more: false }) };
            let (outlived, has_any) = self.store.old_notifications((walk.from, end), read, made, MAX_RECORDS).await?;
            let is_full = outlived.len() >= MAX_RECORDS;
            self.delete("notification", outlived).await?;
            walk = if has_any { walk.after(end, is_full) } else { walk.over_nothing(end) };
        }
        Ok(Progress { sweep: Sweep::Notifications(Some(walk)), has_more: true })
    }

    /// Entries of the audit log from before `until`: they are in the order of their ids, so the walk only goes on.
    async fn audit(&self, walk: Option<IdWalk>, until: Timestamp) -> Result<Progress, ServiceError> {
        let Some(mut walk) = self.begin(walk, Aged::Audit).await? else {
            return Ok(Progress { sweep: Sweep::Audit(None), has_more: false });
        };
        for _ in 0..MAX_STEPS {
            let Some(end) = walk.window_end(until) else { return Ok(Progress { sweep: Sweep::Audit(Some(walk)), has_more: false }) };
            let found = self.store.audit_entries(walk.from, end, MAX_RECORDS).await?;
            let is_full = found.outlived.len() >= MAX_RECORDS;
            self.delete("audit", found.outlived).await?;
            walk = walk.after(end, is_full);
        }
        Ok(Progress { sweep: Sweep::Audit(Some(walk)), has_more: true })
    }

    /// The addresses of who was erased; `None` when none is left.
    async fn addresses(&self, user: UserId) -> Result<Option<Progress>, ServiceError> {
        // Each look reads all of the user's entries: so many at once.
        const AT_ONCE: usize = 10_000;
        let found = self.store.addresses_of(user, AT_ONCE).await?;
        let has_more = found.len() >= AT_ONCE;
        self.delete("address", found).await?;
        Ok(has_more.then_some(Progress { sweep: Sweep::Addresses(user), has_more }))
    }

    async fn begin(&self, walk: Option<IdWalk>, table: Aged) -> Result<Option<IdWalk>, ServiceError> {
        match walk {
            Some(walk) => Ok(Some(walk)),
            None => Ok(self.store.first_of(table).await?.map(IdWalk::starting)),
        }
    }

    async fn tokens(&self, now: Timestamp) -> Result<Progress, ServiceError> {
        for _ in 0..MAX_STEPS {
            let outlived = self.store.outlived_tokens(now, MAX_RECORDS).await?;
            let was_last = outlived.len() < MAX_RECORDS;
            self.delete("token", outlived).await?;
            if was_last {
                return Ok(Progress { sweep: Sweep::Tokens, has_more: false });
            }
        }
        Ok(Progress { sweep: Sweep::Tokens, has_more: true })
    }

    /// Walks every process's log up to `until`, deleting what `parts` says; says where it has come to and whether there is more.
    async fn log(&self, log: Vec<LogPosition>, parts: LogParts, until: Timestamp) -> Result<(Vec<LogPosition>, bool), ServiceError> {
        let mut steps = MAX_STEPS;
        let mut positions = Vec::new();
        for Process { node, is_over, .. } in self.store.nodes().await? {
            let next = log.iter().find(|position| position.node == node).map_or(0, |position| position.next);
            let (position, is_empty) = self.log_of(LogPosition { node, next }, parts, until, &mut steps).await?;
            if is_empty && parts.batch && is_over {
                self.delete("node", vec![Outlived::Node(node)]).await?;
            } else {
                positions.push(position);
            }
        }
        Ok((positions, steps == 0))
    }

    /// Walks one process's log; says where it has come to and whether nothing is left after that.
    async fn log_of(
        &self,
        mut position: LogPosition,
        parts: LogParts,
        until: Timestamp,
        steps: &mut u32,
    ) -> Result<(LogPosition, bool), ServiceError> {
        while *steps > 0 {
            let batches = self.store.log(position.node, position.next).await?;
            // Any, and not only the last one: clocks step back.
            let has_young = batches.iter().any(|batch| batch.at >= until);
            for stretch in stretches(&batches, until) {
                if *steps == 0 {
                    return Ok((position, false));
                }
                *steps -= 1;
                self.delete_logged(position.node, &stretch, parts, until).await?;
                position.next = stretch.last().map_or(position.next, |batch| batch.number + 1);
            }
            if has_young || batches.is_empty() {
                return Ok((position, batches.is_empty()));
            }
        }
        Ok((position, false))
    }

    /// Deletes what these batches of a log name, then the batches. A key that they name may have been forgotten since and used anew, by a
    /// batch of its own: only what is from before `until` goes (P7).
    async fn delete_logged(&self, node: NodeId, batches: &[&LoggedBatch], parts: LogParts, until: Timestamp) -> Result<(), ServiceError> {
        let mut outlived = Vec::new();
        if parts.events {
            let mut newest: HashMap<Topic, Seq> = HashMap::new();
            for (topic, seq) in batches.iter().flat_map(|batch| &batch.events) {
                let known = newest.entry(*topic).or_insert(*seq);
                *known = (*known).max(*seq);
            }
            let topics: Vec<Topic> = newest.keys().copied().collect();
            for (topic, head) in self.store.heads(&topics).await? {
                let below = newest.get(&topic).and_then(|old| first_kept(*old, head));
                outlived.extend(below.map(|below| Outlived::Events { topic, below }));
            }
        }
        if parts.keys {
            let key = |(scope, key): &(String, String)| Outlived::Key { scope: scope.clone(), key: key.clone(), before: until };
            outlived.extend(batches.iter().flat_map(|batch| &batch.keys).map(key));
        }
        if parts.batch {
            outlived.extend(batches.iter().flat_map(|batch| &batch.webhooks).cloned().map(Outlived::Webhook));
            outlived.extend(batches.iter().map(|batch| Outlived::Batch { node, number: batch.number }));
        }
        self.delete("log", outlived).await
    }

    /// Keys and webhooks that the log does not name, being from before `since`; `None` when there can be none any more.
    async fn unnamed(&self, since: Timestamp, now: Timestamp) -> Result<Option<Progress>, ServiceError> {
        let (keys, webhooks) = (now.plus_ms(-self.periods.keys_ms), now.plus_ms(-self.periods.webhooks_ms));
        // Each reads both tables whole: so many at once, and seldom.
        const AT_ONCE: usize = 50_000;
        let found = self.store.keys_and_webhooks(keys.min(since), webhooks.min(since), AT_ONCE).await?;
        let has_more = found.len() >= AT_ONCE;
        self.delete("key", found).await?;
        let is_done = !has_more && since < keys && since < webhooks;
        Ok((!is_done).then_some(Progress { sweep: Sweep::Unnamed { since }, has_more }))
    }

    async fn delete(&self, what: &'static str, outlived: Vec<Outlived>) -> Result<(), ServiceError> {
        metrics::counter!("latchkey_records_swept", "table" => what).increment(outlived.len() as u64);
        let mut outlived = outlived.into_iter().map(Write::Sweep).peekable();
        while outlived.peek().is_some() {
            let writes = outlived.by_ref().take(MAX_RECORDS).collect();
            self.store.commit(ChangeSet { writes, ..ChangeSet::default() }, Lane::Normal).await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}

/// The batches from before `until`, in order, in stretches that name about as many records as one change set may have.
fn stretches(batches: &[LoggedBatch], until: Timestamp) -> Vec<Vec<&LoggedBatch>> {
    let mut stretches: Vec<Vec<&LoggedBatch>> = Vec::new();
    let mut records = 0;
    for batch in batches.iter().take_while(|batch| batch.at < until) {
        records += batch.record_count();
        match stretches.last_mut() {
            Some(stretch) if records <= MAX_RECORDS => stretch.push(batch),
            _ => {
                records = batch.record_count();
                stretches.push(vec![batch]);
            }
        }
    }
    stretches
}
