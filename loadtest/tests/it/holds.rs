//! `loadtest holds` against an honest hub and one that limits holds.

use crate::fake_hub::{FakeHub, Lie};
use crate::loadtest;

const SMALL: &str = "holds --connections 4 --properties 3 --seconds 1 --in-flight 4";

#[tokio::test(flavor = "multi_thread")]
async fn holds_are_counted_until_time_or_supply_ends() {
    let hub = FakeHub::start(Lie::None).await;
    let outcome = loadtest(&hub, SMALL).await;
    outcome.assert_ok();
    assert!(outcome.text.contains("holds per second"), "{}", outcome.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_limit_ends_with_a_hint() {
    let hub = FakeHub::start(Lie::LimitsHolds).await;
    loadtest(&hub, SMALL).await.assert_broken("LATCHKEY_MAX_ACTIVE_HOLDS");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_free_nights_is_broken() {
    let hub = FakeHub::start(Lie::RefusesFreeNights).await;
    loadtest(&hub, SMALL).await.assert_broken("dates_unavailable");
}
