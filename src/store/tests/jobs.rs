//! Jobs as rows: unique, leased by one, ended by who holds the newest lease; and those of an older version of the schema.

use surrealdb::types::SurrealValue;

use super::*;
use crate::domain::job::{Failure, Job, JobId, JobState, Mail, Run, Work};
use crate::domain::retention::Sweep;
use crate::domain::{JobKind, PaymentId};

const LEASE_MS: i64 = 60_000;

fn writes(writes: Vec<Write>) -> ChangeSet {
    ChangeSet { writes, ..ChangeSet::default() }
}

fn refund() -> Job {
    Job::refund(PaymentId::from_bytes(id(1)), now())
}

fn mail(number: u16) -> Job {
    Job::mail(Mail::VerifyEmail { user: UserId::from_bytes(id(1)) }, id(number), now())
}

async fn due(store: &Store, work: Work) -> Vec<Job> {
    store.jobs_due(work, now().plus_ms(1), 100).await.unwrap()
}

#[tokio::test]
async fn a_job_is_found_when_it_is_due_and_of_racing_workers_one_gets_it() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let store = &bench.store;
        let later = mail(2).delayed_until(now().plus_ms(3_600_000));
        let dead = mail(3).lease(LEASE_MS, now()).unwrap();
        let failure = Failure { reason: "smtp 550".to_owned(), is_permanent: true };
        let dead = dead.after(Run::Failed(failure), now(), 0).unwrap();
        let added = [mail(1), later.clone(), dead, refund()].map(Write::AddJob);
        store.commit(writes(added.into()), Lane::Normal).await.unwrap();
        let found = due(store, Work::Mail).await;
        assert_eq!(found.iter().map(|job| &job.id).collect::<Vec<_>>(), [&mail(1).id], "{engine}");
        assert_eq!(store.jobs_due(Work::Mail, now().plus_ms(3_600_001), 100).await.unwrap().len(), 2);

        let other =
            Store::on(Arc::clone(store.database()), Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default());
        let nodes = [Arc::clone(store), Arc::new(other.await.unwrap())];
        // Four workers on two nodes: those of one node may be in one batch.
        let leasing = (0..4_usize).map(|number| {
            let (node, leased) = (Arc::clone(&nodes[number % 2]), found[0].clone().lease(LEASE_MS, now().plus_ms(1)).unwrap());
            tokio::spawn(async move { node.commit(writes(vec![Write::SetJob(leased)]), Lane::Reserved).await })
        });
        let mut won = 0;
        for worker in leasing.collect::<Vec<_>>() {
            match worker.await.unwrap() {
                Ok(()) => won += 1,
                Err(CommitError::Contended(Contended::State)) => {}
                Err(other) => panic!("{engine}: {other:?}"),
            }
        }
        assert_eq!(won, 1, "{engine}");
        assert!(due(store, Work::Mail).await.is_empty(), "{engine}: it is leased");
    }
}

#[tokio::test]
async fn of_two_that_compare_one_version_in_one_batch_the_second_is_told() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let plain = bench("mem").await;
    let database = Arc::clone(plain.store.database());
    plain.store.commit(writes(vec![Write::AddJob(mail(1))]), Lane::Normal).await.unwrap();
    let limits =
        CommitterLimits { transact: Some(Arc::new(Gated(Arc::clone(&database), Arc::clone(&gate)))), ..CommitterLimits::default() };
    let store = Arc::new(Store::on(database, Arc::new(SystemClock), Arc::new(Published::default()), limits).await.unwrap());
    let job = store.job(&mail(1).id).await.unwrap().unwrap();
    let spawn = |set: ChangeSet| {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(set, Lane::Normal).await })
    };
    // The first keeps the committer busy, so that the others wait and come into one batch.
    let first = spawn(note(1));
    while gate.available_permits() == 0 && store.committer.normal.available_permits() == CommitterLimits::default().queue {
        tokio::task::yield_now().await;
    }
    let removing = spawn(writes(vec![Write::RemoveJob(job.id.clone(), job.epoch)]));
    let leasing = spawn(writes(vec![Write::SetJob(job.clone().lease(LEASE_MS, now().plus_ms(1)).unwrap())]));
    while store.committer.normal.available_permits() + 3 > CommitterLimits::default().queue {
        tokio::task::yield_now().await;
    }
    gate.add_permits(100);
    first.await.unwrap().unwrap();
    assert_eq!(removing.await.unwrap(), Ok(()));
    assert_eq!(leasing.await.unwrap(), Err(CommitError::Contended(Contended::State)));
}

