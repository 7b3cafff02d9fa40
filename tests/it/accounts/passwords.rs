//! Passwords: changed by who knows them, set anew by who gets the mail, and guessed by nobody.

use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::{ChangePassword, ForgotPassword, ResetPassword, Tokens, VerifyEmail};
use latchkey_protocol::view::{Me, Sessions};

use super::{audit_of, log_in, register};
use crate::support::guest::PASSWORD;
use crate::support::rest::Answer;
use crate::support::{Guest, Hub};

const NEW: &str = "staple battery horse";
const RESET: &str = "Set a new password";
const VERIFY: &str = "Verify your e-mail address";

async fn forgot(hub: &Hub, email: &str) -> Answer {
    hub.rest.post("/auth/password/forgot/").json(&ForgotPassword { email: email.to_owned() }).send().await
}

async fn reset(hub: &Hub, token: &str, password: &str) -> Answer {
    let ask = ResetPassword { token: token.to_owned(), password: password.to_owned() };
    hub.rest.post("/auth/password/reset/").json(&ask).send().await
}

async fn change(guest: &Guest, current: &str, new: &str) -> Answer {
    guest.post("/users/me/password/", &ChangePassword { current: current.to_owned(), new: new.to_owned() }).send().await
}

#[tokio::test]
async fn a_changed_password_ends_the_other_sessions_and_its_owner_is_told() {
    let hub = Hub::start().await;
    let here = hub.guest("ada").await;
    let there = Guest::log_in(hub.address, &here.email).await;
    change(&here, "wrong password", NEW).await.expect_problem(401, ErrorCode::BadCredentials);
    let problem = change(&here, PASSWORD, "password").await.expect_problem(422, ErrorCode::Invalid);
    assert_eq!(problem.error.details["field"], "new".into());
    assert_eq!(change(&here, PASSWORD, NEW).await.status, 204);
    assert_eq!(here.get("/users/me/").send().await.status, 200, "the session that changed it goes on");
    there.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    log_in(&hub, &here.email, PASSWORD).await.expect_problem(401, ErrorCode::BadCredentials);
    log_in(&hub, &here.email, NEW).await.expect_json::<Tokens>(200);
    hub.letter(&here.email, "Your password was changed").await;
}

#[tokio::test]
async fn a_forgotten_password_is_set_anew_once_and_every_session_ends() {
    let hub = Hub::start().await;
    let (ada, root) = (hub.guest("ada").await, hub.guest("root").await);
    hub.make_admin(&root).await;
    assert_eq!(forgot(&hub, "ADA@example.test").await.status, 202);
    let token = hub.mailed_token(&ada.email, RESET).await;
    reset(&hub, &token, "password").await.expect_problem(422, ErrorCode::Invalid);
    assert_eq!(reset(&hub, &token, NEW).await.status, 204);
    ada.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    reset(&hub, &token, "another battery").await.expect_problem(422, ErrorCode::Invalid);
    log_in(&hub, &ada.email, PASSWORD).await.expect_problem(401, ErrorCode::BadCredentials);
    log_in(&hub, &ada.email, NEW).await.expect_json::<Tokens>(200);
    hub.letter(&ada.email, "Your password was changed").await;
    let audit = audit_of(&root, ada.user).await;
    for kind in ["registered", "logged_in", "password_reset_asked", "password_reset_done"] {
        assert!(audit.iter().any(|known| known == kind), "{kind}: {audit:?}");
    }
}

#[tokio::test]
async fn a_reset_is_void_after_an_hour_and_once_the_password_is_another() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    assert_eq!(
        (forgot(&hub, &ada.email).await.status, forgot(&hub, &bob.email).await.status),
        (http::StatusCode::ACCEPTED, http::StatusCode::ACCEPTED)
    );
    let (of_ada, of_bob) = (hub.mailed_token(&ada.email, RESET).await, hub.mailed_token(&bob.email, RESET).await);
    assert_eq!(change(&ada, PASSWORD, NEW).await.status, 204);
    reset(&hub, &of_ada, "another battery").await.expect_problem(422, ErrorCode::Invalid);
    // Good for what it was made for, and for nothing else.
    let verify = hub.rest.post("/auth/verify-email/").json(&VerifyEmail { token: of_bob.clone() });
    verify.send().await.expect_problem(422, ErrorCode::Invalid);
    hub.advance_s(3_601);
    reset(&hub, &of_bob, NEW).await.expect_problem(422, ErrorCode::Invalid);
}

#[tokio::test]
async fn nobody_learns_from_a_forgotten_password_who_has_an_account() {
    let hub = Hub::start().await;
    hub.guest("ada").await;
    let known = forgot(&hub, "ada@example.test").await;
    for email in ["nobody@example.test", "not an address"] {
        let unknown = forgot(&hub, email).await;
        assert_eq!((unknown.status, unknown.text()), (known.status, known.text()), "{email}");
    }
    // Nor from being throttled.
    let count = async |email: &str| {
        let mut taken = 0;
        while forgot(&hub, email).await.status == 202 {
            taken += 1;
            assert!(taken < 20, "nobody's mailbox is filled");
        }
        taken
    };
    assert_eq!(count("ada@example.test").await, count("nobody@example.test").await);
    assert!(hub.data().join("database").is_dir());
}

#[tokio::test]
async fn an_address_is_verified_by_the_mail_that_every_registration_causes() {
    let mut hub = Hub::start().await;
    register(&hub, "ada@example.test", PASSWORD, "Ada").await.expect_json::<Me>(201);
    let token = hub.mailed_token("ada@example.test", VERIFY).await;
    let verify = async |hub: &Hub| hub.rest.post("/auth/verify-email/").json(&VerifyEmail { token: token.clone() }).send().await;
    let letter = hub.letter("ada@example.test", VERIFY).await;
    assert!(letter.contains(&format!("curl -X POST http://{}/auth/verify-email/", hub.address)), "{letter}");
    hub.restart().await;
    assert_eq!(verify(&hub).await.status, 204);
    verify(&hub).await.expect_problem(422, ErrorCode::Invalid);
    let ada = Guest::log_in(hub.address, "ada@example.test").await;
    assert!(ada.get("/users/me/").send().await.expect_json::<Me>(200).email_verified_at.is_some());
    // There is nothing to send any more.
    assert_eq!(ada.post("/auth/verify-email/resend/", &()).send().await.status, 202);
}

#[tokio::test]
async fn a_verification_can_be_asked_for_again_and_the_first_token_ends_after_a_day() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let first = hub.mailed_token(&ada.email, VERIFY).await;
    hub.advance_s(86_401);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    assert_eq!(ada.post("/auth/verify-email/resend/", &()).send().await.status, 202);
    let verify = async |token: &str| {
        hub.rest.post("/auth/verify-email/").json(&VerifyEmail { token: token.to_owned() }).send().await.status.as_u16()
    };
    assert_eq!(verify(&first).await, 422);
    let second = crate::support::eventually("another mail", || async {
        let token = hub.mailed_token(&ada.email, VERIFY).await;
        (token != first).then_some(token)
    });
    assert_eq!(verify(&second.await).await, 204);
}

#[tokio::test]
async fn a_stolen_token_does_not_help_to_guess_the_password() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let mut refused = vec![];
    for _ in 0..12 {
        refused.push(change(&ada, "a guess that is wrong", NEW).await.status.as_u16());
    }
    assert!(refused.starts_with(&[401]) && refused.ends_with(&[429]), "{refused:?}");
    let sessions: Sessions = ada.get("/users/me/sessions/").send().await.expect_json(200);
    assert_eq!(sessions.items.len(), 1);
}
