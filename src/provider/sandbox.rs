//! A payment provider in process that behaves like Stripe's test mode.
//!
//! Methods succeed, are declined, need authentication or settle late; every answer is also called back as a signed webhook over
//! HTTP. Like a real provider it outlives the hub: its charges and the webhooks not yet delivered are kept in a journal, so that
//! a hub killed in the middle of a payment finds the charge when it asks again. No money moves.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, header};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use latchkey_protocol::PaymentId;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::webhook::{SIGNATURE_HEADER, WebhookEvent, WebhookSecret, What};
use super::{Capture, Charge, PayOut, PaymentProvider, ProviderError};
use crate::clock::Clock;
use crate::domain::Money;
use crate::domain::payment::{AttemptResult, Report};
use crate::durable::{BY_UMASK, write_whole};

/// How long `pm_card_settles_late` stays in processing, in milliseconds.
const SETTLES_AFTER_MS: i64 = 2_000;

/// How long between attempts to deliver what is due.
const DELIVERY_PAUSE: Duration = Duration::from_millis(200);

/// Webhooks that are not taken after this many tries are dropped, and logged.
const MAX_DELIVERIES: u32 = 50;

/// A line of the journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Entry {
    /// The answer to a charge, by payment and attempt.
    Charged { payment: PaymentId, attempt: u32, answer: What },
    /// How much of a payment has gone back.
    Refunded { payment: PaymentId, total_minor: i64 },
    /// A webhook to deliver.
    Due { event: WebhookEvent, at: i64 },
    /// A webhook that was taken.
    Delivered { id: String },
}

#[derive(Default)]
struct Books {
    charges: HashMap<(PaymentId, u32), What>,
    refunds: HashMap<PaymentId, i64>,
    due: Vec<(WebhookEvent, i64, u32)>,
    journal: Option<std::fs::File>,
}

/// The sandbox.
pub struct Sandbox {
    books: Mutex<Books>,
    clock: Arc<dyn Clock>,
    secret: WebhookSecret,
    wake: Notify,
}

impl Sandbox {
    /// Opens the sandbox's books: in `journal`, or only in memory.
    ///
    /// # Errors
    /// If the journal cannot be read or written.
    pub fn open(journal: Option<&Path>, clock: Arc<dyn Clock>, secret: WebhookSecret) -> std::io::Result<Arc<Self>> {
        let mut books = Books::default();
        if let Some(path) = journal {
            if let Ok(text) = std::fs::read_to_string(path) {
                // The last line may have been cut by a crash: what is not whole was not answered.
                text.lines().filter_map(|line| serde_json::from_str(line).ok()).for_each(|entry| books.fold(entry));
            }
            books.journal = Some(books.rewrite(path)?);
        }
        Ok(Arc::new(Self { books: Mutex::new(books), clock, secret, wake: Notify::new() }))
    }

    /// Delivers webhooks to `url` until dropped.
    pub async fn deliver(self: Arc<Self>, url: String) {
        let client = Client::builder(TokioExecutor::new()).build_http();
        loop {
            for (event, tries) in self.take_due() {
                let delivered = self.post(&client, &url, &event).await;
                self.delivered(event, tries, delivered);
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(DELIVERY_PAUSE) => {}
            }
        }
    }

    fn take_due(&self) -> Vec<(WebhookEvent, u32)> {
        let now = self.clock.now();
        let mut books = self.lock();
        books.due.extract_if(.., |(_, at, _)| *at <= now).map(|(event, _, tries)| (event, tries)).collect()
    }

