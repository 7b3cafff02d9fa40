//! Threads and notifications on every engine: who writes at once, what is compared, what is taken away.

use super::*;
use crate::domain::notification::Channels;
use crate::domain::thread::Place;
use crate::domain::{
    BookingId, Message, Notification, NotificationId, NotificationKind, NotificationWrite, Preferences, Thread, ThreadWrite,
};

const BOOKING: BookingId = BookingId::from_bytes([7; 16]);
const GUEST: UserId = UserId::from_bytes([1; 16]);
const HOST: UserId = UserId::from_bytes([2; 16]);

fn thread(sent: u64) -> Thread {
    Thread {
        booking: BOOKING,
        property: PropertyId::from_bytes([3; 16]),
        guest: GUEST,
        host: HOST,
        last_sent_at: Some(now()),
        guest_place: Place { sent, ..Place::default() },
        host_place: Place { notice: Some(notification(1).id), ..Place::default() },
    }
}

fn message(number: u64, sender: UserId) -> Message {
    Message { booking: BOOKING, number, sender, text: Some(format!("text {number}")), of_guest: number, sent_at: now() }
}

/// What sending the message of that number writes.
fn sent(number: u64, sender: UserId) -> ChangeSet {
    let thread = if number == 1 { ThreadWrite::Add(thread(1)) } else { ThreadWrite::Set(thread(number)) };
    let writes = vec![Write::Thread(ThreadWrite::AddMessage(message(number, sender))), Write::Thread(thread)];
    ChangeSet { writes, events: vec![event(Topic::Booking(BOOKING), Some(number))], ..ChangeSet::default() }
}

fn notification(number: u8) -> Notification {
    let (id, kind) = (NotificationId::from_bytes(crate::entropy::fresh_id(1_000 + i64::from(number))), NotificationKind::MessageReceived);
    let mut bytes = *id.as_bytes();
    bytes[6..].fill(number);
    Notification {
        id: NotificationId::from_bytes(bytes),
        user: HOST,
        kind,
        booking: BOOKING,
        count: 1,
        created_at: Timestamp::from_epoch_ms(1_000 + i64::from(number)),
        read_at: None,
        version: 1,
    }
}

fn notified(writes: impl IntoIterator<Item = NotificationWrite>) -> ChangeSet {
    ChangeSet { writes: writes.into_iter().map(Write::Notification).collect(), ..ChangeSet::default() }
}

fn read(numbers: &[u8]) -> NotificationWrite {
    let notifications = numbers.iter().map(|number| notification(*number).id).collect();
    NotificationWrite::Read { user: HOST, notifications, at: Timestamp::from_epoch_ms(5_000) }
}

#[tokio::test]
async fn p4_of_two_nodes_that_send_the_same_number_one_does_and_the_other_writes_nothing() {
    for engine in ENGINES {
        let one = bench(engine).await;
        let database = Arc::clone(one.store.database());
        let two = Store::on(database, Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default()).await.unwrap();
        let nodes = [(Arc::clone(&one.store), GUEST), (Arc::new(two), HOST)];
        for number in 1..=10 {
            let racers =
                nodes.clone().map(|(node, sender)| tokio::spawn(async move { node.commit(sent(number, sender), Lane::Normal).await }));
            let mut won = 0;
            for racer in racers {
                match racer.await.unwrap() {
                    Ok(()) => won += 1,
                    Err(CommitError::Contended(Contended::State)) => {}
                    Err(other) => panic!("{engine} {number}: {other:?}"),
                }
            }
            assert_eq!(won, 1, "{engine} {number}");
        }
        let messages = one.store.messages(BOOKING, 1, 100).await.unwrap();
        assert_eq!(messages.iter().map(|message| message.number).collect::<Vec<_>>(), (1..=10).rev().collect::<Vec<_>>());
        assert_eq!(one.store.messages(BOOKING, 4, 6).await.unwrap().len(), 3);
        let stored = one.store.thread(BOOKING).await.unwrap().unwrap();
        assert_eq!((stored.messages(), stored.host_place.notice), (10, Some(notification(1).id)), "{engine}");
        assert_eq!(one.store.threads_of(HOST, None, 10).await.unwrap(), [stored]);
    }
}

