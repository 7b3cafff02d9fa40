//! What has become of one payment: Stripe's states of a PaymentIntent, derived from what was asked and from the time.
//!
//! Pure: `mod.rs` asks, and writes the answers into the books.

use std::collections::BTreeMap;

use latchkey_protocol::EpochMs;
use serde::{Deserialize, Serialize};

use super::event::{Verdict, What};
use crate::provider::Capture;

/// How long `pm_card_settles_late` stays in processing, in milliseconds.
pub(super) const SETTLES_AFTER_MS: i64 = 2_000;

/// How long after the money came in a dispute is opened, and how much later it is closed, in milliseconds.
pub(super) const DISPUTE_STEP_MS: i64 = 2_000;

/// The sandbox's payment methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Visa,
    Declined,
    AuthenticationRequired,
    SettlesLate,
    CaptureFails,
    Disputed(Verdict),
    Unknown,
}

impl Method {
    fn named(name: &str) -> Self {
        match name {
            "pm_card_visa" => Self::Visa,
            "pm_card_declined" => Self::Declined,
            "pm_card_authentication_required" => Self::AuthenticationRequired,
            "pm_card_settles_late" => Self::SettlesLate,
            "pm_card_capture_fails" => Self::CaptureFails,
            "pm_card_disputed_won" => Self::Disputed(Verdict::Won),
            "pm_card_disputed_lost" => Self::Disputed(Verdict::Lost),
            _ => Self::Unknown,
        }
    }
}

/// An attempt and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) answer: What,
    /// What is below was not written by the first journals.
    #[serde(default)]
    method: String,
    #[serde(default)]
    pub(super) amount_minor: i64,
    #[serde(default)]
    at: EpochMs,
}

/// One payment.
#[derive(Debug, Clone, Default)]
pub(super) struct Intent {
    pub(super) attempts: BTreeMap<u32, Attempt>,
    /// When the money that was set aside was taken.
    pub(super) captured_at: Option<EpochMs>,
    pub(super) is_canceled: bool,
    pub(super) refunded_minor: i64,
}

impl Intent {
    /// What a new attempt is answered.
    pub(super) fn attempt(
        &self,
        payment: impl std::fmt::Display,
        method: &str,
        amount_minor: i64,
        capture: Capture,
        now: EpochMs,
    ) -> Attempt {
        let paid = match capture {
            Capture::Later => What::Authorised,
            Capture::AtOnce => What::Succeeded,
        };
        let declined = |reason: &str| What::PaymentFailed { reason: reason.to_owned() };
        let is_back_from_bank = matches!(self.last(), Some((_, Attempt { answer: What::RequiresAction { .. }, .. })));
        let answer = match Method::named(method) {
            Method::Visa | Method::Disputed(_) => paid,
            Method::AuthenticationRequired if is_back_from_bank => paid,
            Method::AuthenticationRequired => What::RequiresAction { client_secret: Some(format!("pi_{payment}_secret")) },
            Method::SettlesLate => What::Processing,
            Method::CaptureFails if capture == Capture::Later => paid,
            Method::CaptureFails | Method::Declined => declined("card_declined"),
            Method::Unknown => declined("unknown_payment_method"),
        };
        Attempt { answer, method: method.to_owned(), amount_minor, at: now }
    }

    /// Where it is; `None` before the first attempt.
    pub(super) fn state(&self, now: EpochMs) -> Option<What> {
        if self.is_canceled {
            return Some(What::Canceled);
        }
        if self.paid_at().is_some_and(|at| at <= now) {
            return Some(What::Succeeded);
        }
        self.last().map(|(_, attempt)| attempt.answer.clone())
    }

    /// What is to be told of it: the last thing that happened.
    pub(super) fn news(&self, now: EpochMs) -> Option<What> {
        let disputed = self.disputes().into_iter().rev().find(|(_, at)| *at <= now);
        let refunded = (self.refunded_minor > 0).then_some(What::Refunded { total_minor: self.refunded_minor });
        disputed.map(|(what, _)| what).or(refunded).or_else(|| self.state(now))
    }

    /// When its money came, or will come, in.
    pub(super) fn paid_at(&self) -> Option<EpochMs> {
        let last = self.last().map(|(_, attempt)| attempt);
        self.captured_at.or_else(|| match last?.answer {
            What::Succeeded => Some(last?.at),
            What::Processing => Some(last?.at + SETTLES_AFTER_MS),
            _ => None,
        })
    }

    /// How its dispute goes, and when, if there is to be one.
    pub(super) fn disputes(&self) -> Vec<(What, EpochMs)> {
        let (Some((_, last)), Some(paid_at)) = (self.last(), self.paid_at()) else { return Vec::new() };
        let Method::Disputed(status) = Method::named(&last.method) else { return Vec::new() };
        let amount_minor = last.amount_minor;
        vec![
            (What::DisputeCreated { amount_minor }, paid_at + DISPUTE_STEP_MS),
            (What::DisputeClosed { amount_minor, status }, paid_at + 2 * DISPUTE_STEP_MS),
        ]
    }

    /// Whether the money that was set aside cannot be taken.
    pub(super) fn capture_fails(&self) -> bool {
        self.last().is_some_and(|(_, attempt)| Method::named(&attempt.method) == Method::CaptureFails)
    }

    /// The number of the last attempt.
    pub(super) fn last_attempt(&self) -> u32 {
        self.last().map_or(0, |(number, _)| *number)
    }

    /// The attempt that is charged, of which there is one at most, or else the last one.
    fn last(&self) -> Option<(&u32, &Attempt)> {
        let is_charged = |attempt: &Attempt| matches!(attempt.answer, What::Authorised | What::Processing | What::Succeeded);
        self.attempts.iter().find(|(_, attempt)| is_charged(attempt)).or_else(|| self.attempts.last_key_value())
    }
}
