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
    let mut command = Command::new(env!("CARGO_BIN_EXE_latchkey"));
    command.args(&arguments(data, options)[1..]).env("RUST_LOG", "warn").kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

impl HubProcess {
    /// Starts it and waits until it says where it listens.
    pub(crate) async fn start(data: &Path, options: &str) -> Self {
        let mut child = spawn(data, options);
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
