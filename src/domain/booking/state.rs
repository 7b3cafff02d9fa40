//! The states of a booking, and every way from one to another. The diagram in ARCHITECTURE.md is drawn from here.

use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

/// Where a booking is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BookingState {
    /// Owns its nights until `expires_at`, exclusive, unless its payment is authorised before.
    PendingPayment {
        /// The end of the lease.
        expires_at: Timestamp,
    },
    /// The money is set aside; owns its nights until `expires_at`, exclusive, unless the host answers before.
    Requested {
        /// The end of the lease.
        expires_at: Timestamp,
    },
    /// The nights are the guest's.
    Confirmed {
        /// When.
        at: Timestamp,
    },
    /// The guest is there.
    CheckedIn {
        /// When.
        at: Timestamp,
    },
    /// The stay is over.
    Completed {
        /// When.
        at: Timestamp,
    },
    /// The money that was set aside did not come in.
    PaymentFailed {
        /// When.
        at: Timestamp,
    },
    /// The host said no to the request.
    Declined {
        /// When.
        at: Timestamp,
    },
    /// The guest took the request back.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
    /// Neither paid nor answered in time.
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
    /// The guest never came.
    NoShow {
        /// When the host said so.
        at: Timestamp,
    },
}

/// What can happen to a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The money is there or set aside, and the host wants to be asked, until `expires_at`.
    Request {
        /// The end of the lease.
        expires_at: Timestamp,
    },
    /// The money is there or set aside, and the host need not be asked.
    Confirm,
    /// The host says yes.
    Accept,
    /// The host says no.
    Decline,
    /// The lease is over.
    Expire,
    /// The money that was set aside cannot be had.
    FailPayment,
    /// The guest calls it off.
    CancelByGuest,
    /// The host calls it off.
    CancelByHost,
    /// The guest is there.
    CheckIn,
    /// The guest leaves, on the last day or before.
    CheckOut,
    /// The guest never came.
    MarkNoShow,
    /// The last day is over.
    Complete,
}

impl Step {
    /// The step's name in the diagram.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request { .. } => "request",
            Self::Confirm => "confirm",
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Expire => "expire",
            Self::FailPayment => "fail_payment",
            Self::CancelByGuest => "cancel_by_guest",
            Self::CancelByHost => "cancel_by_host",
            Self::CheckIn => "check_in",
            Self::CheckOut => "check_out",
            Self::MarkNoShow => "mark_no_show",
            Self::Complete => "complete",
        }
    }
}

