//! Every call, also when its answer is lost: repeated by another process, it has happened once.

use latchkey::domain::payment::{Dispute, DisputeState};

use super::*;
use crate::support::stripe::{Account, Trouble};

use AttemptResult::{Authorised, Canceled, Processing, Succeeded};

fn declined(reason: &str) -> AttemptResult {
    AttemptResult::Declined { reason: reason.to_owned() }
}

/// Asks until there is an answer, each time as another process; it may take as many tries as troubles.
macro_rules! insist {
    ($bench:expr, $ask:expr) => {{
        let mut answer = $ask(&$bench).await;
        for _ in 0..3 {
            if !is_unreachable(&answer) {
                break;
            }
            $bench.restart();
            answer = $ask(&$bench).await;
        }
        answer
    }};
}

#[tokio::test]
async fn p7_a_charge_is_made_once_whatever_breaks_between_the_hub_and_stripe() {
    for operation in ["create", "confirm"] {
        for trouble in Trouble::ALL {
            let mut bench = Bench::start().await;
            bench.server.trouble(operation, trouble);
            let first = bench.charge(VISA, 1).await;
            assert!(is_unreachable(&first), "{operation} {trouble:?}: {first:?}");
            let report = insist!(bench, async |bench: &Bench| bench.charge(VISA, 1).await);
            assert_eq!(report, Ok(of(1, Authorised)), "{operation} {trouble:?}");
            assert!(bench.server.is_over());
            assert_eq!(bench.charged(), 23_000, "{operation} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn a_charge_says_what_stripe_is_to_know_and_nothing_else() {
    let bench = Bench::start().await;
    bench.charge(VISA, 1).await.unwrap();
    let created = bench.server.asked("create").remove(0);
    let payment = bench.payment.to_string();
    for (name, expected) in [
        ("amount", "23000"),
        ("currency", "eur"),
        ("metadata[payment]", &payment),
        ("metadata[attempt]", "1"),
        ("automatic_payment_methods[allow_redirects]", "never"),
    ] {
        assert_eq!(created.get(name), Some(expected), "{name}");
    }
    assert_eq!(created.key, Some(format!("pi_{payment}")));
    let confirmed = bench.server.asked("confirm").remove(0);
    assert_eq!((confirmed.get("payment_method"), confirmed.get("capture_method")), (Some(VISA), Some("manual")));
    assert_eq!(confirmed.key, Some(format!("pi_{payment}_1")));
}

#[tokio::test]
async fn p7_a_declined_attempt_keeps_its_answer_and_the_next_one_pays_the_same_intent() {
    let mut bench = Bench::start().await;
    for _ in 0..2 {
        assert_eq!(bench.charge(DECLINED, 1).await, Ok(of(1, declined("generic_decline"))));
        bench.restart();
    }
    assert_eq!(bench.server.account(|account| account.intents[0].tries), 1, "the card was tried once");
    assert_eq!(bench.charge("pm_of_nobody", 2).await, Ok(of(2, declined("resource_missing"))));
    assert_eq!(bench.charge(VISA, 3).await, Ok(of(3, Authorised)));
    assert_eq!(bench.server.account(|account| account.intents.len()), 1);
    assert_eq!(bench.stripe.look_up(bench.intent(), 3).await, Ok(Some(of(3, Authorised))));
}

#[tokio::test]
async fn p7_a_payment_that_is_paid_on_its_way_or_given_up_is_not_charged_again() {
    for (method, capture, expected) in
        [(VISA, Capture::Later, Authorised), (VISA, Capture::AtOnce, Succeeded), ("pm_slow", Capture::AtOnce, Processing)]
    {
        let mut bench = Bench::start().await;
        assert_eq!(bench.charge_with(method, 1, capture).await, Ok(of(1, expected.clone())));
        bench.restart();
        assert_eq!(bench.charge(VISA, 2).await, Ok(of(2, expected)), "what has become of it");
        assert_eq!(bench.server.asked("confirm").len(), 1);
    }
    let bench = Bench::start().await;
    assert_eq!(bench.stripe.void(bench.intent()).await, Ok(of(1, Canceled)));
    // The charge was still under way when it was given up.
    assert_eq!(bench.charge(VISA, 1).await, Ok(of(1, Canceled)));
    assert_eq!(bench.charge(VISA, 2).await, Ok(of(2, Canceled)));
    assert_eq!(bench.charged(), 0);
}

#[tokio::test]
async fn what_stripe_can_never_do_is_a_decline_and_there_is_nothing_to_let_go_of() {
    let bench = Bench::start().await;
    let intent = Intent { amount: eur(49), ..bench.intent() };
    let charge = Charge { intent, method: VISA.to_owned(), attempt: 1, capture: Capture::Later };
    assert_eq!(bench.stripe.charge(charge).await, Ok(of(1, declined("amount_too_small"))));
    assert_eq!(bench.stripe.void(intent).await, Ok(of(0, Canceled)));
    // Whose key is refused learns nothing of the payment.
    let key = ApiKey::new("sk_test_of_nobody").unwrap();
    let stripe = connected_as(key, &bench.server, &bench.clock, to_accounts(&bench.folder));
    assert!(is_refused(&stripe.void(bench.intent()).await));
}

#[tokio::test]
async fn a_guest_who_comes_back_from_the_bank_has_paid_and_is_not_charged_again() {
    let mut bench = Bench::start().await;
    let asked = bench.charge(AUTHENTICATION, 1).await.unwrap();
    assert_eq!(asked.result, AttemptResult::RequiresAction { client_secret: Some("pi_1_secret_canary".to_owned()) });
    assert_eq!(bench.stripe.look_up(bench.intent(), 1).await, Ok(Some(asked)));
    bench.server.account(Account::authenticate);
    assert_eq!(bench.stripe.look_up(bench.intent(), 1).await, Ok(Some(of(1, Authorised))));
    bench.restart();
    assert_eq!(bench.charge(AUTHENTICATION, 2).await, Ok(of(2, Authorised)));
    assert_eq!(bench.server.account(|account| account.intents[0].tries), 1);
}

#[tokio::test]
async fn what_is_set_aside_is_captured_or_let_go_of_but_never_both_whatever_breaks() {
    for (operation, captures, expected) in [("capture", true, Succeeded), ("cancel", false, Canceled)] {
        for trouble in Trouble::ALL {
            let mut bench = Bench::start().await;
            bench.charge(VISA, 1).await.unwrap();
            bench.server.trouble(operation, trouble);
            let ask = async |bench: &Bench, captures: bool| {
                if captures { bench.stripe.capture(bench.intent()).await } else { bench.stripe.void(bench.intent()).await }
            };
            let report = insist!(bench, async |bench: &Bench| ask(bench, captures).await);
            assert_eq!(report, Ok(of(1, expected.clone())), "{operation} {trouble:?}");
            assert_eq!(ask(&bench, !captures).await, Ok(of(1, expected.clone())), "too late: {operation} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn an_authorisation_that_the_bank_took_back_cannot_be_captured() {
    let bench = Bench::start().await;
    bench.charge(VISA, 1).await.unwrap();
    bench.server.account(Account::expire);
    assert_eq!(bench.stripe.capture(bench.intent()).await, Ok(of(1, Canceled)));
}

#[tokio::test]
async fn what_the_bank_has_not_decided_cannot_be_let_go_of_yet() {
    let bench = Bench::start().await;
    bench.charge_with("pm_slow", 1, Capture::AtOnce).await.unwrap();
    assert!(is_unreachable(&bench.stripe.void(bench.intent()).await));
    bench.server.account(Account::settle);
    assert_eq!(bench.stripe.void(bench.intent()).await, Ok(of(1, Succeeded)));
}

#[tokio::test]
async fn p9_refunds_go_up_to_a_total_whatever_breaks_also_days_later() {
    for trouble in Trouble::ALL {
        let mut bench = Bench::start().await;
        bench.paid().await;
        for (total, kept) in [(5_000, 18_000), (5_000, 18_000), (23_000, 0)] {
            bench.server.trouble("refund", trouble);
            let report = insist!(bench, async |bench: &Bench| bench.refund(total).await);
            assert_eq!(report, Ok(of(0, AttemptResult::Refunded { total_minor: total, failed_minor: 0 })), "{trouble:?}");
            assert_eq!(bench.server.account(|account| account.kept()), kept, "{trouble:?}");
            bench.a_day_later();
        }
        assert_eq!(bench.server.account(|account| account.intents.len()), 1, "found, not made again");
    }
}

#[tokio::test]
async fn p9_a_refund_that_is_still_under_way_when_more_is_due_is_not_sent_twice() {
    let bench = Bench::start().await;
    bench.paid().await;
    bench.server.account(|account| account.lists_no_refunds = true);
    bench.server.trouble("refund", Trouble::HangsAfter);
    assert!(is_unreachable(&bench.refund(5_000).await));
    assert!(is_refused(&bench.refund(8_000).await), "the same key, with another amount");
    bench.server.account(|account| account.lists_no_refunds = false);
    assert_eq!(bench.refund(8_000).await, Ok(of(0, AttemptResult::Refunded { total_minor: 8_000, failed_minor: 0 })));
    assert_eq!(bench.server.account(|account| account.kept()), 15_000);
}

#[tokio::test]
async fn a_refund_that_failed_later_is_made_again_and_not_answered_with_the_old_one() {
    let bench = Bench::start().await;
    bench.paid().await;
    for failed_minor in [0, 5_000, 10_000] {
        assert_eq!(bench.refund(5_000).await, Ok(of(0, AttemptResult::Refunded { total_minor: 5_000, failed_minor })));
        bench.server.account(Account::fail_refund);
    }
    bench.server.account(|account| account.next_refund_fails = true);
    let at_once = AttemptResult::Refunded { total_minor: 0, failed_minor: 20_000 };
    assert_eq!(bench.refund(5_000).await, Ok(of(0, at_once)), "told as what it is: it is not sent again at once");
    bench.refund(5_000).await.unwrap();
    assert_eq!(bench.server.account(|account| account.kept()), 18_000);
}

#[tokio::test]
async fn p7_an_intent_is_found_again_when_stripe_has_forgotten_its_key() {
    let mut bench = Bench::start().await;
    bench.charge(VISA, 1).await.unwrap();
    bench.a_day_later();
    assert_eq!(bench.charge(VISA, 2).await, Ok(of(2, Authorised)));
    bench.restart();
    assert_eq!(bench.stripe.capture(bench.intent()).await, Ok(of(2, Succeeded)));
    assert_eq!((bench.charged(), bench.server.account(|account| account.intents.len())), (23_000, 1));
}

#[tokio::test]
async fn of_several_intents_that_failures_left_behind_the_one_that_was_confirmed_is_found() {
    let mut bench = Bench::start().await;
    bench.server.trouble("create", Trouble::FailsAfter);
    assert_eq!(insist!(bench, async |bench: &Bench| bench.charge(VISA, 1).await), Ok(of(1, Authorised)));
    assert_eq!(bench.server.account(|account| account.intents.len()), 2, "the first one was made, and nobody was told");
    bench.a_day_later();
    assert_eq!(bench.stripe.capture(bench.intent()).await, Ok(of(1, Succeeded)));
    assert_eq!(bench.charged(), 23_000);
}

#[tokio::test]
async fn p7_a_host_is_paid_and_paid_back_once_whatever_breaks_also_days_later() {
    for (operation, troubles) in [("transfer", Trouble::ALL), ("reverse", Trouble::ALL)] {
        for trouble in troubles {
            let mut bench = Bench::start().await;
            bench.server.trouble(operation, trouble);
            // Paid twice, since an alteration cost more; then most of it goes back, which takes from both transfers.
            for (revision, minor, at_host) in [(1, 20_000, 20_000), (2, 5_000, 25_000), (3, -22_000, 3_000), (4, 1_000, 4_000)] {
                assert_eq!(insist!(bench, async |bench: &Bench| bench.pay_out(revision, minor).await), Ok(()), "{operation} {trouble:?}");
                assert_eq!(bench.at_host(), at_host, "{operation} {trouble:?}");
                bench.a_day_later();
                assert_eq!(bench.pay_out(revision, minor).await, Ok(()));
                assert_eq!(bench.at_host(), at_host, "{operation} {trouble:?}, a day later");
            }
            for _ in 0..2 {
                assert_eq!(bench.pay_out(5, -5_000).await, Ok(()), "more than the host has of it");
            }
            assert_eq!((bench.at_host(), bench.listed()), (0, vec![(5, -1_000)]), "{operation} {trouble:?}");
        }
    }
}

#[tokio::test]
async fn a_payout_that_was_refused_for_want_of_money_is_made_when_there_is_some() {
    let bench = Bench::start().await;
    bench.server.account(|account| account.balance = 0);
    for _ in 0..20 {
        assert!(is_refused(&bench.pay_out(1, 20_000).await));
    }
    bench.server.account(|account| account.balance = 20_000);
    assert_eq!(bench.pay_out(1, 20_000).await, Ok(()), "Stripe keeps each refusal under its key");
    assert_eq!(bench.at_host(), 20_000);
}

#[tokio::test]
async fn a_host_without_an_account_waits_and_payouts_by_hand_are_listed() {
    let mut bench = Bench::start().await;
    std::fs::write(bench.folder.path().join("accounts"), "").unwrap();
    assert!(is_refused(&bench.pay_out(1, 20_000).await));
    bench.by_hand();
    for _ in 0..2 {
        assert_eq!(bench.pay_out(1, 20_000).await, Ok(()));
    }
    assert_eq!(bench.at_host(), 0);
    assert_eq!(bench.listed(), [(1, 20_000)]);
}

#[tokio::test]
async fn p7_what_was_paid_by_hand_is_taken_back_by_hand_also_when_hosts_have_accounts_since() {
    let mut bench = Bench::start().await;
    bench.by_hand();
    bench.pay_out(1, 20_000).await.unwrap();
    bench.restart();
    bench.pay_out(2, 3_000).await.unwrap();
    for _ in 0..2 {
        assert_eq!(bench.pay_out(3, -5_000).await, Ok(()));
        assert_eq!((bench.at_host(), bench.listed()), (0, vec![(1, 20_000), (3, -2_000)]));
        bench.a_day_later();
    }
}

#[tokio::test]
async fn a_look_up_tells_the_last_thing_that_happened() {
    let bench = Bench::start().await;
    let look = async || bench.stripe.look_up(bench.intent(), 1).await.unwrap().map(|report| report.result);
    assert_eq!(bench.stripe.look_up(bench.intent(), 0).await, Ok(None), "it was never charged");
    assert_eq!(bench.server.asked("create").len(), 0);
    assert_eq!(look().await, None, "the charge did not come to Stripe");
    bench.paid().await;
    assert_eq!(look().await, Some(Succeeded));
    bench.refund(5_000).await.unwrap();
    assert_eq!(look().await, Some(AttemptResult::Refunded { total_minor: 5_000, failed_minor: 0 }));
    bench.server.account(Account::fail_refund);
    assert_eq!(
        look().await,
        Some(AttemptResult::Refunded { total_minor: 0, failed_minor: 5_000 }),
        "though the charge has nothing refunded"
    );
    for (status, state) in [("needs_response", DisputeState::Open), ("lost", DisputeState::Lost)] {
        bench.server.account(|account| account.dispute(status, "charge.dispute.updated"));
        assert_eq!(look().await, Some(AttemptResult::Disputed(Dispute { amount_minor: 23_000, state })), "{status}");
    }
}

#[tokio::test]
async fn a_refusal_names_its_code_and_nothing_of_what_stripe_says_in_words() {
    let bench = Bench::start().await;
    let Err(ProviderError::Refused(refusal)) = bench.stripe.capture(bench.intent()).await else { panic!("nothing was set aside") };
    assert_eq!(refusal, "invalid_request_error payment_intent_unexpected_state (request req_1)");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let mut bench = Bench::start().await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    bench.server.url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    bench.restart();
    assert!(is_unreachable(&bench.charge(VISA, 1).await));
}
