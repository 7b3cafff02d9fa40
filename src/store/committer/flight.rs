//! What is under way: batches that were sent, and change sets whose callers did not wait for the end.

use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::{Committer, Storage};
use crate::domain::retention::NodeId;
use crate::store::error::CommitError;

/// Batches that were begun and that have answered, by number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flight {
    pub(super) begun: i64,
    pub(super) answered: i64,
    /// How often change sets were taken from the queue, and how often all that were taken together have been answered.
    pub(super) rounds: i64,
    pub(super) rounds_done: i64,
}

impl Committer {
    /// Waits no longer. What has not been taken from the queue will not be committed any more; what has been may.
    pub(super) fn give_up(&self, mut answer: oneshot::Receiver<Result<(), CommitError>>) -> Result<(), CommitError> {
        // First this and then the look at the round, as the worker raises the round and then looks who has gone.
        answer.close();
        if let Ok(answer) = answer.try_recv() {
            return answer;
        }
        self.doubted_round.fetch_max(self.flight.borrow().rounds, Ordering::AcqRel);
        Err(CommitError::Unknown)
    }

    pub(in crate::store) async fn settled(&self) {
        // A server shows what is on disk.
        if self.storage == Storage::Remote {
            return;
        }
        let mut flight = self.flight.clone();
        let begun = flight.borrow_and_update().begun;
        // An error means that the committer is gone, and nothing is in flight.
        let _ = flight.wait_for(|flight| flight.answered >= begun).await;
    }

    pub(in crate::store) async fn outcomes_known(&self) {
        // An error means that the committer is gone, and nothing is in flight.
        let doubted = self.doubted_round.load(Ordering::Acquire);
        let _ = self.flight.clone().wait_for(|flight| flight.rounds_done >= doubted).await;
    }

    pub(in crate::store) fn position(&self) -> (NodeId, i64) {
        (self.node(), self.flight.borrow().answered)
    }
}
