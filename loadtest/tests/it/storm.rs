//! `loadtest storm` and `loadtest neighbour`.

use crate::fake_hub::{FakeHub, Lie};
use crate::loadtest;

const STORM: &str = "storm --clients 60 --users 5 --properties 3 --writers 2 --rate 60 --outage-ms 300 --jitter-ms 100 --sources 7";

#[tokio::test(flavor = "multi_thread")]
async fn everybody_comes_back_and_is_told_what_they_missed() {
    let hub = FakeHub::start(Lie::None).await;
    let args = format!("{STORM} --anonymous-percent 30 --pid {}", std::process::id());
    let outcome = loadtest(&hub, &args).await;
    outcome.assert_ok();
    let said = outcome.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for fact in ["reconnects 60 ", "lost to current 60 ", "resets 0 ", "goal: a read for 10 clients met"] {
        assert!(said.contains(fact), "{fact}: {}", outcome.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_forgets_what_was_missed_is_caught() {
    let hub = FakeHub::start(Lie::ForgetsWhatWasMissed).await;
    loadtest(&hub, STORM).await.assert_broken("had been acknowledged before");
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_measured_alone_and_beside_others() {
    let hub = FakeHub::start(Lie::None).await;
    let outcome = loadtest(&hub, "neighbour --watchers 5 --neighbours 8 --slow-bytes 10 --events 30 --rate 200 --rounds 1").await;
    outcome.assert_ok();
    assert!(outcome.text.contains("p99 beside slow ones / alone"), "{}", outcome.text);
}
