//! Notifications: what somebody should know of their bookings and did not do themselves.
//!
//! They follow from what is appended to inboxes, and for what is about a booking [`Changes::append_to_inbox`] is the one way to do that: so none is forgotten, and each is in
//! the change set that causes it (P3). What of it reaches whom, and how, their [`Preferences`] say; `service::notifications` asks them when the
//! change set is committed.

use std::collections::BTreeMap;

use latchkey_protocol::{BookingId, NotificationId, NotificationKind, Topic, UserId};

use super::booking::{AlterationEnd, AlterationState, BookingState, Party};
use super::change::{Changes, TopicEvent, Write};
use super::error::Refusal;
use super::event::{Event, ReviewChange};
use super::payment::{Payment, PaymentState};
use super::thread::other;
use super::time::Timestamp;

/// A notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notification {
    /// Its id among those of its user.
    pub id: NotificationId,
    /// For whom.
    pub user: UserId,
    /// What it is about.
    pub kind: NotificationKind,
    /// Of which booking.
    pub booking: BookingId,
    /// How many messages it stands for; 1 for other kinds.
    pub count: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was read.
    pub read_at: Option<Timestamp>,
    /// Counts changes: compared by whoever replaces it.
    pub version: i64,
}

impl Notification {
    /// The same, standing for one message more.
    #[must_use]
    pub const fn with_one_more(self) -> Self {
        Self { count: self.count.saturating_add(1), version: self.version + 1, ..self }
    }
}

/// What is written of notifications.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationWrite {
    /// Insert.
    Add(Notification),
    /// Replace, if the stored one still has the version before.
    Set(Notification),
    /// Marks those as read that are not: saying it twice is the same.
    Read {
        /// Whose.
        user: UserId,
        /// Which.
        notifications: Vec<NotificationId>,
        /// When.
        at: Timestamp,
    },
    /// Insert.
    AddPreferences(Preferences),
    /// Replace, if the stored ones still have the version before.
    SetPreferences(Preferences),
}

/// What `user`, who is on that side of the booking, should know when they have this in their inbox, and of which booking.
#[must_use]
pub fn follows(user: UserId, party: Party, event: &Event) -> Option<(NotificationKind, BookingId)> {
    match event {
        Event::BookingChanged { booking, state, .. } => of_state(party, *state).map(|kind| (kind, *booking)),
        Event::PaymentUpdated(payment) => {
            (party == Party::Guest && is_declined(payment)).then_some((NotificationKind::PaymentFailed, payment.booking))
        }
        Event::PaymentRefunded(payment) => {
            let has_gone = party == Party::Guest && payment.refunded_minor == payment.refund_due_minor;
            has_gone.then_some((NotificationKind::RefundSent, payment.booking))
        }
        Event::MessageSent { booking, sender, .. } => (*sender != user).then_some((NotificationKind::MessageReceived, *booking)),
        Event::AlterationProposed { booking, by, state, .. } => {
            let whose_turn = match state {
                AlterationState::Proposed => other(*by),
                AlterationState::AwaitingPayment { .. } => Party::Guest,
            };
            // Who said yes to what they have to pay more for knows.
            let is_own = matches!(state, AlterationState::AwaitingPayment { .. }) && *by == Party::Host;
            (party == whose_turn && !is_own).then_some((NotificationKind::AlterationProposed, *booking))
        }
        Event::AlterationEnded { booking, by, end, .. } => {
            let is_news = match end {
                AlterationEnd::Applied | AlterationEnd::Declined | AlterationEnd::Expired => party == *by,
                AlterationEnd::Withdrawn => party != *by,
                AlterationEnd::DatesTaken => true,
            };
            is_news.then_some((NotificationKind::AlterationEnded, *booking))
        }
        Event::PayoutChanged { booking, paid_minor, pending_minor, .. } => {
            (*pending_minor == 0 && *paid_minor > 0).then_some((NotificationKind::PayoutSent, *booking))
        }
        Event::PaymentDisputed(payment) => (party == Party::Host).then_some((NotificationKind::PaymentDisputed, payment.booking)),
        Event::ReviewSubmitted { booking, by, .. } => (party != *by).then_some((NotificationKind::ReviewReceived, *booking)),
        Event::ReviewChanged { change, notice } => {
            let kind = match change {
                ReviewChange::Published if party != notice.by => Some(NotificationKind::ReviewPublished),
                ReviewChange::Replied if party == notice.by => Some(NotificationKind::ReviewReplied),
                ReviewChange::Published | ReviewChange::Replied | ReviewChange::Hidden | ReviewChange::Shown => None,
            };
            kind.zip(notice.booking)
        }
        // The booking that it confirms says more; if it came too late, it goes back.
        Event::PaymentSucceeded(_)
        // It was theirs to use in time.
        | Event::HoldExpired { .. }
        // Whatever it is, another event says it.
        | Event::BookingUpdated { .. }
        | Event::MessageRead { .. }
        // About no booking; who must know of it gets a mail.
        | Event::AccountUpdated { .. }
        | Event::SessionEnded { .. }
        | Event::NotificationCreated { .. }
        | Event::NotificationRead { .. }
        // Never in an inbox.
        | Event::PropertyListed { .. }
        | Event::PropertyPublished { .. }
        | Event::PropertyUpdated { .. }
        | Event::PropertyUnlisted { .. }
        | Event::PropertyDeleted { .. }
        | Event::AvailabilityChanged { .. } => None,
    }
}

