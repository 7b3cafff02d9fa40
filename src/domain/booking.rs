//! A booking: a stay with a price, that waits for its payment, is confirmed, and may be called off.

use latchkey_protocol::{BookingId, PaymentId, PropertyId, Seq, UserId};

use super::error::Refusal;
use super::payment::Payment;
use super::pricing::Quote;
use super::stay::Stay;
use super::time::Timestamp;

/// Where a booking is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingState {
    /// Owns its nights until `expires_at`, exclusive, unless it is paid before.
    PendingPayment {
        /// The end of the lease.
        expires_at: Timestamp,
    },
    /// Paid; the nights are the guest's.
    Confirmed {
        /// When.
        at: Timestamp,
    },
    /// The payment did not come in time.
    Expired {
        /// The end of the lease.
        at: Timestamp,
    },
    /// Called off by the guest.
    CancelledByGuest {
        /// When.
        at: Timestamp,
    },
    /// Called off by the host.
    CancelledByHost {
        /// When.
        at: Timestamp,
    },
}

impl BookingState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingPayment { .. } => "pending_payment",
            Self::Confirmed { .. } => "confirmed",
            Self::Expired { .. } => "expired",
            Self::CancelledByGuest { .. } => "cancelled_by_guest",
            Self::CancelledByHost { .. } => "cancelled_by_host",
        }
    }

    /// Whether a booking in this state owns its nights.
    #[must_use]
    pub const fn owns_nights(self) -> bool {
        match self {
            Self::PendingPayment { .. } | Self::Confirmed { .. } => true,
            Self::Expired { .. } | Self::CancelledByGuest { .. } | Self::CancelledByHost { .. } => false,
        }
    }
}

/// Which side of a booking acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Who stays.
    Guest,
    /// Who lets.
    Host,
}

/// A guest's stay at a host's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Its id, which was the hold's.
    pub id: BookingId,
    /// Of which home.
    pub property: PropertyId,
    /// Who stays.
    pub guest: UserId,
    /// Who lets.
    pub host: UserId,
    /// The price, frozen when it was booked; it knows the stay and the number of guests.
    pub quote: Quote,
    /// Its payment.
    pub payment: PaymentId,
    /// Last event of `booking:{id}`: the version that guards every change of it and of its payment.
    pub seq: Seq,
    /// Where it is in its life.
    pub state: BookingState,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Booking {
    /// The nights.
    #[must_use]
    pub const fn stay(&self) -> Stay {
        self.quote.stay
    }

    /// The end of the lease while it waits for its payment.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            BookingState::PendingPayment { expires_at } => Some(expires_at),
            BookingState::Confirmed { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. } => None,
        }
    }

    /// Which side `user` is on.
    #[must_use]
    pub fn party(&self, user: UserId) -> Option<Party> {
        if user == self.guest {
            Some(Party::Guest)
        } else if user == self.host {
            Some(Party::Host)
        } else {
            None
        }
    }

    /// The end of the lease, if the booking can still be paid at `now`.
    ///
    /// # Errors
    /// `Expired` at its deadline and later; `InvalidState` if it does not wait for a payment.
    pub fn payable(&self, now: Timestamp) -> Result<Timestamp, Refusal> {
        match self.state {
            BookingState::PendingPayment { expires_at } if now < expires_at => Ok(expires_at),
            BookingState::PendingPayment { expires_at: at } | BookingState::Expired { at } => Err(Refusal::Expired { expires_at: at }),
            BookingState::Confirmed { .. } | BookingState::CancelledByGuest { .. } | BookingState::CancelledByHost { .. } => {
                Err(Refusal::InvalidState { state: self.state.name() })
            }
        }
    }

    /// Makes the nights the guest's: it was paid.
    ///
    /// The deadline is exclusive: at `expires_at` the nights belong to nobody, so the sweeper and a late payment cannot
    /// both win.
    ///
    /// # Errors
    /// As [`Self::payable`].
    pub fn confirm(self, now: Timestamp) -> Result<Self, Refusal> {
        self.payable(now)?;
        Ok(Self { state: BookingState::Confirmed { at: now }, ..self })
    }

    /// Writes down that the payment did not come in time.
    ///
    /// # Errors
    /// `InvalidState` unless it waits and `now` is at its deadline or later.
    pub fn expire(self, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            BookingState::PendingPayment { expires_at } if now >= expires_at => {
                Ok(Self { state: BookingState::Expired { at: expires_at }, ..self })
            }
            BookingState::PendingPayment { .. }
            | BookingState::Confirmed { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. } => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// Calls it off.
    ///
    /// # Errors
    /// `Expired` if it ran out unpaid; `InvalidState` if it is over already.
    pub fn cancel(self, by: Party, now: Timestamp) -> Result<Self, Refusal> {
        match self.state {
            BookingState::PendingPayment { expires_at: at } if now >= at => Err(Refusal::Expired { expires_at: at }),
            BookingState::Expired { at } => Err(Refusal::Expired { expires_at: at }),
            BookingState::PendingPayment { .. } | BookingState::Confirmed { .. } => {
                let state = match by {
                    Party::Guest => BookingState::CancelledByGuest { at: now },
                    Party::Host => BookingState::CancelledByHost { at: now },
                };
                Ok(Self { state, ..self })
            }
            BookingState::CancelledByGuest { .. } | BookingState::CancelledByHost { .. } => {
                Err(Refusal::InvalidState { state: self.state.name() })
            }
        }
    }
}

/// A booking with its payment: one is never decided without the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deal {
    /// The stay.
    pub booking: Booking,
    /// The money.
    pub payment: Payment,
}
