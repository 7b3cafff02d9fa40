//! The load tester against a small hub of our own that can lie: an honest hub must pass, and every lie must be caught. `search` asks a real one.
//!
//! The verdict of `loadtest` is what we trust about the real hub, so it is tested like one: the binary runs as a process,
//! and its last line and exit code are read as a script would read them.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod fake_hub;
mod holds;
mod race;
mod search;
mod storm;
mod watch;

use std::process::Stdio;
use std::time::Duration;

use fake_hub::FakeHub;
use tokio::process::Command;

/// What a run printed and how it exited.
struct Outcome {
    text: String,
    code: Option<i32>,
}

impl Outcome {
    fn verdict(&self) -> &str {
        self.text.lines().last().unwrap_or_default()
    }

    #[track_caller]
    fn assert_ok(&self) {
        assert_eq!((self.verdict(), self.code), ("invariants: ok", Some(0)), "{}", self.text);
    }

    #[track_caller]
    fn assert_broken(&self, what: &str) {
        let verdict = self.verdict();
        assert!(verdict.starts_with("invariants: BROKEN ") && verdict.contains(what) && self.code != Some(0), "{}", self.text);
    }
}

/// Runs `loadtest ARGS --url HUB`.
async fn loadtest(hub: &FakeHub, args: &str) -> Outcome {
    loadtest_at(&hub.url(), args).await
}

async fn loadtest_at(url: &str, args: &str) -> Outcome {
    loadtest_with(&format!("{args} --url {url}")).await
}

async fn loadtest_with(args: &str) -> Outcome {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(args.split_whitespace()).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_mins(2), command.output()).await.expect("loadtest ends").unwrap();
    Outcome { text: String::from_utf8(output.stdout).unwrap(), code: output.status.code() }
}
