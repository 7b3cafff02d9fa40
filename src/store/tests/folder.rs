//! The data folder: refused when it cannot be used, whole when it is opened again.

use super::*;

#[tokio::test]
async fn a_disk_without_room_takes_no_writes_and_a_folder_that_cannot_be_written_is_refused_at_start() {
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
