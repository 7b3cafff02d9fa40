//! Notifications, and which of them somebody wants.

use surrealdb::types::{RecordId, SurrealValue, ToSql, Uuid};

use super::calendars::first_id_of;
use crate::domain::retention::Outlived;
use crate::domain::{Notification, NotificationId, Preferences, Timestamp, UserId};
use crate::store::database::variables;
use crate::store::rows::{NotificationRow, PreferencesRow, StoredId, notification_ids, notification_record, record};
use crate::store::{Store, StoreError};

/// Every notification of a user, as a range of ids. A UUID in a range's bounds cannot be bound as a variable; these are made of hexadecimal digits.
fn all_of(user: UserId) -> String {
    let (user, last) = (user.to_uuid().to_sql(), NotificationId::from_bytes([0xff; 16]).to_uuid().to_sql());
    format!("notification:[{user}]..=[{user}, {last}]")
}

impl Store {
    /// A user's notifications, newest first, older than `before`; all, or those that are not read.
    ///
    /// # Errors
    /// As any read.
    pub async fn notifications(
        &self,
        user: UserId,
        before: Option<NotificationId>,
        unread_only: bool,
        limit: u16,
        now: Timestamp,
    ) -> Result<Vec<Notification>, StoreError> {
        let owner = user.to_uuid().to_sql();
        let key = |id: Uuid| format!("[{owner}, {}]", id.to_sql());
        let only = if unread_only { "WHERE read_at = NONE" } else { "" };
        let before = before.map(|id| *id.as_bytes());
        let rows: Vec<NotificationRow> = self.newest("notification", key, only, before, limit, now).await?;
        rows.into_iter().map(Notification::try_from).collect()
    }

    /// A user's notification.
    ///
    /// # Errors
    /// As any read.
    pub async fn notification(&self, user: UserId, id: NotificationId) -> Result<Option<Notification>, StoreError> {
        self.one::<NotificationRow, Notification>(notification_record(user, id)).await
    }

    /// Those of a user's notifications that are not read, of a list.
    ///
    /// # Errors
    /// As any read.
    pub async fn unread_of(&self, user: UserId, ids: &[NotificationId]) -> Result<Vec<NotificationId>, StoreError> {
        let ids: Vec<RecordId> = ids.iter().map(|id| notification_record(user, *id)).collect();
        let text = "SELECT VALUE id FROM $ids WHERE read_at = NONE";
        let unread: Vec<RecordId> = self.database().read(text, variables([("ids", ids.into_value())])).await?;
        unread.iter().map(|record| Ok(notification_ids(record)?.1)).collect()
    }

    /// How many of a user's notifications are not read.
    ///
    /// # Errors
    /// As any read.
    pub async fn unread_count(&self, user: UserId) -> Result<u64, StoreError> {
        let text = format!("RETURN array::len(SELECT VALUE id FROM {} WHERE read_at = NONE)", all_of(user));
        let count: i64 = self.database().read(&text, variables([])).await?;
        self.settled().await;
        Ok(count.unsigned_abs())
    }

    /// Which notifications a user wants, if they ever chose.
    ///
    /// # Errors
    /// As any read.
    pub async fn preferences(&self, user: UserId) -> Result<Option<Preferences>, StoreError> {
        self.one::<PreferencesRow, Preferences>(record("preferences", user)).await
    }

    /// The notifications of users who registered in `[from, to)` that were read before `read`, or made before `made`; and whether those users have any at
    /// all.
    ///
    /// # Errors
    /// As any read.
    pub async fn old_notifications(
        &self,
        (from, to): (Timestamp, Timestamp),
        read: Timestamp,
        made: Timestamp,
        limit: usize,
    ) -> Result<(Vec<Outlived>, bool), StoreError> {
        let (from, to) = (first_id_of(from).to_sql(), first_id_of(to).to_sql());
        let text = format!(
            "SELECT VALUE id FROM notification:[{from}]..[{to}] \
             WHERE created_at < $made OR (read_at != NONE AND read_at < $read) LIMIT {limit}; \
             SELECT VALUE id FROM notification:[{from}]..[{to}] LIMIT 1"
        );
        let bounds = variables([("made", made.epoch_ms().into_value()), ("read", read.epoch_ms().into_value())]);
        let mut answers = self.database().query(text, bounds).await?.check()?;
        let (old, any): (Vec<RecordId>, Vec<RecordId>) = (answers.take(0)?, answers.take(1)?);
        let outlived = old.iter().map(notification_ids).map(|ids| ids.map(|(user, id)| Outlived::Notification(user, id)));
        Ok((outlived.collect::<Result<_, _>>()?, !any.is_empty()))
    }

    /// When the first user registered who has a notification.
    ///
    /// # Errors
    /// As any read.
    pub async fn first_notified(&self) -> Result<Option<Timestamp>, StoreError> {
        let ids: Vec<RecordId> = self.database().read("SELECT VALUE id FROM notification LIMIT 1", variables([])).await?;
        let first = ids.first().map(notification_ids).transpose()?;
        Ok(first.map(|(user, _)| crate::domain::account::session::minted_at(user.as_bytes())))
    }
}
