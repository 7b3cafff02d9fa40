//! What the two sides of a booking write to each other, over REST, as both hear it live and nobody else does.

use latchkey_protocol::event::Event as WireEvent;
use latchkey_protocol::rest::{Page, ReadMessages, SendMessage, WithPassword};
use latchkey_protocol::view::{BookingState, Export, Message, Thread};
use latchkey_protocol::{BookingId, ErrorCode, Topic};

use crate::support::guest::PASSWORD;
use crate::support::hub::list_home;
use crate::support::rest::Answer;
use crate::support::socket::Event;
use crate::support::watcher::{assert_gapless, typed};
use crate::support::{Guest, Hub, eventually, fresh_key, nights};

const DAY_S: i64 = 86_400;

fn path(booking: BookingId) -> String {
    format!("/bookings/{booking}/messages/")
}

async fn send(who: &Guest, booking: BookingId, text: &str) -> Message {
    who.post(&path(booking), &SendMessage { text: text.to_owned() }).send().await.expect_json(201)
}

async fn read(who: &Guest, booking: BookingId, up_to: u64) -> Answer {
    who.post(&format!("/bookings/{booking}/messages/read/"), &ReadMessages { up_to }).send().await
}

async fn thread(who: &Guest, booking: BookingId) -> Thread {
    who.get(&format!("/threads/{booking}/")).send().await.expect_json(200)
}

async fn page(who: &Guest, path: &str) -> Page<Message> {
    who.get(path).send().await.expect_json(200)
}

/// A host, a guest, and a booking of theirs that waits for its payment.
async fn booked(hub: &Hub) -> (Guest, Guest, BookingId) {
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    (host, ada, booking.id)
}

#[tokio::test]
async fn both_sides_hear_of_a_message_and_of_its_being_read_and_no_frame_has_its_text() {
    let hub = Hub::start().await;
    let (host, ada, booking) = booked(&hub).await;
    let topic = Topic::Booking(booking);
    for party in [&host, &ada] {
        party.live.subscribe(party.inbox()).await.unwrap();
        party.live.subscribe(topic).await.unwrap();
    }
    let message = send(&ada, booking, "a canary sings").await;
    assert_eq!((message.number, message.sender, message.text.as_deref()), (1, ada.user, Some("a canary sings")));
    assert_eq!(page(&host, &path(booking)).await.items, std::slice::from_ref(&message));
    assert_eq!(thread(&host, booking).await.unread, 1);
    let seen: Thread = read(&host, booking, 1).await.expect_json(200);
    assert_eq!((seen.unread, seen.read_up_to, seen.other), (0, 1, ada.user));
    for party in [&host, &ada] {
        for heard_on in [party.inbox(), topic] {
            let WireEvent::MessageSent(sent) = typed(&party.live.event_of(heard_on, "message.sent").await) else { panic!("sent") };
            assert_eq!((sent.booking, sent.message, sent.sender), (booking, 1, ada.user));
            let WireEvent::MessageRead(read) = typed(&party.live.event_of(heard_on, "message.read").await) else { panic!("read") };
            assert_eq!((read.booking, read.reader, read.up_to), (booking, host.user, 1));
        }
        assert!(party.live.frames().iter().all(|frame| !frame.contains("canary")));
    }
    assert_eq!(thread(&ada, booking).await.other_read_up_to, 1);
    // Said again, nothing is told again.
    let head = hub.store().topic_head(topic).await.unwrap();
    read(&host, booking, 1).await.expect_json::<Thread>(200);
    assert_eq!(hub.store().topic_head(topic).await.unwrap(), head);
    read(&host, booking, 2).await.expect_problem(422, ErrorCode::Invalid);
    // The booking goes on from there.
    ada.pay(&ada.booking(booking).await, "pm_card_visa").await.unwrap();
    let is_confirmed = || async { (ada.booking(booking).await.state == BookingState::Confirmed).then_some(()) };
    eventually("a confirmed booking", is_confirmed).await;
}

#[tokio::test]
async fn p8_to_strangers_a_thread_is_not_there() {
    let hub = Hub::start().await;
    let (_host, ada, booking) = booked(&hub).await;
    send(&ada, booking, "Hello").await;
    let eve = hub.guest("eve").await;
    let nothing = BookingId::from_bytes([9; 16]);
    for of in [booking, nothing] {
        eve.get(&path(of)).send().await.expect_problem(404, ErrorCode::NotFound);
        eve.get(&format!("/threads/{of}/")).send().await.expect_problem(404, ErrorCode::NotFound);
        eve.post(&path(of), &SendMessage { text: "Hi".to_owned() }).send().await.expect_problem(404, ErrorCode::NotFound);
        read(&eve, of, 1).await.expect_problem(404, ErrorCode::NotFound);
    }
    assert!(eve.get("/threads/").send().await.expect_json::<Page<Thread>>(200).items.is_empty());
}

