//! The sandbox keeps its word: over repetitions, over crashes, and by the clock.

use latchkey_protocol::{BookingId, UserId};

use super::*;
use crate::clock::OffsetClock;
use crate::domain::payment::{AttemptResult, Dispute, DisputeState};
use crate::provider::Capture;

const STEP_MS: i64 = intent::DISPUTE_STEP_MS;

fn eur(minor: i64) -> Money {
    Money { minor, currency: "EUR".parse().unwrap() }
}

fn intent() -> Intent {
    Intent { payment: PaymentId::from_bytes([1; 16]), amount: eur(500) }
}

fn charge(method: &str, attempt: u32) -> Charge {
    Charge { intent: intent(), method: method.to_owned(), attempt, capture: Capture::Later }
}

fn at_once(method: &str, attempt: u32) -> Charge {
    Charge { capture: Capture::AtOnce, ..charge(method, attempt) }
}

fn of(attempt: u32, result: AttemptResult) -> Report {
    Report { attempt, result }
}

fn disputed(state: DisputeState) -> AttemptResult {
    AttemptResult::Disputed(Dispute { amount_minor: 500, state })
}

struct Bench {
    sandbox: Arc<Sandbox>,
    clock: Arc<OffsetClock>,
    journal: tempfile::TempDir,
}

impl Bench {
    fn open() -> Self {
        let (clock, journal) = (Arc::<OffsetClock>::default(), tempfile::tempdir().unwrap());
        Self { sandbox: opened(&clock, journal.path()), clock, journal }
    }

    /// As after a crash: only the journal is left.
    fn reopen(&mut self) {
        self.sandbox = opened(&self.clock, self.journal.path());
    }

    async fn now(&self) -> Option<AttemptResult> {
        self.sandbox.look_up(intent(), 1).await.unwrap().map(|report| report.result)
    }

    /// What would be called back by now.
    fn called_back(&self) -> Vec<AttemptResult> {
        self.sandbox.take_due().into_iter().map(|due| due.event.what.into()).collect()
    }
}

fn opened(clock: &Arc<OffsetClock>, journal: &std::path::Path) -> Arc<Sandbox> {
    Sandbox::open(&Journal::Own(journal.join("sandbox.jsonl")), Arc::clone(clock) as _, WebhookSecret::new(b"s")).unwrap()
}

#[tokio::test]
async fn each_test_method_does_what_its_name_says_and_calls_it_back() {
    use AttemptResult::{Authorised, Processing, Succeeded};
    let declined = |reason: &str| AttemptResult::Declined { reason: reason.to_owned() };
    let secret = format!("pi_{}_secret", intent().payment);
    let action = AttemptResult::RequiresAction { client_secret: Some(secret) };
    let rows = [
        ("pm_card_visa", Authorised, Succeeded),
        ("pm_card_disputed_won", Authorised, Succeeded),
        ("pm_card_disputed_lost", Authorised, Succeeded),
        ("pm_card_capture_fails", Authorised, declined("card_declined")),
        ("pm_card_declined", declined("card_declined"), declined("card_declined")),
        ("pm_card_authentication_required", action.clone(), action),
        ("pm_card_settles_late", Processing, Processing),
        ("nonsense", declined("unknown_payment_method"), declined("unknown_payment_method")),
    ];
    for (method, later, now) in rows {
        for (charge, expected) in [(charge(method, 1), later), (at_once(method, 1), now)] {
            let bench = Bench::open();
            assert_eq!(bench.sandbox.charge(charge).await, Ok(of(1, expected.clone())), "{method}");
            assert_eq!(bench.called_back(), [expected], "{method}");
        }
    }
}

#[tokio::test]
async fn p7_the_answer_of_an_attempt_is_given_again_after_a_crash_whatever_is_asked_then() {
    for method in ["pm_card_visa", "pm_card_declined", "pm_card_settles_late", "pm_card_authentication_required"] {
        let mut bench = Bench::open();
        let first = bench.sandbox.charge(charge(method, 1)).await;
        bench.reopen();
        assert_eq!(bench.sandbox.charge(charge("pm_card_visa", 1)).await, first, "{method}");
        assert_eq!(bench.called_back().len(), 1, "{method}: what was not delivered is delivered later, and once");
    }
}

