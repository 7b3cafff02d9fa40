//! The sandbox's books and their journal: what was answered, what was moved, and the webhooks that are still to be delivered.
//!
//! Each change is a line, written before it counts; opening the journal folds the lines again and starts it anew without those that
//! do not matter any more. One that several processes share is not started anew: each folds in what the others have written before it acts.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;

use latchkey_protocol::{BookingId, EpochMs, PaymentId};
use serde::{Deserialize, Serialize};

use super::event::{SandboxEvent, What};
use super::intent::{Attempt, Intent};
use super::journal::{Journal, Lines};
use crate::durable::{BY_UMASK, write_whole};

/// A line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Entry {
    /// A charge was answered.
    Charged {
        payment: PaymentId,
        attempt: u32,
        #[serde(flatten)]
        answered: Attempt,
    },
    /// Money that was set aside was taken.
    Captured { payment: PaymentId, at: EpochMs },
    /// A payment was given up.
    Canceled { payment: PaymentId },
    /// How much of a payment has gone back.
    Refunded { payment: PaymentId, total_minor: i64 },
    /// A movement to or from a host.
    PaidOut { booking: BookingId, revision: u32, minor: i64 },
    /// A webhook to deliver.
    Due { event: SandboxEvent, at: EpochMs },
    /// A webhook that was taken.
    Delivered { id: String },
}

/// A webhook to deliver.
pub(super) struct Due {
    pub(super) event: SandboxEvent,
    pub(super) at: EpochMs,
    pub(super) tries: u32,
}

#[derive(Default)]
pub(super) struct Books {
    pub(super) intents: HashMap<PaymentId, Intent>,
    pub(super) payouts: HashMap<(BookingId, u32), i64>,
    pub(super) due: Vec<Due>,
    journal: Option<Lines>,
}

impl Books {
    pub(super) fn open(journal: &Journal) -> std::io::Result<Self> {
        let mut books = Self::default();
        match journal {
            Journal::Own(path) => {
                books.fold_all(&std::fs::read_to_string(path).unwrap_or_default());
                books.rewrite(path)?;
                books.journal = Some(Lines::own(path)?);
            }
            Journal::Shared(path) => books.journal = Some(Lines::shared(path)?),
        }
        Ok(books)
    }

    /// Learns what other processes have written, and keeps them from writing until [`Self::leave`].
    pub(super) fn enter(&mut self) {
        match self.journal.as_mut().map(Lines::enter) {
            Some(Ok(text)) => self.fold_all(&text),
            Some(Err(error)) => tracing::error!(%error, "the sandbox cannot read its journal"),
            None => {}
        }
    }

    /// Lets others write.
    pub(super) fn leave(&self) {
        if let Some(journal) = &self.journal {
            journal.leave();
        }
    }

    fn fold_all(&mut self, text: &str) {
        // A line may have been cut by a crash: what is not whole was not answered.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|entry| self.fold(entry));
    }

    /// Writes a change, and makes it.
    pub(super) fn record(&mut self, entry: Entry) {
        self.write(&entry);
        self.fold(entry);
    }

    /// Plans a webhook.
    pub(super) fn plan(&mut self, payment: PaymentId, name: &str, what: What, at: EpochMs) {
        let attempt = self.intents.get(&payment).map_or(0, Intent::last_attempt);
        let event = SandboxEvent { id: format!("evt_{payment}_{attempt}_{name}"), what, payment, attempt };
        self.record(Entry::Due { event, at });
    }

    fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Charged { payment, attempt, answered } => {
                self.intents.entry(payment).or_default().attempts.insert(attempt, answered);
            }
            Entry::Captured { payment, at } => self.intents.entry(payment).or_default().captured_at = Some(at),
            Entry::Canceled { payment } => self.intents.entry(payment).or_default().is_canceled = true,
            Entry::Refunded { payment, total_minor } => self.intents.entry(payment).or_default().refunded_minor = total_minor,
            Entry::PaidOut { booking, revision, minor } => {
                self.payouts.insert((booking, revision), minor);
            }
            Entry::Due { event, at } => self.due.push(Due { event, at, tries: 0 }),
            Entry::Delivered { id } => self.due.retain(|due| due.event.id != id),
        }
    }

    /// Starts a journal of what still matters: what was delivered is left out, and no line is cut.
    fn rewrite(&self, path: &Path) -> std::io::Result<()> {
        write_whole(path, BY_UMASK, |file| self.entries().try_for_each(|entry| writeln!(file, "{}", serde_json::to_string(&entry)?)))
    }

    fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let intents = self.intents.iter().flat_map(|(payment, intent)| {
            let payment = *payment;
            let charged =
                move |(attempt, answered): (&u32, &Attempt)| Entry::Charged { payment, attempt: *attempt, answered: answered.clone() };
            let captured = intent.captured_at.map(|at| Entry::Captured { payment, at });
            let canceled = intent.is_canceled.then_some(Entry::Canceled { payment });
            let refunded = (intent.refunded_minor > 0).then_some(Entry::Refunded { payment, total_minor: intent.refunded_minor });
            intent.attempts.iter().map(charged).chain(captured).chain(canceled).chain(refunded)
        });
        let payouts = self.payouts.iter();
        let payouts = payouts.map(|((booking, revision), minor)| Entry::PaidOut { booking: *booking, revision: *revision, minor: *minor });
        let due = self.due.iter().map(|due| Entry::Due { event: due.event.clone(), at: due.at });
        intents.chain(payouts).chain(due)
    }

    pub(super) fn write(&mut self, entry: &Entry) {
        let Some(journal) = &mut self.journal else { return };
        let line = serde_json::to_string(entry).unwrap_or_default() + "\n";
        if let Err(error) = journal.append(&line) {
            tracing::error!(%error, "the sandbox cannot write its journal");
        }
    }
}
