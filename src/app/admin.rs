//! `latchkey admin` and `latchkey keys`: what is done to the data folder of a hub from the command line.

use std::io::BufRead as _;
use std::num::NonZeroU32;
use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::BoxFuture;
use latchkey_protocol::rest::Register;
use latchkey_protocol::view::Me;

use super::keys::ring;
use super::lock::FolderLock;
use super::settings::{database_config, database_folder};
use crate::clock::Clock;
use crate::config::{AdminCommand, DataArgs, KeysCommand};
use crate::entropy;
use crate::service::ServiceError;
use crate::service::accounts::{Accounts, AccountsConfig};
use crate::service::tokens::TokenKey;
use crate::store::{EventSink, Store, StoredEvent};

/// Where the password of a new admin is looked for before the standard input.
const PASSWORD_VARIABLE: &str = "LATCHKEY_ADMIN_PASSWORD";

/// There is nobody to push to.
struct Nobody;

impl EventSink for Nobody {
    fn publish(&self, _: Vec<StoredEvent>) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Runs `latchkey admin …` and says what was done.
///
/// # Errors
/// With a sentence for people: the folder is in use or is none, no such account, a password that is refused.
pub async fn run_admin(command: &AdminCommand, clock: Arc<dyn Clock>) -> anyhow::Result<String> {
    match command {
        AdminCommand::Grant { data, email } => {
            let me = with_accounts(data, clock, async |accounts| accounts.grant_admin(email).await).await?;
            Ok(format!("{} ({}) is an admin", me.email, me.id))
        }
        AdminCommand::Create { data, email, name } => {
            let ask = Register { email: email.clone(), password: read_password()?, name: name.clone() };
            let me = with_accounts(data, clock, async |accounts| accounts.create_admin(ask).await).await?;
            Ok(format!("{} ({}) was made and is an admin", me.email, me.id))
        }
    }
}

/// Runs `latchkey keys …`; a hub may be running.
///
/// # Errors
/// If the folder is not a hub's or cannot be written.
pub fn run_keys(command: &KeysCommand, clock: &dyn Clock) -> anyhow::Result<String> {
    match command {
        KeysCommand::Rotate { data } => {
            let kid = ring::rotate(data, clock)?;
            Ok(format!("new token key {kid}: a running hub signs with it within a minute"))
        }
    }
}

/// Opens the stopped hub's database, does one thing, and closes it.
async fn with_accounts(
    data: &DataArgs,
    clock: Arc<dyn Clock>,
    act: impl AsyncFnOnce(&Accounts) -> Result<Me, ServiceError>,
) -> anyhow::Result<Me> {
    let has_database = data.database.is_some() || database_folder(data).is_dir();
    anyhow::ensure!(has_database, "{} is not the data folder of a hub", data.folder.display());
    let is_server = data.database.as_ref().is_some_and(|url| url.starts_with("ws"));
    let _lock = if is_server { None } else { Some(FolderLock::take(&data.folder)?) };
    // A full disk is no reason to lock administrators out.
    let config = database_config(data, 0);
    let store = Arc::new(Store::open(&config, Arc::clone(&clock), Arc::new(Nobody)).await?);
    // No token is given out here, so its key is nobody's.
    let secret = entropy::secret()?.to_vec();
    let config = AccountsConfig {
        token_keys: vec![TokenKey { kid: "none".to_owned(), secret: secret.clone() }],
        refresh_key: secret,
        public_url: String::new(),
        registrations_per_hour: NonZeroU32::MAX,
        spending: None,
    };
    let accounts = Accounts::new(Arc::clone(&store), clock, config, Box::new(|_, _| ()))?;
    let done = act(&accounts).await;
    store.close().await;
    done.map_err(|error| match error {
        ServiceError::NotFound(_) => anyhow::anyhow!("nobody is registered with this address: use `latchkey admin create`"),
        ServiceError::AlreadyRegistered => anyhow::anyhow!("this address is registered already: use `latchkey admin grant`"),
        other => other.into(),
    })
}

fn read_password() -> anyhow::Result<String> {
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    anyhow::ensure!(!password.is_empty(), "give the password in {PASSWORD_VARIABLE} or as the first line of standard input");
    Ok(password)
}