/// Lets as many transactions through as the semaphore has permits.
struct Gated(Arc<Database>, Arc<tokio::sync::Semaphore>);

impl Transact for Gated {
    fn transact(
        &self,
        text: String,
        variables: surrealdb::types::Variables,
    ) -> BoxFuture<'_, Result<Vec<(usize, surrealdb::types::Error)>, surrealdb::types::Error>> {
        Box::pin(async move {
            self.1.acquire().await.unwrap().forget();
            self.0.transact(text, variables).await
        })
    }
}

#[tokio::test]
async fn a_worker_that_wakes_up_with_an_old_lease_ends_nothing() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let store = &bench.store;
        let commit = |write| store.commit(writes(vec![write]), Lane::Reserved);
        let stale = Err(CommitError::Contended(Contended::State));
        commit(Write::AddJob(refund())).await.unwrap();
        let job = store.job(&refund().id).await.unwrap().unwrap();
        let old = job.lease(LEASE_MS, now().plus_ms(1)).unwrap();
        commit(Write::SetJob(old.clone())).await.unwrap();
        let new = old.clone().lease(LEASE_MS, now().plus_ms(2 * LEASE_MS)).unwrap();
        commit(Write::SetJob(new.clone())).await.unwrap();
        assert_eq!(commit(Write::RemoveJob(old.id.clone(), old.epoch)).await, stale, "{engine}");
        assert_eq!(commit(Write::SetJob(old.clone().give_back(now()))).await, stale, "{engine}");
        assert_eq!(store.job(&old.id).await.unwrap(), Some(new.clone()));
        commit(Write::RemoveJob(new.id.clone(), new.epoch)).await.unwrap();
        // The same refund is owed again, later, and leased as often: the old worker still knows no epoch of it.
        commit(Write::AddJob(Job::refund(PaymentId::from_bytes(id(1)), now().plus_ms(5)))).await.unwrap();
        let again = store.job(&refund().id).await.unwrap().unwrap().lease(LEASE_MS, now().plus_ms(9)).unwrap();
        commit(Write::SetJob(again)).await.unwrap();
        assert_eq!(commit(Write::RemoveJob(new.id, new.epoch)).await, stale, "{engine}");
    }
}

#[tokio::test]
async fn adding_a_job_that_is_there_has_it_run_again_and_ensuring_it_leaves_it_alone() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let store = &bench.store;
        let commit = |list: Vec<Write>| store.commit(writes(list), Lane::Reserved);
        commit(vec![Write::AddJob(refund())]).await.unwrap();
        let leased = store.job(&refund().id).await.unwrap().unwrap().lease(LEASE_MS, now().plus_ms(1)).unwrap();
        commit(vec![Write::SetJob(leased.clone())]).await.unwrap();
        // More is owed while a worker is at it: what it read may be too little, so it cannot end the job.
        commit(vec![Write::AddJob(refund())]).await.unwrap();
        let renewed = store.job(&refund().id).await.unwrap().unwrap();
        assert!(matches!(renewed.state, JobState::Waiting { .. }) && renewed.attempts == 0, "{engine}: {renewed:?}");
        let ended = commit(vec![Write::RemoveJob(leased.id.clone(), leased.epoch)]).await;
        assert_eq!(ended, Err(CommitError::Contended(Contended::State)), "{engine}");

        let sweep = Job::sweep(Sweep::Keys(vec![]), now());
        commit(vec![Write::EnsureJob(sweep.clone()), Write::EnsureJob(sweep.clone())]).await.unwrap();
        let leased = sweep.clone().lease(LEASE_MS, now().plus_ms(1)).unwrap();
        commit(vec![Write::SetJob(leased.clone())]).await.unwrap();
        commit(vec![Write::EnsureJob(sweep.clone())]).await.unwrap();
        assert_eq!(store.job(&sweep.id).await.unwrap(), Some(leased), "{engine}");
    }
}

