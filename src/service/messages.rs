//! What the two sides of a booking write to each other.
//!
//! Sending and reading are decided under the home's claim, as everything about a booking is, since they take the next number of `booking:{id}`. The text is in
//! `message:[booking, number]` and nowhere else: events, keys and logs name it by its number.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::Arc;

use governor::Quota;
use latchkey_protocol::rest::{ReadMessages, SendMessage};
use latchkey_protocol::{BookingId, UserId, view};
use serde::{Deserialize, Serialize};

use super::availability::Availability;
use super::decisions::Attempts;
use super::idempotency::{IdempotencyKey, Keys, Use};
use super::throttle::Throttle;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::booking::{Booking, Party};
use crate::domain::calendar::Conversation;
use crate::domain::job::{JobKind, Run};
use crate::domain::thread::{checked_text, other};
use crate::domain::{Calendar, Claim, Notification, Refusal, Thread, ThreadWrite, Timestamp, Write};
use crate::store::{ChangeSet, CommitError, Contended, Lane, Store};

/// Messages that a user may send a minute.
const MESSAGES_PER_MINUTE: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// Threads whose texts are erased in one change set.
const THREADS_AT_ONCE: usize = 20;

/// When an erased user's texts are looked for once more, in milliseconds: no request takes as long.
const FORGET_AGAIN_MS: i64 = 2 * 60_000;

/// The answer kept under a key: the text is personal, and read again when the key is.
#[derive(Debug, Serialize, Deserialize)]
struct Sent {
    message: u64,
}

/// What a key stands for.
#[derive(Serialize)]
struct Asked<'a> {
    booking: BookingId,
    text: &'a str,
}

/// Where a page of threads begins: after the one with this last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterThread {
    last_sent_at: Timestamp,
    booking: BookingId,
}

impl AfterThread {
    /// After this one.
    #[must_use]
    pub fn of(thread: &view::Thread) -> Self {
        Self { last_sent_at: Timestamp::from_epoch_ms(thread.last_sent_at.unwrap_or(0)), booking: thread.booking }
    }
}

impl fmt::Display for AfterThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.last_sent_at.epoch_ms(), self.booking)
    }
}

/// Text that says nothing of where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for AfterThread {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (at, booking) = text.split_once('/').ok_or(NoPlace)?;
        let last_sent_at = Timestamp::from_epoch_ms(at.parse().map_err(|_| NoPlace)?);
        Ok(Self { last_sent_at, booking: booking.parse().map_err(|_| NoPlace)? })
    }
}

/// Threads and messages.
pub struct Messages {
    availability: Arc<Availability>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    sending: Throttle,
}

