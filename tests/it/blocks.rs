//! Nights off sale: they are taken like anybody's, told as blocked, and their notes are nobody else's.

use http::Method;
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::CreateBlock;
use latchkey_protocol::view::{Block, Blocks, NightState, Property};

use crate::properties::plain;
use crate::support::hub::list_home;
use crate::support::{Dates, Guest, Hub, fresh_key, nights, refused};

fn ask(dates: Dates) -> CreateBlock {
    CreateBlock { from: dates.check_in, to: dates.check_out, note: Some("grandmother visits".to_owned()) }
}

async fn block(host: &Guest, home: &Property, dates: Dates) -> Block {
    host.post(&format!("/properties/{}/blocks/", home.id), &ask(dates)).send().await.expect_json(201)
}

#[tokio::test]
async fn blocked_nights_cannot_be_held_until_the_block_is_gone() {
    let mut hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    let (later, blocked) = (block(&host, &home, nights(20, 400)).await, block(&host, &home, nights(0, 3)).await);
    assert_eq!((blocked.from, blocked.note.as_deref()), (nights(0, 3).check_in, Some("grandmother visits")));
    let told = watcher.change(3).await;
    assert_eq!((told.from, told.to, told.state), (blocked.from, blocked.to, NightState::Blocked));
    let error = refused(ada.hold(&home, nights(2, 3)).await, ErrorCode::DatesUnavailable);
    assert_eq!((&error.details["seq"], &error.details["from"]), (&3_i64.into(), &nights(2, 1).check_in.to_string().into()));

    hub.restart().await;
    let (host, ada) = (Guest::log_in(hub.address, &host.email).await, Guest::log_in(hub.address, &ada.email).await);
    refused(ada.hold(&home, nights(2, 3)).await, ErrorCode::DatesUnavailable);
    let path = format!("/properties/{}/blocks/", home.id);
    let listed: Blocks = host.get(&path).send().await.expect_json(200);
    assert_eq!(listed.items, [blocked.clone(), later], "in order of their nights");
    let one = format!("{path}{}/", blocked.id);
    for (method, path) in [(Method::GET, &path), (Method::GET, &one), (Method::DELETE, &one)] {
        plain(&ada, method, path).send().await.expect_problem(404, ErrorCode::NotFound);
    }
    let watcher = hub.watcher(&home).await;
    assert_eq!(plain(&host, Method::DELETE, &one).send().await.status, 204);
    assert_eq!(watcher.change(4).await.state, NightState::Free);
    ada.hold(&home, nights(2, 3)).await.unwrap();
    plain(&host, Method::DELETE, &one).send().await.expect_problem(404, ErrorCode::NotFound);
}

#[tokio::test]
async fn p1_a_block_and_guests_who_race_for_its_nights_have_one_winner() {
    let hub = Hub::with("--max-active-holds 1000").await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    let path = format!("/properties/{}/blocks/", home.id);
    for round in 0..10 {
        let dates = nights(round * 3, 3);
        let blocking = async { host.post(&path, &ask(dates)).send().await.status == 201 };
        let (by_ada, by_bob, by_host) = tokio::join!(ada.hold(&home, dates), bob.hold(&home, dates), blocking);
        let winners = usize::from(by_ada.is_ok()) + usize::from(by_bob.is_ok()) + usize::from(by_host);
        assert_eq!(winners, 1, "round {round}");
    }
}

#[tokio::test]
async fn p7_a_block_asked_for_twice_with_one_key_is_one_block() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let (path, key, other) = (format!("/properties/{}/blocks/", home.id), fresh_key(), fresh_key());
    let send = |body: CreateBlock| host.rest.post(&path).bearer(&host.tokens.access_token).key(&key).json(&body);
    let first: Block = send(ask(nights(0, 2))).send().await.expect_json(201);
    let again: Block = send(ask(nights(0, 2))).send().await.expect_json(201);
    assert_eq!(again, first);
    let ended = |key| host.rest.post(&path).bearer(&host.tokens.access_token).key(key).json(&ask(nights(20, 2))).send();
    let lifted: Block = ended(&other).await.expect_json(201);
    assert_eq!(plain(&host, Method::DELETE, &format!("{path}{}/", lifted.id)).send().await.status, 204);
    assert_eq!(ended(&other).await.expect_json::<Block>(201), lifted, "the first answer, although the block is no more");
    send(ask(nights(0, 3))).send().await.expect_problem(422, ErrorCode::KeyReused);
    host.post(&path, &ask(nights(1, 3))).send().await.expect_problem(409, ErrorCode::DatesUnavailable);
    ada.post(&path, &ask(nights(9, 1))).send().await.expect_problem(404, ErrorCode::NotFound);
    for (from, to, field) in
        [(nights(5, 1), nights(4, 1), "to"), (nights(-40, 1), nights(-39, 1), "to"), (nights(0, 1), nights(731, 1), "to")]
    {
        let body = CreateBlock { from: from.check_in, to: to.check_in, note: None };
        let problem = host.post(&path, &body).send().await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], field.into());
    }
}
