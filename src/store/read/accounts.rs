//! Users, logins, sessions.

use surrealdb::types::{RecordId, SurrealValue};

use crate::domain::account::{Account, RefreshFamily};
use crate::domain::{SessionId, Timestamp, UserId};
use crate::store::database::variables;
use crate::store::rows::{FamilyRow, LoginRow, StoredId, UserRow, id_of, record};
use crate::store::{Store, StoreError};

#[derive(SurrealValue)]
struct RevokedRow {
    id: RecordId,
    until: i64,
}

impl Store {
    /// Sessions that ended before their time and whose access tokens have not all ended by `now`, with when they will have.
    ///
    /// # Errors
    /// As any read.
    pub async fn revocations(&self, now: Timestamp) -> Result<Vec<(SessionId, Timestamp)>, StoreError> {
        let since = variables([("now", now.epoch_ms().into_value())]);
        let rows: Vec<RevokedRow> = self.database().read("SELECT * FROM revoked WHERE until > $now", since).await?;
        rows.into_iter().map(|row| Ok((id_of(&row.id)?, Timestamp::from_epoch_ms(row.until)))).collect()
    }

    /// The account with this address, in the form of [`crate::domain::account::normal_email`].
    ///
    /// # Errors
    /// As any read.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, StoreError> {
        let id = variables([("id", RecordId::new("login", email).into_value())]);
        let login: Option<LoginRow> = self.database().read("SELECT * FROM ONLY $id", id).await?;
        let Some(login) = login else { return Ok(None) };
        let user = self.user_row(StoredId::from_uuid(login.user)).await?;
        self.settled().await;
        user.map(|user| user.with_login(login)).transpose()
    }

    /// A user, without their password.
    ///
    /// # Errors
    /// As any read.
    pub async fn account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        let row = self.user_row(user).await?;
        self.settled().await;
        row.map(|row| row.with_login(LoginRow { id: record("user", user), user: user.to_uuid(), password_hash: String::new() })).transpose()
    }

    async fn user_row(&self, user: UserId) -> Result<Option<UserRow>, StoreError> {
        self.database().read("SELECT * FROM ONLY $id", variables([("id", record("user", user).into_value())])).await
    }

    /// A session's refresh tokens.
    ///
    /// # Errors
    /// As any read.
    pub async fn family(&self, session: SessionId) -> Result<Option<RefreshFamily>, StoreError> {
        let id = variables([("id", record("family", session).into_value())]);
        let row: Option<FamilyRow> = self.database().read("SELECT * FROM ONLY $id", id).await?;
        row.map(RefreshFamily::try_from).transpose()
    }
}
