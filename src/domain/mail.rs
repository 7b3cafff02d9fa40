//! Mails that are owed, and the letters they become.
//!
//! A job says which mail is owed to whom, by id; the letter, with names, addresses and one-use tokens, is made when it is sent and
//! is never stored.

use latchkey_protocol::UserId;

use super::job::Work;

/// A mail that somebody is owed. Ids only: what it says is decided when it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mail {
    /// Asks the user to show that the address is theirs.
    VerifyEmail {
        /// Who.
        user: UserId,
    },
    /// Lets them choose another password.
    ResetPassword {
        /// Who.
        user: UserId,
    },
    /// Tells them that their password was changed.
    PasswordChanged {
        /// Who.
        user: UserId,
    },
    /// Tells them that their address was changed.
    EmailChanged {
        /// Who.
        user: UserId,
    },
}

impl Mail {
    /// Its name in the job table and on the wire.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::VerifyEmail { .. } => "verify_email",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged { .. } => "password_changed",
            Self::EmailChanged { .. } => "email_changed",
        }
    }

    /// The kind of work it is: to reset a password somebody waits, and not behind the mails that a flood of registrations causes.
    #[must_use]
    pub const fn work(&self) -> Work {
        match self {
            Self::ResetPassword { .. } => Work::ResetMail,
            Self::VerifyEmail { .. } | Self::PasswordChanged { .. } | Self::EmailChanged { .. } => Work::Mail,
        }
    }

    /// To whom.
    #[must_use]
    pub const fn user(&self) -> UserId {
        match self {
            Self::VerifyEmail { user } | Self::ResetPassword { user } | Self::PasswordChanged { user } | Self::EmailChanged { user } => {
                *user
            }
        }
    }

    /// The mail with this name to this user.
    #[must_use]
    pub fn named(name: &str, user: UserId) -> Option<Self> {
        let all = [Self::VerifyEmail { user }, Self::ResetPassword { user }, Self::PasswordChanged { user }, Self::EmailChanged { user }];
        all.into_iter().find(|mail| mail.name() == name)
    }
}

/// A mail, ready to be sent: plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address, without a name.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Lines.
    pub text: String,
}

impl std::fmt::Debug for Letter {
    /// Says nothing that does not belong into a log: address and text are personal, and the text may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Letter").field("subject", &self.subject).finish_non_exhaustive()
    }
}