#[tokio::test]
async fn a_job_that_is_added_in_one_batch_with_what_a_worker_records_of_it_runs_again() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let store = &bench.store;
        let commit = |list: Vec<Write>| store.commit(writes(list), Lane::Reserved);
        commit(vec![Write::AddJob(refund())]).await.unwrap();
        let leased = store.job(&refund().id).await.unwrap().unwrap().lease(LEASE_MS, now().plus_ms(1)).unwrap();
        commit(vec![Write::AddJob(refund()), Write::SetJob(leased.clone())]).await.unwrap();
        let added = store.job(&refund().id).await.unwrap().unwrap();
        assert!(matches!(added.state, JobState::Waiting { .. }) && added.epoch > leased.epoch, "{engine}: {added:?}");
        let ended = commit(vec![Write::RemoveJob(leased.id, leased.epoch)]).await;
        assert_eq!(ended, Err(CommitError::Contended(Contended::State)), "{engine}: it has not seen why it was added");
        // Nor is it lost when the worker ends it in that batch.
        commit(vec![Write::AddJob(refund()), Write::RemoveJob(added.id, added.epoch)]).await.unwrap();
        assert!(store.job(&refund().id).await.unwrap().is_some(), "{engine}");
    }
}

#[tokio::test]
async fn an_admin_pages_through_jobs_of_a_state() {
    let bench = bench("surrealkv").await;
    let added = (1..=5).map(|number| Write::AddJob(mail(number))).chain([Write::AddJob(refund())]);
    bench.store.commit(writes(added.collect()), Lane::Normal).await.unwrap();
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = bench.store.jobs(Some("waiting"), after.as_ref(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        seen.extend(page.into_iter().map(|job| job.id));
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted_by(|a, b| (a.work.name(), &a.key) < (b.work.name(), &b.key)), "{seen:?}");
    assert!(bench.store.jobs(Some("dead"), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_page_of_jobs_reads_as_many_rows_as_it_has_however_many_there_are() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let added = (1..=300).map(|number| Write::AddJob(mail(number)));
        bench.store.commit(writes(added.collect()), Lane::Normal).await.unwrap();
        let bounds = crate::store::database::variables([
            ("kind", "mail".into_value()),
            ("waiting", "waiting".into_value()),
            ("after", mail(40).id.key.into_value()),
            ("limit", 7.into_value()),
        ]);
        let text = format!("EXPLAIN ANALYZE {}", crate::store::read::jobs::page_in("waiting"));
        let plan: String = bench.store.database().read(&text, bounds).await.unwrap();
        let scan = plan.lines().find(|line| line.contains("Scan")).unwrap();
        assert!(scan.contains("job_listed") && scan.contains("{rows: 7,"), "{engine}: {plan}");
        let page = bench.store.jobs(None, Some(&mail(40).id), 7).await.unwrap();
        let ids: Vec<JobId> = page.into_iter().map(|job| job.id).collect();
        assert_eq!(ids, (41..=47).map(|number| mail(number).id).collect::<Vec<_>>(), "{engine}");
    }
}

#[tokio::test]
async fn jobs_of_every_kind_and_state_are_in_the_order_of_their_names() {
    let bench = bench("surrealkv").await;
    let leased = |job: Job| job.lease(LEASE_MS, now().plus_ms(1)).unwrap();
    let dead = |job: Job| leased(job).after(Run::Failed(Failure { reason: "smtp 550".to_owned(), is_permanent: true }), now(), 0).unwrap();
    let sweep = Job::sweep(Sweep::Tokens, now());
    let added = vec![leased(mail(4)), mail(3), dead(mail(2)), mail(1), dead(refund()), leased(sweep.clone())];
    let mut expected: Vec<Job> = added.clone();
    expected.sort_unstable_by_key(|job| job.id.to_string());
    bench.store.commit(writes(added.into_iter().map(Write::AddJob).collect()), Lane::Normal).await.unwrap();
    for limit in 1..=6 {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = bench.store.jobs(None, after.as_ref(), limit).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id.clone());
            seen.extend(page);
        }
        assert_eq!(seen, expected, "{limit} at a time");
    }
    let names = |jobs: Vec<Job>| jobs.into_iter().map(|job| job.id).collect::<Vec<_>>();
    assert_eq!(names(bench.store.jobs(Some("dead"), None, 9).await.unwrap()), [mail(2).id, refund().id]);
    assert_eq!(names(bench.store.jobs(Some("running"), None, 9).await.unwrap()), [mail(4).id, sweep.id]);
}

