//! An account at the stand-in: PaymentIntents, refunds, disputes, transfers, and the events they cause.

use std::collections::HashMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{Asked, error};

/// A PaymentIntent, with its charge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Intent {
    pub(crate) id: String,
    pub(crate) status: &'static str,
    pub(crate) amount: i64,
    pub(crate) refunded: i64,
    /// How often a method was really tried.
    pub(crate) tries: u32,
    currency: String,
    is_automatic: bool,
    metadata: Map<String, Value>,
    declined: bool,
    is_searchable: bool,
}

/// The account.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) intents: Vec<Intent>,
    /// Of the platform, for transfers.
    pub(crate) balance: i64,
    /// By connected account.
    pub(crate) accounts: HashMap<String, i64>,
    pub(crate) events: Vec<Value>,
    /// The bank of the next refund does not take it.
    pub(crate) next_refund_fails: bool,
    /// Refunds are made, but not listed yet.
    pub(crate) lists_no_refunds: bool,
    refunds: Vec<(String, Value)>,
    disputes: Vec<Value>,
    transfers: Vec<Value>,
    reversals: Vec<(String, Value)>,
}

type Done = (u16, Value);

const INTENTS: &str = "/v1/payment_intents";

/// What a request is, and which parameters it may have.
pub(super) fn operation(method: &Method, path: &str) -> Option<&'static str> {
    let parts: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
    Some(match (method.as_str(), parts.as_slice()) {
        ("POST", ["payment_intents"]) => "create",
        ("GET", ["payment_intents", "search"]) => "search",
        ("GET", ["payment_intents", _]) => "retrieve",
        ("POST", ["payment_intents", _]) => "update",
        ("POST", ["payment_intents", _, "confirm"]) => "confirm",
        ("POST", ["payment_intents", _, "capture"]) => "capture",
        ("POST", ["payment_intents", _, "cancel"]) => "cancel",
        ("GET", ["refunds"]) => "list_refunds",
        ("POST", ["refunds"]) => "refund",
        ("GET", ["disputes"]) => "list_disputes",
        ("GET", ["transfers"]) => "list_transfers",
        ("POST", ["transfers"]) => "transfer",
        ("GET", ["transfers", _, "reversals"]) => "list_reversals",
        ("POST", ["transfers", _, "reversals"]) => "reverse",
        _ => return None,
    })
}

fn parameters(operation: &str) -> &'static [&'static str] {
    match operation {
        "create" => {
            &["amount", "currency", "capture_method", "automatic_payment_methods[enabled]", "automatic_payment_methods[allow_redirects]"]
        }
        "confirm" => &["payment_method", "capture_method"],
        "capture" => &["amount_to_capture"],
        "cancel" => &["cancellation_reason"],
        "search" => &["query"],
        "retrieve" => &["expand[]"],
        "list_refunds" => &["payment_intent", "limit", "starting_after"],
        "list_disputes" => &["payment_intent", "limit"],
        "refund" => &["payment_intent", "amount"],
        "transfer" => &["amount", "currency", "destination", "transfer_group"],
        "list_transfers" => &["transfer_group", "limit"],
        "list_reversals" => &["limit"],
        "reverse" => &["amount"],
        _ => &[],
    }
}

fn metadata(asked: &Asked) -> impl Iterator<Item = (String, Value)> + '_ {
    let name = |key: &str| Some(key.strip_prefix("metadata[")?.strip_suffix(']')?.to_owned());
    asked.form.iter().filter_map(move |(key, value)| Some((name(key)?, json!(value))))
}

fn list(data: Vec<Value>) -> Done {
    (200, json!({"object": "list", "data": data, "has_more": false}))
}

impl Intent {
    pub(crate) fn payment(&self) -> &str {
        self.metadata.get("payment").and_then(Value::as_str).unwrap_or_default()
    }

    fn is_found(&self, asked: &Asked) -> bool {
        self.is_searchable && asked.get("query") == Some(&format!("metadata['payment']:'{}'", self.payment()))
    }

