//! A history under way: draws a step, says it, compares, and remembers the last steps for whoever reads a failure.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use latchkey::clock::Clock;
use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::view::{Booking, CalendarDays, HoldState, NightState, Property};
use latchkey_protocol::{CancellationPolicy, ClaimId, Date, EpochMs, ErrorCode, UserId};
use serde_json::Value;

use super::ask::Ask;
use super::door::{Door, Person, Told};
use super::draw::Draw;
use super::model::{Given, Home, Model, Span, is_live, read};
use crate::support::hub::{cottage, list_as};
use crate::support::{Guest, Seed, fresh_key};

const DAY_MS: i64 = 86_400_000;

/// Hosts, each with two homes, and how many people there are besides.
const HOSTS: usize = 2;
const GUESTS: usize = 4;

/// Asks that can be repeated.
const REMEMBERED: usize = 30;

/// How often a calendar that is not what its claims say is looked at again: what happens by itself may be under way.
const LOOKS: usize = 1_000;

/// The last steps, printed when a history fails.
#[derive(Default)]
struct Log(VecDeque<String>);

impl Drop for Log {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the last steps:");
            self.0.iter().for_each(|line| println!("  {line}"));
        }
    }
}

impl Log {
    fn add(&mut self, line: String) {
        self.0.push_back(line);
        if self.0.len() > 25 {
            self.0.pop_front();
        }
    }
}

/// A keyed ask that was done.
struct Done {
    who: UserId,
    key: String,
    ask: Ask,
    answer: Value,
}

pub(super) struct History {
    pub(super) seed: Seed,
    pub(super) door: Door,
    pub(super) model: Model,
    /// How many asks were done.
    pub(super) successes: usize,
    people: Vec<Person>,
    clock: Arc<dyn Clock>,
    done: VecDeque<Done>,
    log: Log,
}

/// The homes of a history: instant or on request, of several policies; all where it is the same day.
fn homes() -> Vec<CreateProperty> {
    let home =
        |policy, instant_book| CreateProperty { cancellation_policy: policy, instant_book, time_zone: "UTC".to_owned(), ..cottage() };
    vec![
        home(CancellationPolicy::Flexible, true),
        home(CancellationPolicy::Moderate, false),
        home(CancellationPolicy::Strict, true),
        home(CancellationPolicy::Limited, false),
    ]
}

impl History {
    /// Registers people and lists homes.
    pub(super) async fn begin(door: Door, address: std::net::SocketAddr, clock: Arc<dyn Clock>) -> Self {
        let (mut people, mut model, mut homes) = (Vec::new(), Model::default(), homes());
        for number in 0..HOSTS + GUESTS {
            let name = if number < HOSTS { format!("host{number}") } else { format!("guest{number}") };
            let guest = Guest::join(address, &name).await;
            if number < HOSTS {
                for ask in homes.drain(..2) {
                    let Property { id, host, .. } = list_as(&guest, &ask).await;
                    model.homes.push(Home { id, host, is_listed: true });
                }
            }
            people.push(Person { name, user: guest.user, token: guest.tokens.access_token.clone() });
        }
        Self { seed: Seed::or(3), door, model, successes: 0, people, clock, done: VecDeque::new(), log: Log::default() }
    }

    fn person(&self, user: UserId) -> Person {
        self.people.iter().find(|person| person.user == user).unwrap().clone()
    }

    fn now(&self) -> EpochMs {
        self.clock.now()
    }

    /// Something that is no ask.
    pub(super) fn note(&mut self, what: impl std::fmt::Display) {
        self.log.add(format!("-- {what}"));
    }

    /// Keys are not kept for ever.
    pub(super) fn forget_keys(&mut self) {
        self.done.clear();
    }

    pub(super) fn draw(&mut self) -> (UserId, Ask) {
        let people: Vec<UserId> = self.people.iter().map(|person| person.user).collect();
        let (today, now) = (self.today(), self.now());
        Draw { seed: &mut self.seed, model: &self.model, people: &people, today, now }.next()
    }

    fn today(&self) -> Date {
        Date::from_epoch_day(i32::try_from(self.now() / DAY_MS).unwrap()).unwrap()
    }

    /// One step: something new, or something said again.
    pub(super) async fn step(&mut self) {
        if self.seed.below(12) == 0 && !self.done.is_empty() {
            return self.repeat().await;
        }
        let (who, ask) = self.draw();
        _ = self.say(who, ask).await;
    }

    /// Asks, and compares the answer with the model.
    pub(super) async fn say(&mut self, who: UserId, ask: Ask) -> Told {
        let (key, asked_at) = (fresh_key(), self.now());
        let told = self.ask(who, &key, &ask).await.expect("the connection holds");
        self.take(who, key, ask, told.clone(), asked_at).await;
        told
    }

    /// Asks only; nothing if the hub died before it answered.
    pub(super) async fn ask(&self, who: UserId, key: &str, ask: &Ask) -> Option<Told> {
        self.door.ask(&self.person(who), key, ask).await
    }

    /// Takes note of an answer, and looks at everybody else who may have what it gave.
    pub(super) async fn take(&mut self, who: UserId, key: String, ask: Ask, told: Told, asked_at: EpochMs) {
        let span = Span { asked_at, answered_at: self.now() };
        let name = &self.people.iter().find(|person| person.user == who).unwrap().name;
        let outcome = match &told {
            Ok(value) => format!("ok {} {}", value["id"], value["state"]),
            Err(error) => error.message.clone(),
        };
        self.log.add(format!("{} {name} {ask:?}: {outcome}", span.asked_at));
        let given = self.model.learn(who, &ask, &told, span);
        let Ok(answer) = told else { return };
        self.successes += 1;
        let paid = if let Ask::Pay(paid) = &ask { Some(paid.booking) } else { None };
        if ask.is_keyed() {
            self.done.push_back(Done { who, key, ask, answer });
            if self.done.len() > REMEMBERED {
                self.done.pop_front();
            }
        }
        if let Some(given) = given {
            self.assert_alone(&given).await;
        }
        if let Some(booking) = paid {
            self.refresh(booking).await;
        }
    }

