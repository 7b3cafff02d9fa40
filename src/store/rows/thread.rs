//! Threads and their messages.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, array_record, id_of, int, narrow, number_of, record};
use crate::domain::thread::Place;
use crate::domain::{BookingId, Message, Thread, Timestamp};
use crate::store::error::StoreError;

#[derive(Debug, Clone, SurrealValue)]
struct PlaceRow {
    sent: i64,
    read_up_to: i64,
    unread: i64,
    notice: Option<Uuid>,
}

/// `thread:[booking]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct ThreadRow {
    id: RecordId,
    property: Uuid,
    guest: Uuid,
    host: Uuid,
    last_sent_at: Option<i64>,
    guest_place: PlaceRow,
    host_place: PlaceRow,
}

/// `message:[booking, number]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct MessageRow {
    pub(in crate::store) id: RecordId,
    sender: Uuid,
    text: Option<String>,
    of_guest: i64,
    sent_at: i64,
}

/// `message:[booking, number]`.
pub(in crate::store) fn message_record(booking: BookingId, number: u64) -> RecordId {
    array_record("message", [booking.to_uuid().into_value(), int(number).into_value()])
}

impl From<&Place> for PlaceRow {
    fn from(place: &Place) -> Self {
        Self {
            sent: int(place.sent),
            read_up_to: int(place.read_up_to),
            unread: int(place.unread),
            notice: place.notice.map(StoredId::to_uuid),
        }
    }
}

impl TryFrom<PlaceRow> for Place {
    type Error = StoreError;

    fn try_from(row: PlaceRow) -> Result<Self, StoreError> {
        Ok(Self {
            sent: narrow(row.sent, "thread.sent")?,
            read_up_to: narrow(row.read_up_to, "thread.read_up_to")?,
            unread: narrow(row.unread, "thread.unread")?,
            notice: row.notice.map(StoredId::from_uuid),
        })
    }
}

impl From<&Thread> for ThreadRow {
    fn from(thread: &Thread) -> Self {
        Self {
            id: record("thread", thread.booking),
            property: thread.property.to_uuid(),
            guest: thread.guest.to_uuid(),
            host: thread.host.to_uuid(),
            last_sent_at: thread.last_sent_at.map(Timestamp::epoch_ms),
            guest_place: PlaceRow::from(&thread.guest_place),
            host_place: PlaceRow::from(&thread.host_place),
        }
    }
}

impl TryFrom<ThreadRow> for Thread {
    type Error = StoreError;

    fn try_from(row: ThreadRow) -> Result<Self, StoreError> {
        Ok(Self {
            booking: id_of(&row.id)?,
            property: StoredId::from_uuid(row.property),
            guest: StoredId::from_uuid(row.guest),
            host: StoredId::from_uuid(row.host),
            last_sent_at: row.last_sent_at.map(Timestamp::from_epoch_ms),
            guest_place: row.guest_place.try_into()?,
            host_place: row.host_place.try_into()?,
        })
    }
}

impl From<&Message> for MessageRow {
    fn from(message: &Message) -> Self {
        Self {
            id: message_record(message.booking, message.number),
            sender: message.sender.to_uuid(),
            text: message.text.clone(),
            of_guest: int(message.of_guest),
            sent_at: message.sent_at.epoch_ms(),
        }
    }
}

impl MessageRow {
    pub(in crate::store) fn into_message(self, booking: BookingId) -> Result<Message, StoreError> {
        Ok(Message {
            booking,
            number: narrow(number_of(&self.id)?, "message.number")?,
            sender: StoredId::from_uuid(self.sender),
            text: self.text,
            of_guest: narrow(self.of_guest, "message.of_guest")?,
            sent_at: Timestamp::from_epoch_ms(self.sent_at),
        })
    }
}
