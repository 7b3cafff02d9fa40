//! A property's calendar: the aggregate that every hold, booking and payment of one home is decided on.
//!
//! It holds the listing's rules, the nights that are taken, the live claims on them, and the topic's `seq`, which is its
//! version: every change of a claim appends to `property:{id}`, so two nodes can never both act on the same version.
//! Commands take `&self` and give a [`Decision`](super::change::Decision); [`Calendar::apply`] folds committed changes in. Decisions for one
//! property are serial: the caller has its claim (`service::availability`).

mod advance;
mod alter;
mod block;
mod book;
mod call_off;
mod claim;
mod days;
mod draft;
mod expiry;
mod hold;
mod leave;
mod manage;
mod money;
mod pay_out;
mod report;
mod request;
#[cfg(test)]
mod tests;
mod visit;

use std::collections::{BTreeMap, HashMap};

use latchkey_protocol::{ClaimId, Date, Seq, Topic, UserId};

pub use self::alter::{AlterStay, AnswerAlteration};
pub use self::block::BlockNights;
pub use self::book::BookHold;
pub use self::call_off::CallOff;
pub use self::claim::Claim;
pub use self::days::{Day, Reason};
pub use self::hold::HoldDates;
use super::booking::{BookingState, Deal};
use super::change::{Changes, Night, Write};
use super::error::Refusal;
use super::event::NightState;
use super::hold::Hold;
use super::listing::Listing;
use super::pricing::Quote;
use super::stay::Stay;
use super::time::Timestamp;

/// How long leases last, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leases {
    /// A hold, and each extension of it.
    pub hold_ms: i64,
    /// A hold with all its extensions.
    pub hold_longest_ms: i64,
    /// A booking that waits for its payment.
    pub payment_ms: i64,
    /// A request that waits for the host's answer, and a proposed alteration that waits for the other side's.
    pub request_ms: i64,
    /// How long a guest whose hold ended must leave the same nights to others.
    pub cooldown_ms: i64,
}

impl Default for Leases {
    fn default() -> Self {
        Self {
            hold_ms: 10 * 60_000,
            hold_longest_ms: 30 * 60_000,
            payment_ms: 15 * 60_000,
            request_ms: 24 * 3_600_000,
            cooldown_ms: 30_000,
        }
    }
}

/// Guests who must leave nights to others, remembered per home.
const MAX_COOLDOWNS: usize = 1_024;

/// A run of nights in one state, `[from, to)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NightRun {
    /// First night.
    pub from: Date,
    /// The day after the last one.
    pub to: Date,
    /// Their state; never free.
    pub state: NightState,
}

/// A night's owner and the event that gave it to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    claim: ClaimId,
    seq: Seq,
}

/// One home's availability.
#[derive(Debug, Clone, PartialEq)]
pub struct Calendar {
    listing: Listing,
    leases: Leases,
    seq: Seq,
    nights: BTreeMap<Date, Owner>,
    claims: HashMap<ClaimId, Claim>,
    /// Who must leave which nights to others until when. Only in memory: a reload forgives.
    cooldowns: Vec<(UserId, Stay, Timestamp)>,
}

impl Calendar {
    /// The calendar as it was stored at `seq`. Nights whose claim is not given belong to stays of the past.
    #[must_use]
    pub fn restore(listing: Listing, leases: Leases, seq: Seq, nights: Vec<Night>, claims: Vec<Claim>) -> Self {
        Self {
            listing,
            leases,
            seq,
            nights: nights.into_iter().map(|night| (night.date, Owner { claim: night.claim, seq: night.seq })).collect(),
            claims: claims.into_iter().map(|claim| (claim.id(), claim)).collect(),
            cooldowns: Vec::new(),
        }
    }

