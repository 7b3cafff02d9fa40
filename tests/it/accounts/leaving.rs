//! Leaving: for a while, with everything one has, for good.

use latchkey::domain::Timestamp;
use latchkey::domain::account::{AuditEntry, AuditKind};
use latchkey_protocol::rest::{SetRoles, Tokens, WithPassword};
use latchkey_protocol::view::{BookingState, Export, Me, User};
use latchkey_protocol::{ErrorCode, UserId};

use super::{audit_of, log_in, refresh, register};
use crate::support::guest::PASSWORD;
use crate::support::hub::list_home;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, nights};

async fn leave(guest: &Guest, how: &str, password: &str) -> Answer {
    guest.post(&format!("/users/me/{how}/"), &WithPassword { password: password.to_owned() }).send().await
}

#[tokio::test]
async fn who_deactivates_their_account_is_not_there_until_they_log_in() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    leave(&ada, "deactivate", "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    assert_eq!(leave(&ada, "deactivate", PASSWORD).await.status, 204);
    ada.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    refresh(&hub, &ada.tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    let path = format!("/users/{}/", ada.user);
    hub.rest.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    register(&hub, &ada.email, PASSWORD, "Eve").await.expect_problem(409, ErrorCode::AlreadyRegistered);
    log_in(&hub, &ada.email, "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    hub.rest.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    log_in(&hub, &ada.email, PASSWORD).await.expect_json::<Tokens>(200);
    hub.rest.get(&path).send().await.expect_json::<User>(200);
}

#[tokio::test]
async fn an_export_holds_everything_of_ones_own_and_nothing_of_others() {
    let hub = Hub::start().await;
    let (helga, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&helga).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let other = bob.hold_and_book(&home, nights(10, 2)).await;
    let export = async |who: &Guest| who.get("/users/me/export/").send().await;
    let of_ada = export(&ada).await;
    for others in [bob.user.to_string(), other.id.to_string(), helga.email.clone(), "argon2".to_owned()] {
        assert!(!of_ada.text().contains(&others), "{others}");
    }
    let of_ada: Export = of_ada.expect_json(200);
    assert_eq!((of_ada.profile.email.as_str(), of_ada.sessions.len(), of_ada.homes.len()), (ada.email.as_str(), 1, 0));
    assert_eq!(of_ada.bookings.iter().map(|booking| booking.id).collect::<Vec<_>>(), [booking.id]);
    assert_eq!(of_ada.payments.iter().map(|payment| payment.id).collect::<Vec<_>>(), [booking.payment]);
    let kinds: Vec<_> = of_ada.audit.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["exported", "logged_in", "registered"]);
    let of_helga: Export = export(&helga).await.expect_json(200);
    assert_eq!((of_helga.homes, of_helga.bookings.len(), of_helga.payments.len()), (vec![home], 2, 2));
    let mut answers = vec![];
    for _ in 0..6 {
        answers.push(export(&ada).await.status.as_u16());
    }
    assert_eq!(answers.last(), Some(&429), "each reads everything there is: {answers:?}");
}

#[tokio::test]
async fn p8_an_export_says_what_an_admin_did_and_not_which_one_nor_from_where() {
    let hub = Hub::start().await;
    let (ada, root) = (hub.guest("ada").await, hub.admin("root").await);
    let request = root.rest.request(http::Method::PUT, &format!("/admin/users/{}/roles/", ada.user));
    let roles = SetRoles { is_host: true, is_admin: false };
    assert_eq!(request.bearer(&root.tokens.access_token).json(&roles).send().await.status, 200);
    let export = ada.get("/users/me/export/").send().await;
    assert!(!export.text().contains(&root.user.to_string()), "{}", export.text());
    let audit = export.expect_json::<Export>(200).audit;
    let kinds: Vec<_> = audit.iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, ["exported", "roles_changed", "logged_in", "registered"]);
    for entry in audit {
        let is_own = entry.kind != "roles_changed";
        assert_eq!((entry.session.is_some(), entry.address.is_some()), (is_own && entry.kind != "registered", is_own), "{}", entry.kind);
    }
}

