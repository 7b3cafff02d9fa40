//! What becomes of a home whose host leaves or may no longer let. Decided by the hub and not by the host, so nobody's permission is asked here.

use latchkey_protocol::BlockId;

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::Event;
use crate::domain::listing::{Listing, ListingState};
use crate::domain::time::Timestamp;

impl Calendar {
    /// Takes the home off sale with its guests' live holds: a hold outlives its host's own unlisting, and would be booked of a host who is not
    /// there. Bookings go on living. Said again, it changes nothing.
    ///
    /// # Errors
    /// None of its own.
    pub fn withdraw(&self, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        let mut draft = Draft::after_expiry(self, now)?;
        draft.release_holds()?;
        match self.listing.state {
            ListingState::Published => {
                Ok(draft.set_listing(self.listing.clone().unlist()?, |property, version| Event::PropertyUnlisted { property, version }))
            }
            ListingState::Draft | ListingState::Unlisted | ListingState::Deleted => Ok(draft.decide(self.listing.clone())),
        }
    }

    /// Removes the home and everything that its host has written or shown of it: the bookings of the past keep a home without a face. `notes`
    /// are the blocks that are stored of it, those of long ago too. Said again, it changes nothing.
    ///
    /// # Errors
    /// None of its own.
    pub fn erase(&self, notes: &[BlockId], now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        let mut draft = Draft::after_expiry(self, now)?;
        draft.release_holds()?;
        let erased = self.listing.clone().erase();
        if erased == self.listing && notes.is_empty() {
            return Ok(draft.decide(erased));
        }
        for claim in self.in_order() {
            match claim {
                Claim::Blocked(block) => draft.unblock(block),
                Claim::Hold(_) | Claim::Booked(_) => {}
            }
        }
        for block in notes.iter().filter(|block| !self.claims.contains_key(*block)) {
            draft.write(Write::EndBlock(*block));
        }
        for photo in &self.listing.photos {
            draft.write(Write::RemovePhoto(photo.id));
        }
        Ok(draft.set_listing(erased, |property, version| Event::PropertyDeleted { property, version }))
    }
}

impl Draft<'_> {
    fn release_holds(&mut self) -> Result<(), Refusal> {
        let calendar = self.calendar;
        for claim in calendar.in_order() {
            match claim {
                Claim::Hold(hold) if !self.has_freed(hold.id) => {
                    let hold = hold.release(self.now)?;
                    self.write(Write::SetHold(hold));
                    self.free(hold.stay, hold.id);
                }
                Claim::Hold(_) | Claim::Booked(_) | Claim::Blocked(_) => {}
            }
        }
        Ok(())
    }
}
