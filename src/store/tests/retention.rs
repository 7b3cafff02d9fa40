//! Deleting by age: what is found, what goes, what stays.

use super::*;
use crate::domain::retention::Outlived;

fn writes(writes: Vec<Write>) -> ChangeSet {
    ChangeSet { writes, ..ChangeSet::default() }
}

fn inbox(user: u16) -> Topic {
    Topic::User(UserId::from_bytes(id(user)))
}

#[tokio::test]
async fn p4_a_topic_whose_old_events_are_swept_keeps_its_head_and_goes_on() {
    for engine in ENGINES {
        // Below, at and beyond the places where the committer writes a hint.
        for length in [1_u64, 2, 3, 63, 64, 65, 130] {
            let bench = bench(engine).await;
            for _ in 0..length {
                bench.store.commit(note(5), Lane::Normal).await.unwrap();
            }
            for below in [2, length / 2, length, length / 3] {
                if !(2..=length).contains(&below) {
                    continue;
                }
                let sweep = Write::Sweep(Outlived::Events { topic: inbox(5), below });
                bench.store.commit(writes(vec![sweep]), Lane::Normal).await.unwrap();
                assert_eq!(bench.store.topic_head(inbox(5)).await.unwrap(), length, "{engine}: {length} events, swept below {below}");
            }
            let first = if length == 1 { 1 } else { length };
            let left: Vec<Seq> = bench.store.events(inbox(5), 1, 1_000).await.unwrap().iter().map(|event| event.seq).collect();
            assert_eq!(left, (first..=length).collect::<Vec<_>>(), "{engine}");
            // Another process finds the same head, in the database.
            let other = Store::on(
                Arc::clone(bench.store.database()),
                Arc::new(SystemClock),
                Arc::new(Published::default()),
                CommitterLimits::default(),
            );
            other.await.unwrap().commit(note(5), Lane::Normal).await.unwrap();
            assert_eq!(bench.store.topic_head(inbox(5)).await.unwrap(), length + 1, "{engine}");
        }
    }
}

#[tokio::test]
async fn a_hint_never_falls_when_a_sweep_comes_after_newer_events() {
    let bench = bench("surrealkv").await;
    for _ in 0..130 {
        bench.store.commit(note(5), Lane::Normal).await.unwrap();
    }
    bench.store.commit(writes(vec![Write::Sweep(Outlived::Events { topic: inbox(5), below: 130 })]), Lane::Normal).await.unwrap();
    bench.store.commit(writes(vec![Write::Sweep(Outlived::Events { topic: inbox(5), below: 2 })]), Lane::Normal).await.unwrap();
    assert_eq!(bench.store.topic_head(inbox(5)).await.unwrap(), 130);
}

