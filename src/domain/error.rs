//! Why a decision was refused: facts, each with what the caller needs to go on.

use latchkey_protocol::{Date, Seq};

use super::time::Timestamp;

/// A rule of the calendar that a stay broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The first night is before today in the property's time zone.
    NotInThePast,
    /// The first night is sooner than the host can be ready.
    AdvanceNotice,
    /// The last night is beyond the days that can be booked ahead.
    BookingWindow,
    /// Guests do not arrive on that day of the week.
    CheckInDay,
    /// Guests do not leave on that day of the week.
    CheckOutDay,
    /// Fewer nights than the host allows.
    MinNights,
    /// More nights than the host allows.
    MaxNights,
    /// More people than the home takes.
    MaxGuests,
    /// Too close to another stay: the days between are for preparation.
    Preparation,
}

impl Rule {
    /// The rule's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInThePast => "not_in_the_past",
            Self::AdvanceNotice => "advance_notice",
            Self::BookingWindow => "booking_window",
            Self::CheckInDay => "check_in_day",
            Self::CheckOutDay => "check_out_day",
            Self::MinNights => "min_nights",
            Self::MaxNights => "max_nights",
            Self::MaxGuests => "max_guests",
            Self::Preparation => "preparation",
        }
    }
}

/// A refused command. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A value that no state of the world would allow.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field at fault.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A price or total beyond what we calculate with.
    #[error("the price is out of range")]
    PriceOverflow,
    /// The property's rules do not allow the stay.
    #[error("the property's rule {} refuses this stay (limit {limit})", rule.name())]
    RuleViolated {
        /// Which rule.
        rule: Rule,
        /// The rule's bound: nights, guests, days of preparation, or the epoch day from which (until which) it is allowed.
        limit: i64,
    },
    /// Somebody has one of the nights.
    #[error("taken from {from} (seq {seq})")]
    DatesUnavailable {
        /// The first night that is taken.
        from: Date,
        /// The event that took it.
        seq: Seq,
        /// Whether each blocking night is another user's, so that this cannot be the caller's own earlier success.
        others_only: bool,
    },
    /// The thing has changed since the caller read it.
    #[error("it has changed: its version is {version}")]
    Stale {
        /// Its version now.
        version: i64,
    },
    /// No such hold or booking here, or not the caller's.
    #[error("no such claim")]
    NotFound,
    /// The caller may see this but not do it.
    #[error("not yours to do")]
    NotYours,
    /// The claim ran out.
    #[error("expired at {expires_at:?}")]
    Expired {
        /// When it did.
        expires_at: Timestamp,
    },
    /// The thing is in a state that does not allow this.
    #[error("not possible while {state}")]
    InvalidState {
        /// Its state.
        state: &'static str,
    },
    /// Not before its time.
    #[error("not before {from:?}")]
    TooEarly {
        /// From when on it is possible.
        from: Timestamp,
    },
    /// A hold cannot be extended beyond its longest life.
    #[error("a hold lives until {until:?} at most")]
    ExtendedToTheEnd {
        /// The end of its longest life.
        until: Timestamp,
    },
    /// The same user held the same nights a moment ago.
    #[error("these nights can be held again by the same guest at {until:?}")]
    HoldCooldown {
        /// When they may try again.
        until: Timestamp,
        /// How long that is from now, in milliseconds.
        retry_after_ms: i64,
    },
    /// The total is not what the guest agreed to.
    #[error("the total is {total_minor}")]
    PriceChanged {
        /// What it is, in minor units.
        total_minor: i64,
    },
    /// Money would move that is not there.
    #[error("refunds would exceed captures")]
    RefundTooLarge,
}
