//! P6: a claim is a lease. What runs out is over for everyone at the same instant, and everyone hears of it.

use latchkey_protocol::view::{BookingState, HoldState, NightState, PaymentState};
use latchkey_protocol::{ErrorCode, Topic};

use crate::support::hub::list_home;
use crate::support::watcher::{assert_gapless, typed};
use crate::support::{Hub, nights, refused};

#[tokio::test]
async fn p6_a_hold_left_alone_expires_and_its_guest_and_every_watcher_hear_of_it() {
    let hub = Hub::start().await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    ada.follow_inbox().await;
    host.follow_inbox().await;
    let hold = ada.hold(&home, nights(0, 3)).await.unwrap();
    hub.advance_s(20);
    let expired = ada.hears("hold.expired").await;
    assert_eq!(expired.data["hold"], serde_json::json!(hold.id));
    let freed = watcher.change(3).await;
    assert_eq!((freed.from, freed.to, freed.state), (hold.check_in, hold.check_out, NightState::Free));
    let stored = ada.get(&format!("/holds/{}/?property={}", hold.id, home.id)).send().await;
    assert_eq!(stored.expect_json::<latchkey_protocol::view::Hold>(200).state, HoldState::Expired);
    bob.hold(&home, nights(0, 3)).await.unwrap();
    host.live.ping().await;
    assert!(host.heard().is_empty(), "hosts are not told of mere holds: {:?}", host.heard());
}

#[tokio::test]
async fn p6_at_its_deadline_a_hold_is_over_for_its_guest_and_free_for_the_next_before_any_timer() {
    let hub = Hub::start().await;
    let (ada, bob) = (hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&ada).await;
    let first = ada.hold(&home, nights(0, 2)).await.unwrap();
    let second = ada.hold(&home, nights(5, 2)).await.unwrap();
    hub.advance_s(20);
    // Bob does not wait for the timer: his decision ends Ada's lease.
    let taken = bob.hold(&home, nights(0, 2)).await.unwrap();
    assert!(taken.seq > second.seq);
    for over in [&first, &second] {
        refused(ada.book(over).await, ErrorCode::Expired);
        refused(ada.extend(over).await, ErrorCode::Expired);
        refused(ada.release(over).await, ErrorCode::Expired);
    }
}

#[tokio::test]
async fn p6_a_hold_can_be_extended_but_not_for_ever() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let watcher = hub.watcher(&home).await;
    let mut hold = ada.hold(&home, nights(0, 2)).await.unwrap();
    let longest = hold.expires_at + 40_000;
    for _ in 0..3 {
        hub.advance_s(15);
        ada.live.ping().await;
        let longer = ada.extend(&hold).await.unwrap();
        assert!(longer.expires_at > hold.expires_at && longer.expires_at <= longest, "{longer:?}");
        hold = longer;
    }
    assert_eq!(hold.expires_at, longest);
    refused(ada.extend(&hold).await, ErrorCode::InvalidState);
    hub.advance_s(20);
    let last = watcher.change(hold.seq + 1).await;
    assert_eq!(last.state, NightState::Free);
}

#[tokio::test]
async fn p6_an_unpaid_booking_expires_for_both_parties_and_cannot_be_paid_any_more() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let watcher = hub.watcher(&home).await;
    ada.follow_inbox().await;
    host.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 3)).await;
    assert_eq!(booking.expires_at.map(|at| at > hub.now()), Some(true));
    hub.advance_s(20);
    for (party, notified) in [(&ada, &["notification.created"][..]), (&host, &[])] {
        party.hears("booking.expired").await;
        party.live.ping().await;
        assert_gapless(&party.live.events(party.inbox()), 0);
        assert_eq!(party.heard(), [&["booking.created", "booking.expired"], notified].concat());
    }
    refused(ada.pay(&booking, "pm_card_visa").await, ErrorCode::Expired);
    refused(ada.cancel(&booking).await, ErrorCode::Expired);
    let ended = ada.booking(booking.id).await;
    assert_eq!((ended.state, ended.expires_at), (BookingState::Expired, None));
    assert_eq!(ada.payment(booking.id).await.state, PaymentState::Canceled);
    let head = watcher.client.subscribe(watcher.topic).await.unwrap().seq;
    assert!(watcher.taken_at(head).await.is_empty(), "its nights are free again");
}

#[tokio::test]
async fn p6_money_that_comes_after_the_deadline_confirms_nothing_and_is_refunded_and_says_so() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    host.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 3)).await;
    ada.live.subscribe(Topic::Booking(booking.id)).await.unwrap();
    let payment = ada.pay(&booking, "pm_card_settles_late").await.unwrap();
    assert_eq!((payment.state, payment.captured_minor), (PaymentState::Processing, 0));
    hub.advance_s(21);
    // Charged, settled late, refunded: three webhooks.
    hub.webhooks_taken(3).await;
    for party in [&ada, &host] {
        party.live.ping().await;
        assert_gapless(&party.live.events(party.inbox()), 0);
        let heard = party.heard();
        for kind in ["booking.expired", "payment.succeeded", "payment.refunded"] {
            assert!(heard.iter().any(|heard| heard == kind), "{kind} of {heard:?}");
        }
        assert!(!heard.iter().any(|kind| kind == "booking.confirmed"), "{heard:?}");
    }
    let last = ada.live.events(Topic::Booking(booking.id)).pop().unwrap();
    let latchkey_protocol::event::Event::PaymentRefunded(notice) = typed(&last) else { panic!("{last:?}") };
    assert_eq!((notice.captured_minor, notice.refunded_minor), (33_000, 33_000));
    let payment = ada.payment(booking.id).await;
    assert_eq!((payment.captured_minor, payment.refunded_minor), (33_000, 33_000));
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Expired);
    ada.hold(&home, nights(0, 3)).await.unwrap();
}

#[tokio::test]
async fn p6_leases_that_ran_out_while_the_hub_was_down_end_when_it_is_back() {
    let mut hub = Hub::start().await;
    let (host, mut ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    let hold = ada.hold(&home, nights(0, 3)).await.unwrap();
    let booking = ada.hold_and_book(&home, nights(10, 3)).await;
    hub.stop().await;
    hub.advance_s(60);
    hub.restart().await;
    ada.reconnect(hub.address).await;
    let epoch = ada.live.hello.epoch.clone();
    ada.live.resume(&epoch, [(ada.inbox(), 0)]).await;
    assert_eq!(ada.hears("hold.expired").await.data["hold"], serde_json::json!(hold.id));
    assert_eq!(ada.hears("booking.expired").await.data["booking"], serde_json::json!(booking.id));
    assert_gapless(&ada.live.events(ada.inbox()), 0);
    ada.hold(&home, nights(0, 13)).await.unwrap();
}