impl Messages {
    /// Of the bookings in these calendars.
    #[must_use]
    pub fn new(availability: Arc<Availability>, store: Arc<Store>, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Self {
        Self { availability, store, keys, clock, sending: Throttle::new(Quota::per_minute(MESSAGES_PER_MINUTE)) }
    }

    /// Forgets who has not sent anything lately.
    pub fn sweep(&self) {
        self.sending.sweep();
    }

    /// Writes to the other side of a booking.
    ///
    /// # Errors
    /// `RateLimited` beyond 30 a minute; `Invalid`, `NotFound`, `KeyReused`, `Busy`; `InvalidState` once the booking is over for 60 days.
    pub async fn send(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        ask: SendMessage,
    ) -> Result<view::Message, ServiceError> {
        self.sending.count(&caller.user)?;
        let text = checked_text(ask.text)?;
        let used = self.keys.begin(caller.user, "send_message", key, &Asked { booking, text: &text }).await?;
        let property = self.booking_of(caller, booking).await?.property;
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let claim = self.availability.claim(property).await?;
            let now = self.now();
            let conversation = self.conversation(claim.calendar(), booking).await?;
            let notice = self.notice_of(&conversation, conversation.booking.party(caller.user).map(other)).await?;
            let decision = match claim.calendar().send_message(conversation, notice, caller.user, text.clone(), now) {
                Ok(decision) => decision,
                Err(refusal) => {
                    drop(claim);
                    let first = self.keys.or_first_answer(&used, refusal.into()).await?;
                    return self.message(booking, &first).await;
                }
            };
            let idempotency = used.record(&Sent { message: decision.outcome.number }, now)?;
            match claim.commit(decision.changes, Some(idempotency), Lane::Normal).await {
                Ok(()) => return Ok(wire::message(&decision.outcome)),
                Err(CommitError::Contended(Contended::Key)) => return self.first_message(booking, &used).await,
                // Another writer was first.
                Err(CommitError::Contended(_) | CommitError::TooLate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// Marks a thread as read by the caller; never back.
    ///
    /// # Errors
    /// `NotFound`, `Busy`; `Invalid` if there is no such message.
    pub async fn mark_read(&self, caller: &Caller, booking: BookingId, ask: ReadMessages) -> Result<view::Thread, ServiceError> {
        let property = self.booking_of(caller, booking).await?.property;
        let up_to = self.store.messages(booking, ask.up_to, ask.up_to).await?.pop();
        let up_to = up_to.ok_or(Refusal::Invalid { field: "up_to", reason: "no message of this thread" })?;
        let mut attempts = Attempts::default();
        while attempts.next().await {
            let claim = self.availability.claim(property).await?;
            let conversation = self.conversation(claim.calendar(), booking).await?;
            let notice = self.notice_of(&conversation, conversation.booking.party(caller.user)).await?;
            let decision = claim.calendar().read_messages(conversation, notice, caller.user, &up_to, self.now())?;
            let thread = seen_by(caller.user, &decision.outcome)?;
            if decision.changes.is_empty() {
                return Ok(thread);
            }
            match claim.commit(decision.changes, None, Lane::Normal).await {
                Ok(()) => return Ok(thread),
                Err(CommitError::Contended(_) | CommitError::TooLate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// The messages of a booking that the caller is a party of, newest first, older than the number `before`.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn list(
        &self,
        caller: &Caller,
        booking: BookingId,
        before: Option<u64>,
        limit: u16,
    ) -> Result<Vec<view::Message>, ServiceError> {
        self.booking_of(caller, booking).await?;
        let last = self.store.thread(booking).await?.map_or(0, |thread| thread.messages());
        let to = before.map_or(last, |before| before.saturating_sub(1).min(last));
        let from = (to + 1).saturating_sub(u64::from(limit)).max(1);
        Ok(self.store.messages(booking, from, to).await?.iter().map(wire::message).collect())
    }

    /// The caller's threads, that with the newest message first, after `after`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn threads(&self, caller: &Caller, after: Option<AfterThread>, limit: u16) -> Result<Vec<view::Thread>, ServiceError> {
        let after = after.map(|after| (after.last_sent_at, after.booking));
        let threads = self.store.threads_of(caller.user, after, usize::from(limit)).await?;
        threads.iter().map(|thread| seen_by(caller.user, thread)).collect()
    }

    /// The thread of a booking that the caller is a party of, also if nobody has written.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find_thread(&self, caller: &Caller, booking: BookingId) -> Result<view::Thread, ServiceError> {
        let booking = self.booking_of(caller, booking).await?;
        let thread = self.store.thread(booking.id).await?.unwrap_or_else(|| Thread::of(&booking));
        seen_by(caller.user, &thread)
    }

    /// Takes what an erased user wrote out of every thread. It is done again after a while, for what was on its way.
    ///
    /// # Errors
    /// If the database cannot be read or written; it is done again.
    pub async fn forget(&self, user: UserId, is_last: bool) -> Result<Run, ServiceError> {
        let threads = self.store.threads_of(user, None, usize::MAX).await?;
        for some in threads.chunks(THREADS_AT_ONCE) {
            let erase = |thread: &Thread| Write::Thread(ThreadWrite::EraseTexts { booking: thread.booking, sender: user });
            let set = ChangeSet { writes: some.iter().map(erase).collect(), ..ChangeSet::default() };
            self.store.commit(set, Lane::Reserved).await?;
        }
        if is_last {
            return Ok(Run::Done);
        }
        Ok(Run::Again { kind: JobKind::Forget { user, is_last: true }, run_at: self.now().plus_ms(FORGET_AGAIN_MS) })
    }

    async fn booking_of(&self, caller: &Caller, booking: BookingId) -> Result<Booking, ServiceError> {
        Ok(self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?.booking)
    }

    /// The booking, then its thread: a thread that is newer than the booking makes the append fail.
    async fn conversation(&self, calendar: &Calendar, booking: BookingId) -> Result<Conversation, ServiceError> {
        let live = match calendar.claim(booking) {
            Some(Claim::Booked(deal)) => Some(deal.booking.clone()),
            Some(Claim::Hold(_) | Claim::Blocked(_)) | None => None,
        };
        let booking = match live {
            Some(booking) => booking,
            // Over, so it is not in the calendar; its own topic guards it.
            None => self.store.deal(booking).await?.ok_or(ServiceError::NotFound("booking"))?.booking,
        };
        let thread = self.store.thread(booking.id).await?;
        Ok(Conversation { booking, thread })
    }

    /// The last notification of this thread that a side got, if it is still there.
    async fn notice_of(&self, conversation: &Conversation, party: Option<Party>) -> Result<Option<Notification>, ServiceError> {
        let (Some(thread), Some(party)) = (&conversation.thread, party) else { return Ok(None) };
        match thread.place(party).notice {
            Some(notice) => Ok(self.store.notification(thread.user(party), notice).await?),
            None => Ok(None),
        }
    }

    async fn first_message(&self, booking: BookingId, used: &Use) -> Result<view::Message, ServiceError> {
        let first = self.keys.first_answer(used).await?.ok_or(ServiceError::Busy)?;
        self.message(booking, &first).await
    }

    async fn message(&self, booking: BookingId, sent: &Sent) -> Result<view::Message, ServiceError> {
        let message = self.store.messages(booking, sent.message, sent.message).await?.pop();
        Ok(wire::message(&message.ok_or(ServiceError::NotFound("message"))?))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}

fn seen_by(user: UserId, thread: &Thread) -> Result<view::Thread, ServiceError> {
    wire::thread(thread, user).ok_or(ServiceError::NotFound("booking"))
}