const fn of_state(party: Party, state: BookingState) -> Option<NotificationKind> {
    match (state, party) {
        (BookingState::Requested { .. }, Party::Host) => Some(NotificationKind::BookingRequested),
        (BookingState::Confirmed { .. }, Party::Guest | Party::Host) => Some(NotificationKind::BookingConfirmed),
        (BookingState::PaymentFailed { .. }, Party::Guest | Party::Host) => Some(NotificationKind::PaymentFailed),
        (BookingState::Declined { .. }, Party::Guest) => Some(NotificationKind::BookingDeclined),
        (BookingState::Withdrawn { .. }, Party::Host) => Some(NotificationKind::BookingWithdrawn),
        // A host has not been told of what was not paid, and has let run out themselves what they did not answer.
        (BookingState::Expired { .. }, Party::Guest) => Some(NotificationKind::BookingExpired),
        (BookingState::CancelledByGuest { .. }, Party::Host) | (BookingState::CancelledByHost { .. }, Party::Guest) => {
            Some(NotificationKind::BookingCancelled)
        }
        (BookingState::NoShow { .. }, Party::Guest) => Some(NotificationKind::NoShow),
        // Both are there; what ends by itself asks for nothing.
        (
            BookingState::PendingPayment { .. } | BookingState::CheckedIn { .. } | BookingState::Completed { .. },
            Party::Guest | Party::Host,
        )
        | (
            BookingState::Declined { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByHost { .. }
            | BookingState::NoShow { .. },
            Party::Host,
        )
        | (BookingState::Requested { .. } | BookingState::Withdrawn { .. } | BookingState::CancelledByGuest { .. }, Party::Guest) => None,
    }
}

const fn is_declined(payment: &Payment) -> bool {
    match &payment.state {
        PaymentState::RequiresPaymentMethod { declined } => declined.is_some(),
        PaymentState::RequiresConfirmation { .. }
        | PaymentState::RequiresAction { .. }
        | PaymentState::Processing
        | PaymentState::RequiresCapture
        | PaymentState::Succeeded
        | PaymentState::Canceled => false,
    }
}

impl Changes {
    /// Appends to the inbox of `user`, who is on that side of the booking, and adds the notification that follows from it, if any.
    pub fn append_to_inbox(&mut self, user: UserId, party: Party, at: Timestamp, event: Event) -> Option<NotificationId> {
        let follows = follows(user, party, &event);
        self.append_quietly(user, at, event);
        let (kind, booking) = follows?;
        let id = self.notification_id(kind, booking, party, at);
        let notification = Notification { id, user, kind, booking, count: 1, created_at: at, read_at: None, version: 1 };
        self.writes.push(Write::Notification(NotificationWrite::Add(notification)));
        self.append_quietly(user, at, Event::NotificationCreated { notification: id, kind, booking });
        Some(id)
    }

    /// Appends to an inbox what its owner has done themselves, or has a notification of already.
    pub(super) fn append_quietly(&mut self, user: UserId, at: Timestamp, event: Event) {
        self.events.push(TopicEvent { topic: Topic::User(user), seq: None, at, event });
    }

    /// A UUIDv7 of that instant, which [`minted_at`] reads. The rest of it is the booking's, with the kind, the side, and the number of the booking's event that was appended
    /// just before: so no two are the same.
    fn notification_id(&self, kind: NotificationKind, booking: BookingId, party: Party, at: Timestamp) -> NotificationId {
        let of_booking = |event: &TopicEvent| if event.topic == Topic::Booking(booking) { event.seq } else { None };
        let seq = self.events.iter().rev().find_map(of_booking).unwrap_or(0);
        let mut bytes = *booking.as_bytes();
        bytes[..6].copy_from_slice(&u64::try_from(at.epoch_ms()).unwrap_or(0).to_be_bytes()[2..]);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[7] ^= kind as u8;
        bytes[8] ^= party as u8;
        for (byte, of_seq) in bytes[9..].iter_mut().zip(&seq.to_be_bytes()[1..]) {
            *byte ^= of_seq;
        }
        NotificationId::from_bytes(bytes)
    }
}

/// When the notification of that id was made, also if it is gone.
#[must_use]
pub fn minted_at(id: NotificationId) -> Timestamp {
    let ms = id.as_bytes()[..6].iter().fold(0, |ms, byte| ms << 8 | i64::from(*byte));
    Timestamp::from_epoch_ms(ms)
}

/// By which ways somebody hears of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// By a notification.
    pub in_app: bool,
    /// By a mail.
    pub email: bool,
}

