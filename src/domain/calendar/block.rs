//! Taking nights off sale and putting them back.

use latchkey_protocol::{BlockId, Date, UserId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::block::{Block, MAX_BLOCKS};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::NightState;
use crate::domain::time::Timestamp;

/// A host takes nights off sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockNights<'a> {
    /// The new claim's id.
    pub claim: BlockId,
    /// First night.
    pub from: Date,
    /// The day after the last one.
    pub to: Date,
    /// Why, for the host alone.
    pub note: Option<&'a str>,
}

impl Calendar {
    /// Takes nights off sale. They are claimed as a hold's are: a block and a hold cannot both win (P1).
    ///
    /// # Errors
    /// `NotFound` for anybody but the host, `Invalid`, `InvalidState` beyond [`MAX_BLOCKS`], `DatesUnavailable`.
    pub fn block(&self, by: UserId, ask: &BlockNights<'_>, now: Timestamp) -> Result<Decision<Block>, Refusal> {
        self.own_listing(by)?;
        let block = Block::new(ask.claim, self.listing.id, (ask.from, ask.to), ask.note, now)?;
        let today = self.listing.today(now);
        if ask.to <= today {
            return Err(Refusal::Invalid { field: "to", reason: "in the past" });
        }
        // Nights of long ago are not loaded, and might be taken.
        if ask.from < today {
            return Err(Refusal::Invalid { field: "from", reason: "in the past" });
        }
        if ask.from > today.saturating_add(i32::from(crate::domain::terms::BOOKING_WINDOW_DAYS)) {
            return Err(Refusal::Invalid { field: "from", reason: "more than 730 days ahead" });
        }
        if self.blocks(today).count() >= MAX_BLOCKS {
            return Err(Refusal::InvalidState { state: "200_blocks" });
        }
        let mut draft = Draft::after_expiry(self, now)?;
        self.refuse_taken(block.nights, None, &draft)?;
        draft.take(block.nights, block.id, NightState::Blocked);
        draft.write(Write::AddBlock(block.clone()));
        Ok(draft.decide(block))
    }

    /// Puts a block's nights back on sale.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host, and for a block that is not there.
    pub fn unblock(&self, by: UserId, block: BlockId, now: Timestamp) -> Result<Decision<()>, Refusal> {
        self.own_listing(by)?;
        let Some(Claim::Blocked(block)) = self.claims.get(&block) else { return Err(Refusal::NotFound) };
        let mut draft = Draft::after_expiry(self, now)?;
        draft.unblock(block);
        Ok(draft.decide(()))
    }

    /// The blocks that are not over on a day, in order of their first night.
    pub fn blocks(&self, today: Date) -> impl Iterator<Item = &Block> {
        let mut blocks: Vec<&Block> = self
            .claims
            .values()
            .filter_map(|claim| match claim {
                Claim::Blocked(block) if block.nights.check_out() > today => Some(block.as_ref()),
                Claim::Blocked(_) | Claim::Hold(_) | Claim::Booked(_) => None,
            })
            .collect();
        blocks.sort_unstable_by_key(|block| block.nights.check_in());
        blocks.into_iter()
    }
}

impl Draft<'_> {
    /// Ends a block.
    pub(super) fn unblock(&mut self, block: &Block) {
        self.free(block.nights, block.id);
        self.write(Write::EndBlock(block.id));
    }
}