impl BookingState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PendingPayment { .. } => "pending_payment",
            Self::Requested { .. } => "requested",
            Self::Confirmed { .. } => "confirmed",
            Self::CheckedIn { .. } => "checked_in",
            Self::Completed { .. } => "completed",
            Self::PaymentFailed { .. } => "payment_failed",
            Self::Declined { .. } => "declined",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Expired { .. } => "expired",
            Self::CancelledByGuest { .. } => "cancelled_by_guest",
            Self::CancelledByHost { .. } => "cancelled_by_host",
            Self::NoShow { .. } => "no_show",
        }
    }

    /// The instant that goes with it: the end of the lease, or when it came to this.
    #[must_use]
    pub const fn instant(self) -> Timestamp {
        match self {
            Self::PendingPayment { expires_at: at }
            | Self::Requested { expires_at: at }
            | Self::Confirmed { at }
            | Self::CheckedIn { at }
            | Self::Completed { at }
            | Self::PaymentFailed { at }
            | Self::Declined { at }
            | Self::Withdrawn { at }
            | Self::Expired { at }
            | Self::CancelledByGuest { at }
            | Self::CancelledByHost { at }
            | Self::NoShow { at } => at,
        }
    }

    /// The end of the lease while it waits for its payment or its answer.
    #[must_use]
    pub const fn deadline(self) -> Option<Timestamp> {
        match self {
            Self::PendingPayment { expires_at } | Self::Requested { expires_at } => Some(expires_at),
            Self::Confirmed { .. }
            | Self::CheckedIn { .. }
            | Self::Completed { .. }
            | Self::PaymentFailed { .. }
            | Self::Declined { .. }
            | Self::Withdrawn { .. }
            | Self::Expired { .. }
            | Self::CancelledByGuest { .. }
            | Self::CancelledByHost { .. }
            | Self::NoShow { .. } => None,
        }
    }

    /// Whether it goes on: a booking in this state owns nights that are to come, and can be changed.
    #[must_use]
    pub const fn is_live(self) -> bool {
        match self {
            Self::PendingPayment { .. } | Self::Requested { .. } | Self::Confirmed { .. } | Self::CheckedIn { .. } => true,
            Self::Completed { .. }
            | Self::PaymentFailed { .. }
            | Self::Declined { .. }
            | Self::Withdrawn { .. }
            | Self::Expired { .. }
            | Self::CancelledByGuest { .. }
            | Self::CancelledByHost { .. }
            | Self::NoShow { .. } => false,
        }
    }

    /// The state after a step at `now`. A lease's deadline is exclusive: at `expires_at` the nights belong to nobody, so the sweeper
    /// and a late payment or answer cannot both win.
    ///
    /// # Errors
    /// `Expired` if the lease is over; `InvalidState` for a step that this state does not have.
    pub fn step(self, step: Step, now: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::PendingPayment { expires_at } | Self::Requested { expires_at } if (now >= expires_at) != (step == Step::Expire) => {
                Err(if now < expires_at { Refusal::InvalidState { state: self.name() } } else { Refusal::Expired { expires_at } })
            }
            Self::PendingPayment { expires_at } => match step {
                Step::Request { expires_at } => Ok(Self::Requested { expires_at }),
                Step::Confirm => Ok(Self::Confirmed { at: now }),
                Step::Expire => Ok(Self::Expired { at: expires_at }),
                Step::CancelByGuest => Ok(Self::CancelledByGuest { at: now }),
                Step::CancelByHost => Ok(Self::CancelledByHost { at: now }),
                Step::Accept | Step::Decline | Step::FailPayment => self.refuse(),
                Step::CheckIn | Step::CheckOut | Step::MarkNoShow | Step::Complete => self.refuse(),
            },
            Self::Requested { expires_at } => match step {
                Step::Accept => Ok(Self::Confirmed { at: now }),
                Step::Decline | Step::CancelByHost => Ok(Self::Declined { at: now }),
                Step::CancelByGuest => Ok(Self::Withdrawn { at: now }),
                Step::Expire => Ok(Self::Expired { at: expires_at }),
                Step::FailPayment => Ok(Self::PaymentFailed { at: now }),
                Step::Request { .. } | Step::Confirm => self.refuse(),
                Step::CheckIn | Step::CheckOut | Step::MarkNoShow | Step::Complete => self.refuse(),
            },
            Self::Confirmed { .. } => match step {
                Step::CheckIn => Ok(Self::CheckedIn { at: now }),
                Step::MarkNoShow => Ok(Self::NoShow { at: now }),
                Step::Complete => Ok(Self::Completed { at: now }),
                Step::CancelByGuest => Ok(Self::CancelledByGuest { at: now }),
                Step::CancelByHost => Ok(Self::CancelledByHost { at: now }),
                Step::FailPayment => Ok(Self::PaymentFailed { at: now }),
                Step::Request { .. } | Step::Confirm | Step::Accept | Step::Decline | Step::Expire | Step::CheckOut => self.refuse(),
            },
            Self::CheckedIn { .. } => match step {
                Step::CheckOut | Step::Complete => Ok(Self::Completed { at: now }),
                Step::Request { .. } | Step::Confirm | Step::Accept | Step::Decline | Step::Expire | Step::FailPayment => self.refuse(),
                Step::CancelByGuest | Step::CancelByHost | Step::CheckIn | Step::MarkNoShow => self.refuse(),
            },
            Self::Expired { at } => Err(Refusal::Expired { expires_at: at }),
            Self::Completed { .. }
            | Self::PaymentFailed { .. }
            | Self::Declined { .. }
            | Self::Withdrawn { .. }
            | Self::CancelledByGuest { .. }
            | Self::CancelledByHost { .. }
            | Self::NoShow { .. } => self.refuse(),
        }
    }

    const fn refuse(self) -> Result<Self, Refusal> {
        Err(Refusal::InvalidState { state: self.name() })
    }
}

#[cfg(test)]
mod tests;
