//! The whole path of a booking, as guest, host and anonymous watcher live it.

use latchkey::clock::{Clock as _, SystemClock};
use latchkey_protocol::Topic;
use latchkey_protocol::view::{BookingState, HoldState, NightState, PaymentState, QuoteLineKind};

use crate::support::hub::list_home;
use crate::support::socket::Client;
use crate::support::watcher::assert_gapless;
use crate::support::{Guest, Hub, HubProcess, nights};

/// How often each type occurs in an inbox that is followed from its beginning; panics at a gap.
fn tally(guest: &Guest) -> Vec<(String, usize)> {
    assert_gapless(&guest.live.events(guest.inbox()), 0);
    let mut kinds = guest.heard();
    kinds.sort_unstable();
    let mut tally: Vec<(String, usize)> = Vec::new();
    for kind in kinds {
        match tally.last_mut() {
            Some((last, count)) if *last == kind => *count += 1,
            _ => tally.push((kind, 1)),
        }
    }
    tally
}

fn counts(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    expected.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

#[tokio::test]
async fn a_guest_quotes_holds_books_and_pays_while_the_host_and_a_watcher_see_it_happen() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    assert_eq!(watcher.first.seq, 1, "the topic begins with its listing");
    host.follow_inbox().await;
    ada.follow_inbox().await;

    let dates = nights(0, 3);
    let quote = ada.quote(&home, dates).await.unwrap();
    let lines: Vec<_> = quote.lines.iter().map(|line| (line.kind, line.amount_minor)).collect();
    assert_eq!(lines, [(QuoteLineKind::Nights, 30_000), (QuoteLineKind::Cleaning, 3_000)]);
    assert_eq!((quote.total_minor, quote.currency.as_str()), (33_000, "EUR"));

    let hold = ada.hold(&home, dates).await.unwrap();
    assert_eq!((hold.state, hold.seq), (HoldState::Active, 2));
    let held = watcher.change(2).await;
    assert_eq!((held.from, held.to, held.state), (dates.check_in, dates.check_out, NightState::Held));

    let booking = ada.book(&hold).await.unwrap();
    assert_eq!((booking.id, booking.state, booking.quote.total_minor), (hold.id, BookingState::PendingPayment, 33_000));
    ada.live.subscribe(Topic::Booking(booking.id)).await.unwrap();
    let payment = ada.pay(&booking, "pm_card_visa").await.unwrap();
    assert_eq!((payment.state, payment.captured_minor), (PaymentState::Succeeded, 33_000));
    for party in [&ada, &host] {
        party.hears("booking.confirmed").await;
    }
    ada.live.event_of(Topic::Booking(booking.id), "booking.confirmed").await;
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Confirmed);

    let last = watcher.client.events(watcher.topic).last().unwrap().seq;
    assert!(watcher.taken_at(last.max(4)).await.iter().all(|(_, state)| *state == NightState::Booked));
    // Set aside, and taken.
    hub.webhooks_taken(2).await;
    ada.live.ping().await;
    host.live.ping().await;
    let once = [("booking.confirmed", 1), ("booking.created", 1), ("notification.created", 1), ("payment.succeeded", 1)];
    assert_eq!(tally(&host), counts(&once));
    let mut once = counts(&once);
    // The method is being tried; the money is set aside.
    once.push(("payment.updated".to_owned(), 2));
    once.sort_unstable();
    let mut seen = tally(&ada);
    seen.sort_unstable();
    assert_eq!(seen, once);
}

#[tokio::test]
async fn a_demo_may_be_ahead_of_its_time_and_nothing_else_may() {
    let data = tempfile::tempdir().unwrap();
    let refusal = HubProcess::refused(data.path(), "--demo-hours-ahead 48").await;
    assert!(!refusal.status.success() && refusal.said.contains("--demo"), "{}", refusal.said);
    let hub = HubProcess::start(data.path(), "--demo --demo-hours-ahead 48").await;
    let ahead_ms = Client::open(hub.address).await.hello.now - SystemClock.now();
    assert!((47 * 3_600_000..=48 * 3_600_000).contains(&ahead_ms), "{ahead_ms}");
}
