//! The committer and the reads on real engines: races, every kind of failure in a batch, and what is visible when.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use latchkey_protocol::{ClaimId, PropertyId, Seq, Topic, UserId};
use surrealdb::types::{Error as SurrealError, QueryError, Variables};

use super::*;
use crate::clock::{OffsetClock, SystemClock};
use crate::domain::account::Account;
use crate::domain::calendar::{HoldDates, Leases};
use crate::domain::{Calendar, Date, Listing, Stay, Timestamp, Write};

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
    let url = if engine == "mem" { "mem://".to_owned() } else { format!("surrealkv://{}", dir.path().join("db").display()) };
    DatabaseConfig { url, name: "test".to_owned(), credentials: None, caps: MemoryCaps::default(), min_free_bytes: 0 }
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
    Listing {
        id: PropertyId::from_bytes(id(number)),
        host: UserId::from_bytes(id(900)),
        title: "Cottage".to_owned(),
        city: "Vienna".to_owned(),
        time_zone: TimeZone::get("Europe/Vienna").unwrap(),
        max_guests: 4,
        currency: "EUR".parse().unwrap(),
        nightly_minor: 10_000,
        cleaning_fee_minor: 0,
        min_nights: 1,
        max_nights: 30,
        created_at: now(),
    }
}

fn event(topic: Topic, seq: Option<Seq>) -> NewEvent {
    NewEvent { topic, seq, at: now(), kind: "availability.changed", data: Arc::from("{}") }
}

fn list(listing: &Listing) -> ChangeSet {
    ChangeSet {
        writes: vec![Write::AddListing(listing.clone())],
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

#[tokio::test]
async fn what_is_committed_reads_back_on_every_engine() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let home = listing(1);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        bench.store.commit(hold_set(&home, 11, 3, 1), Lane::Normal).await.unwrap();
        let state = stored_calendar(&bench.store, &home).await;
        assert_eq!((state.seq, state.nights.len(), state.claims.len()), (2, 1, 1), "{engine}");
        assert_eq!(state.listing, home);
        assert_eq!(bench.store.events(Topic::Property(home.id), 1, 10).await.unwrap().len(), 2);
        let leases = bench.store.leases(Timestamp::from_epoch_ms(0)).await.unwrap();
        assert_eq!(leases.len(), 1);
        assert_eq!(bench.store.listings(None, 10).await.unwrap(), std::slice::from_ref(&home));
        assert!(bench.store.listings(Some(home.id), 10).await.unwrap().is_empty());
        let published: Vec<Seq> = bench.published.0.lock().unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(published, [1, 2], "P3: the events of every change, in commit order");
    }
}

#[tokio::test]
async fn p1_of_racing_nodes_one_gets_the_night_and_the_losers_write_nothing() {
    for engine in ENGINES {
        let first = bench(engine).await;
        let database = Arc::clone(first.store.database());
        let mut nodes = vec![Arc::clone(&first.store)];
        for _ in 0..3 {
            let sink = Arc::new(Published::default());
            let node = Store::on(Arc::clone(&database), Arc::new(SystemClock), sink, CommitterLimits::default()).await.unwrap();
            nodes.push(Arc::new(node));
        }
        let home = listing(1);
        nodes[0].commit(list(&home), Lane::Normal).await.unwrap();
        for round in 0..20_u16 {
            let seq = 1 + Seq::from(round);
            let racers = nodes.iter().zip(0_u16..).map(|(node, number)| {
                let (node, set) = (Arc::clone(node), hold_set(&home, 100 + round * 4 + number, i32::from(round), seq));
                tokio::spawn(async move { node.commit(set, Lane::Normal).await })
            });
            let mut won = 0;
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    Ok(_) => won += 1,
                    Err(CommitError::Contended(Contended::State)) => {}
                    Err(other) => panic!("{engine} round {round}: {other:?}"),
                }
            }
            assert_eq!(won, 1, "{engine} round {round}");
        }
        let state = stored_calendar(&nodes[0], &home).await;
        assert_eq!((state.seq, state.nights.len(), state.claims.len()), (21, 20, 20), "{engine}");
    }
}

