//! Rows of cases for each rule, and random command sequences with the invariants checked after every step.

use std::collections::HashMap;

use jiff::tz::TimeZone;
use latchkey_protocol::{ClaimId, Date, PaymentId, PropertyId, Topic, UserId};
use proptest::prelude::*;

use super::*;
use crate::domain::change::{Decision, TopicEvent};
use crate::domain::error::Rule;
use crate::domain::event::Event;
use crate::domain::hold::HoldState;
use crate::domain::payment::{AttemptResult, PaymentState, Report};

const START: Timestamp = Timestamp::from_epoch_ms(1_790_000_000_000);
const HOST: UserId = UserId::from_bytes([9; 16]);

fn listing() -> Listing {
    Listing {
        id: PropertyId::from_bytes([7; 16]),
        host: HOST,
        title: "Cottage".to_owned(),
        city: "Vienna".to_owned(),
        time_zone: TimeZone::UTC,
        max_guests: 4,
        currency: "EUR".parse().unwrap(),
        nightly_minor: 12_000,
        cleaning_fee_minor: 3_000,
        min_nights: 1,
        max_nights: 30,
        created_at: START,
    }
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
    listing.time_zone = TimeZone::get("Pacific/Kiritimati").unwrap();
    assert_eq!(listing.today(START).to_string(), "2026-09-22");
    listing.time_zone = TimeZone::get("Europe/Vienna").unwrap();
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
fn p6_money_that_comes_after_the_deadline_is_owed_back_and_never_confirms() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let late = deal.booking.deadline().unwrap();
    let decision = calendar.begin_payment(deal.booking.id, guest(1), "pm".to_owned(), START).unwrap();
    commit(&mut calendar, decision);
    let decision = calendar.report_payment(deal.booking.id, None, &succeeded(1), late).unwrap();
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
    let decision = forgetful.report_payment(deal.booking.id, Some(deal), &succeeded(1), late).unwrap();
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
    let decision = calendar.report_payment(deal.booking.id, None, &succeeded(1), START).unwrap();
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
    let decision = calendar.report_payment(deal.booking.id, None, &succeeded(1), START).unwrap();
    assert_eq!(decision.changes.deadline, deal.booking.deadline());
    let deal = commit(&mut calendar, decision);
    assert_eq!(deal.booking.state, BookingState::Confirmed { at: START });
    let again = calendar.report_payment(deal.booking.id, None, &succeeded(1), START).unwrap();
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

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Hold { guest: u8, first: i32, count: i32 },
    Extend(usize),
    Release(usize),
    Book(usize),
    Pay(usize),
    Report(usize, u32, AttemptResult),
    Cancel(usize, bool),
    Expire,
    Wait { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let report = prop_oneof![
        1 => Just(AttemptResult::RequiresAction),
        1 => Just(AttemptResult::Processing),
        1 => Just(AttemptResult::Declined { reason: "card_declined".to_owned() }),
        3 => Just(AttemptResult::Succeeded),
        1 => Just(AttemptResult::Refunded { total_minor: 1_000_000 }),
    ];
    prop_oneof![
        4 => (1..5_u8, 0..12_i32, 1..5_i32).prop_map(|(guest, first, count)| Step::Hold { guest, first, count }),
        1 => (0..20_usize).prop_map(Step::Extend),
        1 => (0..20_usize).prop_map(Step::Release),
        3 => (0..20_usize).prop_map(Step::Book),
        3 => (0..20_usize).prop_map(Step::Pay),
        3 => (0..20_usize, 1..4_u32, report).prop_map(|(index, attempt, result)| Step::Report(index, attempt, result)),
        1 => (0..20_usize, any::<bool>()).prop_map(|(index, host)| Step::Cancel(index, host)),
        1 => Just(Step::Expire),
        2 => (0..700_000_i64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What the database would hold: every booking and hold ever written, and who owns which night.
#[derive(Default)]
struct Stored {
    deals: HashMap<ClaimId, Deal>,
    holds: HashMap<ClaimId, Hold>,
    nights: HashMap<Date, Night>,
    topics: HashMap<Topic, u64>,
    ledger: Vec<crate::domain::ledger::Transfer>,
}

impl Stored {
    fn write(&mut self, changes: &Changes) {
        let frees = changes.writes.iter().filter_map(|write| match write {
            Write::FreeNight(_, date) => Some(*date),
            _ => None,
        });
        for date in frees {
            assert!(self.nights.remove(&date).is_some(), "freed a night that nobody had");
        }
        for write in &changes.writes {
            match write {
                Write::TakeNight(night) => assert!(self.nights.insert(night.date, *night).is_none(), "P1: a night was taken twice"),
                Write::AddHold(hold) => assert!(self.holds.insert(hold.id, *hold).is_none()),
                Write::SetHold(hold) => assert!(self.holds.insert(hold.id, *hold).is_some()),
                Write::AddBooking(booking) | Write::SetBooking(booking) => {
                    let payment = changes.writes.iter().find_map(|write| match write {
                        Write::AddPayment(payment) | Write::SetPayment(payment) if payment.booking == booking.id => Some(payment.clone()),
                        _ => None,
                    });
                    let deal = Deal { booking: booking.clone(), payment: payment.expect("a booking is written with its payment") };
                    self.deals.insert(booking.id, deal);
                }
                Write::AddTransfer(transfer) => self.ledger.push(transfer.clone()),
                _ => {}
            }
        }
        for event in &changes.events {
            if let Some(seq) = event.seq {
                let head = self.topics.entry(event.topic).or_insert_with(|| u64::from(matches!(event.topic, Topic::Property(_))));
                assert_eq!(seq, *head + 1, "P4: a gap in {}", event.topic);
                *head = seq;
            }
        }
    }

    fn check(&self, calendar: &Calendar) {
        let owned: usize = calendar.claims().map(|(_, claim)| usize::from(claim.stay().night_count())).sum();
        assert_eq!(owned, calendar.nights.len(), "every taken night belongs to exactly one live claim");
        for (id, claim) in calendar.claims() {
            for date in claim.stay().nights() {
                assert_eq!(calendar.nights[&date].claim, id);
            }
        }
        for deal in self.deals.values() {
            let payment = &deal.payment;
            assert!(payment.refunded_minor <= payment.refund_due_minor && payment.refund_due_minor <= payment.captured_minor, "P9");
            let in_ledger: i64 =
                self.ledger.iter().filter(|transfer| transfer.payment == payment.id).map(|transfer| transfer.lines[0].1).sum();
            assert_eq!(in_ledger, payment.captured_minor - payment.refunded_minor, "P9: the ledger says what the payment says");
            if payment.state == PaymentState::Succeeded && !deal.booking.state.owns_nights() {
                assert!(payment.refund_due_minor > 0 || matches!(deal.booking.state, BookingState::CancelledByGuest { .. }));
            }
        }
        assert!(self.ledger.iter().all(crate::domain::ledger::Transfer::is_balanced), "P9: every movement is balanced");
        let restored = Calendar::restore(
            calendar.listing.clone(),
            calendar.leases,
            calendar.seq,
            self.nights.values().copied().collect(),
            self.live_claims(),
        );
        assert_eq!(Calendar { cooldowns: vec![], ..calendar.clone() }, restored, "what is stored reads back as what is in memory");
    }

    fn live_claims(&self) -> Vec<Claim> {
        let holds = self.holds.values().filter(|hold| matches!(hold.state, HoldState::Active { .. })).map(|hold| Claim::Hold(*hold));
        let booked = self.deals.values().filter(|deal| deal.booking.state.owns_nights());
        holds.chain(booked.map(|deal| Claim::Booked(Box::new(deal.clone())))).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn p1_p4_p6_p9_hold_after_every_step_of_any_history(steps in prop::collection::vec(step(), 1..80)) {
        let mut calendar = calendar();
        let mut stored = Stored::default();
        let mut claims: Vec<(ClaimId, UserId)> = vec![];
        let mut now = START;
        for (number, step) in steps.into_iter().enumerate() {
            let id = ClaimId::from_bytes(u128::try_from(number).unwrap().to_be_bytes());
            let pick = |index: usize| claims.get(index % claims.len().max(1)).copied().unwrap_or((id, guest(1)));
            let changes = match step {
                Step::Wait { ms } => { now = now.plus_ms(ms); continue }
                Step::Hold { guest: who, first, count } => {
                    claims.push((id, guest(who)));
                    let ask = HoldDates { claim: id, guest: guest(who), stay: stay(first, count), guests: 1 };
                    calendar.hold(&ask, now).map(|decision| decision.changes)
                }
                Step::Extend(index) => { let (id, who) = pick(index); calendar.extend_hold(id, who, now).map(|decision| decision.changes) }
                Step::Release(index) => { let (id, who) = pick(index); calendar.release_hold(id, who, now).map(|decision| decision.changes) }
                Step::Book(index) => {
                    let (claim, who) = pick(index);
                    let payment = PaymentId::from_bytes(*id.as_bytes());
                    calendar.book(&BookHold { claim, guest: who, payment, expected_total_minor: None }, now).map(|decision| decision.changes)
                }
                Step::Pay(index) => { let (id, who) = pick(index); calendar.begin_payment(id, who, "pm".into(), now).map(|decision| decision.changes) }
                Step::Report(index, attempt, result) => {
                    let report = Report { attempt, result };
                    let (id, _) = pick(index);
                    calendar.report_payment(id, stored.deals.get(&id).cloned(), &report, now).map(|decision| decision.changes)
                }
                Step::Cancel(index, host) => {
                    let (id, who) = pick(index);
                    calendar.cancel(id, if host { HOST } else { who }, now).map(|decision| decision.changes)
                }
                Step::Expire => calendar.expire_overdue(now).map(|decision| decision.changes),
            };
            if let Ok(changes) = changes {
                stored.write(&changes);
                calendar.apply(&changes);
            }
            stored.check(&calendar);
            for run in calendar.taken(Date::MIN, Date::MAX) {
                prop_assert!(run.state != NightState::Free);
            }
        }
    }
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
