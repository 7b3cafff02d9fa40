//! The steps of a random history, and what each of them asks of the calendar.

use proptest::prelude::*;

use super::super::*;
use super::stored::Stored;
use crate::domain::booking::AlterationState;
use crate::domain::payment::{Dispute, DisputeState};

const HOUR_MS: i64 = 3_600_000;

/// What one side does with a booking.
#[derive(Debug, Clone, Copy)]
pub(super) enum Act {
    Accept,
    Decline,
    Cancel,
    CheckIn,
    CheckOut,
    LeaveEarly,
    NoShow,
    Propose { shift: i32, longer: i32, guests: u16 },
    AcceptAlteration,
    DeclineAlteration,
    WithdrawAlteration,
    Refund { minor: Option<i64> },
}

/// One step of a random history.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Hold {
        guest: u8,
        first: i32,
        count: i32,
    },
    Extend(usize),
    Release(usize),
    Book(usize),
    Pay(usize),
    /// On the payment that is due, or else the first one.
    Report(usize, u32, AttemptResult),
    Act(usize, bool, Act),
    PaidOut(usize, u32),
    Advance(usize),
    Block {
        first: i32,
        count: i32,
    },
    Unblock(usize),
    Expire,
    Wait {
        ms: i64,
    },
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let dispute = |state| (1..40_000_i64).prop_map(move |amount_minor| AttemptResult::Disputed(Dispute { amount_minor, state }));
    let report = prop_oneof![
        1 => Just(AttemptResult::RequiresAction { client_secret: None }),
        1 => Just(AttemptResult::Processing),
        1 => Just(AttemptResult::Declined { reason: "card_declined".to_owned() }),
        6 => Just(AttemptResult::Authorised),
        6 => Just(AttemptResult::Succeeded),
        1 => Just(AttemptResult::Canceled),
        2 => (1..60_000_i64).prop_map(|total_minor| AttemptResult::Refunded { total_minor, failed_minor: 0 }),
        1 => (0..60_000_i64, 1..60_000_i64).prop_map(|(total_minor, failed_minor)| AttemptResult::Refunded { total_minor, failed_minor }),
        1 => Just(AttemptResult::Refunded { total_minor: 1_000_000, failed_minor: 0 }),
        1 => dispute(DisputeState::Open),
        1 => dispute(DisputeState::Won),
        1 => dispute(DisputeState::Lost),
    ];
    let act = prop_oneof![
        3 => Just(Act::Accept),
        1 => Just(Act::Decline),
        2 => Just(Act::Cancel),
        4 => Just(Act::CheckIn),
        2 => Just(Act::CheckOut),
        2 => Just(Act::LeaveEarly),
        1 => Just(Act::NoShow),
        4 => (-2..3_i32, -1..3_i32, 1..5_u16).prop_map(|(shift, longer, guests)| Act::Propose { shift, longer, guests }),
        4 => Just(Act::AcceptAlteration),
        1 => Just(Act::DeclineAlteration),
        1 => Just(Act::WithdrawAlteration),
        1 => proptest::option::of(1..30_000_i64).prop_map(|minor| Act::Refund { minor }),
    ];
    prop_oneof![
        8 => (1..5_u8, 0..12_i32, 1..5_i32).prop_map(|(guest, first, count)| Step::Hold { guest, first, count }),
        1 => (0..20_usize).prop_map(Step::Extend),
        1 => (0..20_usize).prop_map(Step::Release),
        8 => (0..20_usize).prop_map(Step::Book),
        8 => (0..20_usize).prop_map(Step::Pay),
        14 => (0..20_usize, 0..3_u32, report).prop_map(|(index, attempt, result)| Step::Report(index, attempt, result)),
        20 => (0..20_usize, any::<bool>(), act).prop_map(|(index, is_host, act)| Step::Act(index, is_host, act)),
        6 => (0..20_usize, 1..4_u32).prop_map(|(index, revision)| Step::PaidOut(index, revision)),
        6 => (0..20_usize).prop_map(Step::Advance),
        1 => (0..12_i32, 1..5_i32).prop_map(|(first, count)| Step::Block { first, count }),
        1 => (0..20_usize).prop_map(Step::Unblock),
        1 => Just(Step::Expire),
        4 => (0..700_000_i64).prop_map(|ms| Step::Wait { ms }),
        4 => (0..40 * HOUR_MS).prop_map(|ms| Step::Wait { ms }),
    ]
}

