//! A block: nights that a host takes off sale, with a note that nobody else sees.

use latchkey_protocol::{BlockId, Date, PropertyId};

use super::error::Refusal;
use super::stay::Stay;
use super::time::Timestamp;

/// Blocks a home may have that are not over.
pub const MAX_BLOCKS: usize = 200;

/// Longest note, in characters.
const MAX_NOTE: usize = 500;

/// Nights off sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its id, which owns the nights.
    pub id: BlockId,
    /// Of which home.
    pub property: PropertyId,
    /// Which nights.
    pub nights: Stay,
    /// Why, for the host alone. It is in this record and nowhere else.
    pub note: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Block {
    /// A block of `[from, to)`.
    ///
    /// # Errors
    /// `Invalid`: 1 to 730 nights, a note of at most 500 characters.
    pub fn new(
        id: BlockId,
        property: PropertyId,
        (from, to): (Date, Date),
        note: Option<&str>,
        created_at: Timestamp,
    ) -> Result<Self, Refusal> {
        let note = note.map(str::trim).filter(|note| !note.is_empty());
        if note.is_some_and(|note| note.chars().count() > MAX_NOTE) {
            return Err(Refusal::Invalid { field: "note", reason: "at most 500 characters" });
        }
        Ok(Self { id, property, nights: Stay::off_sale(from, to)?, note: note.map(str::to_owned), created_at })
    }
}
