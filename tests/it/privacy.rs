//! P8: nobody sees what is not theirs, from the first frame to the last.

use latchkey_protocol::rest::{Refresh, Tokens};
use latchkey_protocol::{BookingId, CloseCode, ErrorCode, Topic};

use crate::support::hub::list_home;
use crate::support::{Client, Hub, Watcher, nights, refused};

#[tokio::test]
async fn p8_private_topics_are_closed_to_strangers_and_look_like_nothing() {
    let hub = Hub::start().await;
    let (host, ada, eve) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("eve").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let anonymous = hub.anonymous().await;
    let nothing = Topic::Booking(BookingId::from_bytes([9; 16]));
    for topic in [ada.inbox(), host.inbox(), Topic::Booking(booking.id)] {
        refused(anonymous.subscribe(topic).await, ErrorCode::Unauthenticated);
        let stranger = refused(eve.live.subscribe(topic).await, ErrorCode::NotFound);
        assert_eq!(stranger, refused(eve.live.subscribe(nothing).await, ErrorCode::NotFound), "as if it did not exist");
    }
    for party in [&ada, &host] {
        party.live.subscribe(Topic::Booking(booking.id)).await.unwrap();
    }
    let paths = [format!("/bookings/{}/", booking.id), format!("/payments/?booking={}", booking.id)];
    for path in paths.iter().map(String::as_str) {
        eve.get(path).send().await.expect_problem(404, ErrorCode::NotFound);
        hub.rest.get(path).send().await.expect_problem(401, ErrorCode::Unauthenticated);
        host.get(path).send().await.expect_json::<serde_json::Value>(200);
    }
    refused(eve.cancel(&booking).await, ErrorCode::NotFound);
    refused(eve.pay(&booking, "pm_card_visa").await, ErrorCode::NotFound);
    refused(host.pay(&booking, "pm_card_visa").await, ErrorCode::Forbidden);
    anonymous.ping().await;
}

#[tokio::test]
async fn p8_somebody_elses_hold_is_not_there() {
    let hub = Hub::start().await;
    let (host, ada, eve) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("eve").await);
    let home = list_home(&host).await;
    let hold = ada.hold(&home, nights(0, 2)).await.unwrap();
    for stranger in [&eve, &host] {
        refused(stranger.book(&hold).await, ErrorCode::NotFound);
        refused(stranger.extend(&hold).await, ErrorCode::NotFound);
        refused(stranger.release(&hold).await, ErrorCode::NotFound);
        let path = format!("/holds/{}/?property={}", hold.id, home.id);
        stranger.get(&path).send().await.expect_problem(404, ErrorCode::NotFound);
    }
    ada.book(&hold).await.unwrap();
}

#[tokio::test]
async fn p8_public_frames_never_say_who_holds_or_books() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    let expiring = ada.hold(&home, nights(0, 2)).await.unwrap();
    let released = ada.hold(&home, nights(3, 2)).await.unwrap();
    ada.release(&released).await.unwrap();
    let booking = ada.hold_and_book(&home, nights(6, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    hub.advance_s(20);
    let cancelled = ada.cancel(&booking).await.unwrap();
    let late = Watcher::of(hub.anonymous().await, home.id).await;
    watcher.until(late.first.seq).await;
    let mut secrets = vec![ada.user.to_string(), host.user.to_string(), ada.email.clone(), cancelled.payment.to_string()];
    secrets.extend([expiring.id, released.id, booking.id].map(|id| id.to_string()));
    let frames = watcher.client.frames().into_iter().chain(late.client.frames());
    let page = hub.rest.get(&format!("/properties/{}/calendar/", home.id)).send().await.text();
    for frame in frames.chain([page]) {
        assert!(secrets.iter().all(|secret| !frame.contains(secret.as_str())), "{frame}");
    }
    assert!(watcher.client.events(watcher.topic).len() >= 7);
}

#[tokio::test]
async fn p8_a_refresh_token_used_again_ends_the_session_and_its_sockets() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let other_session = crate::support::Guest::log_in(hub.address, &ada.email).await;
    ada.live.subscribe(ada.inbox()).await.unwrap();
    let refresh = async |token: &str| hub.rest.post("/auth/refresh/").json(&Refresh { refresh_token: token.to_owned() }).send().await;
    let second: Tokens = refresh(&ada.tokens.refresh_token).await.expect_json(200);
    assert_ne!(second.refresh_token, ada.tokens.refresh_token);
    let third: Tokens = refresh(&second.refresh_token).await.expect_json(200);
    assert!(ada.live.is_open());
    // The first token is two rotations old: whoever presents it has a copy.
    refresh(&ada.tokens.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    ada.live.expect_end(CloseCode::Revoked).await;
    refresh(&third.refresh_token).await.expect_problem(401, ErrorCode::Unauthenticated);
    for token in [&ada.tokens.access_token, &third.access_token] {
        hub.rest.get("/users/me/").bearer(token).send().await.expect_problem(401, ErrorCode::Unauthenticated);
        let client = Client::open(hub.address).await;
        refused(client.authenticate(token).await, ErrorCode::Unauthenticated);
        client.expect_end(CloseCode::BadAuthentication).await;
    }
    other_session.live.ping().await;
    bob.live.ping().await;
}

#[tokio::test]
async fn p8_a_socket_ends_with_its_token() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    ada.live.subscribe(ada.inbox()).await.unwrap();
    assert!(ada.tokens.expires_at > hub.now());
    hub.advance_s(15 * 60);
    let id = ada.live.start("hold", Some("late"), &nights(0, 2).of(home.id)).await;
    if let Some(reply) = ada.live.try_reply(id).await {
        refused(reply, ErrorCode::Unauthenticated);
    }
    ada.live.expect_end(CloseCode::TokenExpired).await;
    ada.get("/users/me/").send().await.expect_problem(401, ErrorCode::Unauthenticated);
    let fresh: Tokens =
        hub.rest.post("/auth/refresh/").json(&Refresh { refresh_token: ada.tokens.refresh_token.clone() }).send().await.expect_json(200);
    let again = hub.anonymous().await;
    again.authenticate(&fresh.access_token).await.unwrap();
}

#[tokio::test]
async fn p8_a_socket_speaks_for_one_user_and_may_renew_its_token() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    refused(ada.live.authenticate(&bob.tokens.access_token).await, ErrorCode::Forbidden);
    refused(ada.live.authenticate("nonsense").await, ErrorCode::Unauthenticated);
    let renewed = ada.live.authenticate(&ada.tokens.access_token).await.unwrap();
    assert_eq!(renewed.user, ada.user);
    refused(ada.live.subscribe(bob.inbox()).await, ErrorCode::NotFound);
}

#[tokio::test]
async fn p8_a_wrong_token_closes_the_socket_and_no_token_forbids_every_change() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = list_home(&host).await;
    for token in ["", "nonsense", "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30."] {
        let client = hub.anonymous().await;
        refused(client.authenticate(token).await, ErrorCode::Unauthenticated);
        client.expect_end(CloseCode::BadAuthentication).await;
    }
    let client = hub.anonymous().await;
    for command in ["hold", "extend_hold", "release_hold", "book", "pay", "cancel"] {
        refused(client.call(command, Some("k"), &nights(0, 2).of(home.id)).await, ErrorCode::Unauthenticated);
    }
    client.call("quote", None, &nights(0, 2).of(home.id)).await.unwrap();
}
