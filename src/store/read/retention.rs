//! What has outlived its use: found by bounded ranges of ids and of the log of batches, never by reading a hot table from end to end.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, ToSql, Value};

use super::calendars::first_id_of;
use super::log::parse_topic;
use crate::domain::retention::Outlived;
use crate::domain::{Seq, Timestamp, Topic, UserId};
use crate::store::database::variables;
use crate::store::rows::{StoredId as _, id_of, narrow};
use crate::store::{Store, StoreError};

/// Records found in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Those that may go, at most as many as were asked for.
    pub outlived: Vec<Outlived>,
    /// The instant in the id of the first record that must stay, if there is one.
    pub stays: Option<Timestamp>,
}

/// A table that is walked by the time in its ids, which are UUIDv7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aged {
    /// Holds.
    Holds,
    /// Sessions.
    Sessions,
    /// The audit log.
    Audit,
}

#[derive(SurrealValue)]
struct HeadRow {
    topic: String,
    head: i64,
}

#[derive(SurrealValue)]
struct KeyRow {
    id: RecordId,
}

impl Store {
    /// The heads of these topics, in one read.
    ///
    /// # Errors
    /// As any read.
    pub async fn heads(&self, topics: &[Topic]) -> Result<Vec<(Topic, Seq)>, StoreError> {
        let names: Vec<Value> = topics.iter().map(|topic| topic.to_string().into_value()).collect();
        let text = "RETURN $topics.map(|$topic: string| { topic: $topic, head: fn::head($topic) })";
        let rows: Vec<HeadRow> = self.database().read(text, variables([("topics", names.into_value())])).await?;
        rows.into_iter().map(|row| Ok((parse_topic(&row.topic)?, narrow(row.head, "head")?))).collect()
    }

    /// Holds that were taken in `[from, to)` and have ended; holds and bookings of that time that are live leases must stay, and the
    /// first of them is told.
    ///
    /// # Errors
    /// As any read.
    pub async fn ended_holds(&self, from: Timestamp, to: Timestamp, limit: usize) -> Result<Found, StoreError> {
        // A UUID in a range's bounds cannot be bound as a variable; these are made of hexadecimal digits.
        let (from, to) = (first_id_of(from).to_sql(), first_id_of(to).to_sql());
        let text = format!(
            "SELECT id FROM hold:{from}..{to} WHERE state != 'active' LIMIT $limit; \
             SELECT id FROM hold:{from}..{to} WHERE state = 'active' LIMIT 1; \
             SELECT id FROM booking:{from}..{to} WHERE state = 'pending_payment' LIMIT 1"
        );
        let mut answers = self.database().query(text, variables([("limit", limit_value(limit))])).await?.check()?;
        let (ended, held, unpaid): (Vec<KeyRow>, Vec<KeyRow>, Vec<KeyRow>) = (answers.take(0)?, answers.take(1)?, answers.take(2)?);
        let outlived = ended.iter().map(|row| Ok(Outlived::Hold(id_of(&row.id)?))).collect::<Result<_, StoreError>>()?;
        Ok(Found { outlived, stays: held.iter().chain(&unpaid).filter_map(|row| instant_of(&row.id)).min() })
    }

    /// Sessions that were opened in `[from, to)` and were over at `since`.
    ///
    /// # Errors
    /// As any read.
    pub async fn sessions_over(&self, from: Timestamp, to: Timestamp, since: Timestamp, limit: usize) -> Result<Found, StoreError> {
        let (from, to) = (first_id_of(from).to_sql(), first_id_of(to).to_sql());
        let text = format!("SELECT id FROM family:{from}..{to} WHERE expires_at < $since OR (ended AND rotated_at < $since) LIMIT $limit");
        let bounds = variables([("since", since.epoch_ms().into_value()), ("limit", limit_value(limit))]);
        let rows: Vec<KeyRow> = self.database().read(&text, bounds).await?;
        let outlived = rows.iter().map(|row| Ok(Outlived::Family(id_of(&row.id)?))).collect::<Result<_, StoreError>>()?;
        Ok(Found { outlived, stays: None })
    }

    /// Entries that were written to the audit log in `[from, to)`.
    ///
    /// # Errors
    /// As any read.
    pub async fn audit_entries(&self, from: Timestamp, to: Timestamp, limit: usize) -> Result<Found, StoreError> {
        let (from, to) = (first_id_of(from).to_sql(), first_id_of(to).to_sql());
        let text = format!("SELECT id FROM audit:{from}..{to} LIMIT $limit");
        let rows: Vec<KeyRow> = self.database().read(&text, variables([("limit", limit_value(limit))])).await?;
        let outlived = rows.iter().map(|row| Ok(Outlived::AuditEntry(id_of(&row.id)?))).collect::<Result<_, StoreError>>()?;
        Ok(Found { outlived, stays: None })
    }

