//! What is written of threads and notifications: rows, the versions they ride on, and the ids that may collide.

use surrealdb::types::{RecordId, SurrealValue, Value};

use super::{Inserted, Rows};
use crate::domain::notification::NotificationWrite;
use crate::domain::thread::ThreadWrite;
use crate::store::database::row;
use crate::store::rows::{MessageRow, NotificationRow, PreferencesRow, StoredId, ThreadRow, message_record, notification_record, record};

/// What is read already stays as it was read first. Whoever counts on one being unread compares its version, which this raises.
pub(super) const READ_NOTIFICATIONS: &str =
    "FOR $row IN $read { UPDATE $row.ids SET read_at = $row.at, version += 1 WHERE read_at = NONE RETURN NONE }";

/// Nobody writes a text twice, so there is nothing to overwrite.
pub(super) const ERASE_TEXTS: &str = "FOR $row IN $erased { \
    UPDATE message:[$row.booking, 1]..=[$row.booking, 9223372036854775807] SET text = NONE WHERE sender = $row.sender RETURN NONE }";

impl Rows {
    pub(super) fn add_thread_write(&mut self, write: &ThreadWrite) {
        match write {
            ThreadWrite::Add(thread) => self.insert("thread", ThreadRow::from(thread).into_value()),
            ThreadWrite::Set(thread) => self.replaces.push(ThreadRow::from(thread).into_value()),
            ThreadWrite::AddMessage(message) => self.insert("message", MessageRow::from(message).into_value()),
            ThreadWrite::EraseTexts { booking, sender } => {
                self.erased.push(row([("booking", booking.to_uuid().into_value()), ("sender", sender.to_uuid().into_value())]));
            }
        }
    }

    pub(super) fn add_notification_write(&mut self, write: &NotificationWrite, number: usize) {
        match write {
            NotificationWrite::Add(notification) => self.insert("notification", NotificationRow::from(notification).into_value()),
            NotificationWrite::Set(notification) => {
                let id = notification_record(notification.user, notification.id);
                self.checks.push((id, notification.version - 1, number));
                self.replaces.push(NotificationRow::from(notification).into_value());
            }
            NotificationWrite::Read { user, notifications, at } => {
                let ids: Vec<Value> = notifications.iter().map(|id| notification_record(*user, *id).into_value()).collect();
                self.read.push(row([("ids", ids.into_value()), ("at", at.epoch_ms().into_value())]));
            }
            NotificationWrite::AddPreferences(preferences) => {
                self.insert("preferences", PreferencesRow::from(preferences).into_value());
            }
            NotificationWrite::SetPreferences(preferences) => {
                self.checks.push((record("preferences", preferences.user), preferences.version - 1, number));
                self.replaces.push(PreferencesRow::from(preferences).into_value());
            }
        }
    }
}

/// The id that an insert of a thread may collide with.
pub(super) fn inserted_of_thread(write: &ThreadWrite) -> Option<(RecordId, Inserted)> {
    match write {
        ThreadWrite::Add(thread) => Some((record("thread", thread.booking), Inserted::State)),
        ThreadWrite::AddMessage(message) => Some((message_record(message.booking, message.number), Inserted::State)),
        ThreadWrite::Set(_) | ThreadWrite::EraseTexts { .. } => None,
    }
}

/// The id that an insert of a notification may collide with.
pub(super) fn inserted_of_notification(write: &NotificationWrite) -> Option<(RecordId, Inserted)> {
    match write {
        NotificationWrite::Add(notification) => Some((notification_record(notification.user, notification.id), Inserted::State)),
        NotificationWrite::AddPreferences(preferences) => Some((record("preferences", preferences.user), Inserted::State)),
        NotificationWrite::Set(_) | NotificationWrite::Read { .. } | NotificationWrite::SetPreferences(_) => None,
    }
}
