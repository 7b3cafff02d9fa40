//! A batch of change sets as one transaction: a few bulk statements, grouped by table.
//!
//! Order inside the transaction: checks, deletes, inserts, replaces, jobs that are added. Pure: numbers and ids come from the committer.

mod account;
mod talk;

use std::collections::{BTreeMap, HashMap};

use latchkey_protocol::{EpochMs, Seq, Topic};
use surrealdb::types::{Array, RecordId, SurrealValue, ToSql, Uuid, Value, Variables};

use super::change_set::{ChangeSet, StoredEvent};
use super::database::row;
use super::notice::Notice;
use super::rows::{
    BlockRow, BookingRow, HoldRow, JobRow, ListingRow, NightRow, PaymentRow, PhotoOwnerRow, ReviewRow, array_record, event_record, int,
    job_record, key_record, ledger_row, night_record, outlived_record, record, review_record,
};
use crate::domain::Write;
use crate::domain::retention::{GONE_AFTER_MS, Outlived};

/// A topic's hint is rewritten when its head passes a multiple of this.
pub(super) const HINT_EVERY: u64 = 64;

/// A transaction, ready to run.
#[derive(Debug, Clone)]
pub(super) struct Transaction {
    /// The statements.
    pub(super) text: String,
    /// What they are bound to.
    pub(super) variables: Variables,
    /// Index of COMMIT among the results.
    pub(super) commit_index: usize,
    /// A change set that cannot be in this batch: one before it replaces a record whose version both compare.
    pub(super) twin: Option<usize>,
}

/// What names a batch: `commit:[node, number]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct BatchName {
    pub(super) node: Uuid,
    pub(super) number: i64,
    /// Whether other nodes may read of it.
    pub(super) is_shared: bool,
}

impl BatchName {
    pub(super) fn record(self) -> RecordId {
        array_record("commit", [self.node.into_value(), self.number.into_value()])
    }
}

/// A job that is there already is made to run again, after this batch: the run that is under way, if any, may not have seen what is written
/// here, and can no longer end the job.
const ADD_JOBS: &str = "INSERT INTO job $jobs ON DUPLICATE KEY UPDATE \
    state = 'waiting', at = $input.at, due = $input.due, attempts = 0, version += 1, last_error = NONE RETURN NONE";

/// A topic's head is its hint and what follows, so the hint is raised to the last event that goes; another writer's is higher still, and stays.
const SWEEP_EVENTS: &str = "FOR $row IN $swept { \
    INSERT IGNORE INTO topic { id: topic:[$row.topic], seq: $row.below - 1 } RETURN NONE; \
    UPDATE topic:[$row.topic] SET seq = $row.below - 1 WHERE seq < $row.below - 1 RETURN NONE; \
    DELETE event:[$row.topic, 0]..[$row.topic, $row.below] RETURN NONE }";

#[derive(Default)]
struct Rows {
    /// A record, the version of it that was decided on, and the number of the change set.
    checks: Vec<(RecordId, i64, usize)>,
    deadline: Option<i64>,
    deletes: Vec<Value>,
    inserts: BTreeMap<&'static str, Vec<Value>>,
    replaces: Vec<Value>,
    hints: HashMap<Topic, Seq>,
    topics: Vec<Value>,
    keys: Vec<Value>,
    webhooks: Vec<Value>,
    notices: Vec<Value>,
    /// The process whose shared log this batch continues, and the batch's number.
    log_end: Option<(Uuid, i64)>,
    jobs: Vec<Value>,
    ensured: Vec<Value>,
    /// Topics and the first event of each that stays.
    swept: Vec<Value>,
    /// Whether processes of which nothing was seen for long are over.
    ends_unseen: bool,
    /// Entries of the audit log whose address goes.
    addresses: Vec<Value>,
    /// Keys to forget, by the instant before which they must have been used.
    forgotten: BTreeMap<i64, Vec<Value>>,
    /// Notifications, and when they were read.
    read: Vec<Value>,
    /// Threads, and whose texts in them go.
    erased: Vec<Value>,
}

