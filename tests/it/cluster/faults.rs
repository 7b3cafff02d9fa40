//! What breaks, and what is still true afterwards: nodes, the database, Redis.

use latchkey_protocol::view::NightState;

use super::{Asked, assert_all_agree, assert_lost_or_won, calendar_at, guests, race, stay, watched_home, winners};
use crate::support::watcher::taken;
use crate::support::{Cluster, Seed, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_the_holds_of_a_node_that_is_gone_are_ended_by_another() {
    let mut cluster = Cluster::without_redis(2, "--hold-seconds 2").await;
    let (home, watchers) = watched_home(&cluster).await;
    let ada = cluster.guest(1, "ada").await;
    let hold = ada.hold(&home, stay(0)).await.unwrap();
    let held = watchers[0].change(hold.seq).await;
    assert_eq!(held.state, NightState::Held);
    cluster.kill(1).await;
    // Nobody asks for those nights: the other node's timer ends the lease.
    let freed = watchers[0].change(hold.seq + 1).await;
    assert_eq!((freed.from, freed.to, freed.state), (hold.check_in, hold.check_out, NightState::Free));
    assert!(taken(&calendar_at(&cluster, 0, &home, hold.seq + 1).await).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_when_redis_dies_or_hangs_events_come_by_the_log_and_by_redis_again_afterwards() {
    let mut cluster = Cluster::with_redis(3, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let guests = guests(&cluster, 6).await;
    let seed = Seed::new();
    let mut asked: Vec<Asked> = race(&guests, &home, &seed.fork(0), 3).await;
    let mut redis = cluster.redis.take().unwrap();
    redis.kill().await;
    asked.extend(race(&guests, &home, &seed.fork(1), 3).await);
    redis.restart().await;
    asked.extend(race(&guests, &home, &seed.fork(2), 3).await);
    redis.pause().await;
    asked.extend(race(&guests, &home, &seed.fork(3), 3).await);
    redis.go_on().await;
    asked.extend(race(&guests, &home, &seed.fork(4), 3).await);
    assert_lost_or_won(&asked);
    assert_all_agree(&cluster, &home, &watchers, &asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_when_the_database_dies_in_a_race_what_was_acknowledged_is_there_and_nothing_is_given_twice() {
    let mut cluster = Cluster::with_redis(2, "").await;
    let (home, watchers) = watched_home(&cluster).await;
    let guests = guests(&cluster, 6).await;
    let seed = Seed::new();
    let mut asked = race(&guests, &home, &seed.fork(0), 2).await;
    let (seed, racing_home) = (seed.fork(1), home.clone());
    let racing = race(&guests, &racing_home, &seed, 10);
    let breaking = async {
        eventually("the race to go on", || async { (watchers[0].client.events(watchers[0].topic).len() > 4).then_some(()) }).await;
        cluster.database.kill().await;
        cluster.database.restart().await;
    };
    let (during, ()) = tokio::join!(racing, breaking);
    asked.extend(during);
    // Who was not told may have got it: their nights count as taken only if the calendar says so.
    let (owners, head) = winners(&asked);
    let calendar = calendar_at(&cluster, 0, &home, head).await;
    let stored = taken(&calendar);
    for night in owners.keys() {
        assert!(stored.contains(&(*night, NightState::Held)), "P2: {night} was acknowledged and is not there");
    }
    for (node, watcher) in watchers.iter().enumerate() {
        assert_eq!(watcher.taken_at(calendar.seq).await, stored, "P3, P4: the events at node {node}");
        assert_eq!(taken(&calendar_at(&cluster, node, &home, calendar.seq).await), stored);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p6_a_node_that_slept_longer_than_a_hold_cannot_act_on_it() {
    let cluster = Cluster::with_redis(2, "--hold-seconds 2").await;
    let (home, watchers) = watched_home(&cluster).await;
    let (ada, bob) = (cluster.guest(1, "ada").await, cluster.guest(0, "bob").await);
    let hold = ada.hold(&home, stay(0)).await.unwrap();
    watchers[0].change(hold.seq).await;
    cluster.pause(1).await;
    // The other node ends it and gives the nights to somebody else.
    let freed = watchers[0].change(hold.seq + 1).await;
    assert_eq!(freed.state, NightState::Free);
    let won = bob.hold(&home, stay(0)).await.unwrap();
    cluster.go_on(1).await;
    let error = ada.book(&hold).await.unwrap_err();
    assert_eq!(error.code, latchkey_protocol::ErrorCode::Expired, "{error:?}");
    bob.book(&won).await.unwrap();
    // The sleeper hears of everything it has missed.
    watchers[1].until(won.seq).await;
}
