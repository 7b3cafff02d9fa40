//! Who and what the cells of the matrix are about.

use latchkey_protocol::rest::{CreateBlock, CreateProperty, ProposeAlteration, Tokens, Visit};
use latchkey_protocol::view::{Block, Booking, BookingState, Hold, Message, Photo, Property, Review, Sessions};
use latchkey_protocol::{BlockId, PhotoId, PropertyId, ReviewId, SessionId};
use serde_json::json;
use tokio::sync::Mutex;

use super::Role;
use crate::support::hub::{cottage, list_as, list_home};
use crate::support::picture::png;
use crate::support::{Dates, Guest, Hub, fresh_key, nights};

/// A hub with somebody in every role, and a home that is the host's.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) home: Property,
    pub(super) guest: Guest,
    other_guest: Guest,
    host: Guest,
    other_host: Guest,
    admin: Guest,
    revoked: Tokens,
    /// The next nights that nobody has asked for.
    nights: Mutex<i32>,
    newcomers: Mutex<u32>,
}

impl World {
    pub(super) async fn of(hub: Hub) -> Self {
        hub.advance_to_noon();
        let (host, other_host) = (hub.guest("helga").await, hub.guest("hugo").await);
        let (home, _) = (list_home(&host).await, list_home(&other_host).await);
        let (guest, other_guest, admin) = (hub.guest("ada").await, hub.guest("bob").await, hub.guest("root").await);
        hub.make_admin(&admin).await;
        let revoked = revoked_session(&hub, &guest).await;
        Self { hub, home, guest, other_guest, host, other_host, admin, revoked, nights: Mutex::new(0), newcomers: Mutex::new(0) }
    }

    /// Somebody in that role.
    pub(super) const fn person(&self, role: Role) -> Option<&Guest> {
        match role {
            Role::Anonymous => None,
            Role::Guest | Role::Revoked => Some(&self.guest),
            Role::OtherGuest => Some(&self.other_guest),
            Role::Host => Some(&self.host),
            Role::OtherHost => Some(&self.other_host),
            Role::Admin => Some(&self.admin),
        }
    }

    /// The key of a mail that was given up.
    pub(super) async fn dead_job(&self) -> String {
        use latchkey::domain::job::{Failure, Job, Mail, Run};
        use latchkey::domain::{Timestamp, Write};
        let now = Timestamp::from_epoch_ms(self.hub.now());
        let key = latchkey::entropy::fresh_id(now.epoch_ms());
        let job = Job::mail(Mail::VerifyEmail { user: self.guest.user }, key, now).lease(1, now).unwrap();
        let failure = Failure { reason: "smtp 550".to_owned(), is_permanent: true };
        let dead = job.after(Run::Failed(failure), now, 0).unwrap();
        let key = dead.id.key.clone();
        let set = latchkey::store::ChangeSet { writes: vec![Write::AddJob(dead)], ..Default::default() };
        self.hub.store().commit(set, latchkey::store::Lane::Normal).await.unwrap();
        key
    }

    pub(super) fn token(&self, role: Role) -> Option<String> {
        match role {
            Role::Revoked => Some(self.revoked.access_token.clone()),
            _ => self.person(role).map(|person| person.tokens.access_token.clone()),
        }
    }

    /// Two nights that are free.
    pub(super) async fn dates(&self) -> Dates {
        let mut next = self.nights.lock().await;
        *next += 2;
        nights(*next, 2)
    }

    /// A stay in the home, as quotes and holds are asked for.
    pub(super) async fn stay(&self) -> serde_json::Value {
        serde_json::to_value(self.dates().await.of(self.home.id)).unwrap()
    }

    /// Another home of the host's that is published.
    pub(super) async fn own_home(&self) -> PropertyId {
        list_home(&self.host).await.id
    }

    /// Another home of the host's that is not.
    pub(super) async fn draft(&self) -> PropertyId {
        let ask = CreateProperty { publish: false, ..cottage() };
        self.host.post("/properties/", &ask).send().await.expect_json::<Property>(201).id
    }

    /// Nights of the home that its host took off sale.
    pub(super) async fn block(&self) -> BlockId {
        let dates = self.dates().await;
        let ask = CreateBlock { from: dates.check_in, to: dates.check_out, note: None };
        self.host.post(&format!("/properties/{}/blocks/", self.home.id), &ask).send().await.expect_json::<Block>(201).id
    }

    /// Another home of the host's, and a photo of it.
    pub(super) async fn photo(&self) -> (PropertyId, PhotoId) {
        let home = self.own_home().await;
        let ask = self.host.rest.post(&format!("/properties/{home}/photos/")).bearer(&self.host.tokens.access_token).key(&fresh_key());
        (home, ask.raw("image/png", png(400, 400, "")).send().await.expect_json::<Photo>(201).id)
    }

    /// Somebody who was never here before.
    pub(super) async fn newcomer(&self) -> Guest {
        let mut count = self.newcomers.lock().await;
        *count += 1;
        self.hub.guest(&format!("newcomer{count}")).await
    }

    /// The token of somebody who stands in for a role that is logged in.
    pub(super) async fn stand_in(&self, role: Role) -> Option<String> {
        match role {
            Role::Anonymous | Role::Revoked => None,
            Role::Guest | Role::OtherGuest | Role::Host | Role::OtherHost | Role::Admin => Some(self.newcomer().await.tokens.access_token),
        }
    }

