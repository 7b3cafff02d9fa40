//! The `latchkey` program.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use latchkey::app::{App, admin};
use latchkey::clock::{Clock, OffsetClock, SystemClock};
use latchkey::cluster;
use latchkey::config::{Cli, Command, ServeArgs};
use latchkey::telemetry;
use tokio::signal::unix::{SignalKind, signal};

// Measured: a quarter to a half more commits a second than with the system's allocator (ARCHITECTURE.md, "Measured").
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("serve").build()?;
    match cli.command {
        Command::Serve(args) => runtime.block_on(serve(&args)),
        Command::Admin(command) => say(runtime.block_on(admin::run_admin(&command, Arc::new(SystemClock)))),
        Command::Keys(command) => say(admin::run_keys(&command, &SystemClock)),
        Command::Cluster(args) => runtime.block_on(async {
            telemetry::start_logging(false);
            cluster::run(&args, stop_signal()?).await
        }),
    }
}

fn say(done: anyhow::Result<String>) -> anyhow::Result<()> {
    println!("{}", done?);
    Ok(())
}

/// The system's clock; that of a demo may be ahead of it.
fn clock(args: &ServeArgs) -> Arc<dyn Clock> {
    let ahead = OffsetClock::default();
    ahead.advance_ms(i64::from(args.demo_hours_ahead) * 3_600_000);
    if args.demo_hours_ahead == 0 { Arc::new(SystemClock) } else { Arc::new(ahead) }
}

/// Resolves at SIGTERM or Ctrl-C, and says which it was.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
            _ = interrupt.recv() => tracing::info!("interrupted: draining"),
        }
    })
}

async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    telemetry::start_logging(args.log_json);
    let metrics = telemetry::start_metrics()?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let stopped = stop_signal()?;
    let app = App::start(args, clock(args), Some(metrics)).await?;
    println!("latchkey listens on http://{0} and ws://{0}/ws; http://{0}/docs/ shows what it answers", app.address);
    let has_failed = tokio::select! {
        () = stopped => false,
        () = app.failed() => true,
    };
    app.shut_down().await;
    anyhow::ensure!(!has_failed, "a task that must not end has ended; the log says which");
    Ok(())
}
