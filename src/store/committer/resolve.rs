//! Committing a batch, and what to do when that fails.
//!
//! A named record that exists evicts its change set and the rest goes on; a free topic's event that exists reloads that head
//! and the whole batch goes on. An unnamed conflict bisects. A late deadline or an old version evicts those it concerns. An unknown outcome stops an
//! embedded process and resends an identical batch to a server. An evicted command goes back to its service task, which
//! decides again; never here.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Request, Storage, Worker};
use crate::entropy;
use crate::store::batch::{self, BatchName, Inserted, Transaction};
use crate::store::change_set::{ChangeSet, StoredEvent};
use crate::store::database::variables;
use crate::store::error::{CommitError, Contended, Outcome, StoreError, classify};
use crate::store::rows::event_record;
use surrealdb::types::{RecordId, SurrealValue, Value};

/// How often a batch is tried again over heads or conflicts before its sets are told that somebody else was first.
const MAX_TRIES: u32 = 8;

/// The longest pause before a batch is sent again to a server, in milliseconds.
const MAX_RESEND_PAUSE_MS: u64 = 1_000;

impl Worker {
    /// Commits a batch, answering every request in it.
    pub(super) async fn commit_batch(&mut self, batch: Vec<Request>) {
        // A worklist instead of recursion: bisecting puts both halves back, in order.
        let mut work = vec![(batch, 0)];
        while let Some((mut batch, tries)) = work.pop() {
            self.leave_abandoned(&mut batch);
            if batch.is_empty() {
                continue;
            }
            let events = match self.number(&batch).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::error!(%error, "cannot read the heads of topics");
                    answer_all(batch, &CommitError::Unavailable("cannot read topic heads"));
                    continue;
                }
            };
            let name = BatchName { node: self.node, number: self.next_number, is_shared: self.storage == Storage::Remote };
            self.next_number += 1;
            self.flight.send_modify(|flight| flight.begun = name.number);
            let outcome = self.attempt(name, &batch, &events).await;
            match outcome {
                Outcome::Committed => self.committed(batch, events).await,
                failed => self.resolve(failed, batch, &events, tries, &mut work).await,
            }
            self.flight.send_modify(|flight| flight.answered = name.number);
        }
    }

    async fn attempt(&self, name: BatchName, batch: &[Request], events: &[Vec<StoredEvent>]) -> Outcome {
        let sets: Vec<&ChangeSet> = batch.iter().map(|request| &request.set).collect();
        let transaction = batch::transaction(name, self.clock.now(), self.clock.ahead_of_database_ms(), &sets, events);
        if let Some(number) = transaction.twin {
            return Outcome::Thrown(format!("version:{number}"));
        }
        match (self.send(&transaction).await, self.storage) {
            (Outcome::Unknown(reason), Storage::Remote) => self.resend(name, &transaction, reason).await,
            (outcome, _) => outcome,
        }
    }

    async fn send(&self, transaction: &Transaction) -> Outcome {
        match self.transact.transact(transaction.text.clone(), transaction.variables.clone()).await {
            Ok(errors) => classify(&errors, transaction.commit_index),
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }

    /// Sends an identical batch again until it is known whether it is there: its `commit` record says so. However long that takes, nothing else is
    /// committed by this node meanwhile, and what is new is refused.
    async fn resend(&self, name: BatchName, transaction: &Transaction, reason: String) -> Outcome {
        tracing::warn!(reason, batch = name.number, "a commit's outcome is unknown: sending it again until it is known");
        let mut pause_ms = 50;
        loop {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            pause_ms = MAX_RESEND_PAUSE_MS.min(pause_ms * 2);
            let outcome = self.send_again(name, transaction).await;
            self.is_away.store(outcome.is_none(), Ordering::Release);
            if let Some(outcome) = outcome {
                tracing::info!(batch = name.number, outcome = label(&outcome), "the commit's outcome is known");
                return outcome;
            }
        }
    }

    /// What became of the batch, if the server says.
    async fn send_again(&self, name: BatchName, transaction: &Transaction) -> Option<Outcome> {
        if let Some(outcome) = self.logged(name).await.ok()? {
            return Some(outcome);
        }
        match self.send(transaction).await {
            Outcome::Unknown(_) => None,
            Outcome::Committed => Some(Outcome::Committed),
            // It failed, perhaps because an earlier sending has arrived after all; and if not, that one may still be on its way, and must find its
            // place taken before anybody is told.
            known => match self.send(&batch::void(name, self.clock.now())).await {
                Outcome::Committed => Some(known),
                _ => self.logged(name).await.ok()?,
            },
        }
    }

    /// What the log says of a batch; nothing if there is nothing at its place.
    async fn logged(&self, name: BatchName) -> Result<Option<Outcome>, StoreError> {
        let text = "RETURN (SELECT VALUE void ?? false FROM ONLY $id)";
        let is_void: Option<bool> = self.database.read(text, variables([("id", name.record().into_value())])).await?;
        // Voided by this process a moment ago, without its having heard: what was in it is decided again.
        Ok(is_void.map(|is_void| if is_void { Outcome::Conflict } else { Outcome::Committed }))
    }

    async fn resolve(
        &mut self,
        failed: Outcome,
        batch: Vec<Request>,
        events: &[Vec<StoredEvent>],
        tries: u32,
        work: &mut Vec<(Vec<Request>, u32)>,
    ) {
        metrics::counter!("latchkey_commit_failures", "outcome" => label(&failed)).increment(1);
        match failed {
            Outcome::Committed => {}
            Outcome::Exists(id) => self.resolve_exists(&id, batch, events, tries, work).await,
            Outcome::Conflict => {
                self.heads.forget_all();
                pause(tries).await;
                bisect(batch, tries, &CommitError::Contended(Contended::State), work);
            }
            Outcome::Thrown(thrown) if thrown.starts_with("ended:") => {
                (self.limits.on_end)("the other nodes take this process for gone");
                answer_all(batch, &CommitError::Unavailable("this process has been taken for gone"));
            }
            Outcome::Thrown(thrown) => resolve_thrown(&thrown, batch, tries, work),
            Outcome::Refused(reason) => {
                tracing::error!(reason, sets = batch.len(), "the database refused a batch");
                bisect(batch, MAX_TRIES, &CommitError::Refused(reason), work);
            }
            Outcome::Unknown(reason) => {
                (self.limits.on_end)(&reason);
                answer_all(batch, &CommitError::Unknown);
            }
        }
    }

    async fn resolve_exists(
        &mut self,
        id: &str,
        mut batch: Vec<Request>,
        events: &[Vec<StoredEvent>],
        tries: u32,
        work: &mut Vec<(Vec<Request>, u32)>,
    ) {
        let owner = batch.iter().zip(events).position(|(request, events)| owns(request, events, id));
        let Some(owner) = owner else {
            tracing::warn!(id, "an unknown record exists already");
            bisect(batch, tries, &CommitError::Contended(Contended::State), work);
            return;
        };
        let collided = events[owner].iter().find(|event| batch::event_id(event) == id);
        if let Some(event) = collided.filter(|event| super::is_free(event)) {
            self.heads.forget(event.topic);
            if tries < MAX_TRIES {
                pause(tries).await;
                work.push((batch, tries + 1));
            } else {
                answer_all(batch, &CommitError::Busy);
            }
            return;
        }
        let evicted = batch.remove(owner);
        let what = batch::inserted_ids(&evicted.set).into_iter().find(|(inserted, _)| inserted == id).map(|(_, what)| what);
        let contended = match what {
            Some(Inserted::Key) => Contended::Key,
            Some(Inserted::Login) => Contended::Login,
            Some(Inserted::Webhook) => Contended::Webhook,
            Some(Inserted::State) | None => Contended::State,
        };
        let _ = evicted.reply.send(Err(CommitError::Contended(contended)));
        let mut events: Vec<&[StoredEvent]> = events.iter().map(Vec::as_slice).collect();
        events.remove(owner);
        self.evict_overtaken(&mut batch, &events).await;
        work.push((batch, tries));
    }

    /// Where one set was overtaken by another node, others probably were: all of them leave together, and the rest is not tried once for each.
    async fn evict_overtaken(&self, batch: &mut Vec<Request>, events: &[&[StoredEvent]]) {
        if self.storage == Storage::Embedded || batch.len() < 2 {
            return;
        }
        let first_guarded = |events: &&[StoredEvent]| {
            events.iter().find(|event| !super::is_free(event)).map(|event| event_record(&event.topic.to_string(), event.seq))
        };
        let firsts: Vec<Option<RecordId>> = events.iter().map(first_guarded).collect();
        let asked: Vec<Value> = firsts.iter().flatten().cloned().map(SurrealValue::into_value).collect();
        let stored: Result<Vec<RecordId>, StoreError> =
            self.database.read("SELECT VALUE id FROM $ids", variables([("ids", asked.into_value())])).await;
        // If that cannot be read, they are found one by one.
        let Ok(stored) = stored else { return };
        for (index, first) in firsts.iter().enumerate().rev() {
            if first.as_ref().is_some_and(|first| stored.contains(first)) {
                let _ = batch.remove(index).reply.send(Err(CommitError::Contended(Contended::State)));
            }
        }
    }
}

