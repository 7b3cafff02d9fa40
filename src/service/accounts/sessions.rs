//! Sessions: logging in, taking new tokens, looking at one's sessions and ending them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_protocol::rest::{Login, Refresh, Tokens};
use latchkey_protocol::view;
use latchkey_protocol::{SessionId, UserId};

use super::{Accounts, By, Change, MAX_TRIES, Origin, digest, random_text};
use crate::domain::account::session::{beyond_the_cap, user_agent};
use crate::domain::account::{AccountState, AccountWrite, AuditKind, LoginRecord, RefreshFamily, Rotation, normal_email};
use crate::domain::{DAY_MS, Refusal, Timestamp};
use crate::entropy::fresh_id;
use crate::service::{Caller, ServiceError, wire};
use crate::store::{CommitError, Person};

/// How long a login lasts without being refreshed, in milliseconds.
const SESSION_TTL_MS: i64 = 30 * DAY_MS;

impl Accounts {
    /// Opens a session. Somebody who had left is back.
    ///
    /// # Errors
    /// `BadCredentials`, in the same time for a wrong password as for an unknown address; `Forbidden` for a suspended account;
    /// `RateLimited`, `Busy`.
    pub async fn log_in(&self, ask: Login, origin: &Origin) -> Result<Tokens, ServiceError> {
        let email = normal_email(&ask.email).map_err(|_| ServiceError::BadCredentials)?;
        self.limits.failed_log_in.check(&origin.address, self.now())?;
        self.limits.log_in.count(&(email.as_str(), origin.address))?;
        self.limits.log_in_from_anywhere.count(&email)?;
        let login = self.store.login(&email).await?;
        let verdict = self.hashing.verify(ask.password, login.as_ref().map(|login| login.password_hash.clone())).await?;
        let failed = || {
            self.limits.failed_log_in.count(&origin.address, self.now());
            ServiceError::BadCredentials
        };
        let Some(login) = login else { return Err(failed()) };
        if !verdict.is_right {
            self.audit_soon(&By::nobody(origin), AuditKind::LogInFailed, login.user);
            return Err(failed());
        }
        let secret = random_text()?;
        let opened = self.decide(login.user, |person, now| {
            let session = SessionId::from_bytes(fresh_id(now.epoch_ms()));
            let by = By { actor: Some(login.user), session: Some(session), ..By::nobody(origin) };
            let mut change = open_session(person, &login, verdict.rehashed.as_ref(), &by, now)?;
            change.write(AccountWrite::AddFamily(RefreshFamily {
                session,
                user: login.user,
                current: digest(&secret),
                previous: None,
                rotated_at: now,
                expires_at: now.plus_ms(SESSION_TTL_MS),
                user_agent: origin.user_agent.as_deref().and_then(user_agent),
                version: 1,
            }));
            Ok((change, (session, now)))
        });
        let (session, now) = opened.await?;
        self.tokens_of(login.user, session, &secret, now)
    }

    /// Takes a refresh token for a new pair of tokens. A token used twice ends the session: somebody has a copy (RFC 9700, 4.14.2).
    ///
    /// # Errors
    /// `Unauthenticated`, `Busy`.
    pub async fn refresh(&self, ask: Refresh, origin: &Origin) -> Result<Tokens, ServiceError> {
        let refused = ServiceError::Unauthenticated("the refresh token is not valid");
        let (session, secret) = self.open_refresh_token(&ask.refresh_token).ok_or(refused.clone())?;
        for _ in 0..MAX_TRIES {
            let Some(family) = self.store.family(session).await? else { return Err(refused) };
            let (user, now, next) = (family.user, self.now(), random_text()?);
            let mut change = Change::default();
            let is_reused = match family.rotate(&digest(secret), digest(&next), now.plus_ms(SESSION_TTL_MS), now) {
                Rotation::Rotated(family) => {
                    change.write(AccountWrite::SetFamily(family));
                    false
                }
                Rotation::Reused => {
                    tracing::warn!(%user, %session, "a refresh token was used twice: the session ends");
                    change.end([family], now);
                    change.audit(&By { session: Some(session), ..By::nobody(origin) }, AuditKind::RefreshReused, user, now);
                    true
                }
                Rotation::Refused => return Err(refused),
            };
            match self.commit(change).await {
                Ok(()) if is_reused => return Err(refused),
                Ok(()) => return self.tokens_of(user, session, &next, now),
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// The caller's live sessions, newest first.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn sessions(&self, caller: &Caller) -> Result<view::Sessions, ServiceError> {
        let (person, now) = (self.person(caller.user).await?, self.now());
        let live = person.sessions.iter().filter(|family| family.is_live(now));
        Ok(view::Sessions { items: live.map(|family| wire::session(family, caller.session)).collect() })
    }

    /// Ends one of the caller's sessions: also the one that asks, which is how one logs out.
    ///
    /// # Errors
    /// `NotFound` if it is over already, or somebody else's.
    pub async fn end_session(&self, caller: &Caller, session: SessionId, origin: &Origin) -> Result<(), ServiceError> {
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let family = person.sessions.into_iter().find(|family| family.session == session && family.is_live(now));
            let mut change = Change::default();
            change.end([family.ok_or(ServiceError::NotFound("session"))?], now);
            // Which one ended, and not which one asked.
            change.audit(&By { session: Some(session), ..by.clone() }, AuditKind::LoggedOut, caller.user, now);
            Ok((change, ()))
        })
        .await
    }

    /// Ends every session of the caller.
    ///
    /// # Errors
    /// `Busy`.
    pub async fn log_out_everywhere(&self, caller: &Caller, origin: &Origin) -> Result<(), ServiceError> {
        let by = By::caller(caller, origin);
        self.decide(caller.user, |person, now| {
            let mut change = Change::default();
            change.end(live(&person, now), now);
            change.audit(&by, AuditKind::LoggedOut, caller.user, now);
            change.write(AccountWrite::Set(person.account.touched()));
            Ok((change, ()))
        })
        .await
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
}

/// Everything about logging in but the session itself.
fn open_session(
    person: Person,
    verified: &LoginRecord,
    rehashed: Option<&String>,
    by: &By,
    now: Timestamp,
) -> Result<Change, ServiceError> {
    if person.login.as_ref().is_none_or(|login| login.password_hash != verified.password_hash) {
        // The password was changed while the old one was looked at.
        return Err(ServiceError::BadCredentials);
    }
    let mut change = Change::default();
    change.end(beyond_the_cap(live(&person, now)), now);
    if person.account.state == AccountState::Deactivated {
        change.audit(by, AuditKind::Reactivated, verified.user, now);
    }
    let account = person.account.log_in().map_err(|refusal| match refusal {
        Refusal::NotYours => ServiceError::Forbidden,
        _ => ServiceError::BadCredentials,
    })?;
    change.write(AccountWrite::Set(account));
    if let Some(password_hash) = rehashed {
        change.write(AccountWrite::SetLogin(LoginRecord { password_hash: password_hash.clone(), ..verified.clone() }));
    }
    change.audit(by, AuditKind::LoggedIn, verified.user, now);
    Ok(change)
}

/// Somebody's sessions that are not over.
pub(super) fn live(person: &Person, now: Timestamp) -> Vec<RefreshFamily> {
    person.sessions.iter().filter(|family| family.is_live(now)).cloned().collect()
}

/// What a refresh token's mark is over: a key may sign access tokens as well, and neither may be taken for the other.
fn refresh_payload(signed: &str) -> Vec<u8> {
    format!("refresh {signed}").into_bytes()
}
