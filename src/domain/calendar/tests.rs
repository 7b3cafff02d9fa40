//! Rows of cases for each rule; random histories are in `history`.

mod alter;
mod history;
mod host;
mod payouts;
mod reviews;
mod talk;
mod visit;

use jiff::tz::TimeZone;
use latchkey_protocol::{ClaimId, Date, PaymentId, PropertyId, Topic, UserId};

use super::*;
use crate::domain::booking::BookingState;
use crate::domain::change::{Decision, TopicEvent};
use crate::domain::error::Rule;
use crate::domain::event::Event;
use crate::domain::hold::HoldState;
use crate::domain::listing::Description;
use crate::domain::payment::{AttemptResult, PaymentState, Report};
use crate::domain::place::Location;
use crate::domain::pricing::Rates;
use crate::domain::terms::Terms;
use crate::domain::time::DAY_MS;

const START: Timestamp = Timestamp::from_epoch_ms(1_790_000_000_000);
const HOST: UserId = UserId::from_bytes([9; 16]);

fn listing() -> Listing {
    let rates = Rates { cleaning_fee_minor: 3_000, ..Rates::nightly(12_000) };
    let mut terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, rates);
    terms.rules.max_nights = 30;
    let mut description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
    description.location = Some(Location::from_degrees(48.2, 16.37).unwrap());
    Listing::new(PropertyId::from_bytes([7; 16]), HOST, description, terms, START).publish().unwrap()
}

fn calendar() -> Calendar {
    Calendar::restore(listing(), Leases::default(), 1, vec![], vec![])
}

fn guest(number: u8) -> UserId {
    UserId::from_bytes([number; 16])
}

fn claim_no(number: u8) -> ClaimId {
    ClaimId::from_bytes([number; 16])
}

fn payment_no(number: u8) -> PaymentId {
    PaymentId::from_bytes([number; 16])
}

/// Nights `first` to `first + count` days from the start.
fn stay(first: i32, count: i32) -> Stay {
    let today = listing().today(START);
    Stay::new(today.saturating_add(first), today.saturating_add(first + count)).unwrap()
}

fn ask(number: u8, first: i32, count: i32) -> HoldDates {
    HoldDates { claim: claim_no(number), guest: guest(number), stay: stay(first, count), guests: 2 }
}

fn commit<T>(calendar: &mut Calendar, decision: Decision<T>) -> T {
    calendar.apply(&decision.changes);
    decision.outcome
}

fn kinds(events: &[TopicEvent]) -> Vec<(&'static str, Option<u64>)> {
    events
        .iter()
        .map(|event| {
            let topic = match event.topic {
                Topic::Property(_) => "property",
                Topic::User(user) if user == HOST => "host",
                Topic::User(_) => "guest",
                Topic::Booking(_) => "booking",
            };
            (topic, event.seq)
        })
        .collect()
}

#[test]
fn p5_a_loser_is_told_the_first_taken_night_and_the_event_that_took_it() {
    let mut calendar = calendar();
    let decision = calendar.hold(&ask(1, 5, 3), START).unwrap();
    let (_, seq) = commit(&mut calendar, decision);
    let refusal = calendar.hold(&ask(2, 4, 3), START).unwrap_err();
    let today = listing().today(START);
    assert_eq!(refusal, Refusal::DatesUnavailable { from: today.saturating_add(5), seq, others_only: true });
}

#[test]
fn a_stay_that_breaks_a_rule_is_refused_with_the_rule() {
    let calendar = calendar();
    let rows = [
        (stay(-1, 1), 2, Rule::NotInThePast),
        (stay(729, 2), 2, Rule::BookingWindow),
        (stay(3, 31), 2, Rule::MaxNights),
        (stay(3, 2), 5, Rule::MaxGuests),
    ];
    for (stay, guests, expected) in rows {
        let refusal = calendar.hold(&HoldDates { stay, guests, ..ask(1, 0, 1) }, START).unwrap_err();
        assert!(matches!(refusal, Refusal::RuleViolated { rule, .. } if rule == expected), "{stay:?} {refusal:?}");
    }
}

