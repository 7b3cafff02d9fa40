//! What nodes share by Redis besides events: allowances, copies of homes, sessions that ended; and a cluster of Redises.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use latchkey::shared::{Account, Allowance, Link, Shared};
use latchkey_protocol::ErrorCode;
use latchkey_protocol::rest::Login;
use latchkey_protocol::view::Property;
use serde_json::json;

use super::{Cluster, assert_all_agree, assert_lost_or_won, guests, race, watched_home};
use crate::properties::change;
use crate::support::hub::list_home;
use crate::support::server::Server;
use crate::support::{Rest, Seed, eventually};

/// A metric of a node; nothing if it was never counted.
async fn metric(rest: &Rest, name: &str) -> f64 {
    let text = rest.get("/metrics").send().await.text();
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0.0, |value| value.trim().parse().unwrap())
}

/// Asks one Redis, and gives what it says.
async fn redis_cli(address: SocketAddr, words: &[&str]) -> Vec<u8> {
    let mut asking = tokio::process::Command::new("redis-cli");
    asking.args(["-p", &address.port().to_string()]).args(words);
    asking.output().await.unwrap().stdout
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_callers_spend_on_one_node_they_have_spent_on_all() {
    let mut redis = Server::redis().await;
    let link = |epoch| Link::open(&format!("redis://{}", redis.address), epoch).unwrap();
    let shares = [Shared::new(link("one")), Shared::new(link("one")), Shared::new(link("another"))];
    let [one, other, stranger] = [0, 1, 2].map(|index: usize| shares[index].spending().clone());
    let running: Vec<_> = shares.into_iter().map(|shared| tokio::spawn(shared.run())).collect();
    // A thousand an hour: within this test none of it comes back.
    let allowance = Allowance::new(1_000, Duration::from_hours(1));
    let (ada, bob) = (Account::of("user", &"ada"), Account::of("user", &"bob"));
    // What is spent before there is a connection is told to nobody.
    let accounts =
        || async { String::from_utf8(redis_cli(redis.address, &["--raw", "DBSIZE"]).await).unwrap().trim().parse::<usize>().unwrap() };
    for (number, spending) in [&one, &other].into_iter().enumerate() {
        let told = || async {
            spending.spend(Account::of("anybody", &number), allowance);
            (accounts().await > number).then_some(())
        };
        eventually("a connection", told).await;
    }
    (0..999).for_each(|_| one.spend(ada, allowance));
    other.spend(bob, allowance);
    // Both are told; nobody has to wait.
    eventually("what was spent to be told", || async { (accounts().await == 4).then_some(()) }).await;
    assert_eq!((one.wait(ada), other.wait(ada)), (None, None));
    let overspent = || async {
        other.spend(ada, allowance);
        other.wait(ada)
    };
    let wait = eventually("too much to be spent", overspent).await;
    assert!(wait <= Duration::from_mins(10), "what was spent here while it was found out: {wait:?}");
    one.spend(ada, allowance);
    eventually("the first node to hear of it", || async { one.wait(ada) }).await;
    assert_eq!((one.wait(bob), stranger.wait(ada)), (None, None), "others, and another database");
    // Without Redis each counts for itself, and with it again all do.
    redis.kill().await;
    let cleo = Account::of("user", &"cleo");
    (0..3_000).for_each(|_| one.spend(cleo, allowance));
    assert_eq!(one.wait(cleo), None);
    redis.restart().await;
    let again = || async {
        (0..400).for_each(|_| one.spend(bob, allowance));
        other.spend(bob, allowance);
        other.wait(bob)
    };
    eventually("the nodes to count together again", again).await;
    assert_eq!((one.wait(cleo), other.wait(cleo)), (None, None), "what was spent without Redis is long ago");
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p10_who_turns_from_node_to_node_has_one_allowance_for_requests_and_one_for_guessing() {
    let cluster = Cluster::with_redis(2, "--requests-per-user 300").await;
    let ada = cluster.guest(0, "ada").await;
    let refused_at = |node: usize| {
        let (rest, token) = (&cluster.nodes[node].rest, &ada.tokens.access_token);
        async move { rest.get("/users/me/").bearer(token).send().await.status == 429 }
    };
    let mut spent = 0;
    while !refused_at(0).await {
        spent += 1;
    }
    assert!(spent >= 300, "{spent}");
    let mut elsewhere = 0;
    while !refused_at(1).await {
        elsewhere += 1;
    }
    assert!(elsewhere < 200, "an allowance of its own at the other node: {elsewhere}");
    // Ten guesses a minute, wherever.
    let guess = |node: usize| {
        let ask = Login { email: ada.email.clone(), password: "wrong horse battery".to_owned() };
        let rest = &cluster.nodes[node].rest;
        async move { rest.post("/auth/login/").json(&ask).send().await }
    };
    while guess(0).await.status != 429 {}
    let mut guesses = 0;
    loop {
        let answer = guess(1).await;
        if answer.status == 429 {
            answer.expect_problem(429, ErrorCode::RateLimited);
            break;
        }
        guesses += 1;
    }
    assert!(guesses < 9, "ten guesses more at the other node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_that_one_node_has_read_another_need_not_read_and_no_copy_is_older_than_what_a_node_knows() {
    let mut cluster = Cluster::with_redis(3, "").await;
    let host = cluster.guest(0, "helga").await;
    let home = list_home(&host).await;
    let path = format!("/properties/{}/", home.id);
    let read = |node: usize| {
        let request = cluster.nodes[node].rest.get(&path);
        async move { request.send().await.expect_json::<Property>(200) }
    };
    let mut redis = Link::open(&format!("redis://{}", cluster.redis.as_ref().unwrap().address), "").unwrap().connect().await.unwrap();
    let copy = eventually("a copy to be left", || {
        let (mut redis, reading) = (redis.clone(), read(1));
        async move {
            reading.await;
            let names: Vec<Option<Vec<String>>> = redis.run(vec![redis::cmd("KEYS").arg("*:home:*").take()]).await.unwrap();
            let name = names.into_iter().flatten().flatten().next()?;
            let mut old: Vec<Option<Vec<u8>>> = redis.run(vec![redis::cmd("GET").arg(&name).take()]).await.unwrap();
            Some((name, old.remove(0).unwrap()))
        }
    });
    let (name, old) = copy.await;
    eventually("the copy to be found", || async {
        assert_eq!(read(2).await.title, home.title);
        (metric(&cluster.nodes[2].rest, "latchkey_copies_total{outcome=\"hit\"}").await > 0.0).then_some(())
    })
    .await;
    let updating = change(&host, Method::PATCH, &path, home.version);
    let updated: Property = updating.json(&json!({ "title": "A house by the lake" })).send().await.expect_json(200);
    assert_eq!(read(0).await.title, updated.title, "whoever changed it reads what they wrote");
    // Somebody was slow, and leaves what they read before.
    redis.run::<redis::Value>(vec![redis::cmd("SET").arg(&name).arg(&old).take()]).await.unwrap();
    for node in [1, 2] {
        eventually("the new title", || async { (read(node).await.title == updated.title).then_some(()) }).await;
    }
    // One that was not there before has heard of no change, and trusts no copy that does not contain everything.
    redis.run::<redis::Value>(vec![redis::cmd("SET").arg(&name).arg(&old).take()]).await.unwrap();
    cluster.add().await;
    let newest = &cluster.nodes.last().unwrap().rest;
    eventually("its search to be ready", || async { (newest.get("/readyz").send().await.status == 200).then_some(()) }).await;
    let newest = newest.get(&path).send().await.expect_json::<Property>(200);
    assert_eq!(newest.title, updated.title);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_events_go_over_a_cluster_of_redises_each_of_which_has_a_part_and_may_die() {
    let mut cluster = Cluster::with_redis_cluster(3, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let guests = guests(&cluster, 6).await;
    let seed = Seed::new();
    // Every node listens at every one of them.
    let addresses: Vec<SocketAddr> = cluster.redis.iter().chain(&cluster.more_redis).map(|server| server.address).collect();
    for address in &addresses {
        let spread = || async {
            let channels = String::from_utf8(redis_cli(*address, &["PUBSUB", "SHARDCHANNELS", "*:homes:*"]).await).unwrap();
            (channels.lines().count() > 20).then_some(())
        };
        eventually("the channels to be spread", spread).await;
    }
    let mut asked = race(&guests, &home, &seed.fork(0), 4).await;
    let heard = || async { events_heard(&cluster).await.iter().all(|heard| *heard > 0.0).then_some(()) };
    eventually("every node to hear by Redis", heard).await;
    // One that does not answer, and one that is gone: the others go on.
    cluster.more_redis[0].pause().await;
    asked.extend(race(&guests, &home, &seed.fork(1), 2).await);
    assert_others_go_on(&cluster, "hanna").await;
    cluster.more_redis[0].go_on().await;
    cluster.more_redis.pop().unwrap().kill().await;
    asked.extend(race(&guests, &home, &seed.fork(2), 4).await);
    assert_others_go_on(&cluster, "hilde").await;
    assert_lost_or_won(&asked);
    assert_all_agree(&cluster, &home, &watchers, &asked).await;
}

/// Of many homes, some have their channels at the Redises that are left.
async fn assert_others_go_on(cluster: &Cluster, name: &str) {
    let before = events_heard(cluster).await;
    let host = cluster.guest(0, name).await;
    let more = || async {
        list_home(&host).await;
        let now = events_heard(cluster).await;
        now.iter().zip(&before).skip(1).all(|(now, before)| now > before).then_some(())
    };
    eventually("the other nodes to hear by the Redises that are left", more).await;
}

/// How many events each node has heard of by Redis.
async fn events_heard(cluster: &Cluster) -> Vec<f64> {
    join_all(cluster.nodes.iter().map(|node| metric(&node.rest, "latchkey_bus_events_total"))).await
}
