//! Queues and floods: P10.

use super::*;

#[tokio::test]
async fn a_slow_consumer_is_closed_with_whole_frames_and_its_neighbour_gets_everything() {
    let server = Server::start().await;
    let (mut slow, to_slow) = server.connect().await;
    let (mut quick, to_quick) = server.connect().await;
    let frames: Vec<Bytes> = (0..2000).map(|number| text_frame(&format!("{number:08}{}", "x".repeat(8000)))).collect();
    let reading = tokio::spawn(async move {
        for number in 0..2000 {
            assert_eq!(quick.text().await[..8], format!("{number:08}"));
        }
    });
    let mut refused_at = None;
    for (number, frame) in frames.iter().enumerate() {
        if !to_slow.deliver(Topic::Property(latchkey_protocol::PropertyId::from_bytes([1; 16])), &[event_of(frame.clone())]) {
            refused_at.get_or_insert(number);
        }
        // The neighbour is paced as a reader paces it; the slow one is not waited for.
        while to_quick.is_crowded() {
            tokio::task::yield_now().await;
        }
        assert!(to_quick.send(frame.clone()));
    }
    timeout(Duration::from_secs(5), reading).await.unwrap().unwrap();
    let refused_at = refused_at.expect("16 MB do not fit");
    let mut next = 0;
    loop {
        let (first, payload) = slow.frame().await.unwrap();
        if first == 0x80 | CLOSE {
            assert_eq!(payload[..2], CloseCode::SlowConsumer.number().to_be_bytes());
            break;
        }
        assert_eq!(payload[..8], *format!("{next:08}").as_bytes());
        next += 1;
    }
    assert!(next < refused_at, "what was queued at the limit is dropped: {next} of {refused_at}");
}

