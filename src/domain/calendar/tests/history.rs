//! Random command sequences, with the invariants checked after every step against what the database would hold.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::domain::Block;

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
    Block { first: i32, count: i32 },
    Unblock(usize),
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
        1 => (0..12_i32, 1..5_i32).prop_map(|(first, count)| Step::Block { first, count }),
        1 => (0..20_usize).prop_map(Step::Unblock),
        1 => Just(Step::Expire),
        2 => (0..700_000_i64).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// What the database would hold: every booking and hold ever written, and who owns which night.
#[derive(Default)]
struct Stored {
    deals: HashMap<ClaimId, Deal>,
    holds: HashMap<ClaimId, Hold>,
    blocks: HashMap<ClaimId, Block>,
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
                Write::AddBlock(block) => assert!(self.blocks.insert(block.id, block.clone()).is_none()),
                Write::EndBlock(block) => assert!(self.blocks.remove(block).is_some()),
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
        let blocked = self.blocks.values().map(|block| Claim::Blocked(Box::new(block.clone())));
        holds.chain(booked.map(|deal| Claim::Booked(Box::new(deal.clone())))).chain(blocked).collect()
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
                Step::Block { first, count } => {
                    claims.push((id, HOST));
                    let nights = stay(first, count);
                    let ask = BlockNights { claim: id, from: nights.check_in(), to: nights.check_out(), note: None };
                    calendar.block(HOST, &ask, now).map(|decision| decision.changes)
                }
                Step::Unblock(index) => calendar.unblock(HOST, pick(index).0, now).map(|decision| decision.changes),
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
