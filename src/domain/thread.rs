//! What the two sides of a booking write to each other: one thread per booking, read for ever, written until a while after it is over.
//!
//! Messages are numbered 1, 2, 3 … in the order of `booking:{id}`: each is decided together with the next event of that topic, which is what
//! two writers collide on. How far each side has read only grows, and how much is unread follows from two messages' counts.

use latchkey_protocol::{BookingId, NotificationId, PropertyId, UserId};

use super::booking::{Booking, BookingState, Party};
use super::error::Refusal;
use super::time::{DAY_MS, Timestamp};

/// Longest message, in characters.
pub const MAX_TEXT_CHARS: usize = 4_000;

/// How long after the end of a booking its sides may write to each other, in milliseconds.
const WRITABLE_AFTER_END_MS: i64 = 60 * DAY_MS;

/// A message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// In the thread of which booking.
    pub booking: BookingId,
    /// Its number there.
    pub number: u64,
    /// Who wrote it.
    pub sender: UserId,
    /// What they wrote; `None` once they were erased.
    pub text: Option<String>,
    /// How many of the messages up to and with this one are the guest's.
    pub of_guest: u64,
    /// When it was sent.
    pub sent_at: Timestamp,
}

impl std::fmt::Debug for Message {
    /// Says nothing that does not belong into a log: the text is personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message").field("booking", &self.booking).field("number", &self.number).finish_non_exhaustive()
    }
}

impl Message {
    /// How many of the messages up to and with this one are that side's.
    const fn sent_by(&self, party: Party) -> u64 {
        match party {
            Party::Guest => self.of_guest,
            Party::Host => self.number.saturating_sub(self.of_guest),
        }
    }
}

/// Where one side is in a thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// How many messages are theirs.
    pub sent: u64,
    /// The last message that they have read; 0 if none.
    pub read_up_to: u64,
    /// How many of the other side's messages come after it.
    pub unread: u64,
    /// The notification that they got last about this thread.
    pub notice: Option<NotificationId>,
}

/// A booking's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// Of which booking.
    pub booking: BookingId,
    /// Of which home.
    pub property: PropertyId,
    /// One side.
    pub guest: UserId,
    /// The other side.
    pub host: UserId,
    /// When the last message was sent.
    pub last_sent_at: Option<Timestamp>,
    /// Where the guest is.
    pub guest_place: Place,
    /// Where the host is.
    pub host_place: Place,
}

/// What is written of threads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThreadWrite {
    /// Insert.
    Add(Thread),
    /// Replace; the event of `booking:{id}` that it comes with guards it.
    Set(Thread),
    /// Insert.
    AddMessage(Message),
    /// Takes the text out of everything that a user who was erased has written in the thread; saying it twice is the same.
    EraseTexts {
        /// In the thread of which booking.
        booking: BookingId,
        /// Whose.
        sender: UserId,
    },
}

impl Thread {
    /// The thread of a booking in which nobody has written.
    #[must_use]
    pub fn of(booking: &Booking) -> Self {
        Self {
            booking: booking.id,
            property: booking.property,
            guest: booking.guest,
            host: booking.host,
            last_sent_at: None,
            guest_place: Place::default(),
            host_place: Place::default(),
        }
    }

    /// How many messages it has: the number of the last one.
    #[must_use]
    pub const fn messages(&self) -> u64 {
        self.guest_place.sent + self.host_place.sent
    }

    /// Where a side is.
    #[must_use]
    pub const fn place(&self, party: Party) -> &Place {
        match party {
            Party::Guest => &self.guest_place,
            Party::Host => &self.host_place,
        }
    }

    pub(super) const fn place_mut(&mut self, party: Party) -> &mut Place {
        match party {
            Party::Guest => &mut self.guest_place,
            Party::Host => &mut self.host_place,
        }
    }

    /// Who is on a side.
    #[must_use]
    pub const fn user(&self, party: Party) -> UserId {
        match party {
            Party::Guest => self.guest,
            Party::Host => self.host,
        }
    }

    /// The thread with one message more, whose text was checked by [`checked_text`].
    #[must_use]
    pub fn with_message(mut self, party: Party, text: String, now: Timestamp) -> (Self, Message) {
        self.place_mut(party).sent += 1;
        self.place_mut(other(party)).unread += 1;
        self.last_sent_at = Some(now);
        let (number, of_guest) = (self.messages(), self.guest_place.sent);
        let message = Message { booking: self.booking, number, sender: self.user(party), text: Some(text), of_guest, sent_at: now };
        (self, message)
    }

