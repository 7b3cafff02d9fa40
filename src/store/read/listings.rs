//! Properties.

use surrealdb::types::{RecordId, SurrealValue, Value, decode, encode};

use crate::domain::{BlockId, Listing, PhotoId, PropertyId, UserId};
use crate::store::database::variables;
use crate::store::rows::{ListingRow, PhotoOwnerRow, StoredId, id_of, narrow, record};
use crate::store::{Store, StoreError};

impl Store {
    /// A home, in whatever state it is.
    ///
    /// # Errors
    /// As any read.
    pub async fn listing(&self, property: PropertyId) -> Result<Option<Listing>, StoreError> {
        self.one::<ListingRow, _>(record("property", property)).await
    }

    /// A home as other nodes of this version can read it.
    #[must_use]
    pub fn copy_of(&self, listing: &Listing) -> Vec<u8> {
        // Numbers and texts: all of them can be written.
        encode(&ListingRow::from(listing).into_value()).unwrap_or_default()
    }

    /// The home that another node has written a copy of; nothing if it is none of that home.
    #[must_use]
    pub fn listing_of(&self, property: PropertyId, copy: &[u8]) -> Option<Listing> {
        let row = decode::<Value>(copy).ok()?;
        Listing::try_from(ListingRow::from_value(row).ok()?).ok().filter(|listing| listing.id == property)
    }

    /// The id of every home that is published; one of an earlier version has no state.
    ///
    /// # Errors
    /// As any read.
    pub async fn published_ids(&self) -> Result<Vec<PropertyId>, StoreError> {
        let text = "SELECT VALUE id FROM property WHERE state = NONE OR state = 'published'";
        let rows: Vec<RecordId> = self.database().scan(text, variables([])).await?;
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

    /// A host's homes that are not deleted, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn listings_page(&self, host: UserId, before: Option<PropertyId>, limit: u16) -> Result<Vec<Listing>, StoreError> {
        let newest = PropertyId::from_bytes([0xff; 16]);
        let text =
            "SELECT * FROM property WHERE host = $host AND record::id(id) < $before AND state != 'deleted' ORDER BY id DESC LIMIT $limit";
        let bounds = variables([
            ("host", host.to_uuid().into_value()),
            ("before", before.unwrap_or(newest).to_uuid().into_value()),
            ("limit", i64::from(limit).into_value()),
        ]);
        let rows: Vec<ListingRow> = self.database().read(text, bounds).await?;
        self.settled().await;
        rows.into_iter().map(Listing::try_from).collect()
    }

    /// How many homes of a host are not deleted.
    ///
    /// # Errors
    /// As any read.
    pub async fn count_listings(&self, host: UserId) -> Result<u64, StoreError> {
        let whose = variables([("host", host.to_uuid().into_value())]);
        let text = "RETURN count(SELECT VALUE id FROM property WHERE host = $host AND state != 'deleted')";
        narrow(self.database().read::<i64>(text, whose).await?, "count")
    }

    /// How many bytes the photos of a host's homes have together.
    ///
    /// # Errors
    /// As any read.
    pub async fn photo_bytes(&self, host: UserId) -> Result<u64, StoreError> {
        let whose = variables([("host", host.to_uuid().into_value())]);
        let text = "RETURN math::sum(array::flatten(SELECT VALUE photos.*.bytes FROM property WHERE host = $host AND photos != NONE))";
        narrow(self.database().read::<i64>(text, whose).await?, "bytes")
    }

    /// The blocks that are stored of a home, also of long ago.
    ///
    /// # Errors
    /// As any read.
    pub async fn blocks_of(&self, property: PropertyId) -> Result<Vec<BlockId>, StoreError> {
        let whose = variables([("property", property.to_uuid().into_value())]);
        let rows: Vec<RecordId> = self.database().read("SELECT VALUE id FROM block WHERE property = $property", whose).await?;
        self.settled().await;
        rows.iter().map(id_of).collect()
    }

    /// Which of these photos are named by a home.
    ///
    /// # Errors
    /// As any read.
    pub async fn photos_named(&self, photos: &[PhotoId]) -> Result<Vec<PhotoId>, StoreError> {
        let ids: Vec<Value> = photos.iter().map(|photo| record("photo", *photo).into_value()).collect();
        let rows: Vec<PhotoOwnerRow> = self.database().read("SELECT * FROM $ids", variables([("ids", ids.into_value())])).await?;
        self.settled().await;
        rows.iter().map(|row| id_of(&row.id)).collect()
    }
}
