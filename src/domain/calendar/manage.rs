//! A host changes their home. Decided here, since the rules of the next hold and the calendar's `seq` belong together.

use latchkey_protocol::{PhotoId, UserId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::Event;
use crate::domain::listing::{Listing, ListingState};
use crate::domain::photo::Photo;
use crate::domain::time::Timestamp;

impl Calendar {
    /// The home, for whoever may change it: to anybody but its host it is not there, and to nobody once it is deleted.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn own_listing(&self, by: UserId) -> Result<&Listing, Refusal> {
        if by == self.listing.host && self.listing.state != ListingState::Deleted { Ok(&self.listing) } else { Err(Refusal::NotFound) }
    }

    /// Replaces the home by what `change` makes of it. Live holds and bookings keep what they were promised: a booking its price, a hold its
    /// nights until it is booked under the rules of that moment.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; what `change` refuses; `Invalid`; `InvalidState` if the currency or the time zone of a home
    /// changes that has been published.
    pub fn update(
        &self,
        by: UserId,
        change: impl FnOnce(Listing) -> Result<Listing, Refusal>,
        now: Timestamp,
    ) -> Result<Decision<Listing>, Refusal> {
        self.own_listing(by)?;
        let changed = change(self.listing.clone())?;
        let is_fixed = changed.terms.currency != self.listing.terms.currency || changed.terms.time_zone != self.listing.terms.time_zone;
        if is_fixed && self.listing.state != ListingState::Draft {
            return Err(Refusal::InvalidState { state: self.listing.state.name() });
        }
        self.replace(changed, now, |property, version| Event::PropertyUpdated { property, version })
    }

    /// Shows the home to everybody; said again, it changes nothing.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; as [`Listing::publish`].
    pub fn publish(&self, by: UserId, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        if self.own_listing(by)?.state == ListingState::Published {
            return Ok(Draft::new(self, now).decide(self.listing.clone()));
        }
        self.replace(self.listing.clone().publish()?, now, |property, version| Event::PropertyPublished { property, version })
    }

    /// Takes the home back from everybody but its host. Live holds and bookings go on living. Said again, it changes nothing.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; as [`Listing::unlist`].
    pub fn unlist(&self, by: UserId, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        if self.own_listing(by)?.state == ListingState::Unlisted {
            return Ok(Draft::new(self, now).decide(self.listing.clone()));
        }
        self.replace(self.listing.clone().unlist()?, now, |property, version| Event::PropertyUnlisted { property, version })
    }

    /// Removes the home for everybody, with its blocks and pictures.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; `InvalidState` while somebody holds it, has booked it or stays in it.
    pub fn delete(&self, by: UserId, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        self.own_listing(by)?;
        let mut draft = Draft::after_expiry(self, now)?;
        for claim in self.in_order() {
            match claim {
                Claim::Hold(hold) if !draft.has_freed(hold.id) => return Err(Refusal::InvalidState { state: "held" }),
                Claim::Booked(deal) if !draft.has_freed(deal.booking.id) && now < deal.booking.times.check_out_at => {
                    return Err(Refusal::InvalidState { state: "booked" });
                }
                Claim::Hold(_) | Claim::Booked(_) => {}
                Claim::Blocked(block) => draft.unblock(block),
            }
        }
        for photo in &self.listing.photos {
            draft.write(Write::RemovePhoto(photo.id));
        }
        Ok(draft.set_listing(self.listing.clone().delete()?, |property, version| Event::PropertyDeleted { property, version }))
    }

    /// Adds a picture, whose file is there already.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; as [`Listing::add_photo`].
    pub fn add_photo(&self, by: UserId, photo: Photo, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        self.own_listing(by)?;
        let mut draft = Draft::new(self, now);
        draft.write(Write::AddPhoto(photo.id, self.listing.id));
        let changed = self.listing.clone().add_photo(photo)?;
        Ok(draft.set_listing(changed, |property, version| Event::PropertyUpdated { property, version }))
    }

    /// Removes a picture; its file goes later.
    ///
    /// # Errors
    /// `NotFound` for anybody but the host; as [`Listing::remove_photo`].
    pub fn remove_photo(&self, by: UserId, photo: PhotoId, now: Timestamp) -> Result<Decision<Listing>, Refusal> {
        self.own_listing(by)?;
        let mut draft = Draft::new(self, now);
        draft.write(Write::RemovePhoto(photo));
        let changed = self.listing.clone().remove_photo(photo)?;
        Ok(draft.set_listing(changed, |property, version| Event::PropertyUpdated { property, version }))
    }

    fn replace(
        &self,
        changed: Listing,
        now: Timestamp,
        event: impl FnOnce(latchkey_protocol::PropertyId, i64) -> Event,
    ) -> Result<Decision<Listing>, Refusal> {
        changed.validate()?;
        Ok(Draft::new(self, now).set_listing(changed, event))
    }

    /// Claims in order of id, so that the same calendar gives the same events.
    pub(super) fn in_order(&self) -> Vec<&Claim> {
        let mut claims: Vec<_> = self.claims.values().collect();
        claims.sort_unstable_by_key(|claim| claim.id());
        claims
    }
}

impl Draft<'_> {
    /// Writes the home's next version and says so.
    pub(super) fn set_listing(
        mut self,
        changed: Listing,
        event: impl FnOnce(latchkey_protocol::PropertyId, i64) -> Event,
    ) -> Decision<Listing> {
        let listing = Listing { version: self.calendar.listing.version + 1, updated_at: self.now, ..changed };
        self.append(event(listing.id, listing.version));
        self.write(Write::SetListing(Box::new(listing.clone())));
        self.decide(listing)
    }
}
