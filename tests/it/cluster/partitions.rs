//! Nodes that are cut from the database, for a while or for good, killed between a commit and its answer, or on machines whose clocks are wrong.

use latchkey::clock::{Clock as _, SystemClock};
use latchkey_protocol::view::NightState;
use latchkey_protocol::{CloseCode, ErrorCode};

use super::{Cluster, Guest, assert_all_agree, assert_lost_or_won, calendar_at, guests, race, stay, watched_home};
use crate::support::proxy::Mood;
use crate::support::watcher::taken;
use crate::support::{Client, Dates, Seed, eventually, fresh_key, refused};

async fn is_ready(cluster: &Cluster, node: usize) -> bool {
    cluster.nodes[node].rest.get("/readyz").send().await.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_a_node_that_is_cut_from_the_database_shows_nothing_private_and_afterwards_everything() {
    let cluster = Cluster::with_redis(2, "").await;
    let host = cluster.guest(1, "helga").await;
    let home = crate::support::hub::list_home(&host).await;
    host.follow_inbox().await;
    let (ada, bob) = (cluster.guest(0, "ada").await, cluster.guest(1, "bob").await);
    let mut here = Guest::log_in(cluster.address(1), &ada.email).await;
    let watching = Client::open(cluster.address(1)).await;
    watching.authenticate(&here.tokens.access_token).await.unwrap();
    cluster.links[1].set_for_all(Mood::Partitioned);
    eventually("the node to be not ready", || async { (!is_ready(&cluster, 1).await).then_some(()) }).await;
    // Redis goes on, and brings what happens at the other node: a booking for the host, the end of a session.
    let booking = ada.hold_and_book(&home, stay(3)).await;
    cluster.move_to(0, &mut here).await;
    assert_eq!(here.post("/auth/logout/", &()).send().await.status, 204);
    watching.expect_end(CloseCode::Revoked).await;
    let answer = bob.hold(&home, stay(9)).await.unwrap_err();
    assert!(matches!(answer.code, ErrorCode::Unavailable | ErrorCode::Internal | ErrorCode::Busy), "{answer:?}");
    assert!(!host.heard().contains(&"booking.created".to_owned()), "P8: it cannot know whether the host may still see that");
    cluster.links[1].set_for_all(Mood::Passing);
    assert_eq!(host.hears("booking.created").await.data["booking"], serde_json::json!(booking.id));
    eventually("the node to be ready", || async { is_ready(&cluster, 1).await.then_some(()) }).await;
    // What was asked in the dark was done or was not; asked again it is done once.
    let held = bob.hold(&home, stay(20)).await.unwrap();
    assert!(taken(&calendar_at(&cluster, 0, &home, held.seq).await).contains(&(held.check_in, NightState::Held)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_nothing_comes_back_on_is_given_up_and_the_node_is_ready_again_by_a_new_one() {
    let cluster = Cluster::without_redis(2, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let guests = guests(&cluster, 4).await;
    // For good: only a new connection passes.
    cluster.links[1].set(Mood::Partitioned);
    eventually("the node to be not ready", || async { (!is_ready(&cluster, 1).await).then_some(()) }).await;
    eventually("the node to be ready", || async { is_ready(&cluster, 1).await.then_some(()) }).await;
    let asked = race(&guests, &home, &Seed::new(), 4).await;
    assert_lost_or_won(&asked);
    assert_all_agree(&cluster, &home, &watchers, &asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_node_that_is_killed_between_a_commit_and_its_answer_has_done_it_once() {
    let mut cluster = Cluster::without_redis(2, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let ada = cluster.guest(1, "ada").await;
    let mut seq = ada.hold(&home, stay(0)).await.unwrap().seq;
    let (mut dates, mut key) = (stay(4), fresh_key());
    loop {
        // It is committed, and nobody at that node hears of it.
        cluster.links[1].set_for_all(Mood::Holding);
        let committed = tokio::select! {
            change = watchers[0].change(seq + 1) => Some(change),
            // Something else was on its way when the answers ceased, and what was asked now waits behind that, or is not taken.
            _ = ada.hold_with(&key, &home, dates) => None,
        };
        if let Some(change) = committed {
            assert_eq!((change.from, change.state), (dates.check_in, NightState::Held));
            break;
        }
        cluster.links[1].set_for_all(Mood::Passing);
        eventually("the node to be ready", || async { is_ready(&cluster, 1).await.then_some(()) }).await;
        seq = ada.hold_with(&key, &home, dates).await.unwrap().seq;
        (dates, key) = (Dates { check_in: dates.check_out, check_out: dates.check_out.saturating_add(2) }, fresh_key());
    }
    cluster.kill(1).await;
    let again = Guest::log_in(cluster.address(0), &ada.email).await;
    let held = again.hold_with(&key, &home, dates).await.unwrap();
    assert_eq!(held.seq, seq + 1, "the first answer");
    refused(again.hold(&home, dates).await, ErrorCode::DatesUnavailable);
    assert!(taken(&calendar_at(&cluster, 0, &home, held.seq).await).contains(&(dates.check_in, NightState::Held)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_node_that_is_killed_before_its_commit_arrives_has_done_nothing() {
    let mut cluster = Cluster::without_redis(2, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let ada = cluster.guest(1, "ada").await;
    let bob = cluster.guest(0, "bob").await;
    // The home is in its memory: what it is asked for next it only has to commit.
    let first = ada.hold(&home, stay(0)).await.unwrap();
    cluster.links[1].set_for_all(Mood::Partitioned);
    let key = fresh_key();
    {
        let asking = ada.hold_with(&key, &home, stay(4));
        let elsewhere = async {
            let won = bob.hold(&home, stay(4)).await.unwrap();
            assert_eq!(won.seq, first.seq + 1, "P1");
        };
        tokio::select! {
            () = elsewhere => {}
            answer = asking => panic!("answered without its database: {answer:?}"),
        }
    }
    cluster.kill(1).await;
    let again = Guest::log_in(cluster.address(0), &ada.email).await;
    refused(again.hold_with(&key, &home, stay(4)).await, ErrorCode::DatesUnavailable);
    watchers[0].until(first.seq + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_for_longer_than_anybody_waits_is_known_to_the_node_that_sent_it_when_it_is_done() {
    let cluster = Cluster::without_redis(2, "").await;
    let (home, _) = watched_home(&cluster).await;
    let (ada, bob) = (cluster.guest(1, "ada").await, cluster.guest(1, "bob").await);
    let held = ada.hold(&home, stay(0)).await.unwrap();
    cluster.links[1].set_for_all(Mood::Partitioned);
    let answer = ada.release(&held).await.unwrap_err();
    assert!(matches!(answer.code, ErrorCode::Internal | ErrorCode::Unavailable), "{answer:?}");
    cluster.links[1].cut();
    // At the other node it is done, by this or by being asked again; from then on those nights are free at every node.
    let again = Guest::log_in(cluster.address(0), &ada.email).await;
    let released = again.release(&held).await.unwrap();
    eventually("the node to be ready", || async { is_ready(&cluster, 1).await.then_some(()) }).await;
    let won = bob.hold(&home, stay(0)).await.unwrap();
    assert!(won.seq > released.seq);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_nodes_whose_machines_tell_different_times_agree_on_when_a_hold_ends() {
    // A minute and a half behind, right, and as much ahead: each far more than a hold lives.
    let cluster = Cluster::with_clocks(&[0, -90, 90], "--hold-seconds 6").await;
    let (home, watchers) = watched_home(&cluster).await;
    let mut holders = Vec::new();
    for node in 0..3 {
        // Tokens of each are taken by all.
        let mut guest = cluster.guest(node, &format!("guest-{node}")).await;
        cluster.move_to((node + 1) % 3, &mut guest).await;
        cluster.move_to(node, &mut guest).await;
        holders.push(guest);
    }
    let (mut ends, mut seq) = (Vec::new(), 1);
    for (node, guest) in holders.iter().enumerate() {
        let held = guest.hold(&home, stay(4 * i32::try_from(node).unwrap())).await.unwrap();
        (seq, ends) = (held.seq, [ends, vec![held.expires_at]].concat());
    }
    let spread = ends.iter().max().unwrap() - ends.iter().min().unwrap();
    assert!(spread < 60_000, "they were all taken within this minute: {ends:?}");
    for watcher in &watchers {
        // The three end one after the other, none of them before its time by the right clock.
        for (number, end) in (1..).zip(&ends) {
            watcher.client.event(watcher.topic, seq + number).await;
            // By this machine's clock, which is the database's; nodes are a few milliseconds off at most.
            let now = SystemClock.now();
            assert!(now + 100 >= *end, "P6: ended {} ms early", end - now);
        }
    }
    assert!(taken(&calendar_at(&cluster, 1, &home, seq + 3).await).is_empty());
}
