//! What the payment provider reports, and what follows for the booking.

use latchkey_protocol::{BookingId, PaymentId};

use super::draft::Draft;
use super::{Calendar, Claim};
use crate::domain::booking::{AlterationEnd, BookingState, Deal, Step};
use crate::domain::change::{Decision, Write};
use crate::domain::error::Refusal;
use crate::domain::event::{Event, NightState};
use crate::domain::job::Job;
use crate::domain::ledger::Movement;
use crate::domain::payment::{AttemptResult, DisputeState, Payment, PaymentState, Report};
use crate::domain::time::Timestamp;

/// How long a host has at least to answer a request that is made on the day of arrival.
const SHORTEST_REQUEST_MS: i64 = 3_600_000;

/// How long after a refund failed it is sent again: what a bank did not take it may take once its owner has seen to it, and hardly at once.
const REFUND_AGAIN_MS: i64 = 24 * 3_600_000;

impl Calendar {
    /// Takes a provider's report into account. `ended` is the booking as stored, if it is not live here any more.
    ///
    /// Money that is there or set aside for a live booking confirms it, or has the host asked; money for one that is over, or whose lease has
    /// run out, is let go or owed back. A report that says nothing new changes nothing.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given, or has no such payment.
    pub fn report_payment(
        &self,
        booking: BookingId,
        payment: PaymentId,
        ended: Option<Deal>,
        report: &Report,
        now: Timestamp,
    ) -> Result<Decision<Deal>, Refusal> {
        // An overdue booking is expired by this very decision, and reported on as what it then is: also one that was stored as
        // waiting and is not in this calendar.
        let mut draft = Draft::new(self, now);
        let mut deal = self.any_deal(booking, ended)?;
        for claim in self.overdue(now) {
            if !matches!(claim, Claim::Booked(due) if due.booking.id == booking) {
                draft.expire(claim)?;
            }
        }
        if deal.booking.deadline().is_some_and(|deadline| now >= deadline) {
            draft.expire_deal(&mut deal)?;
        }
        let expired_now = draft.has_freed(booking);
        let before = deal.find_payment(payment).ok_or(Refusal::NotFound)?.clone();
        if report.result == AttemptResult::Authorised && before.state == PaymentState::Canceled {
            // It came too late, perhaps after what was to let go of it.
            draft.write(Write::AddJob(Job::void(payment, now)));
        }
        match before.report(report) {
            Some(after) => {
                deal.put_payment(after.clone());
                draft.take_report(&mut deal, &before, &after)?;
                draft.set(&deal);
            }
            None if expired_now => draft.set(&deal),
            None => {}
        }
        Ok(draft.decide(deal))
    }
}

