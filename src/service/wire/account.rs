//! Users, sessions and the audit log as clients see them.

use latchkey_protocol::{SessionId, UserId, view};

use crate::domain::Timestamp;
use crate::domain::account::{Account, AccountState, AuditEntry, RefreshFamily};
use crate::domain::review::average_hundredths;

/// A user as they and admins see them.
#[must_use]
pub fn me(account: &Account) -> view::Me {
    view::Me {
        id: account.user,
        email: account.email.clone().unwrap_or_default(),
        email_verified_at: account.email_verified_at.map(Timestamp::epoch_ms),
        name: account.name.clone(),
        about: account.about.clone(),
        is_host: account.is_host,
        is_admin: account.is_admin,
        state: match account.state {
            AccountState::Active => view::AccountState::Active,
            AccountState::Deactivated => view::AccountState::Deactivated,
            AccountState::Suspended => view::AccountState::Suspended,
            AccountState::Erased => view::AccountState::Erased,
        },
        version: account.edition,
        created_at: account.created_at.epoch_ms(),
    }
}

/// A user as everybody sees them, with how many reviews of them as a guest count and the sum of their stars, and the rest for whoever may
/// see it.
#[must_use]
pub fn user(account: &Account, (review_count, stars): (u64, u64), may_see_all: bool) -> view::User {
    view::User {
        id: account.user,
        name: account.name.clone(),
        about: account.about.clone(),
        is_host: account.is_host,
        guest_review_count: u32::try_from(review_count).unwrap_or(u32::MAX),
        guest_rating_hundredths: average_hundredths(stars, review_count),
        created_at: account.created_at.epoch_ms(),
        private: may_see_all.then(|| me(account)),
    }
}

/// A session, as its owner sees it from the session `current`.
#[must_use]
pub fn session(family: &RefreshFamily, current: SessionId) -> view::Session {
    view::Session {
        id: family.session,
        created_at: family.created_at().epoch_ms(),
        refreshed_at: family.rotated_at.epoch_ms(),
        expires_at: family.expires_at.epoch_ms(),
        user_agent: family.user_agent.clone(),
        is_current: family.session == current,
    }
}

/// An entry of the audit log, as `user`, whom it is about, may have it: who else did something to them, and from where, is not theirs.
#[must_use]
pub fn audit_entry_of(entry: &AuditEntry, user: UserId) -> view::AuditEntry {
    let is_by_another = entry.actor.is_some_and(|actor| actor != user);
    let all = audit_entry(entry);
    if is_by_another { view::AuditEntry { actor: None, session: None, address: None, ..all } } else { all }
}

/// An entry of the audit log, as admins see it.
#[must_use]
pub fn audit_entry(entry: &AuditEntry) -> view::AuditEntry {
    view::AuditEntry {
        id: entry.id,
        at: entry.at.epoch_ms(),
        kind: entry.kind.name().to_owned(),
        user: entry.user,
        actor: entry.actor,
        session: entry.session,
        address: entry.address.clone(),
        review: entry.moderation.map(|moderation| moderation.review),
        reason: entry.moderation.map(|moderation| moderation.reason),
    }
}
