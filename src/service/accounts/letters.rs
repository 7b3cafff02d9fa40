//! The letters that accounts write. A job says which is owed to whom; what it says, and the one-use token in it, is made when it is
//! sent: so no secret is ever stored, and a letter that waited for a day says nothing that is no longer so.

use super::passwords::token_for;
use super::register::binding;
use super::{Accounts, Change, random_text};
use crate::domain::account::one_time::Purpose;
use crate::domain::account::{Account, AccountState, AccountWrite};
use crate::domain::mail::{Letter, Mail};
use crate::service::ServiceError;
use crate::store::Person;

impl Accounts {
    /// The letter that is owed, or `None` if there is nothing to say any more: the address is verified, the account erased.
    ///
    /// # Errors
    /// `Busy` and the like; sending it again later is right.
    pub async fn compose(&self, mail: &Mail) -> Result<Option<Letter>, ServiceError> {
        let Some(person) = self.store.person(mail.user()).await? else { return Ok(None) };
        let Person { account, .. } = &person;
        let Some(email) = account.email.clone().filter(|_| can_be_written_to(account)) else { return Ok(None) };
        match mail {
            Mail::VerifyEmail { .. } if account.email_verified_at.is_some() => Ok(None),
            Mail::VerifyEmail { .. } => {
                let token = self.new_token(&person, Purpose::VerifyEmail).await?;
                Ok(Some(self.verify_email_letter(email, account, &token)))
            }
            Mail::ResetPassword { .. } => {
                let token = self.new_token(&person, Purpose::ResetPassword).await?;
                Ok(Some(self.reset_password_letter(email, account, &token)))
            }
            Mail::PasswordChanged { .. } => Ok(Some(self.password_changed_letter(email, account))),
            Mail::EmailChanged { .. } => {
                let previous = account.previous_email.as_ref().map(|previous| previous.email.clone());
                Ok(previous.map(|previous| self.email_changed_letter(previous, account)))
            }
        }
    }

    /// A letter was sent to that address: what was kept only for it goes.
    ///
    /// # Errors
    /// `Busy` and the like; sending the letter again later is right.
    pub async fn sent(&self, mail: &Mail, to: &str) -> Result<(), ServiceError> {
        match mail {
            Mail::VerifyEmail { .. } | Mail::ResetPassword { .. } | Mail::PasswordChanged { .. } => Ok(()),
            Mail::EmailChanged { user } => {
                self.decide(*user, |person, _| {
                    let mut change = Change::default();
                    if let Some(account) = person.account.told(to) {
                        change.write(AccountWrite::Set(account));
                    }
                    Ok((change, ()))
                })
                .await
            }
        }
    }

    /// A token for this person as they are now; stored as a hash before anybody has it.
    async fn new_token(&self, person: &Person, purpose: Purpose) -> Result<String, ServiceError> {
        let token = random_text()?;
        let stored = token_for(person.account.user, purpose, &token, binding(purpose, person), self.now());
        let mut change = Change::default();
        change.write(AccountWrite::AddOneTime(stored));
        self.commit(change).await?;
        Ok(token)
    }

    fn verify_email_letter(&self, to: String, account: &Account, token: &str) -> Letter {
        let request = self.request("/auth/verify-email/", &format!(r#"{{"token":"{token}"}}"#));
        let text = format!(
            "Hello {},\n\nplease show that this address is yours, within a day. Your token is\n\n    {token}\n\n\
             There are no pages yet, so use it from a terminal:\n\n{request}\n\n\
             If you have not registered here, somebody has mistyped their address: do nothing.\n",
            account.name
        );
        Letter { to, subject: "Verify your e-mail address".to_owned(), text }
    }

    fn reset_password_letter(&self, to: String, account: &Account, token: &str) -> Letter {
        let request = self.request("/auth/password/reset/", &format!(r#"{{"token":"{token}","password":"YOUR NEW PASSWORD"}}"#));
        let text = format!(
            "Hello {},\n\nsomebody, probably you, wants to set a new password. Your token is good for one use within an hour:\n\n    \
             {token}\n\nThere are no pages yet, so use it from a terminal:\n\n{request}\n\n\
             It ends every session. If it was not you, do nothing: your password stays as it is.\n",
            account.name
        );
        Letter { to, subject: "Set a new password".to_owned(), text }
    }

    fn password_changed_letter(&self, to: String, account: &Account) -> Letter {
        let request = self.request("/auth/password/forgot/", &serde_json::json!({ "email": to }).to_string());
        let text = format!(
            "Hello {},\n\nyour password was changed, and other sessions were ended.\n\n\
             If it was not you, set a new one at once:\n\n{request}\n",
            account.name
        );
        Letter { to, subject: "Your password was changed".to_owned(), text }
    }

    fn email_changed_letter(&self, to: String, account: &Account) -> Letter {
        let text = format!(
            "Hello {},\n\nyour account at {} was moved to another e-mail address; this one is no longer used to log in.\n\n\
             If it was not you, answer those who run this hub at once: your account is {}.\n",
            account.name, self.public_url, account.user
        );
        Letter { to, subject: "Your e-mail address was changed".to_owned(), text }
    }

    /// How to send a request from a terminal. Bodies are quoted for a shell: tokens and checked addresses may hold an apostrophe.
    fn request(&self, path: &str, body: &str) -> String {
        let body = body.replace('\'', r"'\''");
        format!("    curl -X POST {}{path} \\\n        -H 'Content-Type: application/json' \\\n        -d '{body}'", self.public_url)
    }
}

/// Whether there is somebody to read it.
const fn can_be_written_to(account: &Account) -> bool {
    match account.state {
        AccountState::Active | AccountState::Deactivated => true,
        AccountState::Suspended | AccountState::Erased => false,
    }
}
