//! What may become of an account: every transition from every state.

use proptest::prelude::*;

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_epoch_ms(ms)
}

fn account() -> Account {
    Account::register(UserId::from_bytes([1; 16]), "ada@example.test".to_owned(), " Ada ", at(0)).unwrap()
}

const STATES: [AccountState; 4] = [AccountState::Active, AccountState::Deactivated, AccountState::Suspended, AccountState::Erased];

#[test]
fn each_transition_is_allowed_from_the_states_it_is_meant_for() {
    use AccountState::{Active, Deactivated, Erased, Suspended};
    type Transition = fn(Account) -> Result<Account, Refusal>;
    let rows: [(&str, Transition, [Option<AccountState>; 4]); 7] = [
        // From:                                       active             deactivated       suspended     erased
        ("deactivate", Account::deactivate, [Some(Deactivated), None, None, None]),
        ("log_in", Account::log_in, [Some(Active), Some(Active), None, None]),
        ("suspend", Account::suspend, [Some(Suspended), Some(Suspended), None, None]),
        ("restore", Account::restore, [None, None, Some(Active), None]),
        ("erase", Account::erase, [Some(Erased), None, None, None]),
        ("edit", |account| account.edit(Some("Eve"), None), [Some(Active), None, None, None]),
        ("become_host", Account::become_host, [Some(Active), None, None, None]),
    ];
    for (name, transition, expected) in rows {
        for (from, to) in STATES.into_iter().zip(expected) {
            let before = Account { state: from, ..account() };
            let after = transition(before.clone());
            assert_eq!(after.as_ref().ok().map(|after| after.state), to, "{name} from {from:?}");
            if let Ok(after) = after {
                assert_eq!(after.version, before.version + 1, "{name}: whoever decided on the one before must decide again");
                assert_eq!(after.edition != before.edition, name != "log_in" || from == Deactivated, "{name} from {from:?}");
            }
        }
    }
}

#[test]
fn an_admin_gives_the_role_back_before_they_go() {
    let admin = Account { is_admin: true, ..account() };
    let refused = Err(Refusal::InvalidState { state: "admin" });
    assert_eq!((admin.clone().deactivate(), admin.clone().suspend(), admin.erase()), (refused.clone(), refused.clone(), refused));
}

#[test]
fn who_had_left_when_they_were_suspended_is_still_away_when_they_are_let_in_again() {
    let back = |account: Account| account.suspend().unwrap().restore().unwrap();
    assert_eq!(back(account()).state, AccountState::Active);
    let away = back(account().deactivate().unwrap());
    assert_eq!((away.state, away.is_public()), (AccountState::Deactivated, false));
    assert_eq!(back(away.log_in().unwrap()).state, AccountState::Active, "it is forgotten with that");
}

#[test]
fn who_lost_the_role_of_a_host_does_not_take_it_again() {
    let host = account().become_host().unwrap();
    assert!(host.may_let() && !host.clone().suspend().unwrap().may_let());
    assert!(host.clone().become_host().unwrap().is_host);
    let withdrawn = host.with_roles(false, false);
    assert_eq!(withdrawn.clone().become_host(), Err(Refusal::NotYours));
    let still = withdrawn.with_roles(false, true).with_roles(false, false);
    assert_eq!(still.clone().become_host(), Err(Refusal::NotYours), "whatever else is given and taken");
    assert!(still.with_roles(true, false).with_roles(true, true).become_host().is_ok());
    assert!(account().with_roles(false, true).become_host().is_ok(), "who never had it may");
}

#[test]
fn nothing_personal_is_left_of_somebody_who_was_erased() {
    let known = Account {
        about: "I collect engines".to_owned(),
        email_verified_at: Some(at(1)),
        previous_email: Some(PreviousEmail { email: "byron@example.test".to_owned(), replaced_at: at(1) }),
        is_host: true,
        ..account()
    };
    let erased = known.erase().unwrap();
    let text = format!("{erased:?}").to_lowercase();
    for personal in ["ada", "example.test", "engines"] {
        assert!(!text.contains(personal), "{text}");
    }
    assert!(erased.is_public() && !erased.is_host && erased.name == ERASED_NAME);
}

