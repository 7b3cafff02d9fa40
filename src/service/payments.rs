//! Payments: a saga of three steps. The intent is committed; the provider is asked, outside any claim, with the recorded key;
//! what it says is committed. A webhook says the same again, in any order. A crash between two steps is repaired by whoever comes next:
//! the guest's repetition, the webhook, or the worker that asks for refunds.

mod background;

use std::sync::Arc;

use latchkey_protocol::client::Pay;
use latchkey_protocol::rest::GiveRefund;
use latchkey_protocol::{BookingId, PaymentId, view};

use super::decisions::{Decisions, reply};
use super::idempotency::{IdempotencyKey, Keys};
use super::quota::LeaseQuota;
use super::roles::Roles;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::booking::{BookingState, Deal, Party};
use crate::domain::payment::Report;
use crate::domain::{Calendar, Payment, PaymentState, Refusal, Timestamp};
use crate::provider::{Capture, Charge, Intent, PaymentProvider};
use crate::store::{BookingFilter, Store};

/// Longest payment method token, in bytes.
const MAX_METHOD_BYTES: usize = 255;

/// Paying, webhooks, refunds.
pub struct Payments {
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    provider: Arc<dyn PaymentProvider>,
    quota: Arc<LeaseQuota>,
    roles: Roles,
    clock: Arc<dyn Clock>,
}

impl Payments {
    /// With this provider.
    #[must_use]
    pub fn new(
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        provider: Arc<dyn PaymentProvider>,
        quota: Arc<LeaseQuota>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let roles = Roles::new(Arc::clone(&store));
        Self { store, keys, decisions, provider, quota, roles, clock }
    }

    /// Pays what is due of one's own booking: its price, or what an accepted alteration costs more. Repeating it with the same key goes on
    /// where a crash left it and charges once.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`; `Unavailable` if the provider does not answer.
    pub async fn pay(&self, caller: &Caller, key: IdempotencyKey, ask: Pay) -> Result<view::Payment, ServiceError> {
        if !(1..=MAX_METHOD_BYTES).contains(&ask.payment_method.len()) || ask.payment_method.chars().any(char::is_control) {
            return Err(Refusal::Invalid { field: "payment_method", reason: "1 to 255 bytes" }.into());
        }
        let used = self.keys.begin(caller.user, "pay", key, &ask).await?;
        let deal = self.deal_of(caller, ask.booking).await?;
        let decide = |calendar: &Calendar, now| {
            let decision = calendar.begin_payment(ask.booking, caller.user, ask.payment_method.clone(), now)?;
            let payment = decision.outcome.0.find_payment(decision.outcome.1).ok_or(Refusal::NotFound)?.clone();
            Ok(reply(decision, |_| wire::payment(&payment, Party::Guest)))
        };
        let begun = self.decisions.decide(&used, deal.booking.property, decide).await;
        let begun: view::Payment = begun.map_err(|refused| match refused {
            // Not live any more: what it has become says why.
            ServiceError::Refused(Refusal::NotFound) => deal.booking.payable(self.now()).err().unwrap_or(Refusal::NotFound).into(),
            other => other,
        })?;
        self.go_on(begun.booking, begun.id).await
    }

