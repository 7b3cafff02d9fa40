//! Following the logs of several processes at one database.

use std::sync::Mutex;

use latchkey_protocol::UserId;

use super::*;
use crate::clock::SystemClock;
use crate::domain::Timestamp;
use crate::store::{ChangeSet, CommitterLimits, Database, DatabaseConfig, EventSink, FirstUse, Idempotency, Lane, NewEvent, Storage};

struct Nobody;

impl EventSink for Nobody {
    fn publish(&self, _: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Remembers the news.
#[derive(Default)]
struct Seen {
    news: Mutex<Vec<News>>,
    trusted_until: Mutex<Option<Instant>>,
}

impl Outlook for Seen {
    fn knows(&self, _: PropertyId, _: Seq) -> bool {
        false
    }

    fn take(&self, news: News) -> BoxFuture<'_, ()> {
        self.news.lock().unwrap().push(news);
        Box::pin(std::future::ready(()))
    }

    fn trust(&self, until: Instant) {
        *self.trusted_until.lock().unwrap() = Some(until);
    }
}

impl Seen {
    fn keys(&self) -> Vec<String> {
        self.news.lock().unwrap().iter().flat_map(|news| news.keys.iter().map(|(_, key)| key.clone())).collect()
    }
}

async fn database() -> Arc<Database> {
    Arc::new(Database::open(&DatabaseConfig::in_memory()).await.unwrap())
}

/// A process at a database that is taken for a server.
async fn node(database: &Arc<Database>) -> Arc<Store> {
    let limits = CommitterLimits { storage: Some(Storage::Remote), ..CommitterLimits::default() };
    Arc::new(Store::on(Arc::clone(database), Arc::new(SystemClock), Arc::new(Nobody), limits).await.unwrap())
}

fn peers(store: &Arc<Store>) -> Peers {
    Peers::new(Arc::clone(store), Arc::new(SystemClock))
}

/// An event in an inbox, under a key.
fn keyed(key: &str) -> ChangeSet {
    let at = Timestamp::from_epoch_ms(0);
    let used = FirstUse { scope: "somebody hold".to_owned(), key: key.to_owned(), fingerprint: "f".to_owned() };
    ChangeSet {
        events: vec![NewEvent { topic: inbox(), seq: None, at, kind: "hold.expired", data: Arc::from("{}") }],
        idempotency: Some(Idempotency { used, reply: Arc::from("{}"), at }),
        ..ChangeSet::default()
    }
}

fn inbox() -> Topic {
    Topic::User(UserId::from_bytes([1; 16]))
}

#[tokio::test]
async fn whoever_has_caught_up_knows_all_that_was_committed_before_also_by_a_node_that_is_new() {
    let database = database().await;
    let (own, old) = (node(&database).await, node(&database).await);
    old.commit(keyed("before"), Lane::Normal).await.unwrap();
    let (peers, seen) = (Arc::new(peers(&own)), Arc::<Seen>::default());
    let ends = peers.ends().await.unwrap();
    let following = tokio::spawn(Arc::clone(&peers).follow(ends, Arc::clone(&seen) as Arc<dyn Outlook>));
    peers.catch_up().await.unwrap();
    assert!(seen.keys().is_empty(), "what was there at the start is no news");
    own.commit(keyed("own"), Lane::Normal).await.unwrap();
    old.commit(keyed("one"), Lane::Normal).await.unwrap();
    let new = node(&database).await;
    new.commit(keyed("two"), Lane::Normal).await.unwrap();
    peers.catch_up().await.unwrap();
    assert_eq!(seen.keys(), ["one", "two"]);
    for number in 0..20 {
        old.commit(keyed(&format!("more-{number}")), Lane::Normal).await.unwrap();
        peers.catch_up().await.unwrap();
        assert_eq!(seen.keys().len(), 3 + number);
    }
    let head = own.topic_head(inbox()).await.unwrap();
    assert_eq!(seen.news.lock().unwrap().last().unwrap().heads, BTreeMap::from([(inbox(), head)]));
    following.abort();
}

#[tokio::test]
async fn p8_while_the_logs_cannot_be_read_a_node_is_not_trusted_and_nobody_catches_up() {
    let database = database().await;
    let own = node(&database).await;
    let (peers, seen) = (Arc::new(peers(&own)), Arc::<Seen>::default());
    let ends = peers.ends().await.unwrap();
    let following = tokio::spawn(Arc::clone(&peers).follow(ends, Arc::clone(&seen) as Arc<dyn Outlook>));
    peers.catch_up().await.unwrap();
    assert!(peers.is_current() && seen.trusted_until.lock().unwrap().is_some_and(|until| Instant::now() < until));
    database.close().await;
    assert!(matches!(peers.catch_up().await, Err(ServiceError::Unavailable(_))));
    assert!(!peers.is_current());
    assert!(seen.trusted_until.lock().unwrap().is_some_and(|until| until < Instant::now()), "P8: what is private is withheld");
    following.abort();
}

#[tokio::test]
async fn a_process_that_is_alone_has_nobody_to_follow() {
    let store = Arc::new(Store::on(database().await, Arc::new(SystemClock), Arc::new(Nobody), CommitterLimits::default()).await.unwrap());
    let peers = peers(&store);
    assert!(peers.ends().await.unwrap().reached().is_empty() && peers.is_current());
    peers.catch_up().await.unwrap();
}
