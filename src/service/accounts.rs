//! Accounts: register, log in, refresh.
//!
//! Passwords are hashed with argon2id on blocking threads, a bounded number at once. A wrong password and an unknown address take the
//! same time and get the same answer.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dashmap::DashMap;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use latchkey_protocol::rest::{Login, Refresh, Register, Tokens};
use latchkey_protocol::{EpochMs, SessionId, UserId, view};
use tokio::sync::Semaphore;

use super::tokens::AccessTokens;
use super::{Caller, ServiceError};
use crate::clock::Clock;
use crate::domain::account::{Account, RefreshFamily, Rotation, normal_email, validate_registration};
use crate::domain::{Timestamp, Write};
use crate::entropy::{self, fresh_id};
use crate::provider::webhook::hex;
use crate::store::{ChangeSet, CommitError, Contended, Lane, Store};

/// How long a login lasts without being refreshed, in milliseconds.
const SESSION_TTL_MS: i64 = 30 * 86_400_000;

/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;

/// Hashes that may wait; a further one is told `busy`.
const MAX_WAITING_HASHES: usize = 1_024;

/// Log-ins for one e-mail address from one network address a minute, right or wrong: guessing gets nowhere.
const LOGINS_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// Log-ins for one e-mail address from anywhere a minute: nor does guessing from many places. More than its owner needs, so that one
/// attacker's address does not lock them out.
const LOGINS_PER_EMAIL: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");

/// Told of sessions that end before their time, so that their sockets are closed.
pub type OnRevoked = Box<dyn Fn(SessionId) + Send + Sync>;

/// Accounts.
pub struct Accounts {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    tokens: AccessTokens,
    hashing: Arc<Semaphore>,
    waiting: Semaphore,
    /// A hash of nothing, verified when there is no account: equal time for unknown users.
    decoy: String,
    attempts: DefaultKeyedRateLimiter<(String, Option<IpAddr>)>,
    refresh_key: hmac::Key,
    attempts_from_anywhere: DefaultKeyedRateLimiter<String>,
    revocations: Arc<Revocations>,
}

/// Sessions that ended before their time.
struct Revocations {
    until: DashMap<SessionId, EpochMs>,
    on_revoked: OnRevoked,
}

