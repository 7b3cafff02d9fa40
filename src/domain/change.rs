//! What a decision writes: records, events, and the instant by which it must be committed.

use latchkey_protocol::{BlockId, ClaimId, Date, PaymentId, PhotoId, PropertyId, Seq, SessionId, Topic};

use super::account::{Account, RefreshFamily};
use super::block::Block;
use super::booking::Booking;
use super::event::Event;
use super::hold::Hold;
use super::ledger::Transfer;
use super::listing::Listing;
use super::payment::Payment;
use super::time::Timestamp;

/// A night and who owns it. Its record id is `[property, epoch day]`, so that storing a double booking is impossible (P1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Night {
    /// Of which home.
    pub property: PropertyId,
    /// The local date on which it begins.
    pub date: Date,
    /// Its owner, through hold and booking.
    pub claim: ClaimId,
    /// The property event that took it: what losers are told (P5).
    pub seq: Seq,
}

/// Work for later, written with the change that causes it, so that neither is without the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Job {
    /// Ask the provider to send back what is due of this payment.
    pub refund_payment: PaymentId,
    /// When it may run first.
    pub run_at: Timestamp,
}

/// One record to write.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Insert: fails if anybody owns the night.
    TakeNight(Night),
    /// Delete.
    FreeNight(PropertyId, Date),
    /// Insert.
    AddHold(Hold),
    /// Replace.
    SetHold(Hold),
    /// Insert.
    AddBooking(Booking),
    /// Replace.
    SetBooking(Booking),
    /// Insert.
    AddPayment(Payment),
    /// Replace.
    SetPayment(Payment),
    /// Insert: a movement happens once.
    AddTransfer(Transfer),
    /// Insert.
    AddJob(Job),
    /// Delete: the refund of this payment is done.
    EndJob(PaymentId),
    /// Insert.
    AddListing(Box<Listing>),
    /// Insert a user and their login: fails if the address is registered.
    AddAccount(Account),
    /// Insert.
    AddFamily(RefreshFamily),
    /// Replace, if the stored one still has the version before.
    SetFamily(RefreshFamily),
    /// Insert: no access token of this session is honoured any more. They have all ended by `until`.
    Revoke {
        /// Which.
        session: SessionId,
        /// When it no longer matters.
        until: Timestamp,
    },
    /// Insert: a webhook with this event id was taken into account.
    SeeWebhook {
        /// The provider's id for it.
        event_id: String,
        /// When it came.
        at: Timestamp,
    },
    /// Replace.
    SetListing(Box<Listing>),
    /// Insert: the picture is named by this home.
    AddPhoto(PhotoId, PropertyId),
    /// Delete: no home names the picture any more.
    RemovePhoto(PhotoId),
    /// Insert.
    AddBlock(Block),
    /// Delete.
    EndBlock(BlockId),
}

/// An event on its way to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicEvent {
    /// Where.
    pub topic: Topic,
    /// Its number on a guarded topic: taking it is the optimistic-concurrency check. `None` on a free topic (an inbox), which
    /// the committer numbers.
    pub seq: Option<Seq>,
    /// When it was decided.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
}

/// Everything a decision writes, all or nothing (P3).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Changes {
    /// Records.
    pub writes: Vec<Write>,
    /// Events, in order.
    pub events: Vec<TopicEvent>,
    /// The decision is void unless it is committed before this instant, by the database's clock (P6).
    pub deadline: Option<Timestamp>,
}

impl Changes {
    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty()
    }
}

/// A command that was allowed: its result, once `changes` are committed.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<T> {
    /// What the caller gets.
    pub outcome: T,
    /// What must be committed first.
    pub changes: Changes,
}
