//! The data folder: refused when it cannot be used, whole when it is opened again.

use super::*;

#[tokio::test]
async fn a_disk_that_fills_up_takes_no_writes_until_there_is_room_again() {
    const MARGIN: u64 = 256 * 1024 * 1024;
    let dir = tempfile::tempdir().unwrap();
    let free = {
        let disk = rustix::fs::statvfs(dir.path()).unwrap();
        disk.f_bavail * disk.f_frsize
    };
    let open = DatabaseConfig { min_free_bytes: free.saturating_sub(MARGIN), ..config("surrealkv", &dir) };
    let store = Store::open(&open, Arc::new(SystemClock), Arc::new(Published::default())).await.unwrap();
    store.commit(note(1), Lane::Normal).await.unwrap();

    // Really takes the room, without writing the bytes.
    let path = dir.path().join("ballast");
    let ballast = std::fs::File::create(&path).unwrap();
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, 2 * MARGIN).unwrap();
    let until = async |expected: fn(&Result<(), CommitError>) -> bool| loop {
        let answer = store.commit(note(1), Lane::Normal).await;
        if expected(&answer) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    until(|answer| *answer == Err(CommitError::Unavailable("no room on the disk"))).await;
    std::fs::remove_file(&path).unwrap();
    drop(ballast);
    until(Result::is_ok).await;
    let topic = Topic::User(UserId::from_bytes(id(1)));
    let head = store.topic_head(topic).await.unwrap();
    assert_eq!(store.events(topic, 1, head).await.unwrap().len(), usize::try_from(head).unwrap(), "nothing half-written");
    store.close().await;
}

#[tokio::test]
async fn files_are_refused_while_there_is_room_for_commits() {
    let dir = tempfile::tempdir().unwrap();
    let disk = rustix::fs::statvfs(dir.path()).unwrap();
    let open = DatabaseConfig { min_free_bytes: disk.f_bavail * disk.f_frsize / 2, ..config("surrealkv", &dir) };
    let database = Database::open(&open).await.unwrap();
    assert!(database.has_room() && !database.has_room_for_files());
    database.close().await;
}

#[tokio::test]
async fn a_folder_without_room_or_that_cannot_be_written_is_refused_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let greedy = DatabaseConfig { min_free_bytes: u64::MAX, ..config("surrealkv", &dir) };
    let refused = Database::open(&greedy).await.err().unwrap().to_string();
    assert!(refused.contains("no room"), "{refused}");
    let file = dir.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let url = format!("surrealkv://{}", file.join("db").display());
    let refused = Database::open(&DatabaseConfig { url, ..config("surrealkv", &dir) }).await.err().unwrap().to_string();
    assert!(refused.contains("cannot create the data folder"), "{refused}");
}

#[tokio::test]
async fn what_was_committed_is_there_when_the_folder_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let home = listing(1);
    let open = || async { Store::open(&config("surrealkv", &dir), Arc::new(SystemClock), Arc::new(Published::default())).await.unwrap() };
    let store = open().await;
    let epoch = store.epoch().to_owned();
    store.commit(list(&home), Lane::Normal).await.unwrap();
    store.close().await;
    assert_eq!(store.commit(note(1), Lane::Normal).await, Err(CommitError::Unavailable("stopping")));
    drop(store);
    let store = open().await;
    assert_eq!(store.listing(home.id).await.unwrap(), Some(home));
    assert_eq!(store.epoch(), epoch, "only a restore changes the epoch");
    store.close().await;
}

/// What a crash leaves on the disk, while the store that wrote it goes on.
fn image_of(folder: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            image_of(&entry.path(), &target);
        } else if entry.file_name() != "LOCK" {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn p2_a_crash_loses_no_commit_that_came_while_the_engine_changed_its_memtable() {
    const COUNT: u64 = 300;
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let caps = MemoryCaps { memtable_bytes: 1 << 20, ..MemoryCaps::default() };
    let topic = Topic::User(UserId::from_bytes(id(1)));
    let open = |dir| {
        let config = DatabaseConfig { caps, ..config("surrealkv", dir) };
        async move { Store::open(&config, Arc::new(SystemClock), Arc::new(Published::default())).await.unwrap() }
    };
    let store = open(&dir).await;
    let data: Arc<str> = format!("{{\"text\":\"{}\"}}", "y".repeat(10_000)).into();
    for _ in 0..COUNT {
        let event = NewEvent { topic, seq: None, at: Timestamp::from_epoch_ms(0), kind: "availability.changed", data: Arc::clone(&data) };
        store.commit(ChangeSet { events: vec![event], ..ChangeSet::default() }, Lane::Normal).await.unwrap();
    }
    // Once the old memtables are flushed and their logs deleted, what is in the newest one is in the newest log or nowhere.
    let logs = || std::fs::read_dir(dir.path().join("db/wal")).map_or(0, Iterator::count);
    while logs() > 1 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    image_of(dir.path(), crashed.path());
    store.close().await;
    let store = open(&crashed).await;
    let seqs: Vec<u64> = store.events(topic, 1, COUNT).await.unwrap().iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=COUNT).collect::<Vec<_>>());
    store.close().await;
}
