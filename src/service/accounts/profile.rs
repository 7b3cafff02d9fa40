//! What people say about themselves, and the address they are reached at.

use latchkey_protocol::rest::{ChangeEmail, UpdateMe};
use latchkey_protocol::{UserId, view};

use super::passwords::still;
use super::{Accounts, By, Change, Origin, reachable_email};
use crate::domain::account::{AccountWrite, AuditKind, LoginRecord};
use crate::domain::mail::Mail;
use crate::service::{Caller, Expected, ServiceError, wire};

impl Accounts {
    /// The caller's own account.
    ///
    /// # Errors
    /// `NotFound` if it is gone.
    pub async fn me(&self, caller: &Caller) -> Result<view::Me, ServiceError> {
        Ok(wire::me(&self.account(caller.user).await?))
    }

    /// A user as everybody sees them; themselves and admins see all. Who has left, or was locked out, is there for those alone.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: Option<&Caller>, user: UserId) -> Result<view::User, ServiceError> {
        let account = self.account(user).await?;
        let may_see_all = match caller {
            Some(caller) if caller.user == user => true,
            Some(caller) => self.roles.is_admin(caller).await?,
            None => false,
        };
        if !may_see_all && !account.is_public() {
            return Err(ServiceError::NotFound("user"));
        }
        Ok(wire::user(&account, self.store.guest_stars(user).await?, may_see_all))
    }

    /// Changes the caller's profile.
    ///
    /// # Errors
    /// `Stale` if it was changed since, `Invalid`, `Busy`; `InvalidState` of accounts that are not active.
    pub async fn update(&self, caller: &Caller, expected: &Expected, ask: &UpdateMe) -> Result<view::Me, ServiceError> {
        self.decide(caller.user, |person, _| {
            let edition = person.account.edition;
            // What would be refused anyway is refused for that (RFC 9110, 13.2.1).
            let account = person.account.edit(ask.name.as_deref(), ask.about.as_deref())?;
            expected.check(edition)?;
            let me = wire::me(&account);
            let mut change = Change::default();
            change.write(AccountWrite::Set(account));
            Ok((change, me))
        })
        .await
    }

    /// Moves the caller to another address, which is to be verified again. If the old one was verified, it is told.
    ///
    /// # Errors
    /// `BadCredentials`, `Invalid`, `AlreadyRegistered`; `InvalidState` while the address before another change was not told; `RateLimited`, `Busy`.
    pub async fn change_email(&self, caller: &Caller, ask: ChangeEmail, origin: &Origin) -> Result<view::Me, ServiceError> {
        let email = reachable_email(&ask.email)?;
        let verified = self.verified(caller, ask.password).await?;
        self.limits.mail.count(&email)?;
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let login = still(&person, &verified)?;
            let tells = person.account.email_verified_at.is_some();
            let account = person.account.change_email(email.clone(), now)?;
            let me = wire::me(&account);
            let mut change = Change::default();
            change.write(AccountWrite::Set(account));
            change.write(AccountWrite::EndLogin { email: login.email.clone() });
            change.write(AccountWrite::AddLogin(LoginRecord { email: email.clone(), ..login }));
            change.audit(&by, AuditKind::EmailChanged, caller.user, now);
            change.owe(Mail::VerifyEmail { user: caller.user }, now);
            if tells {
                change.owe(Mail::EmailChanged { user: caller.user }, now);
            }
            Ok((change, me))
        })
        .await
    }

    /// Makes the caller a host; nothing if they are one.
    ///
    /// # Errors
    /// `Forbidden` if an admin took the role away; `InvalidState` of accounts that are not active; `Busy`.
    pub async fn become_host(&self, caller: &Caller, origin: &Origin) -> Result<view::Me, ServiceError> {
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let mut change = Change::default();
            if person.account.is_host {
                return Ok((change, wire::me(&person.account)));
            }
            let account = person.account.become_host()?;
            let me = wire::me(&account);
            change.write(AccountWrite::Set(account));
            change.audit(&by, AuditKind::BecameHost, caller.user, now);
            Ok((change, me))
        })
        .await
    }
}
