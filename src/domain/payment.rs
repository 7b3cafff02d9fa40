//! A payment: Stripe's PaymentIntent states, and how much came in and went back.
//!
//! The provider tells us what happened by answers and by webhooks, in any order and more than once. [`Payment::report`] takes
//! each such report to the same state whatever came before it; money that came in is never forgotten.

use latchkey_protocol::{BookingId, PaymentId};

use super::error::Refusal;
use super::money::Money;
use super::time::Timestamp;

/// Where a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentState {
    /// Waits for a payment method; after a declined one it says why.
    RequiresPaymentMethod {
        /// The provider's word for the last refusal.
        declined: Option<String>,
    },
    /// A method is recorded and the provider is being asked; after a crash the same question is asked again.
    RequiresConfirmation {
        /// The provider's token for the method.
        method: String,
    },
    /// The guest must authenticate with their bank.
    RequiresAction,
    /// The bank takes its time.
    Processing,
    /// The money came in.
    Succeeded,
    /// Will not happen, unless money comes in after all.
    Canceled,
}

impl PaymentState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RequiresPaymentMethod { .. } => "requires_payment_method",
            Self::RequiresConfirmation { .. } => "requires_confirmation",
            Self::RequiresAction => "requires_action",
            Self::Processing => "processing",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// What the provider says, and of which attempt: it may be late, or about an attempt that was overtaken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which attempt; for a refund, any.
    pub attempt: u32,
    /// What became of it.
    pub result: AttemptResult,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The guest must authenticate.
    RequiresAction,
    /// The bank takes its time.
    Processing,
    /// The method was refused.
    Declined {
        /// The provider's word for it.
        reason: String,
    },
    /// The money came in.
    Succeeded,
    /// This much went back, over all refunds so far, in minor units.
    Refunded {
        /// The sum of all refunds.
        total_minor: i64,
    },
}

/// A payment for a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// Its id; the provider knows it by this idempotency key.
    pub id: PaymentId,
    /// For which booking.
    pub booking: BookingId,
    /// How much is asked.
    pub amount: Money,
    /// How much came in, in minor units: nothing or all.
    pub captured_minor: i64,
    /// How much is promised back, in minor units: reserved before the provider is asked.
    pub refund_due_minor: i64,
    /// How much went back, in minor units; never above `refund_due_minor`.
    pub refunded_minor: i64,
    /// How often a method was tried.
    pub attempts: u32,
    /// How many transfers the ledger has of it.
    pub transfers: u32,
    /// Where it is.
    pub state: PaymentState,
    /// When it was asked for.
    pub created_at: Timestamp,
}

impl Payment {
    /// A payment that waits for its first method.
    #[must_use]
    pub const fn ask(id: PaymentId, booking: BookingId, amount: Money, now: Timestamp) -> Self {
        Self {
            id,
            booking,
            amount,
            captured_minor: 0,
            refund_due_minor: 0,
            refunded_minor: 0,
            attempts: 0,
            transfers: 0,
            state: PaymentState::RequiresPaymentMethod { declined: None },
            created_at: now,
        }
    }

    /// Records the method to try next.
    ///
    /// # Errors
    /// `InvalidState` while an attempt is under way, or once it is over.
    pub fn attempt(self, method: String) -> Result<Self, Refusal> {
        match self.state {
            PaymentState::RequiresPaymentMethod { .. } | PaymentState::RequiresAction => {
                Ok(Self { attempts: self.attempts + 1, state: PaymentState::RequiresConfirmation { method }, ..self })
            }
            PaymentState::RequiresConfirmation { .. } | PaymentState::Processing | PaymentState::Succeeded | PaymentState::Canceled => {
                Err(Refusal::InvalidState { state: self.state.name() })
            }
        }
    }

