//! Threads, messages and notifications as clients see them.

use latchkey_protocol::{NotificationKind, UserId, view};

use crate::domain::booking::Party;
use crate::domain::thread::other;
use crate::domain::{Message, Notification, Preferences, Thread, Timestamp};

/// A message.
#[must_use]
pub fn message(message: &Message) -> view::Message {
    view::Message {
        booking: message.booking,
        number: message.number,
        sender: message.sender,
        text: message.text.clone(),
        sent_at: message.sent_at.epoch_ms(),
    }
}

/// A thread, as a user on one of its sides sees it. A host who stays in their own home is its guest.
#[must_use]
pub fn thread(thread: &Thread, user: UserId) -> Option<view::Thread> {
    let party = [Party::Guest, Party::Host].into_iter().find(|party| thread.user(*party) == user)?;
    let (own, others) = (thread.place(party), thread.place(other(party)));
    Some(view::Thread {
        booking: thread.booking,
        property: thread.property,
        other: thread.user(other(party)),
        messages: thread.messages(),
        last_sent_at: thread.last_sent_at.map(Timestamp::epoch_ms),
        unread: own.unread,
        read_up_to: own.read_up_to,
        other_read_up_to: others.read_up_to,
    })
}

/// A notification.
#[must_use]
pub fn notification(notification: &Notification) -> view::Notification {
    view::Notification {
        id: notification.id,
        kind: notification.kind,
        booking: notification.booking,
        count: notification.count,
        created_at: notification.created_at.epoch_ms(),
        read_at: notification.read_at.map(Timestamp::epoch_ms),
    }
}

/// Of what somebody wants to be notified: every kind, chosen or not.
#[must_use]
pub fn preferences(preferences: &Preferences) -> view::Preferences {
    let item = |kind: &NotificationKind| {
        let channels = preferences.channels(*kind);
        view::Preference { kind: *kind, in_app: channels.in_app, email: channels.email }
    };
    view::Preferences { items: NotificationKind::ALL.iter().map(item).collect(), version: preferences.version }
}
