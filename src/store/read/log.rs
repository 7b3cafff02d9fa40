//! The logs of batches, one of each process: what retention walks, and what other nodes follow.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Value, Variables};

use crate::domain::retention::NodeId;
use crate::domain::{Seq, Timestamp, Topic};
use crate::store::database::variables;
use crate::store::notice::Notice;
use crate::store::rows::{narrow, node_uuid, number_of};
use crate::store::{Storage, Store, StoreError};

/// Numbers of one read of a log. They have gaps: a batch that failed has one too.
const LOG_CHUNK: i64 = 128;

/// A batch in the log, and what it inserted that is deleted by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedBatch {
    /// Its number.
    pub number: i64,
    /// When it was committed.
    pub at: Timestamp,
    /// Its events.
    pub events: Vec<(Topic, Seq)>,
    /// Its idempotency keys, with their scopes.
    pub keys: Vec<(String, String)>,
    /// Its webhooks, by the provider's id.
    pub webhooks: Vec<String>,
    /// What else other nodes must know of it.
    pub notices: Vec<Notice>,
}

/// What other processes have committed since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// Every process but this one, with a batch that its log reaches at least.
    pub nodes: Vec<(NodeId, i64)>,
    /// The next batches of each log that goes on, in order.
    pub pages: Vec<(NodeId, Vec<LoggedBatch>)>,
    /// Whether there is nothing after them.
    pub is_complete: bool,
}

impl LoggedBatch {
    /// How many records it names, itself included.
    #[must_use]
    pub fn record_count(&self) -> usize {
        1 + self.events.len() + self.keys.len() + self.webhooks.len()
    }
}

#[derive(SurrealValue)]
struct CommitRow {
    id: RecordId,
    at: i64,
    topics: Vec<(String, i64)>,
    keys: Option<Vec<(String, String)>>,
    webhooks: Option<Vec<String>>,
    notices: Option<Vec<Value>>,
}

#[derive(SurrealValue)]
struct NodeRow {
    id: RecordId,
    last: Option<i64>,
}

impl TryFrom<CommitRow> for LoggedBatch {
    type Error = StoreError;

    fn try_from(row: CommitRow) -> Result<Self, StoreError> {
        let events = row.topics.iter().map(|(topic, seq)| Ok((parse_topic(topic)?, narrow(*seq, "commit.topics")?)));
        let notices = row.notices.unwrap_or_default().into_iter().filter_map(|value| Notice::from_value(value).transpose());
        Ok(Self {
            number: number_of(&row.id)?,
            at: Timestamp::from_epoch_ms(row.at),
            events: events.collect::<Result<_, StoreError>>()?,
            keys: row.keys.unwrap_or_default(),
            webhooks: row.webhooks.unwrap_or_default(),
            notices: notices.collect::<Result<_, StoreError>>()?,
        })
    }
}

pub(super) fn parse_topic(topic: &str) -> Result<Topic, StoreError> {
    topic.parse().map_err(|_| StoreError::Corrupt(format!("topic {topic}")))
}

fn batch(row: Value) -> Result<LoggedBatch, StoreError> {
    CommitRow::from_value(row).map_err(|error| StoreError::Corrupt(error.to_string()))?.try_into()
}

/// A batch, or its number alone if a newer version has written what this one cannot read.
fn readable(row: Value) -> Result<LoggedBatch, StoreError> {
    let id = match &row {
        Value::Object(fields) => fields.get("id").cloned(),
        _ => None,
    };
    batch(row).or_else(|error| {
        let Some(Value::RecordId(id)) = id else { return Err(error) };
        tracing::error!(%error, "a batch of another node cannot be read");
        let (number, at) = (number_of(&id)?, Timestamp::from_epoch_ms(0));
        Ok(LoggedBatch { number, at, events: Vec::new(), keys: Vec::new(), webhooks: Vec::new(), notices: Vec::new() })
    })
}

fn node_of(row: &RecordId) -> Result<NodeId, StoreError> {
    match &row.key {
        RecordIdKey::Uuid(uuid) => Ok(*uuid::Uuid::from(*uuid).as_bytes()),
        _ => Err(StoreError::Corrupt("node without a UUID".to_owned())),
    }
}

