//! Accounts over REST: register, log in, refresh; and what guessing gets. Below: sessions, passwords, profiles, admins, leaving.

mod admins;
mod command_line;
mod hosts;
mod leaving;
mod passwords;
mod profiles;
mod sessions;

use futures_util::StreamExt as _;
use latchkey_protocol::rest::{Login, Page, Refresh, Register, Tokens};
use latchkey_protocol::view::{AuditEntry, Me, User};
use latchkey_protocol::{ErrorCode, UserId};

use crate::support::guest::PASSWORD;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub, Rest};

/// What has happened to somebody's account, by kind, the newest first; for an admin.
async fn audit_of(admin: &Guest, user: UserId) -> Vec<String> {
    let page: Page<AuditEntry> = admin.get(&format!("/admin/audit/?user={user}&limit=100")).send().await.expect_json(200);
    page.items.into_iter().map(|entry| entry.kind).collect()
}

async fn log_in(hub: &Hub, email: &str, password: &str) -> Answer {
    hub.rest.post("/auth/login/").json(&Login { email: email.to_owned(), password: password.to_owned() }).send().await
}

async fn register(hub: &Hub, email: &str, password: &str, name: &str) -> Answer {
    let ask = Register { email: email.to_owned(), password: password.to_owned(), name: name.to_owned() };
    hub.rest.post("/auth/register/").json(&ask).send().await
}

async fn refresh(hub: &Hub, token: &str) -> Answer {
    hub.rest.post("/auth/refresh/").json(&Refresh { refresh_token: token.to_owned() }).send().await
}

#[tokio::test]
async fn an_address_is_registered_once_whatever_its_case() {
    let hub = Hub::start().await;
    let made = register(&hub, "Ada@Example.test", PASSWORD, " Ada ").await;
    let place = made.header("location").unwrap_or_default().to_owned();
    let me: Me = made.expect_json(201);
    assert_eq!((me.email.as_str(), me.name.as_str()), ("ada@example.test", "Ada"));
    for email in ["ada@example.test", "ADA@EXAMPLE.TEST"] {
        register(&hub, email, PASSWORD, "Eve").await.expect_problem(409, ErrorCode::AlreadyRegistered);
    }
    let ada = Guest::log_in(hub.address, "aDa@example.test").await;
    assert_eq!(ada.get("/users/me/").send().await.expect_json::<Me>(200), me);
    assert_eq!(ada.get(&place).send().await.expect_json::<User>(200).private, Some(me));
    let twins = futures_util::future::join_all((0..4).map(|_| register(&hub, "bob@example.test", PASSWORD, "Bob"))).await;
    assert_eq!(twins.iter().filter(|answer| answer.status == 201).count(), 1, "{twins:?}");
}

#[tokio::test]
async fn a_registration_with_a_fault_names_its_field() {
    let hub = Hub::start().await;
    let long = "a".repeat(260);
    let rows = [
        ("nobody", PASSWORD, "Ada", "email"),
        ("a b@example.test", PASSWORD, "Ada", "email"),
        ("a@b@example.test", PASSWORD, "Ada", "email"),
        ("ada@example..test", PASSWORD, "Ada", "email"),
        (&format!("{long}@example.test"), PASSWORD, "Ada", "email"),
        ("ada@example.test", "short", "Ada", "password"),
        ("ada@example.test", &long, "Ada", "password"),
        ("ada@example.test", "PassW0rd", "Ada", "password"),
        ("lovelace@example.test", "my lovelace", "Ada", "password"),
        ("ada@example.test", "Ada Lovelace", "ada lovelace", "password"),
        ("ada@example.test", PASSWORD, " ", "name"),
        ("ada@example.test", PASSWORD, &long, "name"),
    ];
    for (email, password, name, field) in rows {
        let problem = register(&hub, email, password, name).await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], field.into(), "{email} {name}");
    }
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let hub = Hub::start().await;
    hub.guest("ada").await;
    let wrong = log_in(&hub, "ada@example.test", "wrong password").await;
    wrong.expect_problem(401, ErrorCode::BadCredentials);
    for email in ["nobody@example.test", "not an address", ""] {
        let unknown = log_in(&hub, email, "wrong password").await;
        assert_eq!((unknown.status, unknown.text()), (wrong.status, wrong.text()), "{email}");
    }
}

