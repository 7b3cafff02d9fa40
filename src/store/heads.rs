//! Heads of free topics (inboxes), as this node's committer knows them: it numbers their events.
//!
//! A head is loaded on first use and forgotten when another node turns out to have appended; the insert of
//! `event:[topic, seq]` is what makes a stale head harmless. As long as those events are there: so no head is kept for as long as retention leaves them.

use std::collections::HashMap;
use std::time::Duration;

use latchkey_protocol::{Seq, Topic};
use surrealdb::types::SurrealValue;
use tokio::time::Instant;

use super::database::{Database, variables};
use super::error::StoreError;
use super::rows::narrow;

/// Heads are forgotten, all at once, beyond this many: reloading one costs a point read and a short scan.
const MAX_HEADS: usize = 100_000;

/// Heads are forgotten, all at once, this often: far more often than events become old enough to be deleted, which takes a day at least.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// What this node believes the heads to be.
pub(super) struct Heads {
    known: HashMap<Topic, Seq>,
    since: Instant,
}

impl Default for Heads {
    fn default() -> Self {
        Self { known: HashMap::new(), since: Instant::now() }
    }
}

impl Heads {
    /// The head, from memory or the database.
    pub(super) async fn head(&mut self, database: &Database, topic: Topic) -> Result<Seq, StoreError> {
        if let Some(head) = self.known(topic, Instant::now()) {
            return Ok(head);
        }
        let head = read_head(database, topic).await?;
        self.set(topic, head);
        Ok(head)
    }

    fn known(&mut self, topic: Topic, now: Instant) -> Option<Seq> {
        if now.saturating_duration_since(self.since) >= KEPT_FOR {
            self.forget_all();
            self.since = now;
        }
        self.known.get(&topic).copied()
    }

    pub(super) fn set(&mut self, topic: Topic, head: Seq) {
        if self.known.len() >= MAX_HEADS {
            self.known.clear();
        }
        self.known.insert(topic, head);
    }

    pub(super) fn forget(&mut self, topic: Topic) {
        self.known.remove(&topic);
    }

    pub(super) fn forget_all(&mut self) {
        self.known.clear();
    }
}

/// The head of a topic, as stored.
pub(super) async fn read_head(database: &Database, topic: Topic) -> Result<Seq, StoreError> {
    let head: i64 = database.read("RETURN fn::head($topic)", variables([("topic", topic.to_string().into_value())])).await?;
    narrow(head, "head")
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::UserId;

    use super::*;

    #[test]
    fn p4_no_head_is_kept_until_the_events_after_it_may_be_gone() {
        let (mut heads, inbox) = (Heads::default(), Topic::User(UserId::from_bytes([1; 16])));
        let start = heads.since;
        heads.set(inbox, 6);
        assert_eq!(heads.known(inbox, start + KEPT_FOR / 2), Some(6));
        assert_eq!(heads.known(inbox, start + KEPT_FOR), None, "another node's may have been swept since it was read");
    }
}
