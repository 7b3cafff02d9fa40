//! Every pair of state and step, and the diagram drawn from them.

use super::*;

const NOW: Timestamp = Timestamp::from_epoch_ms(1_000);
const LATER: Timestamp = Timestamp::from_epoch_ms(2_000);

fn states() -> [BookingState; 12] {
    [
        BookingState::PendingPayment { expires_at: LATER },
        BookingState::Requested { expires_at: LATER },
        BookingState::Confirmed { at: NOW },
        BookingState::CheckedIn { at: NOW },
        BookingState::Completed { at: NOW },
        BookingState::PaymentFailed { at: NOW },
        BookingState::Declined { at: NOW },
        BookingState::Withdrawn { at: NOW },
        BookingState::Expired { at: NOW },
        BookingState::CancelledByGuest { at: NOW },
        BookingState::CancelledByHost { at: NOW },
        BookingState::NoShow { at: NOW },
    ]
}

const STEPS: [Step; 12] = [
    Step::Request { expires_at: LATER },
    Step::Confirm,
    Step::Accept,
    Step::Decline,
    Step::Expire,
    Step::FailPayment,
    Step::CancelByGuest,
    Step::CancelByHost,
    Step::CheckIn,
    Step::CheckOut,
    Step::MarkNoShow,
    Step::Complete,
];

/// Every way there is; all other pairs are refused.
const WAYS: [(&str, &str, &str); 19] = [
    ("pending_payment", "request", "requested"),
    ("pending_payment", "confirm", "confirmed"),
    ("pending_payment", "expire", "expired"),
    ("pending_payment", "cancel_by_guest", "cancelled_by_guest"),
    ("pending_payment", "cancel_by_host", "cancelled_by_host"),
    ("requested", "accept", "confirmed"),
    ("requested", "decline", "declined"),
    ("requested", "expire", "expired"),
    ("requested", "fail_payment", "payment_failed"),
    ("requested", "cancel_by_guest", "withdrawn"),
    ("requested", "cancel_by_host", "declined"),
    ("confirmed", "fail_payment", "payment_failed"),
    ("confirmed", "cancel_by_guest", "cancelled_by_guest"),
    ("confirmed", "cancel_by_host", "cancelled_by_host"),
    ("confirmed", "check_in", "checked_in"),
    ("confirmed", "mark_no_show", "no_show"),
    ("confirmed", "complete", "completed"),
    ("checked_in", "check_out", "completed"),
    ("checked_in", "complete", "completed"),
];

/// A lease ends at its deadline and not before; every other step is taken while it runs.
fn when(step: Step) -> Timestamp {
    if step == Step::Expire { LATER } else { NOW }
}

#[test]
fn each_pair_of_state_and_step_leads_where_the_table_says_or_is_refused() {
    for state in states() {
        for step in STEPS {
            let way = WAYS.iter().find(|(from, by, _)| (*from, *by) == (state.name(), step.name()));
            let after = state.step(step, when(step));
            if let Some((_, _, to)) = way {
                assert_eq!(after.map(BookingState::name), Ok(*to), "{} {}", state.name(), step.name());
                continue;
            }
            let is_refused = match after {
                Err(Refusal::InvalidState { state: named }) => named == state.name(),
                Err(Refusal::Expired { .. }) => matches!(state, BookingState::Expired { .. }),
                _ => false,
            };
            assert!(is_refused, "{} {}: {after:?}", state.name(), step.name());
        }
    }
}

#[test]
fn p6_at_its_deadline_a_booking_that_waits_can_only_expire() {
    for state in [BookingState::PendingPayment { expires_at: LATER }, BookingState::Requested { expires_at: LATER }] {
        for step in STEPS.into_iter().filter(|step| *step != Step::Expire) {
            assert_eq!(state.step(step, LATER), Err(Refusal::Expired { expires_at: LATER }), "{} {}", state.name(), step.name());
        }
        assert_eq!(state.step(Step::Expire, NOW), Err(Refusal::InvalidState { state: state.name() }), "not before");
    }
}

#[test]
fn a_state_is_live_exactly_if_something_can_still_happen_to_it() {
    for state in states() {
        let goes_on = STEPS.iter().any(|step| state.step(*step, when(*step)).is_ok());
        assert_eq!(state.is_live(), goes_on, "{}", state.name());
    }
}

/// The diagram as Mermaid draws it.
fn diagram() -> String {
    let mut lines = vec!["```mermaid".to_owned(), "stateDiagram-v2".to_owned(), "    [*] --> pending_payment: book".to_owned()];
    for state in states() {
        for step in STEPS {
            if let Ok(after) = state.step(step, when(step)) {
                lines.push(format!("    {} --> {}: {}", state.name(), after.name(), step.name()));
            }
        }
        if !state.is_live() {
            lines.push(format!("    {} --> [*]", state.name()));
        }
    }
    lines.push("```".to_owned());
    lines.join("\n")
}

#[test]
fn the_diagram_in_the_architecture_is_drawn_from_the_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = ("<!-- booking states: generated -->\n", "\n<!-- end of booking states -->");
    let from = text.find(begin).expect("the diagram's place") + begin.len();
    let to = from + text[from..].find(end).expect("the diagram's end");
    if std::env::var_os("LATCHKEY_WRITE_DOCUMENTS").is_some() {
        std::fs::write(path, format!("{}{}{}", &text[..from], diagram(), &text[to..])).unwrap();
        return;
    }
    assert_eq!(&text[from..to], diagram(), "write it again: LATCHKEY_WRITE_DOCUMENTS=1 cargo test -p latchkey --lib diagram");
}
