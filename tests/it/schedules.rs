//! P3, P4, P8: whatever a client does and whatever the network does to it, what it is told of a topic is what was committed there, once and in
//! order. A seed draws who subscribes, leaves, is cut off, comes back, is held up or is logged out; `LATCHKEY_SEED` replays, `LATCHKEY_SCHEDULE_STEPS`
//! lengthens.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use latchkey_protocol::client::{Resume, Subscribe, Unsubscribe};
use latchkey_protocol::server::{Push, Resumed, Resumption, ServerMessage, Subscribed};
use latchkey_protocol::view::Property;
use latchkey_protocol::{CloseCode, ErrorCode, Seq, Topic};
use serde_json::{Value, json};

use crate::support::hub::list_home;
use crate::support::proxy::{Mood, Proxy};
use crate::support::{Client, Guest, Hub, Seed, nights, within};

const OPTIONS: &str =
    "--hold-seconds 600 --max-active-holds 10000 --messages-per-second 100000 --requests-per-user 1000000 --auth-per-minute 1000000";

/// What a command was, by its id.
enum Asked {
    Subscribe(Topic),
    Unsubscribe(Topic),
    Resume,
}

/// Somebody behind a bad network, and what they have seen.
struct Follower {
    /// Whose token they have.
    user: usize,
    proxy: Proxy,
    client: Option<Client>,
    epoch: String,
    asked: HashMap<u64, Asked>,
    /// How many of the connection's frames are judged.
    judged: usize,
    cursors: BTreeMap<Topic, Seq>,
    /// Every event seen: topic and number → type and data.
    seen: BTreeMap<(Topic, Seq), (String, Value)>,
}