#[test]
fn the_past_is_what_the_propertys_own_clock_says() {
    // 2026-09-21T13:33:20Z is already the 22nd on Kiritimati.
    let mut listing = listing();
    listing.terms.time_zone = TimeZone::get("Pacific/Kiritimati").unwrap();
    assert_eq!(listing.today(START).to_string(), "2026-09-22");
    listing.terms.time_zone = TimeZone::get("Europe/Vienna").unwrap();
    assert_eq!(listing.today(START).to_string(), "2026-09-21");
}

#[test]
fn a_quote_is_the_sum_of_its_lines() {
    let quote = calendar().quote(stay(1, 3), 2, START).unwrap();
    assert_eq!((quote.total.minor, quote.lines.len()), (39_000, 2));
    assert_eq!(quote.lines.iter().map(|line| line.amount.minor).sum::<i64>(), quote.total.minor);
}

#[test]
fn p6_an_overdue_hold_is_gone_at_its_deadline_and_its_end_is_an_event() {
    let mut calendar = calendar();
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let deadline = START.plus_ms(Leases::default().hold_ms);
    assert!(matches!(calendar.hold(&ask(2, 5, 2), deadline.plus_ms(-1)), Err(Refusal::DatesUnavailable { .. })));
    let book = BookHold { claim: claim_no(1), guest: guest(1), payment: payment_no(1), expected_total_minor: None };
    assert_eq!(calendar.book(&book, deadline).unwrap_err(), Refusal::Expired { expires_at: deadline });
    let decision = calendar.hold(&ask(2, 5, 2), deadline).unwrap();
    assert_eq!(kinds(&decision.changes.events), [("property", Some(3)), ("guest", None), ("property", Some(4))]);
    commit(&mut calendar, decision);
    assert_eq!(calendar.claims().count(), 1);
}

#[test]
fn a_hold_can_be_booked_after_midnight_for_the_days_it_was_given() {
    let midnight = Timestamp::from_epoch_ms((START.epoch_ms() / DAY_MS + 1) * DAY_MS);
    for (notice, first) in [(0, 0), (1, 1)] {
        let mut listing = listing();
        listing.terms.rules.advance_notice_days = notice;
        let mut calendar = Calendar::restore(listing, Leases::default(), 1, vec![], vec![]);
        let decision = calendar.hold(&ask(1, first, 2), midnight.plus_ms(-1_000)).unwrap();
        commit(&mut calendar, decision);
        assert!(matches!(calendar.hold(&ask(2, first, 2), midnight), Err(Refusal::RuleViolated { .. })), "notice of {notice} days");
        let book = BookHold { claim: claim_no(1), guest: guest(1), payment: payment_no(1), expected_total_minor: None };
        let deal = calendar.book(&book, midnight).unwrap().outcome;
        assert_eq!(deal.booking.quote.stay, stay(first, 2));
    }
}

#[test]
fn p6_money_that_comes_after_the_deadline_is_owed_back_and_never_confirms() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let late = deal.booking.deadline().unwrap();
    let decision = calendar.begin_payment(deal.booking.id, guest(1), "pm".to_owned(), START).unwrap();
    commit(&mut calendar, decision);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), late).unwrap();
    assert_eq!(decision.changes.deadline, None);
    let deal = commit(&mut calendar, decision);
    assert_eq!(deal.booking.state, BookingState::Expired { at: late });
    assert_eq!((deal.payment.captured_minor, deal.payment.refund_due_minor), (27_000, 27_000));
    assert!(calendar.taken(Date::MIN, Date::MAX).is_empty());
}

#[test]
fn p6_late_money_for_a_booking_that_the_calendar_has_forgotten_is_owed_back_too() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let late = deal.booking.deadline().unwrap();
    let forgetful = Calendar::restore(listing(), Leases::default(), calendar.seq(), vec![], vec![]);
    let decision = forgetful.report_payment(deal.booking.id, deal.payment.id, Some(deal), &succeeded(1), late).unwrap();
    assert_eq!(decision.outcome.booking.state, BookingState::Expired { at: late });
    assert_eq!(decision.outcome.payment.refund_due_minor, 27_000);
}

