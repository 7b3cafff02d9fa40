//! What a damaged store and a slow disk do to the index.

use std::future::ready;
use std::time::Duration;

use futures_util::poll;
use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::clock::OffsetClock;
use crate::domain::listing::Description;
use crate::domain::pricing::Rates;
use crate::domain::{Listing, Location, Terms, UserId, Write};
use crate::search::checkpoint::{Draft, Head};
use crate::store::{ChangeSet, DatabaseConfig, EventSink, Lane, NewEvent};

/// Nobody hears of events here.
struct Nobody;

impl EventSink for Nobody {
    fn publish(&self, _: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

struct Bench {
    store: Arc<Store>,
    clock: Arc<OffsetClock>,
    folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::<OffsetClock>::default();
        let store = Store::open(&DatabaseConfig::in_memory(), Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(Nobody)).await.unwrap();
        Self { store: Arc::new(store), clock, folder: tempfile::tempdir().unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("search.checkpoint")
    }

    fn search(&self, fence: Fence) -> Search {
        Search::new(Arc::clone(&self.store), Arc::clone(&self.clock) as Arc<dyn Clock>, self.file(), fence)
    }

    /// An index that is started; a start that never ends fails the test.
    async fn started(&self) -> Search {
        let search = self.search(Box::new(|| Box::pin(ready(true))));
        tokio::time::timeout(Duration::from_secs(30), search.start()).await.expect("the search starts");
        search
    }

    async fn list(&self, number: u8) -> PropertyId {
        let terms = Terms::new(TimeZone::UTC, "EUR".parse().unwrap(), 4, Rates::nightly(10_000));
        let mut description = Description::new("Cottage".to_owned(), "Vienna".to_owned());
        description.location = Some(Location::from_degrees(48.2, 16.37).unwrap());
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let id = PropertyId::from_bytes([number; 16]);
        let listing = Listing::new(id, UserId::from_bytes([9; 16]), description, terms, now).publish().unwrap();
        let event = NewEvent { topic: Topic::Property(id), seq: Some(1), at: now, kind: "property.listed", data: Arc::from("{}") };
        let set = ChangeSet { writes: vec![Write::AddListing(Box::new(listing))], events: vec![event], ..ChangeSet::default() };
        self.store.commit(set, Lane::Normal).await.unwrap();
        id
    }
}

async fn found(search: &Search) -> Vec<PropertyId> {
    let ask = serde_urlencoded::from_str("").unwrap();
    let mut ids: Vec<_> = search.find(&ask).await.unwrap().items.iter().map(|home| home.id).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test(flavor = "multi_thread")]
async fn a_home_that_cannot_be_read_is_left_out_and_the_others_are_found() {
    let bench = Bench::new().await;
    let homes = [bench.list(1).await, bench.list(2).await, bench.list(3).await];
    bench.store.damage_home(homes[1]).await.unwrap();
    let search = bench.started().await;
    assert_eq!(found(&search).await, [homes[0], homes[2]]);
    // One that is damaged while the index is kept current holds nobody up, either.
    bench.store.damage_home(homes[0]).await.unwrap();
    search.stale().need(homes[0], 1);
    tokio::time::timeout(Duration::from_secs(30), search.read_stale()).await.expect("the list is read");
    assert_eq!(found(&search).await, [homes[2]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_read_leads_to_an_index_that_is_built_anew() {
    let bench = Bench::new().await;
    let home = bench.list(1).await;
    bench.store.damage_log().await.unwrap();
    let head = Head { epoch: bench.store.epoch().to_owned(), written_at_ms: bench.clock.now(), ..Head::default() };
    let (draft, mut bytes) = Draft::begin(&head);
    bytes.extend(draft.finish());
    std::fs::write(bench.file(), bytes).unwrap();
    assert_eq!(found(&bench.started().await).await, [home]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_saves_the_index_waits_for_whoever_is_saving_it() {
    let bench = Bench::new().await;
    let (entered, mut entries) = mpsc::channel(2);
    let gate = Arc::new(Semaphore::new(0));
    let fence: Fence = {
        let gate = Arc::clone(&gate);
        Box::new(move || {
            let (entered, gate) = (entered.clone(), Arc::clone(&gate));
            Box::pin(async move {
                entered.send(()).await.unwrap();
                gate.acquire().await.unwrap().forget();
                true
            })
        })
    };
    let search = Arc::new(bench.search(fence));
    search.start().await;
    let first = tokio::spawn({
        let search = Arc::clone(&search);
        async move { search.save().await }
    });
    entries.recv().await.unwrap();
    let mut last = std::pin::pin!(search.save());
    assert!(poll!(&mut last).is_pending(), "the process must not end while the file is being written");
    gate.add_permits(2);
    first.await.unwrap();
    last.await;
    assert!(bench.file().exists());
}
