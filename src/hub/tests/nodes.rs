//! What a hub does about events that other nodes committed, and when it cannot hear of them.

use tokio::time::Instant;

use super::*;
use crate::hub::interest::Channel;

#[tokio::test]
async fn p4_an_event_that_was_only_heard_of_is_read_with_all_before_it() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(topic(1), 2);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 2, Standing::Own).await.unwrap();
    let elsewhere = table.append_many(topic(1), 3);
    hub.hear_of(topic(1), 5);
    // The bus comes late, and brings what was read already.
    hub.publish(&elsewhere);
    eventually(|| watcher.seqs().len() == 3).await;
    hub.hear_of(topic(1), 4);
    hub.hear_of(topic(2), 9);
    settle().await;
    assert_eq!((watcher.seqs(), hub.feeds()), (all(3..=5), 1));
}

#[tokio::test]
async fn p8_while_it_is_withheld_nothing_private_is_delivered_and_afterwards_everything_once() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append(home(9));
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Own).await.unwrap();
    hub.attach(home(9), &subscriber, 1, Standing::Public).await.unwrap();
    hub.trust(Instant::now());
    hub.publish(&table.append_many(topic(1), 3));
    hub.publish(&[table.append(home(9))]);
    hub.hear_of(topic(1), 3);
    settle().await;
    assert_eq!(*watcher.seen.lock().unwrap(), [(home(9), 2)], "what is public goes on");
    let (_, other) = Watcher::new(2);
    assert!(matches!(hub.attach(topic(2), &other, 0, Standing::Own).await, Err(AttachError::Source(_))));
    assert_eq!(hub.attach(home(9), &other, 2, Standing::Public).await, Ok(Attached { head: 2 }));
    hub.trust(Instant::now() + Duration::from_mins(1));
    hub.publish(&[table.append(topic(1))]);
    eventually(|| watcher.seqs().len() == 5).await;
    assert_eq!(watcher.seqs(), [2, 1, 2, 3, 4]);
    hub.attach(topic(2), &other, 0, Standing::Own).await.unwrap();
}

#[tokio::test]
async fn a_bus_need_bring_homes_and_the_private_channels_that_have_feeds() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let private = || hub.interest().wanted().into_iter().filter(|channel| matches!(channel, Channel::Private(_))).collect::<Vec<_>>();
    assert_eq!((hub.interest().wanted().len(), private()), (128, vec![]));
    let (_, subscriber) = Watcher::new(1);
    for number in [3, 5, 131] {
        hub.attach(topic(number), &subscriber, 0, Standing::Own).await.unwrap();
    }
    hub.interest().changed().await;
    assert_eq!(Channel::of(topic(131)), Channel::of(topic(3)), "there are 128");
    assert_eq!(Channel::of(home(131)), Channel::Homes(3));
    assert_eq!(private(), [Channel::Private(3), Channel::Private(5)]);
    hub.detach(topic(3), 1);
    hub.detach(topic(5), 1);
    hub.sweep(0);
    hub.sweep(LIMITS.feed_idle_ms);
    assert_eq!(private(), [Channel::Private(3)], "one of two feeds is still watched");
}

#[tokio::test]
async fn p8_what_was_read_before_trust_lapsed_is_not_delivered_after_it() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Own).await.unwrap();
    table.append_many(topic(1), 3);
    let gate = table.close_gate();
    // A gap is being read, and somebody comes back, when the others are heard of no more.
    hub.hear_of(topic(1), 3);
    let (other, late) = Watcher::new(2);
    let (attaching, lapsing) = (hub.attach(topic(1), &late, 0, Standing::Own), async {
        settle().await;
        hub.trust(Instant::now());
        gate.add_permits(100);
    });
    let (attached, ()) = tokio::join!(attaching, lapsing);
    settle().await;
    assert_eq!((watcher.seqs(), other.seqs()), (vec![], vec![]), "{attached:?}");
    hub.trust(Instant::now() + Duration::from_mins(1));
    eventually(|| watcher.seqs().len() == 3).await;
    assert_eq!(watcher.seqs(), [1, 2, 3]);
}