/// The transaction that commits `sets` with `events` numbered as given.
pub(super) fn transaction(name: BatchName, now: EpochMs, ahead_ms: i64, sets: &[&ChangeSet], events: &[Vec<StoredEvent>]) -> Transaction {
    let mut rows = Rows::default();
    for (number, set) in sets.iter().enumerate() {
        for write in &set.writes {
            rows.add(write, number);
        }
        if let Some(idempotency) = &set.idempotency {
            rows.insert("idempotency", idempotency.row());
            rows.keys.push(vec![idempotency.used.scope.as_str().into_value(), idempotency.used.key.as_str().into_value()].into_value());
        }
        if let Some(deadline) = set.deadline {
            rows.deadline = Some(rows.deadline.map_or(deadline.epoch_ms(), |earlier| earlier.min(deadline.epoch_ms())));
        }
    }
    for event in events.iter().flatten() {
        rows.append(event);
    }
    if name.is_shared {
        rows.notices = sets.iter().flat_map(|set| Notice::of(&set.writes)).map(Notice::to_value).collect();
        rows.log_end = Some((name.node, name.number));
    }
    let commit = row([
        ("id", name.record().into_value()),
        ("at", now.into_value()),
        ("topics", Value::Array(Array::from(std::mem::take(&mut rows.topics)))),
        ("keys", some_of(std::mem::take(&mut rows.keys))),
        ("webhooks", some_of(std::mem::take(&mut rows.webhooks))),
        ("notices", some_of(std::mem::take(&mut rows.notices))),
    ]);
    rows.insert("commit", commit);
    rows.into_transaction(ahead_ms)
}

/// The transaction that takes a batch's place in the log, so that the batch itself cannot be committed any more.
pub(super) fn void(name: BatchName, now: EpochMs) -> Transaction {
    let mut rows = Rows::default();
    let topics = Value::Array(Array::new());
    rows.insert(
        "commit",
        row([("id", name.record().into_value()), ("at", now.into_value()), ("topics", topics), ("void", true.into_value())]),
    );
    rows.into_transaction(0)
}

impl Rows {
    fn insert(&mut self, table: &'static str, row: Value) {
        self.inserts.entry(table).or_default().push(row);
    }

    fn add(&mut self, write: &Write, number: usize) {
        match write {
            Write::TakeNight(night) => self.insert("night", NightRow::from(night).into_value()),
            Write::FreeNight(property, date) => self.deletes.push(night_record(*property, *date).into_value()),
            Write::AddHold(hold) => self.insert("hold", HoldRow::from(hold).into_value()),
            Write::SetHold(hold) => self.replaces.push(HoldRow::from(hold).into_value()),
            Write::AddBooking(booking) => self.insert("booking", BookingRow::from(booking).into_value()),
            Write::SetBooking(booking) => self.replaces.push(BookingRow::from(booking).into_value()),
            Write::AddPayment(payment) => self.insert("payment", PaymentRow::from(payment).into_value()),
            Write::SetPayment(payment) => self.replaces.push(PaymentRow::from(payment).into_value()),
            Write::AddTransfer(transfer) => self.insert("ledger", ledger_row(transfer).1),
            Write::AddJob(job) => self.jobs.push(JobRow::from(job).into_value()),
            Write::EndJob(id) => self.deletes.push(job_record(id).into_value()),
            Write::SeeWebhook { event_id, at } => {
                self.webhooks.push(event_id.as_str().into_value());
                let id = RecordId::new("webhook", event_id.as_str()).into_value();
                self.insert("webhook", row([("id", id), ("at", at.epoch_ms().into_value())]));
            }
            Write::AddListing(listing) => self.insert("property", ListingRow::from(listing.as_ref()).into_value()),
            Write::SetListing(listing) => self.replaces.push(ListingRow::from(listing.as_ref()).into_value()),
            Write::AddPhoto(photo, property) => self.insert("photo", PhotoOwnerRow::new(*photo, *property).into_value()),
            Write::RemovePhoto(photo) => self.deletes.push(record("photo", *photo).into_value()),
            Write::AddBlock(block) => self.insert("block", BlockRow::from(block).into_value()),
            Write::EndBlock(block) => self.deletes.push(record("block", *block).into_value()),
            Write::EnsureJob(job) => self.ensured.push(JobRow::from(job).into_value()),
            Write::SetJob(job) => {
                self.checks.push((job_record(&job.id), job.epoch - 1, number));
                self.replaces.push(JobRow::from(job).into_value());
            }
            Write::RemoveJob(id, epoch) => {
                self.checks.push((job_record(id), *epoch, number));
                self.deletes.push(job_record(id).into_value());
            }
            Write::Sweep(Outlived::Events { topic, below }) => {
                self.swept.push(row([("topic", topic.to_string().into_value()), ("below", int(*below).into_value())]));
            }
            Write::Sweep(Outlived::Unseen) => self.ends_unseen = true,
            Write::Sweep(Outlived::Address(entry)) => self.addresses.push(record("audit", *entry).into_value()),
            Write::Sweep(Outlived::Key { scope, key, before }) => {
                self.forgotten.entry(before.epoch_ms()).or_default().push(key_record(scope, key).into_value());
            }
            Write::Sweep(outlived) => self.deletes.extend(outlived_record(outlived).map(SurrealValue::into_value)),
            Write::Account(write) => self.add_account_write(write, number),
            Write::Thread(write) => self.add_thread_write(write),
            Write::Notification(write) => self.add_notification_write(write, number),
            Write::AddReview(review) => self.insert("review", ReviewRow::from(review).into_value()),
            Write::SetReview(review) => {
                self.checks.push((review_record(review.booking, review.by()), review.version - 1, number));
                self.replaces.push(ReviewRow::from(review).into_value());
            }
        }
    }

