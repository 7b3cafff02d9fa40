//! The event log.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use surrealdb::types::{RecordId, SurrealValue, Variables};

use crate::domain::{Seq, Topic};
use crate::store::database::variables;
use crate::store::heads::read_head;
use crate::store::rows::{int, narrow, number_of};
use crate::store::{Store, StoreError, StoredEvent};

#[derive(SurrealValue)]
struct EventRow {
    id: RecordId,
    kind: String,
    at: i64,
    data: String,
}

impl EventRow {
    fn into_event(self, topic: Topic) -> Result<StoredEvent, StoreError> {
        let seq = narrow(number_of(&self.id)?, "event.seq")?;
        Ok(StoredEvent { topic, seq, at: self.at, kind: Cow::Owned(self.kind), data: Arc::from(self.data) })
    }
}

impl Store {
    /// A topic's head: its newest event, 0 if it has none.
    ///
    /// # Errors
    /// As any read.
    pub async fn topic_head(&self, topic: Topic) -> Result<Seq, StoreError> {
        let head = read_head(self.database(), topic).await?;
        self.settled().await;
        Ok(head)
    }

    /// The events `from` to `to`, both included: bounded on both sides, since LIMIT is not pushed into range scans.
    ///
    /// # Errors
    /// As any read.
    pub async fn events(&self, topic: Topic, from: Seq, to: Seq) -> Result<Vec<StoredEvent>, StoreError> {
        let bounds = variables([("topic", topic.to_string().into_value()), ("from", int(from).into_value()), ("to", int(to).into_value())]);
        let rows: Vec<EventRow> = self.database().read("SELECT * FROM event:[$topic, $from]..=[$topic, $to]", bounds).await?;
        self.settled().await;
        rows.into_iter().map(|row| row.into_event(topic)).collect()
    }

    /// The same of several topics, one after the other, in one query.
    ///
    /// # Errors
    /// As any read.
    pub async fn events_of(&self, ranges: &[(Topic, Seq, Seq)]) -> Result<Vec<StoredEvent>, StoreError> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        let (mut text, mut bound) = (String::new(), Variables::new());
        for (number, (topic, from, to)) in ranges.iter().enumerate() {
            bound.insert(format!("t{number}"), topic.to_string());
            bound.insert(format!("f{number}"), int(*from));
            bound.insert(format!("u{number}"), int(*to));
            // Writing to a String cannot fail.
            let _ = write!(text, "SELECT * FROM event:[$t{number}, $f{number}]..=[$t{number}, $u{number}];");
        }
        let mut answers = self.database().query(text, bound).await?.check()?;
        self.settled().await;
        let mut events = Vec::new();
        for (number, (topic, ..)) in ranges.iter().enumerate() {
            let rows: Vec<EventRow> = answers.take(number)?;
            for row in rows {
                events.push(row.into_event(*topic)?);
            }
        }
        Ok(events)
    }
}
