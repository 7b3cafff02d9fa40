//! Many hubs over one SurrealDB server, with or without a Redis: all of them processes.

use std::net::SocketAddr;

use futures_util::future::join_all;
use tempfile::TempDir;

use super::proxy::Proxy;
use super::server::{Server, send};
use super::{Client, Guest, HubProcess};

const SECRET: &str = "a-token-secret-that-only-these-tests-know";

/// A cluster.
pub(crate) struct Cluster {
    pub(crate) database: Server,
    pub(crate) redis: Option<Server>,
    /// If several share the work.
    pub(crate) more_redis: Vec<Server>,
    pub(crate) nodes: Vec<HubProcess>,
    /// Between each node and the database.
    pub(crate) links: Vec<Proxy>,
    folders: Vec<TempDir>,
    options: String,
    _sandbox: TempDir,
}

impl Cluster {
    /// So many nodes that tell each other by Redis.
    pub(crate) async fn with_redis(nodes: usize, options: &str) -> Self {
        Self::start(&vec![0; nodes], Some(Server::redis().await), options).await
    }

    /// So many nodes that only read each other's logs.
    pub(crate) async fn without_redis(nodes: usize, options: &str) -> Self {
        Self::start(&vec![0; nodes], None, options).await
    }

    /// So many nodes that tell each other by a cluster of Redises.
    pub(crate) async fn with_redis_cluster(nodes: usize, options: &str) -> Self {
        let mut servers = Server::redis_cluster().await;
        let first = servers.remove(0);
        Self { more_redis: servers, ..Self::start(&vec![0; nodes], Some(first), options).await }
    }

    /// Nodes on machines whose clocks are so many seconds ahead, or behind.
    pub(crate) async fn with_clocks(ahead_s: &[i32], options: &str) -> Self {
        Self::start(ahead_s, None, options).await
    }

    async fn start(ahead_s: &[i32], redis: Option<Server>, options: &str) -> Self {
        let database = Server::surreal().await;
        let shared = format!("--database-user root --database-password root --token-secret {SECRET}");
        let redis_option = redis.as_ref().map(|redis| format!("--redis redis://{}", redis.address)).unwrap_or_default();
        let sandbox = tempfile::tempdir().unwrap();
        let sandbox_journal = sandbox.path().join("sandbox.jsonl").display().to_string();
        let folders: Vec<TempDir> = ahead_s.iter().map(|_| tempfile::tempdir().unwrap()).collect();
        let links = join_all(ahead_s.iter().map(|_| Proxy::before(database.address))).await;
        let options = format!("{shared} {redis_option} --sandbox-journal {sandbox_journal} --max-active-holds 1000 {options}");
        // All at once: they meet an empty database.
        let starts = folders.iter().zip(&links).zip(ahead_s).map(|((folder, link), ahead_s)| start_node(folder, &options, link, *ahead_s));
        let nodes = join_all(starts).await;
        Self { database, redis, more_redis: Vec::new(), nodes, links, folders, options, _sandbox: sandbox }
    }

    pub(crate) fn address(&self, node: usize) -> SocketAddr {
        self.nodes[node].address
    }

    /// Somebody at that node.
    pub(crate) async fn guest(&self, node: usize, name: &str) -> Guest {
        self.nodes[node].guest(name).await
    }

    /// The same session, from now on at that node.
    pub(crate) async fn move_to(&self, node: usize, guest: &mut Guest) {
        guest.reconnect(self.address(node)).await;
    }

    pub(crate) async fn anonymous(&self, node: usize) -> Client {
        Client::open(self.address(node)).await
    }

    /// `kill -9`; its place in the list goes to the last one.
    pub(crate) async fn kill(&mut self, node: usize) {
        self.nodes.swap_remove(node).kill().await;
        self.folders.swap_remove(node);
        self.links.swap_remove(node);
    }

    /// SIGTERM, and gone when this returns; its place goes to the last one.
    pub(crate) async fn stop(&mut self, node: usize) {
        let stopping = self.nodes.swap_remove(node);
        stopping.terminate().await;
        assert!(stopping.exit().await.success(), "a node that was told to stop fails");
        self.folders.swap_remove(node);
        self.links.swap_remove(node);
    }

    /// One more node.
    pub(crate) async fn add(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let link = Proxy::before(self.database.address).await;
        self.nodes.push(start_node(&folder, &self.options, &link, 0).await);
        self.folders.push(folder);
        self.links.push(link);
    }

    /// Stops a node in the middle of whatever it does.
    pub(crate) async fn pause(&self, node: usize) {
        send(self.nodes[node].id(), "-STOP").await;
    }

    pub(crate) async fn go_on(&self, node: usize) {
        send(self.nodes[node].id(), "-CONT").await;
    }
}

async fn start_node(folder: &TempDir, options: &str, link: &Proxy, ahead_s: i32) -> HubProcess {
    let options = format!("--database ws://{} {options}", link.address);
    match ahead_s {
        0 => HubProcess::start(folder.path(), &options).await,
        ahead_s => HubProcess::start_with_clock(folder.path(), &options, ahead_s).await,
    }
}
