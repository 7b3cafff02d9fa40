//! What the search index is built from: homes with their nights.

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

/// A home, if there is one.
fn home_of(value: Value) -> Result<Option<SearchHome>, StoreError> {
    let row = SearchRow::from_value(value).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let Some(listing) = row.property else { return Ok(None) };
    let nights = row.nights.iter().map(|night| Ok((date(number_of(&night.id)?)?, StoredId::from_uuid(night.claim))));
    let nights = nights.collect::<Result<_, StoreError>>()?;
    Ok(Some(SearchHome { listing: Listing::try_from(listing)?, seq: narrow(row.seq, "seq")?, nights }))
}

impl Store {
    /// These homes with their nights from `from` on; those that are not there, or cannot be read, are left out. Each is of one instant.
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
        for (number, property) in properties.iter().enumerate() {
            match home_of(answers.take(number)?) {
                Ok(home) => homes.extend(home),
                // One must not keep all the others from being found.
                Err(error) => tracing::error!(%property, %error, "a home cannot be read, and is not found"),
            }
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
        let rows: Vec<RecordId> = self.database().scan("SELECT VALUE id FROM block", variables([])).await?;
        rows.iter().map(id_of).collect()
    }
}

#[cfg(test)]
impl Store {
    /// Makes what is stored of a home unreadable.
    pub(crate) async fn damage_home(&self, property: PropertyId) -> Result<(), StoreError> {
        let which = variables([("id", record("property", property).into_value())]);
        Ok(self.database().query("UPDATE $id SET time_zone = 'Nowhere'", which).await?.check().map(drop)?)
    }

    /// Adds the log of a process whose only batch is unreadable.
    pub(crate) async fn damage_log(&self) -> Result<(), StoreError> {
        let node = variables([("node", PropertyId::from_bytes([3; 16]).to_uuid().into_value())]);
        let text =
            "CREATE type::record('node', $node) SET started_at = 0; CREATE commit:[$node, 1] SET at = 0, topics = [['nonsense', 1]];";
        Ok(self.database().query(text, node).await?.check().map(drop)?)
    }
}
