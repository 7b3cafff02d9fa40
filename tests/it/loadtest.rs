//! The load tester's verdict on a real hub: what the README's second command says, in small.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;

use crate::support::{Hub, within};

/// The program beside this one; `cargo test --workspace` builds both.
fn program() -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let program = target.parent().and_then(|deps| deps.parent()).unwrap().join("loadtest");
    assert!(program.exists(), "{} is missing: run `cargo build -p loadtest`, or the tests of the whole workspace", program.display());
    program
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_load_tester_finds_every_promise_kept() {
    let hub = Hub::with("--auth-per-minute 60000 --hold-seconds 600 --payment-seconds 600").await;
    let url = format!("ws://{}/ws", hub.address);
    let mut command = Command::new(program());
    command.args(["race", "--guests", "30", "--rounds", "4", "--watchers", "5", "--url", &url]);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = within("the load tester", command.output()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!((said.lines().last(), output.status.code()), (Some("invariants: ok"), Some(0)), "{said}\n{output:?}");
}
