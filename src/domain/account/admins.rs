//! Who looks after the hub: one list, so that the last of them cannot go, whoever decides at the same time.

use latchkey_protocol::UserId;

use crate::domain::error::Refusal;

/// The admins; every change of it is compared by `version`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Admins {
    /// Each once.
    pub users: Vec<UserId>,
    /// Counts replacements.
    pub version: i64,
}

impl Admins {
    /// With `user` among them, or not.
    ///
    /// # Errors
    /// `InvalidState` if nobody would be left.
    pub fn with(&self, user: UserId, is_admin: bool) -> Result<Self, Refusal> {
        let mut users: Vec<UserId> = self.users.iter().copied().filter(|known| *known != user).collect();
        if is_admin {
            users.push(user);
        } else if users.is_empty() && !self.users.is_empty() {
            return Err(Refusal::InvalidState { state: "last_admin" });
        }
        Ok(Self { users, version: self.version + 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_admin_stays() {
        let user = |number| UserId::from_bytes([number; 16]);
        let none = Admins { users: vec![], version: 1 };
        let one = none.with(user(1), true).unwrap();
        assert_eq!(one, Admins { users: vec![user(1)], version: 2 });
        assert_eq!(one.with(user(1), true).unwrap().users, vec![user(1)], "each once");
        assert_eq!(one.with(user(1), false), Err(Refusal::InvalidState { state: "last_admin" }));
        assert_eq!(one.with(user(2), false).unwrap().users, vec![user(1)], "who is none cannot be the last");
        let two = one.with(user(2), true).unwrap();
        assert_eq!(two.with(user(1), false).unwrap().users, vec![user(2)]);
        assert_eq!(none.with(user(3), false).unwrap().users, vec![]);
    }
}
