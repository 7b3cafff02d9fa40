//! P2: committed means kept. The real program is killed, or told to go, in the middle of a crowd; then its folder is read.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use latchkey_protocol::client::HoldDates;
use latchkey_protocol::view::{Hold, NightState, Property};
use latchkey_protocol::{CloseCode, Date, ErrorCode};

use crate::support::guest::calendar;
use crate::support::hub::list_home;
use crate::support::watcher::{assert_gapless, taken};
use crate::support::{Client, Guest, HubProcess, Watcher, eventually, nights};

const OPTIONS: &str = "--max-active-holds 1000 --hold-seconds 3600 --drain-seconds 1";

/// What a guest sent, and what came back before the connection ended.
struct Sent {
    guest: usize,
    key: String,
    ask: HoldDates,
    answer: Option<Hold>,
}

async fn crowd(hub: &HubProcess, count: usize) -> Vec<Guest> {
    join_all((0..count).map(|number| async move { hub.guest(&format!("guest-{number}")).await })).await
}

/// Every guest holds night after night of their own until the connection ends; `acknowledged` counts the answers.
async fn hold_until_the_end(guests: &[Guest], home: &Property, round: i32, acknowledged: &AtomicUsize) -> Vec<Sent> {
    let holding = guests.iter().zip(0_i32..).map(|(guest, number)| async move {
        let mut sent = Vec::new();
        for turn in 0..80 {
            // Four commands at once on each connection.
            let started = join_all((0..4).map(|lane| async move {
                let first = (round * 8 + number) * 40 + turn * 4 + lane;
                let (key, ask) = (format!("r{round}-{first}"), nights(first, 1).of(home.id));
                (guest.live.start("hold", Some(&key), &ask).await, key, ask)
            }));
            for (id, key, ask) in started.await {
                let reply = guest.live.try_reply(id).await;
                let answer = reply.map(|reply| serde_json::from_value(reply.unwrap()).unwrap());
                acknowledged.fetch_add(usize::from(answer.is_some()), Ordering::Relaxed);
                sent.push(Sent { guest: usize::try_from(number).unwrap(), key, ask, answer });
            }
            if turn == 9 || !guest.live.is_open() {
                break;
            }
        }
        sent
    });
    join_all(holding).await.into_iter().flatten().collect()
}

fn night_of(ask: &HoldDates) -> Date {
    ask.check_in
}

