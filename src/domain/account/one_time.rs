//! Tokens that travel by mail and are good for one use.
//!
//! Only a hash of a token is kept. Each is bound to what it was made for: a link that verifies an address says nothing of the next
//! address, and one that resets a password is void once the password or the address is another.

use latchkey_protocol::UserId;

use crate::domain::error::Refusal;
use crate::domain::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Showing that mail to the address reaches its owner.
    VerifyEmail,
    /// Setting a new password.
    ResetPassword,
    /// Nothing: written where there is no account, so that it costs the same as where there is one.
    Nothing,
}

impl Purpose {
    /// Its name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::Nothing => "nothing",
        }
    }

    /// How long such a token is good, in milliseconds.
    #[must_use]
    pub const fn life_ms(self) -> i64 {
        match self {
            Self::VerifyEmail => 24 * HOUR_MS,
            Self::ResetPassword => HOUR_MS,
            Self::Nothing => 0,
        }
    }
}

/// A token that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneTime {
    /// SHA-256 of the token, in hexadecimal: its record's id.
    pub hash: String,
    /// Who it was sent to.
    pub user: UserId,
    /// What it allows.
    pub purpose: Purpose,
    /// Hash of what must still be so when it is used.
    pub binding: String,
    /// When it ends, exclusive.
    pub expires_at: Timestamp,
}

impl OneTime {
    /// Whether it may be used for this now. One answer for every fault: whoever tries tokens learns nothing from it.
    ///
    /// # Errors
    /// `Invalid`.
    pub fn check(&self, purpose: Purpose, binding: &str, now: Timestamp) -> Result<(), Refusal> {
        if self.purpose == purpose && self.binding == binding && now < self.expires_at { Ok(()) } else { Err(Self::REFUSED) }
    }

    /// What every token that is not good is answered with.
    pub const REFUSED: Refusal = Refusal::Invalid { field: "token", reason: "not valid: unknown, used or too old" };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_purpose_while_nothing_else_has_changed_and_in_time() {
        let at = Timestamp::from_epoch_ms;
        let token = OneTime {
            hash: "h".to_owned(),
            user: UserId::from_bytes([1; 16]),
            purpose: Purpose::ResetPassword,
            binding: "b".to_owned(),
            expires_at: at(100),
        };
        for (purpose, binding, now, is_good) in [
            (Purpose::ResetPassword, "b", 99, true),
            (Purpose::ResetPassword, "b", 100, false),
            (Purpose::ResetPassword, "c", 0, false),
            (Purpose::VerifyEmail, "b", 0, false),
            (Purpose::Nothing, "b", 0, false),
        ] {
            assert_eq!(token.check(purpose, binding, at(now)).is_ok(), is_good, "{purpose:?} {binding} {now}");
        }
    }
}
