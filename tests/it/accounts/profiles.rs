//! Profiles: public and private, changed by one at a time; moving to another address; becoming a host.

use latchkey::domain::account::AccountWrite;
use latchkey::domain::job::{JobKind, Mail};
use latchkey::domain::{Timestamp, Write};
use latchkey::store::{ChangeSet, Lane};
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::{ChangeEmail, Tokens, UpdateMe, VerifyEmail};
use latchkey_protocol::view::{Me, User};

use super::log_in;
use crate::support::guest::PASSWORD;
use crate::support::mail::{MailServer, Manner};
use crate::support::rest::Answer;
use crate::support::{Guest, Hub};

async fn update(guest: &Guest, tag: Option<&str>, name: Option<&str>, about: Option<&str>) -> Answer {
    let ask = UpdateMe { name: name.map(str::to_owned), about: about.map(str::to_owned) };
    let request = guest.rest.request(http::Method::PATCH, "/users/me/").bearer(&guest.tokens.access_token).json(&ask);
    match tag {
        Some(tag) => request.header(http::header::IF_MATCH, tag).send().await,
        None => request.send().await,
    }
}

async fn move_to(guest: &Guest, email: &str, password: &str) -> Answer {
    guest.post("/users/me/email/", &ChangeEmail { email: email.to_owned(), password: password.to_owned() }).send().await
}

#[tokio::test]
async fn a_profile_is_changed_on_the_version_that_was_read() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let read = ada.get("/users/me/").send().await;
    let tag = read.header("etag").unwrap().to_owned();
    update(&ada, None, Some("Ada L."), None).await.expect_problem(428, ErrorCode::PreconditionRequired);
    let changed = update(&ada, Some(&tag), Some(" Ada L. "), None).await;
    let me: Me = changed.expect_json(200);
    assert_eq!((me.name.as_str(), me.about.as_str()), ("Ada L.", ""));
    update(&ada, Some(&tag), Some("Somebody"), None).await.expect_problem(412, ErrorCode::PreconditionFailed);
    let next = changed.header("etag").unwrap().to_owned();
    assert_ne!(next, tag);
    // Logging in is no change of the profile.
    Guest::log_in(hub.address, &ada.email).await;
    let me: Me = update(&ada, Some(&next), None, Some("I write notes on engines.")).await.expect_json(200);
    assert_eq!((me.name.as_str(), me.about.as_str()), ("Ada L.", "I write notes on engines."));
    let long = "a".repeat(1_001);
    let problem = update(&ada, Some("*"), None, Some(&long)).await.expect_problem(422, ErrorCode::Invalid);
    assert_eq!(problem.error.details["field"], "about".into());
    let known = ada.get("/users/me/").header(http::header::IF_NONE_MATCH, &format!("\"v{}\"", me.version)).send().await;
    assert_eq!(known.status, 304);
}

#[tokio::test]
async fn of_two_changes_at_once_on_one_version_one_is_stale() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let tag = ada.get("/users/me/").send().await.header("etag").unwrap().to_owned();
    let names: Vec<String> = (0..8).map(|number| format!("Ada {number}")).collect();
    let answers = futures_util::future::join_all(names.iter().map(|name| update(&ada, Some(&tag), Some(name), None))).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    let winner: Me = answers.iter().find(|answer| answer.status == 200).unwrap().json();
    assert_eq!(ada.get("/users/me/").send().await.expect_json::<Me>(200), winner);
}

