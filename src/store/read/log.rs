//! The logs of batches, one of each process: what retention walks, and what other nodes follow.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Value, Variables};

use crate::domain::retention::{GONE_AFTER_MS, NodeId};
use crate::domain::{Seq, Timestamp, Topic};
use crate::store::database::variables;
use crate::store::notice::Notice;
use crate::store::rows::{narrow, node_uuid, number_of};
use crate::store::{Storage, Store, StoreError};

/// Numbers of one read of a log. They have gaps: a batch that failed has one too.
const LOG_CHUNK: i64 = 128;

/// The processes that may have something to tell. Of those that are over, only who is followed and who cannot be known to everybody for long: one may
/// come and go between two reads, and nobody reads on after half a day.
const PROCESSES: &str = "SELECT id, last, shared, ended FROM node WHERE shared AND (!ended OR id IN $open OR seen_at > time::millis(time::now()) - $known_for);";

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

/// A process that has written here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// Which.
    pub node: NodeId,
    /// Its last batch; none of an embedded database, which has one process and tells nobody.
    pub last: i64,
    /// Whether it commits nothing any more.
    pub is_over: bool,
}

/// What other processes have committed since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// Every process but this one, without those that were over long ago.
    pub nodes: Vec<Process>,
    /// The next batches of each log that goes on, in order.
    pub pages: Vec<(NodeId, Vec<LoggedBatch>)>,
    /// Whether every log was read to where it ended when this was begun, or later.
    pub is_complete: bool,
    /// Whether the others take this process for gone.
    pub is_disowned: bool,
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
    shared: Option<bool>,
    ended: Option<bool>,
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
    pub async fn nodes(&self) -> Result<Vec<Process>, StoreError> {
        let rows: Vec<NodeRow> = self.database().read("SELECT id, last, shared, ended FROM node", variables([])).await?;
        rows.iter().map(|row| self.process(row)).collect()
    }

    fn process(&self, row: &NodeRow) -> Result<Process, StoreError> {
        let node = node_of(&row.id)?;
        // An embedded database has one process, this one.
        let is_over = if self.is_alone() { node != self.committer.node() } else { row.ended == Some(true) || row.shared != Some(true) };
        Ok(Process { node, last: row.last.unwrap_or(0), is_over })
    }

    /// What other processes have committed after these batches of theirs, and which processes there are: one query, as a rule.
    ///
    /// # Errors
    /// As any read. What cannot be read of a batch is passed over, with an error in the log: it must not keep this node from all others.
    pub async fn tail(&self, after: &BTreeMap<NodeId, i64>) -> Result<Tail, StoreError> {
        // First of all: whoever is over by then has committed what is read afterwards, and nothing else.
        let (mut text, mut bound) = (PROCESSES.to_owned(), Variables::new());
        let open: Vec<Value> = after.keys().map(|node| RecordId::new("node", RecordIdKey::Uuid(node_uuid(*node))).into_value()).collect();
        bound.insert("open".to_owned(), open);
        bound.insert("known_for".to_owned(), 2 * GONE_AFTER_MS);
        for (index, (node, number)) in after.iter().enumerate() {
            bound.insert(format!("n{index}"), node_uuid(*node));
            bound.insert(format!("f{index}"), number + 1);
            bound.insert(format!("t{index}"), number.saturating_add(1 + LOG_CHUNK));
            // Writing to a String cannot fail.
            let _ = write!(text, "SELECT * FROM commit:[$n{index}, $f{index}]..[$n{index}, $t{index}];");
        }
        let mut answers = self.database().query(text, bound).await?.check()?;
        let rows: Vec<NodeRow> = answers.take(0)?;
        let processes = rows.iter().map(|row| self.process(row)).collect::<Result<Vec<_>, _>>()?;
        let own = self.committer.node();
        let is_disowned = processes.iter().all(|process| process.node != own || process.is_over);
        let nodes: Vec<Process> = processes.into_iter().filter(|process| process.node != own).collect();
        let mut tail = Tail { nodes, pages: Vec::new(), is_complete: true, is_disowned };
        for (index, (node, number)) in after.iter().enumerate() {
            let mut rows: Vec<Value> = answers.take(1 + index)?;
            let last = tail.nodes.iter().find(|process| process.node == *node).map_or(0, |process| process.last);
            if rows.is_empty() && last > *number {
                // A gap that is longer than a range.
                rows = self.log_rows(*node, number + 1).await?;
            }
            let page: Vec<LoggedBatch> = rows.into_iter().map(readable).collect::<Result<_, StoreError>>()?;
            tail.is_complete &= page.last().map_or(*number, |batch| batch.number) >= last;
            if !page.is_empty() {
                tail.pages.push((*node, page));
            }
        }
        Ok(tail)
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
        self.log_rows(node, from).await?.into_iter().map(batch).collect()
    }

    async fn log_rows(&self, node: NodeId, from: i64) -> Result<Vec<Value>, StoreError> {
        let rows = self.log_range(node, from).await?;
        if !rows.is_empty() {
            return Ok(rows);
        }
        // The end of the log, or a gap that is longer than a range: only then is it read without a bound.
        let whose = variables([("node", node_uuid(node).into_value()), ("from", from.into_value())]);
        let next: Option<RecordId> = self
            .database()
            .read("RETURN (SELECT VALUE id FROM commit:[$node, $from]..=[$node, 9223372036854775807] LIMIT 1)[0]", whose)
            .await?;
        match next {
            Some(next) => self.log_range(node, number_of(&next)?).await,
            None => Ok(Vec::new()),
        }
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
