//! The only wiring place: builds every part of a node and connects them.

pub mod admin;
mod keys;
mod lock;
mod payments;
mod pushing;
mod settings;
#[cfg(test)]
mod tests;
mod vital;

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use latchkey_protocol::{Seq, SessionId, Topic};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::keys::ring::TokenKeys;
use self::lock::FolderLock;
use self::pushing::{MAX_BATCHES_UNDER_WAY, Outlet, fence, push_events, tell_viewers, to_hub};
use self::settings::{allowances, database_config, leases, registrations_per_hour, ws_limits};
use self::vital::Vital;
use crate::api::body::UploadRoom;
use crate::api::layers::{self, Origins};
use crate::api::limits::Limits;
use crate::api::rest::Context;
use crate::api::server::{self, ServerLimits};
use crate::api::ws::{self, Edge};
use crate::clock::Clock;
use crate::config::ServeArgs;
use crate::domain::Timestamp;
use crate::domain::retention::Periods;
use crate::hub::bus::LocalBus;
use crate::hub::{self, EventSource, Hub, HubLimits, SourceError};
use crate::provider::PaymentProvider;
use crate::provider::mail::{self, FileMailer, Mailer, SmtpMailer};
use crate::service::Services;
use crate::service::accounts::{Accounts, AccountsConfig};
use crate::service::availability::Availability;
use crate::service::bookings::Bookings;
use crate::service::decisions::Decisions;
use crate::service::expiry::{Deadlines, Expiry};
use crate::service::idempotency::Keys;
use crate::service::jobs::Jobs;
use crate::service::listings::Listings;
use crate::service::mails::Mails;
use crate::service::messages::Messages;
use crate::service::notifications::Notifications;
use crate::service::payments::Payments;
use crate::service::photos::Photos;
use crate::service::quota::LeaseQuota;
use crate::service::retention::Retention;
use crate::service::reviews::Reviews;
use crate::service::search::{Fence, Search};
use crate::service::stays::Stays;
use crate::service::topics::Topics;
use crate::store::{PhotoFiles, Store};
use crate::{demo, job};

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

