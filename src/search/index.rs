//! The index: every published home by slot, kept current by events.
//!
//! A home keeps its slot while it is published. Its bits, facts and texts are replaced together under the caller's lock, so a reader sees a
//! home as of one `seq` of its topic. `order` lists the slots by id and `ranks` is its inverse: ties are broken without looking at ids.

use std::collections::HashMap;
use std::sync::Arc;

use super::facts::Facts;
use super::geo::{Cell, Point};
use super::nights::{BLOCK, HomeNights, Nights, Row, WORDS};
use super::prices::Prices;
use crate::domain::calendar::NightRun;
use crate::domain::listing::Description;
use crate::domain::{Date, Listing, ListingState, PropertyId, Seq};

/// A home as the store has it, of one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct Home {
    /// What it is and on which terms it is let.
    pub listing: Listing,
    /// The last event of its topic that this contains.
    pub seq: Seq,
    /// Its nights that are not free.
    pub taken: Vec<NightRun>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It is in the index now, or was before.
    Known,
    /// The home is not in the index.
    Absent,
    /// Events before it are missing: the home must be read again.
    Gap,
}

/// A home in its slot.
pub(super) struct Entry {
    pub(super) id: PropertyId,
    pub(super) seq: Seq,
    /// Without the texts that results do not show.
    pub(super) listing: Arc<Listing>,
}

/// Every published home.
pub struct Index {
    pub(super) nights: Nights,
    pub(super) facts: Vec<Option<Facts>>,
    pub(super) prices: Vec<Prices>,
    pub(super) points: Vec<Option<Point>>,
    pub(super) entries: Vec<Option<Entry>>,
    /// Slots that hold a home, one row a block.
    pub(super) live: Vec<Row>,
    pub(super) cells: HashMap<Cell, Vec<u32>>,
    /// Slots by id.
    pub(super) order: Vec<u32>,
    /// Each slot's place in `order`.
    pub(super) ranks: Vec<u32>,
    slots: HashMap<PropertyId, u32>,
    vacant: Vec<u32>,
}

impl Index {
    /// Without homes, on the date `today` in UTC.
    #[must_use]
    pub fn new(today: Date) -> Self {
        Self {
            nights: Nights::new(today),
            facts: Vec::new(),
            prices: Vec::new(),
            points: Vec::new(),
            entries: Vec::new(),
            live: Vec::new(),
            cells: HashMap::new(),
            order: Vec::new(),
            ranks: Vec::new(),
            slots: HashMap::new(),
            vacant: Vec::new(),
        }
    }

