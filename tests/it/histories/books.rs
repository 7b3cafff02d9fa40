//! What lies in a data folder, read behind the hub's back from a copy: the ledger (P9) and the numbers of all events (P4).

use std::collections::BTreeMap;
use std::path::Path;

use latchkey_protocol::BookingId;
use latchkey_protocol::view::{Booking, Payment};
use serde_json::Value;

use super::model::{Model, is_live};

/// A booking's movements: kind, and account with amount.
type Movements = Vec<(String, Vec<(String, i64)>)>;

pub(super) struct Books {
    movements: BTreeMap<String, Movements>,
    heads: BTreeMap<String, i64>,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}")).to_owned()
}

impl Books {
    /// Of a folder whose hub has stopped or was killed. The engine lets go of a folder some time after it is told to, so a copy is read.
    pub(super) async fn open(data: &Path) -> Self {
        let place = tempfile::tempdir().unwrap();
        copy(&data.join("database"), place.path());
        let url = format!("surrealkv://{}", place.path().display());
        let auditor = surrealdb::engine::any::connect(url).await.unwrap();
        auditor.use_ns("latchkey").use_db("main").await.unwrap();
        let query = "SELECT <string> record::id(id)[0] AS booking, kind, lines FROM ledger; SELECT VALUE record::id(id) FROM event";
        let mut answers = auditor.query(query).await.unwrap();
        let mut rows = |index: usize| {
            let rows: surrealdb::types::Value = answers.take(index).unwrap();
            rows.into_json_value().as_array().unwrap().clone()
        };
        Self { movements: movements(&rows(0)), heads: heads(rows(1)) }
    }

    /// Everything that was acknowledged is there: an event for each booking's state, and each payment's money.
    pub(super) fn assert_hold(&self, model: &Model) {
        for Booking { id, seq, .. } in model.bookings.values() {
            let head = self.heads.get(&format!("booking:{id}")).copied().unwrap_or_default();
            assert!(head >= i64::try_from(*seq).unwrap(), "P3: {id} was told with event {seq}, the last one stored is {head}");
        }
        for id in model.bookings.keys() {
            let told =
                |amount: fn(&Payment) -> i64| -> i64 { model.payments.values().filter(|payment| payment.booking == *id).map(amount).sum() };
            let (captured, refunded) = (told(|payment| payment.captured_minor), told(|payment| payment.refunded_minor));
            assert!(self.sum(*id, &["capture"], "escrow") <= -captured, "P2: {id} has captured {captured}: {:?}", self.of(*id));
            let back = self.sum(*id, &["refund", "charge_back"], "escrow") + self.sum(*id, &["charge_back"], "losses");
            assert!(back >= refunded, "P2: {id} has refunded {refunded}: {:?}", self.of(*id));
        }
    }

    /// Each booking that is over, and whose money is where it belongs, was divided to the last cent.
    pub(super) fn assert_closed(&self, model: &Model) {
        for booking in model.bookings.values().filter(|booking| !is_live(booking.state)) {
            let id = booking.id;
            for account in ["escrow", "host", "disputed"] {
                assert_eq!(self.sum_of_all(id, account), 0, "P9: {account} of {booking:?}: {:?}", self.of(id));
            }
            let captured = -self.sum(id, &["capture"], "escrow");
            let refunds = self.sum(id, &["refund"], "escrow");
            let payouts = self.sum(id, &["pay_out"], "host");
            let charge_backs = -self.sum(id, &["charge_back"], "disputed");
            let (fees, taxes, losses) = (-self.sum_of_all(id, "fees"), -self.sum_of_all(id, "taxes"), self.sum_of_all(id, "losses"));
            let went = refunds + payouts + fees + taxes + charge_backs - losses;
            assert_eq!(captured, went, "P9: {booking:?}: {:?}", self.of(id));
        }
    }

    fn of(&self, booking: BookingId) -> &[(String, Vec<(String, i64)>)] {
        self.movements.get(&booking.to_string()).map_or(&[], Vec::as_slice)
    }

    fn sum(&self, booking: BookingId, kinds: &[&str], account: &str) -> i64 {
        let rows = self.of(booking).iter().filter(|(kind, _)| kinds.contains(&kind.as_str()));
        rows.flat_map(|(_, lines)| lines).filter(|(of, _)| of == account).map(|(_, minor)| minor).sum()
    }

    fn sum_of_all(&self, booking: BookingId, account: &str) -> i64 {
        self.of(booking).iter().flat_map(|(_, lines)| lines).filter(|(of, _)| of == account).map(|(_, minor)| minor).sum()
    }
}

/// The ledger by booking; every row of it balances.
fn movements(rows: &[Value]) -> BTreeMap<String, Movements> {
    let mut found: BTreeMap<String, Movements> = BTreeMap::new();
    for row in rows {
        let line = |line: &Value| (text(&line["account"]), line["minor"].as_i64().unwrap());
        let lines: Vec<(String, i64)> = row["lines"].as_array().unwrap().iter().map(line).collect();
        assert_eq!(lines.iter().map(|(_, minor)| minor).sum::<i64>(), 0, "P9: {row}");
        found.entry(text(&row["booking"])).or_default().push((text(&row["kind"]), lines));
    }
    found
}

/// The last number of each topic; none before it is missing.
fn heads(ids: Vec<Value>) -> BTreeMap<String, i64> {
    let mut topics: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for id in ids {
        topics.entry(text(&id[0])).or_default().push(id[1].as_i64().unwrap());
    }
    topics
        .into_iter()
        .map(|(topic, mut numbers)| {
            numbers.sort_unstable();
            let head = i64::try_from(numbers.len()).unwrap();
            assert!(numbers.iter().copied().eq(1..=head), "P4: {topic} has a gap: {numbers:?}");
            (topic, head)
        })
        .collect()
}
