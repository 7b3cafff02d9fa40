//! The Stripe provider against a stand-in that answers as Stripe does, and that breaks down as networks do.
//!
//! `calls` asks the provider itself, `webhooks` has it read events, `hub` lets guests pay through a whole hub.

mod calls;
mod hub;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use latchkey::clock::{Clock, OffsetClock};
use latchkey::domain::Money;
use latchkey::domain::payment::{AttemptResult, Report};
use latchkey::provider::stripe::{ApiKey, HandList, Payouts, Settings, Stripe};
use latchkey::provider::webhook::WebhookSecret;
use latchkey::provider::{Capture, Charge, Intent, PayOut, PaymentProvider as _, ProviderError};
use latchkey_protocol::{BookingId, PaymentId, UserId};

use crate::support::stripe::{STRIPE_KEY, StripeServer};

/// The secret of the webhook's endpoint.
const ENDPOINT_SECRET: &str = "whsec_canary";

/// Longer than the stand-in needs, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(300);

const VISA: &str = "pm_card_visa";
const DECLINED: &str = "pm_card_chargeDeclined";
const AUTHENTICATION: &str = "pm_card_authenticationRequired";

/// A payment of 230.00 at a stand-in of its own.
struct Bench {
    server: StripeServer,
    clock: Arc<OffsetClock>,
    stripe: Stripe,
    folder: tempfile::TempDir,
    payment: PaymentId,
}

fn eur(minor: i64) -> Money {
    Money { minor, currency: "EUR".parse().unwrap() }
}

fn booking() -> BookingId {
    BookingId::from_bytes([7; 16])
}

fn host() -> UserId {
    UserId::from_bytes([8; 16])
}

fn secret() -> WebhookSecret {
    WebhookSecret::new(ENDPOINT_SECRET.as_bytes())
}

fn connected(server: &StripeServer, clock: &Arc<OffsetClock>, payouts: Payouts) -> Stripe {
    connected_as(ApiKey::new(STRIPE_KEY).unwrap(), server, clock, payouts)
}

fn connected_as(key: ApiKey, server: &StripeServer, clock: &Arc<OffsetClock>, payouts: Payouts) -> Stripe {
    let settings = Settings { api_base: server.url.clone(), key, webhook_secret: secret(), timeout: TIMEOUT, payouts };
    Stripe::new(settings, Arc::clone(clock) as _).unwrap()
}

fn hand_list(folder: &tempfile::TempDir) -> HandList {
    HandList::open(&folder.path().join("by-hand")).unwrap()
}

fn to_accounts(folder: &tempfile::TempDir) -> Payouts {
    Payouts::Accounts { file: folder.path().join("accounts"), rest: hand_list(folder) }
}

impl Bench {
    async fn start() -> Self {
        let (server, clock, folder) = (StripeServer::start().await, Arc::<OffsetClock>::default(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("accounts"), format!("{} acct_1\n", host())).unwrap();
        server.account(|account| account.balance = 1_000_000);
        let stripe = connected(&server, &clock, to_accounts(&folder));
        let payment = PaymentId::from_bytes(latchkey::entropy::fresh_id(clock.now()));
        Self { server, clock, stripe, folder, payment }
    }

    /// Another process, which remembers nothing.
    fn restart(&mut self) {
        self.stripe = connected(&self.server, &self.clock, to_accounts(&self.folder));
    }

    /// Hosts are paid by hand.
    fn by_hand(&mut self) {
        self.stripe = connected(&self.server, &self.clock, Payouts::ByHand(hand_list(&self.folder)));
    }

    /// What is listed to be settled by hand: movements and amounts.
    fn listed(&self) -> Vec<(i64, i64)> {
        let text = std::fs::read_to_string(self.folder.path().join("by-hand")).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        lines.map(|line| (line["revision"].as_i64().unwrap(), line["amount_minor"].as_i64().unwrap())).collect()
    }

    /// So long that Stripe has forgotten every key; by another process.
    fn a_day_later(&mut self) {
        self.server.a_day_passes();
        self.clock.advance_ms(25 * 3_600_000);
        self.restart();
    }

    fn intent(&self) -> Intent {
        Intent { payment: self.payment, amount: eur(23_000) }
    }

    async fn charge(&self, method: &str, attempt: u32) -> Result<Report, ProviderError> {
        self.charge_with(method, attempt, Capture::Later).await
    }

    async fn charge_with(&self, method: &str, attempt: u32, capture: Capture) -> Result<Report, ProviderError> {
        self.stripe.charge(Charge { intent: self.intent(), method: method.to_owned(), attempt, capture }).await
    }

    /// Set aside, and taken.
    async fn paid(&self) {
        self.charge_with(VISA, 1, Capture::AtOnce).await.unwrap();
    }

    async fn refund(&self, total: i64) -> Result<Report, ProviderError> {
        self.stripe.refund(self.intent(), eur(total)).await
    }

    async fn pay_out(&self, revision: u32, minor: i64) -> Result<(), ProviderError> {
        self.stripe.pay_out(PayOut { booking: booking(), host: host(), revision, amount: eur(minor) }).await
    }

    /// What is at the host's account.
    fn at_host(&self) -> i64 {
        self.server.account(|account| account.accounts.get("acct_1").copied().unwrap_or_default())
    }

    fn charged(&self) -> i64 {
        self.server.account(|account| account.charged())
    }
}

fn of(attempt: u32, result: AttemptResult) -> Report {
    Report { attempt, result }
}

fn is_unreachable<T>(result: &Result<T, ProviderError>) -> bool {
    matches!(result, Err(ProviderError::Unreachable(_)))
}

fn is_refused<T>(result: &Result<T, ProviderError>) -> bool {
    matches!(result, Err(ProviderError::Refused(_)))
}