    /// The number of a change set that compares the version of a record that one before it compares too: both would pass, and the second
    /// would overwrite the first unseen.
    fn twin(&self) -> Option<usize> {
        let mut checks: Vec<(&RecordId, usize)> = self.checks.iter().map(|(record, _, number)| (record, *number)).collect();
        checks.sort_unstable();
        checks.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1).map(|pair| pair[1].1)
    }

    fn append(&mut self, event: &StoredEvent) {
        let topic = event.topic.to_string();
        self.insert(
            "event",
            row([
                ("id", event_record(&topic, event.seq).into_value()),
                ("kind", event.kind.as_ref().into_value()),
                ("at", event.at.into_value()),
                ("data", event.data.as_ref().into_value()),
            ]),
        );
        if event.seq.is_multiple_of(HINT_EVERY) {
            self.hints.insert(event.topic, event.seq);
        }
        self.topics.push(vec![topic.into_value(), int(event.seq).into_value()].into_value());
    }

    fn into_transaction(self, ahead_ms: i64) -> Transaction {
        let (twin, mut script) = (self.twin(), Script::begin());
        if let Some(deadline) = self.deadline {
            script.bind("deadline", deadline);
            script.bind("ahead", ahead_ms);
            script.say("fn::before($deadline, $ahead)");
        }
        if let Some((node, number)) = self.log_end {
            script.bind("node", node);
            script.bind("number", number);
            script.say("fn::continue_log($node, $number)");
        }
        for (index, (record, version, number)) in self.checks.into_iter().enumerate() {
            script.bind(format!("checked{index}"), record);
            script.say(&format!("fn::version($checked{index}, {version}, {number})"));
        }
        script.say_of("deletes", self.deletes, "DELETE $deletes RETURN NONE");
        script.say_of("swept", self.swept, SWEEP_EVENTS);
        if self.ends_unseen {
            script.bind("gone_after", GONE_AFTER_MS);
            script.say(
                "UPDATE node SET ended = true WHERE shared AND !ended AND seen_at != NONE AND seen_at < time::millis(time::now()) - $gone_after RETURN NONE",
            );
        }
        script.say_of("addresses", self.addresses, "UPDATE $addresses SET address = NONE RETURN NONE");
        for (index, (before, keys)) in self.forgotten.into_iter().enumerate() {
            script.say_of(&format!("forgotten{index}"), keys, &format!("DELETE $forgotten{index} WHERE at < {before} RETURN NONE"));
        }
        for (table, rows) in self.inserts {
            script.say_of(table, rows, &format!("INSERT INTO {table} ${table} RETURN NONE"));
        }
        script.say_of("ensured", self.ensured, "INSERT IGNORE INTO job $ensured RETURN NONE");
        script.say_of("replaces", self.replaces, "FOR $row IN $replaces { UPDATE $row.id CONTENT $row RETURN NONE }");
        // After replaces, which know nothing of it. Adding a job guards nothing, so it need not come with the inserts; and a worker's result of the
        // same batch is outdated by it.
        script.say_of("jobs", self.jobs, ADD_JOBS);
        script.say_of("read", self.read, talk::READ_NOTIFICATIONS);
        script.say_of("erased", self.erased, talk::ERASE_TEXTS);
        let hints: Vec<Value> = self.hints.into_iter().map(|(topic, seq)| hint_row(topic, seq)).collect();
        script.say_of("hints", hints, "INSERT INTO topic $hints ON DUPLICATE KEY UPDATE seq = $input.seq RETURN NONE");
        script.commit(twin)
    }
}

