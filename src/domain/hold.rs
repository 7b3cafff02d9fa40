//! A hold: nights taken for a short while, to think and to pay.

use latchkey_protocol::{HoldId, PropertyId, UserId};

use super::error::Refusal;
use super::stay::Stay;
use super::time::Timestamp;

/// Where a hold is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HoldState {
    /// Owns its nights until `expires_at`, exclusive: at that instant they belong to nobody.
    Active {
        /// The end of the lease.
        expires_at: Timestamp,
    },
    /// Has become a booking of the same id.
    Converted {
        /// When.
        at: Timestamp,
    },
    /// Given back by its guest.
    Released {
        /// When.
        at: Timestamp,
    },
    /// Ran out.
    Expired {
        /// The end of the lease, which may be before the expiry was written down.
        at: Timestamp,
    },
}

impl HoldState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active { .. } => "active",
            Self::Converted { .. } => "converted",
            Self::Released { .. } => "released",
            Self::Expired { .. } => "expired",
        }
    }
}

/// A guest's lease on nights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Its id, and that of the booking that may grow from it.
    pub id: HoldId,
    /// On which home.
    pub property: PropertyId,
    /// Whose.
    pub guest: UserId,
    /// Which nights.
    pub stay: Stay,
    /// How many people.
    pub guests: u16,
    /// When it was taken.
    pub created_at: Timestamp,
    /// Where it is in its life.
    pub state: HoldState,
}

impl Hold {
    /// The end of the lease while it is active.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            HoldState::Active { expires_at } => Some(expires_at),
            HoldState::Converted { .. } | HoldState::Released { .. } | HoldState::Expired { .. } => None,
        }
    }

    /// The end of the lease, if the hold still owns its nights at `now`.
    ///
    /// # Errors
    /// `Expired` at its deadline and later; `InvalidState` once it is over.
    pub fn live(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        match self.state {
            HoldState::Active { expires_at } if now < expires_at => Ok(expires_at),
            HoldState::Active { expires_at: at } | HoldState::Expired { at } => Err(Refusal::Expired { expires_at: at }),
            HoldState::Converted { .. } | HoldState::Released { .. } => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// A lease until `until`, but never longer than `longest_ms` from the beginning.
    ///
    /// # Errors
    /// As [`Self::live`]; `ExtendedToTheEnd` if that would not make it longer.
    pub fn extend(self, until: Timestamp, longest_ms: i64, now: Timestamp) -> Result<Self, Refusal> {
        let expires_at = self.live(now)?;
        let end = self.created_at.plus_ms(longest_ms);
        let extended = until.min(end);
        if extended <= expires_at {
            return Err(Refusal::ExtendedToTheEnd { until: end });
        }
        Ok(Self { state: HoldState::Active { expires_at: extended }, ..self })
    }

    /// Gives the nights back.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn release(self, now: Timestamp) -> Result<Self, Refusal> {
        self.live(now)?;
        Ok(Self { state: HoldState::Released { at: now }, ..self })
    }

    /// Hands the nights to a booking.
    ///
    /// # Errors
    /// As [`Self::live`].
    pub fn convert(self, now: Timestamp) -> Result<Self, Refusal> {
        self.live(now)?;
        Ok(Self { state: HoldState::Converted { at: now }, ..self })
    }

    /// Writes down that the lease is over.
    ///
    /// # Errors
    /// `InvalidState` unless it is active and `now` is at its deadline or later.
    pub fn expire(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            HoldState::Active { expires_at } if now >= expires_at => Ok(Self { state: HoldState::Expired { at: expires_at }, ..self }),
            HoldState::Active { .. } | HoldState::Converted { .. } | HoldState::Released { .. } | HoldState::Expired { .. } => {
                Err(Refusal::InvalidState { state: self.state.name() })
            }
        }
    }
}
