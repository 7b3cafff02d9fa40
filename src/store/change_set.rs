//! What is committed together: a decision's records and events, and the idempotency record that goes with them.

use std::borrow::Cow;
use std::sync::Arc;

use latchkey_protocol::{EpochMs, Seq, Topic};

use super::idempotency::Idempotency;
use crate::domain::account::AccountWrite;
use crate::domain::{ThreadWrite, Timestamp, Write};

/// An event as it will be stored: its JSON is written here once, and pushed and replayed as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Where.
    pub topic: Topic,
    /// Its number on a guarded topic; `None` on a free one, which the committer numbers.
    pub seq: Option<Seq>,
    /// When it was decided.
    pub at: Timestamp,
    /// Its `type` on the wire.
    pub kind: &'static str,
    /// The JSON of its `data`.
    pub data: Arc<str>,
}

/// An event that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Where.
    pub topic: Topic,
    /// Its number there.
    pub seq: Seq,
    /// When it was decided.
    pub at: EpochMs,
    /// Its `type` on the wire.
    pub kind: Cow<'static, str>,
    /// The JSON of its `data`.
    pub data: Arc<str>,
}

/// All or nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeSet {
    /// Records.
    pub writes: Vec<Write>,
    /// Events, in order.
    pub events: Vec<NewEvent>,
    /// Void unless committed before this instant, by the database's clock (P6).
    pub deadline: Option<Timestamp>,
    /// The first use of a key (P7).
    pub idempotency: Option<Idempotency>,
}

/// Most records of a change set: more than the longest calendar of a home has, and less than holds up every other commit for long.
pub(super) const MAX_RECORDS: usize = 10_000;

impl ChangeSet {
    /// How many records it writes, to bound batches.
    pub(super) fn record_count(&self) -> usize {
        self.writes.len() + self.events.len() + usize::from(self.idempotency.is_some())
    }

    /// Whether every replace and delete rides on a guarded append or on a version that is compared: without either, two
    /// writers could overwrite each other unseen.
    pub(super) fn is_guarded(&self) -> bool {
        let has_guard = self.events.iter().any(|event| event.seq.is_some());
        self.writes.iter().all(|write| match write {
            Write::FreeNight(..) | Write::SetHold(_) | Write::SetBooking(_) | Write::SetPayment(_) | Write::EndJob(_) => has_guard,
            // Carries its own version.
            Write::SetListing(_) | Write::RemovePhoto(_) | Write::EndBlock(_) => has_guard,
            Write::AddPhoto(..) | Write::AddBlock(_) => true,
            Write::SetJob(_) | Write::RemoveJob(..) => true,
            // Nobody replaces it any more, and deleting it twice is the same.
            Write::Sweep(_) => true,
            Write::TakeNight(_)
            | Write::AddHold(_)
            | Write::AddBooking(_)
            | Write::AddPayment(_)
            | Write::AddTransfer(_)
            | Write::AddJob(_)
            | Write::SeeWebhook { .. }
            | Write::AddListing(_)
            | Write::EnsureJob(_) => true,
            Write::Account(write) => self.is_account_write_guarded(write),
            Write::Thread(ThreadWrite::Set(_)) => has_guard,
            // Texts are written once and only taken away.
            Write::Thread(ThreadWrite::Add(_) | ThreadWrite::AddMessage(_) | ThreadWrite::EraseTexts { .. }) => true,
            // Inserts, and replacements that compare: a version, or that it is not read.
            Write::Notification(_) => true,
            Write::AddReview(_) | Write::SetReview(_) => true,
        })
    }

    /// Those that do not carry a version of their own ride on that of the account.
    fn is_account_write_guarded(&self, write: &AccountWrite) -> bool {
        match write {
            AccountWrite::SetLogin(_) | AccountWrite::EndLogin { .. } | AccountWrite::EndOneTime { .. } => {
                self.writes.iter().any(|write| matches!(write, Write::Account(AccountWrite::Set(_))))
            }
            AccountWrite::Add(_)
            | AccountWrite::Set(_)
            | AccountWrite::AddLogin(_)
            | AccountWrite::AddFamily(_)
            | AccountWrite::SetFamily(_)
            | AccountWrite::Revoke { .. }
            | AccountWrite::AddOneTime(_)
            | AccountWrite::AddAudit(_)
            | AccountWrite::SetAdmins(_)
            | AccountWrite::EndFamily { .. } => true,
        }
    }
}
