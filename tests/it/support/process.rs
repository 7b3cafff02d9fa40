//! The real program, to be killed, told to stop, or refused its start.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::hub::arguments;
use super::{Guest, Rest, within};

pub(crate) struct HubProcess {
    pub(crate) address: SocketAddr,
    pub(crate) rest: Rest,
    child: Child,
}

/// A start that was refused: what it said, and whether it failed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) said: String,
    pub(crate) status: ExitStatus,
}

fn spawn(data: &Path, options: &str) -> Child {
    spawn_with(data, options, &[])
}

fn spawn_with(data: &Path, options: &str, environment: &[(String, String)]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.envs(environment.iter().cloned());
    command.args(&arguments(data, options)[1..]).env("RUST_LOG", "warn").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

impl HubProcess {
    /// Starts it and waits until it says where it listens.
    pub(crate) async fn start(data: &Path, options: &str) -> Self {
        Self::listening(spawn(data, options)).await
    }

    /// The same, on a machine whose clock is so many seconds ahead, or behind.
    pub(crate) async fn start_with_clock(data: &Path, options: &str, ahead_s: i32) -> Self {
        // What Debian's `faketime` has programs loaded with; itself it would stand between them and signals.
        let output = Command::new("faketime").args(["-f", "+0", "env"]).output().await;
        let output = output.unwrap_or_else(|error| panic!("faketime: {error}; scripts/test installs what is needed"));
        let variables = String::from_utf8(output.stdout).unwrap();
        let preload = variables.lines().find_map(|line| line.strip_prefix("LD_PRELOAD=")).expect("faketime is preloaded");
        let environment = [("LD_PRELOAD", preload), ("FAKETIME", &format!("{ahead_s:+}s")), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        Self::listening(spawn_with(data, options, &environment.map(|(name, value)| (name.to_owned(), value.to_owned())))).await
    }

    async fn listening(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut log = child.stderr.take().unwrap();
        tokio::spawn(async move { tokio::io::copy(&mut log, &mut tokio::io::stderr()).await });
        let address = within("the hub's process to listen", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the hub ended before it listened");
                if let Some(rest) = line.strip_prefix("latchkey listens on http://") {
                    return rest.split_once(' ').unwrap().0.parse().unwrap();
                }
            }
        });
        let address = address.await;
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, rest: Rest::at(address), child }
    }

    /// A start that must fail.
    pub(crate) async fn refused(data: &Path, options: &str) -> Refusal {
        let mut child = spawn(data, options);
        let mut said = String::new();
        let mut log = child.stderr.take().unwrap();
        within("the refusal", log.read_to_string(&mut said)).await.unwrap();
        Refusal { said, status: within("the exit", child.wait()).await.unwrap() }
    }

    pub(crate) async fn guest(&self, name: &str) -> Guest {
        Guest::join(self.address, name).await
    }

    /// `kill -9`: gone when this returns.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// The process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&self) {
        super::server::send(self.id(), "-TERM").await;
    }

    pub(crate) async fn exit(mut self) -> ExitStatus {
        within("the hub's process to end", self.child.wait()).await.unwrap()
    }
}
