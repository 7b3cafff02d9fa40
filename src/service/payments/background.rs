//! What happens to payments and payouts without a user: webhooks, and the jobs that ask the provider for what was committed. Each asks with a
//! recorded key and records the answer, so a crash at any point is repaired by asking again.

use http::HeaderMap;
use latchkey_protocol::{BookingId, PaymentId};

use super::{Payments, intent};
use crate::domain::booking::BookingState;
use crate::domain::{Calendar, Money, Payment, PaymentState, Timestamp};
use crate::provider::PayOut;
use crate::provider::webhook::{WebhookError, WebhookEvent};
use crate::service::ServiceError;

impl Payments {
    /// Reads a webhook; `None` if it says nothing about a payment.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn open_webhook(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<WebhookEvent>, WebhookError> {
        self.provider.open_webhook(headers, body, self.clock.now()).await
    }

    /// Takes a webhook into account, once.
    ///
    /// # Errors
    /// `NotFound` for a payment we do not know; `Busy` and `Unavailable` ask the provider to send it again.
    pub async fn take_webhook(&self, event: WebhookEvent) -> Result<(), ServiceError> {
        let payment = self.store.payment(event.payment).await?.ok_or(ServiceError::NotFound("payment"))?;
        self.record(payment.booking, payment.id, &event.report, Some(&event.id)).await.map(|_| ())
    }

    /// Asks the provider for a refund that is due; what it says is recorded, with the end of its job. Says whether there is no more to ask for
    /// now: everything that was due has gone back, or a dispute holds it, whose end asks anew.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn send_refund(&self, payment: PaymentId) -> Result<bool, ServiceError> {
        let Some(known) = self.store.payment(payment).await? else { return Ok(true) };
        if !known.may_send_refund() {
            return Ok(true);
        }
        let due = Money { minor: known.refund_due_minor, currency: known.amount.currency };
        let report = self.provider.refund(intent(&known), due).await?;
        let deal = self.record(known.booking, payment, &report, None).await?;
        Ok(deal.find_payment(payment).is_none_or(|payment| !payment.may_send_refund()))
    }

    /// Takes the money that was set aside for a payment whose booking is confirmed; gives the payment, if there was anything to take.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn capture(&self, payment: PaymentId) -> Result<Option<Payment>, ServiceError> {
        let Some(known) = self.store.payment(payment).await? else { return Ok(None) };
        let Some(deal) = self.store.deal(known.booking).await? else { return Ok(None) };
        // While the host has not said yes, the guest has not paid.
        let waits = matches!(deal.booking.state, BookingState::PendingPayment { .. } | BookingState::Requested { .. });
        if known.state != PaymentState::RequiresCapture || waits {
            return Ok(None);
        }
        let report = self.provider.capture(intent(&known)).await?;
        let deal = self.record(known.booking, payment, &report, None).await?;
        Ok(deal.find_payment(payment).cloned())
    }

    /// Has the provider let go of a payment that is not waited for any more. If the money came in first, that is recorded, and it goes back.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn void(&self, payment: PaymentId) -> Result<(), ServiceError> {
        let Some(known) = self.store.payment(payment).await? else { return Ok(()) };
        let report = self.provider.void(intent(&known)).await?;
        self.record(known.booking, payment, &report, None).await.map(|_| ())
    }

    /// Has the provider make the movement of a booking's payout that is recorded as under way. One that a dispute holds up is asked for anew by
    /// the end of the dispute, and found if it was made before.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn pay_out(&self, booking: BookingId) -> Result<(), ServiceError> {
        loop {
            let Some(deal) = self.store.deal(booking).await? else { return Ok(()) };
            let (payout, currency) = (deal.booking.payout, deal.booking.quote.total.currency);
            let minor = deal.payout_to_make_minor();
            if minor == 0 {
                return Ok(());
            }
            let amount = Money { minor, currency };
            let movement = PayOut { booking, host: deal.booking.host, revision: payout.revision, amount };
            self.provider.pay_out(movement).await?;
            let decide = |calendar: &Calendar, ended, now| calendar.record_payout(booking, ended, payout.revision, now);
            self.decisions.record_on_booking(booking, None, decide).await?;
        }
    }

    /// Does to a booking what its time has come for; gives when to look at it again.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn advance(&self, booking: BookingId) -> Result<Option<Timestamp>, ServiceError> {
        self.decisions.record_on_booking(booking, None, |calendar, ended, now| calendar.advance(booking, ended, now)).await
    }
}