#[tokio::test]
async fn p4_an_inbox_stays_gapless_when_two_nodes_write_to_it() {
    for engine in ENGINES {
        let one = bench(engine).await;
        let two =
            Store::on(Arc::clone(one.store.database()), Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default());
        let nodes = [Arc::clone(&one.store), Arc::new(two.await.unwrap())];
        let tasks: Vec<_> = (0..60_usize)
            .map(|number| {
                let node = Arc::clone(&nodes[number % 2]);
                tokio::spawn(async move { node.commit(note(5), Lane::Normal).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let topic = Topic::User(UserId::from_bytes(id(5)));
        assert_eq!(one.store.topic_head(topic).await.unwrap(), 60, "{engine}");
        let seqs: Vec<Seq> = one.store.events(topic, 1, 100).await.unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_head_is_found_past_every_multiple_of_the_hint() {
    let bench = bench("surrealkv").await;
    for number in 1..=140 {
        bench.store.commit(note(5), Lane::Normal).await.unwrap();
        if [1, 63, 64, 65, 127, 128, 129, 140].contains(&number) {
            assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(5)))).await.unwrap(), number);
        }
    }
}

#[tokio::test]
async fn a_change_set_that_collides_is_evicted_and_the_rest_of_its_batch_goes_on() {
    for engine in ENGINES {
        // The first commit is held up, so that the others gather into one batch behind it.
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let bench = gated(engine, Arc::clone(&gate)).await;
        let (home, other) = (listing(1), listing(2));
        gate.add_permits(2);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        bench.store.commit(list(&other), Lane::Normal).await.unwrap();
        let account = |user| Account {
            user: UserId::from_bytes(id(user)),
            email: "ada@example.test".to_owned(),
            name: "Ada".to_owned(),
            password_hash: "hash".to_owned(),
            created_at: now(),
        };
        let register = |user| ChangeSet { writes: vec![Write::AddAccount(account(user))], ..ChangeSet::default() };
        let sets =
            [note(1), hold_set(&home, 11, 3, 1), hold_set(&home, 12, 3, 1), hold_set(&other, 13, 3, 1), register(1), register(2), note(1)];
        let tasks: Vec<_> = sets
            .into_iter()
            .map(|set| {
                let store = Arc::clone(&bench.store);
                tokio::spawn(async move { store.commit(set, Lane::Normal).await })
            })
            .collect();
        gate.add_permits(100);
        let mut answers = vec![];
        for task in tasks {
            answers.push(task.await.unwrap().map(|_| ()));
        }
        let holds_won = answers[1..3].iter().filter(|answer| answer.is_ok()).count();
        let registered = answers[4..6].iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((holds_won, registered), (1, 1), "{engine} {answers:?}");
        assert!(answers[1..3].contains(&Err(CommitError::Contended(Contended::State))), "{engine} {answers:?}");
        assert!(answers[4..6].contains(&Err(CommitError::Contended(Contended::Login))), "{engine} {answers:?}");
        assert!(answers[0].is_ok() && answers[3].is_ok() && answers[6].is_ok(), "{engine} {answers:?}");
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 2);
        assert!(bench.store.account_by_email("ada@example.test").await.unwrap().is_some());
    }
}

#[tokio::test]
async fn p7_a_key_used_twice_is_named_and_its_first_answer_is_stored() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let used = FirstUse { scope: "user hold".to_owned(), key: "k1".to_owned(), fingerprint: "f".to_owned() };
        let with_key =
            || ChangeSet { idempotency: Some(Idempotency { used: used.clone(), reply: Arc::from("{\"a\":1}"), at: now() }), ..note(1) };
        assert_eq!(bench.store.find_key(&used).await.unwrap(), None);
        bench.store.commit(with_key(), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.commit(with_key(), Lane::Normal).await, Err(CommitError::Contended(Contended::Key)), "{engine}");
        assert_eq!(bench.store.find_key(&used).await.unwrap(), Some(KeyFound::Same("{\"a\":1}".to_owned())));
        let other = FirstUse { fingerprint: "g".to_owned(), ..used.clone() };
        assert_eq!(bench.store.find_key(&other).await.unwrap(), Some(KeyFound::Other));
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 1, "P3: the loser left no event");
    }
}