impl Accounts {
    /// In this store, with tokens signed by `secret`.
    ///
    /// # Errors
    /// `Internal` if the system gives no random numbers.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, secret: &[u8], on_revoked: OnRevoked) -> Result<Self, ServiceError> {
        Ok(Self {
            store,
            clock,
            tokens: AccessTokens::new(secret),
            hashing: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Semaphore::new(MAX_WAITING_HASHES),
            decoy: hash_password(&random_text()?)?,
            attempts: RateLimiter::keyed(Quota::per_minute(LOGINS_PER_ADDRESS)),
            attempts_from_anywhere: RateLimiter::keyed(Quota::per_minute(LOGINS_PER_EMAIL)),
            refresh_key: hmac::Key::new(hmac::HMAC_SHA256, secret),
            revocations: Arc::new(Revocations { until: DashMap::new(), on_revoked }),
        })
    }

    /// Creates an account.
    ///
    /// # Errors
    /// `Invalid`, `AlreadyRegistered`, `Busy`.
    pub async fn register(&self, ask: Register) -> Result<view::Me, ServiceError> {
        let email = normal_email(&ask.email)?;
        validate_registration(&ask.name, &ask.password)?;
        let password_hash = self.hashed(move || hash_password(&ask.password)).await??;
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let account = Account {
            user: UserId::from_bytes(fresh_id(now.epoch_ms())),
            email,
            name: ask.name.trim().to_owned(),
            password_hash,
            created_at: now,
        };
        let me = me(&account);
        match self.store.commit(write(Write::AddAccount(account)), Lane::Normal).await {
            Ok(()) => Ok(me),
            Err(CommitError::Contended(Contended::Login)) => Err(ServiceError::AlreadyRegistered),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a session for somebody at the network address `from`.
    ///
    /// # Errors
    /// `BadCredentials`, `RateLimited`, `Busy`.
    pub async fn log_in(&self, ask: Login, from: Option<IpAddr>) -> Result<Tokens, ServiceError> {
        let email = normal_email(&ask.email).map_err(|_| ServiceError::BadCredentials)?;
        self.attempts.check_key(&(email.clone(), from))?;
        self.attempts_from_anywhere.check_key(&email)?;
        let account = self.store.account_by_email(&email).await?;
        let stored = account.as_ref().map_or_else(|| self.decoy.clone(), |account| account.password_hash.clone());
        let is_right = self.hashed(move || verify_password(&ask.password, &stored)).await?;
        let Some(account) = account.filter(|_| is_right) else { return Err(ServiceError::BadCredentials) };
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let session = SessionId::from_bytes(fresh_id(now.epoch_ms()));
        let secret = random_text()?;
        let family = RefreshFamily {
            session,
            user: account.user,
            current: token_hash(&secret),
            previous: None,
            rotated_at: now,
            expires_at: now.plus_ms(SESSION_TTL_MS),
            ended: false,
            version: 1,
        };
        self.store.commit(write(Write::AddFamily(family)), Lane::Normal).await?;
        self.tokens_of(account.user, session, &secret, now)
    }

    /// Takes a refresh token for a new pair of tokens. A token used twice ends the session: somebody has a copy (RFC 9700, 4.14.2).
    ///
    /// # Errors
    /// `Unauthenticated`, `Busy`.
    pub async fn refresh(&self, ask: Refresh) -> Result<Tokens, ServiceError> {
        let refused = ServiceError::Unauthenticated("the refresh token is not valid");
        let (session, secret) = self.open_refresh_token(&ask.refresh_token).ok_or(refused.clone())?;
        for _ in 0..3 {
            let Some(family) = self.store.family(session).await? else { return Err(refused) };
            let now = Timestamp::from_epoch_ms(self.clock.now());
            let next = random_text()?;
            let (family, is_reused) = match family.rotate(&token_hash(secret), token_hash(&next), now.plus_ms(SESSION_TTL_MS), now) {
                Rotation::Rotated(family) => (family, false),
                Rotation::Reused(family) => (family, true),
                Rotation::Refused => return Err(refused),
            };
            let user = family.user;
            let committed = if is_reused {
                tracing::warn!(%user, %session, "a refresh token was used twice: the session ends");
                self.end_session(family, now).await
            } else {
                self.store.commit(write(Write::SetFamily(family)), Lane::Normal).await
            };
            match committed {
                Ok(()) if is_reused => return Err(refused),
                Ok(()) => return self.tokens_of(user, session, &next, now),
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// Who an access token speaks for.
    ///
    /// # Errors
    /// `Unauthenticated`.
    pub fn authenticate(&self, token: &str) -> Result<Caller, ServiceError> {
        let caller = self.tokens.verify(token, self.clock.now())?;
        if self.revocations.until.contains_key(&caller.session) {
            return Err(ServiceError::Unauthenticated("the session has ended"));
        }
        Ok(caller)
    }

    /// The caller's own account.
    ///
    /// # Errors
    /// `NotFound` if it is gone.
    pub async fn me(&self, caller: &Caller) -> Result<view::Me, ServiceError> {
        let account = self.store.account(caller.user).await?.ok_or(ServiceError::NotFound("user"))?;
        Ok(me(&account))
    }

    /// Forgets attempts and revocations that no longer matter.
    pub fn sweep(&self) {
        self.attempts.retain_recent();
        self.attempts.shrink_to_fit();
        self.attempts_from_anywhere.retain_recent();
        self.attempts_from_anywhere.shrink_to_fit();
        let now = self.clock.now();
        self.revocations.until.retain(|_, until| now < *until);
    }

    /// Reads the sessions that have been revoked, at start.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn restore(&self) -> Result<(), ServiceError> {
        for (session, until) in self.store.revocations(Timestamp::from_epoch_ms(self.clock.now())).await? {
            self.revocations.until.insert(session, until.epoch_ms());
        }
        Ok(())
    }

    /// Ends a session: its tokens are refused and its sockets closed. In a task of its own, so that a client which hangs up before the
    /// answer does not keep its session.
    async fn end_session(&self, family: RefreshFamily, now: Timestamp) -> Result<(), CommitError> {
        let session = family.session;
        // Any access token of it has ended by then.
        let until = now.plus_ms(super::tokens::ACCESS_TTL_MS);
        let set = ChangeSet { writes: vec![Write::SetFamily(family), Write::Revoke { session, until }], ..ChangeSet::default() };
        let (store, revocations) = (Arc::clone(&self.store), Arc::clone(&self.revocations));
        let task = tokio::spawn(async move {
            store.commit(set, Lane::Reserved).await?;
            revocations.until.insert(session, until.epoch_ms());
            (revocations.on_revoked)(session);
            Ok(())
        });
        task.await.unwrap_or(Err(CommitError::Unknown))
    }

    /// Session and secret of a refresh token that we gave out: the mark shows that it is ours, so that nobody can end a session by
    /// making up an old token of it.
    fn open_refresh_token<'a>(&self, token: &'a str) -> Option<(SessionId, &'a str)> {
        let (signed, mark) = token.rsplit_once('.')?;
        let (session, secret) = signed.split_once('.')?;
        let mark = URL_SAFE_NO_PAD.decode(mark).ok()?;
        hmac::verify(&self.refresh_key, &refresh_payload(signed), &mark).ok()?;
        Some((session.parse().ok()?, secret))
    }

    fn tokens_of(&self, user: UserId, session: SessionId, secret: &str, now: Timestamp) -> Result<Tokens, ServiceError> {
        let (access_token, expires_at) = self.tokens.issue(user, session, now.epoch_ms())?;
        let signed = format!("{session}.{secret}");
        let mark = URL_SAFE_NO_PAD.encode(hmac::sign(&self.refresh_key, &refresh_payload(&signed)));
        Ok(Tokens { user, access_token, expires_at, refresh_token: format!("{signed}.{mark}") })
    }

    /// Runs a password hash on a blocking thread, a bounded number at once.
    async fn hashed<T: Send + 'static>(&self, hash: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| ServiceError::Busy)?;
        let permit = Arc::clone(&self.hashing).acquire_owned().await.map_err(|_| ServiceError::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = hash();
            drop(permit);
            result
        });
        task.await.map_err(|_| ServiceError::Internal)
    }
}

