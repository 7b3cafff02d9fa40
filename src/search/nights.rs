//! Which nights of which home are taken: two bits for each, stored day by day.
//!
//! A row holds one day of 4,096 homes, so that "free for these nights" is the union of a few rows, whatever the number of homes: a week of a
//! hundred thousand homes is 90 KB to read. Rows are a ring over [`DAYS`] days from a little before today. A taken night beyond the ring
//! waits in `beyond` until the ring has rolled that far; what it has left behind is forgotten.

use std::collections::HashMap;

use super::runs::Runs;
use crate::domain::Date;
use crate::domain::calendar::NightRun;
use crate::domain::event::NightState;

/// Days in the ring: those kept of the past, the 730 that can be booked, and the preparation, flexibility and time zones around them.
pub(super) const DAYS: i32 = 768;

/// Days kept before today in UTC: the longest preparation, shifted by flexible dates, in the westernmost time zone, fits twice.
const DAYS_BACK: i32 = 16;

/// Homes in one block.
pub(super) const BLOCK: usize = 4_096;

/// Words in a row of a block.
pub(super) const WORDS: usize = BLOCK / 64;

/// One bit for each home of a block.
pub(super) type Row = [u64; WORDS];

/// Rows of one kind in a block.
const ROWS: usize = DAYS as usize;

/// Words that hold one home's days of one kind.
pub(super) const HOME_WORDS: usize = ROWS / 64;

struct Block {
    /// Held, booked or blocked.
    taken: Box<[Row]>,
    /// Held or booked: somebody stays, so days of preparation are kept around it.
    stayed: Box<[Row]>,
}

impl Block {
    fn new() -> Self {
        let empty = || vec![[0; WORDS]; ROWS].into_boxed_slice();
        Self { taken: empty(), stayed: empty() }
    }
}

/// One home's bits, as the checkpoint keeps them: from the ring's first day on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HomeNights {
    pub(super) taken: [u64; HOME_WORDS],
    pub(super) stayed: [u64; HOME_WORDS],
    pub(super) beyond: Vec<NightRun>,
}

/// The nights of every home.
pub(super) struct Nights {
    first: Date,
    blocks: Vec<Block>,
    beyond: HashMap<u32, Runs>,
}

impl Nights {
    /// No homes yet; the ring starts a little before `today`.
    pub(super) fn new(today: Date) -> Self {
        Self { first: today.saturating_add(-DAYS_BACK), blocks: Vec::new(), beyond: HashMap::new() }
    }

    /// First day of the ring.
    pub(super) const fn first(&self) -> Date {
        self.first
    }

    /// The day after the ring's last.
    pub(super) const fn end(&self) -> Date {
        self.first.saturating_add(DAYS)
    }

    /// Makes room for a slot.
    pub(super) fn reserve(&mut self, slot: u32) {
        while self.blocks.len() <= slot as usize / BLOCK {
            self.blocks.push(Block::new());
        }
    }

    /// Sets the state of the nights `[from, to)` of a home.
    pub(super) fn set(&mut self, slot: u32, run: NightRun) {
        let (taken, stayed) = bits_of(run.state);
        let (index, word, bit) = place(slot);
        for date in days(run.from.max(self.first), run.to.min(self.end())) {
            let row = row(date);
            let block = &mut self.blocks[index];
            put(&mut block.taken[row][word], bit, taken);
            put(&mut block.stayed[row][word], bit, stayed);
        }
        if run.to > self.end() {
            let beyond = NightRun { from: run.from.max(self.end()), ..run };
            let runs = self.beyond.entry(slot).or_default();
            runs.set(beyond);
            if runs.is_empty() {
                self.beyond.remove(&slot);
            }
        }
    }

    /// Frees every night of a home.
    pub(super) fn clear(&mut self, slot: u32) {
        self.set(slot, NightRun { from: self.first, to: self.end(), state: NightState::Free });
        self.beyond.remove(&slot);
    }

    /// Whether the ring should be moved on.
    pub(super) fn is_before(&self, today: Date) -> bool {
        self.first < today.saturating_add(-DAYS_BACK)
    }

