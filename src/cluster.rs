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

/// What the database's own user and password are: it listens on this machine alone, on a port that changes.
const DATABASE_USER: &str = "root";

/// Runs a cluster until it is told to stop, by the future. A node that ends is left out by the door; the others go on.
///
/// # Errors
/// If a program is missing or does not start, with what to do about it.
pub async fn run(args: &ClusterArgs, stopped: impl Future<Output = ()>) -> anyhow::Result<()> {
    std::fs::create_dir_all(&args.data).with_context(|| format!("cannot create {}", args.data.display()))?;
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("cannot listen on {}", args.listen))?;
    let database = start_database(args).await?;
    let redis = start_redis(args).await?;
    let shared = shared_options(args, database.address, redis.as_ref().map(|redis| redis.address))?;
    let hub = std::env::current_exe().context("cannot find this program")?;
    let mut nodes = Vec::new();
    for number in 1..=args.nodes {
        let folder = args.data.join(format!("node-{number}"));
        let own = ["serve", "--listen", "127.0.0.1:0", "--data"].map(str::to_owned).into_iter().chain([folder.display().to_string()]);
        let options: Vec<String> = own.chain(shared.iter().chain(&args.options).cloned()).collect();
        // One after the other: the first one makes the tables, and the demo.
        let node = Process::start_hub(&hub, &options, number).await?;
        println!("node {number} is process {} and listens on http://{}", node.id, node.address);
        nodes.push(node);
    }
    let front = Front::new(nodes.iter().map(|node| node.address).collect());
    println!("latchkey listens on http://{0} and ws://{0}/ws, for its nodes in turn", listener.local_addr()?);
    tokio::select! {
        () = front.serve(listener) => {}
        () = stopped => {}
    }
    // Nodes first, all at once, so that they can say goodbye; then what they need.
    nodes.iter().for_each(Process::terminate);
    for node in nodes {
        node.exit().await;
    }
    for server in redis.into_iter().chain([database]) {
        server.terminate();
        server.exit().await;
    }
    Ok(())
}

/// What all nodes are told alike.
fn shared_options(args: &ClusterArgs, database: SocketAddr, redis: Option<SocketAddr>) -> anyhow::Result<Vec<String>> {
    let beside = |name: &str| args.data.join(name).display().to_string();
    let mut options = vec![
        ("--database", format!("ws://{database}")),
        ("--database-user", DATABASE_USER.to_owned()),
        ("--database-password", DATABASE_USER.to_owned()),
        ("--token-secret", token_secret(&args.data)?),
        ("--photos", beside("photos")),
        ("--sandbox-journal", beside("sandbox-provider.jsonl")),
    ];
    options.extend(redis.map(|redis| ("--redis", format!("redis://{redis}"))));
    Ok(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect())
}

/// Made up once: sessions outlive the cluster.
fn token_secret(folder: &Path) -> anyhow::Result<String> {
    let file = folder.join("token-secret");
    if let Ok(secret) = std::fs::read_to_string(&file) {
        return Ok(secret);
    }
    let secret = hex(&entropy::secret().map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?);
    write_whole(&file, OWNER_ONLY, |out| out.write_all(secret.as_bytes())).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(secret)
}

async fn start_database(args: &ClusterArgs) -> anyhow::Result<Process> {
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
    let options =
        ["start", "--bind", &address.to_string(), "--user", DATABASE_USER, "--pass", DATABASE_USER, "--no-banner", "--log", "error"];
    let options = options.map(str::to_owned).into_iter().chain([format!("surrealkv://{}", folder.display())]).collect();
    let started = Process::start_server("the SurrealDB server", &program, options, address).await;
    let started = started.context("a cluster needs a SurrealDB server: `cargo build --release -p surreal-server` makes one, or install `surreal` and name it with --surreal")?;
    println!("the database is process {} and listens on ws://{address}", started.id);
    Ok(started)
}

/// Nothing, if there is to be none, or none on this machine.
async fn start_redis(args: &ClusterArgs) -> anyhow::Result<Option<Process>> {
    if args.no_redis {
        return Ok(None);
    }
    let address = free_address()?;
    let port = address.port().to_string();
    let options = ["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--loglevel", "warning"].map(str::to_owned);
    match Process::start_server("redis-server", &args.redis_server, options.into(), address).await {
        Ok(redis) => {
            println!("Redis is process {} and listens on redis://{address}", redis.id);
            Ok(Some(redis))
        }
        Err(error) => {
            println!("no Redis ({error:#}): nodes read each other's logs, twice a second");
            Ok(None)
        }
    }
}
