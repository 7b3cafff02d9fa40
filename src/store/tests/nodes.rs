//! Several processes at one database, as their logs tell of each other.

use std::collections::BTreeMap;

use super::*;
use crate::domain::account::AccountWrite;
use crate::domain::retention::Outlived;
use crate::store::database::variables;
use crate::store::rows::node_uuid;
use latchkey_protocol::SessionId;
use surrealdb::types::SurrealValue;

/// Another process's view of the same database, taken for a server.
async fn node(bench: &Bench) -> Store {
    let limits = CommitterLimits { storage: Some(Storage::Remote), ..CommitterLimits::default() };
    let sink = Arc::clone(&bench.published) as Arc<dyn EventSink>;
    Store::on(Arc::clone(bench.store.database()), Arc::clone(&bench.clock) as Arc<dyn Clock>, sink, limits).await.unwrap()
}

async fn nodes() -> (Bench, Store, Store) {
    let bench = bench("mem").await;
    let (one, other) = (node(&bench).await, node(&bench).await);
    (bench, one, other)
}

fn inbox(user: u16) -> Topic {
    Topic::User(UserId::from_bytes(id(user)))
}

#[tokio::test]
async fn p4_a_node_reads_what_others_commit_in_their_order_and_nothing_of_its_own() {
    let (_bench, one, other) = nodes().await;
    let (own, theirs) = (one.position().0, other.position().0);
    let home = listing(1);
    one.commit(note(1), Lane::Normal).await.unwrap();
    other.commit(list(&home), Lane::Normal).await.unwrap();
    let hold = hold_set(&home, 11, 3, 1);
    other.commit(hold, Lane::Normal).await.unwrap();
    let tail = one.tail(&BTreeMap::new()).await.unwrap();
    assert!(tail.nodes.iter().any(|process| process.node == theirs) && tail.nodes.iter().all(|process| process.node != own));
    assert!(tail.pages.is_empty(), "a process is followed from a position on");
    let tail = one.tail(&BTreeMap::from([(theirs, 0)])).await.unwrap();
    let [(node, page)] = tail.pages.as_slice() else { panic!("{tail:?}") };
    assert_eq!((*node, page.iter().map(|batch| batch.number).collect::<Vec<_>>()), (theirs, vec![1, 2]));
    assert_eq!(page[0].events, [(Topic::Property(home.id), 1)]);
    let notices: Vec<Notice> = page.iter().flat_map(|batch| batch.notices.clone()).collect();
    let [Notice::Lease { claim, property, until: Some(_) }] = notices.as_slice() else { panic!("{notices:?}") };
    assert_eq!((*claim, *property), (ClaimId::from_bytes(id(11)), home.id), "P6");
    assert!(tail.is_complete);
    assert_eq!(one.tail(&BTreeMap::from([(theirs, 2)])).await.unwrap().pages, []);
}

#[tokio::test]
async fn p8_a_session_that_ends_is_named_in_the_log() {
    let (_bench, one, other) = nodes().await;
    let session = SessionId::from_bytes(id(5));
    let ended = ChangeSet { writes: vec![Write::Account(AccountWrite::Revoke { session, until: now() })], ..ChangeSet::default() };
    other.commit(ended, Lane::Normal).await.unwrap();
    let tail = one.tail(&BTreeMap::from([(other.position().0, 0)])).await.unwrap();
    assert_eq!(tail.pages[0].1[0].notices, [Notice::SessionEnded(session)]);
}

#[tokio::test]
async fn a_log_is_read_page_by_page_across_gaps_to_the_end_that_is_told() {
    let (_bench, one, other) = nodes().await;
    let theirs = other.position().0;
    let used = FirstUse { scope: "user hold".to_owned(), key: "k1".to_owned(), fingerprint: "f".to_owned() };
    let keyed = || ChangeSet { idempotency: Some(Idempotency { used: used.clone(), reply: Arc::from("{}"), at: now() }), ..note(1) };
    other.commit(keyed(), Lane::Normal).await.unwrap();
    for _ in 0..150 {
        assert_eq!(other.commit(keyed(), Lane::Normal).await, Err(CommitError::Contended(Contended::Key)), "a number without a batch");
    }
    for _ in 0..200 {
        other.commit(note(2), Lane::Normal).await.unwrap();
    }
    let (mut position, mut numbers, mut events) = (0, Vec::new(), 0);
    loop {
        let tail = one.tail(&BTreeMap::from([(theirs, position)])).await.unwrap();
        for batch in tail.pages.iter().flat_map(|(_, page)| page) {
            numbers.push(batch.number);
            events += batch.events.iter().filter(|(topic, _)| *topic == inbox(2)).count();
        }
        position = numbers.last().copied().unwrap_or(position);
        if tail.is_complete {
            break;
        }
    }
    assert!(numbers.is_sorted() && numbers.windows(2).any(|pair| pair[1] - pair[0] > 128), "{numbers:?}");
    assert_eq!(events, 200);
    let nodes = one.tail(&BTreeMap::new()).await.unwrap().nodes;
    let told = nodes.iter().find(|process| process.node == theirs).unwrap();
    assert_eq!((told.last, told.is_over), (position, false));
}

