//! Notifications: beside what they follow from, wanted or not, read here and there, swept by age.

use http::{Method, header};
use latchkey_protocol::event::Event as WireEvent;
use latchkey_protocol::rest::{Page, ReadNotifications, SendMessage, SetPreferences};
use latchkey_protocol::view::{Booking, Notification, Preference, Preferences, UnreadCount};
use latchkey_protocol::{BookingId, ErrorCode, NotificationId, NotificationKind};
use serde_json::json;

use crate::support::hub::list_home;
use crate::support::rest::Answer;
use crate::support::watcher::{assert_gapless, typed};
use crate::support::{Guest, Hub, eventually, nights};

const DAY_S: i64 = 86_400;

async fn notifications(who: &Guest, query: &str) -> Page<Notification> {
    who.get(&format!("/notifications/{query}")).send().await.expect_json(200)
}

async fn kinds(who: &Guest) -> Vec<NotificationKind> {
    notifications(who, "").await.items.iter().map(|notification| notification.kind).collect()
}

async fn unread(who: &Guest) -> u64 {
    who.get("/notifications/unread-count/").send().await.expect_json::<UnreadCount>(200).unread
}

async fn read(who: &Guest, ask: &ReadNotifications) -> u64 {
    who.post("/notifications/read/", ask).send().await.expect_json::<UnreadCount>(200).unread
}

async fn send(who: &Guest, booking: BookingId) {
    let ask = SendMessage { text: "Hello".to_owned() };
    assert_eq!(who.post(&format!("/bookings/{booking}/messages/"), &ask).send().await.status, 201);
}

async fn choose(who: &Guest, tag: &str, items: &[Preference]) -> Answer {
    let ask = who.rest.request(Method::PUT, "/notifications/preferences/").bearer(&who.tokens.access_token);
    ask.header(header::IF_MATCH, tag).json(&SetPreferences { items: items.to_vec() }).send().await
}

fn only(kind: NotificationKind, in_app: bool, email: bool) -> [Preference; 1] {
    [Preference { kind, in_app, email }]
}

async fn verify(hub: &Hub, who: &Guest) {
    let token = hub.mailed_token(&who.email, "Verify your e-mail address").await;
    assert_eq!(hub.rest.post("/auth/verify-email/").json(&json!({ "token": token })).send().await.status, 204);
}

/// A host, a guest, and a booking of theirs that is paid.
async fn confirmed(hub: &Hub) -> (Guest, Guest, Booking) {
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    host.follow_inbox().await;
    ada.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    let is_paid = || async { (ada.payment(booking.id).await.captured_minor > 0).then_some(()) };
    eventually("the money", is_paid).await;
    (host, ada, booking)
}

/// The host calls a paid booking off, and the money has gone back: the guest has three notifications then.
async fn cancel_and_refund(host: &Guest, ada: &Guest, booking: &Booking) {
    host.cancel(booking).await.unwrap();
    eventually("the refund", || async { (kinds(ada).await.len() == 3).then_some(()) }).await;
}

#[tokio::test]
async fn each_side_is_notified_of_what_the_other_did_and_hears_of_it_live() {
    use NotificationKind::{BookingCancelled, BookingConfirmed, RefundSent};
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    cancel_and_refund(&host, &ada, &booking).await;
    assert_eq!(kinds(&ada).await, [RefundSent, BookingCancelled, BookingConfirmed]);
    assert_eq!(kinds(&host).await, [BookingConfirmed], "the host knows who cancelled it");
    for party in [&ada, &host] {
        party.live.ping().await;
        let events = party.live.events(party.inbox());
        assert_gapless(&events, 0);
        let created = events.iter().filter_map(|event| match typed(event) {
            WireEvent::NotificationCreated(notice) => Some((notice.notification, notice.kind, notice.booking)),
            _ => None,
        });
        let mut listed: Vec<_> = notifications(party, "").await.items.iter().map(|one| (one.id, one.kind, one.booking)).collect();
        listed.reverse();
        assert_eq!(created.collect::<Vec<_>>(), listed, "P3: each with its event");
        assert!(listed.iter().all(|(_, _, about)| *about == booking.id));
    }
}

#[tokio::test]
async fn a_declined_payment_and_a_booking_that_runs_out_are_the_guests_to_know() {
    use NotificationKind::{BookingExpired, PaymentFailed};
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    ada.follow_inbox().await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    ada.pay(&booking, "pm_card_declined").await.unwrap();
    hub.advance_s(20);
    ada.hears("booking.expired").await;
    assert_eq!(kinds(&ada).await, [BookingExpired, PaymentFailed]);
    assert!(kinds(&host).await.is_empty());
}

