//! The keys of access tokens: a folder of files that only their owner may read, each named by its `kid`.
//!
//! A `kid` is a UUIDv7 in hexadecimal, so that names sort by age: the newest key signs, and one that was replaced stays until every
//! token it signed has ended. A file is written whole before it gets its name, so a reader never sees half a key; a running hub looks at
//! the folder twice a minute, and so finds a key that `latchkey keys rotate` made.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use super::MIN_BYTES;
use crate::clock::Clock;
use crate::digest::{hex, sha256};
use crate::domain::DAY_MS;
use crate::durable::{OWNER_ONLY, write_whole};
use crate::entropy;
use crate::service::Services;
use crate::service::accounts::AccountsConfig;
use crate::service::tokens::{ACCESS_TTL_MS, TokenKey};

/// How long a key signs before a new one is made, in milliseconds.
const SIGNS_FOR_MS: i64 = 30 * DAY_MS;

/// How long a key that was replaced still verifies: as long as the last token lives that a hub can have signed with it, which hears of
/// its successor within a minute, and a little.
const VERIFIES_FOR_MS: i64 = ACCESS_TTL_MS + 5 * 60_000;

/// How often a running hub looks at the folder.
const LOOK_EVERY: Duration = Duration::from_secs(30);

const FOLDER: &str = "token-keys";

/// The key from before there was a ring, and the one of refresh tokens since.
const OLD_KEY: &str = "token.key";
const REFRESH_KEY: &str = "refresh.key";

/// Where the keys of access tokens come from.
pub(in crate::app) enum TokenKeys {
    /// From the configuration: many nodes share it, and it does not rotate.
    Fixed(TokenKey),
    /// From the data folder.
    Folder(PathBuf),
}

impl TokenKeys {
    /// The configured secret, or the ring in the data folder, which is made if it is not there. A key from before there were rings
    /// becomes the first in it, and goes on marking refresh tokens.
    pub(in crate::app) fn open(configured: Option<&str>, data: &Path, clock: &dyn Clock) -> anyhow::Result<Self> {
        if let Some(secret) = configured {
            let secret = super::secret(Some(secret), data, "")?;
            let named = [b"latchkey kid ".as_slice(), &secret].concat();
            return Ok(Self::Fixed(TokenKey { kid: hex(&sha256(&named)[..8]), secret }));
        }
        let folder = data.join(FOLDER);
        if !folder.exists() {
            std::fs::DirBuilder::new().mode(0o700).create(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        if read(&folder)?.is_empty() {
            let old = data.join(OLD_KEY).exists().then(|| super::secret(None, data, OLD_KEY)).transpose()?;
            add(&folder, clock.now(), old)?;
        }
        let (old, refresh) = (data.join(OLD_KEY), data.join(REFRESH_KEY));
        if old.exists() && !refresh.exists() {
            std::fs::rename(&old, &refresh).with_context(|| format!("cannot rename {}", old.display()))?;
        }
        Ok(Self::Folder(folder))
    }

    /// What accounts need of it.
    pub(in crate::app) fn for_accounts(
        &self,
        data: &Path,
        public_url: String,
        registrations_per_hour: NonZeroU32,
        clock: &dyn Clock,
    ) -> anyhow::Result<AccountsConfig> {
        let (token_keys, refresh_key) = (self.tend(clock)?, self.refresh_key(data)?);
        Ok(AccountsConfig { token_keys, refresh_key, public_url, registrations_per_hour, spending: None })
    }

    /// The key of the marks on refresh tokens: of its own, so that rotating the others logs nobody out.
    fn refresh_key(&self, data: &Path) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Fixed(key) => Ok(key.secret.clone()),
            Self::Folder(_) => super::secret(None, data, REFRESH_KEY),
        }
    }