#[tokio::test]
async fn a_replay_waits_for_a_client_that_reads_slowly_instead_of_closing_it() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    let page: Vec<EventFrame> = (0..128).map(|_| event_of(text_frame(&"x".repeat(1000)))).collect();
    let topic = Topic::Property(latchkey_protocol::PropertyId::from_bytes([1; 16]));
    let replay = tokio::spawn(async move {
        for _ in 0..200 {
            std::future::poll_fn(|cx| connection.poll_room(cx)).await;
            assert!(connection.deliver(topic, &page));
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    for _ in 0..200 * 128 {
        assert_eq!(client.text().await.len(), 1000);
    }
    replay.await.unwrap();
}

#[tokio::test]
async fn p8_a_revocation_drops_what_waits_also_on_a_connection_that_is_closing_already() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    let mut sent = 0;
    while !connection.is_crowded() {
        assert!(connection.send(text_frame(&"x".repeat(8000))));
        sent += 1;
    }
    connection.close(CloseCode::TooManyConnections);
    connection.close(CloseCode::Revoked);
    let mut told = 0;
    while let Some((first, payload)) = client.frame().await {
        if first == 0x80 | CLOSE {
            assert_eq!(payload[..2], CloseCode::TooManyConnections.number().to_be_bytes(), "the first code counts");
            break;
        }
        told += 1;
    }
    assert!(told < sent, "{told} of {sent}");
}

#[tokio::test]
async fn what_waited_for_room_is_told_before_what_comes_later_and_not_after_a_close() {
    for closes in [false, true] {
        let server = Server::start().await;
        let (mut client, connection) = server.connect().await;
        let topic = Topic::Property(latchkey_protocol::PropertyId::from_bytes([1; 16]));
        let event = |seq, kind: &'static str, data: &str| {
            EventFrame::of(&crate::hub::StoredEvent { topic, seq, kind: kind.into(), at: 7, data: Arc::from(data) })
        };
        while !connection.is_crowded() {
            assert!(connection.send(text_frame(&"x".repeat(8000))));
        }
        let night = event(5, "availability.changed", r#"{"from":"2027-05-01","to":"2027-05-02","state":"held"}"#);
        assert!(connection.deliver(topic, std::slice::from_ref(&night)) && connection.is_conflating(topic));
        if closes {
            connection.send_last(crate::hub::frame::close(1000, "bye"));
        } else {
            assert!(connection.deliver(topic, &[event(6, "property.updated", "{}")]) && !connection.is_conflating(topic));
        }
        let mut told = Vec::new();
        while let Some((first, payload)) = client.frame().await {
            let text = String::from_utf8_lossy(&payload).into_owned();
            if !text.starts_with('x') {
                told.push(if first == 0x80 | CLOSE { "close".to_owned() } else { text });
            }
            if told.len() == 2 - usize::from(closes) {
                break;
            }
        }
        if closes {
            assert_eq!(told, ["close"]);
            while let Some((first, payload)) = client.frame().await {
                assert_eq!(first, 0x80 | CLOSE, "after a close: {}", String::from_utf8_lossy(&payload));
            }
        } else {
            assert!(told[0].contains(r#""seq":5"#) && told[1].contains(r#""seq":6"#), "{told:?}");
        }
    }
}

#[tokio::test]
async fn nobody_is_starved_by_a_flood_of_empty_fragments() {
    let server = Server::start().await;
    let (flooder, _) = server.connect().await;
    let (mut client, _) = server.connect().await;
    // On a thread of its own: this runtime has one, and the flooder must never have to wait for it.
    let mut flooder = flooder.0.into_std().unwrap();
    flooder.set_nonblocking(false).unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = tokio::task::spawn_blocking({
        let is_over = Arc::clone(&is_over);
        move || {
            let burst = [part(TEXT, b""), part(CONTINUATION, b"").repeat(10_000)].concat();
            std::io::Write::write_all(&mut flooder, &burst[..6]).unwrap();
            while !is_over.load(Ordering::SeqCst) && std::io::Write::write_all(&mut flooder, &burst[6..]).is_ok() {}
        }
    });
    for _ in 0..10 {
        client.send(&last(TEXT, b"still there?")).await;
        assert_eq!(client.text().await, "still there?");
    }
    is_over.store(true, Ordering::SeqCst);
    server.registry.close_all(CloseCode::PolicyViolation);
    flood.await.unwrap();
}

#[tokio::test]
async fn a_client_that_may_not_speak_yet_is_heard_later() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    server.is_paused.store(true, Ordering::SeqCst);
    client.send(&last(TEXT, b"patience")).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    connection.send(text_frame("first this"));
    assert_eq!(client.text().await, "first this");
    server.is_paused.store(false, Ordering::SeqCst);
    connection.begin_command();
    connection.end_command();
    assert_eq!(client.text().await, "patience");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_sent_from_many_threads_arrive_whole() {
    let server = Server::start().await;
    let (mut client, connection) = server.connect().await;
    let senders: Vec<_> = (0..4)
        .map(|sender| {
            let connection = Arc::clone(&connection);
            std::thread::spawn(move || {
                for number in 0..500 {
                    while connection.is_crowded() {
                        std::thread::yield_now();
                    }
                    assert!(connection.send(text_frame(&format!("{sender} {number} {}", "x".repeat(number * 3)))));
                }
            })
        })
        .collect();
    let mut next = [0; 4];
    for _ in 0..2000 {
        let text = client.text().await;
        let mut words = text.split(' ');
        let sender: usize = words.next().unwrap().parse().unwrap();
        let number: usize = words.next().unwrap().parse().unwrap();
        assert_eq!((number, words.next().unwrap().len()), (next[sender], number * 3));
        next[sender] += 1;
    }
    for sender in senders {
        sender.join().unwrap();
    }
}

#[tokio::test]
async fn p10_an_event_stream_that_nobody_carries_off_ends_at_the_limit_and_keeps_nothing() {
    let server = Server::start().await;
    let seat = server.registry.take_seat(None).unwrap();
    let connection = seat.sit(Writer::Body, Encoding::Events);
    let topic = Topic::Property(latchkey_protocol::PropertyId::from_bytes([1; 16]));
    connection.begin_at(Positions::new("e", vec![topic], None));
    let event = |seq| EventFrame::from_text(seq, text_frame(&"x".repeat(1000)));
    let first = (1..=10).map(event).collect::<Vec<_>>();
    assert!(connection.deliver(topic, &first));
    for seq in 1..=10 {
        let text = String::from_utf8(connection.take_next().unwrap().to_vec()).unwrap();
        let id = Positions::new("e", vec![topic], None).advance(topic, seq);
        assert_eq!(text, format!("id: {id}\nevent: push\ndata: {}\n\n", "x".repeat(1000)));
    }
    assert!(connection.take_next().is_none());
    let taken = (11..1_000).take_while(|seq| connection.deliver(topic, &[event(*seq)])).count();
    assert!((200..256).contains(&taken), "{taken} of 1,100 bytes within 256 KiB");
    assert_eq!((connection.closing(), connection.take_next()), (Some(CloseCode::SlowConsumer), None));
    drop(seat);
    assert_eq!(server.registry.count(), 0);
}
