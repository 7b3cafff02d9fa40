//! Following the logs of several processes at one database.

use std::sync::Mutex;

use latchkey_protocol::UserId;

use super::*;
use crate::clock::SystemClock;
use crate::domain::Timestamp;
use crate::store::{
    ChangeSet, CommitterLimits, Database, DatabaseConfig, EventSink, FirstUse, Idempotency, Lane, MemoryCaps, NewEvent, Storage,
};

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
    is_blind: AtomicBool,
}

impl Outlook for Seen {
    fn knows(&self, _: PropertyId, _: Seq) -> bool {
        false
    }

    fn take(&self, news: News) -> BoxFuture<'_, ()> {
        self.news.lock().unwrap().push(news);
        Box::pin(std::future::ready(()))
    }

    fn is_blind(&self, is_blind: bool) {
        self.is_blind.store(is_blind, Ordering::SeqCst);
    }
}

impl Seen {
    fn keys(&self) -> Vec<String> {
        self.news.lock().unwrap().iter().flat_map(|news| news.keys.iter().map(|(_, key)| key.clone())).collect()
    }
}

async fn database() -> Arc<Database> {
    let config = DatabaseConfig {
        url: "mem://".to_owned(),
        name: "test".to_owned(),
        credentials: None,
        caps: MemoryCaps::default(),
        min_free_bytes: 0,
    };
    Arc::new(Database::open(&config).await.unwrap())
}

/// A process at a database that is taken for a server.
async fn node(database: &Arc<Database>) -> Arc<Store> {
    let limits = CommitterLimits { storage: Some(Storage::Remote), ..CommitterLimits::default() };
    Arc::new(Store::on(Arc::clone(database), Arc::new(SystemClock), Arc::new(Nobody), limits).await.unwrap())
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
    let (peers, seen) = (Arc::new(Peers::new(Arc::clone(&own))), Arc::<Seen>::default());
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
async fn a_log_that_cannot_be_read_makes_blind_and_nobody_catches_up() {
    let database = database().await;
    let own = node(&database).await;
    let (peers, seen) = (Arc::new(Peers::new(own)), Arc::<Seen>::default());
    let ends = peers.ends().await.unwrap();
    let following = tokio::spawn(Arc::clone(&peers).follow(ends, Arc::clone(&seen) as Arc<dyn Outlook>));
    peers.catch_up().await.unwrap();
    assert!(!peers.is_blind());
    database.close().await;
    assert!(matches!(peers.catch_up().await, Err(ServiceError::Unavailable(_))));
    assert!(peers.is_blind() && seen.is_blind.load(Ordering::SeqCst), "P8: what is private is withheld");
    following.abort();
}

#[tokio::test]
async fn a_process_that_is_alone_has_nobody_to_follow() {
    let store = Arc::new(Store::on(database().await, Arc::new(SystemClock), Arc::new(Nobody), CommitterLimits::default()).await.unwrap());
    let peers = Peers::new(store);
    assert_eq!(peers.ends().await.unwrap(), BTreeMap::new());
    peers.catch_up().await.unwrap();
}
