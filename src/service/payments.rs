//! Payments: a saga of three steps. The intent is committed; the provider is asked, outside any claim, with the recorded key;
//! what it says is committed. A webhook says the same again, in any order. A crash between two steps is repaired by whoever comes next:
//! the guest's repetition, the webhook, or the worker that asks for refunds.

use std::sync::Arc;

use latchkey_protocol::client::Pay;
use latchkey_protocol::{BookingId, PaymentId, view};

use super::availability::Availability;
use super::decisions::{Decisions, reply};
use super::idempotency::{IdempotencyKey, Keys};
use super::quota::LeaseQuota;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::booking::{Deal, Party};
use crate::domain::payment::Report;
use crate::domain::{Calendar, Claim, Decision, Money, PaymentState, Refusal, Timestamp, Write};
use crate::provider::webhook::WebhookEvent;
use crate::provider::{Charge, PaymentProvider};
use crate::store::{CommitError, Contended, Lane, Store};

/// How often a report is decided on again because another writer was first.
const MAX_DECISIONS: u32 = 8;

/// Longest payment method token, in bytes.
const MAX_METHOD_BYTES: usize = 255;

/// Paying, webhooks, refunds.
pub struct Payments {
    availability: Arc<Availability>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    provider: Arc<dyn PaymentProvider>,
    quota: Arc<LeaseQuota>,
    clock: Arc<dyn Clock>,
}

impl Payments {
    /// With this provider.
    #[must_use]
    pub fn new(
        availability: Arc<Availability>,
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        provider: Arc<dyn PaymentProvider>,
        quota: Arc<LeaseQuota>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { availability, store, keys, decisions, provider, quota, clock }
    }

    /// Pays for one's own booking. Repeating it with the same key goes on where a crash left it and charges once.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`; `Unavailable` if the provider does not answer.
    pub async fn pay(&self, caller: &Caller, key: IdempotencyKey, ask: Pay) -> Result<view::Payment, ServiceError> {
        if !(1..=MAX_METHOD_BYTES).contains(&ask.payment_method.len()) || ask.payment_method.chars().any(char::is_control) {
            return Err(Refusal::Invalid { field: "payment_method", reason: "1 to 255 bytes" }.into());
        }
        let used = self.keys.begin(caller.user, "pay", key, &ask).await?;
        let deal = self.store.deal_of(caller.user, ask.booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let decide = |calendar: &Calendar, now| {
            let decision = calendar.begin_payment(ask.booking, caller.user, ask.payment_method.clone(), now)?;
            Ok(reply(decision, |deal| wire::payment(&deal.payment, Party::Guest)))
        };
        let begun = self.decisions.decide(&used, deal.booking.property, decide).await;
        let begun: view::Payment = begun.map_err(|refused| match refused {
            // Not live any more: what it has become says why.
            ServiceError::Refused(Refusal::NotFound) => deal.booking.payable(self.now()).err().unwrap_or(Refusal::NotFound).into(),
            other => other,
        })?;
        self.go_on(caller, begun.booking).await
    }

    /// A payment of a booking that the caller is a party of.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, booking: BookingId) -> Result<view::Payment, ServiceError> {
        let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let party = deal.booking.party(caller.user).ok_or(ServiceError::NotFound("booking"))?;
        Ok(wire::payment(&deal.payment, party))
    }

    /// Takes a webhook into account, once.
    ///
    /// # Errors
    /// `NotFound` for a payment we do not know; `Busy` and `Unavailable` ask the provider to send it again.
    pub async fn take_webhook(&self, event: WebhookEvent) -> Result<(), ServiceError> {
        let payment = self.store.payment(event.payment).await?.ok_or(ServiceError::NotFound("payment"))?;
        let id = event.id.clone();
        self.record(payment.booking, &Report::from(event), Some(id)).await.map(|_| ())
    }

    /// Asks the provider for a refund that is due; what it says is recorded, with the end of its job. Asking again changes nothing. Says whether
    /// everything that was due has gone back.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn send_refund(&self, payment: PaymentId) -> Result<bool, ServiceError> {
        let Some(payment) = self.store.payment(payment).await? else { return Ok(true) };
        if payment.refunded_minor >= payment.refund_due_minor {
            return Ok(true);
        }
        let due = Money { minor: payment.refund_due_minor, currency: payment.amount.currency };
        let answer = self.provider.refund(payment.id, due).await;
        let report = answer.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        let payment = self.record(payment.booking, &report, None).await?.payment;
        Ok(payment.refunded_minor >= payment.refund_due_minor)
    }

    /// Goes on with a payment whose intent is committed, by this use of the key or an earlier one.
    async fn go_on(&self, caller: &Caller, booking: BookingId) -> Result<view::Payment, ServiceError> {
        let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        match deal.payment.state {
            PaymentState::RequiresConfirmation { .. } => self.ask_provider(deal).await,
            PaymentState::RequiresPaymentMethod { .. }
            | PaymentState::RequiresAction
            | PaymentState::Processing
            | PaymentState::Succeeded
            | PaymentState::Canceled => Ok(wire::payment(&deal.payment, Party::Guest)),
        }
    }

    /// The second and third step.
    async fn ask_provider(&self, deal: Deal) -> Result<view::Payment, ServiceError> {
        let PaymentState::RequiresConfirmation { method } = &deal.payment.state else {
            return Ok(wire::payment(&deal.payment, Party::Guest));
        };
        let charge =
            Charge { payment: deal.payment.id, amount: deal.payment.amount, method: method.clone(), attempt: deal.payment.attempts };
        let answer = self.provider.charge(charge).await;
        let report = answer.map_err(|error| ServiceError::Unavailable(error.to_string()))?;
        let deal = self.record(deal.booking.id, &report, None).await?;
        Ok(wire::payment(&deal.payment, Party::Guest))
    }

    /// Commits what the provider reports, under the property's claim.
    async fn record(&self, booking: BookingId, report: &Report, webhook: Option<String>) -> Result<Deal, ServiceError> {
        let stored = self.store.deal(booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        for _ in 0..MAX_DECISIONS {
            let claim = self.availability.claim(stored.booking.property).await?;
            let now = self.now();
            let mut decision = self.decide_report(claim.calendar(), booking, report, now).await?;
            if let Some(event_id) = &webhook {
                decision.changes.writes.push(Write::SeeWebhook { event_id: event_id.clone(), at: now });
            }
            if decision.changes.is_empty() {
                return Ok(decision.outcome);
            }
            match claim.commit(decision.changes, None, Lane::Reserved).await {
                Ok(()) => {
                    if decision.outcome.booking.deadline().is_none() {
                        self.quota.end(decision.outcome.booking.guest, booking);
                    }
                    return Ok(decision.outcome);
                }
                // Taken into account before: say yes again.
                Err(CommitError::Contended(Contended::Webhook)) => return Ok(decision.outcome),
                Err(CommitError::Contended(_) | CommitError::TooLate) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    async fn decide_report(
        &self,
        calendar: &Calendar,
        booking: BookingId,
        report: &Report,
        now: Timestamp,
    ) -> Result<Decision<Deal>, ServiceError> {
        let ended = match calendar.claim(booking) {
            Some(Claim::Booked(_)) => None,
            // Over, so it is not in the calendar; its own topic guards it.
            Some(Claim::Hold(_) | Claim::Blocked(_)) | None => self.store.deal(booking).await?,
        };
        Ok(calendar.report_payment(booking, ended, report, now)?)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}
