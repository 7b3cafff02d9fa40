//! `latchkey cluster`: what people try.

use std::process::Stdio;

use latchkey_protocol::view::{BookingState, PaymentState};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use super::stay;
use crate::support::hub::list_home;
use crate::support::server::{beside_the_hub, send};
use crate::support::{Guest, eventually, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_one_command_and_a_stay_is_booked_and_paid_at_whichever_node_the_door_opens() {
    let folder = tempfile::tempdir().unwrap();
    let surreal = beside_the_hub("surreal-server").display().to_string();
    let data = folder.path().join("cluster").display().to_string();
    let words =
        ["cluster", "--nodes", "2", "--listen", "127.0.0.1:0", "--data", &data, "--surreal", &surreal, "--", "--min-free-bytes", "0"];
    let mut command = Command::new(beside_the_hub("latchkey"));
    command.args(words).env("RUST_LOG", "warn").kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cluster = command.spawn().unwrap();
    let mut lines = BufReader::new(cluster.stdout.take().unwrap()).lines();
    let (mut parts, mut address) = (Parts::default(), None);
    while address.is_none() {
        let line = within("the cluster to listen", lines.next_line()).await.unwrap().expect("it ended before it listened");
        println!("{line}");
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["node", _, "is", "process", id, ..] => parts.nodes.push(id.parse().unwrap()),
            [.., "is", "process", id, "and", "listens", "on", _] => parts.servers.push(id.parse().unwrap()),
            ["latchkey", "listens", "on", url, ..] => address = url.strip_prefix("http://").and_then(|address| address.parse().ok()),
            _ => {}
        }
    }
    let address = address.unwrap();
    let host = Guest::join(address, "helga").await;
    let home = list_home(&host).await;
    let ada = Guest::join(address, "ada").await;
    let booking = ada.hold_and_book(&home, stay(3)).await;
    ada.pay(&booking, "pm_card_visa").await.unwrap();
    // By a job that either node may run.
    let is_paid = || async { (ada.payment(booking.id).await.state == PaymentState::Succeeded).then_some(()) };
    eventually("the money to be taken", is_paid).await;
    assert_eq!(ada.booking(booking.id).await.state, BookingState::Confirmed);
    send(parts.nodes.remove(0), "-KILL").await;
    let gone = async { while !lines.next_line().await.unwrap().expect("it goes on").starts_with("node 1 has ended") {} };
    within("the node to be gone", gone).await;
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    for name in ["bob", "cleo"] {
        let guest = Guest::join(address, name).await;
        guest.hold(&home, stay(if name == "bob" { 10 } else { 20 })).await.unwrap();
    }
    send(cluster.id().unwrap(), "-TERM").await;
    assert!(within("the cluster to end", cluster.wait()).await.unwrap().success());
    // They have ended; their numbers may be others' by now.
    parts.nodes.clear();
    parts.servers.clear();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_is_told_to_stop_while_it_starts_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let surreal = beside_the_hub("surreal-server").display().to_string();
    let data = folder.path().join("cluster").display().to_string();
    let mut command = Command::new(beside_the_hub("latchkey"));
    command.args(["cluster", "--listen", "127.0.0.1:0", "--data", &data, "--surreal", &surreal, "--", "--min-free-bytes", "0"]);
    command.env("RUST_LOG", "warn").kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut cluster = command.spawn().unwrap();
    let mut lines = BufReader::new(cluster.stdout.take().unwrap()).lines();
    let first = within("the database to listen", lines.next_line()).await.unwrap().unwrap();
    let database = first.strip_prefix("the database is process ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    send(cluster.id().unwrap(), "-TERM").await;
    assert!(within("the cluster to end", cluster.wait()).await.unwrap().success());
    let is_there = std::process::Command::new("kill").args(["-0", &database]).stderr(Stdio::null()).status().unwrap().success();
    assert!(!is_there, "the database goes on without it");
}

/// What the cluster has started; a test that fails leaves nothing behind.
#[derive(Default)]
struct Parts {
    nodes: Vec<u32>,
    servers: Vec<u32>,
}

impl Drop for Parts {
    fn drop(&mut self) {
        for process in self.nodes.iter().chain(&self.servers) {
            let _ = std::process::Command::new("kill").args(["-KILL", &process.to_string()]).status();
        }
    }
}
