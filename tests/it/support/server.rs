//! Servers that many nodes share, as real processes on free ports: SurrealDB and Redis. Each can be killed, started again and paused.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::eventually;

/// A server's process, its port and its folder.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    program: PathBuf,
    arguments: Vec<String>,
    child: Option<Child>,
    folder: TempDir,
}

impl Server {
    /// A SurrealDB server with an empty database on disk.
    pub(crate) async fn surreal() -> Self {
        let program = beside_the_hub("surreal-server");
        assert!(program.exists(), "there is no {}: build it with `cargo build -p surreal-server`, as scripts/test does", program.display());
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let words = ["start", "-u", "root", "-p", "root", "--no-banner", "--log", "error", "-b", &address.to_string()];
        let mut arguments = words.map(str::to_owned).to_vec();
        arguments.push(format!("surrealkv://{}", folder.path().join("data").display()));
        Self::start(program, arguments, address, folder).await
    }

    /// A Redis that keeps nothing.
    pub(crate) async fn redis() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let port = address.port().to_string();
        let words = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--loglevel", "warning", "--dir"];
        let mut arguments = words.map(str::to_owned).to_vec();
        arguments.push(folder.path().display().to_string());
        Self::start(PathBuf::from("redis-server"), arguments, address, folder).await
    }

    /// Three Redises that share the work between them.
    pub(crate) async fn redis_cluster() -> Vec<Self> {
        let mut servers = Vec::new();
        for _ in 0..3 {
            let folder = tempfile::tempdir().unwrap();
            let (address, bus) = (free_address(), free_address());
            let (port, bus_port) = (address.port().to_string(), bus.port().to_string());
            let words = ["--bind", "127.0.0.1", "--port", &port, "--cluster-enabled", "yes", "--cluster-port", &bus_port, "--save", ""];
            let more = ["--appendonly", "no", "--loglevel", "warning", "--cluster-require-full-coverage", "no", "--dir"];
            let mut arguments: Vec<String> = words.into_iter().chain(more).map(str::to_owned).collect();
            arguments.push(folder.path().display().to_string());
            servers.push(Self::start(PathBuf::from("redis-server"), arguments, address, folder).await);
        }
        let mut making = Command::new("redis-cli");
        making.args(["--cluster", "create"]).args(servers.iter().map(|server| server.address.to_string())).arg("--cluster-yes");
        let made = making.stdout(Stdio::null()).status().await.unwrap();
        assert!(made.success(), "redis-cli cannot make a cluster");
        servers
    }

    async fn start(program: PathBuf, arguments: Vec<String>, address: SocketAddr, folder: TempDir) -> Self {
        let mut server = Self { address, program, arguments, child: None, folder };
        server.restart().await;
        server
    }

    /// Starts it on its old port and folder; resolves when it takes connections.
    pub(crate) async fn restart(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(self.folder.path()).kill_on_drop(true).stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn();
        self.child =
            Some(child.unwrap_or_else(|error| panic!("{}: {error}; scripts/test installs what is needed", self.program.display())));
        let address = self.address;
        eventually(format!("{} to listen", self.program.display()), || async move { TcpStream::connect(address).await.ok() }).await;
    }

    /// `kill -9`: gone when this returns.
    pub(crate) async fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().await.unwrap();
    }

    /// Stops it in the middle of whatever it does, until [`Self::go_on`].
    pub(crate) async fn pause(&self) {
        self.signal("-STOP").await;
    }

    pub(crate) async fn go_on(&self) {
        self.signal("-CONT").await;
    }

    /// Has a Redis hang up on everybody.
    pub(crate) async fn cut_clients(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for kind in ["pubsub", "normal"] {
            stream.write_all(format!("CLIENT KILL TYPE {kind} SKIPME yes\r\n").as_bytes()).await.unwrap();
        }
        let mut answer = [0; 16];
        assert!(stream.read(&mut answer).await.unwrap() > 0);
        assert_eq!(answer[0], b':', "how many it were");
    }

    async fn signal(&self, signal: &str) {
        send(self.child.as_ref().and_then(Child::id).expect("it runs"), signal).await;
    }
}

/// Sends a process a signal.
pub(crate) async fn send(process: u32, signal: &str) {
    assert!(Command::new("kill").args([OsStr::new(signal), OsStr::new(&process.to_string())]).status().await.unwrap().success());
}

/// Another program of this workspace.
pub(crate) fn beside_the_hub(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_latchkey")).with_file_name(name)
}

/// A port that nobody listens on. Somebody may before it is used; then the test says so.
fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