    fn charge(&self, is_disputed: bool) -> Value {
        json!({"id": format!("ch_{}", self.id), "object": "charge", "amount": self.amount, "amount_refunded": self.refunded,
            "captured": self.status == "succeeded", "currency": self.currency, "disputed": is_disputed, "payment_intent": self.id, "metadata": self.metadata})
    }

    fn json(&self) -> Value {
        let declined = json!({"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "message": "No."});
        let is_charged = matches!(self.status, "requires_capture" | "succeeded");
        json!({"id": self.id, "object": "payment_intent", "status": self.status, "amount": self.amount, "currency": self.currency,
            "metadata": self.metadata, "client_secret": format!("{}_secret_canary", self.id),
            "last_payment_error": self.declined.then_some(declined), "latest_charge": is_charged.then(|| format!("ch_{}", self.id))})
    }
}

impl Account {
    /// Everything can be searched for.
    pub(super) fn index(&mut self) {
        self.intents.iter_mut().for_each(|intent| intent.is_searchable = true);
    }

    /// What came in and did not go back, over all intents.
    pub(crate) fn kept(&self) -> i64 {
        self.intents.iter().filter(|intent| intent.status == "succeeded").map(|intent| intent.amount - intent.refunded).sum()
    }

    /// What is set aside or came in, over all intents.
    pub(crate) fn charged(&self) -> i64 {
        self.intents.iter().filter(|intent| matches!(intent.status, "requires_capture" | "succeeded")).map(|intent| intent.amount).sum()
    }

    /// The guest does what the bank wants.
    pub(crate) fn authenticate(&mut self) {
        let at = self.intents.iter().position(|intent| intent.status == "requires_action").unwrap();
        self.pay(at);
    }

    /// The bank has decided about what was processing.
    pub(crate) fn settle(&mut self) {
        let at = self.intents.iter().position(|intent| intent.status == "processing").unwrap();
        self.intents[at].is_automatic = true;
        self.pay(at);
    }

    /// The bank takes back what it had set aside.
    pub(crate) fn expire(&mut self) {
        let at = self.intents.iter().position(|intent| intent.status == "requires_capture").unwrap();
        self.turn(at, "canceled", "payment_intent.canceled");
    }

    /// The guest's bank disputes the only payment.
    pub(crate) fn dispute(&mut self, status: &str, event: &str) {
        let intent = &self.intents[0];
        let dispute = json!({"id": "du_1", "object": "dispute", "amount": intent.amount, "currency": intent.currency, "status": status,
            "charge": format!("ch_{}", intent.id), "payment_intent": intent.id, "metadata": {}});
        self.disputes = vec![dispute.clone()];
        self.tell(event, dispute);
    }

    pub(crate) fn tell(&mut self, kind: &str, object: Value) {
        let id = format!("evt_{}", self.events.len() + 1);
        self.events.push(json!({"id": id, "object": "event", "type": kind, "livemode": false, "data": {"object": object}}));
    }

    pub(super) fn perform(&mut self, asked: &Asked) -> Done {
        let unknown =
            asked.form.iter().find(|(name, _)| !name.starts_with("metadata[") && !parameters(asked.operation).contains(&name.as_str()));
        if let Some((name, _)) = unknown {
            return (400, json!({"error": {"type": "invalid_request_error", "code": "parameter_unknown", "param": name}}));
        }
        let minor = |name| asked.get(name).and_then(|text| text.parse::<i64>().ok()).filter(|minor| *minor > 0);
        match asked.operation {
            "create" => self.create(asked, minor("amount").unwrap()),
            "search" => list(self.intents.iter().filter(|intent| intent.is_found(asked)).map(Intent::json).collect()),
            "list_refunds" if self.lists_no_refunds => list(Vec::new()),
            "list_refunds" => self.page_of_refunds(asked),
            "refund" => self.refund(asked, minor("amount").unwrap()),
            "list_disputes" => list(self.disputes.clone()),
            "list_transfers" => {
                let group = json!(asked.get("transfer_group"));
                list(self.transfers.iter().rev().filter(|transfer| transfer["transfer_group"] == group).cloned().collect())
            }
            "transfer" => self.transfer(asked, minor("amount").unwrap()),
            "list_reversals" => list(self.reversals.iter().filter(|(of, _)| asked.path.contains(of)).map(|(_, it)| it.clone()).collect()),
            "reverse" => self.reverse(asked, minor("amount").unwrap()),
            _ => self.on_intent(asked),
        }
    }

    fn create(&mut self, asked: &Asked, amount: i64) -> Done {
        if amount < 50 {
            return (400, error("invalid_request_error", "amount_too_small"));
        }
        let intent = Intent {
            id: format!("pi_{}", self.intents.len() + 1),
            status: "requires_payment_method",
            amount,
            currency: asked.get("currency").unwrap().to_owned(),
            is_automatic: asked.get("capture_method") == Some("automatic"),
            metadata: metadata(asked).collect(),
            ..Intent::default()
        };
        let made = intent.json();
        self.intents.push(intent);
        (200, made)
    }

    fn on_intent(&mut self, asked: &Asked) -> Done {
        let id = asked.path.trim_start_matches(INTENTS).split('/').nth(1).unwrap_or_default();
        let Some(at) = self.intents.iter().position(|intent| intent.id == id) else {
            return (404, error("invalid_request_error", "resource_missing"));
        };
        let status = self.intents[at].status;
        let is_open = matches!(status, "requires_payment_method" | "requires_confirmation" | "requires_action");
        match asked.operation {
            "retrieve" if asked.get("expand[]") == Some("latest_charge") && matches!(status, "requires_capture" | "succeeded") => {
                let mut intent = self.intents[at].json();
                intent["latest_charge"] = self.intents[at].charge(!self.disputes.is_empty());
                return (200, intent);
            }
            "retrieve" => {}
            "update" if status != "canceled" => self.intents[at].metadata.extend(metadata(asked)),
            "confirm" if is_open => return self.confirm(at, asked),
            "capture" if status == "requires_capture" => self.turn(at, "succeeded", "payment_intent.succeeded"),
            "cancel" if is_open => self.turn(at, "canceled", "payment_intent.canceled"),
            "cancel" if status == "requires_capture" => self.let_go(at),
            _ => return self.unexpected(at),
        }
        (200, self.intents[at].json())
    }

    fn unexpected(&self, at: usize) -> Done {
        let mut refusal = error("invalid_request_error", "payment_intent_unexpected_state");
        refusal["error"]["payment_intent"] = self.intents[at].json();
        (400, refusal)
    }

    fn turn(&mut self, at: usize, status: &'static str, event: &str) {
        self.intents[at].status = status;
        self.tell(event, self.intents[at].json());
    }

    /// Cancels what is set aside, which Stripe tells as a refund of the charge besides.
    fn let_go(&mut self, at: usize) {
        let mut charge = self.intents[at].charge(false);
        charge["amount_refunded"] = json!(self.intents[at].amount);
        charge["refunded"] = json!(true);
        self.tell("charge.refunded", charge);
        self.turn(at, "canceled", "payment_intent.canceled");
    }

    fn confirm(&mut self, at: usize, asked: &Asked) -> Done {
        self.intents[at].tries += 1;
        self.intents[at].declined = false;
        if let Some(capture) = asked.get("capture_method") {
            self.intents[at].is_automatic = capture == "automatic";
        }
        match asked.get("payment_method") {
            Some("pm_card_visa") => self.pay(at),
            Some("pm_card_authenticationRequired") => self.turn(at, "requires_action", "payment_intent.requires_action"),
            Some("pm_slow") => self.turn(at, "processing", "payment_intent.processing"),
            Some("pm_card_chargeDeclined") => {
                self.intents[at].declined = true;
                self.turn(at, "requires_payment_method", "payment_intent.payment_failed");
                let mut refusal = error("card_error", "card_declined");
                refusal["error"]["decline_code"] = json!("generic_decline");
                refusal["error"]["payment_intent"] = self.intents[at].json();
                return (402, refusal);
            }
            _ => {
                let mut refusal = error("invalid_request_error", "resource_missing");
                refusal["error"]["param"] = json!("payment_method");
                return (400, refusal);
            }
        }
        (200, self.intents[at].json())
    }

    fn pay(&mut self, at: usize) {
        if self.intents[at].is_automatic {
            self.turn(at, "succeeded", "payment_intent.succeeded");
        } else {
            self.turn(at, "requires_capture", "payment_intent.amount_capturable_updated");
        }
    }

    fn refund(&mut self, asked: &Asked, amount: i64) -> Done {
        let of = asked.get("payment_intent").unwrap().to_owned();
        let Some(intent) = self.intents.iter_mut().find(|intent| intent.id == of && intent.status == "succeeded") else {
            return (400, error("invalid_request_error", "resource_missing"));
        };
        if intent.refunded + amount > intent.amount {
            return (400, error("invalid_request_error", "charge_already_refunded"));
        }
        intent.refunded += amount;
        let charge = intent.charge(false);
        let refund = json!({"id": format!("re_{}", self.refunds.len() + 1), "object": "refund", "amount": amount, "currency": intent.currency,
            "status": "succeeded", "payment_intent": of, "metadata": metadata(asked).collect::<Map<_, _>>()});
        self.refunds.push((of, refund.clone()));
        if std::mem::take(&mut self.next_refund_fails) {
            self.fail_refund();
            return (200, self.refunds.last().unwrap().1.clone());
        }
        self.tell("charge.refunded", charge);
        (200, refund)
    }

    /// Two at a time, so that a few are more than a page.
    fn page_of_refunds(&self, asked: &Asked) -> Done {
        let all: Vec<&Value> = self.refunds.iter().filter(|(of, _)| asked.get("payment_intent") == Some(of)).map(|(_, it)| it).collect();
        let begun = asked.get("starting_after").map_or(0, |last| all.iter().position(|refund| refund["id"] == last).unwrap() + 1);
        let page: Vec<&Value> = all[begun..].iter().copied().take(2).collect();
        (200, json!({"object": "list", "data": page, "has_more": all.len() > begun + page.len()}))
    }

    /// The bank of the last refund sends it back.
    pub(crate) fn fail_refund(&mut self) {
        let (of, refund) = self.refunds.last_mut().unwrap();
        refund["status"] = json!("failed");
        let (of, failed) = (of.clone(), refund.clone());
        self.intents.iter_mut().find(|intent| intent.id == of).unwrap().refunded -= failed["amount"].as_i64().unwrap();
        self.tell("refund.updated", failed.clone());
        self.tell("refund.failed", failed);
    }

    fn transfer(&mut self, asked: &Asked, amount: i64) -> Done {
        if amount > self.balance {
            return (400, error("invalid_request_error", "balance_insufficient"));
        }
        self.balance -= amount;
        let destination = asked.get("destination").unwrap();
        *self.accounts.entry(destination.to_owned()).or_default() += amount;
        let transfer = json!({"id": format!("tr_{}", self.transfers.len() + 1), "object": "transfer", "amount": amount, "amount_reversed": 0,
            "destination": destination, "transfer_group": asked.get("transfer_group"), "metadata": metadata(asked).collect::<Map<_, _>>()});
        self.transfers.push(transfer.clone());
        (200, transfer)
    }

    fn reverse(&mut self, asked: &Asked, amount: i64) -> Done {
        let transfer = self.transfers.iter_mut().find(|transfer| asked.path.contains(transfer["id"].as_str().unwrap())).unwrap();
        let reversed = transfer["amount_reversed"].as_i64().unwrap() + amount;
        if reversed > transfer["amount"].as_i64().unwrap() {
            return (400, error("invalid_request_error", "transfer_already_reversed"));
        }
        transfer["amount_reversed"] = json!(reversed);
        let (id, destination) = (transfer["id"].as_str().unwrap().to_owned(), transfer["destination"].as_str().unwrap().to_owned());
        self.balance += amount;
        *self.accounts.entry(destination).or_default() -= amount;
        let reversal = json!({"id": format!("trr_{}", self.reversals.len() + 1), "object": "transfer_reversal", "amount": amount,
            "metadata": metadata(asked).collect::<Map<_, _>>()});
        self.reversals.push((id, reversal.clone()));
        (200, reversal)
    }
}