#[tokio::test]
async fn p8_others_see_of_somebody_what_is_public() {
    let hub = Hub::start().await;
    let (ada, bob, root) = (hub.guest("ada").await, hub.guest("bob").await, hub.guest("root").await);
    hub.make_admin(&root).await;
    update(&ada, Some("*"), None, Some("Hello")).await.expect_json::<Me>(200);
    let path = format!("/users/{}/", ada.user);
    for answer in [hub.rest.get(&path).send().await, bob.get(&path).send().await] {
        assert!(!answer.text().contains("example.test"), "{}", answer.text());
        let user: User = answer.expect_json(200);
        assert_eq!((user.name.as_str(), user.about.as_str(), user.is_host, user.private), ("ada", "Hello", false, None));
    }
    for who in [&ada, &root] {
        let user: User = who.get(&path).send().await.expect_json(200);
        assert_eq!(user.private.unwrap().email, ada.email);
    }
    hub.rest.get("/users/01890a5d-ac96-774b-bcce-b302099a8057/").send().await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn a_new_address_is_verified_again_and_the_old_one_is_told() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let old_token = hub.mailed_token(&ada.email, "Verify your e-mail address").await;
    let verify = async |token: String| hub.rest.post("/auth/verify-email/").json(&VerifyEmail { token }).send().await.status.as_u16();
    assert_eq!(verify(old_token).await, 204);
    move_to(&ada, "new@example.test", "wrong password").await.expect_problem(401, ErrorCode::BadCredentials);
    move_to(&ada, &bob.email, PASSWORD).await.expect_problem(409, ErrorCode::AlreadyRegistered);
    move_to(&ada, &ada.email, PASSWORD).await.expect_problem(422, ErrorCode::Invalid);
    let me: Me = move_to(&ada, "New@example.test", PASSWORD).await.expect_json(200);
    assert_eq!((me.email.as_str(), me.email_verified_at), ("new@example.test", None));
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(401, ErrorCode::BadCredentials);
    log_in(&hub, "new@example.test", PASSWORD).await.expect_json::<Tokens>(200);
    let told = hub.letter(&ada.email, "Your e-mail address was changed").await;
    assert!(!told.contains("new@example.test"), "whoever reads the old one need not know the new one: {told}");
    assert_eq!(verify(hub.mailed_token("new@example.test", "Verify your e-mail address").await).await, 204);
    // It was told, and is kept no longer; so one may move on.
    let forgotten = || async { hub.store().account(ada.user).await.unwrap().unwrap().previous_email.is_none().then_some(()) };
    crate::support::eventually("the old address to be forgotten", forgotten).await;
    move_to(&ada, "newer@example.test", PASSWORD).await.expect_json::<Me>(200);
    // The old address is free for others.
    super::register(&hub, &ada.email, PASSWORD, "Another Ada").await.expect_json::<Me>(201);
}

/// The letter is composed when it is sent, which may be hours later.
#[tokio::test]
async fn a_thief_who_moves_on_does_not_keep_the_first_address_from_being_told() {
    let server = MailServer::start(Manner::RefusesSender("451 not now")).await;
    let hub = Hub::with(&format!("--smtp-url {}", server.url)).await;
    let (ada, store) = (hub.guest("ada").await, hub.store());
    let verify = async || {
        let account = store.account(ada.user).await.unwrap().unwrap();
        let verified = account.verify_email(Timestamp::from_epoch_ms(hub.now()));
        let writes = vec![Write::Account(AccountWrite::Set(verified))];
        store.commit(ChangeSet { writes, ..ChangeSet::default() }, Lane::Normal).await.unwrap();
    };
    verify().await;
    move_to(&ada, "thief@example.test", PASSWORD).await.expect_json::<Me>(200);
    let tried = || async {
        let jobs = store.jobs(None, None, 100).await.unwrap();
        let telling = JobKind::Mail(Mail::EmailChanged { user: ada.user });
        jobs.iter().any(|job| job.kind == telling && job.last_error.is_some()).then_some(())
    };
    crate::support::eventually("the letter to be tried", tried).await;
    // Two hours later it is still owed, and the thief's own address is verified.
    verify().await;
    hub.advance_s(2 * 3_600);
    let thief = Guest::log_in(hub.address, "thief@example.test").await;
    let problem = move_to(&thief, "lair@example.test", PASSWORD).await.expect_problem(409, ErrorCode::InvalidState);
    assert_eq!(problem.error.details["state"], "email_changed_recently".into());
    server.behaves(Manner::Takes);
    hub.advance_s(5 * 3_600);
    let told = || async { server.taken().iter().any(|text| text.contains(&ada.email) && text.contains("was changed")).then_some(()) };
    crate::support::eventually("the first address to be told", told).await;
}

#[tokio::test]
async fn a_link_to_an_address_says_nothing_of_the_next_one() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let to_the_first = hub.mailed_token(&ada.email, "Verify your e-mail address").await;
    move_to(&ada, "new@example.test", PASSWORD).await.expect_json::<Me>(200);
    let verify = hub.rest.post("/auth/verify-email/").json(&VerifyEmail { token: to_the_first });
    verify.send().await.expect_problem(422, ErrorCode::Invalid);
}

#[tokio::test]
async fn anybody_can_become_a_host_as_often_as_they_say_it() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    assert!(!ada.get("/users/me/").send().await.expect_json::<Me>(200).is_host);
    ada.become_host().await;
    let first: Me = ada.get("/users/me/").send().await.expect_json(200);
    ada.become_host().await;
    assert_eq!(ada.get("/users/me/").send().await.expect_json::<Me>(200), first);
    let user: User = hub.rest.get(&format!("/users/{}/", ada.user)).send().await.expect_json(200);
    assert!(user.is_host);
}
