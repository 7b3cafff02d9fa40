//! The index as a file: what a node starts from, so that it need not read every home again.
//!
//! It says of which history it is (`epoch`), when it was written and how far each node's commit log is contained. It may be fuzzy:
//! homes are written while events go on, so some are newer than the positions say. That is harmless: whatever a log names after its position is
//! read again as a whole. Every byte is under a checksum, and a file that is not exactly right is no checkpoint.

mod reader;
mod writer;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{Context, SHA256, digest};

use self::reader::Reader;
use self::writer::Writer;
use super::index::Index;
use super::nights::HomeNights;
use crate::domain::retention::NodeId;
use crate::domain::{Date, PropertyId};

/// The form of the file; another one is not read. To be raised with every change of what is written.
const VERSION: u32 = 2;

const MAGIC: &[u8; 8] = b"LKSEARCH";

/// Length of the checksum at the end.
const SUM_BYTES: usize = 32;

/// A home's bytes, more or less.
const USUAL_HOME_BYTES: usize = 1_024;

/// Homes that are written at once; between, others may use the index.
const HOMES_AT_ONCE: usize = 256;

/// What a checkpoint is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The database's history.
    pub epoch: String,
    /// When writing began.
    pub written_at_ms: i64,
    /// Of each node, the last batch that is contained, and with it all before.
    pub positions: BTreeMap<NodeId, i64>,
    /// Homes that were to be read again when writing began.
    pub pending: Vec<PropertyId>,
}

/// Why a file is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not one at all, or of another version of the program.
    #[error("another form")]
    Form,
    /// Cut short or changed.
    #[error("the checksum is wrong")]
    Torn,
    /// Its bytes are right, but mean nothing to this program.
    #[error("a value that is none of ours")]
    Meaningless,
}

/// A checkpoint that is being written, part by part.
pub struct Draft {
    next: usize,
    sum: Context,
}

impl Draft {
    /// Begins with the positions: what is added afterwards contains at least as much. Gives the first part of the file.
    #[must_use]
    pub fn begin(head: &Head) -> (Self, Vec<u8>) {
        let mut writer = Writer::default();
        writer.raw(MAGIC);
        writer.u32(VERSION);
        writer.text(&head.epoch);
        writer.i64(head.written_at_ms);
        writer.length(head.positions.len());
        for (node, number) in &head.positions {
            writer.raw(node);
            writer.i64(*number);
        }
        writer.length(head.pending.len());
        for property in &head.pending {
            writer.raw(property.as_bytes());
        }
        let mut draft = Self { next: 0, sum: Context::new(&SHA256) };
        let part = draft.seal(writer.into_bytes());
        (draft, part)
    }

    /// The next homes as bytes that are still to be sealed, until there are none. The index is needed only for this.
    #[must_use]
    pub fn homes(&mut self, index: &Index) -> Option<Vec<u8>> {
        let (from, end) = (self.next, index.entries.len().min(self.next + HOMES_AT_ONCE));
        self.next = end;
        let mut writer = Writer::with_room(HOMES_AT_ONCE * USUAL_HOME_BYTES);
        for slot in from..end {
            let Some(entry) = &index.entries[slot] else { continue };
            writer.u8(1);
            writer.listing(&entry.listing);
            writer.u64(entry.seq);
            writer.date(index.nights.first());
            writer.nights(&index.nights.export(u32::try_from(slot).unwrap_or(u32::MAX)));
        }
        (from < end).then(|| writer.into_bytes())
    }

    /// Takes a part into the checksum.
    pub fn seal(&mut self, part: Vec<u8>) -> Vec<u8> {
        self.sum.update(&part);
        part
    }

    /// The last part.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let mut end = self.seal(vec![0]);
        end.extend_from_slice(self.sum.finish().as_ref());
        end
    }
}

/// Reads a checkpoint; `today` is the date in UTC.
///
/// # Errors
/// [`Unreadable`]: build the index anew.
pub fn read(bytes: &[u8], today: Date) -> Result<(Head, Index), Unreadable> {
    if bytes.len() < MAGIC.len() + 4 + SUM_BYTES || !bytes.starts_with(MAGIC) {
        return Err(Unreadable::Form);
    }
    let (body, sum) = bytes.split_at(bytes.len() - SUM_BYTES);
    let mut reader = Reader::new(&body[MAGIC.len()..]);
    if reader.u32()? != VERSION {
        return Err(Unreadable::Form);
    }
    if digest(&SHA256, body).as_ref() != sum {
        return Err(Unreadable::Torn);
    }
    let mut head = Head { epoch: reader.text()?, written_at_ms: reader.i64()?, ..Head::default() };
    for _ in 0..reader.length()? {
        let node = reader.array()?;
        head.positions.insert(node, reader.i64()?);
    }
    for _ in 0..reader.length()? {
        head.pending.push(PropertyId::from_bytes(reader.array()?));
    }
    let mut homes = Vec::new();
    while reader.u8()? == 1 {
        let listing = reader.listing()?;
        let (seq, first) = (reader.u64()?, reader.date()?);
        homes.push(Box::new((listing, seq, first, reader.nights()?)));
    }
    reader.end()?;
    // In the order of ids each home is the last one so far, which costs nothing.
    homes.sort_by_key(|home| home.0.id);
    let mut index = Index::new(today);
    for home in homes {
        let (listing, seq, first, nights) = *home;
        index.put_saved(listing, seq, first, &nights);
    }
    Ok((head, index))
}

impl Writer {
    fn nights(&mut self, nights: &HomeNights) {
        for word in nights.taken.iter().chain(&nights.stayed) {
            self.u64(*word);
        }
        self.length(nights.beyond.len());
        for run in &nights.beyond {
            self.run(run);
        }
    }
}

impl Reader<'_> {
    fn nights(&mut self) -> Result<HomeNights, Unreadable> {
        let mut nights = HomeNights::default();
        for word in nights.taken.iter_mut().chain(&mut nights.stayed) {
            *word = self.u64()?;
        }
        for _ in 0..self.length()? {
            nights.beyond.push(self.run()?);
        }
        Ok(nights)
    }
}
