//! `latchkey cluster`: many hubs over one SurrealDB server on this machine, for people to try; all of them processes, with one door in front.

mod front;
mod process;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use tokio::net::TcpListener;

use self::front::Front;
use self::process::{Process, free_address};
use crate::config::ClusterArgs;
use crate::digest::hex;
use crate::durable::{OWNER_ONLY, write_whole};
use crate::entropy;

/// The database's own user.
const DATABASE_USER: &str = "root";

/// What has been started.
#[derive(Default)]
struct Parts {
    /// The database, and Redis if there is one.
    servers: Vec<Process>,
    nodes: Vec<Process>,
}

/// Runs a cluster until it is told to stop, by the future, also while it starts. A node that ends is left out by the door; the others go on.
///
/// # Errors
/// If a program is missing or does not start, with what to do about it.
pub async fn run(args: &ClusterArgs, stopped: impl Future<Output = ()>) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("cannot create {}", args.data.display()))?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let mut parts = Parts::default();
    let serving = async {
        parts.start(args).await?;
        let front = Front::new(parts.nodes.iter().map(|node| node.address).collect());
        println!("latchkey listens on http://{0} and ws://{0}/ws, for its nodes in turn", listener.local_addr()?);
        front.serve(listener).await;
        Ok(())
    };
    let served = tokio::select! {
        served = serving => served,
        () = stopped => Ok(()),
    };
    parts.end().await;
    served
}

impl Parts {
    async fn start(&mut self, args: &ClusterArgs) -> anyhow::Result<()> {
        let password = made_up_once(&args.data, "database-password")?;
        let database = start_database(args, &password).await?;
        let shared = shared_options(args, database.address);
        self.servers.push(database);
        let mut secrets =
            vec![("LATCHKEY_DATABASE_PASSWORD", password), ("LATCHKEY_TOKEN_SECRET", made_up_once(&args.data, "token-secret")?)];
        let password = made_up_once(&args.data, "redis-password")?;
        if let Some(redis) = start_redis(args, &password).await? {
            secrets.push(("LATCHKEY_REDIS", format!("redis://:{password}@{}", redis.address)));
            self.servers.push(redis);
        }
        let hub = std::env::current_exe().context("cannot find this program")?;
        for number in 1..=args.nodes {
            let folder = args.data.join(format!("node-{number}"));
            let own = ["serve", "--listen", "127.0.0.1:0", "--data"].map(str::to_owned).into_iter().chain([folder.display().to_string()]);
            let options: Vec<String> = own.chain(shared.iter().chain(&args.options).cloned()).collect();
            // One after the other: the first one makes the tables, and the demo.
            let node = Process::start_hub(&hub, &options, &secrets, number).await?;
            println!("node {number} is process {} and listens on http://{}", node.id, node.address);
            self.nodes.push(node);
        }
        Ok(())
    }

    /// Nodes first, all at once, so that they can say goodbye; then what they need.
    async fn end(self) {
        self.nodes.iter().for_each(Process::terminate);
        for node in self.nodes {
            node.exit().await;
        }
        for server in self.servers.into_iter().rev() {
            server.terminate();
            server.exit().await;
        }
    }
}

/// What all nodes are told alike.
fn shared_options(args: &ClusterArgs, database: SocketAddr) -> Vec<String> {
    let beside = |name: &str| args.data.join(name).display().to_string();
    let options = [
        ("--database", format!("ws://{database}")),
        ("--database-user", DATABASE_USER.to_owned()),
        ("--photos", beside("photos")),
        ("--sandbox-journal", beside("sandbox-provider.jsonl")),
    ];
    options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}

/// A secret that lives in a file: sessions, and the database's user, outlive the cluster.
fn made_up_once(folder: &Path, name: &str) -> anyhow::Result<String> {
    let file = folder.join(name);
    match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // Never another one instead: the old one is what sessions, or the database, know.
        known => return known.with_context(|| format!("cannot read {}", file.display())),
    }
    let secret = hex(&entropy::secret().map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?);
    write_whole(&file, OWNER_ONLY, |out| out.write_all(secret.as_bytes())).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(secret)
}

async fn start_database(args: &ClusterArgs, password: &str) -> anyhow::Result<Process> {
    let program = match &args.surreal {
        Some(program) => program.clone(),
        // As this repository builds it; otherwise SurrealDB's own.
        None => std::env::current_exe()
            .ok()
            .map(|own| own.with_file_name("surreal-server"))
            .filter(|built| built.exists())
            .unwrap_or_else(|| "surreal".into()),
    };
    let address = free_address()?;
    let folder = std::path::absolute(args.data.join("database"))?;
    let options = ["start", "--bind", &address.to_string(), "--no-banner", "--log", "error"].map(str::to_owned);
    let options = options.into_iter().chain([format!("surrealkv://{}", folder.display())]).collect();
    let secrets = vec![("SURREAL_USER", DATABASE_USER.to_owned()), ("SURREAL_PASS", password.to_owned())];
    let started = Process::start_server("the SurrealDB server", &program, options, &secrets, address).await;
    let started = started.context("a cluster needs a SurrealDB server: `cargo build --release -p surreal-server` makes one, or install `surreal` and name it with --surreal")?;
    println!("the database is process {} and listens on ws://{address}", started.id);
    Ok(started)
}

/// Nothing, if there is to be none, or none on this machine.
async fn start_redis(args: &ClusterArgs, password: &str) -> anyhow::Result<Option<Process>> {
    if args.no_redis {
        return Ok(None);
    }
    let address = free_address()?;
    let file = std::path::absolute(args.data.join("redis.conf"))?;
    let settings = format!("requirepass {password}\nbind 127.0.0.1\nport {}\nsave \"\"\nappendonly no\nloglevel warning\n", address.port());
    write_whole(&file, OWNER_ONLY, |out| out.write_all(settings.as_bytes())).with_context(|| format!("cannot write {}", file.display()))?;
    let options = vec![file.display().to_string()];
    match Process::start_server("redis-server", &args.redis_server, options, &Vec::new(), address).await {
        Ok(redis) => {
            println!("Redis is process {} and listens on redis://{address}", redis.id);
            Ok(Some(redis))
        }
        Err(error) => {
            println!("no Redis ({error:#}): nodes read each other's logs, three times a second");
            Ok(None)
        }
    }
}
