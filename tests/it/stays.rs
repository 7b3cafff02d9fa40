//! The life of a booking over real sockets: requests, alterations, arrivals, early departures, cancellations, payouts.

use latchkey_protocol::rest::{CreateProperty, GiveRefund, Page, ProposeAlteration, Visit, WithPassword};
use latchkey_protocol::view::{AlterationState, Booking, BookingState, Cancellation, Payment, PaymentState, Property, RefundTier};
use latchkey_protocol::{CancellationPolicy, ErrorCode};
use serde_json::json;

use crate::support::guest::PASSWORD;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::{Dates, Guest, Hub, eventually, fresh_key, nights, refused};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;

async fn home_on_request(host: &Guest) -> Property {
    list_as(host, &CreateProperty { instant_book: false, ..cottage() }).await
}

/// A hub whose today lasts for the next twelve hours, and a home where it is the same day.
async fn hub_and_home() -> (Hub, Guest, Guest, Property) {
    let hub = Hub::start().await;
    hub.advance_to_noon();
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_as(&host, &CreateProperty { time_zone: "UTC".to_owned(), ..cottage() }).await;
    (hub, host, ada, home)
}

/// A booking whose payment is authorised.
async fn paid(guest: &Guest, home: &Property, first: i32, count: i32) -> Booking {
    paid_for(guest, home, nights(first, count)).await
}

async fn paid_for(guest: &Guest, home: &Property, dates: Dates) -> Booking {
    let booking = guest.hold_and_book(home, dates).await;
    guest.pay(&booking, "pm_card_visa").await.unwrap();
    guest.booking(booking.id).await
}

async fn act(who: &Guest, booking: &Booking, what: &str) -> Booking {
    who.post(&format!("/bookings/{}/{what}/", booking.id), &json!({})).send().await.expect_json(200)
}

async fn status_of(who: &Guest, booking: &Booking, what: &str) -> u16 {
    who.post(&format!("/bookings/{}/{what}/", booking.id), &json!({})).send().await.status.as_u16()
}

#[tokio::test]
async fn a_request_sets_the_money_aside_and_the_hosts_yes_takes_it() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = home_on_request(&host).await;
    host.follow_inbox().await;
    let booking = paid(&ada, &home, 3, 2).await;
    assert_eq!((booking.state, booking.confirmed_at, booking.address.clone()), (BookingState::Requested, None, None));
    assert_eq!(ada.payment(booking.id).await.state, PaymentState::RequiresCapture);
    host.hears("booking.requested").await;

    let accepted = act(&host, &booking, "accept").await;
    assert_eq!(accepted.state, BookingState::Confirmed);
    let payment = ada.payment(booking.id).await;
    assert_eq!((payment.state, payment.captured_minor), (PaymentState::Succeeded, payment.amount_minor));
    assert_eq!(status_of(&host, &booking, "accept").await, 409, "answered once");
    assert_eq!(ada.booking(booking.id).await.address, home.address, "a confirmed guest finds the house");
    act(&ada, &booking, "cancel").await;
    assert_eq!(ada.booking(booking.id).await.address, None, "P8: whoever does not come need not know where the home is by then");
}

#[tokio::test]
async fn who_has_paid_nothing_is_promised_nothing_back() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(40, 2)).await;
    let terms = format!("/bookings/{}/cancellation/", booking.id);
    let told: Cancellation = ada.get(&terms).send().await.expect_json(200);
    assert_eq!((told.refund_minor, told.of_stay_minor, told.of_fee_minor, told.of_taxes_minor), (0, 0, 0, 0));
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    let told: Cancellation = ada.get(&terms).send().await.expect_json(200);
    assert_eq!(told.refund_minor, booking.quote.total_minor);
}