#[tokio::test]
async fn nothing_personal_is_left_of_who_was_erased_but_bookings_and_money_are() {
    let hub = Hub::start().await;
    let (helga, ada, root) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("root").await);
    hub.make_admin(&root).await;
    let home = list_home(&helga).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let state = |answer: &Answer| answer.expect_problem(409, ErrorCode::InvalidState).error.details["state"].clone();
    assert_eq!(state(&leave(&ada, "erase", PASSWORD).await), "unpaid_booking".into());
    assert_eq!(state(&leave(&helga, "erase", PASSWORD).await), "unpaid_booking".into());
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    crate::support::eventually("a confirmed booking", || async {
        (ada.booking(booking.id).await.state == BookingState::Confirmed).then_some(())
    })
    .await;
    assert_eq!(state(&leave(&ada, "erase", PASSWORD).await), "future_booking".into());
    ada.cancel(&booking).await.unwrap();
    leave(&ada, "erase", "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    assert_eq!(leave(&ada, "erase", PASSWORD).await.status, 204);

    ada.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    refresh(&hub, &ada.tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(401, ErrorCode::BadCredentials);
    let user: User = hub.rest.get(&format!("/users/{}/", ada.user)).send().await.expect_json(200);
    assert_eq!((user.name.as_str(), user.about.as_str()), ("Deleted user", ""));
    let seen_by_admin = root.get(&format!("/users/{}/", ada.user)).send().await;
    assert!(!seen_by_admin.text().contains("example.test"), "{}", seen_by_admin.text());
    assert_eq!(helga.booking(booking.id).await.guest, ada.user, "the booking stays, of somebody without a name");
    assert_eq!(audit_of(&root, ada.user).await[0], "erased");
    // The address is free, and is somebody else's from here on.
    let again: Me = register(&hub, &ada.email, PASSWORD, "Ada").await.expect_json(201);
    assert_ne!(again.id, ada.user);
}

#[tokio::test]
async fn the_audit_log_keeps_no_address_of_who_was_erased_and_those_of_everybody_else() {
    let hub = Hub::start().await;
    let (ada, bob, root) = (hub.guest("ada").await, hub.guest("bob").await, hub.guest("root").await);
    hub.make_admin(&root).await;
    hub.make_admin(&ada).await;
    log_in(&hub, &ada.email, "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    let of = |user: UserId| {
        let (store, now) = (hub.store(), Timestamp::from_epoch_ms(hub.now()));
        async move { store.audit(Some(user), None, 100, now).await.unwrap() }
    };
    crate::support::eventually("the failed log-in", || async {
        of(ada.user).await.iter().any(|entry| entry.kind == AuditKind::LogInFailed).then_some(())
    })
    .await;
    for what in ["suspend", "restore"] {
        assert_eq!(ada.post(&format!("/admin/users/{}/{what}/", bob.user), &()).send().await.status, 200);
    }
    let request = root.rest.request(http::Method::PUT, &format!("/admin/users/{}/roles/", ada.user));
    let roles = SetRoles { is_host: false, is_admin: false };
    assert_eq!(request.bearer(&root.tokens.access_token).json(&roles).send().await.status, 200);
    let before = of(ada.user).await.len();
    assert_eq!(leave(&ada, "erase", PASSWORD).await.status, 204);
    hub.advance_s(61);
    let theirs = |entry: &AuditEntry| entry.actor == Some(ada.user) || (entry.actor.is_none() && entry.user == ada.user);
    let gone = || async {
        let entries = [of(ada.user).await, of(bob.user).await].concat();
        entries.iter().filter(|entry| theirs(entry)).all(|entry| entry.address.is_none()).then_some(entries)
    };
    let entries = crate::support::eventually("the addresses to go", gone).await;
    assert_eq!(entries.iter().filter(|entry| entry.user == ada.user).count(), before + 1, "the entries stay, and one says erased");
    assert_eq!(entries.iter().filter(|entry| theirs(entry) && entry.user == bob.user).count(), 2);
    let kept: Vec<_> = entries.iter().filter(|entry| !theirs(entry)).map(|entry| (entry.kind, entry.address.as_deref())).collect();
    let expected = [
        (AuditKind::RolesChanged, Some("127.0.0.1")),
        (AuditKind::LoggedIn, Some("127.0.0.1")),
        (AuditKind::Registered, Some("127.0.0.1")),
    ];
    assert!(expected.iter().all(|expected| kept.contains(expected)) && kept.iter().all(|(_, address)| address.is_some()), "{kept:?}");
    // Done once: no job stays behind.
    let jobs = hub.store().jobs(None, None, 100).await.unwrap();
    assert!(jobs.iter().all(|job| !job.id.key.starts_with("addresses")), "{jobs:?}");
}

#[tokio::test]
async fn a_booking_that_is_over_keeps_nobody_from_being_erased() {
    let hub = Hub::start().await;
    let (helga, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&helga).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    crate::support::eventually("a confirmed booking", || async {
        (ada.booking(booking.id).await.state == BookingState::Confirmed).then_some(())
    })
    .await;
    hub.advance_s(40 * 86_400);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    assert_eq!(leave(&ada, "erase", PASSWORD).await.status, 204);
}