impl Draft<'_> {
    /// What follows from a report that moved a payment.
    fn take_report(&mut self, deal: &mut Deal, before: &Payment, after: &Payment) -> Result<(), Refusal> {
        if after.state != before.state {
            self.enter_state(deal, before, after)?;
        }
        if (after.refunded_minor, after.refund_failed_minor) != (before.refunded_minor, before.refund_failed_minor) {
            self.take_refund(deal, before, after);
        }
        if after.dispute != before.dispute {
            self.take_dispute(deal, before, after);
        }
        self.balance(deal)?;
        self.wake(deal);
        Ok(())
    }

    /// A payment came to another state.
    fn enter_state(&mut self, deal: &mut Deal, before: &Payment, after: &Payment) -> Result<(), Refusal> {
        match after.state {
            PaymentState::RequiresAction { .. } | PaymentState::Processing | PaymentState::RequiresPaymentMethod { .. } => {
                self.tell_guest(&mut deal.booking, &Event::PaymentUpdated(after.clone()));
            }
            PaymentState::RequiresCapture => {
                self.tell_guest(&mut deal.booking, &Event::PaymentUpdated(after.clone()));
                if after.id == deal.payment.id {
                    self.take_authorisation(deal)?;
                } else {
                    self.write(Write::AddJob(Job::capture(after.id, self.now)));
                }
            }
            PaymentState::Succeeded => {
                self.move_money(deal, Movement::Capture { payment: after.id, minor: after.captured_minor - before.captured_minor });
                self.write(Write::EndJob(Job::capture(after.id, self.now).id));
                self.tell_parties(&mut deal.booking, &Event::PaymentSucceeded(after.clone()));
                if after.id == deal.payment.id {
                    self.take_authorisation(deal)?;
                } else {
                    self.apply_paid_alteration(deal, after.id)?;
                }
            }
            PaymentState::Canceled => {
                self.write(Write::EndJob(Job::capture(after.id, self.now).id));
                self.tell_guest(&mut deal.booking, &Event::PaymentUpdated(after.clone()));
                self.lose_authorisation(deal, after.id)?;
            }
            // Only a guest's attempt leads there.
            PaymentState::RequiresConfirmation { .. } => {}
        }
        Ok(())
    }

    /// The money for the booking is there or set aside.
    fn take_authorisation(&mut self, deal: &mut Deal) -> Result<(), Refusal> {
        let BookingState::PendingPayment { expires_at } = deal.booking.state else { return Ok(()) };
        self.before(expires_at);
        if deal.booking.terms.is_instant {
            deal.booking = deal.booking.clone().step(Step::Confirm, self.now)?;
            self.confirm_nights(deal);
        } else {
            let arrival = deal.booking.times.check_in_at.max(self.now.plus_ms(SHORTEST_REQUEST_MS));
            let expires_at = self.now.plus_ms(self.calendar.leases.request_ms).min(arrival);
            deal.booking = deal.booking.clone().step(Step::Request { expires_at }, self.now)?;
            self.announce(deal.booking.stay(), NightState::Held);
            self.tell_state(&mut deal.booking);
        }
        Ok(())
    }

    /// The nights are the guest's: the money that was set aside is taken.
    pub(super) fn confirm_nights(&mut self, deal: &mut Deal) {
        self.announce(deal.booking.stay(), NightState::Booked);
        self.tell_state(&mut deal.booking);
        if deal.payment.state == PaymentState::RequiresCapture {
            self.write(Write::AddJob(Job::capture(deal.payment.id, self.now)));
        }
        self.wake(deal);
    }

    /// Money that was set aside will not come in. A stay that has begun goes on: its host looks to the platform.
    fn lose_authorisation(&mut self, deal: &mut Deal, payment: PaymentId) -> Result<(), Refusal> {
        if payment != deal.payment.id {
            if deal.payment_due() == Some(payment) {
                self.end_alteration(deal, AlterationEnd::Withdrawn);
            }
            return Ok(());
        }
        // A booking that still waits for its payment keeps its lease, one that has begun or is over its state.
        let Ok(failed) = deal.booking.clone().step(Step::FailPayment, self.now) else { return Ok(()) };
        deal.booking = failed;
        self.end_alteration(deal, AlterationEnd::Expired);
        self.free(deal.booking.stay(), deal.booking.id);
        self.tell_state(&mut deal.booking);
        self.give_up(deal)
    }

    /// Money went back. More than was promised did if somebody refunded at the provider's own pages: then that is not kept, as far as the
    /// booking had it. A refund that failed is money that came back, and is owed as before.
    fn take_refund(&mut self, deal: &mut Deal, before: &Payment, after: &Payment) {
        // It may be the first that is heard of the capture as well.
        let before = Payment { captured_minor: after.captured_minor, ..before.clone() };
        let unasked_minor = before.in_hand_minor() - after.in_hand_minor();
        deal.booking.returned = deal.booking.returned.plus(deal.booking.kept().take(unasked_minor));
        let minor = after.refunded_minor - before.refunded_minor;
        let borne_minor = before.left_minor() - after.left_minor();
        if minor != 0 {
            self.move_money(deal, Movement::Refund { payment: after.id, minor, borne_minor });
        }
        if after.refunded_minor == after.refund_due_minor {
            self.write(Write::EndJob(Job::refund(after.id, self.now).id));
        } else if after.refund_failed_minor > before.refund_failed_minor && after.may_send_refund() {
            let again_at = self.now.plus_ms(REFUND_AGAIN_MS);
            self.write(Write::AddJob(Job::refund(after.id, self.now).delayed_until(again_at)));
        }
        let event = if minor > 0 { Event::PaymentRefunded } else { Event::PaymentUpdated };
        self.tell_parties(&mut deal.booking, &event(after.clone()));
    }

    /// A dispute was opened or decided. What a lost one took is not kept, as far as the booking had it.
    fn take_dispute(&mut self, deal: &mut Deal, before: &Payment, after: &Payment) {
        let (Some(dispute), payment) = (after.dispute, after.id) else { return };
        let (minor, was_open) = (dispute.amount_minor, before.is_disputed());
        if !was_open && dispute.state != DisputeState::Won {
            self.move_money(deal, Movement::Withhold { payment, minor });
        }
        match dispute.state {
            DisputeState::Open => {}
            DisputeState::Won if was_open => self.move_money(deal, Movement::Release { payment, minor }),
            DisputeState::Won => {}
            DisputeState::Lost => {
                // First out of what would have gone back to the guest anyway, then out of what was to be kept; the rest is the platform's loss.
                let borne_minor = (after.captured_minor - after.refund_due_minor).clamp(0, minor);
                let surplus_minor = deal.in_hand_minor() + borne_minor - deal.booking.kept().total_minor();
                let returned = deal.booking.kept().take(borne_minor - surplus_minor.max(0));
                deal.booking.returned = deal.booking.returned.plus(returned);
                self.move_money(deal, Movement::ChargeBack { payment, minor, borne_minor });
            }
        }
        if was_open && after.may_send_refund() {
            // Promised before the dispute was known: its job ended for it.
            self.write(Write::AddJob(Job::refund(payment, self.now)));
        }
        self.tell_parties(&mut deal.booking, &Event::PaymentDisputed(after.clone()));
    }
}
