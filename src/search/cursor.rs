//! Where a page ended: the sort key and id of its last home, and which query it belongs to.
//!
//! The next page is what comes after that place in the query's order, whatever has been added, changed or removed since: a home
//! that did not change is neither skipped nor repeated.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::query::Sort;
use crate::domain::{PropertyId, Refusal};

/// A place in the order of a query's results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(super) key: u64,
    pub(super) id: PropertyId,
}

/// The form of cursors: one byte, so that another form can be told from this one.
const FORM: u8 = 1;

const BYTES: usize = 1 + 8 + 8 + 16;

const FOREIGN: Refusal = Refusal::Invalid { field: "cursor", reason: "not a cursor of this query" };

impl Cursor {
    /// What sorts as the results do: for the newest the ids backward.
    pub(super) fn place(self, sort: Sort) -> (u64, [u8; 16]) {
        let id = *self.id.as_bytes();
        match sort {
            Sort::Newest => (self.key, id.map(|byte| !byte)),
            Sort::Distance | Sort::Price | Sort::Rating => (self.key, id),
        }
    }

    /// As clients carry it: opaque, and tied to the query with this fingerprint.
    #[must_use]
    pub fn encode(self, fingerprint: u64) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORM);
        bytes.extend(fingerprint.to_be_bytes());
        bytes.extend(self.key.to_be_bytes());
        bytes.extend(self.id.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The place that a text names in the results of the query with this fingerprint.
    ///
    /// # Errors
    /// `Invalid` (field `cursor`) for any other text, also for the cursor of another query.
    pub fn decode(text: &str, fingerprint: u64) -> Result<Self, Refusal> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| FOREIGN)?;
        let bytes: [u8; BYTES] = bytes.try_into().map_err(|_| FOREIGN)?;
        let number = |from: usize| u64::from_be_bytes(std::array::from_fn(|offset| bytes[from + offset]));
        if bytes[0] != FORM || number(1) != fingerprint {
            return Err(FOREIGN);
        }
        Ok(Self { key: number(9), id: PropertyId::from_bytes(std::array::from_fn(|offset| bytes[17 + offset])) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_only_for_its_own_query() {
        let cursor = Cursor { key: u64::MAX - 7, id: PropertyId::from_bytes([9; 16]) };
        let text = cursor.encode(42);
        assert_eq!(Cursor::decode(&text, 42), Ok(cursor));
        assert_eq!(Cursor::decode(&text, 43), Err(FOREIGN));
        for text in ["", "nonsense", "AQ", &text[1..], &format!("{text}A"), &text.replace('A', "*")] {
            assert_eq!(Cursor::decode(text, 42), Err(FOREIGN), "{text}");
        }
    }
}