    async fn post(&self, client: &Client<HttpConnector, Full<Bytes>>, url: &str, event: &WebhookEvent) -> Result<(), String> {
        let body = serde_json::to_vec(event).map_err(|error| error.to_string())?;
        let request = Request::post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(SIGNATURE_HEADER, self.secret.sign(&body, self.clock.now()))
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let answer = client.request(request).await.map_err(|error| error.to_string())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().to_string()) }
    }

    fn delivered(&self, event: WebhookEvent, tries: u32, delivered: Result<(), String>) {
        let mut books = self.lock();
        match delivered {
            Ok(()) => books.write(Entry::Delivered { id: event.id }),
            Err(reason) if tries + 1 < MAX_DELIVERIES => {
                let pause_ms = 100_i64 << tries.min(8);
                tracing::debug!(event = event.id, reason, "webhook not taken, will be sent again");
                books.due.push((event, self.clock.now() + pause_ms, tries + 1));
            }
            Err(reason) => {
                tracing::warn!(event = event.id, reason, "webhook given up");
                books.write(Entry::Delivered { id: event.id });
            }
        }
    }

    fn answer(&self, charge: &Charge) -> What {
        let key = (charge.payment, charge.attempt);
        let mut books = self.lock();
        if let Some(answer) = books.charges.get(&key) {
            return answer.clone();
        }
        let now = self.clock.now();
        let paid = match charge.capture {
            Capture::Later => What::Authorised,
            Capture::AtOnce => What::Succeeded,
        };
        let answer = match charge.method.as_str() {
            // As an intent that is paid or on its way cannot be confirmed again.
            _ if books.is_charged(charge.payment) => What::PaymentFailed { reason: "payment_intent_unexpected_state".to_owned() },
            "pm_card_visa" => paid,
            // The second attempt is the guest coming back from their bank.
            "pm_card_authentication_required" if charge.attempt > 1 => paid,
            "pm_card_authentication_required" => What::RequiresAction { client_secret: None },
            "pm_card_settles_late" => What::Processing,
            "pm_card_declined" => What::PaymentFailed { reason: "card_declined".to_owned() },
            _ => What::PaymentFailed { reason: "unknown_payment_method".to_owned() },
        };
        books.record(Entry::Charged { payment: charge.payment, attempt: charge.attempt, answer: answer.clone() });
        let event = |what: &What, name: &str| WebhookEvent {
            id: format!("evt_{}_{}_{name}", charge.payment, charge.attempt),
            what: what.clone(),
            payment: charge.payment,
            attempt: charge.attempt,
        };
        books.record(Entry::Due { event: event(&answer, "answer"), at: now });
        if answer == What::Processing {
            books.record(Entry::Due { event: event(&What::Succeeded, "settled"), at: now + SETTLES_AFTER_MS });
        }
        answer
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Books> {
        // A panic while the books were open leaves them readable.
        self.books.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Books {
    /// Whether money of this payment came in, or is on its way.
    fn is_charged(&self, payment: PaymentId) -> bool {
        self.charges
            .iter()
            .any(|((charged, _), answer)| *charged == payment && matches!(answer, What::Succeeded | What::Processing | What::Authorised))
    }

    fn fold(&mut self, entry: Entry) {
        match entry {
            Entry::Charged { payment, attempt, answer } => {
                self.charges.insert((payment, attempt), answer);
            }
            Entry::Refunded { payment, total_minor } => {
                self.refunds.insert(payment, total_minor);
            }
            Entry::Due { event, at } => self.due.push((event, at, 0)),
            Entry::Delivered { id } => self.due.retain(|(event, _, _)| event.id != id),
        }
    }

    /// Starts a journal of what still matters: what was delivered is left out, and no line is cut.
    fn rewrite(&self, path: &Path) -> std::io::Result<std::fs::File> {
        let charges = self.charges.iter().map(|((payment, attempt), answer)| Entry::Charged {
            payment: *payment,
            attempt: *attempt,
            answer: answer.clone(),
        });
        let refunds = self.refunds.iter().map(|(payment, total_minor)| Entry::Refunded { payment: *payment, total_minor: *total_minor });
        let due = self.due.iter().map(|(event, at, _)| Entry::Due { event: event.clone(), at: *at });
        write_whole(path, BY_UMASK, |file| {
            charges.chain(refunds).chain(due).try_for_each(|entry| writeln!(file, "{}", serde_json::to_string(&entry)?))
        })?;
        std::fs::OpenOptions::new().append(true).open(path)
    }

    fn write(&mut self, entry: Entry) {
        let Some(journal) = &mut self.journal else { return };
        let line = serde_json::to_string(&entry).unwrap_or_default() + "\n";
        if let Err(error) = journal.write_all(line.as_bytes()) {
            tracing::error!(%error, "the sandbox cannot write its journal");
        }
    }

    fn record(&mut self, entry: Entry) {
        self.write(entry.clone());
        self.fold(entry);
    }
}

impl PaymentProvider for Sandbox {
    fn charge(&self, charge: Charge) -> BoxFuture<'_, Result<Report, ProviderError>> {
        let answer = self.answer(&charge);
        self.wake.notify_one();
        Box::pin(async move { Ok(Report { attempt: charge.attempt, result: answer.into() }) })
    }

    fn capture(&self, payment: PaymentId, _amount: Money) -> BoxFuture<'_, Result<Report, ProviderError>> {
        let now = self.clock.now();
        let mut books = self.lock();
        if !books.charges.contains_key(&(payment, 0)) {
            books.record(Entry::Charged { payment, attempt: 0, answer: What::Succeeded });
            let event = WebhookEvent { id: format!("evt_{payment}_capture"), what: What::Succeeded, payment, attempt: 0 };
            books.record(Entry::Due { event, at: now });
        }
        let answer = books.charges[&(payment, 0)].clone();
        drop(books);
        self.wake.notify_one();
        Box::pin(async move { Ok(Report { attempt: 0, result: answer.into() }) })
    }

    fn void(&self, payment: PaymentId) -> BoxFuture<'_, Result<Report, ProviderError>> {
        let mut books = self.lock();
        if !books.charges.contains_key(&(payment, 0)) {
            books.record(Entry::Charged { payment, attempt: 0, answer: What::Canceled });
        }
        let answer = books.charges[&(payment, 0)].clone();
        drop(books);
        Box::pin(async move { Ok(Report { attempt: 0, result: answer.into() }) })
    }

    fn look_up(&self, payment: PaymentId, attempt: u32) -> BoxFuture<'_, Result<Option<Report>, ProviderError>> {
        let answer = self.lock().charges.get(&(payment, attempt)).cloned();
        Box::pin(async move { Ok(answer.map(|answer| Report { attempt, result: answer.into() })) })
    }

    fn pay_out(&self, _pay_out: PayOut) -> BoxFuture<'_, Result<(), ProviderError>> {
        Box::pin(async { Ok(()) })
    }

    fn refund(&self, payment: PaymentId, total: Money) -> BoxFuture<'_, Result<Report, ProviderError>> {
        let mut books = self.lock();
        if books.refunds.get(&payment) != Some(&total.minor) {
            books.record(Entry::Refunded { payment, total_minor: total.minor });
            let event = WebhookEvent {
                id: format!("evt_{payment}_refund_{}", total.minor),
                what: What::Refunded { total_minor: total.minor },
                payment,
                attempt: 0,
            };
            books.record(Entry::Due { event, at: self.clock.now() });
        }
        drop(books);
        self.wake.notify_one();
        Box::pin(async move { Ok(Report { attempt: 0, result: AttemptResult::Refunded { total_minor: total.minor } }) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OffsetClock;

    fn charge(method: &str, attempt: u32) -> Charge {
        let amount = Money { minor: 500, currency: "EUR".parse().unwrap() };
        Charge { payment: PaymentId::from_bytes([1; 16]), amount, method: method.to_owned(), attempt, capture: Capture::AtOnce }
    }

    fn of(attempt: u32, result: AttemptResult) -> Report {
        Report { attempt, result }
    }

    #[tokio::test]
    async fn p7_a_payment_that_is_paid_or_on_its_way_is_not_charged_again() {
        for first in ["pm_card_visa", "pm_card_settles_late"] {
            let sandbox = Sandbox::open(None, Arc::new(OffsetClock::default()), WebhookSecret::new(b"s")).unwrap();
            sandbox.charge(charge(first, 1)).await.unwrap();
            let second = sandbox.charge(charge("pm_card_visa", 2)).await.unwrap();
            assert!(matches!(second.result, AttemptResult::Declined { .. }), "{first}");
        }
    }

    #[tokio::test]
    async fn a_journal_whose_last_line_was_cut_loses_only_that_line() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("sandbox.jsonl");
        let open = || Sandbox::open(Some(&journal), Arc::new(OffsetClock::default()), WebhookSecret::new(b"s")).unwrap();
        open().charge(charge("pm_card_visa", 1)).await.unwrap();
        let text = std::fs::read_to_string(&journal).unwrap();
        std::fs::write(&journal, format!("{text}{{\"Charged\":{{\"pay")).unwrap();
        let other = Charge { payment: PaymentId::from_bytes([2; 16]), ..charge("pm_card_visa", 1) };
        open().charge(other.clone()).await.unwrap();
        let reopened = open();
        assert_eq!(reopened.lock().charges.len(), 2);
        assert_eq!(reopened.charge(Charge { method: "pm_card_declined".to_owned(), ..other }).await, Ok(of(1, AttemptResult::Succeeded)));
    }

    #[tokio::test]
    async fn p7_a_charge_asked_for_again_after_a_crash_gives_its_first_answer() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("sandbox.jsonl");
        let open = || Sandbox::open(Some(&journal), Arc::new(OffsetClock::default()), WebhookSecret::new(b"s")).unwrap();
        let first = open();
        assert_eq!(first.charge(charge("pm_card_visa", 1)).await, Ok(of(1, AttemptResult::Succeeded)));
        drop(first);
        let second = open();
        assert_eq!(
            second.charge(charge("pm_card_declined", 1)).await,
            Ok(of(1, AttemptResult::Succeeded)),
            "the first answer, whatever is asked now"
        );
        assert_eq!(second.take_due().len(), 1, "the webhook that was not delivered is delivered later");
    }

    #[tokio::test]
    async fn each_test_method_does_what_its_name_says() {
        let rows = [
            ("pm_card_visa", AttemptResult::Succeeded),
            ("pm_card_declined", AttemptResult::Declined { reason: "card_declined".to_owned() }),
            ("pm_card_authentication_required", AttemptResult::RequiresAction { client_secret: None }),
            ("pm_card_settles_late", AttemptResult::Processing),
            ("nonsense", AttemptResult::Declined { reason: "unknown_payment_method".to_owned() }),
        ];
        for (method, expected) in rows {
            let clock = Arc::new(OffsetClock::default());
            let sandbox = Sandbox::open(None, Arc::clone(&clock) as Arc<dyn Clock>, WebhookSecret::new(b"s")).unwrap();
            assert_eq!(sandbox.charge(charge(method, 1)).await, Ok(of(1, expected)), "{method}");
            assert_eq!(sandbox.take_due().len(), 1, "{method}");
            clock.advance_ms(SETTLES_AFTER_MS);
            assert_eq!(sandbox.take_due().len(), usize::from(method == "pm_card_settles_late"));
        }
    }
}
