//! A booking: a stay with a price, from its payment to its end, and the money that belongs to it.

mod alteration;
mod deal;
mod state;

use latchkey_protocol::{BookingId, CancellationPolicy, Date, PaymentId, PropertyId, Seq, UserId};

pub use self::alteration::{Alteration, AlterationEnd, AlterationState};
pub use self::deal::Deal;
pub use self::state::{BookingState, Step};
use super::cancellation;
use super::error::Refusal;
use super::listing::Listing;
use super::pricing::Quote;
use super::settlement::{Payout, Shares};
use super::stay::Stay;
use super::time::Timestamp;

/// Longest note on arriving or leaving, in characters.
pub const MAX_NOTE_CHARS: usize = 500;

/// Which side of a booking acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// Who stays.
    Guest,
    /// Who lets.
    Host,
}

/// On what terms a booking was made; frozen, whatever the host changes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookingTerms {
    /// What the guest gets back who calls it off.
    pub policy: CancellationPolicy,
    /// Whether it is confirmed by its payment alone; otherwise the host is asked.
    pub is_instant: bool,
}

impl BookingTerms {
    /// What a host has who said nothing.
    pub const DEFAULT: Self = Self { policy: CancellationPolicy::Flexible, is_instant: true };
}

/// The instants at which a stay begins and ends, in the home's local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StayTimes {
    /// When the guest may arrive on the first day.
    pub check_in_at: Timestamp,
    /// When the guest must have left on the last day.
    pub check_out_at: Timestamp,
}

impl StayTimes {
    /// Of a stay at this home.
    #[must_use]
    pub fn of(listing: &Listing, stay: Stay) -> Self {
        let (terms, hours) = (&listing.terms, &listing.description.hours);
        Self {
            check_in_at: terms.instant(stay.check_in(), hours.check_in_from),
            check_out_at: terms.instant(stay.check_out(), hours.check_out_until),
        }
    }
}

/// When one side said that the guest came or left, and what they wrote to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visit {
    /// When.
    pub at: Timestamp,
    /// Which side said it; `None` if it was stored before that was.
    pub by: Option<Party>,
    /// For the two parties alone.
    pub note: Option<String>,
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
    /// On what terms it was made.
    pub terms: BookingTerms,
    /// When the stay begins and ends.
    pub times: StayTimes,
    /// Its first payment.
    pub payment: PaymentId,
    /// Payments of what alterations cost more, in order.
    pub further_payments: Vec<PaymentId>,
    /// Last event of `booking:{id}`: the version that guards every change of it and of its payments.
    pub seq: Seq,
    /// Where it is in its life.
    pub state: BookingState,
    /// When the nights became the guest's.
    pub confirmed_at: Option<Timestamp>,
    /// Until when, exclusive, it can be called off for nothing whatever its policy: frozen when it was confirmed, so that no alteration gives or
    /// takes it.
    pub free_until: Option<Timestamp>,
    /// When the guest came.
    pub checked_in: Option<Visit>,
    /// When the guest left.
    pub checked_out: Option<Visit>,
    /// The first night that was booked and not stayed, of a guest who left early.
    pub left_on: Option<Date>,
    /// How many alterations were proposed: what numbers them.
    pub alterations: u32,
    /// A change of the stay that one side proposed and that is not decided.
    pub alteration: Option<Alteration>,
    /// What of the price is not kept: given back to the guest, or lost to their bank.
    pub returned: Shares,
    /// What of the price has been divided among those it is for.
    pub settled: Shares,
    /// What is sent to the host.
    pub payout: Payout,
    /// How many transfers the ledger has of it: what numbers them.
    pub transfers: u32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Booking {
    /// The nights.
    #[must_use]
    pub const fn stay(&self) -> Stay {
        self.quote.stay
    }

    /// Every payment, the first one first.
    pub fn payments(&self) -> impl Iterator<Item = PaymentId> + '_ {
        std::iter::once(self.payment).chain(self.further_payments.iter().copied())
    }

    /// The end of the lease while it waits for its payment or its answer.
    #[must_use]
    pub const fn deadline(&self) -> Option<Timestamp> {
        self.state.deadline()
    }

    /// Which side `user` is on. A host who stays in their own home is its guest.
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

    /// Which side `user` is on.
    ///
    /// # Errors
    /// `NotFound` for anybody else.
    pub fn require_party(&self, user: UserId) -> Result<Party, Refusal> {
        self.party(user).ok_or(Refusal::NotFound)
    }

    /// Refuses everybody but the host.
    ///
    /// # Errors
    /// `NotYours` for the guest, `NotFound` for anybody else.
    pub fn require_host(&self, user: UserId) -> Result<(), Refusal> {
        if user == self.host {
            return Ok(());
        }
        Err(if user == self.guest { Refusal::NotYours } else { Refusal::NotFound })
    }

    /// Refuses everybody but the guest.
    ///
    /// # Errors
    /// `NotYours` for the host, `NotFound` for anybody else.
    pub fn require_guest(&self, user: UserId) -> Result<(), Refusal> {
        match self.require_party(user)? {
            Party::Guest => Ok(()),
            Party::Host => Err(Refusal::NotYours),
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
            BookingState::Requested { .. }
            | BookingState::Confirmed { .. }
            | BookingState::CheckedIn { .. }
            | BookingState::Completed { .. }
            | BookingState::PaymentFailed { .. }
            | BookingState::Declined { .. }
            | BookingState::Withdrawn { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. }
            | BookingState::NoShow { .. } => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// The booking after a step.
    ///
    /// # Errors
    /// As [`BookingState::step`].
    pub fn step(self, step: Step, now: Timestamp) -> Result<Self, Refusal> {
        let state = self.state.step(step, now)?;
        let (confirmed_at, free_until) = match state {
            BookingState::Confirmed { at } => (Some(at), cancellation::free_until(at, self.times.check_in_at)),
            _ => (self.confirmed_at, self.free_until),
        };
        Ok(Self { state, confirmed_at, free_until, ..self })
    }

    /// Without what a user who was erased has written on arriving and leaving; a note that may be theirs is taken for theirs. `None` if there is
    /// none.
    #[must_use]
    pub fn without_notes_of(&self, user: UserId) -> Option<Self> {
        let side = self.party(user)?;
        let is_theirs = |visit: &Visit| visit.note.is_some() && visit.by.is_none_or(|by| by == side);
        if ![&self.checked_in, &self.checked_out].into_iter().flatten().any(is_theirs) {
            return None;
        }
        let mut noteless = self.clone();
        for visit in [&mut noteless.checked_in, &mut noteless.checked_out].into_iter().flatten() {
            if is_theirs(visit) {
                visit.note = None;
            }
        }
        Some(noteless)
    }

    /// What of the price is kept, and for whom.
    #[must_use]
    pub fn kept(&self) -> Shares {
        Shares::of(&self.quote).minus(self.returned)
    }
}
