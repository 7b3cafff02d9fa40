//! Money that waits: what a dispute holds up goes on when it is decided, and what is set aside for nothing is let go of.

use std::collections::HashMap;

use super::*;
use crate::domain::job::JobKind;
use crate::domain::ledger::Account;
use crate::domain::payment::{Dispute, DisputeState};

/// A confirmed booking whose guest has been there for a day, and when that was.
fn settled() -> (Calendar, Deal, Timestamp) {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let deal = report(&mut calendar, &deal, AttemptResult::Succeeded, START);
    let now = deal.booking.times.check_in_at.plus_ms(DAY_MS);
    let decision = calendar.advance(deal.booking.id, None, now).unwrap();
    assert!(asks_for(&decision.changes, |kind| matches!(kind, JobKind::PayOut { .. })));
    commit(&mut calendar, decision);
    let deal = calendar.live_deal(deal.booking.id).unwrap().clone();
    (calendar, deal, now)
}

fn reported(calendar: &Calendar, deal: &Deal, result: AttemptResult, now: Timestamp) -> Decision<Deal> {
    calendar.report_payment(deal.booking.id, deal.payment.id, None, &Report { attempt: 1, result }, now).unwrap()
}

fn report(calendar: &mut Calendar, deal: &Deal, result: AttemptResult, now: Timestamp) -> Deal {
    let decision = reported(calendar, deal, result, now);
    commit(calendar, decision)
}

fn dispute(deal: &Deal, state: DisputeState) -> AttemptResult {
    AttemptResult::Disputed(Dispute { amount_minor: deal.payment.captured_minor, state })
}

fn asks_for(changes: &Changes, is_wanted: impl Fn(&JobKind) -> bool) -> bool {
    changes.writes.iter().any(|write| matches!(write, Write::AddJob(job) if is_wanted(&job.kind)))
}

#[test]
fn p9_a_payout_under_way_waits_for_a_dispute_and_goes_on_when_that_is_decided() {
    for end in [DisputeState::Won, DisputeState::Lost] {
        let (mut calendar, deal, now) = settled();
        let pending_minor = deal.booking.payout.pending_minor;
        assert!(pending_minor > 0);
        assert_eq!(deal.payout_to_make_minor(), pending_minor);
        let deal = report(&mut calendar, &deal, dispute(&deal, DisputeState::Open), now);
        assert_eq!((deal.booking.payout.pending_minor, deal.payout_to_make_minor()), (pending_minor, 0), "recorded, but not asked for");
        let decision = reported(&calendar, &deal, dispute(&deal, end), now);
        assert!(asks_for(&decision.changes, |kind| matches!(kind, JobKind::PayOut { .. })), "{end:?}: its job had ended");
        // The movement may have been made before: it is asked for as it was recorded, and corrected by the next one.
        let deal = commit(&mut calendar, decision);
        assert_eq!(deal.payout_to_make_minor(), pending_minor);
        let decision = calendar.record_payout(deal.booking.id, None, deal.booking.payout.revision, now).unwrap();
        let owed_minor = if end == DisputeState::Won { 0 } else { -pending_minor };
        assert_eq!(commit(&mut calendar, decision).booking.payout.pending_minor, owed_minor, "{end:?}");
    }
}

#[test]
fn p9_a_refund_that_was_promised_before_a_dispute_was_known_is_sent_when_that_is_decided() {
    for (end, due_minor) in [(DisputeState::Won, 8_000), (DisputeState::Lost, 7_000)] {
        let (mut calendar, deal, now) = settled();
        let decision = calendar.refund(deal.booking.id, deal.payment.id, None, Some(8_000), now).unwrap();
        let (deal, _) = commit(&mut calendar, decision);
        assert!(deal.payment.may_send_refund());
        let part = |state| AttemptResult::Disputed(Dispute { amount_minor: 20_000, state });
        let deal = report(&mut calendar, &deal, part(DisputeState::Open), now);
        assert!(!deal.payment.may_send_refund(), "the provider would refuse it for as long as that takes");
        let decision = reported(&calendar, &deal, part(end), now);
        assert!(asks_for(&decision.changes, |kind| matches!(kind, JobKind::Refund { .. })), "{end:?}: its job had ended");
        let deal = commit(&mut calendar, decision);
        assert_eq!((deal.payment.may_send_refund(), deal.payment.refund_due_minor), (true, due_minor), "{end:?}");
    }
}

#[test]
fn p9_a_refund_and_a_lost_dispute_of_one_charge_come_to_the_same_in_either_order() {
    let results = |deal: &Deal| [AttemptResult::Refunded { total_minor: 10_000, failed_minor: 0 }, dispute(deal, DisputeState::Lost)];
    let ends = [[0, 1], [1, 0]].map(|order| {
        let (mut calendar, mut deal, now) = settled();
        let mut into: HashMap<Account, i64> = HashMap::new();
        for result in order.map(|index| results(&deal)[index].clone()) {
            let decision = reported(&calendar, &deal, result, now);
            let transfers = decision.changes.writes.iter().filter_map(|write| match write {
                Write::AddTransfer(transfer) => Some(transfer),
                _ => None,
            });
            for (account, minor) in transfers.flat_map(|transfer| &transfer.lines) {
                *into.entry(*account).or_default() += minor;
            }
            deal = commit(&mut calendar, decision);
        }
        assert_eq!(into[&Account::Provider], -37_000, "both have left the provider");
        assert_eq!(into[&Account::Losses], 10_000, "what the booking has not had is the platform's loss");
        (deal.payment, deal.booking.returned, into)
    });
    assert_eq!(ends[0], ends[1]);
}

#[test]
fn what_a_host_owes_is_taken_back_also_while_a_dispute_is_open() {
    let (mut calendar, deal, now) = settled();
    let decision = calendar.record_payout(deal.booking.id, None, deal.booking.payout.revision, now).unwrap();
    let deal = commit(&mut calendar, decision);
    let decision = calendar.refund(deal.booking.id, deal.payment.id, None, Some(1_000), now).unwrap();
    let (deal, _) = commit(&mut calendar, decision);
    let half = AttemptResult::Disputed(Dispute { amount_minor: 5_000, state: DisputeState::Open });
    let deal = report(&mut calendar, &deal, half, now);
    assert_eq!(deal.payout_to_make_minor(), -1_000);
}

#[test]
fn money_that_is_set_aside_after_its_payment_was_given_up_is_let_go_of() {
    let mut calendar = calendar();
    let deal = booked(&mut calendar, 1);
    let decision = calendar.cancel(deal.booking.id, guest(1), START).unwrap();
    let is_void = |kind: &JobKind| matches!(kind, JobKind::Void { .. });
    assert!(!asks_for(&decision.changes, is_void), "the provider was never asked");
    let deal = commit(&mut calendar, decision);
    for (result, expected) in [(AttemptResult::Authorised, true), (AttemptResult::Processing, false), (AttemptResult::Canceled, false)] {
        let report = Report { attempt: 1, result };
        let decision = calendar.report_payment(deal.booking.id, deal.payment.id, Some(deal.clone()), &report, START).unwrap();
        assert_eq!((asks_for(&decision.changes, is_void), &decision.outcome), (expected, &deal), "{report:?}");
    }
}
