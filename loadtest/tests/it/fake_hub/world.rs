//! The fake hub's state and its few rules.

#![allow(clippy::unnecessary_wraps, reason = "commands of one shape, though an honest hub cannot refuse some of them")]

use std::collections::{BTreeMap, HashMap};

use latchkey_protocol::{ClaimId, Date, ErrorCode, PaymentId, PropertyId, UserId, WireError};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use super::Lie;

/// A body, or a wire error.
pub(super) type Answer = Result<Value, Value>;

/// A lie about one event is told about the event with this `seq`.
const LIED_SEQ: usize = 4;

#[derive(Default)]
struct Home {
    host: String,
    /// Night → state, and the `seq` that took it.
    nights: BTreeMap<i32, (String, usize)>,
}

#[derive(Default)]
struct Feed {
    events: Vec<Value>,
    subscribers: Vec<UnboundedSender<String>>,
}

/// Everything the hub knows.
pub(super) struct World {
    lie: Lie,
    minted: u128,
    users: HashMap<String, String>,
    homes: HashMap<String, Home>,
    feeds: HashMap<String, Feed>,
    holds: HashMap<String, Value>,
    bookings: HashMap<String, Value>,
    payments: HashMap<String, Value>,
    results: HashMap<String, Value>,
    outbox: Vec<(String, Value)>,
}

fn refused(code: ErrorCode) -> Value {
    serde_json::to_value(WireError::new(code, "no")).unwrap()
}

fn days(ask: &Value) -> std::ops::Range<i32> {
    let day = |field: &str| ask[field].as_str().unwrap().parse::<Date>().unwrap().epoch_day();
    day("check_in")..day("check_out")
}

fn text(day: i32) -> String {
    Date::from_epoch_day(day).unwrap().to_string()
}

/// What a listing has besides what was asked for.
fn listed(id: &str, host: &str) -> Value {
    json!({
        "id": id, "host": host, "state": "published", "version": 1, "service_fee_bp": 0, "included_guests": 4, "description": "",
        "photos": [], "review_count": 0, "created_at": 0, "updated_at": 0
    })
}

/// A user as they see themselves.
fn me(id: &str, email: &str) -> Value {
    json!({
        "id": id, "email": email, "name": "", "about": "", "is_host": true, "is_admin": false, "state": "active", "version": 1, "created_at": 0
    })
}

impl World {
    pub(super) fn new(lie: Lie) -> Self {
        Self {
            lie,
            minted: 0,
            users: HashMap::new(),
            homes: HashMap::new(),
            feeds: HashMap::new(),
            holds: HashMap::new(),
            bookings: HashMap::new(),
            payments: HashMap::new(),
            results: HashMap::new(),
            outbox: Vec::new(),
        }
    }

    fn mint(&mut self) -> [u8; 16] {
        self.minted += 1;
        self.minted.to_be_bytes()
    }

    pub(super) fn post(&mut self, path: &str, token: Option<&str>, body: &Value) -> Answer {
        let email = body["email"].as_str().unwrap_or_default().to_owned();
        match path {
            "/auth/register/" if self.users.contains_key(&email) => Err(refused(ErrorCode::AlreadyRegistered)),
            "/auth/register/" => {
                let id = UserId::from_bytes(self.mint()).to_string();
                self.users.insert(email.clone(), id.clone());
                Ok(me(&id, &email))
            }
            "/auth/login/" => {
                let user = self.users.get(&email).ok_or_else(|| refused(ErrorCode::BadCredentials))?;
                Ok(json!({"user": user, "access_token": user, "expires_at": i64::MAX, "refresh_token": ""}))
            }
            "/users/me/host/" => self.user_of(token).map(|user| me(&user, "")),
            "/properties/" => {
                let host = self.user_of(token)?;
                let id = PropertyId::from_bytes(self.mint()).to_string();
                self.homes.insert(id.clone(), Home { host: host.clone(), ..Home::default() });
                self.append(&format!("property:{id}"), "property.listed", &json!({"property": id}));
                let mut view = body.clone();
                view.as_object_mut().unwrap().extend(listed(&id, &host).as_object().unwrap().clone());
                Ok(view)
            }
            other => panic!("no route {other}"),
        }
    }