#[tokio::test]
async fn p7_processes_that_share_a_journal_know_each_others_payments() {
    let (clock, folder) = (Arc::<OffsetClock>::default(), tempfile::tempdir().unwrap());
    let file = folder.path().join("shared.jsonl");
    let open = || Sandbox::open(&Journal::Shared(file.clone()), Arc::clone(&clock) as _, WebhookSecret::new(b"s")).unwrap();
    let (one, other) = (open(), open());
    let first = one.charge(charge("pm_card_visa", 1)).await;
    assert_eq!(other.charge(charge("pm_card_declined", 1)).await, first, "the same attempt");
    // One was killed in the middle of a line.
    std::io::Write::write_all(&mut std::fs::OpenOptions::new().append(true).open(&file).unwrap(), b"{\"Captured\":{\"paym").unwrap();
    assert_eq!(other.capture(intent()).await, Ok(of(1, AttemptResult::Succeeded)));
    assert_eq!(one.look_up(intent(), 1).await.unwrap(), Some(of(1, AttemptResult::Succeeded)));
    let called_back = |sandbox: &Sandbox| sandbox.take_due().into_iter().map(|due| due.event.id).collect::<Vec<_>>();
    assert_eq!(called_back(&one), called_back(&other), "either may call back: it is taken once");
    assert_eq!(open().look_up(intent(), 1).await.unwrap(), Some(of(1, AttemptResult::Succeeded)));
}

#[tokio::test]
async fn p7_a_payment_that_is_paid_on_its_way_or_given_up_is_not_charged_again() {
    for (first, expected) in [("pm_card_visa", AttemptResult::Authorised), ("pm_card_settles_late", AttemptResult::Processing)] {
        let bench = Bench::open();
        bench.sandbox.charge(charge(first, 1)).await.unwrap();
        assert_eq!(bench.sandbox.charge(charge("pm_card_visa", 2)).await, Ok(of(2, expected.clone())), "{first}");
        assert_eq!(bench.called_back(), [expected], "{first}: nothing happened that could be called back");
    }
    let bench = Bench::open();
    bench.sandbox.void(intent()).await.unwrap();
    assert_eq!(bench.sandbox.charge(charge("pm_card_visa", 1)).await, Ok(of(1, AttemptResult::Canceled)));
}

#[tokio::test]
async fn what_is_set_aside_is_captured_or_let_go_of_but_never_both_and_each_is_called_back_once() {
    use AttemptResult::{Authorised, Canceled, Succeeded};
    for (captures_first, expected) in [(true, Succeeded), (false, Canceled)] {
        let mut bench = Bench::open();
        bench.sandbox.charge(charge("pm_card_visa", 1)).await.unwrap();
        for captures in [captures_first, !captures_first, captures_first] {
            let report = if captures { bench.sandbox.capture(intent()).await } else { bench.sandbox.void(intent()).await };
            assert_eq!(report, Ok(of(1, expected.clone())));
            bench.reopen();
            assert_eq!(bench.now().await, Some(expected.clone()));
        }
        assert_eq!(bench.called_back(), [Authorised, expected]);
    }
}

#[tokio::test]
async fn a_capture_that_fails_says_that_the_money_cannot_be_had() {
    let bench = Bench::open();
    bench.sandbox.charge(charge("pm_card_capture_fails", 1)).await.unwrap();
    assert_eq!(bench.sandbox.capture(intent()).await, Ok(of(1, AttemptResult::Canceled)));
    assert_eq!(bench.called_back(), [AttemptResult::Authorised, AttemptResult::Canceled]);
    assert!(matches!(bench.sandbox.refund(intent(), eur(500)).await, Err(ProviderError::Refused(_))));
}