    /// The payment after a report, or `None` if it says nothing new: a repetition, something that was overtaken, or word of an
    /// attempt that a later one has replaced. Money that came in always counts, whichever attempt brought it; the provider
    /// refuses a second charge of a payment that is paid or on its way (see [`crate::provider::PaymentProvider::charge`]).
    #[must_use]
    pub fn report(&self, report: &Report) -> Option<Self> {
        let is_current = report.attempt == self.attempts;
        let moved = |state| Some(Self { state, ..self.clone() });
        match (&report.result, &self.state) {
            (AttemptResult::Succeeded, PaymentState::Succeeded) => None,
            (AttemptResult::Succeeded, _) => {
                Some(Self { captured_minor: self.amount.minor, state: PaymentState::Succeeded, ..self.clone() })
            }
            (AttemptResult::Refunded { total_minor }, _) => {
                let refunded_minor = (*total_minor).min(self.refund_due_minor);
                (refunded_minor > self.refunded_minor).then(|| Self { refunded_minor, ..self.clone() })
            }
            (_, PaymentState::Succeeded | PaymentState::Canceled | PaymentState::RequiresPaymentMethod { .. }) => None,
            (_, PaymentState::RequiresConfirmation { .. } | PaymentState::RequiresAction | PaymentState::Processing) if !is_current => None,
            (AttemptResult::RequiresAction, PaymentState::RequiresConfirmation { .. }) => moved(PaymentState::RequiresAction),
            (AttemptResult::RequiresAction, PaymentState::RequiresAction | PaymentState::Processing)
            | (AttemptResult::Processing, PaymentState::Processing) => None,
            (AttemptResult::Processing, PaymentState::RequiresConfirmation { .. } | PaymentState::RequiresAction) => {
                moved(PaymentState::Processing)
            }
            (
                AttemptResult::Declined { reason },
                PaymentState::RequiresConfirmation { .. } | PaymentState::RequiresAction | PaymentState::Processing,
            ) => moved(PaymentState::RequiresPaymentMethod { declined: Some(reason.clone()) }),
        }
    }

    /// Gives up waiting, unless the money is in.
    #[must_use]
    pub fn cancel(self) -> Self {
        match self.state {
            PaymentState::Succeeded => self,
            PaymentState::RequiresPaymentMethod { .. }
            | PaymentState::RequiresConfirmation { .. }
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Canceled => Self { state: PaymentState::Canceled, ..self },
        }
    }

    /// Promises `minor` more back.
    ///
    /// # Errors
    /// `RefundTooLarge` if that is more than came in (P9).
    pub fn owe_refund(self, minor: i64) -> Result<Self, Refusal> {
        let refund_due_minor = self.refund_due_minor.checked_add(minor).ok_or(Refusal::RefundTooLarge)?;
        if minor < 0 || refund_due_minor > self.captured_minor {
            return Err(Refusal::RefundTooLarge);
        }
        Ok(Self { refund_due_minor, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Payment {
        let money = Money { minor: 500, currency: "EUR".parse().unwrap() };
        Payment::ask(PaymentId::from_bytes([1; 16]), BookingId::from_bytes([2; 16]), money, Timestamp::from_epoch_ms(0))
    }

    fn of(attempt: u32, result: AttemptResult) -> Report {
        Report { attempt, result }
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
    fn reports_in_any_order_and_number_end_in_the_same_state() {
        let reports = [
            AttemptResult::RequiresAction,
            AttemptResult::Processing,
            AttemptResult::Succeeded,
            AttemptResult::Succeeded,
            AttemptResult::Processing,
        ]
        .map(|result| of(1, result));
        let attempted = asked().attempt("pm".to_owned()).unwrap();
        for rotation in 0..reports.len() {
            let mut payment = attempted.clone();
            for index in 0..reports.len() {
                payment = payment.report(&reports[(index + rotation) % reports.len()]).unwrap_or(payment);
            }
            assert_eq!((payment.state.name(), payment.captured_minor), ("succeeded", 500), "rotation {rotation}");
        }
    }

    #[test]
    fn p9_refunds_never_exceed_captures() {
        assert_eq!(asked().owe_refund(1), Err(Refusal::RefundTooLarge));
        let paid = asked().report(&of(1, AttemptResult::Succeeded)).unwrap();
        let refunding = paid.owe_refund(500).unwrap();
        assert_eq!(refunding.clone().owe_refund(1), Err(Refusal::RefundTooLarge));
        let refunded = refunding.report(&of(1, AttemptResult::Refunded { total_minor: 900 })).unwrap();
        assert_eq!(refunded.refunded_minor, 500);
        assert_eq!(refunded.report(&of(1, AttemptResult::Refunded { total_minor: 500 })), None);
    }

    #[test]
    fn a_declined_method_can_be_followed_by_another() {
        let declined = asked()
            .attempt("pm_1".to_owned())
            .unwrap()
            .report(&of(1, AttemptResult::Declined { reason: "card_declined".to_owned() }))
            .unwrap();
        assert_eq!(declined.state, PaymentState::RequiresPaymentMethod { declined: Some("card_declined".to_owned()) });
        assert_eq!(declined.attempt("pm_2".to_owned()).unwrap().attempts, 2);
        assert!(matches!(asked().attempt("a".into()).unwrap().attempt("b".into()), Err(Refusal::InvalidState { .. })));
    }

    #[test]
    fn money_that_comes_in_after_all_is_not_forgotten() {
        assert_eq!(asked().cancel().report(&of(1, AttemptResult::Succeeded)).unwrap().captured_minor, 500);
    }
}