#[tokio::test]
async fn a_process_that_stops_says_so_and_one_that_was_not_seen_for_long_can_commit_nothing_any_more() {
    let (bench, one, other) = nodes().await;
    let ended = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&ended);
    let limits = CommitterLimits {
        storage: Some(Storage::Remote),
        on_end: Arc::new(move |reason| told.lock().unwrap().push(reason.to_owned())),
        ..CommitterLimits::default()
    };
    let sink = Arc::clone(&bench.published) as Arc<dyn EventSink>;
    let asleep = Store::on(Arc::clone(bench.store.database()), Arc::clone(&bench.clock) as Arc<dyn Clock>, sink, limits).await.unwrap();
    asleep.commit(note(1), Lane::Normal).await.unwrap();
    other.commit(note(2), Lane::Normal).await.unwrap();
    other.committer.stop().await;
    let long_ago = variables([("node", node_uuid(asleep.position().0).into_value())]);
    bench.store.database().query("UPDATE type::record('node', $node) SET seen_at = 1", long_ago).await.unwrap().check().unwrap();
    one.commit(ChangeSet { writes: vec![Write::Sweep(Outlived::Unseen)], ..ChangeSet::default() }, Lane::Normal).await.unwrap();
    one.commit(note(3), Lane::Normal).await.unwrap();
    let state_of = |tail: &Tail, store: &Store| {
        let node = store.position().0;
        tail.nodes.iter().find(|process| process.node == node).map(|process| (process.last, process.is_over))
    };
    let tail = one.tail(&BTreeMap::new()).await.unwrap();
    assert_eq!(
        (state_of(&tail, &asleep), state_of(&tail, &other)),
        (None, Some((1, true))),
        "one is over just now, and the other long since"
    );
    let followed = one.tail(&BTreeMap::from([(asleep.position().0, 0)])).await.unwrap();
    assert_eq!(state_of(&followed, &asleep), Some((1, true)), "whoever follows it is told");
    assert!(!tail.is_disowned && asleep.tail(&BTreeMap::new()).await.unwrap().is_disowned);
    let refused = asleep.commit(note(4), Lane::Normal).await;
    assert!(matches!(refused, Err(CommitError::Unavailable(_))), "nobody reads its log any more: {refused:?}");
    assert_eq!(one.topic_head(inbox(4)).await.unwrap(), 0);
    assert_eq!(*ended.lock().unwrap(), ["the other nodes take this process for gone"]);
    one.commit(note(5), Lane::Normal).await.unwrap();
}

#[tokio::test]
async fn an_embedded_database_has_no_others_to_tell() {
    let bench = bench("mem").await;
    let home = listing(1);
    bench.store.commit(list(&home), Lane::Normal).await.unwrap();
    bench.store.commit(hold_set(&home, 11, 3, 1), Lane::Normal).await.unwrap();
    let log = bench.store.log(bench.store.position().0, 0).await.unwrap();
    assert!(log.iter().all(|batch| batch.notices.is_empty()));
    assert!(bench.store.is_alone());
}

#[tokio::test]
async fn p1_sets_that_another_node_has_overtaken_leave_a_batch_together() {
    let (bench, one, other) = nodes().await;
    let homes: Vec<_> = (1..=20).map(listing).collect();
    for home in &homes {
        one.commit(list(home), Lane::Normal).await.unwrap();
    }
    for (number, home) in (100..).zip(&homes[..15]) {
        other.commit(hold_set(home, number, 3, 1), Lane::Normal).await.unwrap();
    }
    // All at once, on what was true before.
    let sets = (200..).zip(&homes).map(|(number, home)| hold_set(home, number, 9, 1));
    let answers = futures_util::future::join_all(sets.map(|set| one.commit(set, Lane::Normal))).await;
    assert!(answers[..15].iter().all(|answer| *answer == Err(CommitError::Contended(Contended::State))), "{answers:?}");
    assert!(answers[15..].iter().all(Result::is_ok), "{answers:?}");
    for (number, home) in homes.iter().enumerate() {
        assert_eq!(one.topic_head(Topic::Property(home.id)).await.unwrap(), 2, "{number}");
    }
    let batches = one.log(one.position().0, 0).await.unwrap();
    assert!(batches.last().unwrap().number < 20 + 10, "fifteen sets cost a few tries and not fifteen");
    drop(bench);
}
