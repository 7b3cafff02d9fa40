//! How many look, and who writes.

use latchkey_protocol::UserId;
use serde_json::json;

use super::*;

async fn follow(hub: &Hub, subscriber: &Arc<dyn Subscriber>, standing: Standing) {
    hub.attach(home(1), subscriber, 1, standing).await.unwrap();
}

/// The numbers of viewers that it was told since it was last asked.
fn told(watcher: &Watcher) -> Vec<u64> {
    let hints = std::mem::take(&mut *watcher.hints.lock().unwrap());
    hints.iter().map(|hint| hint["presence"]["viewers"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn those_who_look_at_a_home_hear_how_many_they_are_and_a_user_counts_once() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append(home(1));
    let ada = UserId::from_bytes([1; 16]);
    let (first, one) = Watcher::of_user(1, ada);
    let (second, same) = Watcher::of_user(2, ada);
    let (host, owner) = Watcher::of_user(3, UserId::from_bytes([2; 16]));
    follow(&hub, &one, Standing::Public).await;
    follow(&hub, &same, Standing::Public).await;
    hub.tell_viewers().await;
    assert_eq!((told(&first), told(&second)), (vec![], vec![]), "nobody else: both tabs know that");
    follow(&hub, &owner, Standing::Own).await;
    hub.tell_viewers().await;
    assert_eq!((told(&first), told(&host)), (vec![], vec![1]), "a host does not count, and hears of the first");
    let (stranger, another) = Watcher::new(4);
    follow(&hub, &another, Standing::Public).await;
    hub.tell_viewers().await;
    hub.tell_viewers().await;
    for watcher in [&first, &second, &host, &stranger] {
        assert_eq!(told(watcher), [2]);
    }
    hub.detach(home(1), 4);
    hub.detach(home(1), 1);
    hub.tell_viewers().await;
    assert_eq!((told(&first), told(&second), told(&host), told(&stranger)), (vec![], vec![1], vec![1], vec![]));
}

#[tokio::test]
async fn p10_one_who_reads_slowly_hears_of_it_when_there_is_room_and_only_the_newest() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append(home(1));
    let (slow, slow_one) = Watcher::new(1);
    slow.takes_hints.store(false, Ordering::SeqCst);
    follow(&hub, &slow_one, Standing::Public).await;
    for id in 2..=10 {
        follow(&hub, &Watcher::new(id).1, Standing::Public).await;
        hub.tell_viewers().await;
    }
    assert_eq!(told(&slow), Vec::<u64>::new());
    slow.takes_hints.store(true, Ordering::SeqCst);
    hub.tell_viewers().await;
    hub.tell_viewers().await;
    assert_eq!(told(&slow), [10]);
}

#[tokio::test]
async fn a_hint_goes_to_everybody_else() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append(home(1));
    let ada = UserId::from_bytes([1; 16]);
    let (writer, one) = Watcher::of_user(1, ada);
    let (tab, same) = Watcher::of_user(2, ada);
    let (reader, other) = Watcher::new(3);
    for subscriber in [&one, &same, &other] {
        follow(&hub, subscriber, Standing::Own).await;
    }
    hub.hint(home(1), &EventFrame::notice("typing", &json!({"booking": "b"})), writer.viewer());
    let heard = |watcher: &Watcher| watcher.hints.lock().unwrap().clone();
    assert_eq!((heard(&writer), heard(&tab), heard(&reader)), (vec![], vec![], vec![json!({"typing": {"booking": "b"}})]));
    hub.hint(home(2), &EventFrame::notice("typing", &json!({})), writer.viewer());
}

#[tokio::test]
async fn a_host_hears_that_nobody_looks_when_a_home_is_taken_back() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append(home(1));
    let (host, owner) = Watcher::of_user(1, UserId::from_bytes([2; 16]));
    let (_guest, guest) = Watcher::new(2);
    follow(&hub, &owner, Standing::Own).await;
    follow(&hub, &guest, Standing::Public).await;
    hub.tell_viewers().await;
    assert_eq!(told(&host), [1]);
    let unlisted = StoredEvent { kind: "property.unlisted".into(), ..table.append(home(1)) };
    hub.publish(&[unlisted]);
    hub.tell_viewers().await;
    assert_eq!(told(&host), [0]);
}
