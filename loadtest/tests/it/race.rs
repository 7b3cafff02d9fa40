//! `loadtest race` against honest, lying and dying hubs.

use std::path::PathBuf;
use std::time::Duration;

use crate::fake_hub::{FakeHub, Lie};
use crate::{loadtest, loadtest_at};

const SMALL: &str = "race --guests 20 --rounds 5 --watchers 4 --seed 7";

fn record_file(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("loadtest-{name}-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_hub_passes() {
    let hub = FakeHub::start(Lie::None).await;
    let outcome = loadtest(&hub, SMALL).await;
    outcome.assert_ok();
    assert!(outcome.text.contains("seed: 7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rounds_than_one_calendar_holds_use_several_homes() {
    let hub = FakeHub::start(Lie::None).await;
    loadtest(&hub, "race --guests 3 --rounds 30 --watchers 2 --nights 30").await.assert_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lie_is_caught() {
    let lies = [
        (Lie::SellsTwice, "won by guest"),
        (Lie::SkipsAnEvent, "gap: expected event"),
        (Lie::RepeatsAnEvent, "again or out of order"),
        (Lie::NamesTheWrongSeq, "when it did not become held"),
        (Lie::ForgetsTheKey, "hold, said twice"),
        (Lie::NeverTellsTheHost, "the host heard 0 times"),
        (Lie::ShowsAnotherCalendar, "the events make it"),
        (Lie::LosesBookings, "is gone"),
        (Lie::TellsWatchersDifferently, "two different events"),
    ];
    for (lie, what) in lies {
        let hub = FakeHub::start(lie).await;
        loadtest(&hub, "race --guests 8 --rounds 3 --watchers 3 --reconnect-s 3").await.assert_broken(what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_dies_and_comes_back_passes_and_its_records_are_checked_again() {
    let hub = FakeHub::start(Lie::None).await;
    let path = record_file("restart");
    let args = format!("race --guests 20 --rounds 60 --watchers 4 --check {}", path.display());
    let (outcome, ()) = tokio::join!(loadtest(&hub, &args), async {
        for _ in 0..4 {
            hub.until_next_booking().await;
            hub.kill().await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            hub.revive().await;
        }
    });
    outcome.assert_ok();
    assert!(!outcome.text.contains("reconnects          0"), "{}", outcome.text);

    let again = loadtest(&hub, &args).await;
    again.assert_ok();
    assert!(again.text.contains("race --check"), "{}", again.text);

    hub.forget_bookings();
    loadtest(&hub, &args).await.assert_broken("is gone");
    std::fs::remove_file(path).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_stays_dead_is_a_broken_run() {
    let hub = FakeHub::start(Lie::None).await;
    let args = "race --guests 5 --rounds 1000 --watchers 2 --nights 1 --reconnect-s 1";
    let (outcome, ()) = tokio::join!(loadtest(&hub, args), async {
        hub.until_next_booking().await;
        hub.kill().await;
    });
    outcome.assert_broken("gave up after 1 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_hub_is_not_loaded() {
    let outcome = loadtest_at("ws://192.0.2.1:1/ws", "race").await;
    assert_eq!((outcome.text.as_str(), outcome.code), ("", Some(2)));
}