#[tokio::test]
async fn a_job_that_a_newer_version_left_behind_holds_up_no_other() {
    const OF_A_NEWER_ONE: &str = "CREATE job:['mail', 'new'] SET kind = 'mail', payload = '{\"mail\":\"birthday\",\"fun\":1}', \
        key = 'new', state = 'waiting', at = 1, due = 1, attempts = 0, version = 1, created_at = 1";
    let bench = bench("mem").await;
    bench.store.database().query(OF_A_NEWER_ONE, surrealdb::types::Variables::new()).await.unwrap().check().unwrap();
    bench.store.commit(writes(vec![Write::AddJob(mail(1))]), Lane::Normal).await.unwrap();
    let found = bench.store.jobs_due(Work::Mail, now().plus_ms(1), 1).await.unwrap();
    assert_eq!(found.iter().map(|job| &job.id).collect::<Vec<_>>(), [&mail(1).id]);
    // Nor does it make a page of an admin's list look like the last one.
    bench.store.commit(writes(vec![Write::AddJob(refund())]), Lane::Normal).await.unwrap();
    let listed = bench.store.jobs(None, None, 2).await.unwrap();
    assert_eq!(listed.iter().map(|job| &job.id).collect::<Vec<_>>(), [&mail(1).id, &refund().id]);
}

#[tokio::test]
async fn refunds_that_an_older_version_left_behind_are_jobs_after_the_migration() {
    const OF_VERSION_1: &str = "
        DEFINE TABLE meta SCHEMAFULL; DEFINE FIELD value ON meta TYPE int | string;
        CREATE meta:schema SET value = 1; CREATE meta:epoch SET value = 'then';
        DEFINE TABLE job SCHEMAFULL; DEFINE FIELD run_at ON job TYPE int;
        CREATE job:['refund', u'07070707-0707-0707-0707-070707070001'] SET run_at = 5;";
    for engine in ENGINES {
        let dir = tempfile::tempdir().unwrap();
        let database = Arc::new(Database::open(&config(engine, &dir)).await.unwrap());
        database.query(OF_VERSION_1, surrealdb::types::Variables::new()).await.unwrap().check().unwrap();
        let open = || Store::on(Arc::clone(&database), Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default());
        let store = open().await.unwrap();
        assert_eq!(store.epoch(), "then");
        let found = due(&store, Work::Refund).await;
        assert_eq!(found.iter().map(|job| &job.kind).collect::<Vec<_>>(), [&JobKind::Refund { payment: PaymentId::from_bytes(id(1)) }]);
        assert_eq!(store.jobs(None, None, 9).await.unwrap().len(), 2, "listed by the key that version 4 gave them");
        assert!(
            matches!(&due(&store, Work::Sweep).await[..], [job] if matches!(job.kind, JobKind::Sweep(Sweep::Unnamed { .. }))),
            "{engine}"
        );
        store.commit(writes(vec![Write::RemoveJob(found[0].id.clone(), found[0].epoch)]), Lane::Normal).await.unwrap();
        // Once only.
        assert!(due(&open().await.unwrap(), Work::Refund).await.is_empty(), "{engine}");
    }
}
