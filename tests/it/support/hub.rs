//! A hub in this process, on a port of its own, with a data folder of its own and a clock that tests move.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use clap::Parser as _;
use latchkey::app::App;
use latchkey::clock::{Clock, OffsetClock};
use latchkey::config::{Cli, Command, ServeArgs};
use latchkey::service::Services;
use latchkey::store::Store;
use latchkey_protocol::rest::CreateProperty;
use latchkey_protocol::view::{Coordinates, Property};
use latchkey_protocol::{Date, EpochMs};
use metrics_exporter_prometheus::PrometheusHandle;
use tempfile::TempDir;

use super::{Client, Dates, Guest, Rest, Watcher, within};

/// Short leases: two of them pass before a silent socket counts as dead.
const DEFAULTS: [(&str, &str); 6] = [
    ("--hold-seconds", "20"),
    ("--payment-seconds", "20"),
    ("--hold-cooldown-seconds", "0"),
    ("--min-free-bytes", "0"),
    ("--service-fee-bp", "0"),
    ("--webhook-secret", WEBHOOK_SECRET),
];

/// What webhooks are signed with.
pub(crate) const WEBHOOK_SECRET: &str = "a-webhook-secret-that-only-tests-know";

const DAY_S: i64 = 86_400;

pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    pub(crate) clock: Arc<OffsetClock>,
    pub(crate) rest: Rest,
    app: Option<App>,
    data: TempDir,
    options: String,
}

/// The command line of a hub: `options` before the defaults.
pub(crate) fn arguments(data: &Path, options: &str) -> Vec<String> {
    let mut words: Vec<String> = ["latchkey", "serve", "--listen", "127.0.0.1:0"].map(str::to_owned).into();
    words.extend(["--data".to_owned(), data.display().to_string()]);
    words.extend(options.split_whitespace().map(str::to_owned));
    for (name, value) in DEFAULTS {
        if !words.iter().any(|word| word == name) {
            words.extend([name.to_owned(), value.to_owned()]);
        }
    }
    words
}

pub(crate) fn serve_args(data: &Path, options: &str) -> ServeArgs {
    let Command::Serve(args) = Cli::try_parse_from(arguments(data, options)).unwrap().command else { unreachable!("it says serve") };
    *args
}

/// Metrics are recorded once a process, by whichever hub starts first.
fn metrics() -> PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| latchkey::telemetry::start_metrics().unwrap()).clone()
}

async fn start(data: &Path, options: &str, clock: &Arc<OffsetClock>) -> App {
    let args = serve_args(data, options);
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let app = within("the hub to start", Box::pin(App::start(&args, clock, Some(metrics())))).await.unwrap();
    let is_ready = || async { app.services.search.is_ready().then_some(()) };
    super::eventually("the search index", is_ready).await;
    app
}

impl Hub {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With options of the command line, such as `--max-active-holds 1`.
    pub(crate) async fn with(options: &str) -> Self {
        let (data, clock) = (tempfile::tempdir().unwrap(), Arc::<OffsetClock>::default());
        let app = start(data.path(), options, &clock).await;
        let address = app.address;
        Self { address, clock, rest: Rest::at(address), app: Some(app), data, options: options.to_owned() }
    }

    /// Lets time pass.
    pub(crate) fn advance_s(&self, seconds: i64) {
        self.clock.advance_ms(seconds * 1_000);
    }

    /// Goes on to the next noon (UTC), so that a test's today stays its today.
    pub(crate) fn advance_to_noon(&self) {
        let noon_s = DAY_S / 2;
        self.advance_s((noon_s - self.now() / 1_000).rem_euclid(DAY_S));
    }

    /// `count` nights from `first` days after the hub's today (UTC) on.
    pub(crate) fn nights_from_today(&self, first: i32, count: i32) -> Dates {
        let today = Date::from_epoch_day(i32::try_from(self.now() / (DAY_S * 1_000)).unwrap()).unwrap();
        let check_in = today.saturating_add(first);
        Dates { check_in, check_out: check_in.saturating_add(count) }
    }

    /// The operations of the running hub, for what only the hub itself does.
    pub(crate) fn services(&self) -> Arc<Services> {
        Arc::clone(&self.app.as_ref().unwrap().services)
    }

