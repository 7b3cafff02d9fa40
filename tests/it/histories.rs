//! Random histories: many people do everything that people do, and nothing that was promised ever breaks (P1, P3, P4, P6, P7, P8, P9).
//!
//! A seed draws each step among what a naive model knows; every answer is compared with that model. `LATCHKEY_SEED` replays a history,
//! `LATCHKEY_HISTORY_STEPS` makes it longer. Once through the services with a clock that is moved, once over REST with the hub killed in the
//! middle of steps.

mod ask;
mod books;
mod door;
mod draw;
mod model;
mod run;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use latchkey::clock::{Clock, SystemClock};
use latchkey_protocol::view::{Booking, BookingState};

use self::ask::Ask;
use self::books::Books;
use self::door::Door;
use self::model::is_live;
use self::run::{History, assert_same};
use crate::support::{Hub, HubProcess, fresh_key};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Steps between comparisons of everything.
const CHECK_EVERY: usize = 50;

/// Steps between kills.
const KILL_EVERY: usize = 40;

/// How many steps a history has.
fn steps(usual: usize) -> usize {
    std::env::var("LATCHKEY_HISTORY_STEPS").map_or(usual, |steps| steps.parse().expect("LATCHKEY_HISTORY_STEPS is a number"))
}

/// Lets time pass: minutes mostly, now and then days.
fn advance(hub: &Hub, history: &mut History) {
    let ms = match history.seed.below(10) {
        0..4 => MINUTE_MS * i64::from(1 + history.seed.below(20)),
        4..8 => HOUR_MS * i64::from(1 + history.seed.below(8)),
        8 => DAY_MS,
        _ => DAY_MS * i64::from(1 + history.seed.below(3)),
    };
    hub.clock.advance_ms(ms);
    history.note(format_args!("{} minutes later", ms / MINUTE_MS));
    if ms > 2 * HOUR_MS {
        history.forget_keys();
    }
}

/// Stops the hub, looks at what is stored, and starts it again.
async fn restart(hub: &mut Hub, history: &mut History) {
    history.note("the hub stops and starts again");
    hub.stop().await;
    Books::open(&hub.data()).await.assert_hold(&history.model);
    hub.restart().await;
    history.door = Door::Services(hub.services());
}

/// Lets every stay end and all money come to where it belongs.
async fn settle(hub: &Hub, history: &mut History) {
    let mut waiting = Vec::new();
    for _ in 0..12 {
        hub.clock.advance_ms(5 * DAY_MS);
        history.check_all().await;
        waiting.clear();
        for booking in history.model.bookings.clone().into_values() {
            if let Some(why) = unsettled(history, &booking).await {
                waiting.push(why);
            }
        }
        if waiting.is_empty() {
            return;
        }
        // The runner of jobs looks at its table every second.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("P9: money never came to where it belongs: {waiting:#?}");
}

/// What a booking waits for: its end, what is owed back, or its host's share.
async fn unsettled(history: &mut History, booking: &Booking) -> Option<String> {
    history.say(booking.guest, Ask::Payments(booking.id)).await.unwrap();
    let told = history.say(booking.host, Ask::FindBooking(booking.id)).await.unwrap();
    let payout = &told["payout"];
    let mut payments = history.model.payments.values().filter(|payment| payment.booking == booking.id);
    let is_paid = payout.is_null() || (payout["pending_minor"] == 0 && payout["paid_minor"] == payout["share_minor"]);
    let is_even = payments.clone().all(|payment| payment.refund_due_minor == payment.refunded_minor);
    let is_settled = is_paid && is_even && !is_live(booking.state);
    (!is_settled).then(|| format!("{} {:?}, {payout}, {:?}", booking.id, booking.state, payments.next()))
}

#[tokio::test]
async fn whatever_people_do_through_the_services_no_promise_breaks() {
    let options = "--hold-seconds 600 --payment-seconds 900 --max-active-holds 1000 --retention-days 3650 --service-fee-bp 1000";
    let mut hub = Hub::with(options).await;
    let clock = Arc::clone(&hub.clock) as Arc<dyn Clock>;
    let mut history = Box::pin(History::begin(Door::Services(hub.services()), hub.address, clock)).await;
    let steps = steps(1_000);
    for step in 1..=steps {
        if history.seed.below(15) == 0 {
            advance(&hub, &mut history);
        }
        Box::pin(history.step()).await;
        if step % CHECK_EVERY == 0 {
            println!("step {step}");
            Box::pin(history.check_all()).await;
        }
        if step % 500 == 0 && step < steps {
            Box::pin(restart(&mut hub, &mut history)).await;
        }
    }
    Box::pin(settle(&hub, &mut history)).await;
    hub.stop().await;
    let books = Books::open(&hub.data()).await;
    books.assert_hold(&history.model);
    books.assert_closed(&history.model);
    tell(&history, steps);
}

#[tokio::test]
async fn whatever_people_do_over_rest_a_killed_hub_keeps_what_it_acknowledged() {
    let options = "--hold-seconds 20 --payment-seconds 30 --max-active-holds 1000 --service-fee-bp 1000 \
                   --requests-per-user 1000000 --requests-per-address 1000000";
    let data = tempfile::tempdir().unwrap();
    let mut hub = HubProcess::start(data.path(), options).await;
    let door = Door::Rest(Box::new(hub.rest.clone()));
    let mut history = Box::pin(History::begin(door, hub.address, Arc::new(SystemClock))).await;
    let steps = steps(500);
    for step in 1..=steps {
        if step % KILL_EVERY != 0 {
            Box::pin(history.step()).await;
            continue;
        }
        let (who, ask) = loop {
            let (who, ask) = history.draw();
            if ask.is_keyed() {
                break (who, ask);
            }
        };
        history.note(format_args!("killed during {ask:?}"));
        let (key, asked_at) = (fresh_key(), SystemClock.now());
        let (told, ()) = join(history.ask(who, &key, &ask), hub.kill()).await;
        Books::open(data.path()).await.assert_hold(&history.model);
        hub = HubProcess::start(data.path(), options).await;
        history.door = Door::Rest(Box::new(hub.rest.clone()));
        let again = history.ask(who, &key, &ask).await.expect("the connection holds");
        if let Some(Ok(first)) = &told {
            assert_same(&ask, first, &again);
        }
        Box::pin(history.take(who, key, ask, again, asked_at)).await;
        Box::pin(history.check_all()).await;
    }
    hub.kill().await;
    Books::open(data.path()).await.assert_hold(&history.model);
    tell(&history, steps);
}

/// A history in which nothing happens proves nothing.
fn tell(history: &History, steps: usize) {
    let bookings = &history.model.bookings;
    let confirmed = bookings.values().filter(|booking| booking.confirmed_at.is_some()).count();
    let completed = bookings.values().filter(|booking| booking.state == BookingState::Completed).count();
    println!(
        "{steps} steps: {} asks done, {} bookings, {confirmed} confirmed, {completed} completed, {} reviews, {} blocks",
        history.successes,
        bookings.len(),
        history.model.reviews.len(),
        history.model.blocks.len(),
    );
    assert!(confirmed * 100 >= steps, "hardly anybody booked anything");
}