#[tokio::test]
async fn requests_that_wait_for_their_hosts_do_not_count_as_holds_also_after_a_restart() {
    let mut hub = Hub::with("--max-active-holds 1").await;
    let (host, mut ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = home_on_request(&host).await;
    assert_eq!(paid(&ada, &home, 3, 2).await.state, BookingState::Requested);
    hub.restart().await;
    ada.reconnect(hub.address).await;
    let held = ada.hold(&home, nights(6, 2)).await.unwrap();
    hub.restart().await;
    ada.reconnect(hub.address).await;
    refused(ada.hold(&home, nights(9, 2)).await, ErrorCode::HoldLimit);
    ada.release(&held).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_declined_withdrawn_or_not_answered_costs_nothing_and_frees_its_nights() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = home_on_request(&host).await;
    let declined = paid(&ada, &home, 3, 2).await;
    assert_eq!(act(&host, &declined, "decline").await.state, BookingState::Declined);
    let withdrawn = paid(&ada, &home, 6, 2).await;
    assert_eq!(act(&ada, &withdrawn, "cancel").await.state, BookingState::Withdrawn);
    let forgotten = paid(&ada, &home, 9, 2).await;
    hub.advance_s(DAY_S + 1);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let host = Guest::log_in(hub.address, &host.email).await;
    let expired = eventually("the request's end", || async {
        let booking = ada.booking(forgotten.id).await;
        (booking.state == BookingState::Expired).then_some(booking)
    });
    expired.await;
    for booking in [&declined, &withdrawn, &forgotten] {
        let payment = ada.payment(booking.id).await;
        assert_eq!((payment.state, payment.captured_minor), (PaymentState::Canceled, 0));
    }
    let bob = hub.guest("bob").await;
    for first in [3, 6, 9] {
        bob.hold(&home, nights(first, 2)).await.unwrap();
    }
    assert_eq!(status_of(&host, &forgotten, "accept").await, 410);
}

#[tokio::test]
async fn what_calling_off_gives_back_is_said_before_and_is_what_goes_back() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let strict = CreateProperty { cancellation_policy: CancellationPolicy::Strict, ..cottage() };
    let home = list_as(&host, &strict).await;
    let booking = paid(&ada, &home, 0, 2).await;
    hub.advance_s(2 * DAY_S);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let told: Cancellation = ada.get(&format!("/bookings/{}/cancellation/", booking.id)).send().await.expect_json(200);
    assert_eq!((told.policy, told.tier), (CancellationPolicy::Strict, RefundTier::HalfOfTheNights));
    assert!(told.refund_minor > 0 && told.refund_minor < booking.quote.total_minor);
    assert_eq!(told.refund_minor, told.of_stay_minor + told.of_fee_minor + told.of_taxes_minor);

    // The policy is frozen: what the host changes later is for later bookings.
    let host = Guest::log_in(hub.address, &host.email).await;
    let change = host.rest.request(http::Method::PATCH, &format!("/properties/{}/", home.id)).bearer(&host.tokens.access_token);
    let change = change.header(http::header::IF_MATCH, "*").json(&json!({"cancellation_policy": "flexible"}));
    let home: Property = change.send().await.expect_json(200);
    assert_eq!(home.cancellation_policy, CancellationPolicy::Flexible);

    act(&ada, &booking, "cancel").await;
    let back = eventually("the refund", || async {
        let payment = ada.payment(booking.id).await;
        (payment.refunded_minor > 0).then_some(payment)
    });
    assert_eq!(back.await.refunded_minor, told.refund_minor);
    let over = ada.get(&format!("/bookings/{}/cancellation/", booking.id)).send().await;
    assert_eq!(over.status, 409, "called off once");
}

#[tokio::test]
async fn a_guest_arrives_leaves_early_and_the_rest_of_the_nights_returns_to_sale() {
    let (hub, host, ada, home) = hub_and_home().await;
    let later = paid(&ada, &home, 5, 2).await;
    assert_eq!(status_of(&ada, &later, "check-in").await, 409, "not before the day");
    let booking = paid_for(&ada, &home, hub.nights_from_today(0, 5)).await;
    assert_eq!(status_of(&host, &booking, "no-show").await, 409, "not before the day after");
    let arrival = Visit { note: Some("The key was where you said.".to_owned()) };
    let path = format!("/bookings/{}/check-in/", booking.id);
    let arrived: Booking = ada.post(&path, &arrival).send().await.expect_json(200);
    assert_eq!((arrived.state, arrived.check_in_note), (BookingState::CheckedIn, None), "notes are not kept with answers");
    assert_eq!(host.booking(booking.id).await.check_in_note, arrival.note);
    assert_eq!(status_of(&ada, &booking, "check-out").await, 409, "that is leaving early");
    assert_eq!(status_of(&host, &booking, "early-departure").await, 403);

    hub.advance_s(2 * DAY_S);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let told: Cancellation = ada.get(&format!("/bookings/{}/cancellation/", booking.id)).send().await.expect_json(200);
    assert_eq!(told.tier, RefundTier::UnspentNights);
    let left = act(&ada, &booking, "early-departure").await;
    assert_eq!(left.state, BookingState::Completed);
    assert!(left.left_on.is_some());
    let payment = eventually("the refund", || async {
        let payment = ada.payment(booking.id).await;
        (payment.refunded_minor == told.refund_minor).then_some(payment)
    });
    assert_eq!(payment.await.refund_due_minor, told.refund_minor);
    let bob = hub.guest("bob").await;
    bob.hold(&home, hub.nights_from_today(1, 2)).await.unwrap();
}

