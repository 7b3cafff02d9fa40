//! Hold, extend, release.

use latchkey_protocol::{ClaimId, UserId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::change::{Decision, Write};
use crate::domain::error::{Refusal, Rule};
use crate::domain::event::NightState;
use crate::domain::hold::{Hold, HoldState};
use crate::domain::listing::ListingState;
use crate::domain::stay::Stay;
use crate::domain::time::Timestamp;

/// A guest asks for nights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldDates {
    /// The new claim's id.
    pub claim: ClaimId,
    /// Whose it will be.
    pub guest: UserId,
    /// Which nights.
    pub stay: Stay,
    /// How many people.
    pub guests: u16,
}

impl Calendar {
    /// Takes the nights for the guest, as a lease; the outcome is the hold and the event that took them.
    ///
    /// # Errors
    /// In order of precedence: `NotFound` (to its host `InvalidState`) unless the home is published, what
    /// [`crate::domain::Listing::accepts`] refuses, `DatesUnavailable`, `RuleViolated` for preparation, `HoldCooldown`.
    pub fn hold(&self, ask: &HoldDates, now: Timestamp) -> Result<Decision<(Hold, u64)>, Refusal> {
        self.refuse_off_sale(ask.guest)?;
        self.listing.accepts(ask.stay, ask.guests, now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        self.refuse_taken(ask.stay, Some(ask.guest), &draft)?;
        self.refuse_unprepared(ask.stay, &draft)?;
        self.refuse_hoarding(ask, now)?;
        let hold = Hold {
            id: ask.claim,
            property: self.listing.id,
            guest: ask.guest,
            stay: ask.stay,
            guests: ask.guests,
            created_at: now,
            state: HoldState::Active { expires_at: now.plus_ms(self.leases.hold_ms) },
        };
        let seq = draft.take(hold.stay, hold.id, NightState::Held);
        draft.write(Write::AddHold(hold));
        Ok(draft.decide((hold, seq)))
    }

    /// Lengthens the guest's own live hold. The nights are announced once more, so that no other node takes the old end of
    /// the lease for the true one.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `ExtendedToTheEnd`.
    pub fn extend_hold(&self, claim: ClaimId, guest: UserId, now: Timestamp) -> Result<Decision<(Hold, u64)>, Refusal> {
        let hold = self.own_hold(claim, guest)?;
        let lease_end = hold.live(now)?;
        let hold = hold.extend(now.plus_ms(self.leases.hold_ms), self.leases.hold_longest_ms, now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        draft.before(lease_end);
        let seq = draft.announce(hold.stay, NightState::Held);
        draft.write(Write::SetHold(hold));
        Ok(draft.decide((hold, seq)))
    }

    /// Gives the nights of the guest's own live hold back.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`.
    pub fn release_hold(&self, claim: ClaimId, guest: UserId, now: Timestamp) -> Result<Decision<(Hold, u64)>, Refusal> {
        let hold = self.own_hold(claim, guest)?.release(now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        draft.write(Write::SetHold(hold));
        draft.free(hold.stay, hold.id);
        let seq = draft.changes.events.last().and_then(|event| event.seq).unwrap_or(self.seq);
        Ok(draft.decide((hold, seq)))
    }

    pub(super) fn own_hold(&self, claim: ClaimId, guest: UserId) -> Result<Hold, Refusal> {
        match self.claims.get(&claim) {
            Some(Claim::Hold(hold)) if hold.guest == guest => Ok(*hold),
            Some(Claim::Booked(deal)) if deal.booking.guest == guest => Err(Refusal::InvalidState { state: "converted" }),
            Some(Claim::Hold(_) | Claim::Booked(_) | Claim::Blocked(_)) | None => Err(Refusal::NotFound),
        }
    }

    /// New stays are for published homes only; others' are not there for a guest.
    fn refuse_off_sale(&self, guest: UserId) -> Result<(), Refusal> {
        match self.listing.state {
            ListingState::Published => Ok(()),
            ListingState::Draft | ListingState::Unlisted if guest == self.listing.host => {
                Err(Refusal::InvalidState { state: self.listing.state.name() })
            }
            ListingState::Draft | ListingState::Unlisted | ListingState::Deleted => Err(Refusal::NotFound),
        }
    }

    /// Days of preparation own no nights: another guest's nights (not the host's own blocks) must be that far away on both sides.
    fn refuse_unprepared(&self, stay: Stay, draft: &Draft<'_>) -> Result<(), Refusal> {
        self.refuse_unprepared_but(stay, None, draft)
    }

    /// The same, for a claim whose own nights do not count.
    pub(super) fn refuse_unprepared_but(&self, stay: Stay, own: Option<ClaimId>, draft: &Draft<'_>) -> Result<(), Refusal> {
        let days = self.listing.terms.rules.preparation_days;
        let (from, to) = self.listing.terms.nights_kept_free(stay);
        let before = self.nights.range(from..stay.check_in());
        let after = self.nights.range(stay.check_out()..to);
        let mut others = before.chain(after).filter(|(_, owner)| Some(owner.claim) != own && !draft.has_freed(owner.claim));
        let is_near = others.any(|(_, owner)| self.is_stay(owner.claim));
        if is_near { Err(Refusal::RuleViolated { rule: Rule::Preparation, limit: i64::from(days) }) } else { Ok(()) }
    }

    /// Whether somebody stays, or may come to stay, in a claim's nights. A claim that is not known is a stay of the past.
    pub(super) fn is_stay(&self, claim: ClaimId) -> bool {
        !matches!(self.claims.get(&claim), Some(Claim::Blocked(_)))
    }

    pub(super) fn refuse_taken(&self, stay: Stay, guest: Option<UserId>, draft: &Draft<'_>) -> Result<(), Refusal> {
        self.refuse_taken_but(stay, guest, None, draft)
    }

    /// The same, for a claim whose own nights do not count.
    pub(super) fn refuse_taken_but(
        &self,
        stay: Stay,
        guest: Option<UserId>,
        own: Option<ClaimId>,
        draft: &Draft<'_>,
    ) -> Result<(), Refusal> {
        let taken = self.nights.range(stay.check_in()..stay.check_out());
        let mut blocking = taken.filter(|(_, owner)| Some(owner.claim) != own && !draft.has_freed(owner.claim)).peekable();
        let Some((from, owner)) = blocking.peek() else { return Ok(()) };
        let (from, seq) = (**from, owner.seq);
        let others_only = blocking.all(|(_, owner)| self.claims.get(&owner.claim).is_some_and(|claim| claim.guest() != guest));
        Err(Refusal::DatesUnavailable { from, seq, others_only })
    }

    fn refuse_hoarding(&self, ask: &HoldDates, now: Timestamp) -> Result<(), Refusal> {
        let cooldowns = self.cooldowns.iter().filter(|(user, stay, until)| *user == ask.guest && stay.overlaps(ask.stay) && now < *until);
        // A hold that this very decision ends begins its cooldown at its deadline.
        let ending = self.overdue(now).filter_map(|claim| match claim {
            claim if claim.guest() == Some(ask.guest) && claim.stay().overlaps(ask.stay) => claim.deadline(),
            Claim::Hold(_) | Claim::Booked(_) | Claim::Blocked(_) => None,
        });
        let until = cooldowns.map(|(_, _, until)| *until).chain(ending.map(|end| end.plus_ms(self.leases.cooldown_ms))).max();
        match until {
            Some(until) if now < until => Err(Refusal::HoldCooldown { until, retry_after_ms: until.epoch_ms() - now.epoch_ms() }),
            _ => Ok(()),
        }
    }
}
