//! Random faults while guests race: nodes, Redis and the database are killed, paused and emptied; afterwards the history is right.
//!
//! `LATCHKEY_SCHEDULES=N` runs so many; `LATCHKEY_SEED` repeats one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use latchkey_protocol::error::Detail;
use latchkey_protocol::rest::Problem;
use latchkey_protocol::view::{Calendar, Hold, Property};
use latchkey_protocol::{ErrorCode, PropertyId, Seq};
use serde::Serialize;
use serde_json::json;

use super::follower::{Follower, Nodes};
use super::history::{Instant, Operation, Outcome, check};
use crate::support::hub::list_home;
use crate::support::rest::Answer;
use crate::support::watcher::taken;
use crate::support::{Cluster, Guest, Rest, Seed, eventually, fresh_key, nights};

const NODES: usize = 3;
const HOMES: usize = 2;
const GUESTS: usize = 6;
/// Nights that everybody wants.
const NIGHTS: i32 = 10;
/// Faults of one schedule.
const FAULTS: usize = 5;

/// How long an answer is waited for before the command is said again, perhaps elsewhere.
const IMPATIENCE: Duration = Duration::from_secs(8);

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
    token: String,
    nodes: Nodes,
    order: Arc<Order>,
    seed: Seed,
    own: Vec<Hold>,
    operations: Vec<Operation>,
}

impl Racer {
    async fn race(mut self, homes: Vec<PropertyId>, is_over: Arc<AtomicBool>) -> Vec<Operation> {
        while !is_over.load(Ordering::SeqCst) {
            if !self.own.is_empty() && self.seed.below(2) == 0 {
                let which = self.pick(self.own.len());
                let hold = self.own.swap_remove(which);
                self.release(hold).await;
            } else {
                let home = homes[self.pick(homes.len())];
                self.hold(home).await;
            }
        }
        self.operations
    }

    fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.seed.below(i32::try_from(count).unwrap())).unwrap()
    }

    async fn hold(&mut self, home: PropertyId) {
        let dates = nights(self.seed.below(NIGHTS), 1 + self.seed.below(3));
        let asked = self.order.next();
        let answer = self.say("/holds/", &dates.of(home)).await;
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
        let answer = self.say(&format!("/holds/{}/release/", hold.id), &json!({ "property": hold.property })).await;
        let answered = self.order.next();
        let dates = crate::support::Dates { check_in: hold.check_in, check_out: hold.check_out };
        let outcome = Outcome::Released(answer.expect_json(200));
        self.operations.push(Operation { home: hold.property, dates, asked, answered, outcome });
    }

    /// Says a command with one key, to one node after another, until it is answered for good (P7).
    async fn say(&mut self, path: &str, body: &impl Serialize) -> Answer {
        let key = fresh_key();
        for _ in 0..200 {
            let at = self.nodes.lock().unwrap().clone();
            let rest = Rest::at(at[self.pick(at.len())]);
            let sent = rest.post(path).bearer(&self.token).key(&key).json(body).try_send();
            match tokio::time::timeout(IMPATIENCE, sent).await {
                Ok(Ok(answer)) if answer.status.is_success() || !is_passing(&answer) => return answer,
                Ok(Ok(_) | Err(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(_) => {}
            }
        }
        panic!("{path} was never answered");
    }
}

/// Whether it may be otherwise in a moment: busy, unavailable, or nobody knows.
fn is_passing(answer: &Answer) -> bool {
    let code = serde_json::from_slice::<Problem>(&answer.body).map(|problem| problem.error.code);
    matches!(code, Ok(ErrorCode::Busy | ErrorCode::Unavailable | ErrorCode::Internal) | Err(_))
}

/// Breaks something, and mends it.
async fn break_something(cluster: &mut Cluster, nodes: &Nodes, seed: &mut Seed) {
    let a_while = Duration::from_millis(200 + u64::try_from(seed.below(1_800)).unwrap());
    let node = usize::try_from(seed.below(i32::try_from(cluster.nodes.len()).unwrap())).unwrap();
    let fault = seed.below(8);
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
        fault => {
            let Some(redis) = &mut cluster.redis else { return };
            match fault {
                5 => {
                    redis.kill().await;
                    tokio::time::sleep(a_while).await;
                    redis.restart().await;
                }
                6 => {
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
        let racer = Racer { token: joined.tokens.access_token.clone(), nodes, order, seed, own: Vec::new(), operations: Vec::new() };
        racers.push(tokio::spawn(racer.race(ids.clone(), Arc::clone(&is_over))));
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