#[tokio::test]
async fn p6_a_decision_that_reaches_the_database_too_late_is_void() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let by = |deadline| ChangeSet { deadline: Some(deadline), ..note(1) };
        bench.store.commit(by(now().plus_ms(60_000)), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.commit(by(now().plus_ms(-1)), Lane::Normal).await, Err(CommitError::TooLate), "{engine}");
        bench.clock.advance_ms(61_000);
        assert_eq!(bench.store.commit(by(now().plus_ms(60_000)), Lane::Normal).await, Err(CommitError::TooLate), "{engine}");
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_replace_without_a_guard_is_refused() {
    let bench = bench("mem").await;
    let mut set = hold_set(&listing(1), 11, 3, 1);
    set.events.clear();
    set.writes = vec![Write::FreeNight(PropertyId::from_bytes(id(1)), Date::MIN)];
    assert!(matches!(bench.store.commit(set, Lane::Normal).await, Err(CommitError::Refused(_))));
}

#[tokio::test]
async fn a_family_replaced_on_an_old_version_is_refused() {
    use crate::domain::account::RefreshFamily;
    use latchkey_protocol::SessionId;
    for engine in ENGINES {
        let bench = bench(engine).await;
        let family = RefreshFamily {
            session: SessionId::from_bytes(id(1)),
            user: UserId::from_bytes(id(1)),
            current: "a".to_owned(),
            previous: None,
            rotated_at: now(),
            expires_at: now(),
            ended: false,
            version: 1,
        };
        let write = |write| ChangeSet { writes: vec![write], ..ChangeSet::default() };
        bench.store.commit(write(Write::AddFamily(family.clone())), Lane::Normal).await.unwrap();
        let next = RefreshFamily { current: "b".to_owned(), previous: Some("a".to_owned()), version: 2, ..family.clone() };
        bench.store.commit(write(Write::SetFamily(next.clone())), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.family(family.session).await.unwrap(), Some(next.clone()));
        let stale = bench.store.commit(write(Write::SetFamily(next)), Lane::Normal).await;
        assert_eq!(stale, Err(CommitError::Contended(Contended::State)), "{engine}");
    }
}

/// Makes commits wait for permits, or fail in a chosen way.
struct Faulty {
    database: Arc<Database>,
    gate: Option<Arc<tokio::sync::Semaphore>>,
    fail: Mutex<Vec<Fault>>,
    calls: AtomicU32,
}

#[derive(Clone, Copy)]
enum Fault {
    /// The commit loses a conflict.
    Conflict,
    /// It is applied, and then the answer says that nothing was executed, as when an fsync fails.
    Unknown,
    /// The connection is lost before anything arrives.
    Lost,
}

impl Transact for Faulty {
    fn transact(&self, text: String, variables: Variables) -> BoxFuture<'_, Result<Vec<(usize, SurrealError)>, SurrealError>> {
        Box::pin(async move {
            self.calls.fetch_add(1, Ordering::SeqCst);
            if let Some(gate) = &self.gate {
                gate.acquire().await.unwrap().forget();
            }
            let fault = self.fail.lock().unwrap().pop();
            let label = |details| {
                vec![
                    (0, SurrealError::query("not executed".to_owned(), details)),
                    (1, SurrealError::query("x".to_owned(), QueryError::NotExecuted)),
                ]
            };
            match fault {
                None => self.database.transact(text, variables).await,
                Some(Fault::Conflict) => Ok(label(QueryError::TransactionConflict)),
                Some(Fault::Lost) => Err(SurrealError::internal("connection lost".to_owned())),
                Some(Fault::Unknown) => {
                    self.database.transact(text, variables).await?;
                    Ok(label(QueryError::NotExecuted))
                }
            }
        })
    }
}

async fn faulty(engine: &str, gate: Option<Arc<tokio::sync::Semaphore>>, storage: Storage) -> (Bench, Arc<Faulty>, Arc<AtomicU32>) {
    let plain = bench(engine).await;
    let database = Arc::clone(plain.store.database());
    let faulty = Arc::new(Faulty { database: Arc::clone(&database), gate, fail: Mutex::default(), calls: AtomicU32::new(0) });
    let stops = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&stops);
    let limits = CommitterLimits {
        transact: Some(Arc::clone(&faulty) as Arc<dyn Transact>),
        on_unknown: Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
        ..CommitterLimits::default()
    };
    let sink = Arc::clone(&plain.published) as Arc<dyn EventSink>;
    let clock = Arc::clone(&plain.clock) as Arc<dyn Clock>;
    let epoch = plain.store.epoch().to_owned();
    let committer = committer::Committer::start(Arc::clone(&database), storage, clock, sink, limits).await.unwrap();
    let store = Arc::new(Store { database, committer, epoch });
    (Bench { store, ..plain }, faulty, stops)
}

