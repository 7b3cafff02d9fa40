//! Heads of free topics (inboxes), as this node's committer knows them: it numbers their events.
//!
//! A head is loaded on first use and forgotten when another node turns out to have appended; the insert of
//! `event:[topic, seq]` is what makes a stale head harmless.

use std::collections::HashMap;

use latchkey_protocol::{Seq, Topic};
use surrealdb::types::SurrealValue;

use super::database::{Database, variables};
use super::error::StoreError;
use super::rows::narrow;

/// Heads are forgotten, all at once, beyond this many: reloading one costs a point read and a short scan.
const MAX_HEADS: usize = 100_000;

/// What this node believes the heads to be.
#[derive(Default)]
pub(super) struct Heads {
    known: HashMap<Topic, Seq>,
}

impl Heads {
    /// The head, from memory or the database.
    pub(super) async fn head(&mut self, database: &Database, topic: Topic) -> Result<Seq, StoreError> {
        if let Some(head) = self.known.get(&topic) {
            return Ok(*head);
        }
        let head = read_head(database, topic).await?;
        self.set(topic, head);
        Ok(head)
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