#[tokio::test]
async fn p7_a_message_that_is_sent_twice_with_one_key_is_one_and_its_text_is_not_kept_under_the_key() {
    let mut hub = Hub::start().await;
    let (_host, ada, booking) = booked(&hub).await;
    let key = fresh_key();
    let ask =
        |text: &str| ada.rest.post(&path(booking)).bearer(&ada.tokens.access_token).key(&key).json(&SendMessage { text: text.to_owned() });
    let first: Message = ask("a canary sings").send().await.expect_json(201);
    let again: Message = ask("a canary sings").send().await.expect_json(201);
    assert_eq!(first, again);
    ask("another bird").send().await.expect_problem(422, ErrorCode::KeyReused);
    assert_eq!(page(&ada, &path(booking)).await.items.len(), 1);
    hub.stop().await;
    let url = format!("surrealkv://{}", hub.data().join("database").display());
    let auditor = surrealdb::engine::any::connect(url).await.unwrap();
    auditor.use_ns("latchkey").use_db("main").await.unwrap();
    for table in ["idempotency", "event", "job", "notification", "thread"] {
        let mut answers = auditor.query("SELECT * FROM type::table($table)").bind(("table", table)).await.unwrap();
        let rows: surrealdb::types::Value = answers.take(0).unwrap();
        let text = rows.into_json_value().to_string();
        assert!(text.len() > 2 && !text.contains("canary"), "{table}: {text}");
    }
}

#[tokio::test]
async fn pages_are_newest_first_and_stay_where_they_are_while_others_write() {
    let hub = Hub::start().await;
    let (host, ada, booking) = booked(&hub).await;
    for number in 0..7 {
        send(if number % 2 == 0 { &ada } else { &host }, booking, &format!("{number}")).await;
    }
    let (mut numbers, mut next) = (Vec::new(), Some(format!("{}?limit=3", path(booking))));
    while let Some(path_of_page) = next {
        let found = page(&host, &path_of_page).await;
        numbers.extend(found.items.iter().map(|message| message.number));
        next = found.next.map(|cursor| format!("{}?limit=3&cursor={cursor}", path(booking)));
        if numbers.len() == 3 {
            send(&ada, booking, "meanwhile").await;
        }
    }
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
    ada.get(&format!("{}?cursor=nonsense", path(booking))).send().await.expect_problem(422, ErrorCode::Invalid);
}

#[tokio::test]
async fn threads_are_listed_by_their_newest_message_with_what_is_unread() {
    let hub = Hub::start().await;
    let (host, ada, first) = booked(&hub).await;
    let home = list_home(&host).await;
    let second = ada.hold_and_book(&home, nights(10, 2)).await.id;
    let third = ada.hold_and_book(&home, nights(20, 2)).await.id;
    for booking in [first, second, third, first] {
        send(&host, booking, "Hello").await;
        hub.advance_s(1);
    }
    let threads = async |who: &Guest, query: &str| -> Page<Thread> { who.get(&format!("/threads/{query}")).send().await.expect_json(200) };
    let all = threads(&ada, "").await;
    let seen: Vec<_> = all.items.iter().map(|thread| (thread.booking, thread.messages, thread.unread)).collect();
    assert_eq!(seen, [(first, 2, 2), (third, 1, 1), (second, 1, 1)]);
    let begin = threads(&ada, "?limit=1").await;
    assert_eq!(begin.items[0].booking, first);
    let rest = threads(&ada, &format!("?limit=2&cursor={}", begin.next.unwrap())).await;
    assert_eq!(rest.items.iter().map(|thread| thread.booking).collect::<Vec<_>>(), [third, second]);
    assert_eq!(rest.next, None);
    assert!(threads(&host, "").await.items.iter().all(|thread| thread.unread == 0 && thread.other == ada.user));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p4_many_who_write_at_once_are_all_heard_in_one_order() {
    let hub = Hub::start().await;
    let (host, ada, booking) = booked(&hub).await;
    for party in [&host, &ada] {
        party.live.subscribe(party.inbox()).await.unwrap();
    }
    let writing = (0..24).map(|number| {
        let who = if number % 2 == 0 { &ada } else { &host };
        send(who, booking, "Hello")
    });
    let mut numbers: Vec<u64> = futures_util::future::join_all(writing).await.iter().map(|message| message.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=24).collect::<Vec<_>>());
    for party in [&host, &ada] {
        let numbers_of = |events: &[Event]| -> Vec<u64> {
            let heard = events.iter().filter_map(|event| match typed(event) {
                WireEvent::MessageSent(sent) => Some(sent.message),
                _ => None,
            });
            heard.collect()
        };
        // The last one may be pushed after its sender was answered.
        let all = || async { (numbers_of(&party.live.events(party.inbox())).len() >= 24).then_some(()) };
        eventually("every message", all).await;
        let events = party.live.events(party.inbox());
        assert_gapless(&events, events[0].seq - 1);
        assert_eq!(numbers_of(&events), (1..=24).collect::<Vec<_>>(), "the order of the topic is that of the numbers");
    }
    let (of_host, of_ada) = (thread(&host, booking).await, thread(&ada, booking).await);
    assert_eq!((of_host.unread, of_ada.unread, of_ada.messages), (12, 12, 24));
}

