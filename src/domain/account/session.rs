//! The tokens of one login: what a presented refresh token leads to, and when a login is over.

use latchkey_protocol::{SessionId, UserId};

use crate::domain::time::Timestamp;

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
    /// When the login ends by itself. One that ends before, is gone: it has no tokens, and no client to remember.
    pub expires_at: Timestamp,
    /// What the client called itself when it logged in, so that people recognise their sessions.
    pub user_agent: Option<String>,
    /// Counts replacements.
    pub version: i64,
}

/// What a presented refresh token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// A new token was given out.
    Rotated(RefreshFamily),
    /// An old token was used again: somebody has a copy, so the login ends (RFC 9700, 4.14.2).
    Reused,
    /// Not a token of this login, or the login is over.
    Refused,
}

impl RefreshFamily {
    /// Takes the token with hash `presented`, which must have been given out for this login, for one with hash `next`; the login
    /// then lasts until `lasts_until` unless it is refreshed again.
    #[must_use]
    pub fn rotate(&self, presented: &str, next: String, lasts_until: Timestamp, now: Timestamp) -> Rotation {
        if !self.is_live(now) {
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
            return Rotation::Reused;
        }
        // Older than the one before: the caller has made sure that it was one of ours.
        Rotation::Reused
    }

    /// Whether it can still be refreshed.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// When it began: its id is a UUIDv7 of that instant.
    #[must_use]
    pub fn created_at(&self) -> Timestamp {
        minted_at(self.session.as_bytes())
    }
}

/// The instant in the first 48 bits of a UUIDv7 (RFC 9562, 5.7).
#[must_use]
pub fn minted_at(id: &[u8; 16]) -> Timestamp {
    Timestamp::from_epoch_ms(id[..6].iter().fold(0, |ms, byte| (ms << 8) | i64::from(*byte)))
}

/// Live logins of one person at most: with one more, the one that was refreshed longest ago ends.
pub const MAX_SESSIONS: usize = 100;

/// The logins that must end so that there is room for one more.
#[must_use]
pub fn beyond_the_cap(mut live: Vec<RefreshFamily>) -> Vec<RefreshFamily> {
    live.sort_unstable_by_key(|family| (family.rotated_at, family.session));
    let surplus = (live.len() + 1).saturating_sub(MAX_SESSIONS);
    live.truncate(surplus);
    live
}

/// A client's name for itself, as it is kept: printable, at most 200 characters.
#[must_use]
pub fn user_agent(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
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
            user_agent: None,
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
        assert_eq!(third.rotate("first", "fourth".to_owned(), later, at(100 + REPEAT_MS)), Rotation::Reused);
        assert_eq!(family().rotate("first", "late".to_owned(), later, at(1_000_000)), Rotation::Refused);
    }

    #[test]
    fn of_too_many_logins_those_end_that_were_refreshed_longest_ago() {
        let login = |number: u8, rotated_at| RefreshFamily {
            session: SessionId::from_bytes([number; 16]),
            rotated_at: Timestamp::from_epoch_ms(rotated_at),
            ..family()
        };
        let few: Vec<_> = (0..99).map(|number| login(number, 1)).collect();
        assert_eq!(beyond_the_cap(few.clone()), vec![]);
        let many: Vec<_> = few.into_iter().chain([login(200, 0), login(201, 2)]).collect();
        assert_eq!(beyond_the_cap(many), vec![login(200, 0), login(0, 1)]);
    }

    #[test]
    fn a_login_knows_when_it_began_and_a_user_agent_is_kept_short_and_printable() {
        let mut id = [0xff; 16];
        id[..6].copy_from_slice(&1_790_000_000_000_u64.to_be_bytes()[2..]);
        assert_eq!(minted_at(&id), Timestamp::from_epoch_ms(1_790_000_000_000));
        assert_eq!(user_agent(" curl/8\r\n "), Some("curl/8".to_owned()));
        assert_eq!(user_agent(&"é".repeat(300)).unwrap().chars().count(), 200);
        assert_eq!(user_agent(" \t"), None);
    }
}
