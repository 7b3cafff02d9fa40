//! How much callers have spent on all nodes together.
//!
//! A node decides by its own count at once, and tells Redis a few times a second what was spent; the answer is who has spent more than they
//! may on all nodes together, and has to wait. So nobody waits for Redis, a caller who turns to many nodes gains a tenth of a second on each, and pays it
//! back: the account is GCRA's "theoretical arrival time" (ITU-T I.371, as in `governor`), which goes on beyond the allowance.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use redis::RedisError;
use tokio::time::Instant;

use super::link::{Connection, Link};
use crate::digest::{hex, sha256};

/// How often nodes tell what was spent.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Accounts in one message to Redis.
const TOLD_AT_ONCE: usize = 512;

/// Accounts that wait to be told, or that have to wait; further ones are counted by this node alone.
const MAX_ACCOUNTS: usize = 65_536;

/// What may be spent beyond the allowance before anybody has to wait: nodes tell late, so that it seems to have been spent later than it was.
const SLACK_MS: f64 = 200.0;

/// Moves an account on by what was spent, by Redis's own clock, and answers for how many milliseconds nothing more may be.
const SPEND: &str = "local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local spent, interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local tat = math.max(now, tonumber(redis.call('GET', KEYS[1]) or now))
tat = math.min(tat + spent * interval, now + 2 * burst)
redis.call('SET', KEYS[1], string.format('%.3f', tat), 'PX', math.ceil(tat - now) + 1)
return math.max(0, math.ceil(tat + interval - burst - now))";

/// How much may be spent: so often in a period, all of it at once if nothing was spent before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    times: u32,
    period: Duration,
}

impl Allowance {
    /// So many times, at least once, in a period.
    #[must_use]
    pub const fn new(times: u32, period: Duration) -> Self {
        Self { times: if times == 0 { 1 } else { times }, period }
    }

    fn interval_ms(&self) -> f64 {
        self.period.as_secs_f64() * 1_000.0 / f64::from(self.times)
    }

    fn burst_ms(&self) -> f64 {
        self.period.as_secs_f64() * 1_000.0 + SLACK_MS
    }
}

/// Whose account, of which allowance: a digest, for names and addresses do not belong in Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Account([u8; 16]);

/// The bytes that a key is hashed by.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}

impl Account {
    /// That of `key` under the allowance of that name; the same on all nodes.
    #[must_use]
    pub fn of(name: &str, key: &impl Hash) -> Self {
        let mut bytes = Bytes::default();
        (name, key).hash(&mut bytes);
        let digest = sha256(&bytes.0);
        let mut account = [0; 16];
        account.copy_from_slice(&digest[..16]);
        Self(account)
    }
}

/// One allowance as all nodes count it, if there is a way: a limiter asks here before it decides by its own count, and tells what was spent.
pub struct Common {
    name: &'static str,
    allowance: Allowance,
    spending: Option<Arc<Spending>>,
}

/// An account that need not wait.
pub struct Open<'a> {
    allowance: Allowance,
    account: Option<(&'a Spending, Account)>,
}

impl Common {
    /// That of this name.
    #[must_use]
    pub fn new(name: &'static str, allowance: Allowance, spending: Option<&Arc<Spending>>) -> Self {
        Self { name, allowance, spending: spending.cloned() }
    }

    /// The account of `key`.
    ///
    /// # Errors
    /// How long it has to wait, because of what was spent on all nodes together.
    pub fn open(&self, key: &impl Hash) -> Result<Open<'_>, Duration> {
        let account = self.spending.as_deref().map(|spending| (spending, Account::of(self.name, key)));
        match account.and_then(|(spending, account)| spending.wait(account)) {
            Some(wait) => Err(wait),
            None => Ok(Open { allowance: self.allowance, account }),
        }
    }
}

impl Open<'_> {
    /// It has spent one more here.
    pub fn spend(self) {
        if let Some((spending, account)) = self.account {
            spending.spend(account, self.allowance);
        }
    }
}

