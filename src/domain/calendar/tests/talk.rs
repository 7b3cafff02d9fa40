//! Messages: who may write until when, what is unread, and one notification for many.

use super::*;
use crate::domain::Booking;
use crate::domain::notification::{Notification, NotificationWrite, minted_at};
use crate::domain::retention::READ_NOTIFICATIONS_MS;
use crate::domain::thread::{Message, Thread, ThreadWrite};

const DAY_MS: i64 = 86_400_000;

/// A booking with its thread, as the store has them.
struct Stored {
    calendar: Calendar,
    conversation: Conversation,
    notices: Vec<Notification>,
}

impl Stored {
    fn new() -> Self {
        let mut calendar = calendar();
        let booking = booked(&mut calendar, 1).booking;
        Self { calendar, conversation: Conversation { booking, thread: None }, notices: Vec::new() }
    }

    /// Commits what was decided; the notices that were added.
    fn take(&mut self, changes: &Changes) -> usize {
        let before = self.notices.len();
        for write in &changes.writes {
            match write {
                Write::SetBooking(booking) => self.conversation.booking = booking.clone(),
                Write::Thread(ThreadWrite::Add(thread)) => {
                    assert!(self.conversation.thread.replace(thread.clone()).is_none());
                }
                Write::Thread(ThreadWrite::Set(thread)) => assert!(self.conversation.thread.replace(thread.clone()).is_some()),
                Write::Notification(NotificationWrite::Add(notice)) => self.notices.push(*notice),
                Write::Notification(NotificationWrite::Set(notice)) => {
                    let stored = self.notices.iter_mut().find(|stored| stored.id == notice.id).unwrap();
                    assert_eq!(stored.version + 1, notice.version);
                    *stored = *notice;
                }
                Write::Notification(NotificationWrite::Read { notifications, at, .. }) => {
                    for notice in self.notices.iter_mut().filter(|notice| notifications.contains(&notice.id)) {
                        notice.read_at = Some(*at);
                    }
                }
                _ => {}
            }
        }
        self.calendar.apply(changes);
        self.notices.len() - before
    }

    fn thread(&self) -> &Thread {
        self.conversation.thread.as_ref().unwrap()
    }

    /// Sends as the host, if the guest's last notice is the last one made; how many notices were added.
    fn host_sends(&mut self, notice: Option<Notification>) -> (Message, usize) {
        let decision = self.calendar.send_message(self.conversation.clone(), notice, HOST, "Hello".to_owned(), START).unwrap();
        let added = self.take(&decision.changes);
        (decision.outcome, added)
    }
}

#[test]
fn a_message_takes_the_next_number_of_its_booking_and_both_sides_hear() {
    let mut stored = Stored::new();
    let seq = stored.conversation.booking.seq;
    let decision = stored.calendar.send_message(stored.conversation.clone(), None, guest(1), "Hello".to_owned(), START).unwrap();
    let expected = [("booking", Some(seq + 1)), ("guest", None), ("host", None), ("host", None)];
    assert_eq!(kinds(&decision.changes.events), expected, "the host has a notification besides");
    stored.take(&decision.changes);
    let Some(Claim::Booked(live)) = stored.calendar.claim(claim_no(1)) else { panic!("live") };
    assert_eq!(live.booking.seq, seq + 1, "what is decided next in this calendar comes after it");
    assert_eq!((stored.thread().messages(), stored.thread().host_place.unread, stored.thread().guest_place.unread), (1, 1, 0));
}

#[test]
fn of_a_thread_there_is_one_unread_notification_however_many_messages() {
    let mut stored = Stored::new();
    assert_eq!(stored.host_sends(None).1, 1);
    assert_eq!(stored.thread().guest_place.notice, Some(stored.notices[0].id));
    assert_eq!(stored.host_sends(Some(stored.notices[0])).1, 0);
    assert_eq!(stored.host_sends(Some(stored.notices[0])).1, 0);
    assert_eq!(stored.notices[0].count, 3);
    // Read, but not the messages: the next one is news again.
    stored.notices[0].read_at = Some(START);
    assert_eq!(stored.host_sends(Some(stored.notices[0])).1, 1);
    // Not there, as when it is muted: nobody hears of each message that they have not read.
    assert_eq!(stored.host_sends(None).1, 0);
    let last = stored.host_sends(Some(stored.notices[1])).0;
    let read = stored.calendar.read_messages(stored.conversation.clone(), Some(stored.notices[1]), guest(1), &last, START).unwrap();
    stored.take(&read.changes);
    assert_eq!(stored.notices[1].read_at, Some(START), "whoever has read the thread has read its notification");
    assert_eq!(stored.host_sends(None).1, 1);
}