impl Follower {
    async fn at(hub: SocketAddr, user: usize) -> Self {
        let (asked, cursors, seen) = (HashMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { user, proxy: Proxy::before(hub).await, client: None, epoch: String::new(), asked, judged: 0, cursors, seen }
    }

    /// Comes back, and goes on where it was.
    async fn connect(&mut self, guests: &[Guest]) {
        let client = Client::open(self.proxy.address).await;
        client.authenticate(&guests[self.user].tokens.access_token).await.unwrap();
        (self.asked, self.judged) = (HashMap::new(), 0);
        if !self.cursors.is_empty() {
            let epoch = if self.epoch.is_empty() { client.hello.epoch.clone() } else { self.epoch.clone() };
            let id = client.start("resume", None, &Resume { epoch, topics: self.cursors.clone() }).await;
            self.asked.insert(id, Asked::Resume);
        }
        self.epoch.clone_from(&client.hello.epoch);
        self.client = Some(client);
    }

    async fn ask(&mut self, command: &str, topic: Topic) {
        let Some(client) = &self.client else { return };
        let (id, asked) = match command {
            "subscribe" => (client.start(command, None, &Subscribe { topic }).await, Asked::Subscribe(topic)),
            _ => (client.start(command, None, &Unsubscribe { topic }).await, Asked::Unsubscribe(topic)),
        };
        self.asked.insert(id, asked);
    }

    /// Judges what has come since, frame by frame.
    fn judge(&mut self, may_see: impl Fn(usize, Topic) -> bool) {
        let Some(client) = &self.client else { return };
        let frames = client.frames();
        for text in &frames[self.judged..] {
            match serde_json::from_str(text).unwrap() {
                ServerMessage::Push(push) => Self::take(&mut self.cursors, &mut self.seen, push),
                ServerMessage::Ok(reply) => match self.asked.get(&reply.id) {
                    Some(Asked::Subscribe(topic)) => {
                        let start: Subscribed = serde_json::from_value(reply.ok).unwrap();
                        assert!(may_see(self.user, *topic), "P8: {topic} was shown to user {}", self.user);
                        self.cursors.insert(*topic, start.seq);
                    }
                    Some(Asked::Unsubscribe(topic)) => drop(self.cursors.remove(topic)),
                    Some(Asked::Resume) => self.resumed(serde_json::from_value(reply.ok).unwrap()),
                    None => {}
                },
                ServerMessage::Err(reply) => {
                    let Some(Asked::Subscribe(topic)) = reply.id.and_then(|id| self.asked.get(&id)) else { panic!("{text}") };
                    let is_theirs = may_see(self.user, *topic);
                    assert!(!is_theirs && matches!(reply.error.code, ErrorCode::NotFound | ErrorCode::Forbidden), "{text}");
                }
                _ => {}
            }
        }
        self.judged = frames.len();
    }

    fn take(cursors: &mut BTreeMap<Topic, Seq>, seen: &mut BTreeMap<(Topic, Seq), (String, Value)>, push: Push<Value>) {
        let cursor = cursors.get_mut(&push.topic).unwrap_or_else(|| panic!("P4: {} is not followed: {push:?}", push.topic));
        assert_eq!(push.from_seq.unwrap_or(push.seq), *cursor + 1, "P4: a gap or a repetition in {}", push.topic);
        *cursor = push.seq;
        if push.from_seq.is_none() {
            let event = (push.kind, push.data);
            let known = seen.entry((push.topic, push.seq)).or_insert_with(|| event.clone());
            assert_eq!(known, &event, "P4: event {} of {} was another before", push.seq, push.topic);
        }
    }

    fn resumed(&mut self, resumed: Resumed) {
        for (topic, resumption) in resumed.topics {
            match resumption {
                Resumption::Resumed { head } => assert!(self.cursors[&topic] >= head, "P4: {topic} is at {head}, but less was sent"),
                Resumption::Reset(start) => drop(self.cursors.insert(topic, start.seq)),
                Resumption::Refused(error) => {
                    assert!(error.retryable, "{topic}: {error:?}");
                }
            }
        }
    }

    /// What has been sent has come: whatever is held up passes, and a ping is answered. `false` if the connection is gone.
    async fn catch_up(&mut self) -> bool {
        let Some(client) = &self.client else { return false };
        self.proxy.set(Mood::Passing);
        let id = client.start("ping", None, &json!({})).await;
        client.try_reply(id).await.is_some()
    }
}

struct World {
    hub: Hub,
    guests: Vec<Guest>,
    homes: Vec<Property>,
    followers: Vec<Follower>,
    log_outs: u32,
    seed: Seed,
}

impl World {
    async fn begin() -> Self {
        let hub = Hub::with(OPTIONS).await;
        let guests = vec![hub.guest("helga").await, hub.guest("ada").await, hub.guest("bob").await];
        let homes = vec![list_home(&guests[0]).await, list_home(&guests[0]).await];
        let mut followers = Vec::new();
        for number in 0..5 {
            let mut follower = Follower::at(hub.address, number % 3).await;
            follower.connect(&guests).await;
            followers.push(follower);
        }
        Self { hub, guests, homes, followers, log_outs: 0, seed: Seed::or(5) }
    }

    fn draw(&mut self, bound: usize) -> usize {
        usize::try_from(self.seed.below(i32::try_from(bound).unwrap())).unwrap()
    }

    fn topics(&self) -> Vec<Topic> {
        let homes = self.homes.iter().map(|home| Topic::Property(home.id));
        homes.chain(self.guests.iter().map(Guest::inbox)).collect()
    }

    fn judge(&mut self, number: usize) {
        let inboxes: Vec<Topic> = self.guests.iter().map(Guest::inbox).collect();
        self.followers[number].judge(|user, topic| matches!(topic, Topic::Property(_)) || inboxes[user] == topic);
    }

    async fn step(&mut self) {
        let (number, topics) = (self.draw(5), self.topics());
        let topic = topics[self.draw(topics.len())];
        match self.draw(52) {
            0..16 => self.write().await,
            16..25 => self.followers[number].ask("subscribe", topic).await,
            25..28 => self.followers[number].ask("unsubscribe", topic).await,
            28..34 => self.followers[number].proxy.set(Mood::Holding),
            34..41 => self.followers[number].proxy.set(Mood::Passing),
            41..47 => {
                let bytes = self.draw(2_000);
                self.followers[number].proxy.set(Mood::Cutting(bytes));
                self.come_back(number).await;
            }
            // Their tokens last 15 minutes.
            51 if self.log_outs < 20 => self.log_out(number).await,
            _ => self.come_back(number).await,
        }
        self.judge(number);
    }