    /// Replaces a key that has signed for long enough, takes away those whose last token has ended, and gives the others.
    pub(in crate::app) fn tend(&self, clock: &dyn Clock) -> anyhow::Result<Vec<TokenKey>> {
        let folder = match self {
            Self::Fixed(key) => return Ok(vec![key.clone()]),
            Self::Folder(folder) => folder,
        };
        let now = clock.now();
        let mut keys = read(folder)?;
        if keys.last().is_none_or(|newest| made_at(&newest.kid) + SIGNS_FOR_MS <= now) {
            add(folder, now, None)?;
            keys = read(folder)?;
        }
        let successors: Vec<i64> = keys.iter().skip(1).map(|key| made_at(&key.kid)).collect();
        let is_over = |at: usize| successors.get(at).is_some_and(|replaced_at| replaced_at + VERIFIES_FOR_MS <= now);
        let over = keys.iter().enumerate().take_while(|(at, _)| is_over(*at)).count();
        for key in keys.drain(..over) {
            tracing::info!(kid = key.kid, "a token key is no longer needed");
            std::fs::remove_file(folder.join(&key.kid))?;
        }
        Ok(keys)
    }

    /// Tends the ring for as long as the hub runs.
    pub(in crate::app) async fn keep(self, services: Arc<Services>, clock: Arc<dyn Clock>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.tend(clock.as_ref()) {
                Ok(keys) => services.accounts.set_token_keys(&keys),
                Err(error) => tracing::error!(%error, "the token keys could not be read: those known are used on"),
            }
        }
    }
}

/// Makes a new key, which signs from when the hub sees it.
pub(in crate::app) fn rotate(data: &Path, clock: &dyn Clock) -> anyhow::Result<String> {
    let folder = data.join(FOLDER);
    anyhow::ensure!(folder.is_dir(), "{} has no token keys: it is not the data folder of a hub", data.display());
    // Newer than the newest by name as well, should this clock be behind.
    let newest = read(&folder)?.last().map_or(0, |key| made_at(&key.kid));
    add(&folder, clock.now().max(newest + 1), None)
}

/// The keys in the folder, the newest last.
fn read(folder: &Path) -> anyhow::Result<Vec<TokenKey>> {
    let mut keys = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let (path, kid) = {
            let entry = entry?;
            (entry.path(), entry.file_name().to_string_lossy().into_owned())
        };
        if !is_kid(&kid) {
            continue;
        }
        let secret = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(secret.len() >= MIN_BYTES, "{} is not a key of {MIN_BYTES} bytes: delete it", path.display());
        keys.push(TokenKey { kid, secret });
    }
    keys.sort_unstable_by(|one, other| one.kid.cmp(&other.kid));
    Ok(keys)
}

/// Adds a key made at `now`, of that secret or a fresh one.
fn add(folder: &Path, now: i64, secret: Option<Vec<u8>>) -> anyhow::Result<String> {
    let secret = secret.map_or_else(|| entropy::secret().map(|secret| secret.to_vec()), Ok)?;
    let kid = hex(&entropy::fresh_id(now));
    let path = folder.join(&kid);
    write_whole(&path, OWNER_ONLY, |file| file.write_all(&secret)).with_context(|| format!("cannot create {}", path.display()))?;
    tracing::info!(kid, "a new token key");
    Ok(kid)
}