    /// The home's facts and rules.
    #[must_use]
    pub const fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The last event of `property:{id}` that this state contains.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.seq
    }

    /// A live claim.
    #[must_use]
    pub fn claim(&self, id: ClaimId) -> Option<&Claim> {
        self.claims.get(&id)
    }

    /// Every live claim.
    pub fn claims(&self) -> impl Iterator<Item = (ClaimId, &Claim)> {
        self.claims.iter().map(|(id, claim)| (*id, claim))
    }

    /// The earliest end of a lease.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.claims.values().filter_map(Claim::deadline).min()
    }

    /// What such a stay costs, whether or not it is free.
    ///
    /// # Errors
    /// What [`Quote::of`] refuses.
    pub fn quote(&self, stay: Stay, guests: u16, now: Timestamp) -> Result<Quote, Refusal> {
        Quote::of(&self.listing, stay, guests, now)
    }

    /// The nights in `[from, to)` that are not free, in order, as runs of one state.
    ///
    /// An overdue claim still counts: its nights become free with the event that says so, never before (P4).
    #[must_use]
    pub fn taken(&self, from: Date, to: Date) -> Vec<NightRun> {
        let mut runs: Vec<NightRun> = Vec::new();
        for (date, owner) in self.nights.range(from..to) {
            let state = self.claims.get(&owner.claim).map_or(NightState::Booked, Claim::night_state);
            match runs.last_mut() {
                Some(run) if run.to == *date && run.state == state => run.to = date.saturating_add(1),
                _ => runs.push(NightRun { from: *date, to: date.saturating_add(1), state }),
            }
        }
        runs
    }

    /// Folds committed changes in. Must be given every decision of this property, in the order of its sequence.
    pub fn apply(&mut self, changes: &Changes) {
        for write in &changes.writes {
            match write {
                Write::TakeNight(night) => {
                    self.nights.insert(night.date, Owner { claim: night.claim, seq: night.seq });
                }
                Write::FreeNight(_, date) => {
                    self.nights.remove(date);
                }
                Write::AddHold(hold) | Write::SetHold(hold) => self.fold_hold(hold),
                Write::AddBooking(booking) | Write::SetBooking(booking) if !booking.state.is_live() => {
                    let ended = self.claims.remove(&booking.id);
                    let at = changes.events.first().map(|event| event.at);
                    // Booking without paying is no way around the rules for holds.
                    if let (Some(Claim::Booked(deal)), Some(at)) = (ended, at)
                        && matches!(deal.booking.state, BookingState::PendingPayment { .. })
                    {
                        self.cool_down(booking.guest, booking.stay(), at);
                    }
                }
                Write::AddBooking(_) | Write::SetBooking(_) => self.fold_booking(write, changes),
                Write::AddPayment(payment) | Write::SetPayment(payment) => {
                    if let Some(Claim::Booked(deal)) = self.claims.get_mut(&payment.booking) {
                        deal.put_payment(payment.clone());
                    }
                }
                Write::AddTransfer(_)
                | Write::AddJob(_)
                | Write::EndJob(_)
                | Write::SeeWebhook { .. }
                | Write::AddListing(_)
                | Write::EnsureJob(_)
                | Write::SetJob(_)
                | Write::RemoveJob(..)
                | Write::Sweep(_)
                | Write::Account(_)
                | Write::AddPhoto(..)
                | Write::RemovePhoto(_) => {}
                Write::SetListing(listing) => self.listing = listing.as_ref().clone(),
                Write::AddBlock(block) => {
                    self.claims.insert(block.id, Claim::Blocked(Box::new(block.clone())));
                }
                Write::EndBlock(block) => {
                    self.claims.remove(block);
                }
            }
        }
        let appended = changes.events.iter().filter(|event| event.topic == Topic::Property(self.listing.id)).filter_map(|event| event.seq);
        self.seq = appended.max().unwrap_or(self.seq);
    }

    fn fold_hold(&mut self, hold: &Hold) {
        use super::hold::HoldState;
        match hold.state {
            HoldState::Active { .. } => {
                self.claims.insert(hold.id, Claim::Hold(*hold));
            }
            HoldState::Released { at } | HoldState::Expired { at } => {
                self.claims.remove(&hold.id);
                self.cool_down(hold.guest, hold.stay, at);
            }
            // The booking of the same id is written by the same change set.
            HoldState::Converted { .. } => {}
        }
    }

    fn cool_down(&mut self, guest: UserId, stay: Stay, at: Timestamp) {
        self.cooldowns.retain(|(_, _, until)| *until > at);
        // Beyond the bound the oldest is forgiven.
        if self.cooldowns.len() >= MAX_COOLDOWNS {
            self.cooldowns.remove(0);
        }
        self.cooldowns.push((guest, stay, at.plus_ms(self.leases.cooldown_ms)));
    }

    fn fold_booking(&mut self, write: &Write, changes: &Changes) {
        let (Write::AddBooking(booking) | Write::SetBooking(booking)) = write else { return };
        if let Some(Claim::Booked(deal)) = self.claims.get_mut(&booking.id) {
            deal.booking = booking.clone();
            return;
        }
        let payment = changes.writes.iter().find_map(|write| match write {
            Write::AddPayment(payment) if payment.booking == booking.id => Some(payment.clone()),
            _ => None,
        });
        if let Some(payment) = payment {
            self.claims
                .insert(booking.id, Claim::Booked(Box::new(Deal { booking: booking.clone(), payment, further_payments: Vec::new() })));
        }
    }
}