/// What is spent here, and who has to wait because of what was spent anywhere.
pub struct Spending {
    link: Link,
    spent: Mutex<HashMap<Account, (u32, Allowance)>>,
    /// Until when.
    waiting: DashMap<Account, Instant>,
}

impl Spending {
    pub(super) fn new(link: &Link) -> Self {
        Self { link: link.clone(), spent: Mutex::default(), waiting: DashMap::new() }
    }

    /// How long an account has to wait, if it has.
    #[must_use]
    pub fn wait(&self, account: Account) -> Option<Duration> {
        let until = *self.waiting.get(&account)?;
        let wait = until.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }

    /// An account has spent one more here.
    pub fn spend(&self, account: Account, allowance: Allowance) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = spent.len() < MAX_ACCOUNTS;
        match spent.entry(account) {
            std::collections::hash_map::Entry::Occupied(mut entry) => entry.get_mut().0 += 1,
            std::collections::hash_map::Entry::Vacant(entry) if has_room => drop(entry.insert((1, allowance))),
            std::collections::hash_map::Entry::Vacant(_) => {}
        }
    }

    /// Tells Redis, until that fails.
    pub(super) async fn tell(&self, connection: &mut Connection) -> RedisError {
        // What was spent while there was no connection is long ago: it would count as spent now.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).clear();
        loop {
            tokio::time::sleep(TELL_EVERY).await;
            self.waiting.retain(|_, until| Instant::now() < *until);
            let spent: Vec<_> = self.spent.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
            for some in spent.chunks(TOLD_AT_ONCE) {
                if let Err(error) = self.tell_some(connection, some).await {
                    return error;
                }
            }
        }
    }

    async fn tell_some(&self, connection: &mut Connection, spent: &[(Account, (u32, Allowance))]) -> Result<(), RedisError> {
        // The text is short, and what it is known by would have to be made known again after each restart.
        let command = |(account, (times, allowance)): &(Account, (u32, Allowance))| {
            let mut command = redis::cmd("EVAL");
            command.arg(SPEND).arg(1).arg(self.link.name(&format!("spent:{}", hex(&account.0))));
            command.arg(*times).arg(allowance.interval_ms()).arg(allowance.burst_ms());
            command
        };
        let waits: Vec<Option<u64>> = connection.run(spent.iter().map(command).collect()).await?;
        let now = Instant::now();
        for ((account, _), wait) in spent.iter().zip(waits) {
            if let Some(wait @ 1..) = wait
                && self.waiting.len() < MAX_ACCOUNTS
            {
                self.waiting.insert(*account, now + Duration::from_millis(wait));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_the_same_everywhere_and_each_key_of_each_allowance_has_one() {
        assert_eq!(Account::of("log_in", &("ada@example.test", 7)), Account::of("log_in", &("ada@example.test".to_owned(), 7)));
        let accounts = [("a", "bc"), ("ab", "c"), ("a", "b"), ("b", "a")].map(|(name, key)| Account::of(name, &key));
        for (index, account) in accounts.iter().enumerate() {
            assert!(!accounts[..index].contains(account));
        }
    }

    #[test]
    fn what_is_spent_is_counted_and_the_number_of_accounts_is_bounded() {
        let spending = Spending::new(&Link::open("redis://127.0.0.1:1", "test").unwrap());
        let allowance = Allowance::new(0, Duration::from_mins(1));
        for number in 0..MAX_ACCOUNTS + 100 {
            spending.spend(Account::of("user", &number), allowance);
        }
        spending.spend(Account::of("user", &7_usize), allowance);
        let spent = spending.spent.lock().unwrap();
        assert_eq!((spent.len(), spent[&Account::of("user", &7_usize)].0), (MAX_ACCOUNTS, 2));
        assert_eq!(spending.wait(Account::of("user", &7_usize)), None);
    }
}
