//! A payment provider in process that behaves like Stripe's test mode.
//!
//! Its methods (`intent.rs`) succeed, are declined, need authentication, settle late, cannot be captured or are disputed; whatever
//! happens is also called back as a signed webhook over HTTP. Like a real provider it outlives the hub: its books are kept in a journal,
//! so that a hub killed in the middle of a payment finds it as it was. No money moves.

mod books;
mod event;
mod intent;
mod journal;
#[cfg(test)]
mod tests;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use http::{HeaderMap, Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use latchkey_protocol::{EpochMs, PaymentId};
use tokio::sync::Notify;

use self::books::{Books, Due, Entry};
pub use self::event::{SIGNATURE_HEADER, SandboxEvent, Verdict, What};
pub use self::journal::Journal;
use super::webhook::{WebhookError, WebhookEvent, WebhookSecret};
use super::{Charge, Intent, PayOut, PaymentProvider, ProviderError};
use crate::clock::Clock;
use crate::domain::Money;
use crate::domain::payment::Report;

/// How long between attempts to deliver what is due.
const DELIVERY_PAUSE: Duration = Duration::from_millis(200);

/// Webhooks that are not taken after this many tries are dropped, and logged.
const MAX_DELIVERIES: u32 = 50;

/// What cannot be done to a payment in its state, by Stripe's name.
const UNEXPECTED_STATE: &str = "payment_intent_unexpected_state";

/// The sandbox.
pub struct Sandbox {
    books: Mutex<Books>,
    clock: Arc<dyn Clock>,
    secret: WebhookSecret,
    wake: Notify,
}

impl Sandbox {
    /// Opens the sandbox's books.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    pub fn open(journal: &Journal, clock: Arc<dyn Clock>, secret: WebhookSecret) -> std::io::Result<Arc<Self>> {
        Ok(Arc::new(Self { books: Mutex::new(Books::open(journal)?), clock, secret, wake: Notify::new() }))
    }

    /// Delivers webhooks to `url` until dropped.
    pub async fn deliver(self: Arc<Self>, url: String) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        loop {
            for due in self.take_due() {
                let delivered = self.post(&client, &url, &due.event).await;
                self.delivered(due, delivered);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(DELIVERY_PAUSE) => {}
            }
        }
    }

    fn take_due(&self) -> Vec<Due> {
        let now = self.clock.now();
        self.lock().due.extract_if(.., |due| due.at <= now).collect()
    }

    async fn post(&self, client: &Client<HttpConnector, Full<Bytes>>, url: &str, event: &SandboxEvent) -> Result<(), String> {
        let body = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, self.secret.sign(&body, self.clock.now()))
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    fn delivered(&self, due: Due, delivered: Result<(), String>) {
        let Due { event, tries, .. } = due;
        let mut books = self.lock();
        match delivered {
            Ok(()) => books.write(&Entry::Delivered { id: event.id }),
            Err(reason) if tries + 1 < MAX_DELIVERIES => {
                let pause_ms = 100_i64 << tries.min(8);
                tracing::debug!(event = event.id, reason, "webhook not taken, will be sent again");
                books.due.push(Due { event, at: self.clock.now() + pause_ms, tries: tries + 1 });
            }
            Err(reason) => {
                tracing::warn!(event = event.id, reason, "webhook given up");
                books.write(&Entry::Delivered { id: event.id });
            }
        }
    }

    /// Asks the books, and has what is due delivered.
    fn ask<T>(&self, question: impl FnOnce(&mut Books, EpochMs) -> T) -> T {
        let answer = question(&mut self.lock(), self.clock.now());
        self.wake.notify_one();
        answer
    }

    fn lock(&self) -> Opened<'_> {
        // A panic while the books were open leaves them readable.
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        books.enter();
        Opened(books)
    }
}

/// The books, while nobody else writes in them: no other task, and no other process that shares them.
struct Opened<'a>(MutexGuard<'a, Books>);

impl Deref for Opened<'_> {
    type Target = Books;

    fn deref(&self) -> &Books {
        &self.0
    }
}

