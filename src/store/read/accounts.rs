//! Users, logins, sessions, one-use tokens, the audit log.

use surrealdb::types::{RecordId, SurrealValue, ToSql, Uuid};

use crate::domain::account::{Account, Admins, AuditEntry, LoginRecord, OneTime, RefreshFamily, session::minted_at};
use crate::domain::{AuditId, Listing, Payment, PaymentId, SessionId, Timestamp, UserId};
use crate::store::database::variables;
use crate::store::read::calendars::first_id_of;
use crate::store::rows::{AdminsRow, AuditRow, FamilyRow, ListingRow, LoginRow, OneTimeRow, PaymentRow, StoredId, UserRow, id_of, record};
use crate::store::{Store, StoreError};

#[derive(SurrealValue)]
struct RevokedRow {
    id: RecordId,
    until: i64,
}

/// Everything that decisions about a user are made on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The account.
    pub account: Account,
    /// How they log in; `None` once erased.
    pub login: Option<LoginRecord>,
    /// Every session that was not ended, newest first; some may have run out.
    pub sessions: Vec<RefreshFamily>,
    /// Who the admins are.
    pub admins: Admins,
}

#[derive(SurrealValue)]
struct PersonRow {
    user: UserRow,
    login: Option<LoginRow>,
    families: Vec<FamilyRow>,
    admins: AdminsRow,
}

impl TryFrom<PersonRow> for Person {
    type Error = StoreError;

    fn try_from(row: PersonRow) -> Result<Self, StoreError> {
        let mut sessions: Vec<RefreshFamily> = row.families.into_iter().map(RefreshFamily::try_from).collect::<Result<_, _>>()?;
        sessions.sort_unstable_by_key(|family| std::cmp::Reverse(family.session));
        Ok(Self {
            account: row.user.try_into()?,
            login: row.login.map(LoginRecord::try_from).transpose()?,
            sessions,
            admins: row.admins.into(),
        })
    }
}

/// The first stretch of time that a page is looked for in; each further one is four times as long.
const FIRST_STRETCH_MS: i64 = 60_000;

impl Store {
    /// Sessions that ended before their time and whose access tokens have not all ended by `now`, with when they will have.
    ///
    /// # Errors
    /// As any read.
    pub async fn revocations(&self, now: Timestamp) -> Result<Vec<(SessionId, Timestamp)>, StoreError> {
        let since = variables([("now", now.epoch_ms().into_value())]);
        let rows: Vec<RevokedRow> = self.database().scan("SELECT * FROM revoked WHERE until > $now", since).await?;
        rows.into_iter().map(|row| Ok((id_of(&row.id)?, Timestamp::from_epoch_ms(row.until)))).collect()
    }

    /// The login with this address, in the form of [`crate::domain::account::normal_email`].
    ///
    /// # Errors
    /// As any read.
    pub async fn login(&self, email: &str) -> Result<Option<LoginRecord>, StoreError> {
        self.one::<LoginRow, _>(RecordId::new("login", email)).await
    }

