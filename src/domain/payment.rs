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
    RequiresAction {
        /// With what the guest's client does that: the provider's secret for this payment, if it gives one.
        client_secret: Option<String>,
    },
    /// The bank takes its time.
    Processing,
    /// The bank has set the money aside: it comes in when it is captured.
    RequiresCapture,
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
            Self::RequiresAction { .. } => "requires_action",
            Self::Processing => "processing",
            Self::RequiresCapture => "requires_capture",
            Self::Succeeded => "succeeded",
            Self::Canceled => "canceled",
        }
    }
}

/// What the provider says, and of which attempt: it may be late, or about an attempt that was overtaken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which attempt; for what follows a successful one, any.
    pub attempt: u32,
    /// What became of it.
    pub result: AttemptResult,
}

/// What became of an attempt, and of the money it brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The guest must authenticate.
    RequiresAction {
        /// The provider's secret for the guest's client, if it gives one.
        client_secret: Option<String>,
    },
    /// The bank takes its time.
    Processing,
    /// The method was refused.
    Declined {
        /// The provider's word for it.
        reason: String,
    },
    /// The money is set aside.
    Authorised,
    /// The money came in.
    Succeeded,
    /// It will not come in: the authorisation was given back or ran out.
    Canceled,
    /// This much went back, over all refunds so far, in minor units.
    Refunded {
        /// The sum of all refunds but those that failed.
        total_minor: i64,
        /// The sum of those that failed after they were sent: a closed account, say, days later. It only grows.
        failed_minor: i64,
    },
    /// The guest's bank disputes the charge.
    Disputed(Dispute),
}

/// Where a dispute is, in the order of its life: a later word overrides an earlier one, whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DisputeState {
    /// The provider keeps the money back.
    Open,
    /// The bank gave us right: the money is ours again.
    Won,
    /// The money went back to the guest.
    Lost,
}

impl DisputeState {
    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Won => "won",
            Self::Lost => "lost",
        }
    }
}

