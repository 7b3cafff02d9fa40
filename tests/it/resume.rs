//! P4: gapless topics, across reconnects, restarts and storms; or a `reset` that says so.

use futures_util::future::{join, join_all};
use latchkey_protocol::server::{Resumption, Snapshot};
use latchkey_protocol::view::Property;
use latchkey_protocol::{ErrorCode, Seq, Topic};

use crate::support::guest::calendar;
use crate::support::hub::list_home;
use crate::support::watcher::{assert_gapless, taken};
use crate::support::{Guest, Hub, nights};

/// Holds and gives back, `times` times: two events each. The topic's head after it.
async fn churn(guest: &Guest, home: &Property, first: i32, times: usize) -> Seq {
    let mut head = 0;
    for _ in 0..times {
        let hold = guest.hold(home, nights(first, 2)).await.unwrap();
        head = guest.release(&hold).await.unwrap().seq;
    }
    head
}

#[tokio::test]
async fn p4_a_client_that_comes_back_gets_what_it_missed_once_and_in_order() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let watcher = hub.watcher(&home).await;
    let seen = churn(&ada, &home, 0, 3).await;
    watcher.until(seen).await;
    let (epoch, topic) = (watcher.client.hello.epoch.clone(), watcher.topic);
    drop(watcher);
    let head = churn(&ada, &home, 0, 4).await;
    let back = hub.anonymous().await;
    let resumed = back.resume(&epoch, [(topic, seen)]).await;
    assert_eq!(resumed.topics[&topic], Resumption::Resumed { head });
    assert_eq!(back.events(topic).len(), 8, "the missed events come before the reply");
    let head = churn(&ada, &home, 0, 1).await;
    back.event(topic, head).await;
    assert_gapless(&back.events(topic), seen);
}

#[tokio::test]
async fn p4_more_events_than_the_ring_keeps_are_read_from_the_table() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let topic = Topic::Property(home.id);
    let head = churn(&ada, &home, 0, 160).await;
    assert_eq!(head, 321);
    for from in [0, 1, 64, 65, 200, 320] {
        let back = hub.anonymous().await;
        let resumed = back.resume(&back.hello.epoch, [(topic, from)]).await;
        assert_eq!(resumed.topics[&topic], Resumption::Resumed { head }, "from {from}");
        let events = back.events(topic);
        assert_eq!(events.len() as u64, head - from, "from {from}");
        assert_gapless(&events, from);
    }
}

#[tokio::test]
async fn p4_a_client_with_another_history_is_reset_to_a_fresh_snapshot() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let topic = Topic::Property(home.id);
    let mut head = ada.hold(&home, nights(0, 2)).await.unwrap().seq;
    for (epoch, from) in [(ada.live.hello.epoch.as_str(), 99), ("another-epoch", 1), ("", 2)] {
        let back = hub.anonymous().await;
        let resumed = back.resume(epoch, [(topic, from)]).await;
        let Resumption::Reset(fresh) = &resumed.topics[&topic] else { panic!("{resumed:?}") };
        assert_eq!((fresh.topic, fresh.seq), (topic, head));
        let Snapshot::Calendar(snapshot) = &fresh.snapshot else { panic!("{fresh:?}") };
        assert_eq!(taken(snapshot).len(), 2);
        let before = head;
        head = churn(&ada, &home, 10, 1).await;
        back.event(topic, head).await;
        assert_gapless(&back.events(topic), before);
    }
}

#[tokio::test]
async fn p4_each_topic_of_a_resume_is_answered_by_itself() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let (public, own, other) = (Topic::Property(home.id), ada.inbox(), bob.inbox());
    let back = Guest::log_in(hub.address, &ada.email).await;
    let resumed = back.live.resume(&back.live.hello.epoch, [(public, 0), (own, 0), (other, 0)]).await;
    assert_eq!(resumed.topics[&public], Resumption::Resumed { head: 1 });
    assert_eq!(resumed.topics[&own], Resumption::Resumed { head: 1 }, "she became a host");
    let empty = bob.live.resume(&bob.live.hello.epoch, [(other, 0)]).await;
    assert_eq!(empty.topics[&other], Resumption::Resumed { head: 0 }, "an inbox is there before its first event");
    assert!(matches!(&resumed.topics[&other], Resumption::Refused(error) if error.code == ErrorCode::NotFound), "{resumed:?}");
    ada.hold(&home, nights(0, 1)).await.unwrap();
    back.live.event(public, 2).await;
}

#[tokio::test]
async fn p4_sequences_go_on_after_a_restart() {
    let mut hub = Hub::start().await;
    let mut ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let topic = Topic::Property(home.id);
    let seen = churn(&ada, &home, 0, 2).await;
    let epoch = ada.live.hello.epoch.clone();
    let unseen = churn(&ada, &home, 0, 2).await;
    hub.restart().await;
    ada.reconnect(hub.address).await;
    assert_eq!(ada.live.hello.epoch, epoch, "only a restore changes it");
    let resumed = ada.live.resume(&epoch, [(topic, seen)]).await;
    assert_eq!(resumed.topics[&topic], Resumption::Resumed { head: unseen });
    let head = churn(&ada, &home, 0, 1).await;
    assert_eq!(head, unseen + 2);
    ada.live.event(topic, head).await;
    assert_gapless(&ada.live.events(topic), seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_a_subscription_in_the_middle_of_a_storm_goes_on_right_after_its_snapshot() {
    let hub = Hub::start().await;
    let guests = join_all(["ada", "bob", "cleo"].map(|name| hub.guest(name))).await;
    let home = list_home(&guests[0]).await;
    let storm = join_all(guests.iter().zip([0, 10, 20]).map(|(guest, first)| churn(guest, &home, first, 40)));
    let arrivals = async {
        let mut watchers = Vec::new();
        for _ in 0..24 {
            watchers.push(hub.watcher(&home).await);
        }
        watchers
    };
    let (heads, watchers) = join(storm, arrivals).await;
    let head = heads.into_iter().max().unwrap();
    assert_eq!(head, 1 + 3 * 40 * 2);
    assert!(watchers.iter().any(|watcher| (2..head).contains(&watcher.first.seq)), "some came while it went on");
    let last = guests[0].hold(&home, nights(0, 3)).await.unwrap();
    let expected = taken(&calendar(&hub.rest, home.id).await);
    for watcher in &watchers {
        watcher.until(last.seq).await;
        assert_eq!(watcher.taken_at(last.seq).await, expected, "P3: events and state tell the same");
    }
}

#[tokio::test]
async fn p4_who_unsubscribes_hears_no_more_and_may_begin_anew() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let watcher = hub.watcher(&home).await;
    let seen = churn(&ada, &home, 0, 1).await;
    watcher.until(seen).await;
    watcher.client.unsubscribe(watcher.topic).await.unwrap();
    let head = churn(&ada, &home, 0, 2).await;
    watcher.client.ping().await;
    assert_eq!(watcher.client.events(watcher.topic).last().unwrap().seq, seen);
    let again = watcher.client.subscribe(watcher.topic).await.unwrap();
    assert_eq!(again.seq, head);
    // Subscribing once more to the same topic is a new snapshot, not a second stream.
    watcher.client.subscribe(watcher.topic).await.unwrap();
    let next = churn(&ada, &home, 0, 1).await;
    watcher.client.event(watcher.topic, next).await;
    watcher.client.ping().await;
    assert_eq!(watcher.client.events(watcher.topic).iter().filter(|event| event.seq > head).count(), 2);
}