#[tokio::test]
async fn guessing_a_password_is_throttled_and_its_owner_still_gets_in() {
    let hub = Hub::start().await;
    hub.guest("ada").await;
    let mut throttled = None;
    for _ in 0..20 {
        let answer = log_in(&hub, "ada@example.test", "guess").await;
        if answer.status != 401 {
            throttled = Some(answer);
            break;
        }
    }
    let throttled = throttled.expect("twenty guesses at once are too many");
    throttled.expect_problem(429, ErrorCode::RateLimited);
    assert!(throttled.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    // The right guess is one too many as well; somebody else's account and its owner's own place are not affected.
    log_in(&hub, "ada@example.test", PASSWORD).await.expect_problem(429, ErrorCode::RateLimited);
    log_in(&hub, "bob@example.test", "guess").await.expect_problem(401, ErrorCode::BadCredentials);
    let ask = Login { email: "ada@example.test".to_owned(), password: PASSWORD.to_owned() };
    let elsewhere = Rest::from_place(hub.address, [127, 0, 0, 2].into());
    elsewhere.post("/auth/login/").json(&ask).send().await.expect_json::<Tokens>(200);
}

/// One password on many accounts is guessing too.
#[tokio::test]
async fn p10_who_fails_on_many_accounts_is_refused_for_a_while_and_others_are_not() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let guesses = futures_util::stream::iter(0..110).map(|number| {
        let hub = &hub;
        async move { log_in(hub, &format!("{number}@example.test"), "guess").await.status.as_u16() }
    });
    let answers: Vec<u16> = guesses.buffered(1).collect().await;
    assert!(answers[..100].iter().all(|status| *status == 401) && answers.last() == Some(&429), "{answers:?}");
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(429, ErrorCode::RateLimited);
    let ask = Login { email: ada.email.clone(), password: PASSWORD.to_owned() };
    let elsewhere = Rest::from_place(hub.address, [127, 0, 0, 2].into());
    elsewhere.post("/auth/login/").json(&ask).send().await.expect_json::<Tokens>(200);
}

#[tokio::test]
async fn p10_one_address_registers_so_many_an_hour_and_no_more() {
    let hub = Hub::with("--auth-per-minute 3").await;
    let place = |last| Rest::from_place(hub.address, [127, 0, 1, last].into());
    let ask = |number: u8| Register { email: format!("{number}@example.test"), password: PASSWORD.to_owned(), name: "Ada".to_owned() };
    let services = hub.services();
    let origin = latchkey::service::accounts::Origin { address: Some([127, 0, 1, 1].into()), user_agent: None };
    for number in 0..6 {
        services.accounts.register(ask(number), &origin).await.unwrap();
    }
    place(1).post("/auth/register/").json(&ask(6)).send().await.expect_problem(429, ErrorCode::RateLimited);
    place(2).post("/auth/register/").json(&ask(7)).send().await.expect_json::<Me>(201);
}

#[tokio::test]
async fn one_address_gets_so_many_attempts_a_minute_and_no_more() {
    let hub = Hub::with("--auth-per-minute 5").await;
    for _ in 0..5 {
        refresh(&hub, "nonsense").await.expect_problem(401, ErrorCode::Unauthenticated);
    }
    let answer = refresh(&hub, "nonsense").await;
    let problem = answer.expect_problem(429, ErrorCode::RateLimited);
    assert!(problem.error.details.contains_key("retry_after_ms"));
    assert!(answer.header("retry-after").is_some());
    log_in(&hub, "ada@example.test", PASSWORD).await.expect_problem(429, ErrorCode::RateLimited);
    assert_eq!(hub.rest.get("/healthz").send().await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_is_good_for_one_use_but_a_lost_answer_may_be_asked_for_again() {
    let mut hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let second: Tokens = refresh(&hub, &ada.tokens.refresh_token).await.expect_json(200);
    let third: Tokens = refresh(&hub, &ada.tokens.refresh_token).await.expect_json(200);
    assert_eq!((second.user, third.user), (ada.user, ada.user));
    for token in ["", "nonsense", "01890a5d-ac96-774b-bcce-b302099a8057.x", &ada.tokens.access_token] {
        refresh(&hub, token).await.expect_problem(401, ErrorCode::Unauthenticated);
    }
    hub.restart().await;
    let fourth: Tokens = refresh(&hub, &third.refresh_token).await.expect_json(200);
    hub.advance_s(11);
    refresh(&hub, &third.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    refresh(&hub, &fourth.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    log_in(&hub, &ada.email, PASSWORD).await.expect_json::<Tokens>(200);
}

#[tokio::test]
async fn a_session_lasts_thirty_days_from_its_last_refresh() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let mut token = ada.tokens.refresh_token.clone();
    for _ in 0..2 {
        hub.advance_s(29 * 86_400);
        token = refresh(&hub, &token).await.expect_json::<Tokens>(200).refresh_token;
    }
    hub.advance_s(30 * 86_400);
    refresh(&hub, &token).await.expect_problem(401, ErrorCode::Unauthenticated);
}