#[tokio::test]
async fn what_an_erased_guest_wrote_on_arriving_goes_and_the_hosts_word_stays() {
    let (hub, host, ada, home) = hub_and_home().await;
    let booking = paid_for(&ada, &home, hub.nights_from_today(0, 1)).await;
    let say = async |who: &Guest, step: &str, text: &str| {
        let note = Visit { note: Some(text.to_owned()) };
        who.post(&format!("/bookings/{}/{step}/", booking.id), &note).send().await.expect_json::<Booking>(200);
    };
    say(&ada, "check-in", "Call me at 0123.").await;
    // The day of departure, before the stay ends by itself.
    hub.advance_s(14 * HOUR_S);
    let (host, ada) = (Guest::log_in(hub.address, &host.email).await, Guest::log_in(hub.address, &ada.email).await);
    say(&host, "check-out", "They left a scarf.").await;
    let erased = ada.post("/users/me/erase/", &WithPassword { password: PASSWORD.to_owned() }).send().await;
    assert_eq!(erased.status, 204, "{}", erased.text());
    let left = eventually("the note to go", || async {
        let booking = host.booking(booking.id).await;
        booking.check_in_note.is_none().then_some(booking)
    });
    assert_eq!(left.await.check_out_note.as_deref(), Some("They left a scarf."));
}

#[tokio::test]
async fn a_host_is_paid_a_day_after_arrival_and_the_stay_ends_by_itself() {
    let (hub, host, ada, home) = hub_and_home().await;
    let booking = paid_for(&ada, &home, hub.nights_from_today(0, 3)).await;
    let payout = host.booking(booking.id).await.payout.unwrap();
    assert_eq!((payout.paid_minor, payout.pending_minor), (0, 0));
    assert_eq!(ada.booking(booking.id).await.payout, None, "the host's alone");

    hub.advance_s(2 * DAY_S);
    let host = Guest::log_in(hub.address, &host.email).await;
    let paid_out = eventually("the payout", || async {
        let payout = host.booking(booking.id).await.payout.unwrap();
        (payout.paid_minor > 0).then_some(payout)
    });
    assert_eq!(paid_out.await.paid_minor, payout.share_minor);
    hub.advance_s(2 * DAY_S);
    let host = Guest::log_in(hub.address, &host.email).await;
    let over = eventually("the end of the stay", || async {
        let booking = host.booking(booking.id).await;
        (booking.state == BookingState::Completed).then_some(booking)
    });
    over.await;

    // What the host gives back afterwards is taken back from the payout.
    let gift = GiveRefund { amount_minor: Some(1_000) };
    let given: Payment = host.post(&format!("/payments/{}/refunds/", booking.payment), &gift).send().await.expect_json(200);
    assert_eq!(given.refund_due_minor, 1_000);
    let after = eventually("the money's return", || async {
        let payout = host.booking(booking.id).await.payout.unwrap();
        (payout.paid_minor < payout.share_minor + 1_000 && payout.pending_minor == 0).then_some(payout)
    });
    assert_eq!(after.await.paid_minor, payout.share_minor - 1_000);
    let too_much = GiveRefund { amount_minor: Some(10_000_000) };
    assert_eq!(host.post(&format!("/payments/{}/refunds/", booking.payment), &too_much).send().await.status, 409);
}

#[tokio::test]
async fn an_alteration_that_costs_more_changes_nights_and_price_when_it_is_paid() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = paid(&ada, &home, 10, 2).await;
    let ask = ProposeAlteration { check_in: Some(nights(11, 1).check_in), check_out: Some(nights(11, 4).check_out), guests: None };
    let path = format!("/bookings/{}/alterations/", booking.id);
    let proposed: Booking = ada.post(&path, &ask).send().await.expect_json(200);
    let alteration = proposed.alteration.unwrap();
    assert_eq!((alteration.number, alteration.state), (1, AlterationState::Proposed));
    assert_eq!(ada.post(&path, &ask).send().await.status, 409, "one at a time");
    let answer = format!("{path}1/accept/");
    assert_eq!(ada.post(&answer, &json!({})).send().await.status, 403, "not by whoever proposed it");
    let accepted: Booking = host.post(&answer, &json!({})).send().await.expect_json(200);
    let waiting = accepted.alteration.unwrap();
    assert_eq!((waiting.state, accepted.check_in), (AlterationState::AwaitingPayment, booking.check_in), "nothing changes before");

    let difference = ada.pay(&booking, "pm_card_visa").await.unwrap();
    assert_eq!((Some(difference.id), difference.captured_minor), (waiting.payment, alteration.difference_minor));
    let altered = ada.booking(booking.id).await;
    assert_eq!((altered.check_in, altered.check_out), (alteration.quote.check_in, alteration.quote.check_out));
    assert_eq!((altered.quote.total_minor, altered.alteration), (alteration.quote.total_minor, None));
    let payments: Page<Payment> = ada.get(&format!("/payments/?booking={}", booking.id)).send().await.expect_json(200);
    assert_eq!(payments.items.iter().map(|payment| payment.captured_minor).sum::<i64>(), altered.quote.total_minor);
    let bob = hub.guest("bob").await;
    bob.hold(&home, nights(10, 1)).await.unwrap();
    refused(bob.hold(&home, nights(14, 1)).await, ErrorCode::DatesUnavailable);
}

