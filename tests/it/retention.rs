//! Deleting by age, by the real worker on the real engine: what is old goes, what is live stays, and nobody is left with a gap.

use latchkey::domain::job::{Job, JobState, Work};
use latchkey::domain::retention::Sweep;
use latchkey::domain::{Timestamp, Write};
use latchkey::store::{ChangeSet, FirstUse, Idempotency, KeyFound, Lane};
use latchkey_protocol::server::{Resumption, Snapshot};
use latchkey_protocol::view::{BookingState, Property};
use latchkey_protocol::{Seq, Topic};
use serde_json::Value;

use crate::support::hub::list_home;
use crate::support::watcher::assert_gapless;
use crate::support::{Guest, Hub, eventually, nights};

const DAY_S: i64 = 86_400;

/// Waits until every sweep has come to its end at the hub's present time: then it is planned for an hour later.
async fn swept(hub: &Hub) {
    let (store, now) = (hub.store(), hub.now());
    let probe = || async {
        let jobs = store.jobs(None, None, 100).await.unwrap();
        let sweeps: Vec<_> = jobs.iter().filter(|job| job.id.work == Work::Sweep).collect();
        assert_eq!(sweeps.len(), 8, "one of each: {sweeps:?}");
        let is_done = |state| matches!(state, JobState::Waiting { run_at } if run_at.epoch_ms() > now + 1_800_000);
        sweeps.iter().all(|job| is_done(job.state)).then_some(())
    };
    eventually("the sweeps", probe).await;
}

/// Lets time pass, and waits until every sweep has come to its end then. None is under way when the clock is moved: it would be planned anew without
/// having seen the new time.
async fn pass_and_sweep(hub: &Hub, seconds: i64) {
    swept(hub).await;
    hub.advance_s(seconds);
    swept(hub).await;
}

/// Holds and gives back, `times` times: two events each. The topic's head after it.
async fn churn(guest: &Guest, home: &Property, times: usize) -> Seq {
    let mut head = 0;
    for _ in 0..times {
        let hold = guest.hold(home, nights(90, 2)).await.unwrap();
        head = guest.release(&hold).await.unwrap().seq;
    }
    head
}

