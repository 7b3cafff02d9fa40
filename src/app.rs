//! The only wiring place: builds every part of a node and connects them.

pub mod admin;
mod keys;
mod lock;
mod parts;
mod payments;
mod peers;
mod pushing;
mod settings;
#[cfg(test)]
mod tests;
mod time;
mod vital;
mod ways;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use latchkey_protocol::{Seq, Topic};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::keys::ring::TokenKeys;
use self::lock::FolderLock;
use self::parts::{Ground, Parts};
use self::peers::Follower;
use self::pushing::{MAX_BATCHES_UNDER_WAY, Outlet, fence, push_events, tell_viewers, to_hub};
use self::settings::{allowances, check_nodes, database_config, registrations_per_hour, ws_limits};
use self::vital::Vital;
use self::ways::redis_link;
use crate::api::body::UploadRoom;
use crate::api::layers::{self, Origins};
use crate::api::limits::Limits;
use crate::api::rest::Context;
use crate::api::server::{self, ServerLimits};
use crate::api::ws::{self, Edge};
use crate::clock::{Clock, SharedClock};
use crate::config::ServeArgs;
use crate::domain::Timestamp;
use crate::hub::{self, EventSource, Hub, HubLimits, SourceError};
use crate::job;
use crate::service::Services;
use crate::service::accounts::AccountsConfig;
use crate::service::peers::{Logs, Peers};
use crate::shared::Shared;
use crate::store::Store;

/// How often idle calendars, feeds and limiters are dropped.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// How often photo files that nothing names are looked for, and mails that were sent as files long ago.
const SWEEP_FILES_EVERY: Duration = Duration::from_hours(1);

/// A running node.
pub struct App {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its operations, for tests that look behind the edge.
    pub services: Arc<Services>,
    /// Its store, likewise.
    pub store: Arc<Store>,
    context: Arc<Context>,
    stop: CancellationToken,
    /// A task that must not end has ended.
    fault: CancellationToken,
    /// Between `/readyz` saying no and the listener closing.
    drain_notice: Duration,
    serving: TaskTracker,
    background: Vec<tokio::task::JoinHandle<()>>,
    _lock: FolderLock,
    /// Ends by itself once told to stop.
    jobs: Option<tokio::task::JoinHandle<()>>,
}

/// The event table, as feeds read it.
struct EventTable(Arc<Store>);

impl EventSource for EventTable {
    fn head(&self, topic: Topic) -> BoxFuture<'_, Result<Seq, SourceError>> {
        Box::pin(async move { self.0.topic_head(topic).await.map_err(|error| SourceError(error.to_string())) })
    }

    fn range(&self, topic: Topic, from: Seq, to: Seq) -> BoxFuture<'_, Result<Vec<hub::StoredEvent>, SourceError>> {
        Box::pin(async move {
            let events = self.0.events(topic, from, to).await.map_err(|error| SourceError(error.to_string()))?;
            Ok(events.into_iter().map(to_hub).collect())
        })
    }
}

/// What the edge is told of the parts that it does not know.
fn context(
    args: &ServeArgs,
    clock: &Arc<dyn Clock>,
    edge: &Arc<Edge>,
    limits: Arc<Limits>,
    store: &Arc<Store>,
    peers: &Arc<Peers>,
    metrics: Option<PrometheusHandle>,
) -> Context {
    let (database, store, peers) = (Arc::clone(store.database()), Arc::clone(store), Arc::clone(peers));
    Context {
        clock: Arc::clone(clock),
        has_room: Box::new(move || database.has_room()),
        hears_database: Box::new(move || peers.is_current() && !store.is_away()),
        ready: AtomicBool::new(false),
        metrics,
        limits,
        uploads: UploadRoom::default(),
        trusted_proxies: args.trusted_proxies.clone(),
        live: Arc::clone(edge),
    }
}

fn edge(args: &ServeArgs, services: &Arc<Services>, hub: &Arc<Hub>, clock: &Arc<dyn Clock>, limits: &Arc<Limits>) -> Arc<Edge> {
    let (services, hub, clock, limits) = (Arc::clone(services), Arc::clone(hub), Arc::clone(clock), Arc::clone(limits));
    Arc::new(Edge::new(services, hub, clock, ws_limits(args), limits, args.trusted_proxies.clone()))
}

