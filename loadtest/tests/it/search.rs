//! `loadtest search` against a real hub: what it fills is what the hub finds.

use std::sync::Arc;

use clap::Parser as _;
use latchkey::app::App;
use latchkey::clock::SystemClock;
use latchkey::config::{Cli, Command};

use crate::{Outcome, loadtest_with};

const MARKET: &str = "search --seed 7 --homes 60";

/// A folder that `loadtest` has filled, and a hub on it. The folder goes last.
struct Hub {
    app: App,
    folder: tempfile::TempDir,
}

impl Hub {
    async fn start(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        loadtest_with(&format!("{MARKET} --fill {data}")).await.assert_ok();
        let fixed = format!("latchkey serve --listen 127.0.0.1:0 --min-free-bytes 0 --data {data} {options}");
        let Command::Serve(args) = Cli::try_parse_from(fixed.split_whitespace()).unwrap().command else { panic!("it says serve") };
        Self { app: App::start(&args, Arc::new(SystemClock), None).await.unwrap(), folder }
    }

    async fn ask(&self, market: &str) -> Outcome {
        loadtest_with(&format!("{market} --queries 4 --plain 1 --url ws://{}/ws", self.app.address)).await
    }

    async fn stop(self) {
        self.app.shut_down().await;
        drop(self.folder);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_on_a_filled_folder_answers_as_the_index_does_and_not_as_that_of_another_market() {
    let hub = Hub::start("--requests-per-address 1000000").await;
    let same = hub.ask(MARKET).await;
    same.assert_ok();
    assert!(same.text.contains("world, flexible, price (HTTP)"), "{}", same.text);
    hub.ask("search --seed 8 --homes 60").await.assert_broken("the hub and the index differ");
    hub.ask("search --seed 7 --homes 59").await.assert_broken("the hub and the index differ");
    let data = hub.folder.path().join("data").display().to_string();
    loadtest_with(&format!("{MARKET} --fill {data}")).await.assert_broken("name a new folder");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_limits_requests_ends_the_run_with_a_hint() {
    let hub = Hub::start("--requests-per-address 10").await;
    hub.ask(MARKET).await.assert_broken("LATCHKEY_REQUESTS_PER_ADDRESS");
    hub.stop().await;
}
