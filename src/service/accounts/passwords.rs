//! Passwords: changing one that is known, and setting another when it was forgotten.

use latchkey_protocol::rest::{ChangePassword, ForgotPassword, ResetPassword};

use super::register::binding;
use super::sessions::live;
use super::{Accounts, By, Change, Origin, digest, random_text};
use crate::domain::account::one_time::{OneTime, Purpose};
use crate::domain::account::{AccountState, AccountWrite, AuditKind, LoginRecord, normal_email, password};
use crate::domain::mail::Mail;
use crate::domain::{Timestamp, UserId};
use crate::service::{Caller, ServiceError};
use crate::store::Person;

impl Accounts {
    /// Changes the caller's password and ends their other sessions.
    ///
    /// # Errors
    /// `BadCredentials` if `current` is wrong, `Invalid`, `RateLimited`, `Busy`.
    pub async fn change_password(&self, caller: &Caller, ask: ChangePassword, origin: &Origin) -> Result<(), ServiceError> {
        let verified = self.verified(caller, ask.current).await?;
        let account = self.account(caller.user).await?;
        password::check(&ask.new, &verified.email, &account.name).map_err(|refusal| renamed(refusal, "new"))?;
        let password_hash = self.hashing.hash(ask.new).await?;
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let login = still(&person, &verified)?;
            let mut change = Change::default();
            change.end(live(&person, now).into_iter().filter(|family| family.session != caller.session), now);
            change.write(AccountWrite::SetLogin(LoginRecord { password_hash: password_hash.clone(), ..login }));
            change.write(AccountWrite::Set(person.account.touched()));
            change.audit(&by, AuditKind::PasswordChanged, caller.user, now);
            change.owe(Mail::PasswordChanged { user: caller.user }, now);
            Ok((change, ()))
        })
        .await
    }

    /// Sends a mail with which a new password can be set, if there is such an account. Answer and work are the same if there is none.
    ///
    /// # Errors
    /// `RateLimited`, `Busy`.
    pub async fn forgot_password(&self, ask: &ForgotPassword, origin: &Origin) -> Result<(), ServiceError> {
        let Ok(email) = normal_email(&ask.email) else { return Ok(()) };
        self.limits.token.count(&origin.address)?;
        self.limits.mail.count(&email)?;
        let login = self.store.login(&email).await?;
        let nobody = UserId::from_bytes([0; 16]);
        let account = self.store.account(login.as_ref().map_or(nobody, |login| login.user)).await?;
        let now = self.now();
        let mut change = Change::default();
        match account.filter(|account| matches!(account.state, AccountState::Active | AccountState::Deactivated)) {
            Some(account) => {
                change.audit(&By::nobody(origin), AuditKind::PasswordResetAsked, account.user, now);
                change.owe(Mail::ResetPassword { user: account.user }, now);
            }
            None => {
                // Two records, as above; swept soon, since they have ended already.
                for _ in 0..2 {
                    change.write(AccountWrite::AddOneTime(token_for(nobody, Purpose::Nothing, &random_text()?, String::new(), now)));
                }
            }
        }
        Ok(self.commit(change).await?)
    }

    /// Sets a new password with the token of such a mail, and ends every session.
    ///
    /// # Errors
    /// `Invalid` if the token is not good any more or the password is refused; `RateLimited`, `Busy`.
    pub async fn reset_password(&self, ask: ResetPassword, origin: &Origin) -> Result<(), ServiceError> {
        let token = self.presented(&ask.token, origin).await?;
        let person = self.store.person(token.user).await?.ok_or(OneTime::REFUSED)?;
        token.check(Purpose::ResetPassword, &binding(Purpose::ResetPassword, &person), self.now())?;
        // Before the token is used up: whoever chose a bad one may choose again.
        password::check(&ask.password, person.account.email.as_deref().unwrap_or_default(), &person.account.name)?;
        let password_hash = self.hashing.hash(ask.password).await?;
        let by = By::nobody(origin);
        self.decide(token.user, |person, now| {
            token.check(Purpose::ResetPassword, &binding(Purpose::ResetPassword, &person), now)?;
            let login = person.login.clone().ok_or(OneTime::REFUSED)?;
            let mut change = Change::default();
            change.end(live(&person, now), now);
            change.write(AccountWrite::SetLogin(LoginRecord { password_hash: password_hash.clone(), ..login }));
            change.write(AccountWrite::EndOneTime { hash: token.hash.clone() });
            change.write(AccountWrite::Set(person.account.touched()));
            change.audit(&by, AuditKind::PasswordResetDone, token.user, now);
            change.owe(Mail::PasswordChanged { user: token.user }, now);
            Ok((change, ()))
        })
        .await
    }

    /// The caller's login, after they gave their password.
    pub(super) async fn verified(&self, caller: &Caller, password: String) -> Result<LoginRecord, ServiceError> {
        self.limits.password.count(&caller.user)?;
        let login = self.person(caller.user).await?.login.ok_or(ServiceError::NotFound("user"))?;
        let verdict = self.hashing.verify(password, Some(login.password_hash.clone())).await?;
        if verdict.is_right { Ok(login) } else { Err(ServiceError::BadCredentials) }
    }
}

/// The login, if it is still the one whose password was given.
pub(super) fn still(person: &Person, verified: &LoginRecord) -> Result<LoginRecord, ServiceError> {
    person.login.clone().filter(|login| login == verified).ok_or(ServiceError::BadCredentials)
}

/// A token as it is stored: only its hash.
pub(super) fn token_for(user: UserId, purpose: Purpose, token: &str, binding: String, now: Timestamp) -> OneTime {
    OneTime { hash: digest(token), user, purpose, binding, expires_at: now.plus_ms(purpose.life_ms()) }
}

fn renamed(refusal: crate::domain::Refusal, field: &'static str) -> crate::domain::Refusal {
    match refusal {
        crate::domain::Refusal::Invalid { reason, .. } => crate::domain::Refusal::Invalid { field, reason },
        other => other,
    }
}
