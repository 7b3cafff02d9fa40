//! Changing a stay when time has gone on.

use super::*;
use crate::domain::Booking;
use crate::domain::booking::{AlterationEnd, AlterationState, StayTimes, Step};

const HOUR_MS: i64 = 3_600_000;

/// Nights 5 and 6, paid for.
fn confirmed(calendar: &mut Calendar) -> Deal {
    let deal = booked(calendar, 1);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    commit(calendar, decision)
}

/// Noon, so many days from the start.
fn noon(day: i32) -> Timestamp {
    listing().terms.instant(stay(day, 1).check_in(), 12 * 60)
}

fn propose(calendar: &mut Calendar, deal: &Deal, by: UserId, stay: Stay, now: Timestamp) -> Deal {
    let decision = calendar.propose_alteration(deal.booking.id, by, AlterStay { stay, guests: 2 }, now).unwrap();
    commit(calendar, decision)
}

fn accept(calendar: &Calendar, deal: &Deal, by: UserId, now: Timestamp) -> Result<Decision<Deal>, Refusal> {
    let answer = AnswerAlteration::Accept { payment: payment_no(50) };
    calendar.answer_alteration(deal.booking.id, by, deal.booking.alterations, answer, now)
}

#[test]
fn a_stay_that_has_begun_since_it_was_proposed_is_not_moved_away() {
    let mut calendar = calendar();
    let deal = confirmed(&mut calendar);
    let deal = propose(&mut calendar, &deal, HOST, stay(15, 2), noon(5).plus_ms(8 * HOUR_MS));
    assert!(accept(&calendar, &deal, guest(1), noon(5).plus_ms(11 * HOUR_MS)).is_ok(), "on the day of arrival it can be");
    let out_of_time = Refusal::InvalidState { state: "out_of_time" };
    assert_eq!(accept(&calendar, &deal, guest(1), noon(6)).unwrap_err(), out_of_time);
    let decision = calendar.check_in(deal.booking.id, guest(1), None, noon(5).plus_ms(9 * HOUR_MS)).unwrap();
    commit(&mut calendar, decision);
    assert_eq!(accept(&calendar, &deal, guest(1), noon(5).plus_ms(10 * HOUR_MS)).unwrap_err(), out_of_time);
}

#[test]
fn a_stay_that_is_moved_far_away_is_not_free_to_be_called_off_for_that() {
    let mut calendar = calendar();
    let deal = confirmed(&mut calendar);
    assert_eq!(deal.booking.free_until, None, "it was confirmed less than a week before arrival");
    let deal = propose(&mut calendar, &deal, guest(1), stay(15, 2), START);
    let decision = accept(&calendar, &deal, HOST, START).unwrap();
    let booking = commit(&mut calendar, decision).booking;
    assert_eq!((booking.stay(), booking.free_until), (stay(15, 2), None));
    let far = confirmed_at(&booking, 15).unwrap();
    assert_eq!((far.confirmed_at, far.free_until), (Some(START), Some(START.plus_ms(24 * HOUR_MS))), "one that was so from the start is");
}

/// The same booking, as if it had waited for its payment until now.
fn confirmed_at(booking: &Booking, day: i32) -> Result<Booking, Refusal> {
    let waiting = BookingState::PendingPayment { expires_at: START.plus_ms(1) };
    Booking { state: waiting, times: StayTimes { check_in_at: noon(day), ..booking.times }, ..booking.clone() }.step(Step::Confirm, START)
}

#[test]
fn a_stay_is_not_moved_to_where_it_would_be_over() {
    let mut calendar = calendar();
    let deal = confirmed(&mut calendar);
    let late = noon(2).plus_ms(11 * HOUR_MS);
    let deal = propose(&mut calendar, &deal, guest(1), stay(2, 1), late);
    assert_eq!(accept(&calendar, &deal, HOST, late.plus_ms(2 * HOUR_MS)).unwrap_err(), Refusal::InvalidState { state: "out_of_time" });
    let yesterday = AlterStay { stay: stay(2, 6), guests: 2 };
    let refusal = calendar.propose_alteration(deal.booking.id, HOST, yesterday, late.plus_ms(25 * HOUR_MS)).unwrap_err();
    assert!(matches!(refusal, Refusal::RuleViolated { rule: Rule::NotInThePast, .. }), "nor by a host: {refusal:?}");
}

#[test]
fn what_is_paid_for_a_change_that_has_become_too_late_goes_back() {
    let mut calendar = calendar();
    let deal = confirmed(&mut calendar);
    let deal = propose(&mut calendar, &deal, HOST, stay(15, 4), noon(5));
    let decision = accept(&calendar, &deal, guest(1), noon(5).plus_ms(HOUR_MS)).unwrap();
    let deal = commit(&mut calendar, decision);
    let AlterationState::AwaitingPayment { payment } = deal.booking.alteration.as_ref().unwrap().state else { panic!("{deal:?}") };
    let decision = calendar.report_payment(deal.booking.id, payment, None, &succeeded(1), noon(6)).unwrap();
    let ends = |event: &TopicEvent| matches!(event.event, Event::AlterationEnded { end: AlterationEnd::Expired, .. });
    assert!(decision.changes.events.iter().any(ends));
    let deal = commit(&mut calendar, decision);
    assert_eq!((deal.booking.stay(), deal.booking.alteration.is_none()), (stay(5, 2), true));
    let late = deal.find_payment(payment).unwrap();
    assert!(late.captured_minor > 0 && late.refund_due_minor == late.captured_minor, "P9: {late:?}");
}

#[test]
fn a_home_is_not_deleted_on_the_last_morning() {
    let mut calendar = calendar();
    let deal = confirmed(&mut calendar);
    let last_hour = deal.booking.times.check_out_at.plus_ms(-HOUR_MS);
    assert_eq!(calendar.delete(HOST, last_hour).map(|_| ()).unwrap_err(), Refusal::InvalidState { state: "booked" });
    assert!(calendar.delete(HOST, deal.booking.times.check_out_at).is_ok());
}

#[test]
fn p9_a_settlement_without_anything_for_the_host_is_an_event_too() {
    let mut listing = listing();
    listing.terms.rates.service_fee_bp = 1_000;
    let mut calendar = Calendar::restore(listing, Leases::default(), 1, vec![], vec![]);
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let book = BookHold { claim: claim_no(1), guest: guest(1), payment: payment_no(1), expected_total_minor: None };
    let decision = calendar.book(&book, START).unwrap();
    let deal = commit(&mut calendar, decision);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    let deal = commit(&mut calendar, decision);
    let share_minor = deal.booking.kept().host_minor;
    let decision = calendar.refund(deal.booking.id, deal.payment.id, None, Some(share_minor), START).unwrap();
    let (deal, _) = commit(&mut calendar, decision);
    let decision = calendar.advance(deal.booking.id, None, deal.booking.times.check_in_at.plus_ms(DAY_MS)).unwrap();
    let settled = decision.changes.writes.iter().any(|write| matches!(write, Write::SetBooking(of) if of.settled.fee_minor > 0));
    let is_guarded = decision.changes.events.iter().any(|event| event.topic == Topic::Booking(deal.booking.id) && event.seq.is_some());
    assert!(settled && is_guarded, "what nothing guards is refused by the committer: {:?}", decision.changes);
}