    /// How many homes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn slot(&self, property: PropertyId) -> Option<u32> {
        self.slots.get(&property).copied()
    }

    /// The square of the map that a home is in.
    pub(super) fn cell(&self, property: PropertyId) -> Option<Cell> {
        let entry = self.entries[self.slot(property)? as usize].as_ref()?;
        entry.listing.description.location.map(Cell::of)
    }

    /// The last event of the home's topic that is in here.
    #[must_use]
    pub fn seq(&self, property: PropertyId) -> Option<Seq> {
        let slot = *self.slots.get(&property)?;
        Some(self.entries[slot as usize].as_ref()?.seq)
    }

    /// Whether the nights it keeps begin earlier than they should on that date in UTC.
    #[must_use]
    pub fn is_before(&self, today: Date) -> bool {
        self.nights.is_before(today)
    }

    /// Tells the date in UTC: the nights it keeps move on with it.
    pub fn roll(&mut self, today: Date) {
        self.nights.roll(today);
    }

    /// Puts a home in as it is now. One that is not published leaves. What is older than what is known changes nothing.
    pub fn put(&mut self, home: Home) {
        let Home { listing, seq, taken } = home;
        if self.seq(listing.id).is_some_and(|known| known > seq) {
            return;
        }
        if listing.state != ListingState::Published {
            self.remove(listing.id);
            return;
        }
        let slot = self.place(listing, seq);
        for run in taken {
            self.nights.set(slot, run);
        }
    }

    /// Puts a home in with the bits that the checkpoint kept; `first` is the day they begin with.
    pub(super) fn put_saved(&mut self, listing: Listing, seq: Seq, first: Date, nights: &HomeNights) {
        let slot = self.place(listing, seq);
        self.nights.import(slot, first, nights);
    }

    /// Takes a home out.
    pub fn remove(&mut self, property: PropertyId) {
        let Some(slot) = self.slots.remove(&property) else { return };
        self.leave_cell(slot);
        let (block, word, bit) = bit_of(slot);
        self.live[block][word] &= !bit;
        self.nights.clear(slot);
        let place = self.ranks[slot as usize] as usize;
        self.order.remove(place);
        self.number_from(place);
        let at = slot as usize;
        (self.facts[at], self.points[at], self.entries[at]) = (None, None, None);
        self.prices[at] = Prices::default();
        self.vacant.push(slot);
    }

    /// Folds an event of the home's topic in: a change of its nights, or one that changes nothing here. In order: one that is known
    /// already changes nothing.
    pub fn apply(&mut self, property: PropertyId, seq: Seq, change: Option<NightRun>) -> Applied {
        let Some(slot) = self.slots.get(&property).copied() else { return Applied::Absent };
        let Some(entry) = self.entries[slot as usize].as_mut() else { return Applied::Absent };
        if seq <= entry.seq {
            return Applied::Known;
        }
        if seq > entry.seq + 1 {
            return Applied::Gap;
        }
        entry.seq = seq;
        if let Some(run) = change {
            self.nights.set(slot, run);
        }
        Applied::Known
    }

    /// Gives a home a slot, all nights free.
    fn place(&mut self, listing: Listing, seq: Seq) -> u32 {
        let id = listing.id;
        let slot = match self.slots.get(&id).copied() {
            Some(slot) => {
                self.leave_cell(slot);
                self.nights.clear(slot);
                slot
            }
            None => self.new_slot(id),
        };
        let at = slot as usize;
        let location = listing.description.location;
        self.facts[at] = Some(Facts::of(&listing));
        self.prices[at] = Prices::of(&listing.terms);
        self.points[at] = location.map(Point::of);
        self.entries[at] = Some(Entry { id, seq, listing: Arc::new(without_texts(listing)) });
        if let Some(location) = location {
            self.cells.entry(Cell::of(location)).or_default().push(slot);
        }
        let (block, word, bit) = bit_of(slot);
        self.live[block][word] |= bit;
        slot
    }

    fn new_slot(&mut self, id: PropertyId) -> u32 {
        let next = u32::try_from(self.entries.len()).expect("far fewer than four thousand million homes");
        let slot = self.vacant.pop().unwrap_or(next);
        if slot == next {
            self.facts.push(None);
            self.prices.push(Prices::default());
            self.points.push(None);
            self.entries.push(None);
            self.ranks.push(0);
            self.nights.reserve(slot);
            while self.live.len() <= slot as usize / BLOCK {
                self.live.push([0; WORDS]);
            }
        }
        let place = self.ids_before(id);
        self.order.insert(place, slot);
        self.slots.insert(id, slot);
        // Its own id is looked for by whoever comes next.
        self.number_from(place);
        slot
    }

    /// How many homes have a smaller id.
    pub(super) fn ids_before(&self, id: PropertyId) -> usize {
        self.order.partition_point(|slot| self.entries[*slot as usize].as_ref().is_some_and(|entry| entry.id < id))
    }

    fn number_from(&mut self, place: usize) {
        for (rank, slot) in (0u32..).zip(&self.order).skip(place) {
            self.ranks[*slot as usize] = rank;
        }
    }

    fn leave_cell(&mut self, slot: u32) {
        let location = self.entries[slot as usize].as_ref().and_then(|entry| entry.listing.description.location);
        if let Some(cell) = location.map(Cell::of)
            && let Some(slots) = self.cells.get_mut(&cell)
        {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.cells.remove(&cell);
            }
        }
    }
}

/// What results show and decisions need; long texts and what is private stay in the store.
fn without_texts(listing: Listing) -> Listing {
    let Listing { mut description, mut photos, .. } = listing;
    description = Description { text: String::new(), address: None, ..description };
    description.house_rules.text = String::new();
    photos.truncate(1);
    photos.shrink_to_fit();
    Listing { description, photos, ..listing }
}

/// Block, word and bit of a slot.
pub(super) const fn bit_of(slot: u32) -> (usize, usize, u64) {
    let slot = slot as usize;
    (slot / BLOCK, slot % BLOCK / 64, 1 << (slot % 64))
}
