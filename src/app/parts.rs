//! The services of a node, each given what it needs.

use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::peers::Follower;
use super::pushing::Published;
use super::settings::leases;
use crate::api::ws::Edge;
use crate::clock::Clock;
use crate::config::ServeArgs;
use crate::demo;
use crate::domain::retention::Periods;
use crate::hub::Hub;
use crate::hub::bus::Bus;
use crate::provider::PaymentProvider;
use crate::provider::mail::{self, FileMailer, Mailer, SmtpMailer};
use crate::service::Services;
use crate::service::accounts::{Accounts, AccountsConfig, EndedAt, OnRevoked};
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
use crate::service::peers::Peers;
use crate::service::photos::Photos;
use crate::service::quota::LeaseQuota;
use crate::service::retention::Retention;
use crate::service::reviews::Reviews;
use crate::service::search::{Fence, Search};
use crate::service::stays::Stays;
use crate::service::topics::Topics;
use crate::shared::{Copies, Shared};
use crate::store::{PhotoFiles, Store};

/// Services and what sweeps reach behind them.
pub(super) struct Parts {
    pub(super) services: Arc<Services>,
    pub(super) availability: Arc<Availability>,
    keys: Arc<Keys>,
    pub(super) quota: Arc<LeaseQuota>,
}

/// What services stand on.
pub(super) struct Ground {
    pub(super) store: Arc<Store>,
    pub(super) peers: Arc<Peers>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) provider: Arc<dyn PaymentProvider>,
    /// Set once there is one: whose sockets are closed when a session ends.
    pub(super) edge: Arc<OnceLock<Arc<Edge>>>,
    /// Set once there is one: by which the others are told of it.
    pub(super) bus: Arc<OnceLock<Arc<dyn Bus>>>,
    pub(super) fence: Fence,
    /// Copies of what other nodes have read, if there is a way.
    pub(super) copies: Option<Arc<Copies>>,
}

impl Ground {
    pub(super) fn new(
        store: &Arc<Store>,
        peers: &Arc<Peers>,
        clock: &Arc<dyn Clock>,
        provider: Arc<dyn PaymentProvider>,
        fence: Fence,
        shared: Option<&Shared>,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            peers: Arc::clone(peers),
            clock: Arc::clone(clock),
            provider,
            edge: Arc::default(),
            bus: Arc::default(),
            fence,
            copies: shared.map(|shared| Arc::clone(shared.copies())),
        }
    }
}

impl Parts {
    pub(super) fn follower(&self, hub: &Arc<Hub>, outlet: mpsc::WeakSender<Published>, clock: Arc<dyn Clock>) -> Follower {
        let Self { services, availability, keys, .. } = self;
        Follower {
            services: Arc::clone(services),
            availability: Arc::clone(availability),
            keys: Arc::clone(keys),
            hub: Arc::clone(hub),
            outlet,
            clock,
        }
    }

    pub(super) fn new(args: &ServeArgs, ground: Ground, accounts: AccountsConfig) -> anyhow::Result<Self> {
        let Ground { store, peers, clock, provider, edge, bus, fence, copies } = ground;
        let leases = leases(args);
        let (store, clock) = (|| Arc::clone(&store), || Arc::clone(&clock));
        let deadlines: Arc<Deadlines> = Arc::default();
        let notifications = Arc::new(Notifications::new(store(), clock()));
        let availability = Availability::new(store(), peers, clock(), leases, Arc::clone(&deadlines), Arc::clone(&notifications));
        let availability = Arc::new(availability);
        let keys = Arc::new(Keys::new(store()));
        let decisions = Arc::new(Decisions::new(Arc::clone(&availability), store(), Arc::clone(&keys), clock()));
        let quota = LeaseQuota::new(args.max_active_holds);
        let listings = Listings::new(
            store(),
            Arc::clone(&keys),
            Arc::clone(&decisions),
            Arc::clone(&availability),
            clock(),
            args.service_fee_bp,
            copies,
        );
        let listings = Arc::new(listings);
        let payments = Arc::new(Payments::new(store(), Arc::clone(&keys), Arc::clone(&decisions), provider, Arc::clone(&quota), clock()));
        let services = Services {
            photos: Photos::new(
                PhotoFiles::open(&args.photos.clone().unwrap_or_else(|| args.data.folder.join("photos")))?,
                store(),
                Arc::clone(&keys),
                Arc::clone(&decisions),
                Arc::clone(&availability),
                Arc::clone(&listings),
                clock(),
            ),
            accounts: Accounts::new(store(), clock(), accounts, on_revoked(edge, bus))?,
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
            messages: Messages::new(Arc::clone(&availability), store(), Arc::clone(&keys), clock()),
            notifications,
            retention: Retention::new(store(), clock(), Periods::of_days(args.retention_days, args.audit_days)),
            search: Arc::new(Search::new(store(), clock(), args.data.folder.join("search.checkpoint"), fence)),
            topics: Topics::new(store(), Arc::clone(&availability), clock()),
            expiry: Arc::new(Expiry::new(deadlines, Arc::clone(&availability), store(), clock(), Arc::clone(&quota), &leases)),
        };
        let search = Arc::clone(&services.search);
        listings.follow(Box::new(move |property| search.head_of(property)));
        let read = Arc::clone(&listings);
        services.search.on_read(Box::new(move |property, seq| read.changed(property, seq)));
        let let_go = move |host, departure| Box::pin(Arc::clone(&listings).let_go(host, departure)) as BoxFuture<'static, _>;
        services.accounts.on_leaving(Box::new(let_go));
        Ok(Self { services: Arc::new(services), availability, keys, quota })
    }

    /// Reads what is kept in memory, and adds what must be there.
    pub(super) async fn restore(&self, args: &ServeArgs) -> anyhow::Result<()> {
        let services = &self.services;
        if args.demo {
            demo::seed(services).await.context("cannot add the demo data")?;
        }
        services.accounts.restore().await.context("cannot read revoked sessions")?;
        services.jobs.restore().await.context("cannot add recurring jobs")?;
        services.expiry.restore().await.context("cannot read live leases")
    }
}

/// Closes the sockets of a session that has ended, and tells the other nodes if it was ended here.
fn on_revoked(edge: Arc<OnceLock<Arc<Edge>>>, bus: Arc<OnceLock<Arc<dyn Bus>>>) -> OnRevoked {
    Box::new(move |session, at| {
        if let Some(edge) = edge.get() {
            edge.registry().close_session(session);
        }
        if let (EndedAt::Here, Some(bus)) = (at, bus.get()) {
            bus.end_session(session);
        }
    })
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
