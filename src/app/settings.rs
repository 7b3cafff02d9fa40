//! What the command line means to the parts.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use crate::api::limits::Allowances;
use crate::api::ws::WsLimits;
use crate::config::{DataArgs, ServeArgs};
use crate::domain::calendar::Leases;
use crate::store::{DatabaseConfig, MemoryCaps};

/// Requests a minute if the configuration says nothing: of one user, of one address, and for authentication from one address. The demo
/// is what load testers come to, all of them from one address.
pub(super) fn allowances(args: &ServeArgs) -> Allowances {
    let usual = |usual, demo| NonZeroU32::new(if args.demo { demo } else { usual }).unwrap_or(NonZeroU32::MIN);
    Allowances {
        per_user: args.requests_per_user.unwrap_or_else(|| usual(1_200, 120_000)),
        per_address: args.requests_per_address.unwrap_or_else(|| usual(1_200, 120_000)),
        auth_per_address: args.auth_per_minute.unwrap_or_else(|| usual(600, 60_000)),
    }
}

/// Registrations an hour from one address: as many as two minutes of authentication.
pub(super) fn registrations_per_hour(args: &ServeArgs) -> NonZeroU32 {
    allowances(args).auth_per_address.saturating_mul(NonZeroU32::MIN.saturating_add(1))
}

pub(super) fn leases(args: &ServeArgs) -> Leases {
    let ms = |seconds: u32| i64::from(seconds) * 1_000;
    Leases {
        hold_ms: ms(args.hold_seconds),
        hold_longest_ms: 3 * ms(args.hold_seconds),
        payment_ms: ms(args.payment_seconds),
        request_ms: ms(args.request_seconds),
        cooldown_ms: ms(args.hold_cooldown_seconds),
    }
}

/// Where the embedded database is, if no other one is named.
pub(super) fn database_folder(data: &DataArgs) -> PathBuf {
    data.folder.join("database")
}

pub(super) fn database_config(data: &DataArgs, min_free_bytes: u64) -> DatabaseConfig {
    let embedded = || format!("surrealkv://{}", database_folder(data).display());
    DatabaseConfig {
        url: data.database.clone().unwrap_or_else(embedded),
        name: "main".to_owned(),
        credentials: data.database_user.clone().zip(data.database_password.clone()),
        caps: MemoryCaps::default(),
        min_free_bytes,
    }
}

/// Bounds of the live side. As with [`allowances`], those of the demo are what a load test from one address needs.
pub(super) fn ws_limits(args: &ServeArgs) -> WsLimits {
    let usual = WsLimits::default();
    let at_most = |given: Option<NonZeroUsize>, most| given.map_or(if args.demo { usual.max_sockets } else { most }, NonZeroUsize::get);
    let times = if args.demo { 200 } else { 2 };
    WsLimits {
        max_per_user: at_most(args.max_live_per_user, 50),
        max_per_address: at_most(args.max_live_per_address, 1_000),
        max_searches_per_customer: at_most(args.max_searches_per_customer, 200),
        messages_per_user: args.messages_per_user.unwrap_or_else(|| args.messages_per_second.saturating_mul(times)),
        messages_per_second: args.messages_per_second,
        message_burst: args.messages_per_second.saturating_mul(2),
        ..usual
    }
}

/// Many nodes need what they share.
pub(super) fn check_nodes(args: &ServeArgs) -> anyhow::Result<()> {
    let is_shared = args.data.database.as_ref().is_some_and(|url| url.starts_with("ws://") || url.starts_with("wss://"));
    anyhow::ensure!(
        is_shared || args.redis.is_none(),
        "--redis is for many nodes, and those share a SurrealDB server: give --database ws://HOST:PORT too"
    );
    if is_shared && args.token_secret.is_none() {
        tracing::warn!("no --token-secret: other nodes at this database do not take the tokens that this one gives out");
    }
    Ok(())
}
