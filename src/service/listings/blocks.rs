//! Nights that a host takes off sale.

use latchkey_protocol::rest::CreateBlock;
use latchkey_protocol::view;

use super::{Created, Listings, of_property};
use crate::domain::calendar::BlockNights;
use crate::domain::{Block, BlockId, Claim, PropertyId, Timestamp};
use crate::entropy::fresh_id;
use crate::service::decisions::reply;
use crate::service::{Caller, IdempotencyKey, ServiceError, wire};

impl Listings {
    /// Takes nights of one's own home off sale.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `InvalidState` beyond 200 blocks, `DatesUnavailable`, `KeyReused`, `Busy`.
    pub async fn block(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        property: PropertyId,
        ask: &CreateBlock,
    ) -> Result<view::Block, ServiceError> {
        let used = self.keys.begin(caller.user, "create_block", key, &(property, ask)).await?;
        let claim = BlockId::from_bytes(fresh_id(self.clock.now()));
        let nights = BlockNights { claim, from: ask.from, to: ask.to, note: ask.note.as_deref() };
        let Created { id, created_at } = self
            .decisions
            .decide(&used, property, |calendar, now| {
                Ok(reply(calendar.block(caller.user, &nights, now)?, |block| Created {
                    id: block.id,
                    created_at: block.created_at.epoch_ms(),
                }))
            })
            .await
            .map_err(of_property)?;
        let block = Block::new(id, property, (ask.from, ask.to), ask.note.as_deref(), Timestamp::from_epoch_ms(created_at))?;
        Ok(wire::block(&block))
    }

    /// A block of one's own home.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn find_block(&self, caller: &Caller, property: PropertyId, block: BlockId) -> Result<view::Block, ServiceError> {
        let found = self
            .availability
            .look(property, |calendar| {
                calendar.own_listing(caller.user)?;
                Ok(match calendar.claim(block) {
                    Some(Claim::Blocked(block)) => Some(wire::block(block)),
                    Some(Claim::Hold(_) | Claim::Booked(_)) | None => None,
                })
            })
            .await?;
        found.map_err(ServiceError::Refused).map_err(of_property)?.ok_or(ServiceError::NotFound("block"))
    }

    /// The blocks of one's own home that are not over, in order.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn blocks(&self, caller: &Caller, property: PropertyId) -> Result<view::Blocks, ServiceError> {
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let found = self
            .availability
            .look(property, |calendar| {
                let today = calendar.own_listing(caller.user)?.today(now);
                Ok(calendar.blocks(today).map(wire::block).collect())
            })
            .await?;
        Ok(view::Blocks { items: found.map_err(ServiceError::Refused).map_err(of_property)? })
    }

    /// Puts a block's nights back on sale.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn unblock(&self, caller: &Caller, property: PropertyId, block: BlockId) -> Result<(), ServiceError> {
        self.decisions.decide_again(property, |calendar, now| calendar.unblock(caller.user, block, now)).await.map_err(of_property)
    }
}