    pub(super) fn get(&mut self, path: &str, query: &str, token: Option<&str>) -> Answer {
        let query: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let found = match path.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
            ["metrics"] => return Ok(json!("nothing is counted")),
            ["properties", id, "calendar"] => return Ok(self.calendar(id, query["from"], query["to"])),
            ["holds", id] => self.user_of(token).map(|_| self.holds.get(id).cloned())?,
            ["bookings", id] => self.user_of(token).map(|_| self.bookings.get(id).cloned())?,
            ["payments"] => Some(json!({"items": [self.payments[query["booking"]]]})),
            _ => panic!("no route {path}"),
        };
        found.ok_or_else(|| refused(ErrorCode::NotFound))
    }

    fn calendar(&self, id: &str, from: &str, to: &str) -> Value {
        let taken = self.homes[id].nights.iter().filter(|(_, (state, _))| state != "free");
        let skip = usize::from(self.lie == Lie::ShowsAnotherCalendar);
        let taken: Vec<_> =
            taken.skip(skip).map(|(day, (state, _))| json!({"from": text(*day), "to": text(day + 1), "state": state})).collect();
        json!({"property": id, "seq": self.head(&format!("property:{id}")), "from": from, "to": to, "taken": taken})
    }

    fn head(&self, topic: &str) -> usize {
        self.feeds.get(topic).map_or(0, |feed| feed.events.len())
    }

    pub(super) fn user_of(&self, token: Option<&str>) -> Result<String, Value> {
        let known = token.filter(|token| self.users.values().any(|user| user == token));
        known.map(str::to_owned).ok_or_else(|| refused(ErrorCode::Unauthenticated))
    }

    /// Does a change once per key, unless the hub forgets keys.
    pub(super) fn once(&mut self, cmd: &str, key: &str, change: impl FnOnce(&mut Self) -> Answer) -> Answer {
        if let Some(result) = self.results.get(key)
            && self.lie != Lie::ForgetsTheKey
        {
            return Ok(result.clone());
        }
        let result = change(self);
        if let Ok(result) = &result {
            assert!(key.len() <= latchkey_protocol::MAX_KEY_BYTES, "{cmd}: the key is too long");
            self.results.insert(key.to_owned(), result.clone());
        }
        result
    }

    pub(super) fn hold(&mut self, user: &str, ask: &Value) -> Answer {
        match self.lie {
            Lie::LimitsHolds => return Err(refused(ErrorCode::HoldLimit)),
            Lie::RefusesFreeNights => return Err(refused(ErrorCode::DatesUnavailable)),
            _ => {}
        }
        let property = ask["property"].as_str().unwrap().to_owned();
        let home = &self.homes[&property];
        let taken = days(ask).find_map(|day| home.nights.get(&day).filter(|(state, _)| state != "free").map(|(_, seq)| (day, *seq)));
        if let Some((day, seq)) = taken
            && self.lie != Lie::SellsTwice
        {
            let seq = if self.lie == Lie::NamesTheWrongSeq { 1 } else { seq };
            let error = WireError::new(ErrorCode::DatesUnavailable, "taken").with("seq", seq as u64).with("from", text(day));
            return Err(serde_json::to_value(error).unwrap());
        }
        let seq = self.change(&property, &days(ask), "held");
        let id = ClaimId::from_bytes(self.mint()).to_string();
        let mut hold = ask.clone();
        let more = json!({"id": id, "state": "active", "expires_at": i64::MAX, "seq": seq, "user": user});
        hold.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.holds.insert(id, hold.clone());
        Ok(hold)
    }

    pub(super) fn release(&mut self, ask: &Value) -> Answer {
        let hold = self.holds.get_mut(ask["hold"].as_str().unwrap()).unwrap();
        hold["state"] = "released".into();
        let mut hold = hold.clone();
        hold["seq"] = self.change(hold["property"].as_str().unwrap(), &days(&hold), "free").into();
        Ok(hold)
    }

    pub(super) fn book(&mut self, user: &str, ask: &Value) -> Answer {
        let id = ask["hold"].as_str().unwrap().to_owned();
        let hold = self.holds.get_mut(&id).unwrap();
        hold["state"] = "converted".into();
        let (hold, property) = (hold.clone(), hold["property"].as_str().unwrap().to_owned());
        let host = self.homes[&property].host.clone();
        let payment = PaymentId::from_bytes(self.mint()).to_string();
        let line = json!({"kind": "nights", "quantity": 1, "unit_minor": 100, "amount_minor": 100});
        let quote = json!({"property": property, "check_in": hold["check_in"], "check_out": hold["check_out"], "guests": 1,
            "currency": "EUR", "lines": [line], "total_minor": 100});
        let booking = json!({"id": id, "property": property, "guest": user, "host": host, "check_in": hold["check_in"],
            "check_out": hold["check_out"], "check_in_at": 0, "check_out_at": 0, "guests": 1, "state": "pending_payment",
            "expires_at": i64::MAX, "instant_book": true, "cancellation_policy": "flexible", "payment": payment, "quote": quote, "created_at": 0, "seq": 1});
        self.payments.insert(
            id.clone(),
            json!({"id": payment, "booking": id, "currency": "EUR", "amount_minor": 100,
            "captured_minor": 0, "refund_due_minor": 0, "refunded_minor": 0, "state": "requires_payment_method", "created_at": 0}),
        );
        self.bookings.insert(id.clone(), booking.clone());
        self.tell_both(&id, "booking.created", &json!({"booking": id, "property": property, "state": "pending_payment"}));
        Ok(booking)
    }

    pub(super) fn pay(&mut self, ask: &Value) -> Answer {
        let id = ask["booking"].as_str().unwrap().to_owned();
        let payment = self.payments.get_mut(&id).unwrap();
        (payment["state"], payment["captured_minor"]) = ("succeeded".into(), 100.into());
        let payment = payment.clone();
        self.bookings.get_mut(&id).unwrap()["state"] = "confirmed".into();
        let property = self.bookings[&id]["property"].as_str().unwrap().to_owned();
        self.change(&property, &days(&self.holds[&id].clone()), "booked");
        let paid = json!({"payment": payment["id"], "booking": id, "state": "succeeded", "captured_minor": 100, "refunded_minor": 0});
        self.tell_both(&id, "payment.succeeded", &paid);
        self.tell_both(&id, "booking.confirmed", &json!({"booking": id, "property": property, "state": "confirmed"}));
        if self.lie == Lie::LosesBookings {
            self.bookings.remove(&id);
        }
        Ok(payment)
    }

    fn tell_both(&mut self, booking: &str, kind: &str, data: &Value) {
        let user = |side: &str| format!("user:{}", self.bookings[booking][side].as_str().unwrap());
        let (guest, host) = (user("guest"), user("host"));
        self.append(&guest, kind, data);
        if self.lie != Lie::NeverTellsTheHost {
            self.append(&host, kind, data);
        }
    }

    fn change(&mut self, property: &str, days: &std::ops::Range<i32>, state: &str) -> usize {
        let data = json!({"from": text(days.start), "to": text(days.end), "state": state});
        let seq = self.append(&format!("property:{property}"), "availability.changed", &data);
        let home = self.homes.get_mut(property).unwrap();
        for day in days.clone() {
            let taken_at = home.nights.get(&day).filter(|_| state == "booked").map_or(seq, |(_, seq)| *seq);
            home.nights.insert(day, (state.to_owned(), taken_at));
        }
        seq
    }

    fn append(&mut self, topic: &str, kind: &str, data: &Value) -> usize {
        let feed = self.feeds.entry(topic.to_owned()).or_default();
        let seq = feed.events.len() + 1;
        let event = json!({"topic": topic, "seq": seq, "type": kind, "at": 0, "data": data});
        feed.events.push(event.clone());
        self.outbox.push((topic.to_owned(), event));
        seq
    }

    /// Pushes what the last command changed, after its reply.
    pub(super) fn deliver(&mut self) {
        for (topic, event) in std::mem::take(&mut self.outbox) {
            let lied = event["seq"] == LIED_SEQ && topic.starts_with("property:");
            let subscribers = &self.feeds[&topic].subscribers;
            for (number, subscriber) in subscribers.iter().enumerate() {
                let mut event = event.clone();
                let copies = match self.lie {
                    Lie::SkipsAnEvent if lied => 0,
                    Lie::RepeatsAnEvent if lied => 2,
                    Lie::TellsWatchersDifferently if lied && number == 1 => {
                        event["data"]["to"] = text(30_000).into();
                        1
                    }
                    _ => 1,
                };
                (0..copies).for_each(|_| drop(subscriber.send(event.to_string())));
            }
        }
    }

    pub(super) fn subscribe(&mut self, topic: &str, sender: &UnboundedSender<String>) -> Answer {
        let snapshot = match topic.split_once(':').unwrap() {
            ("property", id) => json!({"calendar": self.calendar(id, &text(20_000), &text(21_500))}),
            _ => json!({"inbox": {"bookings": []}}),
        };
        self.feeds.entry(topic.to_owned()).or_default().subscribers.push(sender.clone());
        Ok(json!({"topic": topic, "seq": self.head(topic), "snapshot": snapshot}))
    }

    pub(super) fn resume(&mut self, ask: &Value, sender: &UnboundedSender<String>) -> Answer {
        let mut resumed = serde_json::Map::new();
        for (topic, seq) in ask["topics"].as_object().unwrap() {
            let feed = self.feeds.entry(topic.clone()).or_default();
            let seen = usize::try_from(seq.as_u64().unwrap()).unwrap();
            let told = if self.lie == Lie::ForgetsWhatWasMissed { seen } else { feed.events.len() };
            feed.events[seen..told].iter().for_each(|event| drop(sender.send(event.to_string())));
            feed.subscribers.push(sender.clone());
            resumed.insert(topic.clone(), json!({"resumed": {"head": told}}));
        }
        Ok(json!({"topics": resumed}))
    }

    pub(super) fn forget_subscribers(&mut self) {
        self.feeds.values_mut().for_each(|feed| feed.subscribers.clear());
    }

    pub(super) fn forget_bookings(&mut self) {
        self.bookings.clear();
    }

    pub(super) fn bookings_made(&self) -> usize {
        self.bookings.len()
    }
}
