//! A registered user of the run, and the tokens they speak with.
//!
//! Invariant: tokens are renewed one caller at a time. A refresh token is good for one use, so two sockets of one user that
//! refreshed side by side would look like a theft. So would a refresh that is sent again because its answer was lost: after any
//! failure we log in instead.

use std::time::Duration;

use anyhow::{Context, Result};
use latchkey_protocol::rest::{CreateProperty, Login, Refresh, Register, Tokens};
use latchkey_protocol::{ErrorCode, UserId, view};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::plan::now_ms;
use crate::rest::{Call, Rest, RestError};

/// A token this close to its end is renewed before it is used.
const RENEW_BEFORE_MS: i64 = 20_000;
/// How long a run tries to reach the hub by REST when nobody said otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// What it takes to log in again, in another process: invented users only, so it may be written to a record file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Credentials {
    /// `race-{run}-{n}@example.test`.
    pub(crate) email: String,
    /// As registered.
    pub(crate) password: String,
}

impl Credentials {
    /// User `name` of a run. The address names the run, so runs never meet.
    pub(crate) fn invent(scenario: &str, run: &str, name: &str) -> Self {
        Self { email: format!("{scenario}-{run}-{name}@example.test"), password: format!("correct horse {run} {name}") }
    }
}

/// A user with a session.
#[derive(Debug)]
pub(crate) struct Account {
    /// How they log in.
    pub(crate) credentials: Credentials,
    /// Who they are.
    pub(crate) user: UserId,
    tokens: Mutex<Tokens>,
}

impl Account {
    /// Registers and logs in. Whoever is registered already (an earlier attempt whose answer was lost) just logs in.
    ///
    /// # Errors
    /// The hub refused or could not be reached.
    pub(crate) async fn register(rest: &Rest, credentials: Credentials) -> Result<Self, RestError> {
        let Credentials { email, password } = credentials.clone();
        let ask = Register { email, password, name: "Load Tester".to_owned() };
        match rest.send::<view::Me>(Call::post("/auth/register/", &ask)).await {
            Ok(_) => {}
            Err(error) if error.code() == Some(ErrorCode::AlreadyRegistered) => {}
            Err(error) => return Err(error),
        }
        Self::log_in(rest, credentials).await
    }

    /// Logs in a user who is known to be registered.
    ///
    /// # Errors
    /// The hub refused or could not be reached.
    pub(crate) async fn log_in(rest: &Rest, credentials: Credentials) -> Result<Self, RestError> {
        let tokens = log_in(rest, &credentials).await?;
        Ok(Self { credentials, user: tokens.user, tokens: Mutex::new(tokens) })
    }

    /// An access token that is good for a while, and is not `refused` (the one the hub just turned down).
    ///
    /// # Errors
    /// The hub refused both refresh and login, or could not be reached.
    pub(crate) async fn token(&self, rest: &Rest, refused: Option<&str>) -> Result<String, RestError> {
        let mut tokens = self.tokens.lock().await;
        let stale = tokens.expires_at - now_ms() < RENEW_BEFORE_MS || refused == Some(tokens.access_token.as_str());
        if stale {
            let ask = Refresh { refresh_token: tokens.refresh_token.clone() };
            *tokens = match rest.send(Call::post("/auth/refresh/", &ask).once()).await {
                Ok(fresh) => fresh,
                Err(_) => log_in(rest, &self.credentials).await?,
            };
        }
        Ok(tokens.access_token.clone())
    }

    /// Reads something of this user's; a token that was refused is renewed once.
    ///
    /// # Errors
    /// As [`Rest::send`].
    pub(crate) async fn get<T: DeserializeOwned>(&self, rest: &Rest, path: &str) -> Result<T, RestError> {
        let token = self.token(rest, None).await?;
        match rest.send(Call::get(path.to_owned()).bearer(&token)).await {
            Err(error) if error.code() == Some(ErrorCode::Unauthenticated) => {
                let token = self.token(rest, Some(&token)).await?;
                rest.send(Call::get(path.to_owned()).bearer(&token)).await
            }
            result => result,
        }
    }

    /// Lists a home with plain rules: any stay, a round price, four guests.
    ///
    /// # Errors
    /// The hub refused or could not be reached.
    pub(crate) async fn list_property(&self, rest: &Rest, run: &str, number: usize) -> Result<view::Property> {
        let ask = CreateProperty {
            location: Some(view::Coordinates { latitude: 48.2, longitude: 16.37 }),
            cleaning_fee_minor: 3_000,
            publish: true,
            ..CreateProperty::new(&format!("Load test cottage {number}"), "Vienna", "Europe/Vienna", 4, "EUR", 12_000)
        };
        let token = self.token(rest, None).await?;
        let _: view::Me =
            rest.send(Call::post("/users/me/host/", &serde_json::json!({})).bearer(&token)).await.context("becoming a host")?;
        let key = format!("{run}-property-{number}");
        rest.send(Call::post("/properties/", &ask).bearer(&token).key(&key)).await.context("listing a property")
    }
}

async fn log_in(rest: &Rest, credentials: &Credentials) -> Result<Tokens, RestError> {
    let Credentials { email, password } = credentials.clone();
    rest.send(Call::post("/auth/login/", &Login { email, password })).await
}
