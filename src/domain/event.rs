//! What happened, past tense, by ids: the public contract of every committed change.

use latchkey_protocol::{BookingId, Date, HoldId, PropertyId, SessionId, UserId};

use super::booking::{AlterationEnd, AlterationState, BookingState};
use super::money::Currency;
use super::payment::Payment;
use super::time::Timestamp;

/// What a night looks like from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NightState {
    /// Can be held.
    Free,
    /// Somebody is deciding or paying.
    Held,
    /// Booked and paid.
    Booked,
    /// Taken off sale by the host.
    Blocked,
}

/// An event; [`super::change::TopicEvent`] says on which topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A home was listed.
    PropertyListed {
        /// Which.
        property: PropertyId,
    },
    /// A home can be seen by everybody.
    PropertyPublished {
        /// Which.
        property: PropertyId,
        /// Its version now.
        version: i64,
    },
    /// Something about a home is otherwise.
    PropertyUpdated {
        /// Which.
        property: PropertyId,
        /// Its version now.
        version: i64,
    },
    /// A home can be seen by its host alone.
    PropertyUnlisted {
        /// Which.
        property: PropertyId,
        /// Its version now.
        version: i64,
    },
    /// A home is gone for everybody.
    PropertyDeleted {
        /// Which.
        property: PropertyId,
        /// Its version now.
        version: i64,
    },
    /// The nights `[from, to)` changed their state, or were confirmed in it.
    AvailabilityChanged {
        /// First night.
        from: Date,
        /// The day after the last night.
        to: Date,
        /// Their state now.
        state: NightState,
    },
    /// A hold ran out.
    HoldExpired {
        /// Which.
        hold: HoldId,
        /// On which home.
        property: PropertyId,
    },
    /// A booking came to its present state.
    BookingChanged {
        /// Which.
        booking: BookingId,
        /// Of which home.
        property: PropertyId,
        /// Its state now.
        state: BookingState,
    },
    /// Something about a booking is otherwise that has no event of its own: read it again.
    BookingUpdated {
        /// Which.
        booking: BookingId,
        /// Of which home.
        property: PropertyId,
    },
    /// A change of the stay was proposed, or is accepted and waits for its payment.
    AlterationProposed {
        /// Of which booking.
        booking: BookingId,
        /// Which of its alterations.
        number: u32,
        /// Where it is.
        state: AlterationState,
        /// When it ends by itself.
        expires_at: Timestamp,
    },
    /// A proposal is no more.
    AlterationEnded {
        /// Of which booking.
        booking: BookingId,
        /// Which of its alterations.
        number: u32,
        /// How.
        end: AlterationEnd,
    },
    /// Money is on its way to the host, back from them, or has arrived.
    PayoutChanged {
        /// Of which booking.
        booking: BookingId,
        /// What the host has of it, in minor units.
        paid_minor: i64,
        /// What is on its way, in minor units; negative: back.
        pending_minor: i64,
        /// Of which currency.
        currency: Currency,
    },
    /// A payment waits for something, or for another method.
    PaymentUpdated(Payment),
    /// Money came in.
    PaymentSucceeded(Payment),
    /// Money goes or went back.
    PaymentRefunded(Payment),
    /// The guest's bank disputes a payment, or has decided.
    PaymentDisputed(Payment),
    /// What somebody's profile shows of them, or may do, is otherwise.
    AccountUpdated {
        /// Whose.
        user: UserId,
        /// The profile's edition now.
        edition: i64,
    },
    /// A session ended before its time.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
}
