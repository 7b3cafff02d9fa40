//! What a subscriber sees, one situation at a time.

use super::*;

#[tokio::test]
async fn a_subscriber_sees_what_comes_after_its_snapshot() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(topic(1), 3);
    let (watcher, subscriber) = Watcher::new(1);
    assert_eq!(hub.attach(topic(1), &subscriber, 3, Standing::Public).await, Ok(Attached { head: 3 }));
    hub.publish(&table.append_many(topic(1), 2));
    hub.publish(&[event(topic(1), 4)]);
    hub.publish(&table.append_many(topic(2), 1));
    assert_eq!(watcher.seqs(), [4, 5]);
    hub.detach(topic(1), 1);
    hub.publish(&[table.append(topic(1))]);
    assert_eq!(watcher.seqs(), [4, 5]);
}

#[tokio::test]
async fn nothing_is_read_or_kept_for_a_topic_nobody_watches() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    hub.publish(&table.append_many(topic(1), 100));
    settle().await;
    assert_eq!((hub.feeds(), table.reads.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn events_published_while_the_head_is_read_are_neither_lost_nor_repeated() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let earlier = table.append_many(topic(1), 4);
    let gate = table.close_gate();
    let (watcher, subscriber) = Watcher::new(1);
    let attaching = tokio::spawn({
        let hub = Arc::clone(&hub);
        async move { hub.attach(topic(1), &subscriber, 2, Standing::Public).await }
    });
    settle().await;
    // Two that the head contains, two that it does not; nothing is published afterwards.
    hub.publish(&earlier[2..]);
    hub.publish(&table.append_many(topic(1), 2));
    gate.add_permits(100);
    attaching.await.unwrap().unwrap();
    assert_eq!(watcher.seqs(), all(3..=6));
}

#[tokio::test]
async fn a_gap_is_read_from_the_table_while_later_events_wait() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    let gate = table.close_gate();
    let lost = table.append_many(topic(1), 300);
    hub.publish(&lost[299..]);
    settle().await;
    hub.publish(&table.append_many(topic(1), 5));
    assert!(watcher.seqs().is_empty());
    gate.add_permits(100);
    settle().await;
    assert_eq!((watcher.seqs(), hub.feeds()), (all(1..=305), 1));
    assert!(!watcher.has_lost.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_gap_is_read_again_after_failures_and_given_up_after_many() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    table.failures_left.store(3, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2)[1..]);
    eventually(|| watcher.seqs() == [1, 2]).await;

    table.failures_left.store(100, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2)[1..]);
    eventually(|| watcher.has_lost.load(Ordering::SeqCst)).await;
    assert_eq!((watcher.seqs(), hub.feeds()), (vec![1, 2], 0));

    table.failures_left.store(0, Ordering::SeqCst);
    hub.attach(topic(1), &subscriber, 2, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), all(1..=4));
}

#[tokio::test]
async fn those_who_come_back_get_what_they_missed_from_the_ring_or_the_table() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (_, first) = Watcher::new(1);
    hub.attach(topic(1), &first, 0, Standing::Public).await.unwrap();
    for _ in 0..600 {
        hub.publish(&[table.append(topic(1))]);
    }
    let reads_before = table.reads.load(Ordering::SeqCst);
    // The last of three pages has been read by the one before.
    for (id, after, reads) in [(2, 600, 0), (3, 599, 0), (4, 344, 0), (5, 343, 1), (6, 0, 2)] {
        let (watcher, subscriber) = Watcher::new(id);
        let reads_then = table.reads.load(Ordering::SeqCst);
        assert_eq!(hub.attach(topic(1), &subscriber, after, Standing::Public).await, Ok(Attached { head: 600 }));
        assert_eq!(watcher.seqs(), all(after + 1..=600), "after {after}");
        assert_eq!(table.reads.load(Ordering::SeqCst) - reads_then, reads, "after {after}");
    }
    assert_eq!(reads_before, 1);
}

#[tokio::test]
async fn what_is_out_of_reach_asks_for_a_snapshot() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(topic(1), 5000);
    table.removed.store(4000, Ordering::SeqCst);
    let (watcher, subscriber) = Watcher::new(1);
    let too_old = |after| Err(AttachError::TooOld { after, head: 5000 });
    assert_eq!(hub.attach(topic(1), &subscriber, 3999, Standing::Public).await, too_old(3999), "removed by retention");
    assert_eq!(hub.attach(topic(1), &subscriber, 1, Standing::Public).await, too_old(1), "too many");
    assert_eq!(hub.attach(topic(1), &subscriber, 5001, Standing::Public).await, Err(AttachError::AboveHead { after: 5001, head: 5000 }));
    hub.publish(&[table.append(topic(1))]);
    assert!(watcher.seqs().is_empty(), "none of these attached it");
}

