//! Accounts and sessions: who somebody is, how they log in, and the tokens of one login.

use latchkey_protocol::{SessionId, UserId};

use super::error::Refusal;
use super::time::Timestamp;

/// Longest e-mail address, in bytes (RFC 5321, 4.5.3.1.3).
const MAX_EMAIL_BYTES: usize = 254;

/// A user with their login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Their id.
    pub user: UserId,
    /// In lower case: what makes an account unique.
    pub email: String,
    /// What others call them.
    pub name: String,
    /// argon2id in PHC form.
    pub password_hash: String,
    /// When they registered.
    pub created_at: Timestamp,
}

/// The address in the form that logins are stored and looked up by.
///
/// # Errors
/// `Invalid` if it is not of the form `local@domain` or too long.
pub fn normal_email(email: &str) -> Result<String, Refusal> {
    let refuse = |reason| Err(Refusal::Invalid { field: "email", reason });
    let email = email.trim().to_lowercase();
    let Some((local, domain)) = email.rsplit_once('@') else { return refuse("not an e-mail address") };
    if local.is_empty() || domain.is_empty() || email.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("not an e-mail address");
    }
    if email.len() > MAX_EMAIL_BYTES {
        return refuse("longer than 254 bytes");
    }
    Ok(email)
}

/// Checks a name and a password; the password's characters are free (NIST SP 800-63B, 5.1.1.2).
///
/// # Errors
/// `Invalid` with the field at fault.
pub fn validate_registration(name: &str, password: &str) -> Result<(), Refusal> {
    if !(1..=80).contains(&name.trim().chars().count()) {
        return Err(Refusal::Invalid { field: "name", reason: "1 to 80 characters" });
    }
    if !(8..=128).contains(&password.chars().count()) {
        return Err(Refusal::Invalid { field: "password", reason: "8 to 128 characters" });
    }
    Ok(())
}

/// How long a rotated refresh token can be presented again, in milliseconds: an answer may be lost on the way.
const REPEAT_MS: i64 = 10_000;

/// The refresh tokens of one login: the newest, and the one before it. Only their hashes are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshFamily {
    /// The login.
    pub session: SessionId,
    /// Whose.
    pub user: UserId,
    /// Hash of the newest token.
    pub current: String,
    /// Hash of the token before it.
    pub previous: Option<String>,
    /// When the newest was given out.
    pub rotated_at: Timestamp,
    /// When the login ends.
    pub expires_at: Timestamp,
    /// Logged out, or ended because an old token was used again.
    pub ended: bool,
    /// Counts replacements.
    pub version: i64,
}

/// What a presented refresh token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// A new token was given out.
    Rotated(RefreshFamily),
    /// An old token was used again: somebody has a copy, so the login ends (RFC 9700, 4.14.2).
    Reused(RefreshFamily),
    /// Not a token of this login, or the login is over.
    Refused,
}

impl RefreshFamily {
    /// Takes the token with hash `presented`, which must have been given out for this login, for one with hash `next`; the login
    /// then lasts until `lasts_until` unless it is refreshed again.
    #[must_use]
    pub fn rotate(&self, presented: &str, next: String, lasts_until: Timestamp, now: Timestamp) -> Rotation {
        if self.ended || now >= self.expires_at {
            return Rotation::Refused;
        }
        let replaced = |current, previous, rotated_at| Self {
            current,
            previous,
            rotated_at,
            expires_at: lasts_until,
            version: self.version + 1,
            ..self.clone()
        };
        if presented == self.current {
            return Rotation::Rotated(replaced(next, Some(self.current.clone()), now));
        }
        if self.previous.as_deref() == Some(presented) {
            if now < self.rotated_at.plus_ms(REPEAT_MS) {
                return Rotation::Rotated(replaced(next, self.previous.clone(), self.rotated_at));
            }
            return Rotation::Reused(Self { ended: true, version: self.version + 1, ..self.clone() });
        }
        // Older than the one before: the caller has made sure that it was one of ours.
        Rotation::Reused(Self { ended: true, version: self.version + 1, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family() -> RefreshFamily {
        RefreshFamily {
            session: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            current: "first".to_owned(),
            previous: None,
            rotated_at: Timestamp::from_epoch_ms(0),
            expires_at: Timestamp::from_epoch_ms(1_000_000),
            ended: false,
            version: 1,
        }
    }

    #[test]
    fn a_refresh_token_is_good_for_one_use_and_a_lost_answer_can_be_repeated_for_a_moment() {
        let at = Timestamp::from_epoch_ms;
        let later = at(2_000_000);
        let Rotation::Rotated(second) = family().rotate("first", "second".to_owned(), later, at(100)) else { panic!() };
        let Rotation::Rotated(third) = second.rotate("first", "third".to_owned(), later, at(200)) else { panic!() };
        assert_eq!((third.current.as_str(), third.previous.as_deref(), third.expires_at), ("third", Some("first"), later));
        let Rotation::Reused(ended) = third.rotate("first", "fourth".to_owned(), later, at(100 + REPEAT_MS)) else { panic!() };
        assert_eq!(ended.rotate("third", "fifth".to_owned(), later, at(300)), Rotation::Refused);
        assert_eq!(family().rotate("first", "late".to_owned(), later, at(1_000_000)), Rotation::Refused);
    }

    #[test]
    fn addresses_are_compared_in_lower_case_and_nonsense_is_refused() {
        assert_eq!(normal_email(" Ada@Example.test ").unwrap(), "ada@example.test");
        for text in ["", "ada", "@example.test", "ada@", "a b@example.test", &format!("{}@x.test", "a".repeat(254))] {
            assert!(normal_email(text).is_err(), "{text}");
        }
    }
}
