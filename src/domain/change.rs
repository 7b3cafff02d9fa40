//! What a decision writes: records, events, and the instant by which it must be committed.

use latchkey_protocol::{BlockId, ClaimId, Date, PhotoId, PropertyId, Seq, Topic};

use super::account::AccountWrite;
use super::block::Block;
use super::booking::Booking;
use super::event::Event;
use super::hold::Hold;
use super::job::{Job, JobId};
use super::ledger::Transfer;
use super::listing::Listing;
use super::notification::NotificationWrite;
use super::payment::Payment;
use super::retention::Outlived;
use super::review::Review;
use super::thread::ThreadWrite;
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
    /// Insert; a job of the same name that is there already is made to run again, after this change, from its first try. So adding
    /// one never fails, and whatever is written with it is still seen by a run.
    AddJob(Job),
    /// Delete: what came of it is in this change set, and its events guard both.
    EndJob(JobId),
    /// Insert.
    AddListing(Box<Listing>),
    /// Insert: a webhook with this event id was taken into account.
    SeeWebhook {
        /// The provider's id for it.
        event_id: String,
        /// When it came.
        at: Timestamp,
    },
    /// Insert, unless a job of that name is there: what recurs is made once and goes on from where it is.
    EnsureJob(Job),
    /// Replace, if the stored one still has the epoch before.
    SetJob(Job),
    /// Delete, if the stored one still has this epoch.
    RemoveJob(JobId, i64),
    /// Delete: nobody replaces it any more.
    Sweep(Outlived),
    /// A record of somebody's account.
    Account(AccountWrite),
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
    /// What the two sides of a booking write to each other.
    Thread(ThreadWrite),
    /// What somebody should know.
    Notification(NotificationWrite),
    /// Insert: each side writes once about a stay.
    AddReview(Review),
    /// Replace, if the stored one still has the version before.
    SetReview(Review),
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