#[tokio::test]
async fn the_log_names_what_each_batch_inserted_and_is_read_across_gaps() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let used = FirstUse { scope: "user hold".to_owned(), key: "k1".to_owned(), fingerprint: "f".to_owned() };
        let keyed = ChangeSet {
            idempotency: Some(Idempotency { used: used.clone(), reply: Arc::from("{}"), at: now() }),
            writes: vec![Write::SeeWebhook { event_id: "evt_1".to_owned(), at: now() }],
            ..note(1)
        };
        bench.store.commit(keyed, Lane::Normal).await.unwrap();
        let node = bench.store.committer.node();
        let processes = bench.store.nodes().await.unwrap();
        assert_eq!(processes.iter().map(|process| (process.node, process.is_over)).collect::<Vec<_>>(), [(node, false)], "{engine}");
        let log = bench.store.log(node, 0).await.unwrap();
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].events, [(inbox(1), 1)]);
        assert_eq!(log[0].keys, [(used.scope.clone(), used.key.clone())], "{engine}");
        assert_eq!(log[0].webhooks, ["evt_1"], "{engine}");
        let soon = now().plus_ms(60_000);
        let key = |before| Outlived::Key { scope: used.scope.clone(), key: used.key.clone(), before };
        let named = [key(soon), Outlived::Webhook("evt_1".to_owned())];
        assert_eq!(bench.store.keys_and_webhooks(soon, soon, 10).await.unwrap(), named, "{engine}");

        // Batches that failed leave gaps, here of many numbers.
        for _ in 0..300 {
            let again = ChangeSet { idempotency: Some(Idempotency { used: used.clone(), reply: Arc::from("{}"), at: now() }), ..note(1) };
            assert_eq!(bench.store.commit(again, Lane::Normal).await, Err(CommitError::Contended(Contended::Key)));
        }
        bench.store.commit(note(2), Lane::Normal).await.unwrap();
        let after = bench.store.log(node, log[0].number + 1).await.unwrap();
        assert_eq!(after.iter().map(|batch| &batch.events).collect::<Vec<_>>(), [&vec![(inbox(2), 1)]], "{engine}");
        // Used at that very instant or later, it is another use than the one that is to be forgotten.
        let earlier = now().plus_ms(-60_000);
        bench.store.commit(writes(vec![Write::Sweep(key(earlier))]), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.find_key(&used).await.unwrap(), Some(KeyFound::Same("{}".to_owned())), "{engine}");
        let swept = named.into_iter().chain([Outlived::Batch { node, number: log[0].number }]);
        bench.store.commit(writes(swept.map(Write::Sweep).collect()), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.find_key(&used).await.unwrap(), None, "{engine}");
        assert_eq!(bench.store.log(node, 0).await.unwrap()[0].number, after[0].number);
    }
}

#[tokio::test]
async fn ended_holds_are_found_by_the_time_in_their_ids_and_live_ones_stay() {
    use crate::entropy::fresh_id;
    for engine in ENGINES {
        let bench = bench(engine).await;
        let home = listing(1);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        let calendar = Calendar::restore(home.clone(), Leases::default(), 1, vec![], vec![]);
        let first = home.today(now());
        let taken = [10_000, 20_000, 30_000].map(Timestamp::from_epoch_ms);
        for (number, at) in taken.into_iter().enumerate() {
            let day = first.saturating_add(i32::try_from(number).unwrap());
            let claim = ClaimId::from_bytes(fresh_id(at.epoch_ms()));
            let ask =
                HoldDates { claim, guest: UserId::from_bytes(id(1)), stay: Stay::new(day, day.saturating_add(1)).unwrap(), guests: 1 };
            let changes = calendar.hold(&ask, now()).unwrap().changes;
            let writes = changes.writes.into_iter().map(|write| match write {
                // The second one is still live.
                Write::AddHold(hold) if number != 1 => Write::AddHold(hold.release(now()).unwrap()),
                other => other,
            });
            let set = ChangeSet {
                writes: writes.collect(),
                events: vec![event(Topic::Property(home.id), Some(2 + number as u64))],
                ..ChangeSet::default()
            };
            bench.store.commit(set, Lane::Normal).await.unwrap();
        }
        assert_eq!(bench.store.first_of(Aged::Holds).await.unwrap(), Some(taken[0]), "{engine}");
        assert_eq!(bench.store.first_of(Aged::Sessions).await.unwrap(), None);
        let at = Timestamp::from_epoch_ms;
        for (from, to, ended, stays) in
            [(0, 10_000, 0, None), (0, 10_001, 1, None), (10_000, 30_000, 1, Some(taken[1])), (0, 40_000, 2, Some(taken[1]))]
        {
            let found = bench.store.ended_holds(at(from), at(to), 100).await.unwrap();
            assert_eq!((found.outlived.len(), found.stays), (ended, stays), "{engine}: {from} to {to}");
        }
        let found = bench.store.ended_holds(at(0), at(40_000), 100).await.unwrap();
        bench.store.commit(writes(found.outlived.into_iter().map(Write::Sweep).collect()), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.leases(at(0)).await.unwrap().len(), 1, "{engine}");
        assert_eq!(bench.store.ended_holds(at(0), at(40_000), 100).await.unwrap().outlived, []);
    }
}
