//! Ending leases when nobody comes (P6).

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::change::Decision;
use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

impl Calendar {
    /// Ends every claim whose lease is over at `now`; the outcome is how many. Doing it twice is harmless: the second time
    /// there is nothing to end.
    ///
    /// # Errors
    /// None that a consistent calendar gives.
    pub fn expire_overdue(&self, now: Timestamp) -> Result<Decision<usize>, Refusal> {
        let draft = Draft::after_expiry(self, now)?;
        let ended = self.overdue(now).count();
        Ok(draft.decide(ended))
    }

    /// Claims whose lease is over, in order of id, so that the same calendar gives the same events.
    pub(super) fn overdue(&self, now: Timestamp) -> impl Iterator<Item = &Claim> {
        let mut overdue: Vec<_> = self.claims.iter().filter(|(_, claim)| claim.is_overdue(now)).collect();
        overdue.sort_unstable_by_key(|(id, _)| **id);
        overdue.into_iter().map(|(_, claim)| claim)
    }
}