/// What a refresh token's mark is over: the key signs access tokens as well, and neither may be taken for the other.
fn refresh_payload(signed: &str) -> Vec<u8> {
    format!("refresh {signed}").into_bytes()
}

fn me(account: &Account) -> view::Me {
    view::Me { id: account.user, email: account.email.clone(), name: account.name.clone(), created_at: account.created_at.epoch_ms() }
}

fn write(write: Write) -> ChangeSet {
    ChangeSet { writes: vec![write], ..ChangeSet::default() }
}

/// argon2id with OWASP's parameters: 19 MiB, 2 passes, 1 lane.
fn argon2() -> Result<Argon2<'static>, ServiceError> {
    let params = Params::new(19_456, 2, 1, None).map_err(|_| ServiceError::Internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_password(password: &str) -> Result<String, ServiceError> {
    let hash = argon2()?.hash_password(password.as_bytes()).map_err(|_| ServiceError::Internal)?;
    Ok(hash.to_string())
}

fn verify_password(password: &str, stored: &str) -> bool {
    let (Ok(argon2), Ok(stored)) = (argon2(), PasswordHash::new(stored)) else { return false };
    argon2.verify_password(password.as_bytes(), &stored).is_ok()
}

/// 256 random bits as text.
fn random_text() -> Result<String, ServiceError> {
    Ok(URL_SAFE_NO_PAD.encode(entropy::secret().map_err(|_| ServiceError::Internal)?))
}

fn token_hash(secret: &str) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref())
}
