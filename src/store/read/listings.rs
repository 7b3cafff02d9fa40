//! Properties.

use surrealdb::types::SurrealValue;

use crate::domain::{Listing, PropertyId};
use crate::store::database::variables;
use crate::store::rows::{ListingRow, StoredId, record};
use crate::store::{Store, StoreError};

impl Store {
    /// A home.
    ///
    /// # Errors
    /// As any read.
    pub async fn listing(&self, property: PropertyId) -> Result<Option<Listing>, StoreError> {
        let id = variables([("id", record("property", property).into_value())]);
        let row: Option<ListingRow> = self.database().read("SELECT * FROM ONLY $id", id).await?;
        self.settled().await;
        row.map(Listing::try_from).transpose()
    }

    /// Homes, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn listings(&self, before: Option<PropertyId>, limit: u16) -> Result<Vec<Listing>, StoreError> {
        let newest = PropertyId::from_bytes([0xff; 16]);
        let bound = variables([("before", before.unwrap_or(newest).to_uuid().into_value()), ("limit", i64::from(limit).into_value())]);
        let text = "SELECT * FROM property WHERE record::id(id) < $before ORDER BY id DESC LIMIT $limit";
        let rows: Vec<ListingRow> = self.database().read(text, bound).await?;
        self.settled().await;
        rows.into_iter().map(Listing::try_from).collect()
    }
}