/// A history under way.
pub(super) struct World {
    pub(super) calendar: Calendar,
    pub(super) stored: Stored,
    pub(super) now: Timestamp,
    claims: Vec<(ClaimId, UserId)>,
}

impl World {
    pub(super) fn new(calendar: Calendar) -> Self {
        Self { calendar, stored: Stored::default(), now: START, claims: Vec::new() }
    }

    /// Takes a step, and keeps what it changed.
    pub(super) fn take(&mut self, number: usize, step: Step) {
        let id = ClaimId::from_bytes(u128::try_from(number).unwrap().to_be_bytes());
        if let Step::Wait { ms } = step {
            self.now = self.now.plus_ms(ms);
            return;
        }
        if let Ok(changes) = self.decide(id, step) {
            self.stored.write(&changes);
            self.calendar.apply(&changes);
        }
        self.stored.check(&self.calendar);
    }

    fn pick(&self, index: usize) -> (ClaimId, UserId) {
        self.claims.get(index % self.claims.len().max(1)).copied().unwrap_or((claim_no(255), guest(1)))
    }

    fn decide(&mut self, id: ClaimId, step: Step) -> Result<Changes, Refusal> {
        let now = self.now;
        let calendar = &self.calendar;
        match step {
            Step::Wait { .. } => Ok(Changes::default()),
            Step::Hold { guest: who, first, count } => {
                self.claims.push((id, guest(who)));
                let ask = HoldDates { claim: id, guest: guest(who), stay: stay(first, count), guests: 1 };
                calendar.hold(&ask, now).map(|decision| decision.changes)
            }
            Step::Extend(index) => {
                let (id, who) = self.pick(index);
                calendar.extend_hold(id, who, now).map(|decision| decision.changes)
            }
            Step::Release(index) => {
                let (id, who) = self.pick(index);
                calendar.release_hold(id, who, now).map(|decision| decision.changes)
            }
            Step::Book(index) => {
                let (claim, who) = self.pick(index);
                let payment = PaymentId::from_bytes(*id.as_bytes());
                let book = BookHold { claim, guest: who, payment, expected_total_minor: None };
                calendar.book(&book, now).map(|decision| decision.changes)
            }
            Step::Pay(index) => {
                let (id, who) = self.pick(index);
                calendar.begin_payment(id, who, "pm".into(), now).map(|decision| decision.changes)
            }
            Step::Report(index, attempt, result) => {
                let (booking, _) = self.pick(index);
                let deal = self.deal(booking)?;
                let payment = deal.payment_due().unwrap_or(deal.payment.id);
                let report = Report { attempt, result };
                calendar.report_payment(booking, payment, Some(deal), &report, now).map(|decision| decision.changes)
            }
            Step::Act(index, is_host, act) => self.act(id, index, is_host, act),
            Step::PaidOut(index, revision) => {
                let (booking, _) = self.pick(index);
                let ended = self.stored.deals.get(&booking).cloned();
                calendar.record_payout(booking, ended, revision, now).map(|decision| decision.changes)
            }
            Step::Advance(index) => {
                let (booking, _) = self.pick(index);
                let ended = self.stored.deals.get(&booking).cloned();
                calendar.advance(booking, ended, now).map(|decision| decision.changes)
            }
            Step::Block { first, count } => {
                self.claims.push((id, HOST));
                let nights = stay(first, count);
                let ask = BlockNights { claim: id, from: nights.check_in(), to: nights.check_out(), note: None };
                self.calendar.block(HOST, &ask, now).map(|decision| decision.changes)
            }
            Step::Unblock(index) => calendar.unblock(HOST, self.pick(index).0, now).map(|decision| decision.changes),
            Step::Expire => calendar.expire_overdue(now).map(|decision| decision.changes),
        }
    }

