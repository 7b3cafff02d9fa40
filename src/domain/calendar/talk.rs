//! What the two sides of a booking write to each other, and how far they have read. It rides on the next event of `booking:{id}`, so that two writers,
//! here or on other nodes, are in one order, and neither overwrites the other.

use latchkey_protocol::{Topic, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::Booking;
use crate::domain::change::{Decision, TopicEvent, Write};
use crate::domain::error::Refusal;
use crate::domain::event::Event;
use crate::domain::notification::{Notification, NotificationWrite, minted_at};
use crate::domain::retention::READ_NOTIFICATIONS_MS;
use crate::domain::thread::{Message, Thread, ThreadWrite, closes_at, other};
use crate::domain::time::Timestamp;

/// A thread with what decisions on it are made on. The booking is read first: if the thread is newer, the append fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// The booking: as it is in the calendar, or as stored if it is not live there.
    pub booking: Booking,
    /// Its thread, if anybody has written.
    pub thread: Option<Thread>,
}

impl Calendar {
    /// Writes to the other side. `notice` is the last notification about this thread that the other side got, if it is still there.
    ///
    /// # Errors
    /// `NotFound` if the sender is neither party; `InvalidState` when the thread is closed.
    pub fn send_message(
        &self,
        conversation: Conversation,
        notice: Option<Notification>,
        sender: UserId,
        text: String,
        now: Timestamp,
    ) -> Result<Decision<Message>, Refusal> {
        let Conversation { mut booking, thread } = conversation;
        let party = booking.party(sender).ok_or(Refusal::NotFound)?;
        if now >= closes_at(&booking) {
            return Err(Refusal::InvalidState { state: "thread_closed" });
        }
        let mut draft = Draft::new(self, now);
        let is_new = thread.is_none();
        let had_unread = thread.as_ref().is_some_and(|thread| thread.place(other(party)).unread > 0);
        // An older one may have been read and swept.
        let is_young = |id| now < minted_at(id).plus_ms(READ_NOTIFICATIONS_MS);
        let was_muted = thread.as_ref().and_then(|thread| thread.place(other(party)).notice).is_some_and(is_young);
        let (mut thread, message) = thread.unwrap_or_else(|| Thread::of(&booking)).with_message(party, text, now);
        let event = Event::MessageSent { booking: booking.id, message: message.number, sender };
        draft.append_to_booking(&mut booking, event.clone());
        draft.changes.append_quietly(sender, now, event.clone());
        let reader = thread.user(other(party));
        // A host who stays in their own home has one inbox.
        if reader != sender {
            match notice {
                // One unread notification for a thread, however many messages.
                Some(notice) if notice.read_at.is_none() => {
                    draft.changes.append_quietly(reader, now, event);
                    draft.write(Write::Notification(NotificationWrite::Set(notice.with_one_more())));
                }
                // It was not wanted, and they have not read what it would have told them of.
                None if had_unread && was_muted => draft.changes.append_quietly(reader, now, event),
                Some(_) | None => thread.place_mut(other(party)).notice = draft.changes.append_to_inbox(reader, other(party), now, event),
            }
        }
        draft.write(Write::Thread(ThreadWrite::AddMessage(message.clone())));
        draft.write(Write::Thread(if is_new { ThreadWrite::Add(thread) } else { ThreadWrite::Set(thread) }));
        draft.write(Write::SetBooking(booking));
        Ok(draft.decide(message))
    }

    /// Marks the thread as read by `reader` up to and with `up_to`; when nothing is left, its notification too. `notice` is the last one about this
    /// thread that the reader got, if it is still there. Nothing changes if they had read that far before.
    ///
    /// # Errors
    /// `NotFound` if the reader is neither party, or nobody has written.
    pub fn read_messages(
        &self,
        conversation: Conversation,
        notice: Option<Notification>,
        reader: UserId,
        up_to: &Message,
        now: Timestamp,
    ) -> Result<Decision<Thread>, Refusal> {
        let Conversation { mut booking, thread } = conversation;
        let party = booking.party(reader).ok_or(Refusal::NotFound)?;
        let thread = thread.ok_or(Refusal::NotFound)?;
        let mut draft = Draft::new(self, now);
        let Some(thread) = thread.clone().read(party, up_to) else { return Ok(draft.decide(thread)) };
        let event = Event::MessageRead { booking: booking.id, reader, up_to: up_to.number };
        draft.append_to_booking(&mut booking, event.clone());
        draft.changes.append_quietly(thread.guest, now, event.clone());
        if thread.host != thread.guest {
            draft.changes.append_quietly(thread.host, now, event);
        }
        // One that was muted, swept or read by itself is not read now.
        if let Some(notice) = notice.filter(|notice| thread.place(party).unread == 0 && notice.read_at.is_none()) {
            let notifications = vec![notice.id];
            draft.write(Write::Notification(NotificationWrite::Read { user: reader, notifications: notifications.clone(), at: now }));
            draft.changes.append_quietly(reader, now, Event::NotificationRead { up_to: None, notifications });
        }
        draft.write(Write::Thread(ThreadWrite::Set(thread.clone())));
        draft.write(Write::SetBooking(booking));
        Ok(draft.decide(thread))
    }
}

impl Draft<'_> {
    /// Appends to `booking:{id}`: the guard of everything that is written with it.
    fn append_to_booking(&mut self, booking: &mut Booking, event: Event) {
        booking.seq += 1;
        self.changes.events.push(TopicEvent { topic: Topic::Booking(booking.id), seq: Some(booking.seq), at: self.now, event });
    }
}
