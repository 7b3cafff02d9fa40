//! Accounts: who somebody is, their sessions, passwords and roles, and how they leave.
//!
//! Everything that is decided about a user is decided on [`Person`], read at one instant, and committed on its version: whoever was
//! second decides again. A session that ends is revoked in the same change set, and its sockets are closed when that is on disk (P8).

mod hashing;
mod leaving;
mod letters;
mod passwords;
mod profile;
mod register;
mod revocations;
mod roles;
mod sessions;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use governor::Quota;
use latchkey_protocol::{SessionId, Topic, UserId};
use tokio::sync::Semaphore;

use self::hashing::Hashing;
use self::revocations::Revocations;
pub use self::revocations::{EndedAt, OnRevoked};
use super::roles::Roles;
use super::throttle::{FailureThrottle, Throttle};
use super::tokens::{ACCESS_TTL_MS, AccessTokens, TokenKey};
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::digest::{hex, sha256};
use crate::domain::account::{Account, AccountWrite, AuditEntry, AuditKind, RefreshFamily, normal_email};
use crate::domain::mail::Mail;
use crate::domain::{AuditId, Event, Job, Refusal, Timestamp, TopicEvent, Write};
use crate::entropy::{self, fresh_id};
use crate::provider::mail::is_address;
use crate::shared::Spending;
use crate::store::{ChangeSet, CommitError, Contended, Lane, Person, Store};

/// Log-ins for one e-mail address from one network address a minute, right or wrong: guessing gets nowhere.
const LOGINS_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// Log-ins for one e-mail address from anywhere a minute: nor does guessing from many places. More than its owner needs, so that one
/// attacker's address does not lock them out.
const LOGINS_PER_EMAIL: NonZeroU32 = NonZeroU32::new(60).expect("60 is not 0");

/// Failed log-ins from one network address an hour, whatever the accounts: nor does trying one password on many of them.
const FAILURES_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(100).expect("100 is not 0");

/// Passwords that a logged-in user may give a minute, to change something with: a stolen token does not help to guess it.
const PASSWORDS_PER_USER: NonZeroU32 = NonZeroU32::new(10).expect("10 is not 0");

/// One-use tokens that one network address may try a minute; they cannot be guessed anyway.
const TOKENS_PER_ADDRESS: NonZeroU32 = NonZeroU32::new(30).expect("30 is not 0");

/// Mails that one e-mail address can be made to get an hour.
const MAILS_PER_EMAIL: NonZeroU32 = NonZeroU32::new(6).expect("6 is not 0");

/// Exports that one user can ask for an hour: each reads everything there is of them.
const EXPORTS_PER_USER: NonZeroU32 = NonZeroU32::new(6).expect("6 is not 0");

/// How often something is decided again because somebody else was first.
const MAX_TRIES: u32 = 8;

/// Failed log-ins that are being written to the audit log at once; more are only counted.
const MAX_AUDITS_UNDER_WAY: usize = 64;

/// How somebody goes who has homes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// They may come back, or be let in again: their homes go off sale.
    ForNow,
    /// They were erased: nothing that they wrote of their homes stays.
    ForGood,
}

/// Does with every home of a host what their going asks for; said again, it changes nothing.
pub type LetHomesGo = Box<dyn Fn(UserId, Departure) -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync>;

/// Secrets and settings of [`Accounts`].
pub struct AccountsConfig {
    /// Keys of access tokens, the newest last.
    pub token_keys: Vec<TokenKey>,
    /// Key of the marks on refresh tokens; it outlives the others, or everybody would be logged out.
    pub refresh_key: Vec<u8>,
    /// Where clients reach this hub, without a slash at the end: what links in mails begin with.
    pub public_url: String,
    /// Registrations from one network address an hour: each costs a password hash, and a mail to whoever is named.
    pub registrations_per_hour: NonZeroU32,
    /// What all nodes count together, if there is a way.
    pub spending: Option<Arc<Spending>>,
}

/// From where somebody asks, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// Their network address, as far as limits tell addresses apart.
    pub address: Option<IpAddr>,
    /// What their client calls itself.
    pub user_agent: Option<String>,
}

/// Accounts.
pub struct Accounts {
    store: Arc<Store>,
    roles: Roles,
    clock: Arc<dyn Clock>,
    tokens: AccessTokens,
    refresh_key: hmac::Key,
    public_url: String,
    hashing: Hashing,
    limits: Throttles,
    revocations: Arc<Revocations>,
    audits_under_way: Arc<Semaphore>,
    let_homes_go: OnceLock<LetHomesGo>,
}

struct Throttles {
    log_in: Throttle,
    log_in_from_anywhere: Throttle,
    failed_log_in: FailureThrottle,
    register: Throttle,
    password: Throttle,
    token: Throttle,
    mail: Throttle,
    export: Throttle,
}

