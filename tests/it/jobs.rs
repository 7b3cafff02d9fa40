//! Background work: neither lost nor done twice, tried again, given up, given back.

use std::sync::Arc;

use latchkey::domain::job::{Job, JobId, JobState, Mail, Work};
use latchkey::domain::{Timestamp, Write};
use latchkey::store::{ChangeSet, Lane, Store};
use latchkey_protocol::UserId;

use crate::support::mail::{MailServer, Manner};
use crate::support::{Hub, eventually};

/// Owes a mail to somebody, as the change set of a command does.
async fn owe(hub: &Hub, user: UserId, number: u8) -> JobId {
    let job = Job::mail(Mail::PasswordChanged { user }, [number; 16], Timestamp::from_epoch_ms(hub.now()));
    let id = job.id.clone();
    let set = ChangeSet { writes: vec![Write::AddJob(job)], ..ChangeSet::default() };
    hub.store().commit(set, Lane::Normal).await.unwrap();
    id
}

/// The job, once it is as wanted; `None`: once it is gone.
async fn job(store: &Arc<Store>, id: &JobId, wanted: impl Fn(Option<&Job>) -> bool) -> Option<Job> {
    let probe = || async {
        let job = store.job(id).await.unwrap();
        wanted(job.as_ref()).then_some(job)
    };
    eventually(format!("job {id}"), probe).await
}

fn is_waiting_after_a_failure(job: Option<&Job>) -> bool {
    job.is_some_and(|job| matches!(job.state, JobState::Waiting { .. }) && job.last_error.is_some())
}

/// Mails of that job among those that were taken.
fn copies(server: &MailServer, id: &JobId) -> usize {
    server.taken().iter().filter(|mail| mail.contains(&id.key)).count()
}

#[tokio::test]
async fn a_mail_that_is_owed_becomes_a_file_for_a_newcomer() {
    let hub = Hub::start().await;
    let ada = hub.guest("ada").await;
    let id = owe(&hub, ada.user, 1).await;
    assert_eq!(job(&hub.store(), &id, |job| job.is_none()).await, None);
    let files = std::fs::read_dir(hub.data().join("mail")).unwrap().map(|entry| entry.unwrap().path());
    let mail = files.filter(|path| path.display().to_string().contains(&id.key)).map(|path| std::fs::read_to_string(path).unwrap());
    let mail: Vec<String> = mail.collect();
    assert_eq!(mail.len(), 1, "once");
    assert!(mail[0].contains("To: ada@example.test\r\n") && mail[0].contains(&format!("Message-ID: <{}@localhost>", id.key)), "{mail:?}");
}

#[tokio::test]
async fn a_mail_that_the_server_does_not_take_now_is_sent_once_it_does() {
    let server = MailServer::start(Manner::Refuses("451 4.3.0 come back")).await;
    let hub = Hub::with(&format!("--smtp-url {}", server.url)).await;
    let ada = hub.guest("ada").await;
    let (id, store) = (owe(&hub, ada.user, 1).await, hub.store());
    let failed = job(&store, &id, is_waiting_after_a_failure).await.unwrap();
    assert_eq!((failed.attempts, failed.last_error.as_deref()), (1, Some("smtp 451")));
    server.behaves(Manner::HangsUpInData);
    hub.advance_s(60);
    let failed = job(&store, &id, |job| job.is_some_and(|job| job.attempts == 2 && is_waiting_after_a_failure(Some(job)))).await.unwrap();
    assert!(failed.last_error.unwrap().starts_with("smtp: "));
    server.behaves(Manner::Takes);
    assert_eq!(copies(&server, &id), 0);
    hub.advance_s(120);
    job(&store, &id, |job| job.is_none()).await;
    assert_eq!(copies(&server, &id), 1);
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_dead_until_somebody_retries_it() {
    let server = MailServer::start(Manner::Refuses("550 5.1.1 no such user")).await;
    let hub = Hub::with(&format!("--smtp-url {}", server.url)).await;
    let ada = hub.guest("ada").await;
    let (id, store) = (owe(&hub, ada.user, 1).await, hub.store());
    let dead = job(&store, &id, |job| job.is_some_and(|job| matches!(job.state, JobState::Dead { .. }))).await.unwrap();
    assert_eq!((dead.attempts, dead.last_error.as_deref()), (1, Some("smtp 550")));
    server.behaves(Manner::Takes);
    hub.advance_s(30 * 86_400);
    let later = owe(&hub, ada.user, 2).await;
    job(&store, &later, |job| job.is_none()).await;
    assert_eq!((copies(&server, &later), copies(&server, &id)), (1, 0), "nobody has retried it");
    assert!(store.job(&id).await.unwrap().is_some(), "and it is not swept");
}

#[tokio::test]
async fn a_mail_server_that_hangs_holds_up_neither_other_work_nor_the_end_and_its_job_is_given_back() {
    let server = MailServer::start(Manner::SaysNothing).await;
    let mut hub = Hub::with(&format!("--smtp-url {} --drain-seconds 0", server.url)).await;
    let ada = hub.guest("ada").await;
    let mut owed = Vec::new();
    for number in 1..=5 {
        owed.push(owe(&hub, ada.user, number).await);
    }
    let store = hub.store();
    let probe = || async {
        let running = store.jobs(Some("running"), None, 100).await.unwrap();
        (running.iter().filter(|job| job.id.work == Work::Mail).count() == 3).then_some(())
    };
    eventually("the places for mails to be taken", probe).await;
    hub.advance_s(3 * 3_600);
    let probe = || async {
        let jobs = store.jobs(None, None, 100).await.unwrap();
        let (now, mut sweeps) = (hub.now(), jobs.iter().filter(|job| job.id.work == Work::Sweep));
        sweeps.all(|job| job.state.due_at().is_some_and(|due_at| due_at.epoch_ms() > now)).then_some(())
    };
    eventually("sweeps go on", probe).await;
    drop(store);
    server.behaves(Manner::Takes);
    hub.restart().await;
    for id in &owed {
        job(&hub.store(), id, |job| job.is_none()).await;
        assert_eq!(copies(&server, id), 1, "{id}");
    }
}

#[tokio::test]
async fn what_recurs_is_there_once_however_often_the_hub_starts() {
    let mut hub = Hub::start().await;
    for _ in 0..3 {
        let jobs = hub.store().jobs(None, None, 100).await.unwrap();
        let mut names: Vec<String> = jobs.into_iter().map(|job| job.id.to_string()).collect();
        names.retain(|name| name.starts_with("sweep/"));
        assert_eq!(names, ["sweep/events", "sweep/holds", "sweep/keys", "sweep/log", "sweep/sessions", "sweep/tokens"]);
        hub.restart().await;
    }
}