#[tokio::test]
async fn what_was_never_set_aside_cannot_be_captured_or_refunded() {
    let bench = Bench::open();
    assert_eq!(bench.now().await, None);
    for (method, attempt) in [("pm_card_declined", 1), ("pm_card_authentication_required", 2), ("pm_card_settles_late", 3)] {
        bench.sandbox.charge(charge(method, attempt)).await.unwrap();
        assert!(matches!(bench.sandbox.capture(intent()).await, Err(ProviderError::Refused(_))), "{method}");
        assert!(matches!(bench.sandbox.refund(intent(), eur(1)).await, Err(ProviderError::Refused(_))), "{method}");
    }
}

#[tokio::test]
async fn a_guest_at_their_bank_stays_there_until_they_come_back_with_the_second_attempt() {
    let bench = Bench::open();
    let method = "pm_card_authentication_required";
    // After another card, the first attempt with this one still goes to the bank.
    bench.sandbox.charge(charge("pm_card_declined", 1)).await.unwrap();
    let asked = bench.sandbox.charge(charge(method, 2)).await.unwrap();
    assert!(matches!(asked.result, AttemptResult::RequiresAction { client_secret: Some(_) }));
    bench.clock.advance_ms(60_000);
    assert_eq!(bench.now().await, Some(asked.result));
    assert_eq!(bench.sandbox.charge(charge(method, 3)).await, Ok(of(3, AttemptResult::Authorised)));
    assert_eq!(bench.now().await, Some(AttemptResult::Authorised));
}

#[tokio::test]
async fn a_late_settlement_cannot_be_let_go_of_before_the_bank_has_decided() {
    let mut bench = Bench::open();
    bench.sandbox.charge(charge("pm_card_settles_late", 1)).await.unwrap();
    assert_eq!(bench.called_back(), [AttemptResult::Processing]);
    assert!(matches!(bench.sandbox.void(intent()).await, Err(ProviderError::Unreachable(_))));
    bench.clock.advance_ms(intent::SETTLES_AFTER_MS);
    bench.reopen();
    assert_eq!(bench.sandbox.void(intent()).await, Ok(of(1, AttemptResult::Succeeded)));
    assert_eq!(bench.now().await, Some(AttemptResult::Succeeded));
}

#[tokio::test]
async fn a_dispute_is_opened_and_closed_by_the_clock_also_over_a_crash() {
    for (method, end) in [("pm_card_disputed_won", DisputeState::Won), ("pm_card_disputed_lost", DisputeState::Lost)] {
        let mut bench = Bench::open();
        bench.sandbox.charge(charge(method, 1)).await.unwrap();
        bench.clock.advance_ms(10 * STEP_MS);
        assert_eq!(bench.called_back(), [AttemptResult::Authorised], "{method}: nothing to dispute yet");
        bench.sandbox.capture(intent()).await.unwrap();
        assert_eq!(bench.called_back(), [AttemptResult::Succeeded], "{method}");
        for expected in [disputed(DisputeState::Open), disputed(end)] {
            bench.reopen();
            bench.called_back();
            bench.clock.advance_ms(STEP_MS);
            assert_eq!(bench.now().await, Some(expected.clone()), "{method}");
            assert_eq!(bench.called_back(), [expected], "{method}");
        }
    }
}

#[tokio::test]
async fn p9_refunds_go_up_to_a_total_and_never_beyond_the_payment() {
    let mut bench = Bench::open();
    bench.sandbox.charge(at_once("pm_card_visa", 1)).await.unwrap();
    bench.called_back();
    for (total, gone) in [(200, 200), (200, 200), (100, 200), (500, 500)] {
        assert_eq!(
            bench.sandbox.refund(intent(), eur(total)).await,
            Ok(of(1, AttemptResult::Refunded { total_minor: gone, failed_minor: 0 }))
        );
    }
    assert!(matches!(bench.sandbox.refund(intent(), eur(501)).await, Err(ProviderError::Refused(_))));
    assert_eq!(bench.called_back(), [200, 500].map(|total_minor| AttemptResult::Refunded { total_minor, failed_minor: 0 }));
    bench.reopen();
    assert_eq!(bench.now().await, Some(AttemptResult::Refunded { total_minor: 500, failed_minor: 0 }));
}