    /// A user.
    ///
    /// # Errors
    /// As any read.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.one::<UserRow, _>(record("user", user)).await
    }

    /// Everything that decisions about a user are made on, of one instant.
    ///
    /// # Errors
    /// As any read.
    pub async fn person(&self, user: UserId) -> Result<Option<Person>, StoreError> {
        let whose = variables([("user", user.to_uuid().into_value())]);
        let row: Option<PersonRow> = self.database().read("RETURN fn::person($user)", whose).await?;
        self.settled().await;
        row.map(Person::try_from).transpose()
    }

    /// A session's refresh tokens, unless it has ended.
    ///
    /// # Errors
    /// As any read.
    pub async fn family(&self, session: SessionId) -> Result<Option<RefreshFamily>, StoreError> {
        let id = variables([("id", record("family", session).into_value())]);
        let row: Option<FamilyRow> = self.database().read("SELECT * FROM ONLY $id", id).await?;
        row.filter(|row| !row.ended).map(RefreshFamily::try_from).transpose()
    }

    /// The one-use token with this hash.
    ///
    /// # Errors
    /// As any read.
    pub async fn one_time(&self, hash: &str) -> Result<Option<OneTime>, StoreError> {
        self.one::<OneTimeRow, _>(RecordId::new("one_time", hash)).await
    }

    /// Users, newest first, older than `before`.
    ///
    /// # Errors
    /// As any read.
    pub async fn accounts(&self, before: Option<UserId>, limit: u16, now: Timestamp) -> Result<Vec<Account>, StoreError> {
        let rows: Vec<UserRow> = self.newest("user", |id| id.to_sql(), "", before.map(|user| *user.as_bytes()), limit, now).await?;
        rows.into_iter().map(Account::try_from).collect()
    }

    /// Entries of the audit log, newest first, older than `before`; of one user, or of all.
    ///
    /// # Errors
    /// As any read.
    pub async fn audit(
        &self,
        user: Option<UserId>,
        before: Option<AuditId>,
        limit: u16,
        now: Timestamp,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows: Vec<AuditRow> = match user {
            None => self.newest("audit", |id| id.to_sql(), "", before.map(|id| *id.as_bytes()), limit, now).await?,
            Some(user) => {
                let bounds = variables([
                    ("user", user.to_uuid().into_value()),
                    ("before", before.unwrap_or(AuditId::from_bytes([0xff; 16])).to_uuid().into_value()),
                    ("limit", i64::from(limit).into_value()),
                ]);
                let text = "SELECT * FROM audit WHERE user = $user AND record::id(id) < $before ORDER BY id DESC LIMIT $limit";
                let rows = self.database().read(text, bounds).await?;
                self.settled().await;
                rows
            }
        };
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    /// The homes of a host, in the order they were listed.
    ///
    /// # Errors
    /// As any read.
    pub async fn listings_of(&self, host: UserId) -> Result<Vec<Listing>, StoreError> {
        let whose = variables([("host", host.to_uuid().into_value())]);
        let rows: Vec<ListingRow> = self.database().read("SELECT * FROM property WHERE host = $host", whose).await?;
        self.settled().await;
        let mut listings: Vec<Listing> = rows.into_iter().map(Listing::try_from).collect::<Result<_, _>>()?;
        listings.sort_unstable_by_key(|listing| listing.id);
        Ok(listings)
    }

    /// Those payments, in any order.
    ///
    /// # Errors
    /// As any read.
    pub async fn payments(&self, ids: &[PaymentId]) -> Result<Vec<Payment>, StoreError> {
        let ids: Vec<RecordId> = ids.iter().map(|id| record("payment", *id)).collect();
        let rows: Vec<PaymentRow> = self.database().read("SELECT * FROM $ids", variables([("ids", ids.into_value())])).await?;
        self.settled().await;
        rows.into_iter().map(Payment::try_from).collect()
    }

    /// The newest records of a table whose ids are UUIDv7, older than `before`. Scans of ids run forward only, so the page is looked for
    /// in stretches of time that grow as they go back: what is read is little, however long the table.
    ///
    /// `key` writes a bound of the range; `only` is a condition.
    pub(super) async fn newest<T: SurrealValue>(
        &self,
        table: &'static str,
        key: impl Fn(Uuid) -> String,
        only: &'static str,
        before: Option<[u8; 16]>,
        limit: u16,
        now: Timestamp,
    ) -> Result<Vec<T>, StoreError> {
        let newest = now.plus_ms(FIRST_STRETCH_MS);
        let mut until = before.map_or_else(|| first_id_of(newest), stored);
        let mut until_ms = before.map_or(newest, |id| minted_at(&id).plus_ms(1)).epoch_ms();
        let (mut found, mut stretch_ms) = (Vec::new(), FIRST_STRETCH_MS);
        while found.len() < usize::from(limit) && until_ms > 0 {
            let from_ms = (until_ms - stretch_ms).max(0);
            let from = first_id_of(Timestamp::from_epoch_ms(from_ms));
            let missing = usize::from(limit) - found.len();
            let text = format!("SELECT * FROM {table}:{}..{} {only} ORDER BY id DESC LIMIT {missing}", key(from), key(until));
            let rows: Vec<T> = self.database().read(&text, variables([])).await?;
            found.extend(rows);
            (until, until_ms, stretch_ms) = (from, from_ms, stretch_ms.saturating_mul(4));
        }
        self.settled().await;
        Ok(found)
    }
}

fn stored(id: [u8; 16]) -> Uuid {
    uuid::Uuid::from_bytes(id).into()
}