/// How many records a table has; the hub has stopped.
async fn count(hub: &Hub, tables: &[&str]) -> Vec<(String, usize)> {
    let url = format!("surrealkv://{}", hub.data().join("database").display());
    let auditor = surrealdb::engine::any::connect(url).await.unwrap();
    auditor.use_ns("latchkey").use_db("main").await.unwrap();
    let mut counts = Vec::new();
    for table in tables {
        let mut answers =
            auditor.query("SELECT VALUE type::string(id) FROM type::table($table)").bind(("table", (*table).to_owned())).await.unwrap();
        let rows: surrealdb::types::Value = answers.take(0).unwrap();
        let Value::Array(rows) = rows.into_json_value() else { panic!("rows") };
        counts.push(((*table).to_owned(), rows.len()));
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_who_resumes_from_before_what_is_kept_is_reset_and_never_given_a_gap() {
    let mut hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let topic = Topic::Property(home.id);
    let old = churn(&ada, &home, 40).await;
    pass_and_sweep(&hub, 20 * DAY_S).await;
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let young = churn(&ada, &home, 3).await;
    pass_and_sweep(&hub, 15 * DAY_S).await;
    let (store, epoch) = (hub.store(), ada.live.hello.epoch.clone());
    let left: Vec<Seq> = store.events(topic, 1, young).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(left, (old + 1..=young).collect::<Vec<_>>(), "the old ones are gone, the young ones are not");
    assert_eq!(store.topic_head(topic).await.unwrap(), young);

    // In the memory of this process they may still be; not in that of the next.
    drop(store);
    hub.restart().await;
    for from in [0, 1, old / 2, old - 1, old, old + 1, young - 1, young] {
        let back = hub.anonymous().await;
        let resumed = back.resume(&epoch, [(topic, from)]).await;
        if from < old {
            let Resumption::Reset(fresh) = &resumed.topics[&topic] else { panic!("from {from}: {resumed:?}") };
            assert_eq!(fresh.seq, young);
            assert!(matches!(&fresh.snapshot, Snapshot::Calendar(_)));
            assert!(back.events(topic).is_empty(), "from {from}: a snapshot and no part of what led to it");
        } else {
            assert_eq!(resumed.topics[&topic], Resumption::Resumed { head: young }, "from {from}");
            assert_gapless(&back.events(topic), from);
            assert_eq!(back.events(topic).len() as u64, young - from);
        }
    }
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let watcher = hub.watcher(&home).await;
    let next = churn(&ada, &home, 1).await;
    assert_eq!(next, young + 2);
    watcher.until(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_what_is_live_or_counts_for_ever_stays() {
    let mut hub = Hub::with("--hold-seconds 600").await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    churn(&ada, &home, 5).await;
    let paid = ada.hold_and_book(&home, nights(100, 2)).await;
    ada.pay(&paid, "pm_card_visa").await.unwrap();
    let cancelled = ada.hold_and_book(&home, nights(110, 2)).await;
    ada.pay(&cancelled, "pm_card_visa").await.unwrap();
    ada.cancel(&cancelled).await.unwrap();
    // Each set aside and taken; one refunded.
    hub.webhooks_taken(5).await;
    hub.restart().await;
    // Sessions last for 30 days, and are kept for 7 more.
    swept(&hub).await;
    hub.advance_s(45 * DAY_S);
    let ada = Guest::log_in(hub.address, &ada.email).await;
    let live = ada.hold(&home, nights(50, 2)).await.unwrap();
    swept(&hub).await;
    assert_eq!(ada.booking(paid.id).await.state, BookingState::Confirmed);
    assert_eq!(ada.payment(cancelled.id).await.refunded_minor, 23_000);
    let extended = ada.extend(&live).await.unwrap();
    assert_eq!(extended.id, live.id);
    let leases = hub.store().leases(Timestamp::from_epoch_ms(0)).await.unwrap();
    assert_eq!(leases.iter().map(|lease| lease.claim).collect::<Vec<_>>(), [live.id]);
    assert!(hub.store().oldest_lease().await.unwrap().epoch_ms() > hub.now() - 8 * DAY_S * 1_000, "start-up need not look before that");
    hub.stop().await;
    let counts =
        count(&hub, &["hold", "webhook", "family", "one_time", "booking", "payment", "ledger", "idempotency", "node", "event"]).await;
    let expected = [
        ("hold", 1),
        ("webhook", 0),
        ("family", 1),
        ("one_time", 0),
        ("booking", 2),
        ("payment", 2),
        ("ledger", 3),
        ("idempotency", 2),
        ("node", 1),
    ];
    for (table, expected) in expected {
        assert_eq!(counts.iter().find(|(known, _)| known == table).unwrap().1, expected, "{table} of {counts:?}");
    }
    // The newest of each topic (a home, two bookings, two inboxes), and the two of the live hold.
    let events = counts.last().unwrap().1;
    assert!((5..=8).contains(&events), "{counts:?}");
}

async fn use_key(hub: &Hub, used: &FirstUse) {
    let at = Timestamp::from_epoch_ms(hub.now());
    let idempotency = Some(Idempotency { used: used.clone(), reply: "{}".into(), at });
    hub.store().commit(ChangeSet { idempotency, ..ChangeSet::default() }, Lane::Normal).await.unwrap();
}

/// The log goes after 30 days, and what it names with it: also a key that was forgotten after a week and is another use's by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_key_that_is_used_anew_is_not_forgotten_with_the_log_of_its_first_use() {
    let hub = Hub::start().await;
    let used = FirstUse { scope: "test".to_owned(), key: "k".to_owned(), fingerprint: "f".to_owned() };
    use_key(&hub, &used).await;
    pass_and_sweep(&hub, 8 * DAY_S).await;
    assert_eq!(hub.store().find_key(&used).await.unwrap(), None);
    pass_and_sweep(&hub, 18 * DAY_S).await;
    use_key(&hub, &used).await;
    pass_and_sweep(&hub, 5 * DAY_S).await;
    assert_eq!(hub.store().find_key(&used).await.unwrap(), Some(KeyFound::Same("{}".to_owned())));
    pass_and_sweep(&hub, 3 * DAY_S).await;
    assert_eq!(hub.store().find_key(&used).await.unwrap(), None, "a week after its second use");
}

/// Whoever reads the log goes no further than its first young batch, whatever follows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_whose_clock_stepped_back_is_swept_without_end_by_nobody() {
    let hub = Hub::start().await;
    let used = |key: &str| FirstUse { scope: "test".to_owned(), key: key.to_owned(), fingerprint: "f".to_owned() };
    swept(&hub).await;
    hub.advance_s(40 * DAY_S);
    use_key(&hub, &used("ahead")).await;
    hub.advance_s(-40 * DAY_S);
    // As many as are read at once, so that the last one that is read is old and the first one is not.
    for number in 0..150 {
        use_key(&hub, &used(&number.to_string())).await;
    }
    // Thirty days before that, the log goes on with what is young and then comes to what is not.
    hub.advance_s(60 * DAY_S);
    swept(&hub).await;
    pass_and_sweep(&hub, 40 * DAY_S).await;
    for key in ["ahead", "0", "149"] {
        assert_eq!(hub.store().find_key(&used(key)).await.unwrap(), None, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p7_a_key_is_remembered_for_a_week_and_then_forgotten() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let used = FirstUse { scope: "test".to_owned(), key: "k".to_owned(), fingerprint: "f".to_owned() };
    use_key(&hub, &used).await;
    pass_and_sweep(&hub, 6 * DAY_S).await;
    assert_eq!(hub.store().find_key(&used).await.unwrap(), Some(KeyFound::Same("{}".to_owned())));
    pass_and_sweep(&hub, 2 * DAY_S).await;
    assert_eq!(hub.store().find_key(&used).await.unwrap(), None);
    drop(ada);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_forgets_what_is_older_than_its_days_and_nothing_else() {
    let hub = Hub::with("--audit-days 3").await;
    let ada = hub.guest("ada").await;
    let audit = || async {
        let entries = hub.store().audit(None, None, 100, Timestamp::from_epoch_ms(hub.now())).await.unwrap();
        entries.into_iter().rev().map(|entry| entry.kind.name()).collect::<Vec<_>>()
    };
    assert_eq!(audit().await, ["registered", "logged_in"]);
    pass_and_sweep(&hub, 2 * DAY_S).await;
    Guest::log_in(hub.address, &ada.email).await.become_host().await;
    assert_eq!(audit().await, ["registered", "logged_in", "logged_in", "became_host"], "none is old enough");
    pass_and_sweep(&hub, 2 * DAY_S).await;
    assert_eq!(audit().await, ["logged_in", "became_host"]);
    pass_and_sweep(&hub, 2 * DAY_S).await;
    assert_eq!(audit().await, Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_from_before_the_log_named_them_are_found_as_well_and_then_looked_for_no_more() {
    let hub = Hub::start().await;
    let (store, now) = (hub.store(), Timestamp::from_epoch_ms(hub.now()));
    let used = |key: &str| FirstUse { scope: "test".to_owned(), key: key.to_owned(), fingerprint: "f".to_owned() };
    let commit = |set| store.commit(set, Lane::Normal);
    for (key, age_s) in [("old", 8 * DAY_S), ("young", 6 * DAY_S)] {
        // Named in the log, too, but by a batch that is young.
        let idempotency = Some(Idempotency { used: used(key), reply: "{}".into(), at: now.plus_ms(-age_s * 1_000) });
        commit(ChangeSet { idempotency, ..ChangeSet::default() }).await.unwrap();
    }
    let job = Job::sweep(Sweep::Unnamed { since: now }, now);
    let id = job.id.clone();
    commit(ChangeSet { writes: vec![Write::AddJob(job)], ..ChangeSet::default() }).await.unwrap();
    let gone = |key: &'static str| {
        let (store, used) = (&store, used(key));
        async move { store.find_key(&used).await.unwrap().is_none().then_some(()) }
    };
    // Planned for later: it has looked at this time.
    let looked = || async {
        let state = store.job(&id).await.unwrap().map(|job| job.state);
        matches!(state, Some(JobState::Waiting { run_at }) if run_at.epoch_ms() > hub.now()).then_some(())
    };
    eventually("a look at the keys", looked).await;
    assert_eq!((gone("old").await, gone("young").await), (Some(()), None));
    hub.advance_s(2 * DAY_S);
    eventually("another look", looked).await;
    assert_eq!(gone("young").await, Some(()), "webhooks of before may still be young, so the job is still there");
    hub.advance_s(30 * DAY_S);
    eventually("the search to end", || async { store.job(&id).await.unwrap().is_none().then_some(()) }).await;
}
