//! What the search index is built from: homes with their nights, and the commit log that says which of them changed.

use std::collections::HashSet;
use std::fmt::Write as _;

use surrealdb::types::{RecordId, SurrealValue, Uuid, Value, Variables};

use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;
use crate::domain::{ClaimId, Date, Listing, PropertyId, Seq, Topic};
use crate::store::database::variables;
use crate::store::rows::{ListingRow, StoredId, date, id_of, narrow, number_of, record};
use crate::store::{Store, StoreError};

/// A home and who owns its nights, of one instant.
#[derive(Debug, Clone)]
pub struct SearchHome {
    /// The home.
    pub listing: Listing,
    /// Its topic's head.
    pub seq: Seq,
    /// Nights that are not free, in order.
    pub nights: Vec<(Date, ClaimId)>,
}

impl SearchHome {
    /// Its nights as runs; those that `blocks` own are off sale, and somebody stays in the others.
    #[must_use]
    pub fn taken(&self, blocks: &HashSet<ClaimId>) -> Vec<NightRun> {
        let mut runs: Vec<NightRun> = Vec::new();
        for (date, claim) in &self.nights {
            let state = if blocks.contains(claim) { NightState::Blocked } else { NightState::Booked };
            match runs.last_mut() {
                Some(run) if run.to == *date && run.state == state => run.to = date.saturating_add(1),
                _ => runs.push(NightRun { from: *date, to: date.saturating_add(1), state }),
            }
        }
        runs
    }
}

#[derive(SurrealValue)]
struct SearchRow {
    property: Option<ListingRow>,
    seq: i64,
    nights: Vec<OwnerRow>,
}

#[derive(SurrealValue)]
struct OwnerRow {
    id: RecordId,
    claim: Uuid,
}

#[derive(SurrealValue)]
struct CommitRow {
    id: RecordId,
    topics: Vec<(String, i64)>,
}

/// Batches of one node that are read at once.
const LOG_PAGE: i64 = 256;

/// Some batches of a node's commit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The last batch that was looked for: the next page comes after it.
    pub last: i64,
    /// What the batches appended.
    pub appended: Vec<(Topic, Seq)>,
}

impl Store {
    /// These homes with their nights from `from` on; those that are not there are left out. Each is of one instant.
    ///
    /// # Errors
    /// As any read.
    pub async fn search_homes(&self, properties: &[PropertyId], from: Date) -> Result<Vec<SearchHome>, StoreError> {
        let mut text = String::new();
        let mut bound = Variables::new();
        bound.insert("from", i64::from(from.epoch_day()));
        for (number, property) in properties.iter().enumerate() {
            bound.insert(format!("p{number}"), property.to_uuid());
            bound.insert(format!("t{number}"), Topic::Property(*property).to_string());
            // Writing to a String cannot fail.
            let _ = write!(text, "RETURN fn::search_home($p{number}, $t{number}, $from);");
        }
        if properties.is_empty() {
            return Ok(Vec::new());
        }
        let mut answers = self.database().query(text, bound).await?.check()?;
        self.settled().await;
        let mut homes = Vec::with_capacity(properties.len());
        for number in 0..properties.len() {
            let value: Value = answers.take(number)?;
            let row = SearchRow::from_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let Some(listing) = row.property else { continue };
            let nights = row.nights.iter().map(|night| Ok((date(number_of(&night.id)?)?, StoredId::from_uuid(night.claim))));
            let nights = nights.collect::<Result<_, StoreError>>()?;
            homes.push(SearchHome { listing: Listing::try_from(listing)?, seq: narrow(row.seq, "seq")?, nights });
        }
        Ok(homes)
    }

    /// Which of these claims are blocks; point reads.
    ///
    /// # Errors
    /// As any read.
    pub async fn blocks_among(&self, claims: &[ClaimId]) -> Result<HashSet<ClaimId>, StoreError> {
        if claims.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<Value> = claims.iter().map(|claim| record("block", *claim).into_value()).collect();
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM $ids", variables([("ids", ids.into_value())])).await?;
        rows.iter().map(id_of).collect()
    }

    /// Every block: one scan, when all homes are read.
    ///
    /// # Errors
    /// As any read.
    pub async fn block_ids(&self) -> Result<HashSet<ClaimId>, StoreError> {
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM block", variables([])).await?;
        rows.iter().map(id_of).collect()
    }

    /// Every process that has written here, by the bytes of its id.
    ///
    /// # Errors
    /// As any read.
    pub async fn nodes(&self) -> Result<Vec<[u8; 16]>, StoreError> {
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM node", variables([])).await?;
        rows.iter().map(|row| id_of::<ClaimId>(row).map(|id| *id.as_bytes())).collect()
    }

    /// What a node appended after a batch; nothing if that was its last one.
    ///
    /// # Errors
    /// As any read.
    pub async fn log_after(&self, node: [u8; 16], batch: i64) -> Result<Option<LogPage>, StoreError> {
        let (from, to) = (batch.saturating_add(1), batch.saturating_add(LOG_PAGE));
        let node: Uuid = uuid::Uuid::from_bytes(node).into();
        let bounds = || variables([("node", node.into_value()), ("from", from.into_value()), ("to", to.into_value())]);
        let text = "SELECT id, topics FROM commit:[$node, $from]..=[$node, $to]";
        let rows: Vec<CommitRow> = self.database().read(text, bounds()).await?;
        if rows.is_empty() {
            // Numbers of batches that failed are missing: only what comes after says whether this is the end.
            let text = "SELECT VALUE id FROM commit:[$node, $to]..[$node, 9223372036854775807]";
            let later: Vec<RecordId> = self.database().read(text, bounds()).await?;
            let Some(next) = later.first() else { return Ok(None) };
            return Ok(Some(LogPage { last: number_of(next)? - 1, appended: Vec::new() }));
        }
        let mut page = LogPage { last: batch, appended: Vec::new() };
        for row in rows {
            page.last = page.last.max(number_of(&row.id)?);
            for (topic, seq) in row.topics {
                if let Ok(topic) = topic.parse() {
                    page.appended.push((topic, narrow(seq, "commit.topics")?));
                }
            }
        }
        Ok(Some(page))
    }
}
