//! Admins: locking out and letting in, roles, the lists only they see.

use std::collections::BTreeSet;

use latchkey::domain::job::{JobId, Work};
use latchkey::service::{Caller, IdempotencyKey, ServiceError};
use latchkey_protocol::rest::{Page, SetRoles, Tokens};
use latchkey_protocol::view::{AccountState, AuditEntry, Me};
use latchkey_protocol::{CloseCode, ErrorCode, UserId};

use super::{audit_of, log_in, refresh};
use crate::support::guest::PASSWORD;
use crate::support::hub::cottage;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub};

async fn act(admin: &Guest, user: UserId, what: &str) -> Answer {
    admin.post(&format!("/admin/users/{user}/{what}/"), &()).send().await
}

async fn set_roles(admin: &Guest, user: UserId, is_host: bool, is_admin: bool) -> Answer {
    let request = admin.rest.request(http::Method::PUT, &format!("/admin/users/{user}/roles/"));
    request.bearer(&admin.tokens.access_token).json(&SetRoles { is_host, is_admin }).send().await
}

async fn admin(hub: &Hub, name: &str) -> Guest {
    let admin = hub.guest(name).await;
    hub.make_admin(&admin).await;
    admin
}

#[tokio::test]
async fn p8_the_services_themselves_refuse_whoever_lacks_the_role_whichever_edge_they_come_by() {
    let hub = Hub::start().await;
    let (guest, admin) = (hub.guest("ada").await, admin(&hub, "root").await);
    let services = hub.services();
    let caller = services.accounts.authenticate(&guest.tokens.access_token).unwrap();
    let create = |caller: Caller| {
        let services = hub.services();
        async move { services.listings.create(&caller, IdempotencyKey::new("one").unwrap(), cottage()).await }
    };
    assert_eq!(create(caller).await.unwrap_err(), ServiceError::Forbidden);
    guest.become_host().await;
    create(caller).await.expect("the refusal has used up no key");

    let sweep = JobId { work: Work::Sweep, key: "holds".to_owned() };
    assert_eq!(services.jobs.list(&caller, None, None, 1).await.unwrap_err(), ServiceError::Forbidden);
    assert_eq!(services.jobs.retry(&caller, &sweep).await.unwrap_err(), ServiceError::Forbidden);
    assert_eq!(services.jobs.discard(&caller, &sweep).await.unwrap_err(), ServiceError::Forbidden);
    let root = services.accounts.authenticate(&admin.tokens.access_token).unwrap();
    assert_eq!(services.jobs.list(&root, None, None, 1).await.unwrap().len(), 1);
    set_roles(&admin, guest.user, false, false).await.expect_json::<Me>(200);
    assert_eq!(create(caller).await.unwrap_err(), ServiceError::Forbidden, "taken away, gone at once");
}