#[test]
fn an_edit_changes_what_it_names_and_refuses_what_is_out_of_range() {
    let edited = account().edit(None, Some(" Hello ")).unwrap();
    assert_eq!((edited.name.as_str(), edited.about.as_str(), edited.edition), ("Ada", "Hello", 2));
    assert_eq!(edited.edit(Some("Augusta"), None).unwrap().about, "Hello");
    let long = "é".repeat(1_001);
    for (name, about, field) in
        [(Some(" "), None, "name"), (Some(&long[..170]), None, "name"), (Some("a\nb"), None, "name"), (None, Some(long.as_str()), "about")]
    {
        assert!(matches!(account().edit(name, about), Err(Refusal::Invalid { field: at_fault, .. }) if at_fault == field), "{field}");
    }
}

#[test]
fn a_verified_address_is_remembered_until_it_was_told_that_it_is_replaced() {
    let to = |email: &str| email.to_owned();
    let verified = account().verify_email(at(5));
    assert!(matches!(verified.clone().change_email(to("ada@example.test"), at(6)), Err(Refusal::Invalid { field: "email", .. })));
    let moved = verified.change_email(to("b@example.test"), at(10)).unwrap();
    assert_eq!(moved.email_verified_at, None);
    let previous = Some(PreviousEmail { email: to("ada@example.test"), replaced_at: at(10) });
    assert_eq!(moved.previous_email, previous);
    // One that was never verified is nobody's to be told of; the one before it still is.
    let again = moved.clone().change_email(to("c@example.test"), at(11)).unwrap();
    assert_eq!(again.previous_email, previous);
    let stolen = moved.verify_email(at(12));
    let refused = stolen.clone().change_email(to("c@example.test"), at(10 + TELLING_MS - 1));
    assert_eq!(refused, Err(Refusal::InvalidState { state: "email_changed_recently" }));
    let later = stolen.change_email(to("c@example.test"), at(10 + TELLING_MS)).unwrap();
    assert_eq!(later.previous_email.unwrap().email, "b@example.test");
}

#[test]
fn addresses_are_compared_in_lower_case_and_nonsense_is_refused() {
    assert_eq!(normal_email(" Ada@Example.test ").unwrap(), "ada@example.test");
    for text in ["", "ada", "@example.test", "ada@", "a b@example.test", &format!("{}@x.test", "a".repeat(254))] {
        assert!(normal_email(text).is_err(), "{text}");
    }
}

proptest! {
    /// Whatever happens in whatever order: versions only grow, an erased account stays one and keeps no address, and nobody but an
    /// active account is ever an admin.
    #[test]
    fn no_history_breaks_an_account(steps in proptest::collection::vec(0..8_u8, 0..40)) {
        let mut now = account();
        for (number, step) in steps.into_iter().enumerate() {
            let ms = at(i64::try_from(number).unwrap() * 1_000_000);
            let next = match step {
                0 => now.clone().deactivate(),
                1 => now.clone().log_in(),
                2 => now.clone().suspend(),
                3 => now.clone().restore(),
                4 => now.clone().erase(),
                5 if now.state == AccountState::Active => Ok(now.clone().with_roles(true, number.is_multiple_of(2))),
                6 if now.state == AccountState::Active => Ok(now.clone().verify_email(ms)),
                7 if now.state == AccountState::Active => now.clone().change_email(format!("ada{number}@example.test"), ms),
                _ => Err(Refusal::NotYours),
            };
            let Ok(next) = next else { continue };
            prop_assert!(next.version == now.version + 1 && next.edition >= now.edition);
            prop_assert!(now.state != AccountState::Erased, "an end");
            prop_assert_eq!(next.email.is_none(), next.state == AccountState::Erased);
            prop_assert!(!next.is_admin || next.state == AccountState::Active);
            now = next;
        }
    }
}
