//! Notifications, and which of them somebody wants.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Uuid};

use super::{StoredId, array_record, id_of, narrow, record, unknown};
use crate::domain::notification::Channels;
use crate::domain::{Notification, NotificationId, NotificationKind, Preferences, Timestamp, UserId};
use crate::store::error::StoreError;

/// `notification:[user, id]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct NotificationRow {
    id: RecordId,
    kind: String,
    booking: Uuid,
    count: i64,
    created_at: i64,
    read_at: Option<i64>,
    version: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct ChoiceRow {
    kind: String,
    in_app: bool,
    email: bool,
}

/// `preferences:[user]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct PreferencesRow {
    id: RecordId,
    chosen: Vec<ChoiceRow>,
    version: i64,
}

/// `notification:[user, id]`.
pub(in crate::store) fn notification_record(user: UserId, id: NotificationId) -> RecordId {
    array_record("notification", [user.to_uuid().into_value(), id.to_uuid().into_value()])
}

/// Whose a notification is, and which.
pub(in crate::store) fn notification_ids(record: &RecordId) -> Result<(UserId, NotificationId), StoreError> {
    let corrupt = || StoreError::Corrupt("notification without two UUIDs in its key".to_owned());
    let RecordIdKey::Array(parts) = &record.key else { return Err(corrupt()) };
    let mut uuids = parts.iter().cloned().filter_map(|part| Uuid::from_value(part).ok());
    match (uuids.next(), uuids.next()) {
        (Some(user), Some(id)) => Ok((StoredId::from_uuid(user), StoredId::from_uuid(id))),
        _ => Err(corrupt()),
    }
}

fn kind_of(word: &str) -> Result<NotificationKind, StoreError> {
    word.parse().map_err(|_| unknown("notification.kind", word))
}

impl From<&Notification> for NotificationRow {
    fn from(notification: &Notification) -> Self {
        Self {
            id: notification_record(notification.user, notification.id),
            kind: notification.kind.as_str().to_owned(),
            booking: notification.booking.to_uuid(),
            count: i64::from(notification.count),
            created_at: notification.created_at.epoch_ms(),
            read_at: notification.read_at.map(Timestamp::epoch_ms),
            version: notification.version,
        }
    }
}

impl TryFrom<NotificationRow> for Notification {
    type Error = StoreError;

    fn try_from(row: NotificationRow) -> Result<Self, StoreError> {
        let (user, id) = notification_ids(&row.id)?;
        Ok(Self {
            id,
            user,
            kind: kind_of(&row.kind)?,
            booking: StoredId::from_uuid(row.booking),
            count: narrow(row.count, "notification.count")?,
            created_at: Timestamp::from_epoch_ms(row.created_at),
            read_at: row.read_at.map(Timestamp::from_epoch_ms),
            version: row.version,
        })
    }
}

impl From<&Preferences> for PreferencesRow {
    fn from(preferences: &Preferences) -> Self {
        let choice = |(kind, channels): (&NotificationKind, &Channels)| ChoiceRow {
            kind: kind.as_str().to_owned(),
            in_app: channels.in_app,
            email: channels.email,
        };
        let chosen = preferences.chosen.iter().map(choice).collect();
        Self { id: record("preferences", preferences.user), chosen, version: preferences.version }
    }
}

impl TryFrom<PreferencesRow> for Preferences {
    type Error = StoreError;

    fn try_from(row: PreferencesRow) -> Result<Self, StoreError> {
        let choice = |row: ChoiceRow| Ok((kind_of(&row.kind)?, Channels { in_app: row.in_app, email: row.email }));
        let chosen = row.chosen.into_iter().map(choice).collect::<Result<_, StoreError>>()?;
        Ok(Self { user: id_of(&row.id)?, chosen, version: row.version })
    }
}
