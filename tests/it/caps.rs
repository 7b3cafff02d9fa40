//! P10: how many live connections an address and a user may have, and how fast a user may speak on all of theirs.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use http::header::{CONNECTION, HeaderName, RETRY_AFTER, UPGRADE};
use latchkey_protocol::client::{Authenticate, Command, UnwatchSearch, WatchSearch};
use latchkey_protocol::error::Detail;
use latchkey_protocol::server::{Authenticated, SearchWatched};
use latchkey_protocol::{CloseCode, ErrorCode, WireError};
use serde_json::json;

use crate::hostile::{count, count_from};
use crate::support::rest::Answer;
use crate::support::{Client, Hub, Rest, eventually, nights, refused};

/// Asks for a WebSocket and hangs up if there is one.
pub(crate) async fn knock(rest: &Rest, forwarded: Option<&str>) -> Answer {
    let ask = rest.get("/ws").header(CONNECTION, "upgrade").header(UPGRADE, "websocket");
    let ask = ask.header(HeaderName::from_static("sec-websocket-version"), "13");
    let mut ask = ask.header(HeaderName::from_static("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    if let Some(address) = forwarded {
        ask = ask.header(HeaderName::from_static("x-forwarded-for"), address);
    }
    ask.send().await
}

fn metric(limit: &str) -> String {
    format!("latchkey_ws_limits_total{{limit=\"{limit}\"}} ")
}

async fn limits_met(hub: &Hub, limit: &str) -> u64 {
    count(hub, &metric(limit)).await
}

#[tokio::test]
async fn p10_an_address_with_all_its_connections_is_told_to_come_back_later_and_its_neighbour_is_let_in() {
    let hub = Hub::with("--max-live-per-address 3").await;
    let (first, _second, _third) = (hub.anonymous().await, hub.anonymous().await, hub.anonymous().await);
    let before = limits_met(&hub, "connections_per_address").await;
    let answer = knock(&hub.rest, None).await;
    let problem = answer.expect_problem(429, ErrorCode::TooManyConnections);
    assert_eq!((answer.header(RETRY_AFTER.as_str()), &problem.error.details["limit"]), (Some("10"), &Detail::Number(3)));
    assert!(limits_met(&hub, "connections_per_address").await > before);
    let neighbour = Rest::from_place(hub.address, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    assert_eq!(knock(&neighbour, None).await.status, 101);
    drop(first);
    eventually("room for one more", || async { (knock(&hub.rest, None).await.status == 101).then_some(()) }).await;
}

#[tokio::test]
async fn p10_an_address_is_what_a_trusted_proxy_says_and_an_ipv6_network_is_one() {
    let hub = Hub::with("--max-live-per-address 1 --trusted-proxies 127.0.0.1/32").await;
    let _proxy = hub.anonymous().await;
    knock(&hub.rest, None).await.expect_problem(429, ErrorCode::TooManyConnections);
    assert_eq!(knock(&hub.rest, Some("2001:db8::1")).await.status, 101);
    // Of those who came through the proxy each hung up at once: until that is noticed their network has one.
    for address in ["2001:db8::ffff", "2001:db8:0:1::1"] {
        eventually(address, || async { (knock(&hub.rest, Some(address)).await.status == 101).then_some(()) }).await;
    }
}

#[tokio::test]
async fn p10_one_connection_too_many_closes_the_users_oldest_and_it_is_told_not_to_come_back() {
    let hub = Hub::with("--max-live-per-user 3").await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let enter = async || {
        let client = hub.anonymous().await;
        client.authenticate(&ada.tokens.access_token).await.unwrap();
        client
    };
    let (second, third) = (enter().await, enter().await);
    // The same connection again is no further one, and one that speaks for nobody is nobody's.
    let _: Authenticated = second.ask(Command::Refresh, None, &Authenticate { token: ada.tokens.access_token.clone() }).await.unwrap();
    third.authenticate(&ada.tokens.access_token).await.unwrap();
    let _anonymous = hub.anonymous().await;
    ada.live.ping().await;
    let before = limits_met(&hub, "connections_per_user").await;
    let fourth = enter().await;
    ada.live.expect_end(CloseCode::TooManyConnections).await;
    assert!(!CloseCode::TooManyConnections.should_reconnect());
    assert!(limits_met(&hub, "connections_per_user").await > before);
    for client in [&second, &third, &fourth, &bob.live] {
        client.ping().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_of_many_connections_that_say_who_they_are_at_once_as_many_stay_as_may() {
    let hub = Hub::with("--max-live-per-user 5").await;
    let ada = hub.guest("ada").await;
    let clients: Vec<Client> = join_all((0..40).map(|_| hub.anonymous())).await;
    let token = json!({ "token": ada.tokens.access_token });
    join_all(clients.iter().map(|client| client.start("authenticate", None, &token))).await;
    eventually("all but five to be closed", || async {
        (clients.iter().chain([&ada.live]).filter(|client| client.is_open()).count() <= 5).then_some(())
    })
    .await;
    let open: Vec<&Client> = clients.iter().filter(|client| client.is_open()).collect();
    join_all(open.iter().map(|client| client.ping())).await;
    assert_eq!(open.len(), 5);
    for closed in clients.iter().chain([&ada.live]).filter(|client| !client.is_open()) {
        closed.expect_end(CloseCode::TooManyConnections).await;
    }
}

#[tokio::test]
async fn p10_a_user_who_speaks_too_fast_on_all_connections_together_is_slowed_down_and_nobody_else_is() {
    let hub = Hub::with("--messages-per-second 1000 --messages-per-user 5").await;
    let (ada, neighbour) = (hub.guest("ada").await, hub.guest("bob").await);
    let second = hub.anonymous().await;
    second.authenticate(&ada.tokens.access_token).await.unwrap();
    let before = limits_met(&hub, "messages_per_user").await;
    let mut refusals = 0;
    for _ in 0..20 {
        for client in [&ada.live, &second] {
            if let Err(error) = client.call("ping", None, &json!({})).await {
                assert_eq!(error.code, ErrorCode::RateLimited, "{error:?}");
                assert!(matches!(error.details["retry_after_ms"], Detail::Number(1..=1_000)), "{error:?}");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 0);
    assert!(limits_met(&hub, "messages_per_user").await >= before + refusals);
    assert!(ada.live.is_open() && second.is_open(), "slowed down, not sent away");
    neighbour.live.ping().await;
    // A new connection begins where the user is.
    let third = hub.anonymous().await;
    third.authenticate(&ada.tokens.access_token).await.unwrap();
    hub.advance_s(60);
    ada.live.ping().await;
}

async fn watch(client: &Client) -> Result<SearchWatched, WireError> {
    client.ask(Command::WatchSearch, None, &WatchSearch::default()).await
}

/// Two addresses without a token could watch all that a node has room for.
#[tokio::test]
async fn p10_a_customer_watches_so_many_searches_on_all_connections_and_their_neighbour_has_as_many() {
    let hub = Hub::with("--max-searches-per-customer 3 --trusted-proxies 127.0.0.1/32").await;
    let (one, other) = (Client::forwarded(hub.address, "2001:db8::1").await, Client::forwarded(hub.address, "2001:db8::ffff").await);
    let first = watch(&one).await.unwrap();
    watch(&one).await.unwrap();
    watch(&other).await.unwrap();
    let before = limits_met(&hub, "searches_per_customer").await;
    let error = refused(watch(&other).await, ErrorCode::TooManySubscriptions);
    assert_eq!(error.details["limit"], Detail::Number(3));
    assert!(limits_met(&hub, "searches_per_customer").await > before);
    let neighbour = Client::forwarded(hub.address, "2001:db8:0:1::1").await;
    watch(&neighbour).await.unwrap();
    // A user has as many, wherever they are; what one watched before one said who one is counts for the address.
    let ada = hub.guest("ada").await;
    other.authenticate(&ada.tokens.access_token).await.unwrap();
    for client in [&ada.live, &ada.live, &other] {
        watch(client).await.unwrap();
    }
    for client in [&ada.live, &other, &one] {
        refused(watch(client).await, ErrorCode::TooManySubscriptions);
    }
    // There is room again where a search is not watched any more, nor its connection there.
    one.call("search.unwatch", None, &UnwatchSearch { watch: first.watch }).await.unwrap();
    watch(&one).await.unwrap();
    refused(watch(&one).await, ErrorCode::TooManySubscriptions);
    drop(other);
    for client in [&one, &ada.live] {
        eventually("room for one more", || async { watch(client).await.ok() }).await;
        refused(watch(client).await, ErrorCode::TooManySubscriptions);
    }
}

#[tokio::test]
async fn p10_a_search_that_is_begun_to_be_watched_is_one_of_the_requests_of_rest() {
    let hub = Hub::with("--requests-per-address 3 --requests-per-user 4").await;
    let (anybody, ada) = (hub.anonymous().await, hub.guest("ada").await);
    let limited =
        |error: &WireError| error.code == ErrorCode::RateLimited && matches!(error.details["retry_after_ms"], Detail::Number(1..=20_000));
    watch(&anybody).await.unwrap();
    let mut asked = 0;
    while hub.rest.get("/properties/").send().await.status == 200 {
        asked += 1;
    }
    assert!(asked <= 2, "{asked} besides the search");
    let neighbour = Rest::from_place(hub.address, IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let before = count_from(&neighbour, &metric("requests")).await;
    let error = watch(&anybody).await.unwrap_err();
    assert!(limited(&error), "{error:?}");
    assert!(count_from(&neighbour, &metric("requests")).await > before);
    // A user's are others than those of their address.
    let error = loop {
        match watch(&ada.live).await {
            Ok(watched) => ada.live.call("search.unwatch", None, &UnwatchSearch { watch: watched.watch }).await.unwrap(),
            Err(error) => break error,
        };
        asked += 1;
        assert!(asked < 30, "never too many");
    };
    assert!(limited(&error), "{error:?}");
    ada.get("/properties/").send().await.expect_problem(429, ErrorCode::RateLimited);
}

#[tokio::test]
async fn p10_limits_of_one_connection_are_counted_too() {
    let hub = Hub::with("--messages-per-second 5").await;
    let limits = ["messages", "message_bytes", "silence"];
    let before = join_all(limits.map(|limit| limits_met(&hub, limit))).await;
    let (fast, long, silent) = (hub.anonymous().await, hub.anonymous().await, hub.anonymous().await);
    let nothing = json!({});
    let ids = join_all((0..40).map(|_| fast.start("ping", None, &nothing))).await;
    assert!(join_all(ids.into_iter().map(|id| fast.reply(id))).await.iter().any(Result::is_err));
    long.send_text("x".repeat(64 * 1024 + 1)).await;
    long.expect_end(CloseCode::TooBig).await;
    hub.advance_s(10);
    silent.expect_end(CloseCode::BadAuthentication).await;
    for (limit, before) in limits.into_iter().zip(before) {
        assert!(limits_met(&hub, limit).await > before, "{limit}");
    }
}

#[tokio::test]
async fn an_anonymous_client_that_was_understood_may_come_back_after_it_was_silent() {
    let hub = Hub::start().await;
    let host = hub.guest("helga").await;
    let home = crate::support::hub::list_home(&host).await;
    let (asker, pinger) = (hub.anonymous().await, hub.anonymous().await);
    asker.call("quote", None, &nights(0, 2).of(home.id)).await.unwrap();
    pinger.ping().await;
    hub.advance_s(10);
    asker.expect_end(CloseCode::IdleTimeout).await;
    pinger.expect_end(CloseCode::IdleTimeout).await;
}

#[tokio::test]
async fn what_is_asked_when_the_token_has_ended_is_answered_by_the_close_alone() {
    let hub = Hub::start().await;
    for command in ["subscribe", "resume"] {
        let ada = hub.guest(command).await;
        let data = match command {
            "subscribe" => json!({ "topic": ada.inbox() }),
            _ => json!({ "epoch": ada.live.hello.epoch, "topics": { ada.inbox().to_string(): 0 } }),
        };
        hub.advance_s(15 * 60);
        let id = ada.live.start(command, None, &data).await;
        assert!(ada.live.try_reply(id).await.is_none());
        ada.live.expect_end(CloseCode::TokenExpired).await;
    }
}
