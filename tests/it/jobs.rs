//! Background work: neither lost nor done twice, tried again, given up, given back.

use std::sync::Arc;

use latchkey::domain::job::{Job, JobId, JobState, Mail, Work};
use latchkey::domain::{Timestamp, Write};
use latchkey::store::{ChangeSet, Lane, Store};
use latchkey_protocol::rest::Page;
use latchkey_protocol::{ErrorCode, UserId, view};

use crate::support::mail::{MailServer, Manner};
use crate::support::{Hub, HubProcess, eventually};

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
async fn who_waits_for_a_mail_to_reset_a_password_does_not_wait_behind_others() {
    let server = MailServer::start(Manner::SaysNothing).await;
    let hub = Hub::with(&format!("--smtp-url {}", server.url)).await;
    let ada = hub.guest("ada").await;
    for number in 1..=9 {
        owe(&hub, ada.user, number).await;
    }
    eventually("the places for mails to be taken", || async { (server.connections() == 3).then_some(()) }).await;
    server.behaves(Manner::Takes);
    let ask = latchkey_protocol::rest::ForgotPassword { email: ada.email.clone() };
    assert_eq!(hub.rest.post("/auth/password/forgot/").json(&ask).send().await.status, 202);
    let taken = || async { server.taken().iter().any(|mail| mail.contains("Subject: Set a new password")).then_some(()) };
    eventually("the mail", taken).await;
    assert_eq!(server.taken().len(), 1, "before any of the others");
}

#[tokio::test]
async fn what_recurs_is_there_once_however_often_the_hub_starts() {
    let mut hub = Hub::start().await;
    for _ in 0..3 {
        let jobs = hub.store().jobs(None, None, 100).await.unwrap();
        let mut names: Vec<String> = jobs.into_iter().map(|job| job.id.to_string()).collect();
        names.retain(|name| name.starts_with("sweep/"));
        let expected =
            ["audit", "events", "holds", "keys", "log", "notifications", "sessions", "tokens"].map(|name| format!("sweep/{name}"));
        assert_eq!(names, expected);
        hub.restart().await;
    }
}

#[tokio::test]
async fn an_admin_sees_what_was_given_up_retries_one_and_discards_another() {
    let server = MailServer::start(Manner::Refuses("550 5.1.1 no such user")).await;
    let mut hub = Hub::with(&format!("--smtp-url {}", server.url)).await;
    let (ada, admin) = (hub.guest("ada").await, hub.admin("root").await);
    let (one, two) = (owe(&hub, ada.user, 1).await, owe(&hub, ada.user, 2).await);
    for id in [&one, &two] {
        job(&hub.store(), id, |job| job.is_some_and(|job| matches!(job.state, JobState::Dead { .. }))).await;
    }
    let mut seen: Vec<view::Job> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page: Page<view::Job> = admin.get(&format!("/admin/jobs/?state=dead&limit=1{cursor}")).send().await.expect_json(200);
        seen.extend(page.items);
        let Some(next) = page.next else { break };
        cursor = format!("&cursor={next}");
    }
    // Those of the registrations, too.
    assert!(seen.iter().all(|job| job.state == view::JobState::Dead && job.kind == "mail" && job.run_at.is_none()), "{seen:?}");
    let found = seen.iter().find(|job| job.key == one.key).unwrap();
    assert_eq!((found.what.as_str(), found.user, found.last_error.as_deref()), ("password_changed", Some(ada.user), Some("smtp 550")));
    assert!(seen.iter().any(|job| job.key == two.key));
    // One that is run this very moment does not wait.
    let all_sweeps = eventually("every sweep to wait for its time", || async {
        let waiting: Page<view::Job> = admin.get("/admin/jobs/?state=waiting").send().await.expect_json(200);
        (waiting.items.iter().filter(|job| job.kind == "sweep").count() == 8).then_some(())
    });
    all_sweeps.await;

    server.behaves(Manner::Takes);
    let retried: view::Job = admin.post(&format!("/admin/jobs/{one}/retry/"), &()).send().await.expect_json(200);
    assert_eq!((retried.state, retried.attempts), (view::JobState::Waiting, 0));
    job(&hub.store(), &one, |job| job.is_none()).await;
    assert_eq!(copies(&server, &one), 1);
    let discard =
        |id: String| admin.rest.request(http::Method::DELETE, &format!("/admin/jobs/{id}/")).bearer(&admin.tokens.access_token).send();
    assert_eq!(discard(two.to_string()).await.status, 204);
    discard(two.to_string()).await.expect_problem(404, ErrorCode::NotFound);
    for (id, status, code) in
        [("sweep/holds", 409, ErrorCode::InvalidState), ("mail/none", 404, ErrorCode::NotFound), ("x/y", 404, ErrorCode::NotFound)]
    {
        discard(id.to_owned()).await.expect_problem(status, code);
    }
    ada.get("/admin/jobs/").send().await.expect_problem(403, ErrorCode::Forbidden);
    admin.get("/admin/jobs/?state=tired").send().await.expect_problem(422, ErrorCode::Invalid);
    assert_eq!(copies(&server, &two), 0);
    hub.stop().await;
}

#[tokio::test]
async fn p2_a_mail_that_was_on_its_way_when_the_process_was_killed_is_sent_by_the_next_one_at_once() {
    let server = MailServer::start(Manner::SaysNothing).await;
    let data = tempfile::tempdir().unwrap();
    let options = format!("--smtp-url {}", server.url);
    let hub = HubProcess::start(data.path(), &options).await;
    let ada = hub.guest("ada").await;
    // The mail of the registration; its worker waits for the server.
    eventually("a connection", || async { (server.connections() > 0).then_some(()) }).await;
    hub.kill().await;
    assert!(server.taken().is_empty());
    server.behaves(Manner::Takes);
    let _hub = HubProcess::start(data.path(), &options).await;
    eventually("the mail", || async { (!server.taken().is_empty()).then_some(()) }).await;
    assert!(server.taken()[0].contains(&format!("To: {}\n", ada.email)), "{:?}", server.taken());
}
