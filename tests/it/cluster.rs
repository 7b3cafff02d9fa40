//! Many nodes over one database: every promise holds across them, with Redis and without it.

mod door;
mod faults;
mod follower;
mod history;
mod partitions;
mod schedules;
mod sharing;

use std::collections::BTreeMap;

use futures_util::future::join_all;
use latchkey_protocol::view::{Booking, BookingState, Calendar, Hold, NightState, Property};
use latchkey_protocol::{CloseCode, Date, ErrorCode, Seq, UserId, WireError};

use crate::race::owners;
use crate::support::hub::list_home;
use crate::support::watcher::taken;
use crate::support::{Client, Cluster, Dates, Guest, Seed, Watcher, eventually, fresh_key, nights, refused};

/// What somebody asked for, and what they were told.
struct Asked {
    user: UserId,
    answer: Result<Hold, WireError>,
}

/// Guests all over the cluster.
async fn guests(cluster: &Cluster, count: usize) -> Vec<Guest> {
    let join = |number: usize| async move { cluster.guest(number % cluster.nodes.len(), &format!("guest-{number}")).await };
    join_all((0..count).map(join)).await
}

/// A home, and somebody at each node who watches it from its beginning.
async fn watched_home(cluster: &Cluster) -> (Property, Vec<Watcher>) {
    let home = list_home(&cluster.guest(0, "helga").await).await;
    let watch = |node| {
        let home = home.id;
        async move { Watcher::of(cluster.anonymous(node).await, home).await }
    };
    (home.clone(), join_all((0..cluster.nodes.len()).map(watch)).await)
}

/// Everybody asks for stays of their own choice among the next 40 nights, so many times.
async fn race(guests: &[Guest], home: &Property, seed: &Seed, turns: usize) -> Vec<Asked> {
    let run = |(number, guest)| {
        let mut seed = seed.fork(number);
        async move {
            let mut asked = Vec::new();
            for _ in 0..turns {
                let dates = nights(seed.below(40), 1 + seed.below(3));
                let answer = Guest::hold(guest, home, dates).await;
                asked.push(Asked { user: guest.user, answer });
            }
            asked
        }
    };
    join_all(guests.iter().enumerate().map(run)).await.into_iter().flatten().collect()
}

/// P1: no night was given to two. Which nights are taken after it all, and by which event the last one was.
fn winners(asked: &[Asked]) -> (BTreeMap<Date, UserId>, Seq) {
    let won: Vec<(UserId, Hold)> = asked.iter().filter_map(|asked| Some((asked.user, asked.answer.clone().ok()?))).collect();
    let head = won.iter().map(|(_, hold)| hold.seq).max().unwrap_or(0);
    (owners(&won), head)
}

/// A node's calendar that is not older than an event.
async fn calendar_at(cluster: &Cluster, node: usize, home: &Property, seq: Seq) -> Calendar {
    cluster.nodes[node].rest.get(&format!("/properties/{}/calendar/?min_seq={seq}", home.id)).send().await.expect_json(200)
}

/// P3, P4: on every node the events, and the calendar, tell exactly what was acknowledged.
async fn assert_all_agree(cluster: &Cluster, home: &Property, watchers: &[Watcher], asked: &[Asked]) {
    let (owners, head) = winners(asked);
    assert!(!owners.is_empty(), "nobody got anything");
    let expected: Vec<_> = owners.keys().map(|night| (*night, NightState::Held)).collect();
    for (node, watcher) in watchers.iter().enumerate() {
        assert_eq!(watcher.taken_at(head).await, expected, "the events at node {node}");
        let calendar = calendar_at(cluster, node, home, head).await;
        assert_eq!((calendar.seq, taken(&calendar)), (head, expected.clone()), "the calendar of node {node}");
    }
}

/// Losers are told that they lost, and nothing else goes wrong.
fn assert_lost_or_won(asked: &[Asked]) {
    for error in asked.iter().filter_map(|asked| asked.answer.as_ref().err()) {
        assert_eq!(error.code, ErrorCode::DatesUnavailable, "{error:?}");
    }
}