/// The nights that are not free by the stored calendar: exactly these, all held.
async fn assert_held(hub: &HubProcess, home: &Property, mut expected: Vec<Date>) {
    let path = format!("/properties/{}/calendar/?to={}", home.id, nights(690, 1).check_in);
    let stored = taken(&hub.rest.get(&path).send().await.expect_json(200));
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|night| (night, NightState::Held)).collect();
    assert_eq!(stored, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_every_acknowledged_hold_survives_kill_9_and_its_key_gives_its_first_answer() {
    let data = tempfile::tempdir().unwrap();
    let mut hub = HubProcess::start(data.path(), OPTIONS).await;
    let mut guests = crowd(&hub, 8).await;
    let home = list_home(&guests[0]).await;
    let mut held: Vec<Date> = Vec::new();
    for round in 0..2 {
        let acknowledged = AtomicUsize::new(0);
        let killing = async {
            eventually("a crowd of answers", || async { (acknowledged.load(Ordering::Relaxed) >= 60).then_some(()) }).await;
            hub.kill().await;
        };
        let (sent, ()) = futures_util::future::join(hold_until_the_end(&guests, &home, round, &acknowledged), killing).await;
        assert!(sent.iter().filter(|sent| sent.answer.is_some()).count() >= 60);
        hub = HubProcess::start(data.path(), OPTIONS).await;
        for guest in &mut guests {
            guest.reconnect(hub.address).await;
        }
        let watcher = Watcher::of(Client::open(hub.address).await, home.id).await;
        for sent in &sent {
            let again: Hold =
                guests[sent.guest].live.ask(latchkey_protocol::client::Command::Hold, Some(&sent.key), &sent.ask).await.unwrap();
            if let Some(first) = &sent.answer {
                assert_eq!(&again, first, "an acknowledged hold, said again after the crash");
            }
            held.push(night_of(&sent.ask));
        }
        assert_held(&hub, &home, held.clone()).await;
        let head = calendar(&hub.rest, home.id).await.seq;
        watcher.until(head).await;
        assert_eq!(head, 1 + held.len() as u64, "P3: one event for each hold, none without");
        let back = Client::open(hub.address).await;
        back.resume(&back.hello.epoch, [(watcher.topic, 0)]).await;
        assert_eq!(back.events(watcher.topic).len() as u64, head);
        assert_gapless(&back.events(watcher.topic), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p2_sigterm_answers_what_is_under_way_sends_everyone_away_and_keeps_everything() {
    let data = tempfile::tempdir().unwrap();
    let hub = HubProcess::start(data.path(), OPTIONS).await;
    let guests = crowd(&hub, 8).await;
    let home = list_home(&guests[0]).await;
    let watcher = Watcher::of(Client::open(hub.address).await, home.id).await;
    assert_eq!(hub.rest.get("/readyz").send().await.text(), "ready\n");
    let acknowledged = AtomicUsize::new(0);
    let stopping = async {
        eventually("a crowd of answers", || async { (acknowledged.load(Ordering::Relaxed) >= 60).then_some(()) }).await;
        hub.terminate().await;
        watcher.client.goaway().await
    };
    let (sent, goaway) = futures_util::future::join(hold_until_the_end(&guests, &home, 0, &acknowledged), stopping).await;
    assert!(goaway.after_ms <= 1_000, "{goaway:?}");
    for client in guests.iter().map(|guest| &guest.live).chain([&watcher.client]) {
        client.goaway().await;
        client.expect_end(CloseCode::Draining).await;
    }
    let rest = hub.rest.clone();
    assert_eq!(hub.exit().await.code(), Some(0));
    assert!(rest.get("/readyz").try_send().await.is_err(), "nobody listens any more");

    let hub = HubProcess::start(data.path(), OPTIONS).await;
    let answered: Vec<Date> = sent.iter().filter(|sent| sent.answer.is_some()).map(|sent| night_of(&sent.ask)).collect();
    let events = watcher.client.events(watcher.topic);
    assert_gapless(&events, watcher.first.seq);
    assert_held(&hub, &home, answered).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_is_refused_and_disturbs_nobody() {
    let data = tempfile::tempdir().unwrap();
    let hub = HubProcess::start(data.path(), OPTIONS).await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let refused = HubProcess::refused(data.path(), OPTIONS).await;
    assert!(!refused.status.success(), "{refused:?}");
    assert!(refused.said.contains("a hub is running on"), "{refused:?}");
    ada.hold(&home, nights(0, 2)).await.unwrap();
    hub.kill().await;
    let hub = HubProcess::start(data.path(), OPTIONS).await;
    assert_eq!(taken(&calendar(&hub.rest, home.id).await).len(), 2);
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused_at_start_and_the_reason_is_said() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    std::fs::write(&file, b"not a folder").unwrap();
    let rows = [
        (data.path().join("a"), format!("--min-free-bytes {}", u64::MAX), "no room in the data folder"),
        (file.join("b"), String::new(), "cannot create the data folder"),
        (data.path().join("c"), "--redis redis://127.0.0.1:1".to_owned(), "--redis is for many nodes"),
        (data.path().join("d"), "--token-secret short".to_owned(), "a secret must be 32 bytes or longer"),
    ];
    for (folder, options, reason) in rows {
        let refused = HubProcess::refused(&folder, &options).await;
        assert!(!refused.status.success() && refused.said.contains(reason), "{refused:?}");
        assert!(!refused.said.contains("panicked"), "{refused:?}");
    }
    std::fs::create_dir_all(data.path().join("e/database/..")).unwrap();
    std::fs::write(data.path().join("e/token.key"), b"cut").unwrap();
    let refused = HubProcess::refused(&data.path().join("e"), "").await;
    assert!(!refused.status.success() && refused.said.contains("token.key"), "{refused:?}");
}

/// Bytes left where this folder is.
fn free_bytes(folder: &std::path::Path) -> u64 {
    let disk = rustix::fs::statvfs(folder).unwrap();
    disk.f_bavail * disk.f_frsize
}

#[tokio::test]
async fn a_disk_that_fills_up_takes_no_writes_and_goes_on_when_there_is_room_again() {
    const MARGIN: u64 = 512 << 20;
    let disk = tempfile::tempdir().unwrap();
    let free = free_bytes(disk.path());
    let data = disk.path().join("data");
    let hub = HubProcess::start(&data, &format!("--min-free-bytes {}", free.saturating_sub(MARGIN))).await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let before = ada.hold(&home, nights(0, 2)).await.unwrap();

    let ballast = std::fs::File::create(disk.path().join("ballast")).unwrap();
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, 2 * MARGIN).unwrap();
    let probe = || async {
        match ada.hold(&home, nights(10, 1)).await {
            Ok(hold) => ada.release(&hold).await.err(),
            Err(error) => Some(error),
        }
    };
    let error = eventually("the disk to be found full", probe).await;
    assert_eq!(error.code, ErrorCode::Unavailable, "{error:?}");
    let answer = ada.post("/holds/", &nights(40, 1).of(home.id)).send().await;
    answer.expect_problem(503, ErrorCode::Unavailable);
    assert!(answer.header("retry-after").is_some());
    let ready = hub.rest.get("/readyz").send().await;
    assert_eq!((ready.status.as_u16(), ready.text().as_str()), (503, "no room on the disk\n"));
    assert_eq!(hub.rest.get("/healthz").send().await.text(), "ok\n");
    let stored = taken(&calendar(&hub.rest, home.id).await);
    assert_eq!(stored.first().map(|night| night.0), Some(before.check_in), "reads are served, and nothing is half-written");

    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    drop(ballast);
    eventually("room again", || async { ada.hold(&home, nights(100, 1)).await.ok() }).await;
    assert_eq!(hub.rest.get("/readyz").send().await.text(), "ready\n");
}
