//! Users, logins, refresh families, one-use tokens, the audit log, the list of admins.

use surrealdb::types::{RecordId, RecordIdKey, SurrealValue, Uuid};

use super::{StoredId, id_of, record, unknown};
use crate::domain::account::{
    Account, AccountState, Admins, AuditEntry, AuditKind, LoginRecord, OneTime, PreviousEmail, Purpose, RefreshFamily,
};
use crate::domain::{Timestamp, UserId};
use crate::store::error::StoreError;

/// `user:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct UserRow {
    pub(in crate::store) id: RecordId,
    email: Option<String>,
    email_verified_at: Option<i64>,
    previous_email: Option<String>,
    previous_email_at: Option<i64>,
    name: String,
    about: String,
    is_host: bool,
    is_admin: bool,
    host_withdrawn: Option<bool>,
    left_before: Option<bool>,
    state: String,
    edition: i64,
    version: i64,
    created_at: i64,
}

impl From<&Account> for UserRow {
    fn from(account: &Account) -> Self {
        let previous = account.previous_email.as_ref();
        Self {
            id: record("user", account.user),
            email: account.email.clone(),
            email_verified_at: account.email_verified_at.map(Timestamp::epoch_ms),
            previous_email: previous.map(|previous| previous.email.clone()),
            previous_email_at: previous.map(|previous| previous.replaced_at.epoch_ms()),
            name: account.name.clone(),
            about: account.about.clone(),
            is_host: account.is_host,
            is_admin: account.is_admin,
            host_withdrawn: account.host_withdrawn.then_some(true),
            left_before: account.left_before.then_some(true),
            state: account.state.name().to_owned(),
            edition: account.edition,
            version: account.version,
            created_at: account.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<UserRow> for Account {
    type Error = StoreError;

    fn try_from(row: UserRow) -> Result<Self, StoreError> {
        let previous = row.previous_email.zip(row.previous_email_at);
        Ok(Self {
            user: id_of::<UserId>(&row.id)?,
            email: row.email,
            email_verified_at: row.email_verified_at.map(Timestamp::from_epoch_ms),
            previous_email: previous.map(|(email, at)| PreviousEmail { email, replaced_at: Timestamp::from_epoch_ms(at) }),
            name: row.name,
            about: row.about,
            is_host: row.is_host,
            is_admin: row.is_admin,
            host_withdrawn: row.host_withdrawn.unwrap_or(false),
            left_before: row.left_before.unwrap_or(false),
            state: match row.state.as_str() {
                "active" => AccountState::Active,
                "deactivated" => AccountState::Deactivated,
                "suspended" => AccountState::Suspended,
                "erased" => AccountState::Erased,
                word => return Err(unknown("user.state", word)),
            },
            edition: row.edition,
            version: row.version,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

/// `login:[e-mail]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct LoginRow {
    pub(in crate::store) id: RecordId,
    user: Uuid,
    password_hash: String,
}

impl From<&LoginRecord> for LoginRow {
    fn from(login: &LoginRecord) -> Self {
        Self { id: RecordId::new("login", login.email.as_str()), user: login.user.to_uuid(), password_hash: login.password_hash.clone() }
    }
}

impl TryFrom<LoginRow> for LoginRecord {
    type Error = StoreError;

    fn try_from(row: LoginRow) -> Result<Self, StoreError> {
        Ok(Self { email: text_key(&row.id)?, user: StoredId::from_uuid(row.user), password_hash: row.password_hash })
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
    /// Set by an earlier version, which kept sessions that had ended.
    pub(in crate::store) ended: bool,
    user_agent: Option<String>,
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
            ended: false,
            user_agent: family.user_agent.clone(),
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
            user_agent: row.user_agent,
            version: row.version,
        })
    }
}

/// `one_time:[hash]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct OneTimeRow {
    pub(in crate::store) id: RecordId,
    user: Uuid,
    purpose: String,
    binding: String,
    expires_at: i64,
}

impl From<&OneTime> for OneTimeRow {
    fn from(token: &OneTime) -> Self {
        Self {
            id: RecordId::new("one_time", token.hash.as_str()),
            user: token.user.to_uuid(),
            purpose: token.purpose.name().to_owned(),
            binding: token.binding.clone(),
            expires_at: token.expires_at.epoch_ms(),
        }
    }
}

impl TryFrom<OneTimeRow> for OneTime {
    type Error = StoreError;

    fn try_from(row: OneTimeRow) -> Result<Self, StoreError> {
        Ok(Self {
            hash: text_key(&row.id)?,
            user: StoredId::from_uuid(row.user),
            purpose: match row.purpose.as_str() {
                "verify_email" => Purpose::VerifyEmail,
                "reset_password" => Purpose::ResetPassword,
                "nothing" => Purpose::Nothing,
                word => return Err(unknown("one_time.purpose", word)),
            },
            binding: row.binding,
            expires_at: Timestamp::from_epoch_ms(row.expires_at),
        })
    }
}

/// `audit:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct AuditRow {
    pub(in crate::store) id: RecordId,
    at: i64,
    kind: String,
    user: Uuid,
    actor: Option<Uuid>,
    session: Option<Uuid>,
    address: Option<String>,
}

impl From<&AuditEntry> for AuditRow {
    fn from(entry: &AuditEntry) -> Self {
        Self {
            id: record("audit", entry.id),
            at: entry.at.epoch_ms(),
            kind: entry.kind.name().to_owned(),
            user: entry.user.to_uuid(),
            actor: entry.actor.map(StoredId::to_uuid),
            session: entry.session.map(StoredId::to_uuid),
            address: entry.address.clone(),
        }
    }
}

impl TryFrom<AuditRow> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: AuditRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: id_of(&row.id)?,
            at: Timestamp::from_epoch_ms(row.at),
            kind: AuditKind::named(&row.kind).ok_or_else(|| unknown("audit.kind", &row.kind))?,
            user: StoredId::from_uuid(row.user),
            actor: row.actor.map(StoredId::from_uuid),
            session: row.session.map(StoredId::from_uuid),
            address: row.address,
        })
    }
}

/// `admins:all`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct AdminsRow {
    pub(in crate::store) id: RecordId,
    users: Vec<Uuid>,
    version: i64,
}

/// The one record of its table.
pub(in crate::store) fn admins_record() -> RecordId {
    RecordId::new("admins", "all")
}

impl From<&Admins> for AdminsRow {
    fn from(admins: &Admins) -> Self {
        Self { id: admins_record(), users: admins.users.iter().map(|user| user.to_uuid()).collect(), version: admins.version }
    }
}

impl From<AdminsRow> for Admins {
    fn from(row: AdminsRow) -> Self {
        Self { users: row.users.into_iter().map(StoredId::from_uuid).collect(), version: row.version }
    }
}

fn text_key(record: &RecordId) -> Result<String, StoreError> {
    match &record.key {
        RecordIdKey::String(text) => Ok(text.clone()),
        _ => Err(StoreError::Corrupt(format!("{} has no text key", record.table))),
    }
}