#[tokio::test]
async fn a_snapshot_may_be_newer_than_what_was_published() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (old, first) = Watcher::new(1);
    hub.attach(topic(1), &first, 0, Standing::Public).await.unwrap();
    let committed = table.append_many(topic(1), 3);
    let (new, second) = Watcher::new(2);
    assert_eq!(hub.attach(topic(1), &second, 3, Standing::Public).await, Ok(Attached { head: 3 }));
    hub.publish(&committed);
    settle().await;
    hub.publish(&[table.append(topic(1))]);
    assert_eq!((old.seqs(), new.seqs()), (all(1..=4), vec![4]));
}

#[tokio::test]
async fn one_who_wants_no_more_is_forgotten_and_the_others_get_everything() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (slow, first) = Watcher::new(1);
    let (quick, second) = Watcher::new(2);
    hub.attach(topic(1), &first, 0, Standing::Public).await.unwrap();
    hub.attach(topic(1), &second, 0, Standing::Public).await.unwrap();
    slow.wants_more.store(false, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2));
    slow.wants_more.store(true, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2));
    assert_eq!((slow.seqs(), quick.seqs()), (vec![], all(1..=4)));
}

#[tokio::test]
async fn a_feed_is_forgotten_two_minutes_after_its_last_watcher() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    hub.sweep(0);
    hub.sweep(1_000_000);
    assert_eq!(hub.feeds(), 1, "it is watched");
    hub.detach(topic(1), 1);
    hub.sweep(1_000_000);
    hub.sweep(1_119_999);
    assert_eq!(hub.feeds(), 1);
    hub.sweep(1_120_000);
    assert_eq!(hub.feeds(), 0);
    hub.publish(&[table.append(topic(1))]);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn an_unreadable_head_fails_the_attach_and_not_the_next_one() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    table.failures_left.store(1, Ordering::SeqCst);
    assert!(matches!(hub.attach(topic(1), &subscriber, 0, Standing::Public).await, Err(AttachError::Source(_))));
    hub.publish(&[table.append(topic(1))]);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn the_local_bus_ends_at_the_hub() {
    use super::bus::{Bus as _, LocalBus};
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    hub.attach(topic(1), &subscriber, 0, Standing::Public).await.unwrap();
    LocalBus::new(Arc::clone(&hub)).publish(&[table.append(topic(1))]);
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn many_rings_at_once_wait_for_a_healthy_client() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    for number in 1..=20 {
        let (_, other) = Watcher::new(100);
        hub.attach(topic(number), &other, 0, Standing::Public).await.unwrap();
        hub.publish(&table.append_many(topic(number), 60));
    }
    let (watcher, subscriber) = Watcher::with_capacity(1, 100);
    let resuming = tokio::spawn(async move {
        for number in 1..=20 {
            hub.attach(topic(number), &subscriber, 0, Standing::Public).await.unwrap();
        }
    });
    while !resuming.is_finished() {
        settle().await;
        assert!(watcher.waiting() <= 100);
        watcher.read();
    }
    resuming.await.unwrap();
    assert_eq!(watcher.seqs().len(), 20 * 60);
}

#[tokio::test]
async fn a_property_without_events_leaves_no_feed_behind() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    for number in 1..=50 {
        assert_eq!(hub.attach(home(number), &subscriber, 0, Standing::Public).await, Err(AttachError::Unknown));
        assert_eq!(hub.attach(home(number), &subscriber, 7, Standing::Public).await, Err(AttachError::Unknown));
    }
    assert_eq!(hub.feeds(), 0);
    hub.publish(&[table.append(home(1))]);
    hub.attach(home(1), &subscriber, 0, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), [1]);
}

#[tokio::test]
async fn there_are_only_so_many_feeds() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (_, subscriber) = Watcher::new(1);
    for number in 1..=101 {
        table.append(topic(number));
        let attached = hub.attach(topic(number), &subscriber, 1, Standing::Public).await;
        assert_eq!(attached.err(), (number == 101).then_some(AttachError::Full));
    }
    hub.attach(topic(1), &subscriber, 1, Standing::Public).await.expect("a feed that is there takes more watchers");
}

#[tokio::test]
async fn a_feed_whose_fill_panics_is_lost_and_begins_anew() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    let (watcher, subscriber) = Watcher::new(1);
    let first = table.append(topic(1));
    hub.attach(topic(1), &subscriber, 1, Standing::Public).await.unwrap();
    table.panics.store(true, Ordering::SeqCst);
    hub.publish(&table.append_many(topic(1), 2)[1..]);
    eventually(|| watcher.has_lost.load(Ordering::SeqCst)).await;
    assert_eq!(hub.feeds(), 0);
    table.panics.store(false, Ordering::SeqCst);
    hub.attach(topic(1), &subscriber, first.seq, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), [2, 3]);
}