#[tokio::test]
async fn a_thread_is_not_replaced_without_an_event_of_its_booking() {
    let bench = bench("mem").await;
    bench.store.commit(sent(1, GUEST), Lane::Normal).await.unwrap();
    let unguarded = ChangeSet { writes: vec![Write::Thread(ThreadWrite::Set(thread(2)))], ..ChangeSet::default() };
    assert!(matches!(bench.store.commit(unguarded, Lane::Normal).await, Err(CommitError::Refused(_))));
}

#[tokio::test]
async fn the_texts_of_one_side_go_and_those_of_the_other_stay() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        for (number, sender) in [(1, GUEST), (2, HOST), (3, GUEST)] {
            bench.store.commit(sent(number, sender), Lane::Normal).await.unwrap();
        }
        let erase = Write::Thread(ThreadWrite::EraseTexts { booking: BOOKING, sender: GUEST });
        for _ in 0..2 {
            bench.store.commit(ChangeSet { writes: vec![erase.clone()], ..ChangeSet::default() }, Lane::Normal).await.unwrap();
        }
        let texts: Vec<_> = bench.store.messages(BOOKING, 1, 3).await.unwrap().into_iter().map(|message| message.text).collect();
        assert_eq!(texts, [None, Some("text 2".to_owned()), None], "{engine}");
    }
}

#[tokio::test]
async fn a_message_is_counted_into_a_notification_only_while_nobody_has_read_it() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let commit = |set| bench.store.commit(set, Lane::Normal);
        commit(notified([1, 2, 3].map(|number| NotificationWrite::Add(notification(number))))).await.unwrap();
        commit(notified([NotificationWrite::Set(notification(1).with_one_more())])).await.unwrap();
        commit(notified([read(&[1, 2, 99])])).await.unwrap();
        let late = commit(notified([NotificationWrite::Set(notification(1).with_one_more().with_one_more())])).await;
        assert!(matches!(late, Err(CommitError::Contended(Contended::State))), "{engine}: {late:?}");
        let again = NotificationWrite::Read { user: HOST, notifications: vec![notification(1).id], at: Timestamp::from_epoch_ms(9_000) };
        commit(notified([again])).await.unwrap();
        let stored = bench.store.notification(HOST, notification(1).id).await.unwrap().unwrap();
        assert_eq!((stored.count, stored.read_at), (2, Some(Timestamp::from_epoch_ms(5_000))), "{engine}: as it was read first");
        assert_eq!(bench.store.unread_count(HOST).await.unwrap(), 1);
        assert_eq!(bench.store.unread_count(GUEST).await.unwrap(), 0);
        let page = async |before: Option<u8>, unread_only| {
            let before = before.map(|number| notification(number).id);
            let found = bench.store.notifications(HOST, before, unread_only, 10, now()).await.unwrap();
            found.iter().map(|notification| notification.created_at.epoch_ms() - 1_000).collect::<Vec<_>>()
        };
        assert_eq!((page(None, false).await, page(Some(3), false).await, page(None, true).await), (vec![3, 2, 1], vec![2, 1], vec![3]));
        assert_eq!(bench.store.notification(HOST, notification(99).id).await.unwrap(), None, "reading makes none");
    }
}

#[tokio::test]
async fn of_two_who_choose_at_once_one_is_told_that_the_other_was_first() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let muted = Channels { in_app: false, email: true };
        let first = Preferences::unchosen(HOST).choose([(NotificationKind::RefundSent, muted)]).unwrap();
        let second = first.clone().choose([]).unwrap();
        let commit = |preferences: &Preferences| {
            bench.store.commit(ChangeSet { writes: vec![preferences.write()], ..ChangeSet::default() }, Lane::Normal)
        };
        commit(&first).await.unwrap();
        assert!(matches!(commit(&first).await, Err(CommitError::Contended(Contended::State))), "{engine}");
        assert_eq!(bench.store.preferences(HOST).await.unwrap(), Some(first));
        commit(&second).await.unwrap();
        assert!(matches!(commit(&second).await, Err(CommitError::Contended(Contended::State))), "{engine}");
        assert_eq!(bench.store.preferences(HOST).await.unwrap(), Some(second));
    }
}
