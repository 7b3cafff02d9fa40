//! Programs that are started, told to stop and waited for.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// How long a server may take to listen.
const START_WITHIN: Duration = Duration::from_secs(30);

/// How long one may take to end before it is killed.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What a hub says when it listens.
const LISTENS: &str = "latchkey listens on http://";

/// Environment variables: what stands on a command line is for everybody on the machine to read.
pub(super) type Secrets = Vec<(&'static str, String)>;

/// A process that listens.
pub(super) struct Process {
    pub(super) id: u32,
    pub(super) address: SocketAddr,
    ended: JoinHandle<()>,
}

impl Process {
    /// Starts a hub; answers when it says where it listens.
    pub(super) async fn start_hub(program: &Path, options: &[String], secrets: &Secrets, number: u16) -> anyhow::Result<Self> {
        let mut child = spawn(program, options, secrets, Stdio::piped())?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address = loop {
            let line = lines.next_line().await?.with_context(|| format!("node {number} ended before it listened"))?;
            if let Some((address, _)) = line.strip_prefix(LISTENS).and_then(|rest| rest.split_once(' ')) {
                break address.parse().context("a node listens nowhere")?;
            }
            println!("node {number}: {line}");
        };
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self::watch(child, format!("node {number}"), address)
    }

    /// Starts a server that listens there; answers when it does.
    pub(super) async fn start_server(
        name: &str,
        program: &Path,
        options: Vec<String>,
        secrets: &Secrets,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut child = spawn(program, &options, secrets, Stdio::null())?;
        let listening = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    anyhow::bail!("{name} ended at once: {status}");
                }
                if TcpStream::connect(address).await.is_ok() {
                    return Ok(());
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(START_WITHIN, listening).await.with_context(|| format!("{name} does not listen"))??;
        Self::watch(child, name.to_owned(), address)
    }

    fn watch(mut child: Child, name: String, address: SocketAddr) -> anyhow::Result<Self> {
        let id = child.id().with_context(|| format!("{name} has ended"))?;
        let ended = tokio::spawn(async move {
            match child.wait().await {
                Ok(status) => println!("{name} has ended: {status}"),
                Err(error) => println!("{name} cannot be waited for: {error}"),
            }
        });
        Ok(Self { id, address, ended })
    }

    /// Asks it to end (SIGTERM).
    pub(super) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits until it has ended; after a while it is killed.
    pub(super) async fn exit(mut self) {
        if tokio::time::timeout(END_WITHIN, &mut self.ended).await.is_err() {
            self.signal("-KILL");
            let _ = self.ended.await;
        }
    }

    fn signal(&self, signal: &str) {
        // One that has ended is not asked: its number may be another's by now.
        if !self.ended.is_finished() {
            let sent = std::process::Command::new("kill").args([signal, &self.id.to_string()]).status();
            if let Err(error) = sent {
                tracing::warn!(%error, "no signal could be sent");
            }
        }
    }
}

/// In a process group of its own, so that Ctrl-C comes to the cluster alone, which ends things in order; killed if that does not get so far.
fn spawn(program: &Path, options: &[String], secrets: &Secrets, output: Stdio) -> anyhow::Result<Child> {
    let mut command = Command::new(program);
    command
        .args(options)
        .envs(secrets.iter().map(|(name, value)| (*name, value)))
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(output);
    command.spawn().with_context(|| format!("cannot start {}", program.display()))
}

/// A port that nobody listens on now.
pub(super) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
