//! Somebody who books, pays and sometimes cancels, whatever fails meanwhile; afterwards each stay has cost them what it should, once (P7, P9).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use latchkey_protocol::rest::Page;
use latchkey_protocol::view::{Booking, BookingState, Hold, Payment, PaymentState};
use latchkey_protocol::{BookingId, Date, ErrorCode, PropertyId};
use serde_json::json;

use super::speaker::Speaker;
use crate::support::{Cluster, Guest, eventually};

pub(super) struct Buyer {
    pub(super) speaker: Speaker,
    pub(super) home: PropertyId,
}

/// What became of a stay, as the buyer was told.
#[derive(Debug)]
pub(super) struct Stay {
    booking: BookingId,
    /// Of its payment.
    told: PaymentState,
    is_cancelled: bool,
}

impl Buyer {
    pub(super) async fn buy(mut self, is_over: Arc<AtomicBool>) -> Vec<Stay> {
        let mut stays = Vec::new();
        while !is_over.load(Ordering::SeqCst) {
            let dates = self.speaker.dates();
            let held = self.speaker.say("/holds/", &dates.of(self.home)).await;
            if held.status != 201 {
                held.expect_problem(409, ErrorCode::DatesUnavailable);
                // Room for others, and for oneself.
                if let Some(stay) = stays.iter_mut().find(|stay: &&mut Stay| !stay.is_cancelled) {
                    self.cancel(stay).await;
                }
                continue;
            }
            let hold: Hold = held.json();
            let asked = json!({ "hold": hold.id, "property": hold.property });
            let booking: Booking = self.speaker.say("/bookings/", &asked).await.expect_json(201);
            let paying = json!({ "booking": booking.id, "payment_method": "pm_card_visa" });
            let payment: Payment = self.speaker.say("/payments/", &paying).await.expect_json(201);
            assert_eq!(payment.booking, booking.id);
            let mut stay = Stay { booking: booking.id, told: payment.state, is_cancelled: false };
            if self.speaker.pick(2) == 0 {
                self.cancel(&mut stay).await;
            }
            stays.push(stay);
        }
        stays
    }

    async fn cancel(&mut self, stay: &mut Stay) {
        let cancelled: Booking = self.speaker.say(&format!("/bookings/{}/cancel/", stay.booking), &json!({})).await.expect_json(200);
        assert!(matches!(cancelled.state, BookingState::CancelledByGuest | BookingState::Withdrawn), "{cancelled:?}");
        stay.is_cancelled = true;
    }
}

/// P9: no more came in than was asked for, no more went back than had come in, and of what was called off a month ahead everything is promised back.
/// P7: the ledger has one capture of each stay. P2: what was told to be paid is, and the stay with it.
pub(super) async fn assert_paid_once(cluster: &Cluster, buyer: &Guest, stays: &[Stay]) {
    let rest = &cluster.nodes[0].rest;
    let mut payments = Vec::new();
    for stay in stays {
        let read = || async {
            let answer = rest.get(&format!("/payments/?booking={}", stay.booking)).bearer(&buyer.tokens.access_token).send().await;
            answer.status.is_success().then(|| answer.json::<Page<Payment>>().items)
        };
        let mut found = eventually("the payments to be read", read).await;
        assert_eq!(found.len(), 1, "P7: {stay:?} {found:?}");
        payments.push(found.remove(0));
    }
    // Afterwards: a capture that comes in between is in both.
    let ledger = ledger(cluster).await;
    for (stay, payment) in stays.iter().zip(payments) {
        let moved = [0, payment.refunded_minor, payment.captured_minor, payment.amount_minor];
        assert!(moved.is_sorted(), "P9: {payment:?}");
        let captures = ledger.get(&stay.booking.to_string()).map_or(0, |kinds| kinds.iter().filter(|kind| *kind == "capture").count());
        assert!(captures <= 1, "P7: {stay:?} was charged {captures} times");
        if stay.is_cancelled {
            assert_eq!(payment.refund_due_minor, payment.captured_minor, "P9: {stay:?} {payment:?}");
        } else if stay.told == PaymentState::Succeeded {
            let read = || async {
                let answer = rest.get(&format!("/bookings/{}/", stay.booking)).bearer(&buyer.tokens.access_token).send().await;
                answer.status.is_success().then(|| answer.json::<Booking>())
            };
            let booking = eventually("the booking to be read", read).await;
            let kept = (booking.state, payment.state, payment.captured_minor, captures);
            assert_eq!(kept, (BookingState::Confirmed, PaymentState::Succeeded, payment.amount_minor, 1), "P2: {stay:?}");
        }
    }
}

/// Every movement sums to zero. Which kinds there are, by booking.
async fn ledger(cluster: &Cluster) -> BTreeMap<String, Vec<String>> {
    let auditor = surrealdb::engine::any::connect(format!("ws://{}", cluster.database.address)).await.unwrap();
    let root = surrealdb::opt::auth::Root { username: "root".to_owned(), password: "root".to_owned() };
    auditor.signin(root).await.unwrap();
    auditor.use_ns("latchkey").use_db("main").await.unwrap();
    let mut answers = auditor.query("SELECT record::id(id) AS id, kind, lines FROM ledger").await.unwrap();
    let rows: surrealdb::types::Value = answers.take(0).unwrap();
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows.into_json_value().as_array().unwrap() {
        let sum: i64 = row["lines"].as_array().unwrap().iter().map(|line| line["minor"].as_i64().unwrap()).sum();
        assert_eq!(sum, 0, "P9: {row}");
        let booking = row["id"][0].as_str().map_or_else(|| panic!("{row}"), str::to_owned);
        kinds.entry(booking).or_default().push(row["kind"].as_str().unwrap().to_owned());
    }
    kinds
}

/// P1: no night belongs to two bookings that are not called off.
pub(super) async fn assert_stays_apart(cluster: &Cluster, host: &Guest, home: PropertyId) {
    let rest = &cluster.nodes[0].rest;
    let mut owners: BTreeMap<Date, BookingId> = BTreeMap::new();
    let mut path = "/bookings/?limit=100".to_owned();
    loop {
        let page = eventually("the bookings to be read", || async {
            let answer = rest.get(&path).bearer(&host.tokens.access_token).send().await;
            answer.status.is_success().then(|| answer.json::<Page<Booking>>())
        });
        let page = page.await;
        for booking in page.items.iter().filter(|booking| booking.property == home) {
            if !matches!(booking.state, BookingState::PendingPayment | BookingState::Confirmed) {
                continue;
            }
            for offset in 0..booking.check_out.days_since(booking.check_in) {
                let twin = owners.insert(booking.check_in.saturating_add(offset), booking.id);
                assert_eq!(twin, None, "P1: {booking:?}");
            }
        }
        match page.next {
            Some(cursor) => path = format!("/bookings/?limit=100&cursor={cursor}"),
            None => break,
        }
    }
}
