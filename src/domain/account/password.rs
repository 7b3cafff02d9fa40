//! Which passwords are refused: too short, too long, known to everybody, or written on the door.

use std::sync::LazyLock;

use crate::domain::error::Refusal;

/// Passwords that attackers try first: those of eight characters and more, in lower case and sorted by bytes, from the list that
/// Django ships, which derives from Royce Williams' "common passwords"
/// (<https://gist.github.com/roycewilliams/226886fd01572964e1431ac8afc999ce>).
static COMMON: LazyLock<Vec<&'static str>> = LazyLock::new(|| include_str!("../common_passwords.txt").lines().collect());

/// A part of an address shorter than this is in too many good passwords by chance.
const MIN_CONTAINED: usize = 5;

/// Checks a password for somebody with this address and name. Its characters are free (NIST SP 800-63B, 5.1.1.2).
///
/// # Errors
/// `Invalid` that says what is wrong with it.
pub fn check(password: &str, email: &str, name: &str) -> Result<(), Refusal> {
    let refuse = |reason| Err(Refusal::Invalid { field: "password", reason });
    if !(8..=128).contains(&password.chars().count()) {
        return refuse("8 to 128 characters");
    }
    let lower = password.to_lowercase();
    if COMMON.binary_search(&lower.as_str()).is_ok() {
        return refuse("one of the most common passwords");
    }
    let local = email.split('@').next().unwrap_or_default();
    if lower == email || (local.chars().count() >= MIN_CONTAINED && lower.contains(local)) {
        return refuse("it contains the e-mail address");
    }
    if lower == name.trim().to_lowercase() {
        return refuse("it is the name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_password_that_many_have_or_that_anybody_would_guess_is_refused() {
        for (password, email, name, reason) in [
            ("short", "ada@example.test", "Ada", Some("8 to 128 characters")),
            ("passwort", "ada@example.test", "Ada", Some("one of the most common passwords")),
            ("PassW0rd", "ada@example.test", "Ada", Some("one of the most common passwords")),
            ("ada@example.test", "ada@example.test", "Ada", Some("it contains the e-mail address")),
            ("my-Lovelace-1", "lovelace@example.test", "Ada", Some("it contains the e-mail address")),
            ("Ada Lovelace", "ada@example.test", "ada lovelace", Some("it is the name")),
            ("ada loves engines", "ada@example.test", "ada", None),
            ("ann is in many channels", "ann@example.test", "Ann", None),
            ("correct horse battery", "ada@example.test", "Ada", None),
            ("пароль нового дома", "ada@example.test", "Ada", None),
        ] {
            let expected = reason.map_or(Ok(()), |reason| Err(Refusal::Invalid { field: "password", reason }));
            assert_eq!(check(password, email, name), expected, "{password}");
        }
    }

    #[test]
    fn the_list_is_sorted_as_it_is_searched() {
        assert!(COMMON.len() > 8_000);
        assert!(COMMON.is_sorted_by(|one, next| one < next));
        assert!(COMMON.iter().all(|password| password.len() >= 8 && *password == password.to_lowercase()));
    }

    proptest! {
        #[test]
        fn every_password_on_the_list_is_refused_in_any_case(index in 0..COMMON.len(), upper in any::<bool>()) {
            let password = if upper { COMMON[index].to_uppercase() } else { COMMON[index].to_owned() };
            prop_assert!(check(&password, "x@y.z", "X").is_err());
        }

        #[test]
        fn whatever_surrounds_the_address_it_is_found(before in "[A-Za-z0-9]{0,20}", after in "[A-Za-z0-9]{8,20}", local in "[a-z]{5,20}") {
            let password = [before.as_str(), &local.to_uppercase(), &after].concat();
            let email = [&local, "@example.test"].concat();
            prop_assert!(check(&password, &email, "X").is_err());
        }
    }
}
