//! Somebody with an account: registered and logged in by REST, connected and authenticated by WebSocket.

use std::net::SocketAddr;

use latchkey_protocol::client::{AskQuote, BookHold, BookingRef, Command, HoldRef, Pay};
use latchkey_protocol::rest::{Login, Page, Register, Tokens};
use latchkey_protocol::server::Resumption;
use latchkey_protocol::view::{Booking, BookingState, Calendar, Hold, Me, Payment, Property, Quote};
use latchkey_protocol::{BookingId, PropertyId, Topic, UserId, WireError};
use serde::Serialize;

use super::rest::Request;
use super::socket::Event;
use super::{Client, Dates, Rest, fresh_key};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Guest {
    pub(crate) email: String,
    pub(crate) user: UserId,
    pub(crate) tokens: Tokens,
    pub(crate) rest: Rest,
    pub(crate) live: Client,
}

impl Guest {
    pub(crate) async fn join(address: SocketAddr, name: &str) -> Self {
        let (rest, email) = (Rest::at(address), format!("{name}@example.test"));
        let ask = Register { email: email.clone(), password: PASSWORD.to_owned(), name: name.to_owned() };
        let me: Me = rest.post("/auth/register/").json(&ask).send().await.expect_json(201);
        let guest = Self::log_in(address, &email).await;
        assert_eq!(guest.user, me.id);
        guest
    }

    /// A session of its own for an account that exists.
    pub(crate) async fn log_in(address: SocketAddr, email: &str) -> Self {
        let rest = Rest::at(address);
        let ask = Login { email: email.to_owned(), password: PASSWORD.to_owned() };
        let tokens: Tokens = rest.post("/auth/login/").json(&ask).send().await.expect_json(200);
        let live = Client::open(address).await;
        let authenticated = live.authenticate(&tokens.access_token).await.unwrap();
        assert_eq!((authenticated.user, authenticated.expires_at), (tokens.user, tokens.expires_at));
        Self { email: email.to_owned(), user: tokens.user, tokens, rest, live }
    }

    /// The same session on a new connection, as after a broken one.
    pub(crate) async fn reconnect(&mut self, address: SocketAddr) {
        self.rest = Rest::at(address);
        self.live = Client::open(address).await;
        self.live.authenticate(&self.tokens.access_token).await.unwrap();
    }

    pub(crate) fn inbox(&self) -> Topic {
        Topic::User(self.user)
    }

    /// Follows the own inbox from its beginning.
    pub(crate) async fn follow_inbox(&self) {
        let subscribed = self.live.subscribe(self.inbox()).await.unwrap();
        if subscribed.seq == 0 {
            return;
        }
        // Whoever became a host, for one, was told so.
        let epoch = self.live.hello.epoch.clone();
        let resumed = self.live.resume(&epoch, [(self.inbox(), 0)]).await;
        assert!(matches!(resumed.topics[&self.inbox()], Resumption::Resumed { .. }), "{resumed:?}");
    }

    /// The first event of that type in the own inbox.
    pub(crate) async fn hears(&self, kind: &str) -> Event {
        self.live.event_of(self.inbox(), kind).await
    }

    /// The types of all events about stays and money in the own inbox so far, in order.
    pub(crate) fn heard(&self) -> Vec<String> {
        let kinds = self.live.events(self.inbox()).into_iter().map(|event| event.kind);
        kinds.filter(|kind| !kind.starts_with("account.") && !kind.starts_with("session.")).collect()
    }

