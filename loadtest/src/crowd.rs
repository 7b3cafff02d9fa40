//! Many of one thing, a few at a time: users, homes, sockets.
//!
//! Every scenario begins here. The bounds keep the preparation from being the load: password hashing is slow on purpose,
//! and a hub limits how many strangers may knock at once.

use std::future::Future;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use latchkey_protocol::PropertyId;

use crate::account::{Account, Credentials};
use crate::rest::Rest;

/// REST requests under way at once while a run is prepared or checked.
pub(crate) const REST_AT_ONCE: usize = 8;
/// Sockets being opened at once.
pub(crate) const SOCKETS_AT_ONCE: usize = 64;
/// Sockets of one run: what a process may have open here (20,000 files), less what it needs besides.
pub(crate) const MAX_SOCKETS: usize = 19_000;

/// Does `make` for every number below `count`, `at_once` of them side by side; results in order, the first error ends it.
///
/// # Errors
/// The first one that `make` gives.
pub(crate) async fn gather<T, E, F, M>(count: usize, at_once: usize, make: M) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>>,
    M: FnMut(usize) -> F,
{
    stream::iter((0..count).map(make)).buffered(at_once.max(1)).try_collect().await
}

/// Registers `count` users named by their number.
///
/// # Errors
/// The hub refused one or could not be reached.
pub(crate) async fn register(rest: &Rest, scenario: &str, run: &str, count: usize) -> Result<Vec<Arc<Account>>> {
    gather(count, REST_AT_ONCE, |number| async move {
        let credentials = Credentials::invent(scenario, run, &number.to_string());
        Account::register(rest, credentials).await.map(Arc::new).with_context(|| format!("registering user {number}"))
    })
    .await
}

/// Registers the run's host and lists `count` homes.
///
/// # Errors
/// The hub refused or could not be reached.
pub(crate) async fn host(rest: &Rest, scenario: &str, run: &str, count: usize) -> Result<(Arc<Account>, Vec<PropertyId>)> {
    let credentials = Credentials::invent(scenario, run, "host");
    let host = Arc::new(Account::register(rest, credentials).await.context("registering the host")?);
    let lister = &host;
    let properties =
        gather(count, REST_AT_ONCE, |number| async move { lister.list_property(rest, run, number).await.map(|property| property.id) })
            .await?;
    Ok((host, properties))
}

/// A name for this run that no other run has: mail addresses and idempotency keys are built from it.
pub(crate) fn run_name() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// Refuses a run that this process cannot hold.
///
/// # Errors
/// More than [`MAX_SOCKETS`].
pub(crate) fn check_sockets(count: usize) -> Result<()> {
    ensure!(count <= MAX_SOCKETS, "{count} sockets are more than the {MAX_SOCKETS} that one process opens; start several");
    Ok(())
}