/// A guest's bank took, or wants to take, a charge back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dispute {
    /// How much, in minor units.
    pub amount_minor: i64,
    /// Where it is.
    pub state: DisputeState,
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
    /// How much was sent back and came back to us, in minor units: of what was ever sent, the part that is not in `refunded_minor`.
    pub refund_failed_minor: i64,
    /// Whether the guest's bank disputes it. A charge is disputed at most once (as cards' networks have it).
    pub dispute: Option<Dispute>,
    /// How often a method was tried.
    pub attempts: u32,
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
            refund_failed_minor: 0,
            dispute: None,
            attempts: 0,
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
            PaymentState::RequiresPaymentMethod { .. } | PaymentState::RequiresAction { .. } => {
                Ok(Self { attempts: self.attempts + 1, state: PaymentState::RequiresConfirmation { method }, ..self })
            }
            PaymentState::RequiresConfirmation { .. }
            | PaymentState::Processing
            | PaymentState::RequiresCapture
            | PaymentState::Succeeded
            | PaymentState::Canceled => Err(Refusal::InvalidState { state: self.state.name() }),
        }
    }

    /// The payment after a report, or `None` if it says nothing new: a repetition, something that was overtaken, or word of an
    /// attempt that a later one has replaced. Money that came in always counts, whichever attempt brought it; the provider
    /// refuses a second charge of a payment that is paid or on its way (see [`crate::provider::PaymentProvider::charge`]).
    ///
    /// What can only follow a capture (a refund, a dispute) says that there was one, so that webhooks that overtake each other
    /// end in the same state as those that do not.
    #[must_use]
    pub fn report(&self, report: &Report) -> Option<Self> {
        let reported = match &report.result {
            AttemptResult::Succeeded => self.captured(),
            AttemptResult::Refunded { total_minor, failed_minor } => self.captured().refunded(*total_minor, *failed_minor),
            AttemptResult::Disputed(dispute) => self.captured().disputed(*dispute),
            AttemptResult::RequiresAction { .. }
            | AttemptResult::Processing
            | AttemptResult::Declined { .. }
            | AttemptResult::Authorised
            | AttemptResult::Canceled => Self { state: self.state_after(report)?, ..self.clone() },
        };
        (reported != *self).then_some(reported)
    }

    /// The state after word of an attempt that brought no money (yet). Each attempt goes from confirmation over action and
    /// processing to its end, so an earlier word that comes late changes nothing.
    fn state_after(&self, report: &Report) -> Option<PaymentState> {
        use PaymentState as State;
        let is_current = report.attempt == self.attempts;
        match (&report.result, &self.state) {
            (_, State::Succeeded | State::Canceled) => None,
            (AttemptResult::Canceled, _) => Some(State::Canceled),
            (AttemptResult::Authorised, _) => Some(State::RequiresCapture),
            (_, State::RequiresPaymentMethod { .. } | State::RequiresCapture) => None,
            (_, State::RequiresConfirmation { .. } | State::RequiresAction { .. } | State::Processing) if !is_current => None,
            (AttemptResult::RequiresAction { client_secret }, State::RequiresConfirmation { .. }) => {
                Some(State::RequiresAction { client_secret: client_secret.clone() })
            }
            (AttemptResult::Processing, State::RequiresConfirmation { .. } | State::RequiresAction { .. }) => Some(State::Processing),
            (AttemptResult::Declined { reason }, State::RequiresConfirmation { .. } | State::RequiresAction { .. } | State::Processing) => {
                Some(State::RequiresPaymentMethod { declined: Some(reason.clone()) })
            }
            (AttemptResult::RequiresAction { .. }, State::RequiresAction { .. } | State::Processing)
            | (AttemptResult::Processing, State::Processing)
            | (AttemptResult::Succeeded | AttemptResult::Refunded { .. } | AttemptResult::Disputed(_), _) => None,
        }
    }

    fn captured(&self) -> Self {
        Self { captured_minor: self.amount.minor, state: PaymentState::Succeeded, ..self.clone() }
    }

    /// More than was promised has gone back if somebody refunded at the provider's own pages: then it was due. It has gone also if a lost
    /// dispute took the charge as well, whichever of the two is heard of first.
    ///
    /// What was ever sent and what of it failed both only grow, so the greatest of each that was heard of is the newest.
    fn refunded(self, total_minor: i64, failed_minor: i64) -> Self {
        let sent_minor = total_minor.saturating_add(failed_minor).max(self.refunded_minor + self.refund_failed_minor);
        let refund_failed_minor = failed_minor.max(self.refund_failed_minor);
        let refunded_minor = (sent_minor - refund_failed_minor).clamp(0, self.captured_minor);
        let refund_due_minor = self.refund_due_minor.max(refunded_minor);
        Self { refund_due_minor, refunded_minor, refund_failed_minor, ..self }.without_what_was_charged_back()
    }

    /// The first word of a dispute says how much; what is entered in the ledger for it does not change.
    fn disputed(self, dispute: Dispute) -> Self {
        let known = self.dispute.unwrap_or(Dispute { amount_minor: dispute.amount_minor.clamp(0, self.captured_minor), ..dispute });
        Self { dispute: Some(Dispute { state: known.state.max(dispute.state), ..known }), ..self }.without_what_was_charged_back()
    }

    /// The guest has from their bank what a lost dispute took: it is due no more, unless it has gone.
    fn without_what_was_charged_back(self) -> Self {
        let most_due_minor = (self.captured_minor - self.charged_back_minor()).max(self.refunded_minor);
        Self { refund_due_minor: self.refund_due_minor.min(most_due_minor), ..self }
    }

    /// Gives up waiting, unless the money is in. Whether the provider must be told to let go of it: it was asked, and may yet
    /// set money aside or take it.
    #[must_use]
    pub fn cancel(self) -> (Self, bool) {
        match self.state {
            PaymentState::Succeeded | PaymentState::Canceled => (self, false),
            // After a decline the provider still waits for another method, and an attempt that was overtaken may be under way.
            PaymentState::RequiresPaymentMethod { .. } => (Self { state: PaymentState::Canceled, ..self }, self.attempts > 0),
            PaymentState::RequiresConfirmation { .. }
            | PaymentState::RequiresAction { .. }
            | PaymentState::Processing
            | PaymentState::RequiresCapture => (Self { state: PaymentState::Canceled, ..self }, true),
        }
    }

    /// What a lost dispute took, in minor units.
    #[must_use]
    pub const fn charged_back_minor(&self) -> i64 {
        match self.dispute {
            Some(Dispute { amount_minor, state: DisputeState::Lost }) => amount_minor,
            Some(Dispute { state: DisputeState::Open | DisputeState::Won, .. }) | None => 0,
        }
    }

    /// What came in and was neither promised back nor lost, in minor units. A charge that was refunded and then lost to a dispute as well has
    /// cost more than it brought: that is the platform's loss.
    #[must_use]
    pub const fn in_hand_minor(&self) -> i64 {
        let left_minor = self.captured_minor - self.refund_due_minor - self.charged_back_minor();
        if left_minor > 0 { left_minor } else { 0 }
    }

    /// What of it is left with its booking, in minor units: in hand, or promised back and not sent yet. What goes out beyond that is the
    /// platform's loss.
    #[must_use]
    pub const fn left_minor(&self) -> i64 {
        self.in_hand_minor() + self.refund_due_minor - self.refunded_minor
    }

    /// Whether the provider keeps money of it back.
    #[must_use]
    pub const fn is_disputed(&self) -> bool {
        matches!(self.dispute, Some(Dispute { state: DisputeState::Open, .. }))
    }

    /// How much more can be promised back, in minor units. While a dispute is open its amount cannot: it may be lost as well.
    #[must_use]
    pub const fn refundable_minor(&self) -> i64 {
        let disputed_minor = match self.dispute {
            Some(Dispute { amount_minor, state: DisputeState::Open | DisputeState::Lost }) => amount_minor,
            Some(Dispute { state: DisputeState::Won, .. }) | None => 0,
        };
        let left_minor = self.captured_minor - self.refund_due_minor - disputed_minor;
        if left_minor > 0 { left_minor } else { 0 }
    }

    /// Whether money is promised back that has not gone back, and can: providers refund no charge that is disputed.
    #[must_use]
    pub const fn may_send_refund(&self) -> bool {
        self.refunded_minor < self.refund_due_minor && !self.is_disputed()
    }

    /// Promises `minor` more back.
    ///
    /// # Errors
    /// `RefundTooLarge` if that is more than came in and is there (P9).
    pub fn owe_refund(self, minor: i64) -> Result<Self, Refusal> {
        if minor < 0 || minor > self.refundable_minor() {
            return Err(Refusal::RefundTooLarge);
        }
        Ok(Self { refund_due_minor: self.refund_due_minor + minor, ..self })
    }
}

#[cfg(test)]
mod tests;
