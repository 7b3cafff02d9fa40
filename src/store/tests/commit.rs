//! Committing and reading back: races, keys, deadlines and guards, on every engine.

use super::*;

#[tokio::test]
async fn what_is_committed_reads_back_on_every_engine() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let home = listing(1);
        bench.store.commit(list(&home), Lane::Normal).await.unwrap();
        bench.store.commit(hold_set(&home, 11, 3, 1), Lane::Normal).await.unwrap();
        let state = stored_calendar(&bench.store, &home).await;
        assert_eq!((state.seq, state.nights.len(), state.claims.len()), (2, 1, 1), "{engine}");
        assert_eq!(state.listing, home);
        assert_eq!(bench.store.events(Topic::Property(home.id), 1, 10).await.unwrap().len(), 2);
        let leases = bench.store.leases(Timestamp::from_epoch_ms(0)).await.unwrap();
        assert_eq!(leases.len(), 1);
        assert_eq!(bench.store.published_ids().await.unwrap(), [home.id]);
        assert_eq!(bench.store.listings(&[PropertyId::from_bytes(id(77)), home.id]).await.unwrap(), std::slice::from_ref(&home));
        let published: Vec<Seq> = bench.published.0.lock().unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(published, [1, 2], "P3: the events of every change, in commit order");
    }
}

#[tokio::test]
async fn p1_of_racing_nodes_one_gets_the_night_and_the_losers_write_nothing() {
    for engine in ENGINES {
        let first = bench(engine).await;
        let database = Arc::clone(first.store.database());
        let mut nodes = vec![Arc::clone(&first.store)];
        for _ in 0..3 {
            let sink = Arc::new(Published::default());
            let node = Store::on(Arc::clone(&database), Arc::new(SystemClock), sink, CommitterLimits::default()).await.unwrap();
            nodes.push(Arc::new(node));
        }
        let home = listing(1);
        nodes[0].commit(list(&home), Lane::Normal).await.unwrap();
        for round in 0..20_u16 {
            let seq = 1 + Seq::from(round);
            let racers = nodes.iter().zip(0_u16..).map(|(node, number)| {
                let (node, set) = (Arc::clone(node), hold_set(&home, 100 + round * 4 + number, i32::from(round), seq));
                tokio::spawn(async move { node.commit(set, Lane::Normal).await })
            });
            let mut won = 0;
            for racer in racers.collect::<Vec<_>>() {
                match racer.await.unwrap() {
                    Ok(()) => won += 1,
                    Err(CommitError::Contended(Contended::State)) => {}
                    Err(other) => panic!("{engine} round {round}: {other:?}"),
                }
            }
            assert_eq!(won, 1, "{engine} round {round}");
        }
        let state = stored_calendar(&nodes[0], &home).await;
        assert_eq!((state.seq, state.nights.len(), state.claims.len()), (21, 20, 20), "{engine}");
    }
}

#[tokio::test]
async fn p4_an_inbox_stays_gapless_when_two_nodes_write_to_it() {
    for engine in ENGINES {
        let one = bench(engine).await;
        let two =
            Store::on(Arc::clone(one.store.database()), Arc::new(SystemClock), Arc::new(Published::default()), CommitterLimits::default());
        let nodes = [Arc::clone(&one.store), Arc::new(two.await.unwrap())];
        let tasks: Vec<_> = (0..60_usize)
            .map(|number| {
                let node = Arc::clone(&nodes[number % 2]);
                tokio::spawn(async move { node.commit(note(5), Lane::Normal).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let topic = Topic::User(UserId::from_bytes(id(5)));
        assert_eq!(one.store.topic_head(topic).await.unwrap(), 60, "{engine}");
        let seqs: Vec<Seq> = one.store.events(topic, 1, 100).await.unwrap().iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (1..=60).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_head_is_found_past_every_multiple_of_the_hint() {
    let bench = bench("surrealkv").await;
    for number in 1..=140 {
        bench.store.commit(note(5), Lane::Normal).await.unwrap();
        if [1, 63, 64, 65, 127, 128, 129, 140].contains(&number) {
            assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(5)))).await.unwrap(), number);
        }
    }
}

#[tokio::test]
async fn p7_a_key_used_twice_is_named_and_its_first_answer_is_stored() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let used = FirstUse { scope: "user hold".to_owned(), key: "k1".to_owned(), fingerprint: "f".to_owned() };
        let with_key =
            || ChangeSet { idempotency: Some(Idempotency { used: used.clone(), reply: Arc::from("{\"a\":1}"), at: now() }), ..note(1) };
        assert_eq!(bench.store.find_key(&used).await.unwrap(), None);
        bench.store.commit(with_key(), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.commit(with_key(), Lane::Normal).await, Err(CommitError::Contended(Contended::Key)), "{engine}");
        assert_eq!(bench.store.find_key(&used).await.unwrap(), Some(KeyFound::Same("{\"a\":1}".to_owned())));
        let other = FirstUse { fingerprint: "g".to_owned(), ..used.clone() };
        assert_eq!(bench.store.find_key(&other).await.unwrap(), Some(KeyFound::Other));
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 1, "P3: the loser left no event");
    }
}

#[tokio::test]
async fn p7_the_keys_of_a_scope_are_all_of_it_and_no_others() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let used = [("a hold", "\u{10ffff}z"), ("a hold", "!"), ("a hold 2", "k"), ("a", "k"), ("b hold", "k")];
        for (scope, key) in used {
            let used = FirstUse { scope: scope.to_owned(), key: key.to_owned(), fingerprint: String::new() };
            let idempotency = Some(Idempotency { used, reply: Arc::from("{}"), at: now() });
            bench.store.commit(ChangeSet { idempotency, ..note(1) }, Lane::Normal).await.unwrap();
        }
        assert_eq!(bench.store.keys_of("a hold").await.unwrap(), ["!", "\u{10ffff}z"], "{engine}");
        assert!(bench.store.keys_of("c").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn p6_a_decision_that_reaches_the_database_too_late_is_void() {
    for engine in ENGINES {
        let bench = bench(engine).await;
        let by = |deadline| ChangeSet { deadline: Some(deadline), ..note(1) };
        bench.store.commit(by(now().plus_ms(60_000)), Lane::Normal).await.unwrap();
        assert_eq!(bench.store.commit(by(now().plus_ms(-1)), Lane::Normal).await, Err(CommitError::TooLate), "{engine}");
        bench.clock.advance_ms(61_000);
        assert_eq!(bench.store.commit(by(now().plus_ms(60_000)), Lane::Normal).await, Err(CommitError::TooLate), "{engine}");
        assert_eq!(bench.store.topic_head(Topic::User(UserId::from_bytes(id(1)))).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_replace_without_a_guard_is_refused() {
    let bench = bench("mem").await;
    let mut set = hold_set(&listing(1), 11, 3, 1);
    set.events.clear();
    set.writes = vec![Write::FreeNight(PropertyId::from_bytes(id(1)), Date::MIN)];
    assert!(matches!(bench.store.commit(set, Lane::Normal).await, Err(CommitError::Refused(_))));
}
