//! What a live client does besides following topics and booking: go on with a new token, compare heads, write, read.

use latchkey_protocol::client::{Authenticate, BookingRef, Command, ReadMessages, SendMessage};
use latchkey_protocol::rest::{ReadNotifications, Refresh, Tokens};
use latchkey_protocol::server::{Authenticated, Typing};
use latchkey_protocol::view::{Message, Thread, UnreadCount};
use latchkey_protocol::{CloseCode, ErrorCode, Topic};

use crate::support::hub::list_home;
use crate::support::{Guest, Hub, fresh_key, nights, refused};

async fn refresh(guest: &Guest, token: &str) -> Result<Authenticated, latchkey_protocol::WireError> {
    guest.live.ask(Command::Refresh, None, &Authenticate { token: token.to_owned() }).await
}

#[tokio::test]
async fn p8_a_client_is_warned_before_its_token_ends_and_goes_on_with_the_next() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    ada.live.subscribe(ada.inbox()).await.unwrap();
    hub.advance_s(15 * 60 - 20);
    assert_eq!(ada.live.token_expiring().await.expires_at, ada.tokens.expires_at);
    let ask = Refresh { refresh_token: ada.tokens.refresh_token.clone() };
    let next: Tokens = ada.rest.post("/auth/refresh/").json(&ask).send().await.expect_json(200);
    let known = refresh(&ada, &next.access_token).await.unwrap();
    assert_eq!((known.user, known.expires_at), (ada.user, next.expires_at));
    assert!(next.expires_at > ada.tokens.expires_at);
    refused(refresh(&ada, "nonsense").await, ErrorCode::Unauthenticated);
    refused(refresh(&ada, &Guest::log_in(hub.address, &host.email).await.tokens.access_token).await, ErrorCode::Forbidden);
    hub.advance_s(60);
    host.live.expect_end(CloseCode::TokenExpired).await;
    ada.live.ping().await;
    ada.rest.post("/users/me/host/").bearer(&next.access_token).send().await.expect_json::<serde_json::Value>(200);
    ada.live.event_of(ada.inbox(), "account.updated").await;
    hub.advance_s(15 * 60 - 90);
    assert_eq!(ada.live.token_expiring().await.expires_at, next.expires_at, "warned of each token once");
    hub.advance_s(60);
    ada.live.expect_end(CloseCode::TokenExpired).await;
}

#[tokio::test]
async fn who_is_nobody_cannot_refresh() {
    let hub = Hub::start().await;
    let (ada, anonymous) = (hub.guest("ada").await, hub.anonymous().await);
    let told: Result<Authenticated, _> =
        anonymous.ask(Command::Refresh, None, &Authenticate { token: ada.tokens.access_token.clone() }).await;
    refused(told, ErrorCode::Unauthenticated);
    anonymous.ping().await;
}

#[tokio::test]
async fn p4_a_heartbeat_says_where_each_topic_is_after_everything_up_to_there() {
    let hub = Hub::with("--hold-seconds 600").await;
    let ada = hub.guest("ada").await;
    let home = list_home(&ada).await;
    let topic = Topic::Property(home.id);
    ada.live.subscribe(topic).await.unwrap();
    let inbox = ada.live.subscribe(ada.inbox()).await.unwrap();
    let mut head = 1;
    for round in 0..3 {
        let hold = ada.hold(&home, nights(round * 3, 2)).await.unwrap();
        head = hold.seq;
        ada.live.event(topic, head).await;
        hub.advance_s(25);
        let beat = ada.live.heartbeat().await;
        assert_eq!(beat.heads, [(topic, head), (ada.inbox(), inbox.seq)].into(), "round {round}");
    }
    ada.live.unsubscribe(topic).await.unwrap();
    hub.advance_s(25);
    assert_eq!(ada.live.heartbeat().await.heads, [(ada.inbox(), inbox.seq)].into());
    assert!(head > 1);
}

