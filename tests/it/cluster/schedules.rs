//! Random faults while guests race: nodes, Redis and the database are killed, paused and emptied; afterwards the history is right.
//!
//! `LATCHKEY_SCHEDULES=N` runs so many; `LATCHKEY_SEED` repeats one.

mod buyer;
mod speaker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use latchkey_protocol::error::Detail;
use latchkey_protocol::view::{Calendar, Hold, Property};
use latchkey_protocol::{ErrorCode, PropertyId, Seq};
use serde_json::json;

use self::buyer::{Buyer, assert_paid_once, assert_stays_apart};
use self::speaker::Speaker;
use super::follower::{Follower, Nodes};
use super::history::{Instant, Operation, Outcome, check};
use crate::support::hub::list_home;
use crate::support::proxy::Mood;
use crate::support::watcher::taken;
use crate::support::{Cluster, Guest, Seed, eventually};

const NODES: usize = 3;
const HOMES: usize = 2;
const GUESTS: usize = 6;
/// Those who book and pay.
const BUYERS: usize = 2;
/// Faults of one schedule.
const FAULTS: usize = 5;

/// Orders questions and answers.
#[derive(Default)]
struct Order(AtomicU64);

impl Order {
    fn next(&self) -> Instant {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// Somebody who takes nights and gives them back, at whatever node answers.
struct Racer {
    speaker: Speaker,
    order: Arc<Order>,
    own: Vec<Hold>,
    operations: Vec<Operation>,
}

impl Racer {
    async fn race(mut self, homes: Vec<PropertyId>, is_over: Arc<AtomicBool>) -> Vec<Operation> {
        while !is_over.load(Ordering::SeqCst) {
            if !self.own.is_empty() && self.speaker.pick(2) == 0 {
                let which = self.speaker.pick(self.own.len());
                let hold = self.own.swap_remove(which);
                self.release(hold).await;
            } else {
                let home = homes[self.speaker.pick(homes.len())];
                self.hold(home).await;
            }
        }
        self.operations
    }

    async fn hold(&mut self, home: PropertyId) {
        let dates = self.speaker.dates();
        let asked = self.order.next();
        let answer = self.speaker.say("/holds/", &dates.of(home)).await;
        let answered = self.order.next();
        let outcome = if answer.status == 201 {
            let hold: Hold = answer.json();
            self.own.push(hold.clone());
            Outcome::Held(hold)
        } else {
            let problem = answer.expect_problem(409, ErrorCode::DatesUnavailable);
            let (Detail::Text(night), Detail::Number(seq)) = (&problem.error.details["from"], &problem.error.details["seq"]) else {
                panic!("P5: {problem:?}")
            };
            Outcome::Lost { night: night.parse().unwrap(), taken_by: Seq::try_from(*seq).unwrap() }
        };
        self.operations.push(Operation { home, dates, asked, answered, outcome });
    }

    async fn release(&mut self, hold: Hold) {
        let asked = self.order.next();
        let answer = self.speaker.say(&format!("/holds/{}/release/", hold.id), &json!({ "property": hold.property })).await;
        let answered = self.order.next();
        let dates = crate::support::Dates { check_in: hold.check_in, check_out: hold.check_out };
        let outcome = Outcome::Released(answer.expect_json(200));
        self.operations.push(Operation { home: hold.property, dates, asked, answered, outcome });
    }
}

/// Breaks something, and mends it.
async fn break_something(cluster: &mut Cluster, nodes: &Nodes, seed: &mut Seed) {
    let a_while = Duration::from_millis(200 + u64::try_from(seed.below(1_800)).unwrap());
    let node = usize::try_from(seed.below(i32::try_from(cluster.nodes.len()).unwrap())).unwrap();
    // The last three are Redis's.
    let fault = seed.below(if cluster.redis.is_some() { 10 } else { 7 });
    println!("fault {fault} at node {node} for {} ms", a_while.as_millis());
    match fault {
        0 => {
            cluster.kill(node).await;
            publish(cluster, nodes);
            tokio::time::sleep(a_while).await;
            cluster.add().await;
            publish(cluster, nodes);
        }
        1 => {
            cluster.pause(node).await;
            tokio::time::sleep(a_while).await;
            cluster.go_on(node).await;
        }
        2 => {
            // A rolling restart: it drains first.
            cluster.add().await;
            publish(cluster, nodes);
            cluster.stop(node).await;
            publish(cluster, nodes);
        }
        3 => {
            cluster.database.kill().await;
            tokio::time::sleep(a_while).await;
            cluster.database.restart().await;
        }
        4 => {
            cluster.database.pause().await;
            tokio::time::sleep(3 * a_while).await;
            cluster.database.go_on().await;
        }
        5 => {
            // Cut from the database; afterwards what was under way arrives late, or never.
            cluster.links[node].set_for_all(Mood::Partitioned);
            tokio::time::sleep(3 * a_while).await;
            match seed.below(2) {
                0 => cluster.links[node].cut(),
                _ => cluster.links[node].set_for_all(Mood::Passing),
            }
        }
        6 => {
            // What the database says does not arrive, and then the node dies: nobody knows what it has committed.
            cluster.links[node].set_for_all(Mood::Holding);
            tokio::time::sleep(a_while / 4).await;
            cluster.kill(node).await;
            publish(cluster, nodes);
            cluster.add().await;
            publish(cluster, nodes);
        }
        fault => {
            let Some(redis) = &mut cluster.redis else { return };
            match fault {
                7 => {
                    redis.kill().await;
                    tokio::time::sleep(a_while).await;
                    redis.restart().await;
                }
                8 => {
                    redis.pause().await;
                    tokio::time::sleep(3 * a_while).await;
                    redis.go_on().await;
                }
                _ => redis.cut_clients().await,
            }
        }
    }
}

/// Tells clients where the nodes are.
fn publish(cluster: &Cluster, nodes: &Nodes) {
    *nodes.lock().unwrap() = cluster.nodes.iter().map(|node| node.address).collect();
}

async fn run(cluster: &mut Cluster, number: usize, mut seed: Seed) {
    let nodes: Nodes = Arc::default();
    publish(cluster, &nodes);
    let host = cluster.guest(0, &format!("host-{number}")).await;
    let homes: Vec<Property> = join_all((0..HOMES).map(|_| list_home(&host))).await;
    let ids: Vec<PropertyId> = homes.iter().map(|home| home.id).collect();
    let followers: Vec<(PropertyId, Follower)> =
        ids.iter().flat_map(|home| [1, 2].map(|fork| (*home, Follower::of(*home, Arc::clone(&nodes), seed.fork(fork))))).collect();
    let (order, is_over) = (Arc::<Order>::default(), Arc::<AtomicBool>::default());
    let mut racers = Vec::new();
    for guest in 0..GUESTS {
        let joined: Guest = cluster.guest(guest % NODES, &format!("guest-{number}-{guest}")).await;
        let (nodes, order, seed) = (Arc::clone(&nodes), Arc::clone(&order), seed.fork(10 + guest));
        let speaker = Speaker { token: joined.tokens.access_token.clone(), nodes, seed };
        let racer = Racer { speaker, order, own: Vec::new(), operations: Vec::new() };
        racers.push(tokio::spawn(racer.race(ids.clone(), Arc::clone(&is_over))));
    }
    let mut buyers = Vec::new();
    let paid_home = list_home(&host).await;
    for number_of_buyer in 0..BUYERS {
        let joined = cluster.guest(number_of_buyer % NODES, &format!("buyer-{number}-{number_of_buyer}")).await;
        let speaker =
            Speaker { token: joined.tokens.access_token.clone(), nodes: Arc::clone(&nodes), seed: seed.fork(100 + number_of_buyer) };
        let buyer = Buyer { speaker, home: paid_home.id };
        buyers.push((joined, tokio::spawn(buyer.buy(Arc::clone(&is_over)))));
    }
    for _ in 0..FAULTS {
        tokio::time::sleep(Duration::from_millis(300)).await;
        break_something(cluster, &nodes, &mut seed).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    is_over.store(true, Ordering::SeqCst);
    let mut operations = Vec::new();
    for racer in racers {
        operations.extend(racer.await.unwrap());
    }
    let mut kinds = [0; 3];
    for operation in &operations {
        kinds[match operation.outcome {
            Outcome::Held(_) => 0,
            Outcome::Lost { .. } => 1,
            Outcome::Released(_) => 2,
        }] += 1;
    }
    println!("schedule {number}: {kinds:?} held, lost and released");
    for (buyer, buying) in buyers {
        let stays = buying.await.unwrap();
        assert_paid_once(cluster, &buyer, &stays).await;
    }
    assert_stays_apart(cluster, &host, paid_home.id).await;
    for (home, follower) in &followers {
        let head = agreed_head(cluster, *home).await;
        let events = follower.until(head).await;
        let expected = check(*home, &operations, &events);
        for node in &cluster.nodes {
            let calendar: Calendar = node.rest.get(&format!("/properties/{home}/calendar/?min_seq={head}")).send().await.expect_json(200);
            assert_eq!((calendar.seq, taken(&calendar)), (head, expected.clone()), "P3: a calendar that is not what the events tell");
        }
    }
}

/// The home's newest event, once all nodes know it.
async fn agreed_head(cluster: &Cluster, home: PropertyId) -> Seq {
    let heads = || async {
        let mut heads = Vec::new();
        for node in &cluster.nodes {
            let answer = node.rest.get(&format!("/properties/{home}/calendar/")).send().await;
            heads.push(answer.status.is_success().then(|| answer.json::<Calendar>().seq)?);
        }
        (heads.iter().min() == heads.iter().max()).then(|| heads[0])
    };
    eventually("all nodes to agree", heads).await
}

async fn run_schedules(mut cluster: Cluster) {
    let schedules: usize = std::env::var("LATCHKEY_SCHEDULES").map_or(1, |count| count.parse().expect("LATCHKEY_SCHEDULES is a number"));
    let seed = Seed::new();
    for number in 0..schedules {
        println!("schedule {number}");
        run(&mut cluster, number, seed.fork(number)).await;
    }
}

/// The options of these clusters: nothing ends by itself.
const OPTIONS: &str = "--hold-seconds 3600 --drain-seconds 0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_to_p7_whatever_fails_in_a_cluster_the_history_is_right() {
    run_schedules(Cluster::with_redis(NODES, OPTIONS).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p1_to_p7_whatever_fails_in_a_cluster_without_redis_the_history_is_right() {
    run_schedules(Cluster::without_redis(NODES, OPTIONS).await).await;
}
