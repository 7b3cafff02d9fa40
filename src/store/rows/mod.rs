//! Domain records as database rows, both ways. One file per noun group; names follow `schema.surql`.

mod account;
mod block;
mod booking;
mod hold;
mod job;
mod listing;
mod payment;
mod quote;
mod retention;

pub(super) use account::{AdminsRow, AuditRow, FamilyRow, LoginRow, OneTimeRow, UserRow, admins_record};
pub(super) use block::BlockRow;
pub(super) use booking::BookingRow;
pub(super) use hold::{HoldRow, NightRow};
pub(super) use job::{JobRow, job_record};
use latchkey_protocol::{AuditId, ClaimId, Date, PaymentId, PhotoId, PropertyId, SessionId, UserId};
pub(super) use listing::{ListingRow, PhotoOwnerRow};
pub(super) use payment::{PaymentRow, ledger_row};
pub(super) use retention::{key_record, node_uuid, outlived_record};
use surrealdb::types::{Array, RecordId, RecordIdKey, SurrealValue, Uuid, Value};

use super::error::StoreError;

/// An id that is stored as a UUID.
pub(super) trait StoredId: Copy {
    fn from_uuid(uuid: Uuid) -> Self;
    fn to_uuid(self) -> Uuid;
}

macro_rules! stored_ids {
    ($($id:ty),*) => {$(
        impl StoredId for $id {
            fn from_uuid(uuid: Uuid) -> Self {
                Self::from_bytes(*uuid.as_bytes())
            }

            fn to_uuid(self) -> Uuid {
                uuid::Uuid::from_bytes(*self.as_bytes()).into()
            }
        }
    )*};
}

stored_ids!(AuditId, ClaimId, PaymentId, PhotoId, PropertyId, SessionId, UserId);

/// `table:u'…'`.
pub(super) fn record(table: &str, id: impl StoredId) -> RecordId {
    RecordId::new(table, RecordIdKey::Uuid(id.to_uuid()))
}

/// `table:[…]`.
pub(super) fn array_record<const N: usize>(table: &str, key: [Value; N]) -> RecordId {
    RecordId::new(table, RecordIdKey::Array(Array::from(Vec::from(key))))
}

/// `night:[property, epoch day]`.
pub(super) fn night_record(property: PropertyId, date: Date) -> RecordId {
    array_record("night", [property.to_uuid().into_value(), i64::from(date.epoch_day()).into_value()])
}

/// `event:[topic, seq]`.
pub(super) fn event_record(topic: &str, seq: u64) -> RecordId {
    array_record("event", [topic.into_value(), int(seq).into_value()])
}

/// The id in `table:u'…'`.
pub(super) fn id_of<I: StoredId>(record: &RecordId) -> Result<I, StoreError> {
    match &record.key {
        RecordIdKey::Uuid(uuid) => Ok(I::from_uuid(*uuid)),
        _ => Err(StoreError::Corrupt(format!("{} has no UUID key", record.table))),
    }
}

/// The last part of `table:[…, number]`.
pub(super) fn number_of(record: &RecordId) -> Result<i64, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("{} has no number in its key", record.table));
    match &record.key {
        RecordIdKey::Array(parts) => parts.iter().last().cloned().and_then(|last| i64::from_value(last).ok()).ok_or_else(corrupt),
        _ => Err(corrupt()),
    }
}

/// A number as the database holds it.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A stored number as the type it came from.
pub(super) fn narrow<T: TryFrom<i64>>(number: i64, field: &str) -> Result<T, StoreError> {
    T::try_from(number).map_err(|_| StoreError::Corrupt(format!("{field} is {number}")))
}

/// A stored date.
pub(super) fn date(epoch_day: i64) -> Result<Date, StoreError> {
    Date::from_epoch_day(narrow(epoch_day, "date")?).map_err(|_| StoreError::Corrupt(format!("epoch day {epoch_day}")))
}

/// A stored word that no state has.
pub(super) fn unknown(field: &str, word: &str) -> StoreError {
    StoreError::Corrupt(format!("{field} is {word}"))
}

/// A value the domain refuses, although it was stored.
pub(super) fn refused(refusal: &crate::domain::Refusal) -> StoreError {
    StoreError::Corrupt(refusal.to_string())
}
