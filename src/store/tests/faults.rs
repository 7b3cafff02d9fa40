//! Batches that fail: a change set that collides, a lost conflict, an unknown outcome, a full queue.

use std::sync::atomic::{AtomicU32, Ordering};

use surrealdb::types::{Error as SurrealError, QueryError, Variables};

use super::*;
use crate::domain::account::{Account, AccountWrite, LoginRecord};

/// Makes commits wait for permits, or fail in a chosen way.
struct Faulty {
    database: Arc<Database>,
    gate: Option<Arc<tokio::sync::Semaphore>>,
    fail: Mutex<Vec<Fault>>,
    calls: AtomicU32,
    delayed: Mutex<Option<(String, Variables)>>,
}

#[derive(Clone, Copy)]
enum Fault {
    /// The commit loses a conflict.
    Conflict,
    /// It is applied, and then the answer says that nothing was executed, as when an fsync fails.
    Unknown,
    /// The connection is lost before anything arrives.
    Lost,
    /// The same, as far as one hears; it arrives when everything is over.
    Delayed,
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
                Some(Fault::Delayed) => {
                    *self.delayed.lock().unwrap() = Some((text, variables));
                    Err(SurrealError::internal("no answer".to_owned()))
                }
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
    let faulty = Arc::new(Faulty {
        database: Arc::clone(&database),
        gate,
        fail: Mutex::default(),
        calls: AtomicU32::new(0),
        delayed: Mutex::default(),
    });
    let stops = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&stops);
    let limits = CommitterLimits {
        transact: Some(Arc::clone(&faulty) as Arc<dyn Transact>),
        on_end: Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
        ..CommitterLimits::default()
    };
    let sink = Arc::clone(&plain.published) as Arc<dyn EventSink>;
    let clock = Arc::clone(&plain.clock) as Arc<dyn Clock>;
    let epoch = plain.store.epoch().to_owned();
    let committer = committer::Committer::start(Arc::clone(&database), storage, clock, sink, limits).await.unwrap();
    let store = Arc::new(Store { database, committer, storage, epoch });
    (Bench { store, ..plain }, faulty, stops)
}

async fn gated(engine: &str, gate: Arc<tokio::sync::Semaphore>) -> Bench {
    faulty(engine, Some(gate), Storage::Embedded).await.0
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
        let register = |user| {
            let (user, email) = (UserId::from_bytes(id(user)), "ada@example.test".to_owned());
            let account = Account::register(user, email.clone(), "Ada", now()).unwrap();
            let login = LoginRecord { email, user, password_hash: "hash".to_owned() };
            let writes = vec![Write::Account(AccountWrite::Add(account)), Write::Account(AccountWrite::AddLogin(login))];
            ChangeSet { writes, ..ChangeSet::default() }
        };
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
            answers.push(task.await.unwrap());
        }
        let holds_won = answers[1..3].iter().filter(|answer| answer.is_ok()).count();
        let registered = answers[4..6].iter().filter(|answer| answer.is_ok()).count();
        assert_eq!((holds_won, registered), (1, 1), "{engine} {answers:?}");
        assert!(answers[1..3].contains(&Err(CommitError::Contended(Contended::State))), "{engine} {answers:?}");
        assert!(answers[4..6].contains(&Err(CommitError::Contended(Contended::Login))), "{engine} {answers:?}");
        assert!(answers[0].is_ok() && answers[3].is_ok() && answers[6].is_ok(), "{engine} {answers:?}");
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 2);
        assert!(bench.store.login("ada@example.test").await.unwrap().is_some());
    }
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
async fn p4_a_sending_that_arrives_after_its_batch_was_given_up_is_not_committed() {
    let (bench, faulty, _) = faulty("mem", None, Storage::Remote).await;
    // Taken from the end: the first sending hangs, the second fails for sure.
    *faulty.fail.lock().unwrap() = vec![Fault::Conflict, Fault::Delayed];
    bench.store.commit(note(1), Lane::Normal).await.unwrap();
    let (text, variables) = faulty.delayed.lock().unwrap().take().unwrap();
    let late = bench.store.database().transact(text, variables).await.unwrap();
    assert!(!late.is_empty(), "its place in the log is taken");
    let topic = Topic::User(UserId::from_bytes(id(1)));
    assert_eq!(bench.store.topic_head(topic).await.unwrap(), 1);
    let log = bench.store.log(bench.store.position().0, 0).await.unwrap();
    assert_eq!(log.iter().map(|batch| batch.events.len()).collect::<Vec<_>>(), [0, 1], "what was given up, and what was decided again");
}

#[tokio::test]
async fn p10_a_full_queue_says_busy_and_keeps_room_for_webhooks_and_expiry() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let plain = bench("mem").await;
    let database = Arc::clone(plain.store.database());
    let faulty = Faulty {
        database: Arc::clone(&database),
        gate: Some(Arc::clone(&gate)),
        fail: Mutex::default(),
        calls: AtomicU32::new(0),
        delayed: Mutex::default(),
    };
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