    /// P1: nobody else owns a night that was just given.
    async fn assert_alone(&mut self, given: &Given) {
        for other in self.model.possible_owners(given, self.now()) {
            self.refresh(other).await;
            assert!(!self.model.owns(other, given, self.now()), "P1: {other} and {} own the same night", given.claim);
        }
    }

    /// P7: the same key and body give the first answer, another body is refused.
    async fn repeat(&mut self) {
        let chosen = usize::try_from(self.seed.below(i32::try_from(self.done.len()).unwrap())).unwrap();
        let Done { who, key, ask, answer } = &self.done[chosen];
        let (who, key, mut ask, answer) = (*who, key.clone(), ask.clone(), answer.clone());
        if let Ask::Hold(hold) = &mut ask
            && self.seed.below(4) == 0
        {
            hold.check_out = hold.check_out.saturating_add(1);
            let told = self.ask(who, &key, &ask).await.expect("the connection holds");
            assert_eq!(told.expect_err("P7: another body").code, ErrorCode::KeyReused);
            return;
        }
        self.log.add(format!("again {ask:?}"));
        let told = self.ask(who, &key, &ask).await.expect("the connection holds");
        assert_same(&ask, &answer, &told);
    }

    /// Reads a claim again.
    async fn refresh(&mut self, claim: ClaimId) {
        if let Some((guest, hold)) = self.model.holds.get(&claim) {
            let ask = Ask::FindHold(latchkey_protocol::client::HoldRef { hold: hold.id, property: hold.property });
            let (guest, is_over) = (*guest, hold.expires_at <= self.now());
            if let Err(error) = Box::pin(self.say(guest, ask)).await {
                // Holds that are over are deleted in the end.
                assert!(is_over && error.code == ErrorCode::NotFound, "P2: {claim} is gone: {error:?}");
            }
        } else if let Some(booking) = self.model.bookings.get(&claim) {
            let guest = booking.guest;
            Box::pin(self.say(guest, Ask::FindBooking(claim))).await.unwrap();
        }
    }

    /// Compares everything that may have changed by itself, and every home's calendar.
    pub(super) async fn check_all(&mut self) {
        for claim in self.model.holds.keys().copied().collect::<Vec<_>>() {
            self.refresh(claim).await;
        }
        let now = self.now();
        self.model.holds.retain(|_, (_, hold)| hold.state == HoldState::Active && hold.expires_at > now);
        let live = |booking: &&Booking| is_live(booking.state);
        let mut some: Vec<Booking> = self.model.bookings.values().filter(live).cloned().collect();
        let others = i32::try_from(self.model.bookings.len()).unwrap();
        for _ in 0..10.min(others) {
            let chosen = usize::try_from(self.seed.below(others)).unwrap();
            some.push(self.model.bookings.values().nth(chosen).unwrap().clone());
        }
        for Booking { id, guest, host, .. } in some {
            self.refresh(id).await;
            for (who, ask) in [(guest, Ask::Payments(id)), (host, Ask::FindThread(id)), (guest, Ask::Reviews(id))] {
                self.say(who, ask).await.unwrap();
            }
        }
        for number in 0..self.model.homes.len() {
            self.check_calendar(number).await;
        }
    }

    /// P1: a home's nights are those of its claims, and no others.
    async fn check_calendar(&mut self, number: usize) {
        let (home, host) = (self.model.homes[number].id, self.model.homes[number].host);
        let mut last = String::new();
        for _ in 0..LOOKS {
            let days: CalendarDays = read(&self.ask(host, "none", &Ask::Calendar(home)).await.unwrap().unwrap());
            let Some(difference) = self.difference(&days) else { return };
            last = difference;
            tokio::time::sleep(Duration::from_millis(10)).await;
            let claims: Vec<ClaimId> =
                self.model.bookings.values().filter(|of| of.property == home && is_live(of.state)).map(|of| of.id).collect();
            for claim in claims {
                self.refresh(claim).await;
            }
        }
        panic!("P1: {home} is not what its claims say: {last}");
    }

    fn difference(&self, days: &CalendarDays) -> Option<String> {
        let now = self.now();
        days.days.iter().find_map(|day| {
            let night = Given { claim: ClaimId::from_bytes([0; 16]), home: days.property, from: day.date, to: day.date.saturating_add(1) };
            let mut owners = self.model.possible_owners(&night, now);
            owners.retain(|claim| self.model.owns(*claim, &night, now));
            let is_block = owners.iter().any(|claim| self.model.blocks.contains_key(claim));
            let is_so = match day.state {
                NightState::Free => owners.is_empty(),
                NightState::Blocked => is_block && owners.len() == 1,
                NightState::Held | NightState::Booked => !is_block && owners.len() == 1,
            };
            (!is_so).then(|| format!("{} is {:?}, of {owners:?} (now {now})", day.date, day.state))
        })
    }
}

/// P7: a repetition has the first answer; one that is told as it is by now has at least its name.
pub(super) fn assert_same(ask: &Ask, first: &Value, again: &Told) {
    let again = again.as_ref().unwrap_or_else(|error| panic!("P7: {ask:?} was done, and is now {error:?}"));
    let is_same =
        if ask.answers_anew() { ["id", "number", "booking"].iter().all(|name| first[name] == again[name]) } else { first == again };
    assert!(is_same, "P7: {ask:?} was answered {first}, and is now {again}");
}