    /// The thread after a side has read it up to and with that message; `None` if they had before.
    #[must_use]
    pub fn read(mut self, party: Party, up_to: &Message) -> Option<Self> {
        if up_to.number <= self.place(party).read_up_to {
            return None;
        }
        let unread = self.place(other(party)).sent.saturating_sub(up_to.sent_by(other(party)));
        let place = self.place_mut(party);
        (place.read_up_to, place.unread) = (up_to.number, unread);
        Some(self)
    }
}

/// The other side.
#[must_use]
pub const fn other(party: Party) -> Party {
    match party {
        Party::Guest => Party::Host,
        Party::Host => Party::Guest,
    }
}

/// From when on nothing can be sent in a booking's thread, as things stand: 60 days after it is over.
#[must_use]
pub fn closes_at(booking: &Booking) -> Timestamp {
    let over_at = match booking.state {
        BookingState::PendingPayment { .. }
        | BookingState::Requested { .. }
        | BookingState::Confirmed { .. }
        | BookingState::CheckedIn { .. } => booking.times.check_out_at,
        BookingState::Completed { at }
        | BookingState::PaymentFailed { at }
        | BookingState::Declined { at }
        | BookingState::Withdrawn { at }
        | BookingState::Expired { at }
        | BookingState::CancelledByGuest { at }
        | BookingState::CancelledByHost { at }
        | BookingState::NoShow { at } => at,
    };
    over_at.plus_ms(WRITABLE_AFTER_END_MS)
}

/// The text, if it may be sent.
///
/// # Errors
/// `Invalid`.
pub fn checked_text(text: String) -> Result<String, Refusal> {
    let is_long = text.chars().nth(MAX_TEXT_CHARS).is_some();
    if text.is_empty() || is_long || text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err(Refusal::Invalid { field: "text", reason: "1 to 4000 characters, of control characters only line feed and tab" });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread() -> Thread {
        Thread {
            booking: BookingId::from_bytes([1; 16]),
            property: PropertyId::from_bytes([2; 16]),
            guest: UserId::from_bytes([3; 16]),
            host: UserId::from_bytes([4; 16]),
            last_sent_at: None,
            guest_place: Place::default(),
            host_place: Place::default(),
        }
    }

    #[test]
    fn a_text_has_a_length_and_no_control_characters_but_two() {
        for (text, is_allowed) in [
            ("", false),
            ("a", true),
            ("a\nb\tc", true),
            ("a\rb", false),
            ("a\0", false),
            ("\u{7f}", false),
            ("\u{85}", false),
            ("é😀", true),
            (&"é".repeat(4_000), true),
            (&"a".repeat(4_001), false),
        ] {
            assert_eq!(checked_text(text.to_owned()).is_ok(), is_allowed, "{text:?}");
        }
    }

    #[test]
    fn a_side_has_not_read_what_the_other_wrote_after_its_mark_and_the_mark_never_goes_back() {
        use Party::{Guest, Host};
        let (mut thread, mut messages) = (thread(), Vec::new());
        for party in [Guest, Host, Host, Guest, Host] {
            let (next, message) = thread.with_message(party, "Hello".to_owned(), Timestamp::from_epoch_ms(7));
            assert_eq!((message.number, message.sender), (next.messages(), next.user(party)));
            thread = next;
            messages.push(message);
        }
        assert_eq!((thread.guest_place.unread, thread.host_place.unread), (3, 2));
        for (party, up_to, expected) in [
            (Guest, 2, Some((2, 2))),
            (Guest, 1, None),
            (Guest, 2, None),
            (Guest, 4, Some((4, 1))),
            (Guest, 5, Some((5, 0))),
            (Host, 3, Some((3, 1))),
            (Host, 4, Some((4, 0))),
            (Host, 5, Some((5, 0))),
        ] {
            let read = thread.clone().read(party, &messages[up_to - 1]);
            let place = read.as_ref().map(|thread| (thread.place(party).read_up_to, thread.place(party).unread));
            assert_eq!(place, expected, "{party:?} {up_to}");
            thread = read.unwrap_or(thread);
        }
    }

    #[test]
    fn the_text_of_a_message_is_not_in_what_is_logged_of_it() {
        let (_, message) = thread().with_message(Party::Guest, "secret".to_owned(), Timestamp::from_epoch_ms(7));
        assert!(!format!("{message:?}").contains("secret"));
    }
}