async fn race_over_three(cluster: Cluster) {
    let (home, watchers) = watched_home(&cluster).await;
    let guests = guests(&cluster, 9).await;
    let asked = race(&guests, &home, &Seed::new(), 12).await;
    assert_lost_or_won(&asked);
    assert_all_agree(&cluster, &home, &watchers, &asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_guests_at_three_nodes_race_for_the_same_nights_and_each_has_one_winner() {
    race_over_three(Cluster::with_redis(3, "").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_without_redis_every_node_still_tells_every_event() {
    race_over_three(Cluster::without_redis(3, "").await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_key_is_used_once_whichever_node_it_is_said_to() {
    let cluster = Cluster::with_redis(2, "").await;
    let (home, _) = watched_home(&cluster).await;
    let mut ada = cluster.guest(0, "ada").await;
    let bob = cluster.guest(1, "bob").await;
    // Node 1 reads which keys Ada has used.
    let mut elsewhere = Guest::log_in(cluster.address(1), &ada.email).await;
    let taken = bob.hold(&home, nights(0, 2)).await.unwrap();
    refused(elsewhere.hold(&home, nights(0, 2)).await, ErrorCode::DatesUnavailable);
    let key = fresh_key();
    let first = ada.hold_with(&key, &home, nights(5, 2)).await.unwrap();
    ada.release(&first).await.unwrap();
    let other = bob.hold(&home, nights(5, 2)).await.unwrap();
    assert!(other.seq > first.seq && first.seq > taken.seq);
    assert_eq!(
        elsewhere.hold_with(&key, &home, nights(5, 2)).await.unwrap(),
        first,
        "the first answer, though the nights are another's now"
    );
    refused(elsewhere.hold_with(&key, &home, nights(6, 2)).await, ErrorCode::KeyReused);
    cluster.move_to(1, &mut ada).await;
    assert_eq!(ada.hold_with(&key, &home, nights(5, 2)).await.unwrap(), first);
    cluster.move_to(0, &mut elsewhere).await;
    assert_eq!(elsewhere.hold_with(&key, &home, nights(5, 2)).await.unwrap(), first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p8_who_logs_out_at_one_node_is_logged_out_at_all() {
    let cluster = Cluster::without_redis(2, "").await;
    let mut ada = cluster.guest(0, "ada").await;
    let there = Guest::log_in(cluster.address(1), &ada.email).await;
    let stays = Guest::log_in(cluster.address(1), &ada.email).await;
    let token = there.tokens.access_token.clone();
    let mut here = there;
    let still_there = Client::open(cluster.address(1)).await;
    still_there.authenticate(&token).await.unwrap();
    // The same session at the other node, and over.
    cluster.move_to(0, &mut here).await;
    assert_eq!(here.post("/auth/logout/", &()).send().await.status, 204);
    still_there.expect_end(CloseCode::Revoked).await;
    let again = Client::open(cluster.address(1)).await;
    refused(again.authenticate(&token).await, ErrorCode::Unauthenticated);
    stays.live.ping().await;
    ada.live.ping().await;
    cluster.move_to(1, &mut ada).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_an_inbox_and_a_booking_are_followed_at_any_node_and_resumed_at_another() {
    let cluster = Cluster::with_redis(2, "").await;
    let host = cluster.guest(1, "helga").await;
    let home = list_home(&host).await;
    host.follow_inbox().await;
    let ada = cluster.guest(0, "ada").await;
    let booking = ada.hold_and_book(&home, nights(3, 2)).await;
    let heard = host.hears("booking.created").await;
    assert_eq!(heard.data["booking"], serde_json::json!(booking.id));
    let cancelled = ada.cancel(&booking).await.unwrap();
    let mut moved = Guest::log_in(cluster.address(0), &host.email).await;
    moved.follow_inbox().await;
    moved.hears("booking.cancelled").await;
    let (here, there) = (host.live.events(host.inbox()), moved.live.events(host.inbox()));
    assert_eq!(
        here.iter().map(|event| event.seq).collect::<Vec<_>>(),
        there.iter().map(|event| event.seq).take(here.len()).collect::<Vec<_>>()
    );
    cluster.move_to(1, &mut moved).await;
    assert_eq!(moved.booking(booking.id).await.state, cancelled.state);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_what_one_node_decides_about_a_booking_another_goes_on_with() {
    let cluster = Cluster::without_redis(2, "").await;
    let host = cluster.guest(1, "helga").await;
    let home = list_home(&host).await;
    let ada = cluster.guest(0, "ada").await;
    let booking = ada.hold_and_book(&home, nights(3, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    let is_confirmed = || async { (host.booking(booking.id).await.state == BookingState::Confirmed).then_some(()) };
    eventually("the booking to be confirmed", is_confirmed).await;
    // Node 1 has the booking in its calendar from now on, and the proposal is no event of the home.
    host.quote(&home, nights(20, 2)).await.unwrap();
    let check_out = booking.check_out.saturating_add(-1);
    let shorter = serde_json::json!({ "check_out": check_out });
    ada.post(&format!("/bookings/{}/alterations/", booking.id), &shorter).send().await.expect_json::<Booking>(200);
    let accepted = host.post(&format!("/bookings/{}/alterations/1/accept/", booking.id), &serde_json::json!({})).send().await;
    assert_eq!(accepted.expect_json::<Booking>(200).check_out, check_out);
}

/// A stay's dates.
fn stay(first: i32) -> Dates {
    nights(first, 2)
}