    /// The network addresses in the audit log that a user, or somebody not logged in who gave their name, acted from. An admin who acted on
    /// them did so from an address of their own.
    ///
    /// # Errors
    /// As any read.
    pub async fn addresses_of(&self, user: UserId, limit: usize) -> Result<Vec<Outlived>, StoreError> {
        let text = "SELECT id FROM audit WITH INDEX audit_actor WHERE actor = $user AND address != NONE LIMIT $limit; \
                    SELECT id FROM audit WITH INDEX audit_user WHERE user = $user AND actor = NONE AND address != NONE LIMIT $limit";
        let bounds = variables([("user", user.to_uuid().into_value()), ("limit", limit_value(limit))]);
        let mut answers = self.database().query_patiently(text, bounds).await?.check()?;
        let (theirs, nobodys): (Vec<KeyRow>, Vec<KeyRow>) = (answers.take(0)?, answers.take(1)?);
        theirs.iter().chain(&nobodys).map(|row| Ok(Outlived::Address(id_of(&row.id)?))).collect()
    }

    /// The instant in the id of the first record of a table.
    ///
    /// # Errors
    /// As any read.
    pub async fn first_of(&self, table: Aged) -> Result<Option<Timestamp>, StoreError> {
        let text = match table {
            Aged::Holds => "SELECT id FROM hold LIMIT 1",
            Aged::Sessions => "SELECT id FROM family LIMIT 1",
            Aged::Audit => "SELECT id FROM audit LIMIT 1",
        };
        let rows: Vec<KeyRow> = self.database().read(text, variables([])).await?;
        Ok(rows.first().and_then(|row| instant_of(&row.id)))
    }

    /// Revocations and one-use tokens that no longer matter at `now`. Both tables are small: they have what was made within a token's life.
    ///
    /// # Errors
    /// As any read.
    pub async fn outlived_tokens(&self, now: Timestamp, limit: usize) -> Result<Vec<Outlived>, StoreError> {
        let text = "SELECT id FROM revoked WHERE until <= $now LIMIT $limit; SELECT id FROM one_time WHERE expires_at <= $now LIMIT $limit";
        let bounds = variables([("now", now.epoch_ms().into_value()), ("limit", limit_value(limit))]);
        let mut answers = self.database().query_patiently(text, bounds).await?.check()?;
        let (revoked, one_time): (Vec<KeyRow>, Vec<KeyRow>) = (answers.take(0)?, answers.take(1)?);
        let revoked = revoked.iter().map(|row| Ok(Outlived::Revoked(id_of(&row.id)?)));
        let one_time = one_time.into_iter().filter_map(|row| match row.id.key {
            RecordIdKey::String(hash) => Some(Ok(Outlived::OneTime(hash))),
            _ => None,
        });
        revoked.chain(one_time).collect()
    }

    /// Idempotency keys and webhooks from before an instant, named in the log or not: reads both tables whole.
    ///
    /// # Errors
    /// As any read.
    pub async fn keys_and_webhooks(
        &self,
        keys_before: Timestamp,
        webhooks_before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Outlived>, StoreError> {
        let text = "SELECT id FROM idempotency WHERE at < $keys LIMIT $limit; SELECT id FROM webhook WHERE at < $webhooks LIMIT $limit";
        let bounds = variables([
            ("keys", keys_before.epoch_ms().into_value()),
            ("webhooks", webhooks_before.epoch_ms().into_value()),
            ("limit", limit_value(limit)),
        ]);
        let mut answers = self.database().query_patiently(text, bounds).await?.check()?;
        let (keys, webhooks): (Vec<KeyRow>, Vec<KeyRow>) = (answers.take(0)?, answers.take(1)?);
        let key = |row: &KeyRow| match &row.id.key {
            RecordIdKey::Array(parts) => {
                let mut texts = parts.iter().cloned().map(String::from_value);
                Some(Outlived::Key { scope: texts.next()?.ok()?, key: texts.next()?.ok()?, before: keys_before })
            }
            _ => None,
        };
        let webhook = |row: &KeyRow| match &row.id.key {
            RecordIdKey::String(event_id) => Some(Outlived::Webhook(event_id.clone())),
            _ => None,
        };
        Ok(keys.iter().filter_map(key).chain(webhooks.iter().filter_map(webhook)).collect())
    }
}

fn limit_value(limit: usize) -> Value {
    i64::try_from(limit).unwrap_or(i64::MAX).into_value()
}

/// The milliseconds at the beginning of a UUIDv7.
fn instant_of(record: &RecordId) -> Option<Timestamp> {
    let RecordIdKey::Uuid(uuid) = &record.key else { return None };
    let uuid = uuid::Uuid::from(*uuid);
    let mut ms = [0; 8];
    ms[2..].copy_from_slice(&uuid.as_bytes()[..6]);
    i64::try_from(u64::from_be_bytes(ms)).ok().map(Timestamp::from_epoch_ms)
}