    /// Somebody whom an admin has locked out.
    pub(super) async fn suspended(&self) -> Guest {
        let somebody = self.newcomer().await;
        let path = format!("/admin/users/{}/suspend/", somebody.user);
        let suspended = self.hub.rest.post(&path).bearer(&self.admin.tokens.access_token).send().await;
        assert_eq!(suspended.status, 200, "{}", suspended.text());
        somebody
    }

    /// Another session of the guest's.
    pub(super) async fn session(&self) -> SessionId {
        let other = Guest::log_in(self.hub.address, &self.guest.email).await;
        let sessions: Sessions = other.get("/users/me/sessions/").send().await.expect_json(200);
        sessions.items.into_iter().find(|session| session.is_current).unwrap().id
    }

    /// A stay of the guest's that is over.
    pub(super) async fn completed_stay(&self) -> Booking {
        self.guest.completed_stay(&self.home).await
    }

    /// What somebody in that role writes about a stay.
    #[allow(clippy::unused_self, reason = "called as the others are")]
    pub(super) fn words(&self, role: Role) -> serde_json::Value {
        let ratings = match role {
            Role::Host => json!({"of": "guest", "overall": 5, "cleanliness": 5, "communication": 5, "house_rules": 5}),
            _ => {
                json!({"of": "stay", "overall": 5, "cleanliness": 5, "accuracy": 5, "check_in": 5, "communication": 5, "location": 5, "value": 5})
            }
        };
        json!({"ratings": ratings, "text": "As it was."})
    }

    async fn write_review(&self, booking: &Booking, role: Role) -> ReviewId {
        let author = self.person(role).expect("one of the parties");
        let path = format!("/bookings/{}/reviews/", booking.id);
        author.post(&path, &self.words(role)).send().await.expect_json::<Review>(201).id
    }

    /// The guest's review of a stay, which its host has not reviewed.
    pub(super) async fn sealed_review(&self) -> ReviewId {
        self.write_review(&self.completed_stay().await, Role::Guest).await
    }

    /// The guest's review of a stay, which its host has reviewed.
    pub(super) async fn published_review(&self) -> ReviewId {
        let booking = self.completed_stay().await;
        let review = self.write_review(&booking, Role::Guest).await;
        self.write_review(&booking, Role::Host).await;
        review
    }

    /// The same, hidden by an admin.
    pub(super) async fn hidden_review(&self) -> ReviewId {
        let review = self.published_review().await;
        let path = format!("/admin/reviews/{review}/hide/");
        self.admin.post(&path, &json!({"reason": "spam"})).send().await.expect_json::<Review>(200).id
    }

    /// A hold of the guest.
    pub(super) async fn hold(&self) -> Hold {
        self.guest.hold(&self.home, self.dates().await).await.unwrap()
    }

    /// A booking of the guest, in another home of the host's, that begins today and is paid.
    pub(super) async fn arriving(&self) -> Booking {
        let home = list_as(&self.host, &CreateProperty { time_zone: "UTC".to_owned(), ..cottage() }).await;
        self.paid(&home).await
    }

    /// A booking of the guest that waits for the host's answer.
    pub(super) async fn requested(&self) -> Booking {
        let home = list_as(&self.host, &CreateProperty { time_zone: "UTC".to_owned(), instant_book: false, ..cottage() }).await;
        let booking = self.paid(&home).await;
        assert_eq!(booking.state, BookingState::Requested);
        booking
    }

    /// A booking of the guest, who is there.
    pub(super) async fn staying(&self) -> Booking {
        let booking = self.arriving().await;
        self.guest.post(&format!("/bookings/{}/check-in/", booking.id), &Visit::default()).send().await.expect_json(200)
    }

    /// A booking that the guest wants otherwise.
    pub(super) async fn proposed(&self) -> Booking {
        let booking = self.arriving().await;
        let ask = ProposeAlteration { guests: Some(1), ..ProposeAlteration::default() };
        self.guest.post(&format!("/bookings/{}/alterations/", booking.id), &ask).send().await.expect_json(200)
    }

    async fn paid(&self, home: &Property) -> Booking {
        let booking = self.guest.hold_and_book(home, self.hub.nights_from_today(0, 3)).await;
        self.guest.pay(&booking, "pm_card_visa").await.unwrap();
        self.guest.booking(booking.id).await
    }

    /// A message from the guest about another booking.
    pub(super) async fn message(&self) -> Message {
        let path = format!("/bookings/{}/messages/", self.booking().await.id);
        self.guest.post(&path, &json!({"text": "Hello"})).send().await.expect_json(201)
    }

    /// A booking of the guest that waits for its payment.
    pub(super) async fn booking(&self) -> Booking {
        self.guest.book(&self.hold().await).await.unwrap()
    }
}

/// The tokens of a session of the guest's that has ended: its first refresh token was used again much later, as a thief would.
async fn revoked_session(hub: &Hub, guest: &Guest) -> Tokens {
    let stolen = Guest::log_in(hub.address, &guest.email).await.tokens;
    let refresh = |token: &str| hub.rest.post("/auth/refresh/").json(&latchkey_protocol::rest::Refresh { refresh_token: token.to_owned() });
    let newest: Tokens = refresh(&stolen.refresh_token).send().await.expect_json(200);
    hub.advance_s(60);
    assert_eq!(refresh(&stolen.refresh_token).send().await.status, 401);
    newest
}
