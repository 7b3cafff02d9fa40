//! The committer and the reads on real engines: races, every kind of failure in a batch, and what is visible when.

mod accounts;
mod commit;
mod faults;
mod folder;
mod jobs;
mod listings;
mod nodes;
mod retention;
mod talk;

use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use latchkey_protocol::{ClaimId, PropertyId, Seq, Topic, UserId};

use super::*;
use crate::clock::{OffsetClock, SystemClock};
use crate::domain::calendar::{HoldDates, Leases};
use crate::domain::listing::Description;
use crate::domain::pricing::Rates;
use crate::domain::{Calendar, Date, Listing, Location, Stay, Terms, Timestamp, Write};

/// Remembers what was published.
#[derive(Default)]
struct Published(Mutex<Vec<StoredEvent>>);

impl EventSink for Published {
    fn publish(&self, events: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        self.0.lock().unwrap().extend(events);
        Box::pin(std::future::ready(()))
    }
}

struct Bench {
    store: Arc<Store>,
    published: Arc<Published>,
    clock: Arc<OffsetClock>,
    _dir: tempfile::TempDir,
}

const ENGINES: [&str; 2] = ["surrealkv", "mem"];

fn config(engine: &str, dir: &tempfile::TempDir) -> DatabaseConfig {
    let usual = DatabaseConfig::in_memory();
    if engine == "mem" { usual } else { DatabaseConfig { url: format!("surrealkv://{}", dir.path().join("db").display()), ..usual } }
}

async fn bench(engine: &str) -> Bench {
    bench_with(engine, CommitterLimits::default()).await
}

async fn bench_with(engine: &str, limits: CommitterLimits) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let (published, clock) = (Arc::new(Published::default()), Arc::new(OffsetClock::default()));
    let database = Arc::new(Database::open(&config(engine, &dir)).await.unwrap());
    let sink = Arc::clone(&published) as Arc<dyn EventSink>;
    let store = Store::on(database, Arc::clone(&clock) as Arc<dyn Clock>, sink, limits).await.unwrap();
    Bench { store: Arc::new(store), published, clock, _dir: dir }
}

fn now() -> Timestamp {
    Timestamp::from_epoch_ms(SystemClock.now())
}

fn id(number: u16) -> [u8; 16] {
    let mut bytes = [7; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    bytes
}

fn listing(number: u16) -> Listing {
    let rates = Rates::nightly(10_000);
    let terms = Terms::new(TimeZone::get("Europe/Vienna").unwrap(), "EUR".parse().unwrap(), 4, rates);
    let mut description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
    description.location = Some(Location::from_degrees(48.2, 16.37).unwrap());
    let listing = Listing::new(PropertyId::from_bytes(id(number)), UserId::from_bytes(id(900)), description, terms, now());
    listing.publish().unwrap()
}

fn event(topic: Topic, seq: Option<Seq>) -> NewEvent {
    NewEvent { topic, seq, at: now(), kind: "availability.changed", data: Arc::from("{}") }
}

fn list(listing: &Listing) -> ChangeSet {
    ChangeSet {
        writes: vec![Write::AddListing(Box::new(listing.clone()))],
        events: vec![event(Topic::Property(listing.id), Some(1))],
        ..ChangeSet::default()
    }
}

/// A hold of one night, decided on a calendar that is free and at `seq`.
fn hold_set(listing: &Listing, claim: u16, day: i32, seq: Seq) -> ChangeSet {
    let calendar = Calendar::restore(listing.clone(), Leases::default(), seq, vec![], vec![]);
    let first = listing.today(now()).saturating_add(day);
    let ask = HoldDates {
        claim: ClaimId::from_bytes(id(claim)),
        guest: UserId::from_bytes(id(claim)),
        stay: Stay::new(first, first.saturating_add(1)).unwrap(),
        guests: 1,
    };
    let changes = calendar.hold(&ask, now()).unwrap().changes;
    let events = changes.events.iter().map(|new| event(new.topic, new.seq)).collect();
    ChangeSet { writes: changes.writes, events, ..ChangeSet::default() }
}

fn note(user: u16) -> ChangeSet {
    ChangeSet { events: vec![event(Topic::User(UserId::from_bytes(id(user))), None)], ..ChangeSet::default() }
}

async fn stored_calendar(store: &Store, listing: &Listing) -> CalendarState {
    store.calendar(listing.id, listing.today(now()), Date::MAX).await.unwrap().unwrap()
}