fn is_kid(name: &str) -> bool {
    name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// The milliseconds in the first 48 bits of a `kid`.
fn made_at(kid: &str) -> i64 {
    kid.get(..12).and_then(|ms| i64::from_str_radix(ms, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::clock::OffsetClock;
    use crate::durable::unfinished;

    fn kids(keys: &[TokenKey]) -> Vec<&str> {
        keys.iter().map(|key| key.kid.as_str()).collect()
    }

    #[test]
    fn a_ring_is_made_once_for_its_owner_only() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        let made = TokenKeys::open(None, data.path(), &clock).unwrap().tend(&clock).unwrap();
        let again = TokenKeys::open(None, data.path(), &clock).unwrap().tend(&clock).unwrap();
        assert!(made.len() == 1 && made == again && made[0].secret.len() == 32);
        let mode = |path: PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(data.path().join(FOLDER)), 0o700);
        assert_eq!(mode(data.path().join(FOLDER).join(&made[0].kid)), 0o600);
    }

    #[test]
    fn keys_rotate_by_age_or_by_command_and_the_old_one_stays_while_its_tokens_live() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        let ring = TokenKeys::open(None, data.path(), &clock).unwrap();
        let first = ring.tend(&clock).unwrap();
        clock.advance_ms(SIGNS_FOR_MS - DAY_MS);
        assert_eq!(ring.tend(&clock).unwrap(), first);
        let rotated = rotate(data.path(), &clock).unwrap();
        let two = ring.tend(&clock).unwrap();
        assert_eq!(kids(&two), [first[0].kid.as_str(), rotated.as_str()]);
        clock.advance_ms(ACCESS_TTL_MS + 60_000);
        assert_eq!(ring.tend(&clock).unwrap(), two, "a token of the first may be alive");
        clock.advance_ms(4 * 60_000);
        assert_eq!(kids(&ring.tend(&clock).unwrap()), [rotated.as_str()]);
        clock.advance_ms(SIGNS_FOR_MS);
        let by_age = ring.tend(&clock).unwrap();
        assert_eq!((by_age.len(), by_age[0].kid.as_str()), (2, rotated.as_str()));
        // Three at once: only those that are followed by another for long enough go.
        rotate(data.path(), &clock).unwrap();
        assert_eq!(ring.tend(&clock).unwrap().len(), 3);
        clock.advance_ms(VERIFIES_FOR_MS + 1);
        assert_eq!(ring.tend(&clock).unwrap().len(), 1);
    }

    #[test]
    fn a_key_made_by_a_clock_that_is_behind_is_the_newest_all_the_same() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        clock.advance_ms(DAY_MS);
        let ring = TokenKeys::open(None, data.path(), &clock).unwrap();
        let rotated = rotate(data.path(), &OffsetClock::default()).unwrap();
        assert_eq!(ring.tend(&clock).unwrap().last().unwrap().kid, rotated);
        assert!(rotate(&data.path().join("elsewhere"), &clock).is_err());
    }

    #[test]
    fn the_single_key_of_an_older_hub_goes_on_working() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        std::fs::write(data.path().join(OLD_KEY), [7; 32]).unwrap();
        for _ in 0..2 {
            let ring = TokenKeys::open(None, data.path(), &clock).unwrap();
            assert_eq!(ring.refresh_key(data.path()).unwrap(), [7; 32]);
            assert_eq!(ring.tend(&clock).unwrap()[0].secret, [7; 32]);
        }
    }

    #[test]
    fn half_a_key_is_never_taken_and_a_broken_one_is_named() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        let ring = TokenKeys::open(None, data.path(), &clock).unwrap();
        let whole = ring.tend(&clock).unwrap();
        let folder = data.path().join(FOLDER);
        std::fs::write(unfinished(&folder.join("0".repeat(32))), b"half").unwrap();
        std::fs::write(folder.join("README"), b"not a key").unwrap();
        assert_eq!(ring.tend(&clock).unwrap(), whole);
        std::fs::write(folder.join("f".repeat(32)), b"cut").unwrap();
        assert!(ring.tend(&clock).unwrap_err().to_string().contains("ffff"));
    }

    #[test]
    fn a_configured_secret_is_one_key_that_every_node_gives_the_same_name() {
        let (data, clock) = (tempfile::tempdir().unwrap(), OffsetClock::default());
        let open = |secret: &str| TokenKeys::open(Some(secret), data.path(), &clock);
        let (one, other) = (open(&"a".repeat(32)).unwrap(), open(&"b".repeat(32)).unwrap());
        let keys = one.tend(&clock).unwrap();
        assert!(keys == open(&"a".repeat(32)).unwrap().tend(&clock).unwrap() && keys != other.tend(&clock).unwrap());
        assert_eq!(one.refresh_key(data.path()).unwrap(), keys[0].secret);
        assert!(open("short").is_err() && std::fs::read_dir(data.path()).unwrap().next().is_none());
    }
}
