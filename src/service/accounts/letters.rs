//! The letters that accounts write. A job says which is owed to whom; what it says, and the one-use token in it, is made when it is
//! sent: so no secret is ever stored, and a letter that waited for a day says nothing that is no longer so.

use latchkey_protocol::{BookingId, NotificationKind, UserId};

use super::passwords::token_for;
use super::register::binding;
use super::{Accounts, Change, random_text};
use crate::domain::Preferences;
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
            Mail::Notification { user, kind, booking } => {
                let is_wanted = account.email_verified_at.is_some() && self.is_still_news(*user, *kind, *booking).await?;
                Ok(is_wanted.then(|| self.notification_letter(email, account, *kind, *booking)))
            }
        }
    }

    /// A letter was sent to that address: what was kept only for it goes.
    ///
    /// # Errors
    /// `Busy` and the like; sending the letter again later is right.
    pub async fn sent(&self, mail: &Mail, to: &str) -> Result<(), ServiceError> {
        match mail {
            Mail::VerifyEmail { .. } | Mail::ResetPassword { .. } | Mail::PasswordChanged { .. } | Mail::Notification { .. } => Ok(()),
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

    /// Whether the user wants mails of this kind, now, and does not know it already.
    async fn is_still_news(&self, user: UserId, kind: NotificationKind, booking: BookingId) -> Result<bool, ServiceError> {
        let preferences = self.store.preferences(user).await?.unwrap_or_else(|| Preferences::unchosen(user));
        if !preferences.channels(kind).email {
            return Ok(false);
        }
        if kind != NotificationKind::MessageReceived {
            return Ok(true);
        }
        let thread = self.store.thread(booking).await?;
        let place = thread.map(|thread| if thread.guest == user { thread.guest_place } else { thread.host_place });
        Ok(place.is_some_and(|place| place.unread > 0))
    }

    fn notification_letter(&self, to: String, account: &Account, kind: NotificationKind, booking: BookingId) -> Letter {
        let (subject, what) = match kind {
            NotificationKind::BookingConfirmed => ("A booking is confirmed", "a booking is paid and confirmed."),
            NotificationKind::BookingExpired => ("A booking ran out", "a booking was not paid in time, and its nights are free again."),
            NotificationKind::BookingCancelled => ("A booking was cancelled", "the other side has called a booking off."),
            NotificationKind::PaymentFailed => (
                "A payment failed",
                "a payment for a booking did not come in. If it is yours to pay and the booking still waits, choose another way.",
            ),
            NotificationKind::RefundSent => ("Money is on its way back", "what you get back of a booking was sent to you."),
            NotificationKind::MessageReceived => ("You have a message", "the other side of a booking wrote to you."),
            NotificationKind::BookingRequested => {
                ("A guest asks for your home", "a guest asks for your home. Say yes or no before it runs out.")
            }
            NotificationKind::BookingDeclined => ("Your request was declined", "the host cannot have you on these nights."),
            NotificationKind::BookingWithdrawn => ("A request was withdrawn", "a guest has taken their request back."),
            NotificationKind::NoShow => ("You were not there", "the host says that you did not come."),
            NotificationKind::AlterationProposed => ("A stay is to be changed", "a change of a stay waits for you."),
            NotificationKind::AlterationEnded => ("A change of a stay was decided", "a change of a stay was decided."),
            NotificationKind::PayoutSent => ("Money was sent to you", "what you earned with a stay was sent to you."),
            NotificationKind::ReviewReceived => (
                "You were reviewed",
                "the other side has written its review. You can read it once you have written yours, or when the time is over.",
            ),
            NotificationKind::ReviewPublished => ("A review can be read", "the other side's review can be read."),
            NotificationKind::ReviewReplied => ("Your review was answered", "the other side answered your review."),
            NotificationKind::PaymentDisputed => ("A payment is disputed", "the guest's bank disputes a payment, or has decided about it."),
        };
        let messages = if kind == NotificationKind::MessageReceived { "messages/" } else { "" };
        let place = format!("{}/bookings/{booking}/{messages}", self.public_url);
        let text = format!(
            "Hello {},\n\n{what}\n\n    {place}\n\nOf what you get mails is your choice: {}/notifications/preferences/\n",
            account.name, self.public_url
        );
        Letter { to, subject: subject.to_owned(), text }
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
