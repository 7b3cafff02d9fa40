//! The command line and its environment variables.

mod payments;

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use self::payments::{PaymentArgs, ProviderName, Secret, StripeArgs};

/// A real-time booking hub.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version, about, long_about = None)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub: REST, WebSocket at /ws, background work
    Serve(Box<ServeArgs>),
    /// Give somebody the role of an admin: on the data folder of a hub that is not running, or in its SurrealDB server
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Look after the keys that access tokens are signed with
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Run several hubs over one SurrealDB server on this machine, to try what many nodes are like
    Cluster(ClusterArgs),
}

/// Options of `latchkey cluster`.
#[derive(Debug, Clone, Args)]
pub struct ClusterArgs {
    /// How many hubs
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub nodes: u16,

    /// Address of the door, which gives each connection to the next hub
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Folder of everything: the database, and a folder of each hub
    #[arg(long, value_name = "DIR", default_value = "cluster")]
    pub data: PathBuf,

    /// The SurrealDB server's program [default: surreal-server beside this one, or surreal]
    #[arg(long, value_name = "PROGRAM")]
    pub surreal: Option<PathBuf>,

    /// Redis's program; without one the hubs read each other's logs
    #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
    pub redis_server: PathBuf,

    /// No Redis
    #[arg(long)]
    pub no_redis: bool,

    /// Options of `latchkey serve` for every hub, after `--`, such as `-- --demo`
    #[arg(last = true, value_name = "OPTION")]
    pub options: Vec<String>,
}

/// What `latchkey admin` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum AdminCommand {
    /// Make an account that exists an admin's
    Grant {
        /// Where the hub keeps its data.
        #[command(flatten)]
        data: DataArgs,
        /// The address it is registered with
        #[arg(long)]
        email: String,
    },
    /// Make a new account that is an admin's; its password is LATCHKEY_ADMIN_PASSWORD or the first line of standard input
    Create {
        /// Where the hub keeps its data.
        #[command(flatten)]
        data: DataArgs,
        /// The address to register
        #[arg(long)]
        email: String,
        /// What others call them
        #[arg(long)]
        name: String,
    },
}

/// What `latchkey keys` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysCommand {
    /// Make a new key; a running hub signs with it within a minute, and the old one verifies until its tokens have ended
    Rotate {
        /// Folder of the hub
        #[arg(long, env = "LATCHKEY_DATA", value_name = "DIR", default_value = "data")]
        data: PathBuf,
    },
}

/// Where a hub keeps its data.
#[derive(Debug, Clone, Args)]
pub struct DataArgs {
    /// Folder of the hub: the embedded database, keys, photos, mails, the search's checkpoint, the sandbox provider's journal
    #[arg(long = "data", env = "LATCHKEY_DATA", value_name = "DIR", default_value = "data")]
    pub folder: PathBuf,

    /// Database: surrealkv://DIR (embedded), mem:// (gone at exit) or ws://HOST:PORT (a SurrealDB server)
    /// [default: surrealkv:// in the data folder, every commit synced to disk]
    #[arg(long, env = "LATCHKEY_DATABASE", value_name = "URL")]
    pub database: Option<String>,

    /// User of a SurrealDB server
    #[arg(long, env = "LATCHKEY_DATABASE_USER", value_name = "NAME", requires = "database_password")]
    pub database_user: Option<String>,

    /// Password of a SurrealDB server
    #[arg(long, env = "LATCHKEY_DATABASE_PASSWORD", value_name = "TEXT", hide_env_values = true)]
    pub database_password: Option<String>,
}

