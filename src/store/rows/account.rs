//! Users, logins, refresh families.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, id_of, record};
use crate::domain::account::{Account, RefreshFamily};
use crate::domain::{Timestamp, UserId};
use crate::store::error::StoreError;

/// `user:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct UserRow {
    pub(in crate::store) id: RecordId,
    email: String,
    name: String,
    created_at: i64,
}

/// `login:[e-mail]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct LoginRow {
    pub(in crate::store) id: RecordId,
    pub(in crate::store) user: Uuid,
    pub(in crate::store) password_hash: String,
}

impl From<&Account> for UserRow {
    fn from(account: &Account) -> Self {
        Self {
            id: record("user", account.user),
            email: account.email.clone(),
            name: account.name.clone(),
            created_at: account.created_at.epoch_ms(),
        }
    }
}

impl From<&Account> for LoginRow {
    fn from(account: &Account) -> Self {
        Self {
            id: RecordId::new("login", account.email.as_str()),
            user: account.user.to_uuid(),
            password_hash: account.password_hash.clone(),
        }
    }
}

impl UserRow {
    pub(in crate::store) fn with_login(self, login: LoginRow) -> Result<Account, StoreError> {
        Ok(Account {
            user: id_of::<UserId>(&self.id)?,
            email: self.email,
            name: self.name,
            password_hash: login.password_hash,
            created_at: Timestamp::from_epoch_ms(self.created_at),
        })
    }
}

/// `family:[session]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct FamilyRow {
    pub(in crate::store) id: RecordId,
    user: Uuid,
    current: String,
    previous: Option<String>,
    rotated_at: i64,
    expires_at: i64,
    ended: bool,
    version: i64,
}

impl From<&RefreshFamily> for FamilyRow {
    fn from(family: &RefreshFamily) -> Self {
        Self {
            id: record("family", family.session),
            user: family.user.to_uuid(),
            current: family.current.clone(),
            previous: family.previous.clone(),
            rotated_at: family.rotated_at.epoch_ms(),
            expires_at: family.expires_at.epoch_ms(),
            ended: family.ended,
            version: family.version,
        }
    }
}

impl TryFrom<FamilyRow> for RefreshFamily {
    type Error = StoreError;

    fn try_from(row: FamilyRow) -> Result<Self, StoreError> {
        Ok(Self {
            session: id_of(&row.id)?,
            user: StoredId::from_uuid(row.user),
            current: row.current,
            previous: row.previous,
            rotated_at: Timestamp::from_epoch_ms(row.rotated_at),
            expires_at: Timestamp::from_epoch_ms(row.expires_at),
            ended: row.ended,
            version: row.version,
        })
    }
}