async fn gated(engine: &str, gate: Arc<tokio::sync::Semaphore>) -> Bench {
    faulty(engine, Some(gate), Storage::Embedded).await.0
}

#[tokio::test]
async fn a_batch_that_loses_an_unnamed_conflict_is_tried_again() {
    for engine in ENGINES {
        let (bench, faulty, _) = faulty(engine, None, Storage::Embedded).await;
        *faulty.fail.lock().unwrap() = vec![Fault::Conflict, Fault::Conflict];
        bench.store.commit(note(1), Lane::Normal).await.unwrap();
        assert_eq!(faulty.calls.load(Ordering::SeqCst), 3, "{engine}");
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn p2_an_unknown_outcome_of_an_embedded_commit_stops_the_process_and_acknowledges_nothing() {
    let (bench, faulty, stops) = faulty("surrealkv", None, Storage::Embedded).await;
    faulty.fail.lock().unwrap().push(Fault::Unknown);
    assert_eq!(bench.store.commit(note(1), Lane::Normal).await, Err(CommitError::Unknown));
    assert_eq!(stops.load(Ordering::SeqCst), 1);
    assert!(bench.published.0.lock().unwrap().is_empty(), "P3: no event of an unknown change is pushed");
}

#[tokio::test]
async fn an_unknown_outcome_on_a_server_is_resolved_by_the_commit_log() {
    for fault in [Fault::Unknown, Fault::Lost] {
        let (bench, faulty, stops) = faulty("mem", None, Storage::Remote).await;
        faulty.fail.lock().unwrap().push(fault);
        bench.store.commit(note(1), Lane::Normal).await.unwrap();
        assert_eq!(stops.load(Ordering::SeqCst), 0);
        let topic = Topic::User(UserId::from_bytes(id(1)));
        assert_eq!(bench.store.topic_head(topic).await.unwrap(), 1, "written once, not twice");
        assert_eq!(bench.published.0.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn p10_a_full_queue_says_busy_and_keeps_room_for_webhooks_and_expiry() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let plain = bench("mem").await;
    let database = Arc::clone(plain.store.database());
    let faulty =
        Faulty { database: Arc::clone(&database), gate: Some(Arc::clone(&gate)), fail: Mutex::default(), calls: AtomicU32::new(0) };
    let limits = CommitterLimits { queue: 2, reserved: 1, transact: Some(Arc::new(faulty)), ..CommitterLimits::default() };
    let store = Arc::new(Store::on(database, Arc::new(SystemClock), Arc::new(Published::default()), limits).await.unwrap());
    let waiting: Vec<_> = [Lane::Normal, Lane::Normal, Lane::Reserved]
        .map(|lane| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(note(1), lane).await })
        })
        .into();
    while store.committer.normal.available_permits() + store.committer.reserved.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.commit(note(1), Lane::Normal).await, Err(CommitError::Busy));
    gate.add_permits(100);
    for task in waiting {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_disk_without_room_takes_no_writes_and_a_folder_that_cannot_be_written_is_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let greedy = DatabaseConfig { min_free_bytes: u64::MAX, ..config("surrealkv", &dir) };
    let refused = Database::open(&greedy).await.err().unwrap().to_string();
    assert!(refused.contains("no room"), "{refused}");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let url = format!("surrealkv://{}", file.join("db").display());
    let refused = Database::open(&DatabaseConfig { url, ..config("surrealkv", &dir) }).await.err().unwrap().to_string();
    assert!(refused.contains("cannot create the data folder"), "{refused}");
}

#[tokio::test]
async fn what_was_committed_is_there_when_the_folder_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = listing(1);
    let open = || async { Store::open(&config("surrealkv", &dir), Arc::new(SystemClock), Arc::new(Published::default())).await.unwrap() };
    let store = open().await;
    let epoch = store.epoch().to_owned();
    store.commit(list(&home), Lane::Normal).await.unwrap();
    store.close().await;
    assert_eq!(store.commit(note(1), Lane::Normal).await, Err(CommitError::Unavailable("stopping")));
    drop(store);
    let store = open().await;
    assert_eq!(store.listing(home.id).await.unwrap(), Some(home));
    assert_eq!(store.epoch(), epoch, "only a restore changes the epoch");
    store.close().await;
}