/// Options of `latchkey serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Add demo hosts, guests and properties in three cities, and print their accounts
    #[arg(long, env = "LATCHKEY_DEMO")]
    pub demo: bool,

    /// Have the demo's clock go so many hours ahead, for stays to begin and to end. A demo that was ahead once should not be started with less
    #[arg(long, env = "LATCHKEY_DEMO_HOURS_AHEAD", value_name = "N", default_value = "0", requires = "demo", value_parser = clap::value_parser!(u16).range(..=8_760))]
    pub demo_hours_ahead: u16,

    /// Address to listen on; port 0 picks a free one
    #[arg(long, env = "LATCHKEY_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Where clients reach this hub, as links in mails say it [default: http:// and the address it listens on]
    #[arg(long, env = "LATCHKEY_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// Where it keeps its data.
    #[command(flatten)]
    pub data: DataArgs,

    /// Redis that many nodes tell each other of events by and count requests with, redis://HOST:PORT (of a cluster one or several of its servers, separated
    /// by commas); without it they read each other's logs three times a second and count for themselves
    #[arg(long, env = "LATCHKEY_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,

    /// Folder of the photos, which many nodes share [default: photos in the data folder]
    #[arg(long, env = "LATCHKEY_PHOTOS", value_name = "DIR")]
    pub photos: Option<PathBuf>,

    /// How long a hold lasts, and each extension of it, in seconds
    #[arg(long, env = "LATCHKEY_HOLD_SECONDS", value_name = "N", default_value = "600", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub hold_seconds: u32,

    /// How long a booking waits for its payment, in seconds
    #[arg(long, env = "LATCHKEY_PAYMENT_SECONDS", value_name = "N", default_value = "900", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub payment_seconds: u32,

    /// How long a request waits for its host's answer, and a proposed alteration for the other side's, in seconds
    #[arg(long, env = "LATCHKEY_REQUEST_SECONDS", value_name = "N", default_value = "86400", value_parser = clap::value_parser!(u32).range(60..=604_800))]
    pub request_seconds: u32,

    /// How long a guest whose hold ended must leave the same nights to others, in seconds
    #[arg(long, env = "LATCHKEY_HOLD_COOLDOWN_SECONDS", value_name = "N", default_value = "30", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub hold_cooldown_seconds: u32,

    /// The platform's fee on each stay, in basis points; a home keeps the one it was listed with
    #[arg(long, env = "LATCHKEY_SERVICE_FEE_BP", value_name = "N", default_value = "1000", value_parser = clap::value_parser!(u16).range(0..=5_000))]
    pub service_fee_bp: u16,

    /// Active holds a user may have at once
    #[arg(long, env = "LATCHKEY_MAX_ACTIVE_HOLDS", value_name = "N", default_value = "5")]
    pub max_active_holds: usize,

    /// Register, log-in and refresh requests per address and minute; twice as many registrations per address and hour
    /// [default: 600, with --demo 60000]
    #[arg(long, env = "LATCHKEY_AUTH_PER_MINUTE", value_name = "N")]
    pub auth_per_minute: Option<NonZeroU32>,

    /// REST requests per user and minute, and searches that they begin to watch [default: 1200, with --demo 120000]
    #[arg(long, env = "LATCHKEY_REQUESTS_PER_USER", value_name = "N")]
    pub requests_per_user: Option<NonZeroU32>,

    /// REST requests per address and minute from whoever is not logged in, and searches that they begin to watch [default: 1200, with --demo 120000]
    #[arg(long, env = "LATCHKEY_REQUESTS_PER_ADDRESS", value_name = "N")]
    pub requests_per_address: Option<NonZeroU32>,

    /// Networks of proxies whose X-Forwarded-For is believed, such as 10.0.0.0/8, separated by commas
    #[arg(long, env = "LATCHKEY_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',')]
    pub trusted_proxies: Vec<ipnet::IpNet>,

    /// Origins whose pages may use the interface, such as `https://example.test`, separated by commas; * is all
    #[arg(long, env = "LATCHKEY_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origins: Vec<String>,

    /// WebSocket messages per connection and second
    #[arg(long, env = "LATCHKEY_MESSAGES_PER_SECOND", value_name = "N", default_value = "200", value_parser = clap::value_parser!(u32).range(1..))]
    pub messages_per_second: u32,

    /// WebSocket messages of one user and second, over all their connections [default: twice as many as on one of them, with --demo 200 times]
    #[arg(long, env = "LATCHKEY_MESSAGES_PER_USER", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub messages_per_user: Option<u32>,

    /// Live connections (WebSockets, event streams) at once of one user; with one more their oldest is closed
    /// [default: 50, with --demo as many as there are]
    #[arg(long, env = "LATCHKEY_MAX_LIVE_PER_USER", value_name = "N")]
    pub max_live_per_user: Option<NonZeroUsize>,

    /// Live connections (WebSockets, event streams) at once from one IPv4 address or IPv6 /64, as the trusted proxies tell it; further ones are
    /// refused [default: 1000, with --demo as many as there are]
    #[arg(long, env = "LATCHKEY_MAX_LIVE_PER_ADDRESS", value_name = "N")]
    pub max_live_per_address: Option<NonZeroUsize>,

    /// Searches that one customer watches at once, on all connections: a user, or an IPv4 address or IPv6 /64 that has not logged in
    /// [default: 200, with --demo 19000]
    #[arg(long, env = "LATCHKEY_MAX_SEARCHES_PER_CUSTOMER", value_name = "N")]
    pub max_searches_per_customer: Option<NonZeroUsize>,

    /// TCP connections at once, WebSockets included; below the process's limit of open files
    #[arg(long, env = "LATCHKEY_MAX_CONNECTIONS", value_name = "N", default_value = "19500")]
    pub max_connections: usize,

    /// TCP connections at once from one IPv4 address or IPv6 /64; many people share one, and a load test comes from one
    /// [default: as many as there are]
    #[arg(long, env = "LATCHKEY_MAX_CONNECTIONS_PER_ADDRESS", value_name = "N")]
    pub max_connections_per_address: Option<usize>,

    /// Free bytes that must be left on the data folder's disk: with less, nothing is written
    #[arg(long, env = "LATCHKEY_MIN_FREE_BYTES", value_name = "N", default_value = "268435456")]
    pub min_free_bytes: u64,

    /// Over how many seconds connected clients are sent away at the end
    #[arg(long, env = "LATCHKEY_DRAIN_SECONDS", value_name = "N", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=600))]
    pub drain_seconds: u32,

    /// How many seconds /readyz says no before the listener closes, so that load balancers send nobody any more
    #[arg(long, env = "LATCHKEY_DRAIN_NOTICE_SECONDS", value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=600))]
    pub drain_notice_seconds: u32,

    /// Secret that access tokens are signed with, 32 bytes or more, shared by many nodes [default: keys in the data folder, a new one
    /// every 30 days]
    #[arg(long, env = "LATCHKEY_TOKEN_SECRET", value_name = "TEXT", hide_env_values = true)]
    pub token_secret: Option<String>,

    /// Who moves the money.
    #[command(flatten)]
    pub payments: PaymentArgs,

    /// Mail server: smtps://USER:PASSWORD@HOST:465, smtp://USER:PASSWORD@HOST:587?tls=required, or unencrypted smtp://HOST:25
    /// [default: none, each mail becomes a file in the data folder's mail/]
    #[arg(long, env = "LATCHKEY_SMTP_URL", value_name = "URL", hide_env_values = true)]
    pub smtp_url: Option<String>,

    /// From whom mails are, such as `Latchkey <no-reply@example.org>`
    #[arg(long, env = "LATCHKEY_MAIL_FROM", value_name = "ADDRESS", default_value = "Latchkey <latchkey@localhost>")]
    pub mail_from: String,

    /// For how many days events are kept: who resumes from longer ago is given a fresh snapshot
    #[arg(long, env = "LATCHKEY_RETENTION_DAYS", value_name = "N", default_value = "30", value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub retention_days: u16,

    /// For how many days entries of the audit log are kept
    #[arg(long, env = "LATCHKEY_AUDIT_DAYS", value_name = "N", default_value = "365", value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub audit_days: u16,

    /// Log as JSON, one object a line; what is logged is set by RUST_LOG
    #[arg(long, env = "LATCHKEY_LOG_JSON")]
    pub log_json: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
