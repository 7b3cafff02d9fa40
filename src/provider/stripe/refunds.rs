//! Refunds. Each can fail long after it was made (the guest's account is closed), so what has gone back is always read from the list of all of them.

use latchkey_protocol::PaymentId;

use super::client::{CallError, Keep};
use super::objects::{List, Refund};
use super::{Stripe, amounts};
use crate::domain::Money;
use crate::domain::payment::{AttemptResult, Report};
use crate::provider::{Intent, ProviderError};

/// Refunds in a page of the list: the most that Stripe gives.
const PAGE: usize = 100;

/// The most pages that are read; each refund is a promise of its own, or the repetition of one that failed, which is made once a day.
const MOST_PAGES: usize = 50;

/// All refunds of one intent.
struct Refunds(Vec<Refund>);

impl Refunds {
    fn sum(&self, counts: bool) -> i64 {
        self.0.iter().filter(|refund| refund.counts() == counts).map(|refund| refund.amount).sum()
    }

    fn result(&self, currency: &str) -> AttemptResult {
        let minor = |counts| amounts::from_stripe(self.sum(counts), currency);
        AttemptResult::Refunded { total_minor: minor(true), failed_minor: minor(false) }
    }
}

impl Stripe {
    /// Sends what is missing to a total.
    pub(super) async fn refund_to(&self, intent: Intent, total: Money) -> Result<Report, ProviderError> {
        let id = self.find(intent).await?;
        let mut refunds = self.refunds(&id).await?;
        let missing = amounts::to_stripe(total) - refunds.sum(true);
        if missing > 0 {
            // One that fails at once is reported like one that fails later: it is made again after a while.
            refunds.0.push(self.send(intent.payment, &id, &refunds, missing, total).await?);
        }
        Ok(Report { attempt: 0, result: refunds.result(&amounts::currency(total)) })
    }

    async fn send(&self, payment: PaymentId, id: &str, before: &Refunds, amount: i64, total: Money) -> Result<Refund, CallError> {
        let form = vec![
            ("payment_intent", id.to_owned()),
            ("amount", amount.to_string()),
            ("metadata[payment]", payment.to_string()),
            ("metadata[total]", total.minor.to_string()),
        ];
        // How many there are is part of the key: when one fails later, the next is not answered with it. The total is not: if more is
        // due by now, but the refund before is still under way, Stripe refuses this one, which would send that part twice.
        let key = format!("re_{payment}_{}_{}", before.sum(true), before.0.len());
        self.client.post_once("/v1/refunds", &form, &key, Keep::Successes).await
    }

    /// What has become of an intent's refunds so far, if there is any.
    pub(super) async fn refunded(&self, intent: &str, currency: &str) -> Result<Option<AttemptResult>, ProviderError> {
        let refunds = self.refunds(intent).await?;
        Ok((!refunds.0.is_empty()).then(|| refunds.result(currency)))
    }

    async fn refunds(&self, intent: &str) -> Result<Refunds, ProviderError> {
        let mut all: Vec<Refund> = Vec::new();
        for _ in 0..MOST_PAGES {
            let mut query = vec![("payment_intent", intent.to_owned()), ("limit", PAGE.to_string())];
            query.extend(all.last().map(|last| ("starting_after", last.id.clone())));
            let page: List<Refund> = self.client.get("/v1/refunds", &query).await?;
            let is_last = !page.has_more || page.data.is_empty();
            all.extend(page.data);
            if is_last {
                return Ok(Refunds(all));
            }
        }
        // Deciding on a part of them could send too much back.
        Err(ProviderError::Refused(format!("more than {} refunds of one payment", PAGE * MOST_PAGES)))
    }
}
