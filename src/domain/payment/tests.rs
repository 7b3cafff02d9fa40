//! Reports in any order, refunds within captures, disputes.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

fn asked() -> Payment {
    let money = Money { minor: 500, currency: "EUR".parse().unwrap() };
    Payment::ask(PaymentId::from_bytes([1; 16]), BookingId::from_bytes([2; 16]), money, Timestamp::from_epoch_ms(0))
}

fn of(attempt: u32, result: AttemptResult) -> Report {
    Report { attempt, result }
}

fn dispute(amount_minor: i64, state: DisputeState) -> AttemptResult {
    AttemptResult::Disputed(Dispute { amount_minor, state })
}

/// Every report that one life of a payment can bring, in the order in which it happened.
fn lives() -> Vec<Vec<AttemptResult>> {
    let begun = [AttemptResult::RequiresAction { client_secret: None }, AttemptResult::Processing];
    let ends: Vec<Vec<AttemptResult>> = vec![
        vec![AttemptResult::Declined { reason: "card_declined".to_owned() }],
        vec![AttemptResult::Authorised, AttemptResult::Canceled],
        vec![AttemptResult::Authorised, AttemptResult::Succeeded],
        vec![
            AttemptResult::Authorised,
            AttemptResult::Succeeded,
            AttemptResult::Refunded { total_minor: 100, failed_minor: 0 },
            AttemptResult::Refunded { total_minor: 250, failed_minor: 0 },
        ],
        vec![
            AttemptResult::Authorised,
            AttemptResult::Succeeded,
            AttemptResult::Refunded { total_minor: 100, failed_minor: 0 },
            dispute(400, DisputeState::Open),
            dispute(400, DisputeState::Lost),
        ],
        vec![
            AttemptResult::Authorised,
            AttemptResult::Succeeded,
            AttemptResult::Refunded { total_minor: 300, failed_minor: 0 },
            dispute(500, DisputeState::Open),
            dispute(500, DisputeState::Lost),
        ],
        vec![AttemptResult::Succeeded, dispute(500, DisputeState::Open), dispute(500, DisputeState::Won)],
    ];
    ends.into_iter().map(|end| begun.iter().cloned().chain(end).collect()).collect()
}

fn after(reports: &[AttemptResult]) -> Payment {
    let attempted = asked().attempt("pm".to_owned()).unwrap();
    reports.iter().fold(attempted, |payment, result| payment.report(&of(1, result.clone())).unwrap_or(payment))
}

fn permutations(items: &[AttemptResult]) -> Vec<Vec<AttemptResult>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for index in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(index);
        all.extend(permutations(&rest).into_iter().map(|mut tail| {
            tail.insert(0, first.clone());
            tail
        }));
    }
    all
}

#[test]
fn p7_every_permutation_of_a_payments_reports_ends_in_the_same_state() {
    for life in lives() {
        let expected = after(&life);
        for order in permutations(&life) {
            assert_eq!(after(&order), expected, "{order:?}");
        }
    }
}

proptest! {
    #[test]
    fn p7_reports_repeated_and_reordered_at_random_end_in_the_same_state(
        life in 0..lives().len(),
        again in proptest::collection::vec(any::<Index>(), 0..12),
        seed in any::<u64>(),
    ) {
        let reports = lives().swap_remove(life);
        let mut order: Vec<_> = reports.iter().cloned().chain(again.iter().map(|index| index.get(&reports).clone())).collect();
        let mut state = seed | 1;
        for index in (1..order.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(index, usize::try_from(state >> 33).unwrap() % (index + 1));
        }
        prop_assert_eq!(after(&order), after(&reports));
    }
}

#[test]
fn p7_late_word_of_an_earlier_attempt_does_not_reopen_the_payment() {
    let declined = AttemptResult::Declined { reason: "card_declined".to_owned() };
    let first = asked().attempt("pm_1".to_owned()).unwrap().report(&of(1, declined.clone())).unwrap();
    let second = first.attempt("pm_2".to_owned()).unwrap();
    assert_eq!(second.report(&of(1, declined.clone())), None);
    let processing = second.report(&of(2, AttemptResult::Processing)).unwrap();
    assert_eq!(processing.report(&of(1, declined)), None);
    assert_eq!(processing.report(&of(2, AttemptResult::Succeeded)).unwrap().captured_minor, 500);
}

#[test]
fn p9_refunds_never_exceed_captures() {
    assert_eq!(asked().owe_refund(1), Err(Refusal::RefundTooLarge));
    let paid = asked().report(&of(1, AttemptResult::Succeeded)).unwrap();
    assert_eq!(paid.clone().owe_refund(-1), Err(Refusal::RefundTooLarge));
    let refunding = paid.owe_refund(500).unwrap();
    assert_eq!(refunding.clone().owe_refund(1), Err(Refusal::RefundTooLarge));
    let refunded = refunding.report(&of(1, AttemptResult::Refunded { total_minor: 900, failed_minor: 0 })).unwrap();
    assert_eq!((refunded.refunded_minor, refunded.refund_due_minor), (500, 500));
    assert_eq!(refunded.report(&of(1, AttemptResult::Refunded { total_minor: 500, failed_minor: 0 })), None);
}