#[tokio::test]
async fn p8_a_suspended_user_is_out_at_once_and_stays_out_until_they_are_restored() {
    let mut hub = Hub::start().await;
    let (mut root, ada) = (admin(&hub, "root").await, hub.guest("ada").await);
    let there = Guest::log_in(hub.address, &ada.email).await;
    let suspended: Me = act(&root, ada.user, "suspend").await.expect_json(200);
    assert_eq!(suspended.state, AccountState::Suspended);
    for session in [&ada, &there] {
        session.live.expect_end(CloseCode::Revoked).await;
        session.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
        refresh(&hub, &session.tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    }
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(403, ErrorCode::Forbidden);
    log_in(&hub, &ada.email, "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    hub.rest.get(&format!("/users/{}/", ada.user)).send().await.expect_problem(404, ErrorCode::NotFound);
    act(&root, ada.user, "suspend").await.expect_problem(409, ErrorCode::InvalidState);
    hub.restart().await;
    root.reconnect(hub.address).await;
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(403, ErrorCode::Forbidden);
    act(&root, ada.user, "restore").await.expect_json::<Me>(200);
    log_in(&hub, &ada.email, PASSWORD).await.expect_json::<Tokens>(200);
    act(&root, ada.user, "restore").await.expect_problem(409, ErrorCode::InvalidState);
    let audit = audit_of(&root, ada.user).await;
    let shown: Vec<&str> = audit.iter().map(String::as_str).filter(|kind| *kind != "log_in_failed").collect();
    assert_eq!(shown, ["logged_in", "restored", "suspended", "logged_in", "logged_in", "registered"]);
}

/// Nobody slips in while they are being locked out: whatever the order, no session of theirs is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_whoever_logs_in_while_they_are_suspended_is_out_as_well() {
    let hub = Hub::start().await;
    let (root, ada) = (admin(&hub, "root").await, hub.guest("ada").await);
    let log_ins = futures_util::future::join_all((0..6).map(|_| log_in(&hub, &ada.email, PASSWORD)));
    let (answers, suspended) = tokio::join!(log_ins, async {
        // After some of them, before others.
        let probe = || async { (audit_of(&root, ada.user).await.len() > 3).then_some(()) };
        crate::support::eventually("another log-in", probe).await;
        act(&root, ada.user, "suspend").await
    });
    suspended.expect_json::<Me>(200);
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        let tokens: Tokens = answer.json();
        hub.rest.get("/users/me/").bearer(&tokens.access_token).send().await.expect_problem(401, ErrorCode::Unauthenticated);
        refresh(&hub, &tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn the_last_admin_keeps_the_role_even_if_two_give_it_up_at_once() {
    let hub = Hub::start().await;
    let (one, other) = (admin(&hub, "one").await, admin(&hub, "other").await);
    let (first, second) = tokio::join!(set_roles(&one, one.user, false, false), set_roles(&other, other.user, false, false));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", first.text(), second.text());
    let (last, gone) = if first.status == 200 { (&other, &one) } else { (&one, &other) };
    gone.get("/users/").send().await.expect_problem(403, ErrorCode::Forbidden);
    let problem = set_roles(last, last.user, true, false).await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "last_admin".into());
    act(last, last.user, "suspend").await.expect_problem(409, ErrorCode::InvalidState);
    let erase = last.post("/users/me/erase/", &serde_json::json!({"password": PASSWORD})).send().await;
    erase.expect_problem(409, ErrorCode::InvalidState);
    assert!(set_roles(last, gone.user, true, true).await.expect_json::<Me>(200).is_admin);
    set_roles(last, last.user, false, false).await.expect_json::<Me>(200);
}

#[tokio::test]
async fn a_role_that_was_taken_away_is_gone_with_the_next_request() {
    let hub = Hub::start().await;
    let (root, ada) = (admin(&hub, "root").await, hub.guest("ada").await);
    ada.get("/admin/audit/").send().await.expect_problem(403, ErrorCode::Forbidden);
    set_roles(&root, ada.user, false, true).await.expect_json::<Me>(200);
    ada.get("/admin/audit/").send().await.expect_json::<Page<AuditEntry>>(200);
    set_roles(&root, ada.user, false, false).await.expect_json::<Me>(200);
    ada.get("/admin/audit/").send().await.expect_problem(403, ErrorCode::Forbidden);
    set_roles(&root, UserId::from_bytes([7; 16]), true, false).await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn admins_page_through_users_and_through_what_happened() {
    let hub = Hub::start().await;
    let root = admin(&hub, "root").await;
    let mut expected = BTreeSet::from([root.user]);
    for name in ["ada", "bob", "cleo", "dan"] {
        expected.insert(hub.guest(name).await.user);
    }
    let (mut seen, mut path) = (Vec::new(), "/users/?limit=2".to_owned());
    loop {
        let page: Page<Me> = root.get(&path).send().await.expect_json(200);
        seen.extend(page.items.into_iter().map(|user| user.id));
        let Some(next) = page.next else { break };
        path = format!("/users/?limit=2&cursor={next}");
    }
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    assert_eq!(BTreeSet::from_iter(seen), expected);
    let all: Page<AuditEntry> = root.get("/admin/audit/?limit=3").send().await.expect_json(200);
    let rest: Page<AuditEntry> = root.get(&format!("/admin/audit/?cursor={}", all.next.unwrap())).send().await.expect_json(200);
    let ids: Vec<_> = all.items.iter().chain(&rest.items).map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 11, "two for each, and root's role");
    assert!(ids.is_sorted_by(|newer, older| newer > older));
    assert!(all.items.iter().all(|entry| entry.address.as_deref() == Some("127.0.0.1")));
    root.get("/admin/audit/?user=nobody").send().await.expect_problem(422, ErrorCode::Invalid);
}