fn owns(request: &Request, events: &[StoredEvent], id: &str) -> bool {
    events.iter().any(|event| batch::event_id(event) == id) || batch::inserted_ids(&request.set).iter().any(|(inserted, _)| inserted == id)
}

/// Our own THROW: `late:<now>` or `version:<number of the set>`.
fn resolve_thrown(thrown: &str, mut batch: Vec<Request>, tries: u32, work: &mut Vec<(Vec<Request>, u32)>) {
    let evicted: Vec<Request> = match thrown.split_once(':') {
        Some(("late", now)) => {
            let now: i64 = digits(now);
            batch.extract_if(.., |request| request.set.deadline.is_some_and(|deadline| deadline.epoch_ms() <= now)).collect()
        }
        Some(("version", number)) => {
            let number = usize::try_from(digits(number)).unwrap_or(usize::MAX);
            if number < batch.len() { vec![batch.remove(number)] } else { vec![] }
        }
        _ => vec![],
    };
    if evicted.is_empty() {
        bisect(batch, MAX_TRIES, &CommitError::Refused(thrown.to_owned()), work);
        return;
    }
    let error = if thrown.starts_with("late") { CommitError::TooLate } else { CommitError::Contended(Contended::State) };
    answer_all(evicted, &error);
    work.push((batch, tries));
}

/// The number at the beginning of a text.
fn digits(text: &str) -> i64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..end].parse().unwrap_or(i64::MAX)
}

/// Halves a batch that failed without naming a culprit; a single one gets the error.
fn bisect(mut batch: Vec<Request>, tries: u32, error: &CommitError, work: &mut Vec<(Vec<Request>, u32)>) {
    if batch.len() > 1 {
        let second = batch.split_off(batch.len() / 2);
        // Taken from the end: the first half is committed first.
        work.push((second, tries));
        work.push((batch, tries));
    } else if tries < MAX_TRIES {
        work.push((batch, tries + 1));
    } else {
        answer_all(batch, error);
    }
}

fn answer_all(batch: Vec<Request>, error: &CommitError) {
    for request in batch {
        let _ = request.reply.send(Err(error.clone()));
    }
}

/// Waits a little, and not as long as the other node does.
async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(entropy::jitter(2 << tries.min(5)))).await;
}

const fn label(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::Exists(_) => "exists",
        Outcome::Conflict => "conflict",
        Outcome::Thrown(_) => "thrown",
        Outcome::Refused(_) => "refused",
        Outcome::Unknown(_) => "unknown",
    }
}