/// A transaction that is being written.
struct Script {
    text: String,
    variables: Variables,
    statements: usize,
}

impl Script {
    fn begin() -> Self {
        let mut text = String::with_capacity(512);
        text.push_str("BEGIN;");
        Self { text, variables: Variables::new(), statements: 1 }
    }

    fn bind(&mut self, name: impl Into<String>, value: impl SurrealValue) {
        self.variables.insert(name.into(), value);
    }

    fn say(&mut self, statement: &str) {
        self.text.push_str(statement);
        self.text.push(';');
        self.statements += 1;
    }

    /// A statement about these values, if there are any.
    fn say_of(&mut self, name: &str, values: Vec<Value>, statement: &str) {
        if !values.is_empty() {
            self.bind(name, values);
            self.say(statement);
        }
    }

    fn commit(mut self, twin: Option<usize>) -> Transaction {
        self.text.push_str("COMMIT");
        Transaction { text: self.text, variables: self.variables, commit_index: self.statements, twin }
    }
}

/// The values, or nothing if there are none.
fn some_of(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::None } else { values.into_value() }
}

fn hint_row(topic: Topic, seq: Seq) -> Value {
    row([("id", array_record("topic", [topic.to_string().into_value()]).into_value()), ("seq", int(seq).into_value())])
}

/// The ids that a change set inserts besides its events, in SurrealQL, as the database names them in its errors.
pub(super) fn inserted_ids(set: &ChangeSet) -> Vec<(String, Inserted)> {
    let mut ids: Vec<(String, Inserted)> = Vec::new();
    let mut add = |id: RecordId, what| ids.push((id.to_sql(), what));
    for write in &set.writes {
        match write {
            Write::TakeNight(night) => add(night_record(night.property, night.date), Inserted::State),
            Write::AddHold(hold) => add(record("hold", hold.id), Inserted::State),
            Write::AddBooking(booking) => add(record("booking", booking.id), Inserted::State),
            Write::AddPayment(payment) => add(record("payment", payment.id), Inserted::State),
            Write::AddTransfer(transfer) => add(ledger_row(transfer).0, Inserted::State),
            Write::SeeWebhook { event_id, .. } => add(RecordId::new("webhook", event_id.as_str()), Inserted::Webhook),
            Write::AddListing(listing) => add(record("property", listing.id), Inserted::State),
            Write::Account(write) => {
                if let Some((id, what)) = account::inserted(write) {
                    add(id, what);
                }
            }
            Write::FreeNight(..)
            | Write::SetHold(_)
            | Write::SetBooking(_)
            | Write::SetPayment(_)
            | Write::AddJob(_)
            | Write::EndJob(_)
            | Write::EnsureJob(_)
            | Write::SetJob(_)
            | Write::RemoveJob(..)
            | Write::Sweep(_)
            | Write::SetListing(_)
            | Write::RemovePhoto(_)
            | Write::EndBlock(_) => {}
            Write::AddPhoto(photo, _) => add(record("photo", *photo), Inserted::State),
            Write::AddBlock(block) => add(record("block", block.id), Inserted::State),
            Write::Thread(write) => {
                if let Some((id, what)) = talk::inserted_of_thread(write) {
                    add(id, what);
                }
            }
            Write::Notification(write) => {
                if let Some((id, what)) = talk::inserted_of_notification(write) {
                    add(id, what);
                }
            }
            Write::AddReview(review) => add(review_record(review.booking, review.by()), Inserted::State),
            Write::SetReview(_) => {}
        }
    }
    if let Some(idempotency) = &set.idempotency {
        add(idempotency.used.record(), Inserted::Key);
    }
    ids
}

/// What kind of record an insert collided with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inserted {
    Key,
    Login,
    Webhook,
    State,
}

/// An event's record id in SurrealQL.
pub(super) fn event_id(event: &StoredEvent) -> String {
    event_record(&event.topic.to_string(), event.seq).to_sql()
}