impl Throttles {
    fn new(registrations_per_hour: NonZeroU32, spending: Option<&Arc<Spending>>) -> Self {
        let minute = |name, times| Throttle::shared(name, Quota::per_minute(times), spending);
        let hour = |name, times| Throttle::shared(name, Quota::per_hour(times), spending);
        Self {
            log_in: minute("log_in", LOGINS_PER_ADDRESS),
            log_in_from_anywhere: minute("log_in_from_anywhere", LOGINS_PER_EMAIL),
            failed_log_in: FailureThrottle::shared("failed_log_in", Quota::per_hour(FAILURES_PER_ADDRESS), spending),
            register: hour("register", registrations_per_hour),
            password: minute("password", PASSWORDS_PER_USER),
            token: minute("token", TOKENS_PER_ADDRESS),
            mail: hour("mail", MAILS_PER_EMAIL),
            export: hour("export", EXPORTS_PER_USER),
        }
    }

    fn sweep(&self, now: Timestamp) {
        let Self { log_in, log_in_from_anywhere, failed_log_in, register, password, token, mail, export } = self;
        failed_log_in.sweep(now);
        for throttle in [log_in, log_in_from_anywhere, register, password, token, mail, export] {
            throttle.sweep();
        }
    }
}

/// What is to be written about a user, what they are told of it, and which sessions are over when it is.
#[derive(Default)]
struct Change {
    writes: Vec<Write>,
    events: Vec<TopicEvent>,
    ended: Vec<SessionId>,
}

/// Who does something, and from where: what the audit log says of it.
#[derive(Debug, Clone, Default)]
struct By {
    actor: Option<UserId>,
    session: Option<SessionId>,
    address: Option<String>,
}

impl By {
    fn caller(caller: &Caller, origin: &Origin) -> Self {
        Self { actor: Some(caller.user), session: Some(caller.session), ..Self::nobody(origin) }
    }

    /// Somebody who is not logged in.
    fn nobody(origin: &Origin) -> Self {
        Self { address: origin.address.map(|address| address.to_string()), ..Self::default() }
    }

    fn entry(&self, kind: AuditKind, user: UserId, at: Timestamp) -> AuditEntry {
        let id = AuditId::from_bytes(fresh_id(at.epoch_ms()));
        AuditEntry { id, at, kind, user, actor: self.actor, session: self.session, address: self.address.clone(), moderation: None }
    }
}

impl Change {
    fn write(&mut self, write: AccountWrite) {
        self.writes.push(Write::Account(write));
    }

    fn audit(&mut self, by: &By, kind: AuditKind, user: UserId, now: Timestamp) {
        self.write(AccountWrite::AddAudit(by.entry(kind, user, now)));
    }

    /// Ends sessions: no token of theirs is honoured any more.
    fn end(&mut self, sessions: impl IntoIterator<Item = RefreshFamily>, now: Timestamp) {
        // Any access token of theirs has ended by then.
        let until = now.plus_ms(ACCESS_TTL_MS);
        for family in sessions {
            let session = family.session;
            self.tell(family.user, Event::SessionEnded { session }, now);
            self.write(AccountWrite::EndFamily { session, version: family.version });
            self.write(AccountWrite::Revoke { session, until });
            self.ended.push(session);
        }
    }

    /// Tells the user if what their profile shows is no longer that of `edition`.
    fn tell_of_account(&mut self, edition: i64, now: Timestamp) {
        let replaced = self.writes.iter().find_map(|write| match write {
            Write::Account(AccountWrite::Set(account)) => Some((account.user, account.edition)),
            _ => None,
        });
        if let Some((user, edition)) = replaced.filter(|(_, replaced)| *replaced != edition) {
            self.tell(user, Event::AccountUpdated { user, edition }, now);
        }
    }

    /// Tells the user, in their inbox.
    fn tell(&mut self, user: UserId, event: Event, at: Timestamp) {
        self.events.push(TopicEvent { topic: Topic::User(user), seq: None, at, event });
    }

    /// Plans what becomes of the homes of a user who may not let any more: this change decides it, and a crash must not skip it.
    fn settle_homes(&mut self, user: UserId, now: Timestamp) {
        self.writes.push(Write::AddJob(Job::homes(user, now)));
    }

    /// Owes the user a mail.
    fn owe(&mut self, mail: Mail, now: Timestamp) {
        self.writes.push(Write::AddJob(Job::mail(mail, fresh_id(now.epoch_ms()), now)));
    }
}

