//! What is written of accounts: rows, the versions they ride on, and the ids that may collide.

use surrealdb::types::{RecordId, SurrealValue};

use super::{Inserted, Rows};
use crate::domain::account::AccountWrite;
use crate::store::database::row;
use crate::store::rows::{AdminsRow, AuditRow, FamilyRow, LoginRow, OneTimeRow, UserRow, admins_record, record};

impl Rows {
    pub(super) fn add_account_write(&mut self, write: &AccountWrite, number: usize) {
        if let Some((record, version)) = check(write) {
            self.checks.push((record, version, number));
        }
        match write {
            AccountWrite::Add(account) => self.insert("user", UserRow::from(account).into_value()),
            AccountWrite::Set(account) => self.replaces.push(UserRow::from(account).into_value()),
            AccountWrite::AddLogin(login) => self.insert("login", LoginRow::from(login).into_value()),
            AccountWrite::SetLogin(login) => self.replaces.push(LoginRow::from(login).into_value()),
            AccountWrite::EndLogin { email } => self.deletes.push(RecordId::new("login", email.as_str()).into_value()),
            AccountWrite::AddFamily(family) => self.insert("family", FamilyRow::from(family).into_value()),
            AccountWrite::SetFamily(family) => self.replaces.push(FamilyRow::from(family).into_value()),
            AccountWrite::Revoke { session, until } => {
                let id = record("revoked", *session).into_value();
                self.insert("revoked", row([("id", id), ("until", until.epoch_ms().into_value())]));
            }
            AccountWrite::AddOneTime(token) => self.insert("one_time", OneTimeRow::from(token).into_value()),
            AccountWrite::EndOneTime { hash } => self.deletes.push(RecordId::new("one_time", hash.as_str()).into_value()),
            AccountWrite::AddAudit(entry) => self.insert("audit", AuditRow::from(entry).into_value()),
            AccountWrite::SetAdmins(admins) => self.replaces.push(AdminsRow::from(admins).into_value()),
            AccountWrite::EndFamily { session, .. } => self.deletes.push(record("family", *session).into_value()),
        }
    }
}

/// The version that a replacement was decided on.
fn check(write: &AccountWrite) -> Option<(RecordId, i64)> {
    match write {
        AccountWrite::Set(account) => Some((record("user", account.user), account.version - 1)),
        AccountWrite::SetFamily(family) => Some((record("family", family.session), family.version - 1)),
        AccountWrite::SetAdmins(admins) => Some((admins_record(), admins.version - 1)),
        AccountWrite::EndFamily { session, version } => Some((record("family", *session), *version)),
        AccountWrite::Add(_)
        | AccountWrite::AddLogin(_)
        | AccountWrite::SetLogin(_)
        | AccountWrite::EndLogin { .. }
        | AccountWrite::AddFamily(_)
        | AccountWrite::Revoke { .. }
        | AccountWrite::AddOneTime(_)
        | AccountWrite::EndOneTime { .. }
        | AccountWrite::AddAudit(_) => None,
    }
}

/// The id that an insert may collide with.
pub(super) fn inserted(write: &AccountWrite) -> Option<(RecordId, Inserted)> {
    let state = |id| Some((id, Inserted::State));
    match write {
        AccountWrite::Add(account) => state(record("user", account.user)),
        AccountWrite::AddLogin(login) => Some((RecordId::new("login", login.email.as_str()), Inserted::Login)),
        AccountWrite::AddFamily(family) => state(record("family", family.session)),
        AccountWrite::Revoke { session, .. } => state(record("revoked", *session)),
        AccountWrite::AddOneTime(token) => state(RecordId::new("one_time", token.hash.as_str())),
        AccountWrite::AddAudit(entry) => state(AuditRow::from(entry).id),
        AccountWrite::Set(_)
        | AccountWrite::SetLogin(_)
        | AccountWrite::EndLogin { .. }
        | AccountWrite::SetFamily(_)
        | AccountWrite::EndOneTime { .. }
        | AccountWrite::SetAdmins(_)
        | AccountWrite::EndFamily { .. } => None,
    }
}
