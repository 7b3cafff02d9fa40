//! Blocks.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, date, id_of, record, refused};
use crate::domain::{Block, Stay, Timestamp};
use crate::store::error::StoreError;

/// `block:[claim]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct BlockRow {
    pub(in crate::store) id: RecordId,
    property: Uuid,
    from: i64,
    to: i64,
    note: Option<String>,
    created_at: i64,
}

impl From<&Block> for BlockRow {
    fn from(block: &Block) -> Self {
        Self {
            id: record("block", block.id),
            property: block.property.to_uuid(),
            from: i64::from(block.nights.check_in().epoch_day()),
            to: i64::from(block.nights.check_out().epoch_day()),
            note: block.note.clone(),
            created_at: block.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<BlockRow> for Block {
    type Error = StoreError;

    fn try_from(row: BlockRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id_of(&row.id)?,
            property: StoredId::from_uuid(row.property),
            nights: Stay::off_sale(date(row.from)?, date(row.to)?).map_err(|refusal| refused(&refusal))?,
            note: row.note,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}