    /// Moves the ring on, so that it starts a little before `today`. It never moves back.
    pub(super) fn roll(&mut self, today: Date) {
        let (first, end) = (today.saturating_add(-DAYS_BACK), self.end());
        if !self.is_before(today) {
            return;
        }
        for date in days(self.first, first.min(end)) {
            for block in &mut self.blocks {
                block.taken[row(date)] = [0; WORDS];
                block.stayed[row(date)] = [0; WORDS];
            }
        }
        self.first = first;
        let waiting: Vec<(u32, Runs)> = self.beyond.drain().collect();
        for (slot, runs) in waiting {
            for run in runs.iter() {
                self.set(slot, run);
            }
        }
    }

    /// Whether every night in `[from, to)` of a home is free. Beyond the ring nothing is known, and nothing is free.
    pub(super) fn is_free(&self, slot: u32, from: Date, to: Date) -> bool {
        let (index, word, bit) = place(slot);
        let taken = &self.blocks[index].taken;
        from >= self.first && to <= self.end() && days(from, to).all(|date| taken[row(date)][word] & bit == 0)
    }

    /// Whether nobody stays in a home in any night of `[from, to)`, as far as the ring goes.
    pub(super) fn is_unused(&self, slot: u32, from: Date, to: Date) -> bool {
        let (index, word, bit) = place(slot);
        let stayed = &self.blocks[index].stayed;
        days(from.max(self.first), to.min(self.end())).all(|date| stayed[row(date)][word] & bit == 0)
    }

    /// The homes of a block that are free from `from` to `to`, for at least one of the given shifts of both: what of `live` is left.
    pub(super) fn free_in_block(&self, block: usize, live: &Row, (from, to): (Date, Date), shifts: std::ops::RangeInclusive<i32>) -> Row {
        let taken = &self.blocks[block].taken;
        let mut free = [0; WORDS];
        // The nights that every shift has in common are looked at once.
        let (core_from, core_to) = (from.saturating_add(*shifts.end()), to.saturating_add(*shifts.start()));
        let mut core = *live;
        if self.knows(core_from, core_to) && !remove_taken(&mut core, taken, core_from, core_to) {
            return free;
        }
        for shift in shifts {
            let (from, to) = (from.saturating_add(shift), to.saturating_add(shift));
            if !self.knows(from, to) {
                continue;
            }
            let mut left = core;
            let is_left = if core_from < core_to {
                remove_taken(&mut left, taken, from, core_from) && remove_taken(&mut left, taken, core_to, to)
            } else {
                remove_taken(&mut left, taken, from, to)
            };
            if is_left {
                for (all, word) in free.iter_mut().zip(left) {
                    *all |= word;
                }
            }
        }
        free
    }

    fn knows(&self, from: Date, to: Date) -> bool {
        from >= self.first && to <= self.end()
    }

    /// A home's bits, to be kept.
    pub(super) fn export(&self, slot: u32) -> HomeNights {
        let (index, word, bit) = place(slot);
        let block = &self.blocks[index];
        let gather = |rows: &[Row]| {
            let mut bits = [0; HOME_WORDS];
            for (offset, date) in days(self.first, self.end()).enumerate() {
                if rows[row(date)][word] & bit != 0 {
                    bits[offset / 64] |= 1 << (offset % 64);
                }
            }
            bits
        };
        let beyond = self.beyond.get(&slot).map(|runs| runs.iter().collect()).unwrap_or_default();
        HomeNights { taken: gather(&block.taken), stayed: gather(&block.stayed), beyond }
    }

    /// Sets a home's bits, which were exported when the ring started at `first`, to a slot that is clear.
    pub(super) fn import(&mut self, slot: u32, first: Date, home: &HomeNights) {
        let (index, word, bit) = place(slot);
        for (bits, is_taken) in [(&home.taken, true), (&home.stayed, false)] {
            for (number, mut left) in (0i32..).zip(bits.iter().copied()) {
                while left != 0 {
                    let offset = number * 64 + left.trailing_zeros().cast_signed();
                    left &= left - 1;
                    let date = first.saturating_add(offset);
                    if date >= self.first && date < self.end() {
                        let block = &mut self.blocks[index];
                        let rows = if is_taken { &mut block.taken } else { &mut block.stayed };
                        rows[row(date)][word] |= bit;
                    }
                }
            }
        }
        for run in &home.beyond {
            self.set(slot, *run);
        }
    }
}

/// Takes out whoever has a taken night in `[from, to)`; `false` if nobody is left.
fn remove_taken(left: &mut Row, taken: &[Row], from: Date, to: Date) -> bool {
    for (number, date) in days(from, to).enumerate() {
        for (word, taken) in left.iter_mut().zip(&taken[row(date)]) {
            *word &= !taken;
        }
        // Looking costs as much as a row.
        if number % 8 == 7 && left.iter().all(|word| *word == 0) {
            return false;
        }
    }
    true
}

