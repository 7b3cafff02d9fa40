//! What is written of an account. A user's record carries its version; a login and a one-use token ride on it.

use latchkey_protocol::{SessionId, UserId};

use super::{Account, Admins, AuditEntry, OneTime, RefreshFamily};
use crate::domain::time::Timestamp;

/// How somebody logs in: the id of its record is the address, which makes an account unique.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRecord {
    /// In lower case.
    pub email: String,
    /// Whose.
    pub user: UserId,
    /// argon2id in PHC form.
    pub password_hash: String,
}

/// One record of an account to write. Whatever is not an insert rides on the version that [`Self::Set`] compares.
#[derive(Debug, Clone, PartialEq)]
pub enum AccountWrite {
    /// Insert.
    Add(Account),
    /// Replace, if the stored one still has the version before.
    Set(Account),
    /// Insert: fails if the address is registered.
    AddLogin(LoginRecord),
    /// Replace.
    SetLogin(LoginRecord),
    /// Delete: nobody logs in with this address any more.
    EndLogin {
        /// Which.
        email: String,
    },
    /// Insert.
    AddFamily(RefreshFamily),
    /// Replace, if the stored one still has the version before.
    SetFamily(RefreshFamily),
    /// Insert: no access token of this session is honoured any more. They have all ended by `until`.
    Revoke {
        /// Which.
        session: SessionId,
        /// When it no longer matters.
        until: Timestamp,
    },
    /// Insert.
    AddOneTime(OneTime),
    /// Delete: it has been used.
    EndOneTime {
        /// Hash of the token.
        hash: String,
    },
    /// Insert.
    AddAudit(AuditEntry),
    /// Replace, if the stored list still has the version before.
    SetAdmins(Admins),
    /// Delete, if the stored one still has this version: the login is over.
    EndFamily {
        /// Which.
        session: SessionId,
        /// Of which version.
        version: i64,
    },
}
