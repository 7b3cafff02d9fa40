//! Making an account, and showing that its address is one's own.

use latchkey_protocol::rest::{Register, VerifyEmail};
use latchkey_protocol::{UserId, view};

use super::{Accounts, By, Change, Origin, digest, reachable_email};
use crate::domain::account::one_time::{OneTime, Purpose};
use crate::domain::account::{Account, AccountWrite, AuditKind, LoginRecord, password};
use crate::domain::mail::Mail;
use crate::entropy::fresh_id;
use crate::service::{Caller, ServiceError, wire};
use crate::store::{CommitError, Contended, Person};

impl Accounts {
    /// Creates an account. A mail asks its owner to show that the address is theirs.
    ///
    /// # Errors
    /// `Invalid`, `AlreadyRegistered`, `RateLimited`, `Busy`.
    pub async fn register(&self, ask: Register, origin: &Origin) -> Result<view::Me, ServiceError> {
        self.limits.register.count(&origin.address)?;
        let (account, change) = self.new_account(ask, &By::nobody(origin)).await?;
        self.commit_registration(change).await?;
        Ok(wire::me(&account))
    }

    /// The account that a registration makes, and the change that does it.
    pub(super) async fn new_account(&self, ask: Register, by: &By) -> Result<(Account, Change), ServiceError> {
        let email = reachable_email(&ask.email)?;
        let now = self.now();
        let user = UserId::from_bytes(fresh_id(now.epoch_ms()));
        let account = Account::register(user, email.clone(), &ask.name, now)?;
        password::check(&ask.password, &email, &account.name)?;
        let password_hash = self.hashing.hash(ask.password).await?;
        let mut change = Change::default();
        change.write(AccountWrite::Add(account.clone()));
        change.write(AccountWrite::AddLogin(LoginRecord { email, user, password_hash }));
        change.audit(by, AuditKind::Registered, user, now);
        change.owe(Mail::VerifyEmail { user }, now);
        Ok((account, change))
    }

    pub(super) async fn commit_registration(&self, change: Change) -> Result<(), ServiceError> {
        match self.commit(change).await {
            Err(CommitError::Contended(Contended::Login)) => Err(ServiceError::AlreadyRegistered),
            committed => Ok(committed?),
        }
    }

    /// Sends the mail again that asks to verify the address; nothing if that has been done.
    ///
    /// # Errors
    /// `RateLimited`, `Busy`.
    pub async fn resend_verification(&self, caller: &Caller) -> Result<(), ServiceError> {
        let account = self.account(caller.user).await?;
        if account.email_verified_at.is_some() {
            return Ok(());
        }
        self.limits.mail.count(&account.email.as_deref().unwrap_or_default())?;
        let mut change = Change::default();
        change.owe(Mail::VerifyEmail { user: caller.user }, self.now());
        Ok(self.commit(change).await?)
    }

    /// Takes the token of such a mail.
    ///
    /// # Errors
    /// `Invalid` if it is not good any more; `RateLimited`, `Busy`.
    pub async fn verify_email(&self, ask: VerifyEmail, origin: &Origin) -> Result<(), ServiceError> {
        let token = self.presented(&ask.token, origin).await?;
        let by = By::nobody(origin);
        self.decide(token.user, |person, now| {
            token.check(Purpose::VerifyEmail, &binding(Purpose::VerifyEmail, &person), now)?;
            if person.account.email_verified_at.is_some() {
                return Err(OneTime::REFUSED.into());
            }
            let mut change = Change::default();
            change.write(AccountWrite::Set(person.account.verify_email(now)));
            change.write(AccountWrite::EndOneTime { hash: token.hash.clone() });
            change.audit(&by, AuditKind::EmailVerified, token.user, now);
            Ok((change, ()))
        })
        .await
    }

    /// The one-use token that somebody presents; whether it is good for what they want is decided with the account it is for.
    pub(super) async fn presented(&self, token: &str, origin: &Origin) -> Result<OneTime, ServiceError> {
        self.limits.token.count(&origin.address)?;
        let found = self.store.one_time(&digest(token)).await?;
        found.ok_or_else(|| OneTime::REFUSED.into())
    }
}

/// What must still be so when a token is used: a link to an address says nothing of the next one, and a reset is void once the
/// password is another.
pub(super) fn binding(purpose: Purpose, person: &Person) -> String {
    let email = person.account.email.as_deref().unwrap_or_default();
    match (purpose, &person.login) {
        (Purpose::ResetPassword, Some(login)) => digest(&format!("reset {email} {}", login.password_hash)),
        (Purpose::ResetPassword | Purpose::Nothing, _) => digest("nothing"),
        (Purpose::VerifyEmail, _) => digest(&format!("verify {email}")),
    }
}
