//! A proposal to change a booked stay: dates, guests, and the price that comes with them.

use latchkey_protocol::PaymentId;

use super::Party;
use crate::domain::error::Refusal;
use crate::domain::pricing::Quote;
use crate::domain::time::Timestamp;

/// Where a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterationState {
    /// The other side has not answered.
    Proposed,
    /// Accepted; the guest has to pay what it costs more, and nothing changes before.
    AwaitingPayment {
        /// With this payment.
        payment: PaymentId,
    },
}

impl AlterationState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::AwaitingPayment { .. } => "awaiting_payment",
        }
    }
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AlterationEnd {
    /// The stay is the proposed one.
    Applied,
    /// The other side said no.
    Declined,
    /// Whoever proposed it took it back.
    Withdrawn,
    /// Nobody answered, or paid, in time; or the stay was over first.
    Expired,
    /// Somebody else has one of the nights.
    DatesTaken,
}

impl AlterationEnd {
    /// The end's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
            Self::DatesTaken => "dates_taken",
        }
    }
}

/// A proposal that is not decided. It owns no nights: they are taken when it is applied, or it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// 1, 2, 3 … within the booking.
    pub number: u32,
    /// Who proposed it.
    pub by: Party,
    /// The stay as it would be, and what it would cost altogether.
    pub quote: Quote,
    /// Where it is.
    pub state: AlterationState,
    /// When it ends by itself; exclusive.
    pub expires_at: Timestamp,
    /// When it was proposed.
    pub created_at: Timestamp,
}

impl Alteration {
    /// Refuses one whose time is over.
    ///
    /// # Errors
    /// `Expired`.
    pub fn live(&self, now: Timestamp) -> Result<&Self, Refusal> {
        if now < self.expires_at { Ok(self) } else { Err(Refusal::Expired { expires_at: self.expires_at }) }
    }
}