/// The home's next event, of that kind.
fn append_kind(table: &Table, topic: Topic, kind: &'static str) -> StoredEvent {
    let mut events = table.events.lock().unwrap();
    let log = events.entry(topic).or_default();
    log.push(StoredEvent { kind: kind.into(), ..event(topic, log.len() as u64 + 1) });
    log[log.len() - 1].clone()
}

#[tokio::test]
async fn p8_a_topic_ends_for_the_public_with_the_event_that_says_so_and_for_its_own_only_if_it_is_gone() {
    for is_reordered in [false, true] {
        let table = Arc::new(Table::default());
        let hub = hub(&table);
        table.append_many(home(1), 2);
        let ((anybody, public), (host, own)) = (Watcher::new(1), Watcher::new(2));
        hub.attach(home(1), &public, 1, Standing::Public).await.unwrap();
        hub.attach(home(1), &own, 2, Standing::Own).await.unwrap();
        let mut news = vec![append_kind(&table, home(1), "property.unlisted"), append_kind(&table, home(1), "availability.changed")];
        if is_reordered {
            // The second waits for the first, which is read from the table.
            news.remove(0);
        }
        hub.publish(&news);
        eventually(|| host.seqs() == [3, 4]).await;
        assert_eq!(anybody.seqs(), [2, 3]);
        assert_eq!(*anybody.ended.lock().unwrap(), [(home(1), 2)], "told once, after the last event");
        assert!(!hub.is_attached(home(1), 1) && hub.is_attached(home(1), 2));
        assert!(host.ended.lock().unwrap().is_empty());

        hub.publish(&[append_kind(&table, home(1), "property.deleted"), append_kind(&table, home(1), "availability.changed")]);
        assert_eq!((host.seqs(), anybody.seqs()), (vec![3, 4, 5], vec![2, 3]));
        assert_eq!(*host.ended.lock().unwrap(), [(home(1), 3)]);
    }
}

#[tokio::test]
async fn one_whose_snapshot_is_newer_than_the_end_of_a_topic_is_not_ended_by_it() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(home(1), 1);
    let (_, first) = Watcher::new(1);
    hub.attach(home(1), &first, 1, Standing::Public).await.unwrap();
    let news = [append_kind(&table, home(1), "property.unlisted"), append_kind(&table, home(1), "property.published")];
    // Its snapshot has overtaken the push.
    let (watcher, subscriber) = Watcher::new(2);
    let gate = table.close_gate();
    let attaching = tokio::spawn({
        let hub = Arc::clone(&hub);
        async move { hub.attach(home(1), &subscriber, 3, Standing::Public).await }
    });
    settle().await;
    gate.add_permits(100);
    attaching.await.unwrap().unwrap();
    hub.publish(&news);
    hub.publish(&[table.append(home(1))]);
    eventually(|| watcher.seqs() == [4]).await;
    assert!(watcher.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn those_who_come_back_together_share_the_reads() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(home(1), 400);
    let gate = table.close_gate();
    let come_back = |id: SubscriberId, after: Seq| {
        let (hub, (watcher, subscriber)) = (Arc::clone(&hub), Watcher::new(id));
        (watcher, tokio::spawn(async move { hub.attach(home(1), &subscriber, after, Standing::Public).await }))
    };
    let all_of_them: Vec<_> = (1..=50).map(|id| (100 + id % 3, come_back(id, 100 + id % 3))).collect();
    settle().await;
    gate.add_permits(10_000);
    for (after, (watcher, attaching)) in all_of_them {
        assert_eq!(attaching.await.unwrap(), Ok(Attached { head: 400 }));
        assert_eq!(watcher.seqs(), all(after + 1..=400));
    }
    let reads = || table.reads.swap(0, Ordering::SeqCst);
    assert_eq!(reads(), 5, "the head, and four pages, wherever in them the 50 were");
    let (watcher, attaching) = come_back(60, 102);
    attaching.await.unwrap().unwrap();
    assert_eq!((watcher.seqs(), reads()), (all(103..=400), 0), "kept for a moment");
    hub.sweep(1);
    come_back(61, 102).1.await.unwrap().unwrap();
    assert_eq!(reads(), 4, "and no longer");
}

#[tokio::test]
async fn a_page_that_could_not_be_read_is_read_again_by_the_next() {
    let table = Arc::new(Table::default());
    let hub = hub(&table);
    table.append_many(home(1), 3);
    let (_other, waiting) = Watcher::new(1);
    hub.attach(home(1), &waiting, 3, Standing::Public).await.unwrap();
    table.failures_left.store(1, Ordering::SeqCst);
    let (watcher, subscriber) = Watcher::new(2);
    assert!(matches!(hub.attach(home(1), &subscriber, 0, Standing::Public).await, Err(AttachError::Source(_))));
    hub.attach(home(1), &subscriber, 0, Standing::Public).await.unwrap();
    assert_eq!(watcher.seqs(), all(1..=3));
}