impl Accounts {
    /// In this store.
    ///
    /// # Errors
    /// `Internal` if the system gives no random numbers.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, config: AccountsConfig, on_revoked: OnRevoked) -> Result<Self, ServiceError> {
        Ok(Self {
            roles: Roles::new(Arc::clone(&store)),
            store,
            clock,
            tokens: AccessTokens::new(&config.token_keys),
            refresh_key: hmac::Key::new(hmac::HMAC_SHA256, &config.refresh_key),
            public_url: config.public_url,
            hashing: Hashing::new()?,
            limits: Throttles::new(config.registrations_per_hour, config.spending.as_ref()),
            revocations: Arc::new(Revocations::new(on_revoked)),
            audits_under_way: Arc::new(Semaphore::new(MAX_AUDITS_UNDER_WAY)),
            let_homes_go: OnceLock::new(),
        })
    }

    /// Takes other keys for access tokens, the newest last.
    pub fn set_token_keys(&self, keys: &[TokenKey]) {
        self.tokens.set_keys(keys);
    }

    /// Says what becomes of homes; only once, when the node is wired.
    pub fn on_leaving(&self, let_homes_go: LetHomesGo) {
        let _ = self.let_homes_go.set(let_homes_go);
    }

    /// Forgets attempts and revocations that no longer matter.
    pub fn sweep(&self) {
        self.limits.sweep(self.now());
        self.revocations.sweep(self.clock.now());
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }

    async fn account(&self, user: UserId) -> Result<Account, ServiceError> {
        self.store.account(user).await?.ok_or(ServiceError::NotFound("user"))
    }

    async fn person(&self, user: UserId) -> Result<Person, ServiceError> {
        self.store.person(user).await?.ok_or(ServiceError::NotFound("user"))
    }

    /// Decides about a user and commits that, again and again while somebody else is first.
    async fn decide<T>(
        &self,
        user: UserId,
        mut decide: impl FnMut(Person, Timestamp) -> Result<(Change, T), ServiceError>,
    ) -> Result<T, ServiceError> {
        for _ in 0..MAX_TRIES {
            let person = self.person(user).await?;
            let (edition, now) = (person.account.edition, self.now());
            let (mut change, outcome) = decide(person, now)?;
            change.tell_of_account(edition, now);
            match self.commit(change).await {
                Ok(()) => return Ok(outcome),
                Err(CommitError::Contended(Contended::Login)) => return Err(ServiceError::AlreadyRegistered),
                Err(CommitError::Contended(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ServiceError::Busy)
    }

    /// Commits a change and then closes what it ended; in a task of its own, so that a client which hangs up before the answer keeps no
    /// socket.
    async fn commit(&self, change: Change) -> Result<(), CommitError> {
        if change.writes.is_empty() {
            return Ok(());
        }
        let lane = if change.ended.is_empty() { Lane::Normal } else { Lane::Reserved };
        let events = change.events.iter().map(wire::new_event).collect();
        let set = ChangeSet { writes: change.writes, events, ..ChangeSet::default() };
        let (store, revocations, until) = (Arc::clone(&self.store), Arc::clone(&self.revocations), self.now().plus_ms(ACCESS_TTL_MS));
        let task = tokio::spawn(async move {
            let done = store.commit(set, lane).await;
            match &done {
                Ok(()) => revocations.end(&change.ended, until, EndedAt::Here),
                // It may be yet, and this node does not read of it in its own log; the others do.
                Err(CommitError::Unknown) => revocations.end(&change.ended, until, EndedAt::Perhaps),
                Err(_) => {}
            }
            done
        });
        task.await.unwrap_or(Err(CommitError::Unknown))
    }

    /// Writes an entry to the audit log without being waited for: what is answered takes the same time with and without it.
    fn audit_soon(&self, by: &By, kind: AuditKind, user: UserId) {
        let Ok(permit) = Arc::clone(&self.audits_under_way).try_acquire_owned() else {
            tracing::warn!(%user, kind = kind.name(), "too many audit entries at once: this one is only here");
            return;
        };
        let entry = by.entry(kind, user, self.now());
        let set = ChangeSet { writes: vec![Write::Account(AccountWrite::AddAudit(entry))], ..ChangeSet::default() };
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            if let Err(error) = store.commit(set, Lane::Normal).await {
                tracing::warn!(%user, kind = kind.name(), %error, "an audit entry was not written");
            }
            drop(permit);
        });
    }
}

/// An address that letters can be sent to, as logins are stored by it: whoever registers another could never be written to.
fn reachable_email(email: &str) -> Result<String, Refusal> {
    let email = normal_email(email)?;
    if is_address(&email) { Ok(email) } else { Err(Refusal::Invalid { field: "email", reason: "not an e-mail address" }) }
}

/// 256 random bits as text.
fn random_text() -> Result<String, ServiceError> {
    Ok(URL_SAFE_NO_PAD.encode(entropy::secret().map_err(|_| ServiceError::Internal)?))
}

/// SHA-256 in hexadecimal: good for secrets of 256 random bits, which need no salt.
fn digest(secret: &str) -> String {
    hex(&sha256(secret.as_bytes()))
}