#[tokio::test]
async fn p7_a_payouts_movement_is_made_once_also_over_a_crash() {
    let mut bench = Bench::open();
    let (booking, host) = (BookingId::from_bytes([2; 16]), UserId::from_bytes([3; 16]));
    let movement = |revision, minor| PayOut { booking, host, revision, amount: eur(minor) };
    for _ in 0..2 {
        assert_eq!(bench.sandbox.pay_out(movement(1, 400)).await, Ok(()));
        bench.reopen();
    }
    assert_eq!(bench.sandbox.pay_out(movement(2, -100)).await, Ok(()));
    assert!(matches!(bench.sandbox.pay_out(movement(1, 300)).await, Err(ProviderError::Refused(_))), "another amount under its key");
    assert_eq!(bench.sandbox.lock().payouts.values().sum::<i64>(), 300);
}

#[tokio::test]
async fn a_journal_whose_last_line_was_cut_loses_only_that_line() {
    let mut bench = Bench::open();
    let path = bench.journal.path().join("sandbox.jsonl");
    bench.sandbox.charge(charge("pm_card_visa", 1)).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"Captured\":{{\"pay")).unwrap();
    bench.reopen();
    assert_eq!(bench.now().await, Some(AttemptResult::Authorised));
    bench.sandbox.capture(intent()).await.unwrap();
    bench.reopen();
    assert_eq!(bench.now().await, Some(AttemptResult::Succeeded));
}

#[tokio::test]
async fn the_journal_of_an_older_hub_is_read() {
    let mut bench = Bench::open();
    let payment = intent().payment;
    let lines = [
        format!("{{\"Charged\":{{\"payment\":\"{payment}\",\"attempt\":1,\"answer\":{{\"type\":\"payment_intent.succeeded\"}}}}}}"),
        format!(
            "{{\"Charged\":{{\"payment\":\"{payment}\",\"attempt\":2,\"answer\":{{\"type\":\"payment_intent.payment_failed\",\"data\":{{\"reason\":\"x\"}}}}}}}}"
        ),
        format!(
            "{{\"Due\":{{\"event\":{{\"id\":\"evt\",\"type\":\"payment_intent.succeeded\",\"payment\":\"{payment}\",\"attempt\":1}},\"at\":0}}}}"
        ),
    ];
    std::fs::write(bench.journal.path().join("sandbox.jsonl"), lines.join("\n") + "\n").unwrap();
    bench.reopen();
    assert_eq!(bench.now().await, Some(AttemptResult::Succeeded));
    assert_eq!(bench.called_back(), [AttemptResult::Succeeded]);
    assert_eq!(bench.sandbox.refund(intent(), eur(500)).await, Ok(of(1, AttemptResult::Refunded { total_minor: 500, failed_minor: 0 })));
}

#[tokio::test]
async fn a_webhook_of_its_own_is_read_and_others_are_not() {
    let bench = Bench::open();
    let event = SandboxEvent { id: "evt_1".to_owned(), what: What::Succeeded, payment: intent().payment, attempt: 1 };
    let body = serde_json::to_vec(&event).unwrap();
    let now = bench.clock.now();
    let signed = |body: &[u8]| {
        HeaderMap::from_iter([(http::HeaderName::from_static(SIGNATURE_HEADER), bench.sandbox.secret.sign(body, now).parse().unwrap())])
    };
    let expected = WebhookEvent { id: "evt_1".to_owned(), payment: intent().payment, report: of(1, AttemptResult::Succeeded) };
    assert_eq!(bench.sandbox.open_webhook(&signed(&body), &body, now).await, Ok(Some(expected)));
    assert_eq!(bench.sandbox.open_webhook(&HeaderMap::new(), &body, now).await, Err(WebhookError::BadSignature));
    assert_eq!(bench.sandbox.open_webhook(&signed(b"{}"), b"{}", now).await, Err(WebhookError::Malformed));
}