#[tokio::test]
async fn a_text_must_fit_and_too_many_in_a_minute_are_refused() {
    let hub = Hub::start().await;
    let (_host, ada, booking) = booked(&hub).await;
    for text in [String::new(), "a".repeat(4_001), "bell\u{7}".to_owned(), "a\r\nb".to_owned()] {
        let problem = ada.post(&path(booking), &SendMessage { text }).send().await.expect_problem(422, ErrorCode::Invalid);
        assert_eq!(problem.error.details["field"], "text".into());
    }
    send(&ada, booking, &"é".repeat(4_000)).await;
    send(&ada, booking, "two\n\tlines").await;
    let nowhere = path(BookingId::from_bytes([9; 16]));
    let mut statuses = Vec::new();
    for _ in 0..60 {
        statuses.push(ada.post(&nowhere, &SendMessage { text: "Hello".to_owned() }).send().await);
    }
    let refused: Vec<_> = statuses.iter().filter(|answer| answer.status == 429).collect();
    assert!(!refused.is_empty(), "each attempt counts");
    let problem = refused[0].expect_problem(429, ErrorCode::RateLimited);
    assert!(problem.error.details.contains_key("retry_after_ms"));
}

#[tokio::test]
async fn a_thread_is_read_for_ever_and_written_until_sixty_days_after_the_end() {
    let hub = Hub::start().await;
    let (host, ada, booking) = booked(&hub).await;
    ada.cancel(&ada.booking(booking).await).await.unwrap();
    send(&host, booking, "Next time, perhaps").await;
    hub.advance_s(60 * DAY_S + 60);
    let (host, ada) = (Guest::log_in(hub.address, &host.email).await, Guest::log_in(hub.address, &ada.email).await);
    let late = ada.post(&path(booking), &SendMessage { text: "Hello?".to_owned() }).send().await;
    assert_eq!(late.expect_problem(409, ErrorCode::InvalidState).error.details["state"], "thread_closed".into());
    assert_eq!(page(&ada, &path(booking)).await.items.len(), 1);
    let thread: Thread = read(&ada, booking, 1).await.expect_json(200);
    assert_eq!(thread.unread, 0);
    assert_eq!(page(&host, &path(booking)).await.items.len(), 1);
}

#[tokio::test]
async fn an_export_has_ones_own_messages_and_who_is_erased_takes_their_texts_along() {
    let hub = Hub::start().await;
    let (host, ada, booking) = booked(&hub).await;
    send(&ada, booking, "mine").await;
    send(&host, booking, "the other side's").await;
    let export: Export = ada.get("/users/me/export/").send().await.expect_json(200);
    assert_eq!(export.messages.iter().map(|message| message.text.as_deref()).collect::<Vec<_>>(), [Some("mine")]);
    assert_eq!(export.notifications.len(), 1, "of the other side's message");
    assert_eq!(export.preferences.version, 0);
    ada.cancel(&ada.booking(booking).await).await.unwrap();
    let erased = ada.post("/users/me/erase/", &WithPassword { password: PASSWORD.to_owned() }).send().await;
    assert_eq!(erased.status, 204, "{}", erased.text());
    let gone = || async {
        let items = page(&host, &path(booking)).await.items;
        let texts: Vec<_> = items.iter().map(|message| (message.number, message.text.clone())).collect();
        (texts == [(2, Some("the other side's".to_owned())), (1, None)]).then_some(())
    };
    eventually("the texts of who was erased to go", gone).await;
    // Once more, for what was on its way; then the work is done.
    let store = hub.store();
    let owed = || async { store.jobs(None, None, 100).await.unwrap().iter().filter(|job| job.id.work.name() == "forget").count() };
    assert_eq!(owed().await, 1);
    hub.advance_s(121);
    eventually("the work to end", || async { (owed().await == 0).then_some(()) }).await;
    assert_eq!(page(&host, &path(booking)).await.items[0].text.as_deref(), Some("the other side's"));
}