#[tokio::test]
async fn notifications_are_read_by_name_or_up_to_one_and_only_ones_own() {
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    cancel_and_refund(&host, &ada, &booking).await;
    let all = notifications(&ada, "").await.items;
    let ids: Vec<NotificationId> = all.iter().map(|notification| notification.id).collect();
    assert_eq!((unread(&ada).await, ids.len()), (3, 3));
    let named = |ids: &[NotificationId]| ReadNotifications { notifications: Some(ids.to_vec()), up_to: None };
    assert_eq!(read(&host, &named(&ids)).await, 1, "another user's are not there");
    assert_eq!(unread(&ada).await, 3);
    assert_eq!(read(&ada, &named(&ids[..1])).await, 2);
    assert_eq!(read(&ada, &named(&ids[..1])).await, 2, "twice is the same");
    let rest = notifications(&ada, "?unread=true&limit=1").await;
    assert_eq!(rest.items[0].id, ids[1]);
    let last = notifications(&ada, &format!("?unread=true&limit=1&cursor={}", rest.next.unwrap())).await;
    assert_eq!((last.items[0].id, last.next), (ids[2], None));
    assert_eq!(read(&ada, &ReadNotifications { up_to: Some(ids[1]), notifications: None }).await, 0);
    assert!(notifications(&ada, "").await.items.iter().all(|notification| notification.read_at.is_some()));
    ada.live.ping().await;
    let told = ada.live.events(ada.inbox()).iter().filter(|event| event.kind == "notification.read").count();
    assert_eq!(told, 2, "once for each change, for one's other devices");
    let both = ReadNotifications { up_to: Some(ids[0]), notifications: Some(ids.clone()) };
    for nonsense in [ReadNotifications::default(), both, named(&[]), named(&[ids[0]; 101])] {
        ada.post("/notifications/read/", &nonsense).send().await.expect_problem(422, ErrorCode::Invalid);
    }
}