#[tokio::test]
async fn messages_and_notifications_are_sent_and_read_over_the_socket() {
    let hub = Hub::start().await;
    let (host, ada) = (hub.guest("helga").await, hub.guest("ada").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    host.follow_inbox().await;
    let (key, message) = (fresh_key(), SendMessage { booking: booking.id, text: "We arrive at six.".to_owned() });
    let sent: Message = ada.live.ask(Command::SendMessage, Some(&key), &message).await.unwrap();
    let again: Message = ada.live.ask(Command::SendMessage, Some(&key), &message).await.unwrap();
    assert_eq!((sent.number, &again), (1, &sent), "P7");
    assert_eq!(host.hears("message.sent").await.data["message"], 1);
    let read: Thread = host.live.ask(Command::ReadMessages, None, &ReadMessages { booking: booking.id, up_to: 1 }).await.unwrap();
    assert_eq!((read.unread, read.read_up_to), (0, 1));
    refused(ada.live.ask::<Message>(Command::SendMessage, None, &message).await, ErrorCode::KeyRequired);

    let told = host.hears("notification.created").await;
    let all = ReadNotifications { up_to: Some(serde_json::from_value(told.data["notification"].clone()).unwrap()), notifications: None };
    let left: UnreadCount = host.live.ask(Command::ReadNotifications, None, &all).await.unwrap();
    assert_eq!(left.unread, 0);
    let bob = hub.guest("bob").await;
    refused(
        bob.live.ask::<Thread>(Command::ReadMessages, None, &ReadMessages { booking: booking.id, up_to: 1 }).await,
        ErrorCode::NotFound,
    );
    let stranger = bob.live.ask::<Message>(Command::SendMessage, Some(&fresh_key()), &message).await;
    refused(stranger, ErrorCode::NotFound);
}

#[tokio::test]
async fn those_who_look_at_a_home_hear_about_how_many_they_are_and_nothing_of_who() {
    let hub = Hub::start().await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    let topic = Topic::Property(home.id);
    let tab = Guest::log_in(hub.address, &ada.email).await;
    for guest in [&host, &ada, &tab] {
        guest.live.subscribe(topic).await.unwrap();
    }
    host.live.viewers(home.id, 1).await;
    let watcher = hub.anonymous().await;
    watcher.subscribe(topic).await.unwrap();
    bob.live.subscribe(topic).await.unwrap();
    for one in [&host.live, &ada.live, &tab.live, &bob.live, &watcher] {
        one.viewers(home.id, 3).await;
    }
    watcher.unsubscribe(topic).await.unwrap();
    drop(bob);
    ada.live.viewers(home.id, 1).await;
    assert!(ada.live.frames().iter().all(|frame| !frame.contains("presence") || !frame.contains(&host.user.to_string())));
}

#[tokio::test]
async fn p8_that_somebody_writes_is_told_to_the_other_side_alone_and_not_too_often() {
    let hub = Hub::start().await;
    let (host, ada, bob) = (hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await);
    let home = list_home(&host).await;
    let booking = ada.hold_and_book(&home, nights(0, 2)).await;
    let topic = Topic::Booking(booking.id);
    let write = async |who: &Guest| who.live.ask::<serde_json::Value>(Command::Typing, None, &BookingRef { booking: booking.id }).await;
    refused(write(&ada).await, ErrorCode::InvalidState);
    refused(bob.live.subscribe(topic).await, ErrorCode::NotFound);
    refused(write(&bob).await, ErrorCode::InvalidState);
    for party in [&host, &ada] {
        party.live.subscribe(topic).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(write(&ada).await.unwrap(), serde_json::json!({}));
    }
    let told = Typing { booking: booking.id };
    assert_eq!(host.live.typing().await, [told]);
    hub.advance_s(3);
    write(&ada).await.unwrap();
    write(&host).await.unwrap();
    assert_eq!(ada.live.typing().await, [told], "of the host's writing, not of one's own");
    host.live.ping().await;
    assert_eq!(host.live.typing().await, [told, told]);
}
