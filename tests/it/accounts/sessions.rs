//! Sessions: seen, ended one by one and all at once, and their sockets with them (P8).

use latchkey_protocol::view::{Me, Sessions};
use latchkey_protocol::{CloseCode, ErrorCode, SessionId};
use serde_json::json;

use super::{log_in, refresh};
use crate::support::guest::PASSWORD;
use crate::support::{Guest, Hub};

async fn sessions(guest: &Guest) -> Sessions {
    guest.get("/users/me/sessions/").send().await.expect_json(200)
}

async fn current(guest: &Guest) -> SessionId {
    sessions(guest).await.items.into_iter().find(|session| session.is_current).unwrap().id
}

async fn me(guest: &Guest) -> Me {
    guest.get("/users/me/").send().await.expect_json(200)
}

async fn is_logged_out(hub: &Hub, guest: &Guest) {
    guest.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    refresh(hub, &guest.tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    guest.live.expect_end(CloseCode::Revoked).await;
}

#[tokio::test]
async fn one_sees_ones_sessions_and_what_each_client_called_itself() {
    let hub = Hub::start().await;
    let first = hub.guest("ada").await;
    hub.advance_s(60);
    let ask = latchkey_protocol::rest::Login { email: first.email.clone(), password: PASSWORD.to_owned() };
    let named = hub.rest.post("/auth/login/").header(http::header::USER_AGENT, &"curl/8 ".repeat(60)).json(&ask).send().await;
    assert_eq!(named.status, 200);
    let items = sessions(&first).await.items;
    assert_eq!(items.len(), 2);
    assert!(items[0].created_at > items[1].created_at && !items[0].is_current && items[1].is_current);
    assert_eq!(items[0].user_agent.as_ref().unwrap().len(), 200);
    assert!(items[0].refreshed_at >= items[0].created_at && items[0].expires_at > hub.now());
}

#[tokio::test]
async fn p8_logging_out_ends_one_session_and_its_sockets_and_no_other() {
    let mut hub = Hub::start().await;
    let here = hub.guest("ada").await;
    let there = Guest::log_in(hub.address, &here.email).await;
    assert_eq!(here.post("/auth/logout/", &()).send().await.status, 204);
    is_logged_out(&hub, &here).await;
    assert_eq!(sessions(&there).await.items.len(), 1);
    hub.restart().await;
    let rest = crate::support::Rest::at(hub.address);
    let still = async |token: &str| rest.get("/users/me/").bearer(token).send().await.status;
    assert_eq!((still(&here.tokens.access_token).await.as_u16(), still(&there.tokens.access_token).await.as_u16()), (401, 200));
}

#[tokio::test]
async fn p8_logging_out_everywhere_ends_them_all() {
    let hub = Hub::start().await;
    let here = hub.guest("ada").await;
    let (there, bob) = (Guest::log_in(hub.address, &here.email).await, hub.guest("bob").await);
    assert_eq!(here.post("/auth/logout/everywhere/", &()).send().await.status, 204);
    is_logged_out(&hub, &here).await;
    is_logged_out(&hub, &there).await;
    assert_eq!(sessions(&bob).await.items.len(), 1);
    log_in(&hub, &here.email, PASSWORD).await.expect_json::<latchkey_protocol::rest::Tokens>(200);
}

#[tokio::test]
async fn p8_one_can_end_ones_own_sessions_only_and_each_once() {
    let hub = Hub::start().await;
    let here = hub.guest("ada").await;
    let (there, bob) = (Guest::log_in(hub.address, &here.email).await, hub.guest("bob").await);
    let path = format!("/users/me/sessions/{}/", current(&there).await);
    let end = async |who: &Guest| who.rest.request(http::Method::DELETE, &path).bearer(&who.tokens.access_token).send().await;
    end(&bob).await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(end(&here).await.status, 204);
    is_logged_out(&hub, &there).await;
    end(&here).await.expect_problem(404, ErrorCode::NotFound);
    assert_eq!(sessions(&here).await.items.len(), 1);
}

#[tokio::test]
async fn p3_what_changes_an_account_or_ends_a_session_is_told_in_the_inbox_and_nothing_else_is() {
    let hub = Hub::start().await;
    let (here, root) = (hub.guest("ada").await, hub.admin("root").await);
    let there = Guest::log_in(hub.address, &here.email).await;
    here.follow_inbox().await;
    let there_session = current(&there).await;
    let mut told = Vec::new();
    let mut account = |me: &Me| told.push(("account.updated".to_owned(), json!({ "user": me.id, "version": me.version })));

    here.become_host().await;
    account(&me(&here).await);
    // Nothing changed: nothing is told.
    here.become_host().await;
    let edit = here.rest.request(http::Method::PATCH, "/users/me/").bearer(&here.tokens.access_token);
    let edited = edit.header(http::header::IF_MATCH, "*").json(&json!({ "about": "I like hills" })).send().await;
    account(&edited.expect_json(200));
    let roles = root.rest.request(http::Method::PUT, &format!("/admin/users/{}/roles/", here.user)).bearer(&root.tokens.access_token);
    account(&roles.json(&json!({ "is_host": false, "is_admin": false })).send().await.expect_json(200));
    assert_eq!(there.post("/auth/logout/", &()).send().await.status, 204);
    told.push(("session.ended".to_owned(), json!({ "session": there_session })));
    let changed = json!({ "current": PASSWORD, "new": "another horse battery" });
    Guest::log_in(hub.address, &here.email).await;
    assert_eq!(here.post("/users/me/password/", &changed).send().await.status, 204);

    let ended = here.live.event(here.inbox(), 5).await;
    let heard: Vec<_> = here.live.events(here.inbox()).into_iter().map(|event| (event.kind, event.data)).collect();
    assert_eq!(ended.kind, "session.ended", "the one that was opened with the old password");
    assert_eq!(heard[..4], told);
    assert_eq!(heard.len(), 5, "{heard:?}");
    // What is stored is what was told: ids and numbers.
    let stored = hub.store().events(here.inbox(), 1, 9).await.unwrap();
    assert!(stored.len() == 5 && stored.iter().all(|event| !event.data.contains("hills") && !event.data.contains("example.test")));
}