impl App {
    /// Starts a node: when this returns, it serves.
    ///
    /// # Errors
    /// If the data folder, the database or the address cannot be used; with the reason.
    pub async fn start(args: &ServeArgs, clock: Arc<dyn Clock>, metrics: Option<PrometheusHandle>) -> anyhow::Result<Self> {
        let origins = Origins::new(&args.cors_origins).map_err(anyhow::Error::msg).context("--cors-origins")?;
        check_nodes(args)?;
        let listener = server::listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        std::fs::create_dir_all(&args.data.folder)
            .with_context(|| format!("cannot create the data folder {}", args.data.folder.display()))?;
        let lock = FolderLock::take(&args.data.folder)?;
        let (outlet, events) = mpsc::channel(MAX_BATCHES_UNDER_WAY);
        let (fence, weak_outlet) = (fence(outlet.downgrade()), outlet.downgrade());
        let shared_clock = Arc::new(SharedClock::new(clock));
        let clock = Arc::clone(&shared_clock) as Arc<dyn Clock>;
        let store = Arc::new(open_store(args, &shared_clock, Outlet(outlet)).await?);
        let peers = Arc::new(Peers::new(Arc::clone(&store), Arc::clone(&clock)));
        // Before anything is read into memory: what comes later is news.
        let log_ends = peers.ends().await.context("cannot read the logs of other nodes")?;
        let source = Arc::new(EventTable(Arc::clone(&store)));
        let hub = Arc::new(Hub::new(source, HubLimits::default(), tokio::runtime::Handle::current()));
        let payments::Chosen { provider, sandbox } = payments::provider(&args.payments, &args.data, &clock)?;
        let token_keys = TokenKeys::open(args.token_secret.as_deref(), &args.data.folder, clock.as_ref())?;
        let accounts =
            token_keys.for_accounts(&args.data.folder, public_url(args, address), registrations_per_hour(args), clock.as_ref())?;
        let shared = redis_link(args, &store)?.map(Shared::new);
        let spending = shared.as_ref().map(|shared| Arc::clone(shared.spending()));
        let accounts = AccountsConfig { spending: spending.clone(), ..accounts };
        let ground = Ground::new(&store, &peers, &clock, provider, fence, shared.as_ref());
        let (edge_cell, bus_cell) = (Arc::clone(&ground.edge), Arc::clone(&ground.bus));
        let parts = Parts::new(args, ground, accounts)?;
        let limits = Arc::new(Limits::new(allowances(args), spending.as_ref()));
        let edge = edge(args, &parts.services, &hub, &clock, &limits);
        let _ = edge_cell.set(Arc::clone(&edge));
        let context = Arc::new(context(args, &clock, &edge, limits, &store, &peers, metrics));
        let mut app = Self {
            address,
            services: Arc::clone(&parts.services),
            store,
            context,
            stop: CancellationToken::new(),
            fault: CancellationToken::new(),
            drain_notice: Duration::from_secs(u64::from(args.drain_notice_seconds)),
            serving: TaskTracker::new(),
            background: Vec::new(),
            _lock: lock,
            jobs: None,
        };
        let bus = app.open_ways(&hub, &parts.availability, weak_outlet.clone(), shared);
        let _ = bus_cell.set(Arc::clone(&bus));
        app.keep(
            "pushing events",
            push_events(events, bus, Arc::clone(&hub), Arc::clone(&parts.services), Arc::clone(&parts.availability)),
        );
        app.follow_others(&peers, log_ends, parts.follower(&hub, weak_outlet, Arc::clone(&clock)), shared_clock);
        parts.restore(args).await?;
        // What happened while that was read; before anybody is served.
        peers.catch_up().await.context("cannot read the logs of other nodes")?;
        app.keep_services();
        if let Some(sandbox) = sandbox {
            app.keep("sandbox provider", sandbox.deliver(format!("http://{}/webhooks/payments/", reachable(address))));
        }
        app.keep("token keys", token_keys.keep(Arc::clone(&parts.services), Arc::clone(&clock)));
        app.jobs = Some(app.run_jobs(args));
        app.keep("watch over sockets", ws::keep_watch(Arc::clone(&edge)));
        app.keep("presence", tell_viewers(Arc::clone(&hub)));
        app.keep("sweep", sweep(parts, Arc::clone(&hub), Arc::clone(&edge), clock, Arc::clone(&app.context)));
        app.serve(listener, edge, &origins, args);
        Ok(app)
    }

    /// Hears of the other nodes, and lets them hear of this one.
    fn follow_others(&mut self, peers: &Arc<Peers>, logs: Logs, follower: Follower, clock: Arc<SharedClock>) {
        self.services.search.followed(logs.reached());
        self.keep("following other nodes", Arc::clone(peers).follow(logs, Arc::new(follower)));
        self.keep("saying that this node is there", Arc::clone(peers).say_so());
        self.keep("agreeing on the time", time::keep_agreeing(clock, Arc::clone(&self.store)));
    }

