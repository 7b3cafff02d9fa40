//! What owns nights: a hold, the booking that grew from it, or a block of the host's.

use latchkey_protocol::{ClaimId, UserId};

use crate::domain::block::Block;
use crate::domain::booking::Deal;
use crate::domain::event::NightState;
use crate::domain::hold::Hold;
use crate::domain::stay::Stay;
use crate::domain::time::Timestamp;

/// What owns nights now.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// An active hold.
    Hold(Hold),
    /// A booking that is paid or waits for its payment.
    Booked(Box<Deal>),
    /// Nights that the host took off sale.
    Blocked(Box<Block>),
}

impl Claim {
    /// Its id, which owns the nights.
    #[must_use]
    pub const fn id(&self) -> ClaimId {
        match self {
            Self::Hold(hold) => hold.id,
            Self::Booked(deal) => deal.booking.id,
            Self::Blocked(block) => block.id,
        }
    }

    /// The end of the lease, if it is one.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Hold(hold) => hold.deadline(),
            Self::Booked(deal) => deal.booking.deadline(),
            Self::Blocked(_) => None,
        }
    }

    /// The nights it owns.
    #[must_use]
    pub const fn stay(&self) -> Stay {
        match self {
            Self::Hold(hold) => hold.stay,
            Self::Booked(deal) => deal.booking.stay(),
            Self::Blocked(block) => block.nights,
        }
    }

    /// Which guest's it is; nobody's, if the host took the nights off sale.
    #[must_use]
    pub const fn guest(&self) -> Option<UserId> {
        match self {
            Self::Hold(hold) => Some(hold.guest),
            Self::Booked(deal) => Some(deal.booking.guest),
            Self::Blocked(_) => None,
        }
    }

    /// Whether its lease is over at `now`.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }

    pub(super) fn night_state(&self) -> NightState {
        match self {
            Self::Blocked(_) => NightState::Blocked,
            Self::Hold(_) => NightState::Held,
            Self::Booked(deal) if deal.booking.deadline().is_some() => NightState::Held,
            Self::Booked(_) => NightState::Booked,
        }
    }
}