    /// A request as this guest.
    pub(crate) fn get(&self, path: &str) -> Request<'_> {
        self.rest.get(path).bearer(&self.tokens.access_token)
    }

    /// A mutation as this guest, with a fresh key.
    pub(crate) fn post(&self, path: &str, body: &impl Serialize) -> Request<'_> {
        self.rest.post(path).bearer(&self.tokens.access_token).key(&fresh_key()).json(body)
    }

    /// Becomes a host, if they are none.
    pub(crate) async fn become_host(&self) {
        let me: Me = self.rest.post("/users/me/host/").bearer(&self.tokens.access_token).send().await.expect_json(200);
        assert!(me.is_host);
    }

    pub(crate) async fn quote(&self, home: &Property, dates: Dates) -> Result<Quote, WireError> {
        let ask = AskQuote { property: home.id, check_in: dates.check_in, check_out: dates.check_out, guests: 2, min_seq: None };
        self.live.ask(Command::Quote, None, &ask).await
    }

    pub(crate) async fn hold(&self, home: &Property, dates: Dates) -> Result<Hold, WireError> {
        self.hold_with(&fresh_key(), home, dates).await
    }

    pub(crate) async fn hold_with(&self, key: &str, home: &Property, dates: Dates) -> Result<Hold, WireError> {
        self.live.ask(Command::Hold, Some(key), &dates.of(home.id)).await
    }

    pub(crate) async fn extend(&self, hold: &Hold) -> Result<Hold, WireError> {
        self.live.ask(Command::ExtendHold, Some(&fresh_key()), &hold_ref(hold)).await
    }

    pub(crate) async fn release(&self, hold: &Hold) -> Result<Hold, WireError> {
        self.live.ask(Command::ReleaseHold, Some(&fresh_key()), &hold_ref(hold)).await
    }

    pub(crate) async fn book(&self, hold: &Hold) -> Result<Booking, WireError> {
        self.live.ask(Command::Book, Some(&fresh_key()), &book_hold(hold)).await
    }

    pub(crate) async fn pay(&self, booking: &Booking, payment_method: &str) -> Result<Payment, WireError> {
        let ask = Pay { booking: booking.id, payment_method: payment_method.to_owned() };
        self.live.ask(Command::Pay, Some(&fresh_key()), &ask).await
    }

    pub(crate) async fn cancel(&self, booking: &Booking) -> Result<Booking, WireError> {
        self.live.ask(Command::Cancel, Some(&fresh_key()), &BookingRef { booking: booking.id }).await
    }

    /// A booking that waits for its payment.
    pub(crate) async fn hold_and_book(&self, home: &Property, dates: Dates) -> Booking {
        let hold = self.hold(home, dates).await.unwrap();
        self.book(&hold).await.unwrap()
    }

    /// A stay that began today and is over already: they left early, so its nights are free again.
    pub(crate) async fn completed_stay(&self, home: &Property) -> Booking {
        let check_in = calendar(&self.rest, home.id).await.from;
        let booking = self.hold_and_book(home, Dates { check_in, check_out: check_in.saturating_add(3) }).await;
        self.pay(&booking, "pm_card_visa").await.unwrap();
        for step in ["check-in", "early-departure"] {
            let path = format!("/bookings/{}/{step}/", booking.id);
            self.post(&path, &serde_json::json!({})).send().await.expect_json::<Booking>(200);
        }
        let booking = self.booking(booking.id).await;
        assert_eq!(booking.state, BookingState::Completed);
        booking
    }

    /// The booking as it is now.
    pub(crate) async fn booking(&self, id: BookingId) -> Booking {
        self.get(&format!("/bookings/{id}/")).send().await.expect_json(200)
    }

    /// The payment of a booking as it is now.
    pub(crate) async fn payment(&self, booking: BookingId) -> Payment {
        let mut page: Page<Payment> = self.get(&format!("/payments/?booking={booking}")).send().await.expect_json(200);
        page.items.remove(0)
    }
}

pub(crate) fn hold_ref(hold: &Hold) -> HoldRef {
    HoldRef { hold: hold.id, property: hold.property }
}

pub(crate) fn book_hold(hold: &Hold) -> BookHold {
    BookHold { hold: hold.id, property: hold.property, expected_total_minor: None }
}

/// A home's calendar as anybody may read it.
pub(crate) async fn calendar(rest: &Rest, home: PropertyId) -> Calendar {
    rest.get(&format!("/properties/{home}/calendar/")).send().await.expect_json(200)
}