#[test]
fn p7_refunds_that_fail_later_and_a_dispute_end_in_the_same_state_in_any_order() {
    let refunds = |total_minor, failed_minor| AttemptResult::Refunded { total_minor, failed_minor };
    let (open, lost) = (dispute(400, DisputeState::Open), dispute(400, DisputeState::Lost));
    for life in [
        vec![refunds(250, 0), refunds(0, 250), refunds(250, 250)],
        vec![refunds(100, 0), refunds(250, 0), refunds(150, 100), refunds(250, 100)],
        vec![refunds(250, 0), open.clone(), refunds(0, 250), lost.clone()],
        vec![refunds(250, 0), open, lost, refunds(0, 250)],
    ] {
        let promised = after(&[AttemptResult::Succeeded]).owe_refund(250).unwrap();
        let end = |order: &[AttemptResult]| {
            order.iter().fold(promised.clone(), |payment, result| payment.report(&of(1, result.clone())).unwrap_or(payment))
        };
        for order in permutations(&life) {
            assert_eq!(end(&order), end(&life), "{order:?}");
        }
    }
}

#[test]
fn p9_a_refund_that_failed_is_due_as_before_unless_the_guests_bank_took_the_charge() {
    let promised = after(&[AttemptResult::Succeeded]).owe_refund(300).unwrap();
    let report = |payment: &Payment, result| payment.report(&of(0, result)).unwrap();
    let sent = report(&promised, AttemptResult::Refunded { total_minor: 300, failed_minor: 0 });
    assert!(!sent.may_send_refund());
    let failed = report(&sent, AttemptResult::Refunded { total_minor: 0, failed_minor: 300 });
    assert_eq!((failed.refunded_minor, failed.refund_due_minor, failed.may_send_refund()), (0, 300, true));
    assert_eq!(failed.report(&of(0, AttemptResult::Refunded { total_minor: 300, failed_minor: 0 })), None, "late word of the first");
    let again = report(&failed, AttemptResult::Refunded { total_minor: 300, failed_minor: 300 });
    assert_eq!((again.refunded_minor, again.may_send_refund()), (300, false));

    let lost = report(&sent, dispute(500, DisputeState::Lost));
    let failed = report(&lost, AttemptResult::Refunded { total_minor: 0, failed_minor: 300 });
    assert_eq!((failed.refunded_minor, failed.refund_due_minor, failed.left_minor()), (0, 0, 0));
}

#[test]
fn p9_a_refund_made_at_the_providers_own_pages_was_due() {
    let paid = asked().report(&of(1, AttemptResult::Succeeded)).unwrap();
    let refunded = paid.report(&of(0, AttemptResult::Refunded { total_minor: 200, failed_minor: 0 })).unwrap();
    assert_eq!((refunded.refunded_minor, refunded.refund_due_minor, refunded.refundable_minor()), (200, 200, 300));
}

#[test]
fn p9_what_is_disputed_cannot_be_promised_back_as_well() {
    let paid = asked().report(&of(1, AttemptResult::Succeeded)).unwrap();
    let open = paid.report(&of(0, dispute(400, DisputeState::Open))).unwrap();
    assert_eq!((open.refundable_minor(), open.charged_back_minor(), open.is_disputed()), (100, 0, true));
    assert_eq!(open.clone().owe_refund(101), Err(Refusal::RefundTooLarge));
    let won = open.report(&of(0, dispute(400, DisputeState::Won))).unwrap();
    assert_eq!((won.refundable_minor(), won.charged_back_minor()), (500, 0));
    let lost = open.report(&of(0, dispute(400, DisputeState::Lost))).unwrap();
    assert_eq!((lost.refundable_minor(), lost.charged_back_minor(), lost.is_disputed()), (100, 400, false));
}

#[test]
fn a_declined_method_can_be_followed_by_another() {
    let declined =
        asked().attempt("pm_1".to_owned()).unwrap().report(&of(1, AttemptResult::Declined { reason: "card_declined".to_owned() })).unwrap();
    assert_eq!(declined.state, PaymentState::RequiresPaymentMethod { declined: Some("card_declined".to_owned()) });
    assert_eq!(declined.attempt("pm_2".to_owned()).unwrap().attempts, 2);
    assert!(matches!(asked().attempt("a".into()).unwrap().attempt("b".into()), Err(Refusal::InvalidState { .. })));
}

#[test]
fn money_that_comes_in_after_all_is_not_forgotten() {
    let (canceled, must_tell) = asked().attempt("pm".to_owned()).unwrap().cancel();
    assert!(must_tell, "the provider may yet take it");
    let declined = asked().attempt("pm".to_owned()).unwrap().report(&of(1, AttemptResult::Declined { reason: "no".to_owned() })).unwrap();
    assert!(declined.cancel().1, "it waits for another method");
    assert!(!asked().cancel().1, "it was never asked");
    assert_eq!(canceled.report(&of(1, AttemptResult::Authorised)), None);
    assert_eq!(canceled.report(&of(1, AttemptResult::Succeeded)).unwrap().captured_minor, 500);
}
