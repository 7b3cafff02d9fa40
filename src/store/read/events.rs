//! The event log.

use std::borrow::Cow;
use std::sync::Arc;

use surrealdb::types::{RecordId, SurrealValue};

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
        rows.into_iter()
            .map(|row| {
                let seq = narrow(number_of(&row.id)?, "event.seq")?;
                Ok(StoredEvent { topic, seq, at: row.at, kind: Cow::Owned(row.kind), data: Arc::from(row.data) })
            })
            .collect()
    }
}