    /// What is stored, behind the hub's back.
    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::clone(&self.app.as_ref().unwrap().store)
    }

    pub(crate) fn now(&self) -> EpochMs {
        self.clock.now()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().to_owned()
    }

    /// Drains and closes; the data folder stays.
    pub(crate) async fn stop(&mut self) {
        if let Some(app) = self.app.take() {
            within("the hub to stop", app.shut_down()).await;
        }
    }

    /// Starts again on the same folder, at the same instant, elsewhere.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        let app = start(self.data.path(), &self.options, &self.clock).await;
        self.address = app.address;
        self.rest = Rest::at(app.address);
        self.app = Some(app);
    }

    /// Makes somebody an admin, as the command line does on a hub that is stopped.
    pub(crate) async fn make_admin(&self, guest: &Guest) {
        self.app.as_ref().unwrap().services.accounts.grant_admin(&guest.email).await.unwrap();
    }

    /// The newest mail to that address with that subject, once it is there.
    pub(crate) async fn letter(&self, to: &str, subject: &str) -> String {
        let folder = self.data.path().join("mail");
        let (to, subject) = (format!("To: {to}\r\n"), format!("Subject: {subject}\r\n"));
        let probe = || async {
            let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).ok()?.map(|entry| entry.unwrap().path()).collect();
            files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
            files.sort();
            let letters = files.into_iter().rev().map(|path| std::fs::read_to_string(path).unwrap());
            letters.into_iter().find(|text| text.contains(&to) && text.contains(&subject))
        };
        super::eventually(format!("{subject} {to}"), probe).await
    }

    /// The one-use token in such a mail.
    pub(crate) async fn mailed_token(&self, to: &str, subject: &str) -> String {
        let letter = self.letter(to, subject).await;
        let is_token = |line: &&str| line.len() == 43 && line.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        letter.lines().map(str::trim).find(is_token).unwrap_or_else(|| panic!("no token in {letter}")).to_owned()
    }

    /// Waits until the sandbox provider has had that many webhooks taken: what they cause has then been committed.
    pub(crate) async fn webhooks_taken(&self, count: usize) {
        let journal = self.data.path().join("sandbox-provider.jsonl");
        let probe = || async {
            let text = std::fs::read_to_string(&journal).unwrap_or_default();
            (text.lines().filter(|line| line.contains("Delivered")).count() >= count).then_some(())
        };
        super::eventually(format!("{count} webhooks"), probe).await;
    }

    /// Somebody who is registered, logged in by REST and connected.
    pub(crate) async fn guest(&self, name: &str) -> Guest {
        Guest::join(self.address, name).await
    }

    /// Somebody who looks after the hub.
    pub(crate) async fn admin(&self, name: &str) -> Guest {
        let guest = self.guest(name).await;
        self.app.as_ref().unwrap().services.accounts.grant_admin(&guest.email).await.unwrap();
        guest
    }

    /// An anonymous connection.
    pub(crate) async fn anonymous(&self) -> Client {
        Client::open(self.address).await
    }

    /// Somebody who follows a home's topic without saying who they are.
    pub(crate) async fn watcher(&self, home: &Property) -> Watcher {
        Watcher::of(self.anonymous().await, home.id).await
    }
}

/// A home in Vienna for 100.00 a night and 30.00 of cleaning.
pub(crate) fn cottage() -> CreateProperty {
    CreateProperty {
        country: Some("AT".to_owned()),
        address: Some("Kahlenberger Straße 1".to_owned()),
        location: Some(Coordinates { latitude: 48.26, longitude: 16.35 }),
        cleaning_fee_minor: 3_000,
        max_nights: 28,
        publish: true,
        ..CreateProperty::new("Cottage by the vineyard", "Vienna", "Europe/Vienna", 4, "EUR", 10_000)
    }
}

/// Lists a cottage.
pub(crate) async fn list_home(host: &Guest) -> Property {
    list_as(host, &cottage()).await
}

/// Lists such a home.
pub(crate) async fn list_as(host: &Guest, ask: &impl serde::Serialize) -> Property {
    host.become_host().await;
    host.post("/properties/", ask).send().await.expect_json(201)
}