    /// Somebody does something that others hear of.
    async fn write(&mut self) {
        let (guest, home, first) = (1 + self.draw(2), self.draw(2), i32::try_from(self.draw(300)).unwrap());
        let (guest, home) = (&self.guests[guest], &self.homes[home]);
        let Ok(hold) = guest.hold(home, nights(first, 2)).await else { return };
        // A booking is told to its parties' inboxes; it costs many times as much.
        if first % 6 == 0 {
            guest.book(&hold).await.unwrap();
        } else {
            guest.release(&hold).await.unwrap();
        }
    }

    /// The connection breaks, if it has not yet, and its follower returns.
    async fn come_back(&mut self, number: usize) {
        self.followers[number].proxy.set(Mood::Cutting(0));
        if let Some(client) = &self.followers[number].client {
            client.end().await;
        }
        self.judge(number);
        self.followers[number].connect(&self.guests).await;
    }

    /// A session ends: its connections are closed, and hear of nothing that happens afterwards.
    async fn log_out(&mut self, number: usize) {
        let user = self.followers[number].user;
        // One account may not log in as often as it likes.
        self.hub.advance_s(40);
        self.log_outs += 1;
        let guest = &self.guests[user];
        assert_eq!(guest.rest.post("/auth/logout/").bearer(&guest.tokens.access_token).send().await.status, 204);
        let email = guest.email.clone();
        self.guests[user] = Guest::log_in(self.hub.address, &email).await;
        for other in (0..5).filter(|other| other % 3 == user) {
            self.followers[other].proxy.set(Mood::Passing);
            let end = self.followers[other].client.as_ref().unwrap().end().await;
            assert!(end.is_none() || end == Some(CloseCode::Revoked.number()), "P8: {end:?}");
            self.judge(other);
            self.followers[other].connect(&self.guests).await;
        }
    }

    /// Everybody catches up, and has seen the same as everybody else.
    async fn compare(&mut self) {
        let mut all: BTreeMap<(Topic, Seq), (String, Value)> = BTreeMap::new();
        for number in 0..5 {
            if !self.followers[number].catch_up().await {
                self.come_back(number).await;
                assert!(self.followers[number].catch_up().await);
            }
            self.judge(number);
            for (which, event) in &self.followers[number].seen {
                assert_eq!(all.entry(*which).or_insert_with(|| event.clone()), event, "P4: two different events {which:?}");
            }
        }
        // An answer may overtake the push of the same commit.
        let all_have = async {
            while let Some(behind) = self.apart() {
                println!("not everybody is up to date: {behind}");
                tokio::time::sleep(Duration::from_millis(20)).await;
                (0..5).for_each(|number| self.judge(number));
            }
        };
        within("P3: everybody to be up to date", all_have).await;
    }

    /// A topic of which some have seen more than others.
    fn apart(&self) -> Option<String> {
        self.topics().into_iter().find_map(|topic| {
            let heads: Vec<Seq> = self.followers.iter().filter_map(|follower| follower.cursors.get(&topic).copied()).collect();
            heads.windows(2).any(|pair| pair[0] != pair[1]).then(|| format!("{topic} at {heads:?}"))
        })
    }
}

#[tokio::test]
async fn p3_p4_p8_whatever_happens_to_clients_they_are_told_what_was_committed_once_and_in_order() {
    let steps = std::env::var("LATCHKEY_SCHEDULE_STEPS").map_or(1_000, |steps| steps.parse().expect("LATCHKEY_SCHEDULE_STEPS is a number"));
    let mut world = Box::pin(World::begin()).await;
    for step in 1..=steps {
        Box::pin(world.step()).await;
        if step % 50 == 0 || step == steps {
            Box::pin(world.compare()).await;
        }
    }
    assert!(world.followers.iter().any(|follower| follower.seen.len() > 20), "a schedule in which nothing happens");
}