    /// A payment of a booking that the caller is a party of.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, payment: PaymentId) -> Result<view::Payment, ServiceError> {
        let deal = self.deal_with(caller, payment).await?;
        let party = deal.booking.require_party(caller.user)?;
        let payment = deal.find_payment(payment).ok_or(ServiceError::NotFound("payment"))?;
        Ok(wire::payment(payment, party))
    }

    /// The payments of a booking that the caller is a party of, the first one first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn list_of(&self, caller: &Caller, booking: BookingId) -> Result<Vec<view::Payment>, ServiceError> {
        let deal = self.deal_of(caller, booking).await?;
        seen_by(caller, &deal)
    }

    /// The payments of the caller's bookings, of the newest bookings first, older than `before`; of `limit` bookings at most.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(&self, caller: &Caller, before: Option<BookingId>, limit: u16) -> Result<Vec<Vec<view::Payment>>, ServiceError> {
        let bookings = self.store.bookings_of(caller.user, &BookingFilter::default(), before, limit).await?;
        let deals = self.store.deals(bookings).await?;
        deals.iter().map(|deal| seen_by(caller, deal)).collect()
    }

    /// Asks the provider what became of a payment, for a guest who comes back from their bank before the webhook does, or whose webhook was lost.
    ///
    /// # Errors
    /// `NotFound`; `Unavailable` if the provider does not answer.
    pub async fn refresh(&self, caller: &Caller, payment: PaymentId) -> Result<view::Payment, ServiceError> {
        let deal = self.deal_with(caller, payment).await?;
        let known = deal.find_payment(payment).ok_or(ServiceError::NotFound("payment"))?;
        let report = self.provider.look_up(intent(known), known.attempts).await?;
        if let Some(report) = report {
            self.record(deal.booking.id, payment, &report, None).await?;
        }
        self.capture_soon(payment).await;
        self.find(caller, payment).await
    }

    /// Promises money of a payment back beyond the policy. It comes out of the host's share, so it is the host's to give, or an admin's.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for the guest, `Invalid`, `InvalidState` if that is more than is there, `KeyReused`, `Busy`.
    pub async fn give_refund(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        payment: PaymentId,
        ask: GiveRefund,
    ) -> Result<view::Payment, ServiceError> {
        let used = self.keys.begin(caller.user, "give_refund", key, &(payment, ask)).await?;
        let stored = self.store.payment(payment).await?.ok_or(ServiceError::NotFound("payment"))?;
        let deal = self.store.deal(stored.booking).await?.ok_or(ServiceError::NotFound("payment"))?;
        match deal.booking.require_host(caller.user) {
            Ok(()) => {}
            Err(_) if self.roles.is_admin(caller).await? => {}
            Err(Refusal::NotYours) => return Err(Refusal::NotYours.into()),
            Err(_) => return Err(ServiceError::NotFound("payment")),
        }
        self.decisions
            .decide_on_booking(&used, deal.booking.id, |calendar, ended, now| {
                let decision = calendar.refund(deal.booking.id, payment, ended, ask.amount_minor, now)?;
                let refunded = decision.outcome.0.find_payment(payment).ok_or(Refusal::NotFound)?.clone();
                Ok(reply(decision, |_| wire::payment(&refunded, Party::Host)))
            })
            .await
    }

    async fn deal_of(&self, caller: &Caller, booking: BookingId) -> Result<Deal, ServiceError> {
        self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))
    }

    async fn deal_with(&self, caller: &Caller, payment: PaymentId) -> Result<Deal, ServiceError> {
        let payment = self.store.payment(payment).await?.ok_or(ServiceError::NotFound("payment"))?;
        self.store.deal_of(caller.user, payment.booking).await?.ok_or(ServiceError::NotFound("payment"))
    }

    /// Goes on with a payment whose intent is committed, by this use of the key or an earlier one.
    async fn go_on(&self, booking: BookingId, payment: PaymentId) -> Result<view::Payment, ServiceError> {
        let deal = self.store.deal(booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let known = deal.find_payment(payment).ok_or(ServiceError::NotFound("payment"))?;
        let mut known = known.clone();
        if let PaymentState::RequiresConfirmation { method } = &known.state {
            known = self.ask_provider(&deal, &known, method).await?;
        }
        if known.state == PaymentState::RequiresCapture {
            known = self.capture_soon(payment).await.unwrap_or(known);
        }
        Ok(wire::payment(&known, Party::Guest))
    }

    /// The second and third step. What an alteration costs more is taken at once: the nights change with it, or it goes back.
    async fn ask_provider(&self, deal: &Deal, payment: &Payment, method: &str) -> Result<Payment, ServiceError> {
        let capture = if payment.id == deal.booking.payment { Capture::Later } else { Capture::AtOnce };
        let charge = Charge { intent: intent(payment), method: method.to_owned(), attempt: payment.attempts, capture };
        let report = self.provider.charge(charge).await?;
        let deal = self.record(deal.booking.id, payment.id, &report, None).await?;
        deal.find_payment(payment.id).cloned().ok_or(ServiceError::NotFound("payment"))
    }

    /// Takes money that was set aside for a booking that is confirmed, as the job does that was committed with the confirmation; gives the
    /// payment if there was anything to take. If the provider does not answer now, the job asks again.
    pub(super) async fn capture_soon(&self, payment: PaymentId) -> Option<Payment> {
        match self.capture(payment).await {
            Ok(captured) => captured,
            Err(error) => {
                tracing::warn!(%payment, %error, "the money that was set aside is taken later");
                None
            }
        }
    }

    /// Commits what the provider reports, under the property's claim.
    async fn record(&self, booking: BookingId, payment: PaymentId, report: &Report, webhook: Option<&str>) -> Result<Deal, ServiceError> {
        let decide = |calendar: &Calendar, ended, now| calendar.report_payment(booking, payment, ended, report, now);
        let deal = self.decisions.record_on_booking(booking, webhook, decide).await?;
        if !matches!(deal.booking.state, BookingState::PendingPayment { .. }) {
            self.quota.end(deal.booking.guest, booking);
        }
        Ok(deal)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}

/// The payments of a booking, as the caller's side sees them.
fn seen_by(caller: &Caller, deal: &Deal) -> Result<Vec<view::Payment>, ServiceError> {
    let party = deal.booking.require_party(caller.user)?;
    Ok(deal.payments().map(|payment| wire::payment(payment, party)).collect())
}

/// The payment as its provider knows it.
fn intent(payment: &Payment) -> Intent {
    Intent { payment: payment.id, amount: payment.amount }
}