#[test]
fn a_thread_whose_read_notification_was_swept_is_told_of_again() {
    let mut stored = Stored::new();
    let swept_at = START.plus_ms(READ_NOTIFICATIONS_MS);
    stored.conversation.booking.times.check_out_at = swept_at;
    assert_eq!(stored.host_sends(None).1, 1);
    assert_eq!(minted_at(stored.notices[0].id), START);
    let send = |stored: &Stored, now| {
        stored.calendar.send_message(stored.conversation.clone(), None, HOST, "Hello".to_owned(), now).unwrap().changes
    };
    let muted = send(&stored, swept_at.plus_ms(-1));
    assert_eq!(stored.take(&muted), 0, "one that is so young is not swept: it was not wanted");
    let swept = send(&stored, swept_at);
    assert_eq!(stored.take(&swept), 1);
    assert_eq!(stored.thread().guest_place.notice, Some(stored.notices[1].id));
}

#[test]
fn reading_is_told_once_and_a_stranger_neither_reads_nor_writes() {
    let mut stored = Stored::new();
    let message = stored.host_sends(None).0;
    let read = |stored: &Stored, user| stored.calendar.read_messages(stored.conversation.clone(), None, user, &message, START);
    assert_eq!(read(&stored, guest(2)).unwrap_err(), Refusal::NotFound);
    let sent = stored.calendar.send_message(stored.conversation.clone(), None, guest(2), "Hello".to_owned(), START);
    assert_eq!(sent.unwrap_err(), Refusal::NotFound);
    let first = read(&stored, guest(1)).unwrap();
    assert_eq!(kinds(&first.changes.events).iter().filter(|(topic, _)| *topic == "host").count(), 1);
    stored.take(&first.changes);
    assert_eq!(stored.thread().guest_place.unread, 0);
    assert!(read(&stored, guest(1)).unwrap().changes.is_empty());
}

#[test]
fn reading_a_thread_tells_that_its_notification_is_read_if_there_is_one_that_is_not() {
    let mut stored = Stored::new();
    let message = stored.host_sends(None).0;
    let unread = stored.notices[0];
    let read = Notification { read_at: Some(START), ..unread };
    for (notice, expected) in [(Some(unread), 1), (Some(read), 0), (None, 0)] {
        let decision = stored.calendar.read_messages(stored.conversation.clone(), notice, guest(1), &message, START).unwrap();
        let told = decision.changes.events.iter().filter(|event| matches!(event.event, Event::NotificationRead { .. })).count();
        assert_eq!(told, expected, "{notice:?}");
    }
}

#[test]
fn a_thread_is_open_until_sixty_days_after_the_end_of_its_booking() {
    let stored = Stored::new();
    let check_out = stored.conversation.booking.times.check_out_at;
    for (state, over_at) in [
        (BookingState::PendingPayment { expires_at: START }, check_out),
        (BookingState::Requested { expires_at: START }, check_out),
        (BookingState::Confirmed { at: START }, check_out),
        (BookingState::CheckedIn { at: START }, check_out),
        (BookingState::Completed { at: START }, START),
        (BookingState::PaymentFailed { at: START }, START),
        (BookingState::Declined { at: START }, START),
        (BookingState::Withdrawn { at: START }, START),
        (BookingState::NoShow { at: START }, START),
        (BookingState::Expired { at: START }, START),
        (BookingState::CancelledByGuest { at: START }, START),
        (BookingState::CancelledByHost { at: START }, START),
    ] {
        let booking = Booking { state, ..stored.conversation.booking.clone() };
        let send = |now| {
            let conversation = Conversation { booking: booking.clone(), thread: None };
            stored.calendar.send_message(conversation, None, HOST, "Hello".to_owned(), now).map(|_| ())
        };
        let closes_at = over_at.plus_ms(60 * DAY_MS);
        assert_eq!(send(closes_at.plus_ms(-1)), Ok(()), "{state:?}");
        assert_eq!(send(closes_at), Err(Refusal::InvalidState { state: "thread_closed" }), "{state:?}");
    }
}

#[test]
fn a_host_in_their_own_home_writes_to_themselves_and_is_not_notified() {
    let stored = Stored::new();
    let booking = Booking { guest: HOST, ..stored.conversation.booking.clone() };
    let conversation = Conversation { booking, thread: None };
    let decision = stored.calendar.send_message(conversation, None, HOST, "Note".to_owned(), START).unwrap();
    assert_eq!(kinds(&decision.changes.events).iter().map(|(topic, _)| *topic).collect::<Vec<_>>(), ["booking", "host"]);
}