#[test]
fn booking_without_paying_is_no_way_around_the_cooldown() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let late = deal.booking.deadline().unwrap();
    assert!(matches!(calendar.hold(&HoldDates { claim: claim_no(11), ..ask(1, 5, 2) }, late), Err(Refusal::HoldCooldown { .. })));
    let decision = calendar.expire_overdue(late).unwrap();
    commit(&mut calendar, decision);
    assert!(matches!(calendar.hold(&HoldDates { claim: claim_no(11), ..ask(1, 5, 2) }, late), Err(Refusal::HoldCooldown { .. })));
    assert!(calendar.hold(&ask(2, 5, 2), late).is_ok());
}

#[test]
fn a_stay_that_is_over_cannot_be_cancelled() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    commit(&mut calendar, decision);
    let after = START.plus_ms(8 * 86_400_000);
    assert_eq!(calendar.cancel(deal.booking.id, HOST, after).unwrap_err(), Refusal::InvalidState { state: "over" });
}

#[test]
fn p6_a_confirmation_must_be_committed_before_the_deadline() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let decision = calendar.begin_payment(deal.booking.id, guest(1), "pm".to_owned(), START).unwrap();
    commit(&mut calendar, decision);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    assert_eq!(decision.changes.deadline, deal.booking.deadline());
    let deal = commit(&mut calendar, decision);
    assert_eq!(deal.booking.state, BookingState::Confirmed { at: START });
    let again = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    assert!(again.changes.is_empty(), "one booking is charged once (P7)");
}

#[test]
fn only_the_guest_pays_and_strangers_see_nothing() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let pay = |caller| calendar.begin_payment(deal.booking.id, caller, "pm".to_owned(), START).map(|_| ()).unwrap_err();
    assert_eq!((pay(HOST), pay(guest(2))), (Refusal::NotYours, Refusal::NotFound));
    assert_eq!(calendar.cancel(deal.booking.id, guest(2), START).unwrap_err(), Refusal::NotFound);
}

#[test]
fn a_guest_leaves_nights_they_let_go_to_others_for_a_while() {
    let mut calendar = calendar();
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let decision = calendar.release_hold(claim_no(1), guest(1), START).unwrap();
    commit(&mut calendar, decision);
    let again = HoldDates { claim: claim_no(11), ..ask(1, 6, 1) };
    let until = START.plus_ms(Leases::default().cooldown_ms);
    assert_eq!(calendar.hold(&again, START).unwrap_err(), Refusal::HoldCooldown { until, retry_after_ms: Leases::default().cooldown_ms });
    assert!(calendar.hold(&again, until).is_ok());
    assert!(calendar.hold(&ask(2, 5, 2), START).is_ok());
}

#[test]
fn a_hold_is_extended_up_to_its_longest_life_and_no_further() {
    let mut calendar = calendar();
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let mut now = START;
    let until = START.plus_ms(Leases::default().hold_longest_ms);
    for _ in 0..10 {
        now = now.plus_ms(Leases::default().hold_ms / 2);
        match calendar.extend_hold(claim_no(1), guest(1), now) {
            Ok(decision) => {
                commit(&mut calendar, decision);
            }
            Err(refusal) => {
                assert_eq!(refusal, Refusal::ExtendedToTheEnd { until });
                return;
            }
        }
    }
    panic!("extended for ever");
}

fn succeeded(attempt: u32) -> Report {
    Report { attempt, result: AttemptResult::Succeeded }
}

fn booked(calendar: &mut Calendar, number: u8) -> Deal {
    let decision = calendar.hold(&ask(number, 5, 2), START).unwrap();
    commit(calendar, decision);
    let book = BookHold { claim: claim_no(number), guest: guest(number), payment: payment_no(number), expected_total_minor: Some(27_000) };
    let decision = calendar.book(&book, START).unwrap();
    assert_eq!(decision.changes.deadline, Some(START.plus_ms(Leases::default().hold_ms)));
    commit(calendar, decision)
}

#[test]
fn events_say_the_state_that_the_calendar_is_in() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let decision = calendar.cancel(deal.booking.id, HOST, START).unwrap();
    let freed =
        decision.changes.events.iter().any(|event| matches!(event.event, Event::AvailabilityChanged { state: NightState::Free, .. }));
    assert!(freed && decision.changes.writes.iter().any(|write| matches!(write, Write::FreeNight(..))));
}