impl App {
    /// Starts a node: when this returns, it serves.
    ///
    /// # Errors
    /// If the data folder, the database or the address cannot be used; with the reason.
    pub async fn start(args: &ServeArgs, clock: Arc<dyn Clock>, metrics: Option<PrometheusHandle>) -> anyhow::Result<Self> {
        anyhow::ensure!(args.redis.is_none(), "--redis is not supported yet: this version runs on one node");
        let origins = Origins::new(&args.cors_origins).map_err(anyhow::Error::msg).context("--cors-origins")?;
        let listener = server::listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
        let address = listener.local_addr()?;
        std::fs::create_dir_all(&args.data.folder)
            .with_context(|| format!("cannot create the data folder {}", args.data.folder.display()))?;
        let lock = FolderLock::take(&args.data.folder)?;
        let (outlet, events) = mpsc::channel(MAX_BATCHES_UNDER_WAY);
        let fence = fence(outlet.downgrade());
        let store =
            Arc::new(Store::open(&database_config(&args.data, args.min_free_bytes), Arc::clone(&clock), Arc::new(Outlet(outlet))).await?);
        let source = Arc::new(EventTable(Arc::clone(&store)));
        let hub = Arc::new(Hub::new(source, HubLimits::default(), tokio::runtime::Handle::current()));
        let bus = LocalBus::new(Arc::clone(&hub));
        let payments::Chosen { provider, sandbox } = payments::provider(&args.payments, &args.data, &clock)?;
        let edge_cell: Arc<OnceLock<Arc<Edge>>> = Arc::default();
        let token_keys = TokenKeys::open(args.token_secret.as_deref(), &args.data.folder, clock.as_ref())?;
        let accounts =
            token_keys.for_accounts(&args.data.folder, public_url(args, address), registrations_per_hour(args), clock.as_ref())?;
        let parts = Parts::new(args, &store, &clock, provider, Arc::clone(&edge_cell), accounts, fence)?;
        let limits = Arc::new(Limits::new(allowances(args)));
        let edge = Arc::new(Edge::new(
            Arc::clone(&parts.services),
            Arc::clone(&hub),
            Arc::clone(&clock),
            ws_limits(args),
            Arc::clone(&limits),
            args.trusted_proxies.clone(),
        ));
        let _ = edge_cell.set(Arc::clone(&edge));
        let database = Arc::clone(store.database());
        let context = Arc::new(Context {
            clock: Arc::clone(&clock),
            has_room: Box::new(move || database.has_room()),
            ready: AtomicBool::new(false),
            metrics,
            limits,
            uploads: UploadRoom::default(),
            trusted_proxies: args.trusted_proxies.clone(),
            live: Arc::clone(&edge),
        });
        parts.restore(args).await?;
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
        app.keep("pushing events", push_events(events, bus, Arc::clone(&parts.services)));
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

/// Services and what sweeps reach behind them.
struct Parts {
    services: Arc<Services>,
    availability: Arc<Availability>,
    quota: Arc<LeaseQuota>,
}

impl Parts {
    fn new(
        args: &ServeArgs,
        store: &Arc<Store>,
        clock: &Arc<dyn Clock>,
        provider: Arc<dyn PaymentProvider>,
        edge: Arc<OnceLock<Arc<Edge>>>,
        accounts: AccountsConfig,
        fence: Fence,
    ) -> anyhow::Result<Self> {
        let leases = leases(args);
        let (store, clock) = (|| Arc::clone(store), || Arc::clone(clock));
        let deadlines: Arc<Deadlines> = Arc::default();
        let notifications = Arc::new(Notifications::new(store(), clock()));
        let availability = Availability::new(store(), clock(), leases, Arc::clone(&deadlines), Arc::clone(&notifications));
        let availability = Arc::new(availability);
        let keys = Arc::new(Keys::new(store()));
        let decisions = Arc::new(Decisions::new(Arc::clone(&availability), store(), Arc::clone(&keys), clock()));
        let quota = LeaseQuota::new(args.max_active_holds);
        let close_sockets = move |session: SessionId| {
            if let Some(edge) = edge.get() {
                edge.registry().close_session(session);
            }
        };
        let listings =
            Listings::new(store(), Arc::clone(&keys), Arc::clone(&decisions), Arc::clone(&availability), clock(), args.service_fee_bp);
        let listings = Arc::new(listings);
        let payments = Arc::new(Payments::new(store(), Arc::clone(&keys), Arc::clone(&decisions), provider, Arc::clone(&quota), clock()));
        let services = Services {
            photos: Photos::new(
                PhotoFiles::open(&args.data.folder.join("photos"))?,
                store(),
                Arc::clone(&keys),
                Arc::clone(&decisions),
                Arc::clone(&availability),
                Arc::clone(&listings),
                clock(),
            ),
            accounts: Accounts::new(store(), clock(), accounts, Box::new(close_sockets))?,
            listings: Arc::clone(&listings),
            bookings: Bookings::new(
                Arc::clone(&availability),
                store(),
                Arc::clone(&keys),
                Arc::clone(&decisions),
                Arc::clone(&quota),
                clock(),
                leases,
            ),
            reviews: Reviews::new(store(), Arc::clone(&keys), Arc::clone(&decisions), Arc::clone(&listings), clock()),
            stays: Stays::new(
                Arc::clone(&availability),
                store(),
                Arc::clone(&keys),
                decisions,
                Arc::clone(&payments),
                Arc::clone(&quota),
                clock(),
            ),
            payments,
            jobs: Jobs::new(store(), clock()),
            mails: Mails::new(mailer(args)?, clock()),
            messages: Messages::new(Arc::clone(&availability), store(), keys, clock()),
            notifications,
            retention: Retention::new(store(), clock(), Periods::of_days(args.retention_days, args.audit_days)),
            search: Arc::new(Search::new(store(), clock(), args.data.folder.join("search.checkpoint"), fence)),
            topics: Topics::new(store(), Arc::clone(&availability), clock()),
            expiry: Arc::new(Expiry::new(deadlines, Arc::clone(&availability), store(), clock(), Arc::clone(&quota), &leases)),
        };
        let let_go = move |host, departure| Box::pin(Arc::clone(&listings).let_go(host, departure)) as BoxFuture<'static, _>;
        services.accounts.on_leaving(Box::new(let_go));
        Ok(Self { services: Arc::new(services), availability, quota })
    }

    /// Reads what is kept in memory, and adds what must be there.
    async fn restore(&self, args: &ServeArgs) -> anyhow::Result<()> {
        let services = &self.services;
        if args.demo {
            demo::seed(services).await.context("cannot add the demo data")?;
        }
        services.accounts.restore().await.context("cannot read revoked sessions")?;
        services.jobs.restore().await.context("cannot add recurring jobs")?;
        services.expiry.restore().await.context("cannot read live leases")
    }
}

/// By a mail server, or as files, so that a newcomer can read what they were sent.
fn mailer(args: &ServeArgs) -> anyhow::Result<Arc<dyn Mailer>> {
    let from = mail::parse_sender(&args.mail_from).map_err(anyhow::Error::msg).context("--mail-from")?;
    if let Some(url) = &args.smtp_url {
        return Ok(Arc::new(SmtpMailer::new(url, from).map_err(anyhow::Error::msg).context("--smtp-url")?));
    }
    let folder = args.data.folder.join("mail");
    Ok(Arc::new(FileMailer::new(folder.clone(), from).with_context(|| format!("cannot create {}", folder.display()))?))
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
