//! What admins do with accounts, and how somebody becomes one.

use latchkey_protocol::rest::{Register, SetRoles};
use latchkey_protocol::{AuditId, UserId, view};

use super::sessions::live;
use super::{Accounts, By, Change, Origin};
use crate::domain::Refusal;
use crate::domain::account::{Account, AccountState, AccountWrite, AuditKind, normal_email};
use crate::service::{Caller, ServiceError, wire};
use crate::store::Person;

impl Accounts {
    /// Users, newest first, older than `before`. For admins.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn list(&self, caller: &Caller, before: Option<UserId>, limit: u16) -> Result<Vec<view::Me>, ServiceError> {
        self.roles.require_admin(caller).await?;
        Ok(self.store.accounts(before, limit, self.now()).await?.iter().map(wire::me).collect())
    }

    /// The audit log, newest first, older than `before`; of one user, or of all. For admins.
    ///
    /// # Errors
    /// `Forbidden`.
    pub async fn audit(
        &self,
        caller: &Caller,
        user: Option<UserId>,
        before: Option<AuditId>,
        limit: u16,
    ) -> Result<Vec<view::AuditEntry>, ServiceError> {
        self.roles.require_admin(caller).await?;
        Ok(self.store.audit(user, before, limit, self.now()).await?.iter().map(wire::audit_entry).collect())
    }

    /// Locks a user out: every session of theirs ends now, and they cannot log in.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `InvalidState` of admins and of accounts that are suspended or erased.
    pub async fn suspend(&self, caller: &Caller, user: UserId, origin: &Origin) -> Result<view::Me, ServiceError> {
        self.roles.require_admin(caller).await?;
        let by = By::caller(caller, origin);
        let suspended = self.decide(user, |person, now| {
            let mut change = Change::default();
            change.end(live(&person, now), now);
            let account = person.account.suspend()?;
            let me = wire::me(&account);
            change.write(AccountWrite::Set(account));
            change.audit(&by, AuditKind::Suspended, user, now);
            change.settle_homes(user, now);
            Ok((change, me))
        });
        let me = suspended.await?;
        self.settle_homes_now(user).await;
        Ok(me)
    }

    /// Lets a suspended user in again.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `InvalidState` of accounts that are not suspended.
    pub async fn unsuspend(&self, caller: &Caller, user: UserId, origin: &Origin) -> Result<view::Me, ServiceError> {
        self.roles.require_admin(caller).await?;
        let by = By::caller(caller, origin);
        self.decide(user, |person, now| {
            let account = person.account.restore()?;
            let me = wire::me(&account);
            let mut change = Change::default();
            change.write(AccountWrite::Set(account));
            change.audit(&by, AuditKind::Restored, user, now);
            Ok((change, me))
        })
        .await
    }

    /// Gives and takes roles.
    ///
    /// # Errors
    /// `Forbidden`, `NotFound`; `InvalidState` of accounts that are not active, and of the last admin.
    pub async fn set_roles(&self, caller: &Caller, user: UserId, roles: SetRoles, origin: &Origin) -> Result<view::Me, ServiceError> {
        self.roles.require_admin(caller).await?;
        let me = self.give_roles(user, &By::caller(caller, origin), |_| roles).await?;
        self.settle_homes_now(user).await;
        Ok(me)
    }

    /// Makes whoever has this address an admin: for the command line, which is how there comes to be a first one.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`; `InvalidState` of accounts that are not active.
    pub async fn grant_admin(&self, email: &str) -> Result<view::Me, ServiceError> {
        let login = self.store.login(&normal_email(email)?).await?.ok_or(ServiceError::NotFound("user"))?;
        self.give_roles(login.user, &By::default(), |account| SetRoles { is_host: account.is_host, is_admin: true }).await
    }

    /// Makes a new account that is an admin's: likewise.
    ///
    /// # Errors
    /// `Invalid`, `AlreadyRegistered`.
    pub async fn create_admin(&self, ask: Register) -> Result<view::Me, ServiceError> {
        let (account, change) = self.new_account(ask, &By::default()).await?;
        self.commit_registration(change).await?;
        self.give_roles(account.user, &By::default(), |account| SetRoles { is_host: account.is_host, is_admin: true }).await
    }

    async fn give_roles(&self, user: UserId, by: &By, roles: impl Fn(&Account) -> SetRoles) -> Result<view::Me, ServiceError> {
        self.decide(user, |Person { account, admins, .. }, now| {
            if account.state != AccountState::Active {
                return Err(Refusal::InvalidState { state: account.state.name() }.into());
            }
            let roles = roles(&account);
            let mut change = Change::default();
            if (account.is_host, account.is_admin) == (roles.is_host, roles.is_admin) {
                return Ok((change, wire::me(&account)));
            }
            if account.is_admin != roles.is_admin {
                change.write(AccountWrite::SetAdmins(admins.with(user, roles.is_admin)?));
            }
            if account.is_host && !roles.is_host {
                change.settle_homes(user, now);
            }
            let account = account.with_roles(roles.is_host, roles.is_admin);
            let me = wire::me(&account);
            change.write(AccountWrite::Set(account));
            change.audit(by, AuditKind::RolesChanged, user, now);
            Ok((change, me))
        })
        .await
    }
}