#[tokio::test]
async fn an_alteration_whose_nights_somebody_else_took_changes_nothing_and_its_money_goes_back() {
    let hub = Hub::start().await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    let booking = paid(&ada, &home, 10, 2).await;
    let ask = ProposeAlteration { check_out: Some(nights(10, 4).check_out), ..ProposeAlteration::default() };
    let path = format!("/bookings/{}/alterations/", booking.id);
    host.post(&path, &ask).send().await.expect_json::<Booking>(200);
    ada.post(&format!("{path}1/accept/"), &json!({})).send().await.expect_json::<Booking>(200);
    paid(&bob, &home, 13, 1).await;
    let late = ada.pay(&booking, "pm_card_visa").await.unwrap();
    let gone_back = eventually("the refund", || async {
        let payments: Page<Payment> = ada.get(&format!("/payments/?booking={}", booking.id)).send().await.expect_json(200);
        let further = payments.items.into_iter().find(|payment| payment.id == late.id)?;
        (further.refunded_minor == further.captured_minor).then_some(further)
    });
    assert!(gone_back.await.captured_minor > 0);
    let kept = ada.booking(booking.id).await;
    assert_eq!((kept.check_out, kept.alteration, kept.quote), (booking.check_out, None, booking.quote.clone()));
}

#[tokio::test]
async fn a_cheaper_alteration_is_applied_at_once_and_the_difference_goes_back() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = paid(&ada, &home, 10, 4).await;
    let path = format!("/bookings/{}/alterations/", booking.id);
    let ask = ProposeAlteration { check_out: Some(nights(10, 2).check_out), ..ProposeAlteration::default() };
    let key = fresh_key();
    let propose = || ada.rest.post(&path).bearer(&ada.tokens.access_token).key(&key).json(&ask).send();
    let proposed: Booking = propose().await.expect_json(200);
    let altered: Booking = host.post(&format!("{path}1/accept/"), &json!({})).send().await.expect_json(200);
    assert_eq!((altered.check_out, altered.alteration), (nights(10, 2).check_out, None));
    assert_eq!(propose().await.expect_json::<Booking>(200), proposed, "P7: although nothing would change by now");
    let payment = eventually("the difference", || async {
        let payment = ada.payment(booking.id).await;
        (payment.refunded_minor > 0).then_some(payment)
    });
    assert_eq!(payment.await.refunded_minor, booking.quote.total_minor - altered.quote.total_minor);
    for what in ["decline", "withdraw", "accept"] {
        let answer = ada.post(&format!("{path}1/{what}/"), &json!({})).send().await;
        assert_eq!(answer.status, 404, "{what}: it is no more");
    }
}

#[tokio::test]
async fn lists_of_bookings_are_filtered_by_side_state_home_and_dates() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let (home, other) = (list_home(&host).await, list_home(&ada).await);
    let confirmed = paid(&ada, &home, 2, 2).await;
    let waiting = ada.hold_and_book(&home, nights(6, 2)).await;
    let hosted = paid(&host, &other, 2, 2).await;
    let rows = [
        (String::new(), vec![hosted.id, waiting.id, confirmed.id]),
        ("side=guest".to_owned(), vec![waiting.id, confirmed.id]),
        ("side=host".to_owned(), vec![hosted.id]),
        ("state=confirmed".to_owned(), vec![hosted.id, confirmed.id]),
        (format!("property={}", home.id), vec![waiting.id, confirmed.id]),
        (format!("side=guest&from={}", nights(5, 1).check_in), vec![waiting.id]),
        (format!("side=guest&to={}", nights(5, 1).check_in), vec![confirmed.id]),
        ("side=host&state=pending_payment".to_owned(), vec![]),
    ];
    for (query, expected) in rows {
        let page: Page<Booking> = ada.get(&format!("/bookings/?{query}")).send().await.expect_json(200);
        assert_eq!(page.items.iter().map(|booking| booking.id).collect::<Vec<_>>(), expected, "{query}");
    }
    let first: Page<Booking> = ada.get("/bookings/?side=guest&limit=1").send().await.expect_json(200);
    let next = format!("/bookings/?side=guest&limit=1&cursor={}", first.next.unwrap());
    let second: Page<Booking> = ada.get(&next).send().await.expect_json(200);
    assert_eq!((first.items[0].id, second.items[0].id, second.next), (waiting.id, confirmed.id, None));
}