impl DerefMut for Opened<'_> {
    fn deref_mut(&mut self) -> &mut Books {
        &mut self.0
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Books {
    fn charge(&mut self, charge: &Charge, now: EpochMs) -> Report {
        let (payment, intent) = (charge.intent.payment, self.intents.entry(charge.intent.payment).or_default());
        if let Some(first) = intent.attempts.get(&charge.attempt) {
            return Report { attempt: charge.attempt, result: first.answer.clone().into() };
        }
        // As an intent that is paid, on its way or canceled cannot be confirmed again.
        if let Some(what @ (What::Succeeded | What::Processing | What::Authorised | What::Canceled)) = intent.state(now) {
            return Report { attempt: charge.attempt, result: what.into() };
        }
        let answered = intent.attempt(payment, &charge.method, charge.intent.amount.minor, charge.capture, now);
        let answer = answered.answer.clone();
        self.record(Entry::Charged { payment, attempt: charge.attempt, answered });
        self.plan(payment, "answer", answer.clone(), now);
        if answer == What::Processing {
            self.plan(payment, "settled", What::Succeeded, now + intent::SETTLES_AFTER_MS);
        }
        self.plan_disputes(payment);
        Report { attempt: charge.attempt, result: answer.into() }
    }

    fn capture(&mut self, payment: PaymentId, now: EpochMs) -> Result<Report, ProviderError> {
        let intent = self.intents.entry(payment).or_default();
        let (attempt, fails) = (intent.last_attempt(), intent.capture_fails());
        let what = match intent.state(now) {
            Some(What::Authorised) if fails => {
                self.cancel(payment, now);
                What::Canceled
            }
            Some(What::Authorised) => {
                self.record(Entry::Captured { payment, at: now });
                self.plan(payment, "captured", What::Succeeded, now);
                self.plan_disputes(payment);
                What::Succeeded
            }
            Some(what @ (What::Succeeded | What::Canceled)) => what,
            Some(_) | None => return Err(ProviderError::Refused(UNEXPECTED_STATE.to_owned())),
        };
        Ok(Report { attempt, result: what.into() })
    }

    fn void(&mut self, payment: PaymentId, now: EpochMs) -> Result<Report, ProviderError> {
        let intent = self.intents.entry(payment).or_default();
        let attempt = intent.last_attempt();
        let what = match intent.state(now) {
            Some(what @ (What::Succeeded | What::Canceled)) => what,
            Some(What::Processing) => return Err(ProviderError::Unreachable("the bank has not decided yet".to_owned())),
            Some(_) | None => {
                self.cancel(payment, now);
                What::Canceled
            }
        };
        Ok(Report { attempt, result: what.into() })
    }

    fn cancel(&mut self, payment: PaymentId, now: EpochMs) {
        self.record(Entry::Canceled { payment });
        self.plan(payment, "canceled", What::Canceled, now);
    }

    fn plan_disputes(&mut self, payment: PaymentId) {
        let disputes = self.intents.get(&payment).map(intent::Intent::disputes).unwrap_or_default();
        for ((what, at), name) in disputes.into_iter().zip(["dispute_created", "dispute_closed"]) {
            self.plan(payment, name, what, at);
        }
    }

    fn refund(&mut self, of: Intent, total: Money, now: EpochMs) -> Result<Report, ProviderError> {
        let intent = self.intents.entry(of.payment).or_default();
        let attempt = intent.last_attempt();
        if intent.state(now) != Some(What::Succeeded) {
            return Err(ProviderError::Refused(UNEXPECTED_STATE.to_owned()));
        }
        if total.minor > of.amount.minor {
            return Err(ProviderError::Refused("charge_already_refunded".to_owned()));
        }
        let total_minor = intent.refunded_minor.max(total.minor);
        let what = What::Refunded { total_minor };
        if intent.refunded_minor < total_minor {
            self.record(Entry::Refunded { payment: of.payment, total_minor });
            self.plan(of.payment, &format!("refund_{total_minor}"), what.clone(), now);
        }
        Ok(Report { attempt, result: what.into() })
    }

    fn pay_out(&mut self, PayOut { booking, revision, amount, .. }: PayOut) -> Result<(), ProviderError> {
        match self.payouts.get(&(booking, revision)) {
            Some(minor) if *minor == amount.minor => Ok(()),
            Some(_) => Err(ProviderError::Refused("idempotency_error".to_owned())),
            None => {
                self.record(Entry::PaidOut { booking, revision, minor: amount.minor });
                Ok(())
            }
        }
    }
}

impl PaymentProvider for Sandbox {
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(ready(Ok(self.ask(|books, now| books.charge(&charge, now)))))
    }

    fn capture(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(ready(self.ask(|books, now| books.capture(intent.payment, now))))
    }

    fn void(&self, intent: Intent) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(ready(self.ask(|books, now| books.void(intent.payment, now))))
    }

    fn refund(&self, intent: Intent, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>> {
        Box::pin(ready(self.ask(|books, now| books.refund(intent, total, now))))
    }

    fn look_up(&self, intent: Intent, _attempt: u32) -> BoxFuture<'_, Result<Option<Report>, ProviderError>> {
        let now = self.clock.now();
        let books = self.lock();
        let report = books.intents.get(&intent.payment).and_then(|known| {
            let attempt = known.last_attempt();
            known.news(now).map(|what| Report { attempt, result: what.into() })
        });
        Box::pin(ready(Ok(report)))
    }

    fn pay_out(&self, pay_out: PayOut) -> BoxFuture<'_, Result<(), ProviderError>> {
        Box::pin(ready(self.ask(|books, _| books.pay_out(pay_out))))
    }

    fn open_webhook<'a>(
        &'a self,
        headers: &'a HeaderMap,
        body: &'a [u8],
        now: EpochMs,
    ) -> BoxFuture<'a, Result<Option<WebhookEvent>, WebhookError>> {
        let opened = self.secret.check(headers, SIGNATURE_HEADER, body, now).and_then(|()| {
            let event: SandboxEvent = serde_json::from_slice(body).map_err(|_| WebhookError::Malformed)?;
            Ok(Some(event.into()))
        });
        Box::pin(ready(opened))
    }
}
