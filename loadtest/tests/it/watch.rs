//! `loadtest watch`, both ways.

use crate::fake_hub::{FakeHub, Lie};
use crate::loadtest;

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_are_opened_and_weighed() {
    let hub = FakeHub::start(Lie::None).await;
    let args = format!("watch --idle 100 --users 5 --settle-s 0 --pid {}", std::process::id());
    let outcome = loadtest(&hub, &args).await;
    outcome.assert_ok();
    assert!(outcome.text.contains("rss bytes per connection"), "{}", outcome.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_receives_every_event() {
    let hub = FakeHub::start(Lie::None).await;
    let args = format!("watch --watchers 30 --events 40 --rate 200 --settle-s 0 --pid {}", std::process::id());
    let outcome = loadtest(&hub, &args).await;
    outcome.assert_ok();
    assert!(outcome.text.contains("1200"), "{}", outcome.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_event_is_caught() {
    let hub = FakeHub::start(Lie::SkipsAnEvent).await;
    loadtest(&hub, "watch --watchers 3 --events 10 --rate 200 --settle-s 0").await.assert_broken("gap");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_two_must_be_asked_for() {
    let hub = FakeHub::start(Lie::None).await;
    loadtest(&hub, "watch").await.assert_broken("--idle");
}