impl Store {
    /// Every process that has written here and whose log may not be gone.
    ///
    /// # Errors
    /// As any read.
    pub async fn nodes(&self) -> Result<Vec<NodeId>, StoreError> {
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM node", variables([])).await?;
        rows.iter().map(node_of).collect()
    }

    /// What other processes have committed after these batches of theirs, and which processes there are: one query.
    ///
    /// # Errors
    /// As any read. What cannot be read of a batch is passed over, with an error in the log: it must not keep this node from all others.
    pub async fn tail(&self, after: &BTreeMap<NodeId, i64>) -> Result<Tail, StoreError> {
        let (mut text, mut bound) = ("SELECT id, last FROM node WHERE shared = true;".to_owned(), Variables::new());
        for (index, (node, number)) in after.iter().enumerate() {
            bound.insert(format!("n{index}"), node_uuid(*node));
            bound.insert(format!("f{index}"), number + 1);
            bound.insert(format!("t{index}"), number.saturating_add(1 + LOG_CHUNK));
            // The second finds a batch behind a gap that is longer than a range. Writing to a String cannot fail.
            let _ = write!(
                text,
                "SELECT * FROM commit:[$n{index}, $f{index}]..[$n{index}, $t{index}];\
                 SELECT VALUE id FROM commit:[$n{index}, $t{index}]..=[$n{index}, 9223372036854775807] LIMIT 1;"
            );
        }
        let mut answers = self.database().query(text, bound).await?.check()?;
        let rows: Vec<NodeRow> = answers.take(0)?;
        let nodes = rows.iter().map(|row| Ok((node_of(&row.id)?, row.last.unwrap_or(0)))).collect::<Result<Vec<_>, StoreError>>()?;
        let own = self.committer.node();
        let mut tail = Tail { nodes: nodes.into_iter().filter(|(node, _)| *node != own).collect(), pages: Vec::new(), is_complete: true };
        for (index, node) in after.keys().enumerate() {
            let mut rows: Vec<Value> = answers.take(1 + 2 * index)?;
            let beyond: Vec<RecordId> = answers.take(2 + 2 * index)?;
            tail.is_complete &= beyond.is_empty();
            if let ([], [next, ..]) = (rows.as_slice(), beyond.as_slice()) {
                rows = self.log_range(*node, number_of(next)?).await?;
            }
            if !rows.is_empty() {
                tail.pages.push((*node, rows.into_iter().map(readable).collect::<Result<_, StoreError>>()?));
            }
        }
        Ok(tail)
    }

    /// Whether no process goes on with that log: an embedded database has one process, this one.
    #[must_use]
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.is_alone() && node != self.committer.node()
    }

    /// Whether no other process can be at this database.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        self.storage == Storage::Embedded
    }

    /// The next batches in a process's log, from the number `from` on, in order. Empty: there are none.
    ///
    /// # Errors
    /// As any read.
    pub async fn log(&self, node: NodeId, from: i64) -> Result<Vec<LoggedBatch>, StoreError> {
        let rows = self.log_range(node, from).await?;
        if !rows.is_empty() {
            return rows.into_iter().map(batch).collect();
        }
        // The end of the log, or a gap that is longer than a range: only then is it read without a bound.
        let whose = variables([("node", node_uuid(node).into_value()), ("from", from.into_value())]);
        let next: Option<RecordId> = self
            .database()
            .read("RETURN (SELECT VALUE id FROM commit:[$node, $from]..=[$node, 9223372036854775807] LIMIT 1)[0]", whose)
            .await?;
        let Some(next) = next else { return Ok(Vec::new()) };
        self.log_range(node, number_of(&next)?).await?.into_iter().map(batch).collect()
    }

    async fn log_range(&self, node: NodeId, from: i64) -> Result<Vec<Value>, StoreError> {
        let bounds = variables([
            ("node", node_uuid(node).into_value()),
            ("from", from.into_value()),
            ("to", from.saturating_add(LOG_CHUNK).into_value()),
        ]);
        self.database().read("SELECT * FROM commit:[$node, $from]..[$node, $to]", bounds).await
    }
}
