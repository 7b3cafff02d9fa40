//! Properties.

use surrealdb::types::{RecordId, SurrealValue, Value};

use crate::domain::{Listing, PropertyId};
use crate::store::database::variables;
use crate::store::rows::{ListingRow, id_of, record};
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

    /// Every home's id.
    ///
    /// # Errors
    /// As any read.
    pub async fn listing_ids(&self) -> Result<Vec<PropertyId>, StoreError> {
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM property", variables([])).await?;
        rows.iter().map(id_of).collect()
    }

    /// These homes, in this order; point reads. Those that are not there are left out.
    ///
    /// # Errors
    /// As any read.
    pub async fn listings(&self, properties: &[PropertyId]) -> Result<Vec<Listing>, StoreError> {
        let ids: Vec<Value> = properties.iter().map(|property| record("property", *property).into_value()).collect();
        let rows: Vec<ListingRow> = self.database().read("SELECT * FROM $ids", variables([("ids", ids.into_value())])).await?;
        self.settled().await;
        rows.into_iter().map(Listing::try_from).collect()
    }
}