/// Whether a night in that state is not free, and whether somebody stays.
const fn bits_of(state: NightState) -> (bool, bool) {
    match state {
        NightState::Free => (false, false),
        NightState::Held | NightState::Booked => (true, true),
        NightState::Blocked => (true, false),
    }
}

/// Block, word of a row and bit of a word.
const fn place(slot: u32) -> (usize, usize, u64) {
    let slot = slot as usize;
    (slot / BLOCK, slot % BLOCK / 64, 1 << (slot % 64))
}

/// A day's place in the ring.
#[allow(clippy::cast_sign_loss, reason = "the remainder is not negative")]
const fn row(date: Date) -> usize {
    date.epoch_day().rem_euclid(DAYS) as usize
}

fn days(from: Date, to: Date) -> impl Iterator<Item = Date> {
    (0..to.days_since(from)).map(move |offset| from.saturating_add(offset))
}

const fn put(word: &mut u64, bit: u64, is_set: bool) {
    if is_set {
        *word |= bit;
    } else {
        *word &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn date(day: i32) -> Date {
        Date::from_epoch_day(20_000 + day).unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u32, i32, i32, NightState),
        Roll(i32),
        Clear(u32),
        Move,
    }

    /// Both sides of a block's edge.
    fn slots() -> impl Strategy<Value = u32> {
        prop_oneof![Just(0u32), Just(63), Just(64), Just(4_095), Just(4_096)]
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let state = prop_oneof![Just(NightState::Free), Just(NightState::Held), Just(NightState::Booked), Just(NightState::Blocked)];
        let step = prop_oneof![
            8 => (slots(), -40..1_400i32, 1..500i32, state).prop_map(|(slot, from, nights, state)| Step::Set(slot, from, nights, state)),
            1 => (0..400i32).prop_map(Step::Roll),
            1 => slots().prop_map(Step::Clear),
            1 => Just(Step::Move),
        ];
        prop::collection::vec(step, 0..30)
    }

    proptest! {
        #[test]
        fn the_ring_tells_what_a_map_of_nights_tells(steps in steps(), from in -10..760i32, length in 1..20i32, flexible in 0..=3i32) {
            let mut nights = Nights::new(date(0));
            nights.reserve(4_096);
            let mut model: BTreeMap<(u32, i32), NightState> = BTreeMap::new();
            let mut today = 0;
            for step in steps {
                match step {
                    Step::Set(slot, from, length, state) => {
                        nights.set(slot, NightRun { from: date(from), to: date(from + length), state });
                        for day in from..from + length {
                            model.insert((slot, day), state);
                        }
                    }
                    Step::Roll(days) => {
                        today += days;
                        nights.roll(date(today));
                    }
                    Step::Clear(slot) => {
                        nights.clear(slot);
                        model.retain(|(of, _), _| *of != slot);
                    }
                    Step::Move => {
                        let mut copy = Nights::new(date(today));
                        copy.reserve(4_096);
                        for slot in [0, 63, 64, 4_095, 4_096] {
                            copy.import(slot, nights.first(), &nights.export(slot));
                        }
                        nights = copy;
                    }
                }
            }
            let state = |slot, day| model.get(&(slot, day)).copied().unwrap_or(NightState::Free);
            let (from, to) = (today + from, today + from + length);
            for slot in [0, 63, 64, 4_095, 4_096] {
                let is_free = |shift| (from + shift..to + shift).all(|day| state(slot, day) == NightState::Free);
                let is_unused =
                    (from..to).all(|day| matches!(state(slot, day), NightState::Free | NightState::Blocked));
                if to + flexible <= today + DAYS - DAYS_BACK {
                    prop_assert_eq!(nights.is_free(slot, date(from), date(to)), is_free(0));
                    prop_assert_eq!(nights.is_unused(slot, date(from), date(to)), is_unused);
                    let (block, word, bit) = place(slot);
                    let row = nights.free_in_block(block, &[u64::MAX; WORDS], (date(from), date(to)), -flexible..=flexible);
                    prop_assert_eq!(row[word] & bit != 0, (-flexible..=flexible).any(is_free), "{}", slot);
                }
            }
        }
    }
}