#[tokio::test]
async fn of_a_thread_there_is_one_unread_notification_until_it_is_read() {
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    for _ in 0..3 {
        send(&host, booking.id).await;
    }
    let messages = async || {
        let items = notifications(&ada, "").await.items;
        let of_messages = items.into_iter().filter(|notification| notification.kind == NotificationKind::MessageReceived);
        of_messages.map(|notification| (notification.count, notification.read_at.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(messages().await, [(3, false)]);
    let path = format!("/bookings/{}/messages/read/", booking.id);
    ada.post(&path, &json!({"up_to": 3})).send().await.expect_json::<serde_json::Value>(200);
    assert_eq!(messages().await, [(3, true)], "whoever has read the thread has read its notification");
    send(&host, booking.id).await;
    assert_eq!(messages().await, [(1, false), (3, true)]);
    ada.live.ping().await;
    let heard = ada.heard();
    assert_eq!(heard.iter().filter(|kind| *kind == "message.sent").count(), 4);
    // The confirmation, and two of the thread.
    assert_eq!(heard.iter().filter(|kind| *kind == "notification.created").count(), 3, "{heard:?}");
}

#[tokio::test]
async fn what_is_muted_is_not_there_and_choices_are_not_lost_to_each_other() {
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    let first = ada.get("/notifications/preferences/").send().await;
    assert_eq!(first.header("etag"), Some("\"v0\""));
    let chosen: Preferences = first.expect_json(200);
    assert_eq!(chosen.items.len(), NotificationKind::ALL.len());
    let is_default = |item: &Preference| {
        let channels = latchkey::domain::notification::default_channels(item.kind);
        (item.in_app, item.email) == (channels.in_app, channels.email)
    };
    assert!(chosen.items.iter().all(is_default));
    let mute = only(NotificationKind::MessageReceived, false, false);
    let muted = choose(&ada, "\"v0\"", &mute).await;
    assert_eq!(muted.header("etag"), Some("\"v1\""));
    choose(&ada, "\"v0\"", &[]).await.expect_problem(412, ErrorCode::PreconditionFailed);
    choose(&ada, "\"v1\"", &[mute[0], mute[0]]).await.expect_problem(422, ErrorCode::Invalid);
    let without = ada.rest.request(Method::PUT, "/notifications/preferences/").bearer(&ada.tokens.access_token);
    without.json(&json!({"items": []})).send().await.expect_problem(428, ErrorCode::PreconditionRequired);

    send(&host, booking.id).await;
    send(&host, booking.id).await;
    assert_eq!((kinds(&ada).await, unread(&ada).await), (vec![NotificationKind::BookingConfirmed], 1));
    ada.live.ping().await;
    let heard = ada.heard();
    assert_eq!(heard.iter().filter(|kind| *kind == "notification.created").count(), 1, "{heard:?}");
    assert_eq!(heard.iter().filter(|kind| *kind == "message.sent").count(), 2, "the messages themselves are");
    // Wanted again: the next message after what is read is notified.
    choose(&ada, "\"v1\"", &[]).await.expect_json::<Preferences>(200);
    let path = format!("/bookings/{}/messages/read/", booking.id);
    ada.post(&path, &json!({"up_to": 2})).send().await.expect_json::<serde_json::Value>(200);
    send(&host, booking.id).await;
    assert_eq!(unread(&ada).await, 2);
}

#[tokio::test]
async fn mails_go_to_verified_addresses_that_want_them_and_say_nothing_that_was_written() {
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    let mails = |to: &str, subject: &str| {
        let (to, subject) = (format!("To: {to}\r\n"), format!("Subject: {subject}\r\n"));
        let texts =
            std::fs::read_dir(hub.data().join("mail")).unwrap().filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
        texts.filter(|text| text.contains(&to) && text.contains(&subject)).count()
    };
    let store = hub.store();
    let sent = || async {
        let jobs = store.jobs(None, None, 100).await.unwrap();
        (!jobs.iter().any(|job| job.id.work.name() == "mail")).then_some(())
    };
    eventually("mails", sent).await;
    assert_eq!(mails(&ada.email, "A booking is confirmed"), 0, "nobody has shown that the address is theirs");
    verify(&hub, &ada).await;
    verify(&hub, &host).await;
    send(&host, booking.id).await;
    let letter = hub.letter(&ada.email, "You have a message").await;
    assert!(letter.contains(&format!("/bookings/{}/messages/", booking.id)) && !letter.contains("Hello\r\n"), "{letter}");
    send(&host, booking.id).await;
    eventually("mails", sent).await;
    assert_eq!(mails(&ada.email, "You have a message"), 1, "one, as of notifications");

    choose(&ada, "*", &only(NotificationKind::BookingCancelled, true, false)).await.expect_json::<Preferences>(200);
    host.cancel(&booking).await.unwrap();
    hub.letter(&ada.email, "Money is on its way back").await;
    eventually("mails", sent).await;
    assert_eq!(mails(&ada.email, "A booking was cancelled"), 0);
    assert_eq!(mails(&host.email, "A booking was cancelled"), 0, "the host did it");
}

#[tokio::test]
async fn what_is_no_longer_wanted_when_a_mail_would_be_sent_is_not_sent() {
    use latchkey::domain::mail::Mail;
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    verify(&hub, &ada).await;
    let services = hub.services();
    let mail = |kind| Mail::Notification { user: ada.user, kind, booking: booking.id };
    let confirmed = mail(NotificationKind::BookingConfirmed);
    assert!(services.accounts.compose(&confirmed).await.unwrap().is_some());
    choose(&ada, "*", &only(NotificationKind::BookingConfirmed, true, false)).await.expect_json::<Preferences>(200);
    assert_eq!(services.accounts.compose(&confirmed).await.unwrap(), None);
    let message = mail(NotificationKind::MessageReceived);
    assert_eq!(services.accounts.compose(&message).await.unwrap(), None, "nobody wrote");
    send(&host, booking.id).await;
    assert!(services.accounts.compose(&message).await.unwrap().is_some());
    let path = format!("/bookings/{}/messages/read/", booking.id);
    ada.post(&path, &json!({"up_to": 1})).send().await.expect_json::<serde_json::Value>(200);
    assert_eq!(services.accounts.compose(&message).await.unwrap(), None, "it is read already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications_go_ninety_days_after_they_were_read_and_a_year_after_they_were_made() {
    let hub = Hub::start().await;
    let (host, ada, booking) = confirmed(&hub).await;
    cancel_and_refund(&host, &ada, &booking).await;
    let ids: Vec<NotificationId> = notifications(&ada, "").await.items.iter().map(|notification| notification.id).collect();
    assert_eq!(read(&ada, &ReadNotifications { notifications: Some(ids[..1].to_vec()), up_to: None }).await, 2);
    let (store, ada) = (hub.store(), ada.user);
    let left =
        || async { store.notifications(ada, None, false, 100, latchkey::domain::Timestamp::from_epoch_ms(hub.now())).await.unwrap().len() };
    // Time is moved only while no sweep is under way, or it would be planned anew without having seen the new time.
    let swept = || async {
        let sweep = latchkey::domain::Job::sweep(
            latchkey::domain::retention::Sweep::Notifications(None),
            latchkey::domain::Timestamp::from_epoch_ms(0),
        );
        let state = store.job(&sweep.id).await.unwrap()?.state;
        matches!(state, latchkey::domain::job::JobState::Waiting { run_at } if run_at.epoch_ms() > hub.now() + 1_800_000).then_some(())
    };
    eventually("the sweep", swept).await;
    for (days, expected) in [(89, 3), (2, 2), (273, 2), (2, 0)] {
        hub.advance_s(days * DAY_S);
        eventually("the sweep", swept).await;
        assert_eq!(left().await, expected, "after {days} days more");
    }
}