/// How those hear of a kind who never chose: always by a notification, and by mail of what they should not miss.
#[must_use]
pub const fn default_channels(kind: NotificationKind) -> Channels {
    let email = match kind {
        NotificationKind::BookingConfirmed
        | NotificationKind::BookingCancelled
        | NotificationKind::PaymentFailed
        | NotificationKind::RefundSent
        | NotificationKind::MessageReceived
        | NotificationKind::BookingRequested
        | NotificationKind::BookingDeclined
        | NotificationKind::NoShow
        | NotificationKind::AlterationProposed
        | NotificationKind::AlterationEnded
        | NotificationKind::PayoutSent
        | NotificationKind::PaymentDisputed
        | NotificationKind::ReviewReceived
        | NotificationKind::ReviewPublished => true,
        NotificationKind::BookingExpired | NotificationKind::BookingWithdrawn | NotificationKind::ReviewReplied => false,
    };
    Channels { in_app: true, email }
}

/// How a user wants to hear of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Whose.
    pub user: UserId,
    /// What they chose; the defaults for the rest.
    pub chosen: BTreeMap<NotificationKind, Channels>,
    /// Counts changes: compared by whoever replaces them. 0: nothing is stored.
    pub version: i64,
}

impl Preferences {
    /// Of somebody who never chose.
    #[must_use]
    pub const fn unchosen(user: UserId) -> Self {
        Self { user, chosen: BTreeMap::new(), version: 0 }
    }

    /// How the user hears of a kind.
    #[must_use]
    pub fn channels(&self, kind: NotificationKind) -> Channels {
        self.chosen.get(&kind).copied().unwrap_or_else(|| default_channels(kind))
    }

    /// Other choices instead of these.
    ///
    /// # Errors
    /// `Invalid` if a kind is there twice.
    pub fn choose(self, choices: impl IntoIterator<Item = (NotificationKind, Channels)>) -> Result<Self, Refusal> {
        let mut chosen = BTreeMap::new();
        for (kind, channels) in choices {
            if chosen.insert(kind, channels).is_some() {
                return Err(Refusal::Invalid { field: "items", reason: "each kind at most once" });
            }
        }
        Ok(Self { chosen, version: self.version + 1, ..self })
    }

    /// What writes them.
    #[must_use]
    pub fn write(&self) -> Write {
        let write = if self.version == 1 { NotificationWrite::AddPreferences } else { NotificationWrite::SetPreferences };
        Write::Notification(write(self.clone()))
    }
}

#[cfg(test)]
mod tests;