    fn keep_services(&mut self) {
        let services = Arc::clone(&self.services);
        self.keep("search", Arc::clone(&services.search).run());
        self.keep("watched searches", Arc::clone(&services.search).keep_watched());
        self.keep("expiry", Arc::clone(&services.expiry).run());
        self.keep("looking for leases", Arc::clone(&services.expiry).rescan());
        self.keep("sweeping files", sweep_files(services));
    }

    /// Runs a task that the node cannot do without.
    fn keep(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let vital = self.vital(name);
        self.background.push(tokio::spawn(vital.watch(work)));
    }

    fn run_jobs(&self, args: &ServeArgs) -> tokio::task::JoinHandle<()> {
        let window = Duration::from_secs(u64::from(args.drain_seconds));
        tokio::spawn(self.vital("jobs").watch(job::run(Arc::clone(&self.services), self.stop.clone(), window)))
    }

    fn vital(&self, name: &'static str) -> Vital {
        Vital { name, context: Arc::clone(&self.context), stop: self.stop.clone(), fault: self.fault.clone() }
    }

    /// Resolves when a task that the node cannot do without has ended. It is not ready any more; shut it down.
    pub async fn failed(&self) {
        self.fault.cancelled().await;
    }

    fn serve(&self, listener: TcpListener, edge: Arc<Edge>, origins: &Origins, args: &ServeArgs) {
        let routes = crate::api::routes(Arc::clone(&edge), Arc::clone(&self.services), Arc::clone(&self.context));
        let service = layers::wrap(routes, origins);
        let drain_window = Duration::from_secs(u64::from(args.drain_seconds));
        let limits = ServerLimits {
            max_connections: args.max_connections,
            max_connections_per_address: args.max_connections_per_address.unwrap_or(args.max_connections),
            drain_window,
            shutdown_timeout: drain_window + Duration::from_secs(5),
            ..ServerLimits::default()
        };
        let stopped = self.stop.clone().cancelled_owned();
        let serving = server::serve(listener, service, Arc::clone(edge.registry()), limits, stopped);
        self.context.ready.store(true, Ordering::Relaxed);
        self.serving.spawn(self.vital("accepting connections").watch(serving));
        self.serving.close();
    }

    /// Drains: not ready, after the notice no new connections, clients sent away, what is under way answered, the database closed.
    pub async fn shut_down(self) {
        self.context.ready.store(false, Ordering::Relaxed);
        // Load balancers look now and then: until they have, they send clients here, who must find somebody.
        tokio::time::sleep(self.drain_notice).await;
        self.stop.cancel();
        self.serving.wait().await;
        if let Some(jobs) = self.jobs {
            let _ = jobs.await;
        }
        self.services.search.save().await;
        for task in &self.background {
            task.abort();
        }
        self.store.close().await;
    }
}

/// The database, and this node's clock put right by it.
async fn open_store(args: &ServeArgs, clock: &Arc<SharedClock>, outlet: Outlet) -> anyhow::Result<Store> {
    let config = database_config(&args.data, args.min_free_bytes);
    let store = Store::open(&config, Arc::clone(clock) as Arc<dyn Clock>, Arc::new(outlet)).await?;
    time::agree(clock, &store).await.context("cannot read the database's clock")?;
    Ok(store)
}

/// Where clients reach this hub, without a slash at the end.
fn public_url(args: &ServeArgs, address: SocketAddr) -> String {
    let local = || format!("http://{}", reachable(address));
    args.public_url.clone().unwrap_or_else(local).trim_end_matches('/').to_owned()
}

/// The address as this process itself can reach it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    SocketAddr::new(ip, address.port())
}

async fn sweep(parts: Parts, hub: Arc<Hub>, edge: Arc<Edge>, clock: Arc<dyn Clock>, context: Arc<Context>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let now = clock.now();
        hub.sweep(now);
        edge.sweep();
        parts.availability.sweep();
        parts.quota.sweep(Timestamp::from_epoch_ms(now));
        parts.services.accounts.sweep();
        parts.services.messages.sweep();
        context.limits.sweep();
    }
}

/// Files are this node's own, so this is no job of the database's.
async fn sweep_files(services: Arc<Services>) {
    loop {
        match services.photos.sweep().await {
            Ok(removed) if removed > 0 => tracing::info!(removed, "photos that nothing names are gone"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "photos could not be swept"),
        }
        match services.mails.sweep().await {
            Ok(removed) if removed > 0 => tracing::info!(removed, "mails as files that were a week old are gone"),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "mails as files could not be swept"),
        }
        tokio::time::sleep(SWEEP_FILES_EVERY).await;
    }
}