    fn act(&self, id: ClaimId, index: usize, is_host: bool, act: Act) -> Result<Changes, Refusal> {
        let (booking, who) = self.pick(index);
        let (calendar, now, caller) = (&self.calendar, self.now, if is_host { HOST } else { who });
        let decision = match act {
            Act::Accept => calendar.accept(booking, caller, now),
            Act::Decline => calendar.decline(booking, caller, now),
            Act::Cancel => {
                let foretold = calendar.call_off(booking, caller, now);
                let kept = self.stored.deals.get(&booking).map(|deal| deal.booking.kept());
                let decision = calendar.cancel(booking, caller, now);
                if let (Ok(foretold), Some(kept), Ok(decision)) = (foretold, kept, &decision) {
                    let is_paid = decision.outcome.payment.captured_minor > 0 && decision.outcome.booking.confirmed_at.is_some();
                    if is_paid {
                        assert_eq!(decision.outcome.booking.kept(), kept.minus(foretold.returned), "as it was foretold");
                    }
                }
                decision
            }
            Act::CheckIn => calendar.check_in(booking, caller, None, now),
            Act::CheckOut => calendar.check_out(booking, caller, Some("left".to_owned()), now),
            Act::LeaveEarly => calendar.leave_early(booking, caller, None, now),
            Act::NoShow => calendar.mark_no_show(booking, caller, now),
            Act::Propose { shift, longer, guests } => {
                let old = self.deal(booking)?.booking.stay();
                let check_in = old.check_in().saturating_add(shift);
                let stay = Stay::new(check_in, old.check_out().saturating_add(shift + longer))?;
                calendar.propose_alteration(booking, caller, AlterStay { stay, guests }, now)
            }
            Act::AcceptAlteration => {
                let payment = PaymentId::from_bytes(*id.as_bytes());
                calendar.answer_alteration(booking, caller, self.open(booking)?, AnswerAlteration::Accept { payment }, now)
            }
            Act::DeclineAlteration => calendar.answer_alteration(booking, caller, self.open(booking)?, AnswerAlteration::Decline, now),
            Act::WithdrawAlteration => calendar.answer_alteration(booking, caller, self.open(booking)?, AnswerAlteration::Withdraw, now),
            Act::Refund { minor } => {
                let deal = self.deal(booking)?;
                let payment = deal.payments().last().unwrap().id;
                let decision = calendar.refund(booking, payment, Some(deal), minor, now)?;
                return Ok(decision.changes);
            }
        };
        decision.map(|decision| decision.changes)
    }

    fn deal(&self, booking: ClaimId) -> Result<Deal, Refusal> {
        self.stored.deals.get(&booking).cloned().ok_or(Refusal::NotFound)
    }

    fn open(&self, booking: ClaimId) -> Result<u32, Refusal> {
        let deal = self.deal(booking)?;
        let open = deal.booking.alteration.as_ref();
        // Answering twice is as likely as not.
        Ok(open.map_or(deal.booking.alterations, |open| match open.state {
            AlterationState::Proposed | AlterationState::AwaitingPayment { .. } => open.number,
        }))
    }

    /// Whatever is still to come by itself comes: leases end, stays are over, the provider does what it was asked for.
    pub(super) fn run_out(&mut self) {
        self.now = self.now.plus_ms(1_000 * 24 * HOUR_MS);
        let expired = self.calendar.expire_overdue(self.now).unwrap().changes;
        self.keep(&expired);
        let bookings: Vec<ClaimId> = self.stored.deals.keys().copied().collect();
        for booking in bookings {
            for _ in 0..12 {
                let deal = self.stored.deals[&booking].clone();
                self.provider_answers(&deal);
                let deal = self.stored.deals[&booking].clone();
                let advanced = self.calendar.advance(booking, Some(deal), self.now).unwrap().changes;
                self.keep(&advanced);
                let deal = self.stored.deals[&booking].clone();
                let moved = self.calendar.record_payout(booking, Some(deal.clone()), deal.booking.payout.revision, self.now);
                self.keep(&moved.unwrap().changes);
            }
        }
    }

    fn provider_answers(&mut self, deal: &Deal) {
        for payment in deal.payments() {
            let result = if payment.is_disputed() {
                AttemptResult::Disputed(Dispute { amount_minor: 0, state: DisputeState::Won })
            } else if payment.refunded_minor < payment.refund_due_minor {
                AttemptResult::Refunded { total_minor: payment.refund_due_minor, failed_minor: payment.refund_failed_minor }
            } else {
                match payment.state {
                    PaymentState::Succeeded | PaymentState::Canceled => continue,
                    PaymentState::RequiresCapture => AttemptResult::Succeeded,
                    _ => AttemptResult::Canceled,
                }
            };
            let deal = self.stored.deals[&deal.booking.id].clone();
            let report = Report { attempt: payment.attempts, result };
            let decided = self.calendar.report_payment(deal.booking.id, payment.id, Some(deal), &report, self.now);
            self.keep(&decided.unwrap().changes);
        }
    }

    fn keep(&mut self, changes: &Changes) {
        self.stored.write(changes);
        self.calendar.apply(changes);
        self.stored.check(&self.calendar);
    }
}
