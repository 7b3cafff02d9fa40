//! Password hashes: argon2id on blocking threads, a bounded number at once.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use super::random_text;
use crate::service::ServiceError;

/// Passwords hashed at once: each takes 19 MiB and a core.
const HASHES_AT_ONCE: usize = 2;

/// Hashes that may wait; a further one is told `busy`.
const MAX_WAITING_HASHES: usize = 1_024;

/// OWASP's parameters: 19 MiB, 2 passes, 1 lane.
const PARAMETERS: (u32, u32, u32) = (19_456, 2, 1);

/// Hashes and verifies.
pub(super) struct Hashing {
    at_once: Arc<Semaphore>,
    waiting: Semaphore,
    /// A hash of nothing, verified when there is no account: equal time for unknown users.
    decoy: String,
}

/// What a password turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) is_right: bool,
    /// A hash with today's parameters, if it is right and the stored one has others.
    pub(super) rehashed: Option<String>,
}

impl Hashing {
    pub(super) fn new() -> Result<Self, ServiceError> {
        Ok(Self {
            at_once: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            waiting: Semaphore::new(MAX_WAITING_HASHES),
            decoy: hash(&random_text()?)?,
        })
    }

    pub(super) async fn hash(&self, password: String) -> Result<String, ServiceError> {
        self.run(move || hash(&password)).await?
    }

    /// Whether `password` is the stored one. Without a stored one it takes as long, and is not.
    pub(super) async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict, ServiceError> {
        let is_known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.decoy.clone());
        self.run(move || {
            let is_right = verify(&password, &stored) && is_known;
            let rehashed = (is_right && is_outdated(&stored)).then(|| hash(&password)).transpose()?;
            Ok(Verdict { is_right, rehashed })
        })
        .await?
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| ServiceError::Busy)?;
        let permit = Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| ServiceError::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        task.await.map_err(|_| ServiceError::Internal)
    }
}

fn argon2() -> Result<Argon2<'static>, ServiceError> {
    let (memory_kib, passes, lanes) = PARAMETERS;
    let params = Params::new(memory_kib, passes, lanes, None).map_err(|_| ServiceError::Internal)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String, ServiceError> {
    let hash = argon2()?.hash_password(password.as_bytes()).map_err(|_| ServiceError::Internal)?;
    Ok(hash.to_string())
}

fn verify(password: &str, stored: &str) -> bool {
    let (Ok(argon2), Ok(stored)) = (argon2(), PasswordHash::new(stored)) else { return false };
    argon2.verify_password(password.as_bytes(), &stored).is_ok()
}

/// Whether a hash was made with other parameters than today's: `$argon2id$v=19$m=19456,t=2,p=1$…`.
fn is_outdated(stored: &str) -> bool {
    let (memory_kib, passes, lanes) = PARAMETERS;
    !stored.starts_with(&format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_made_anew_when_its_password_is_given() {
        let hashing = Hashing::new().unwrap();
        let today = hashing.hash("correct horse".to_owned()).await.unwrap();
        let verdict = async |password: &str, stored: Option<String>| hashing.verify(password.to_owned(), stored).await.unwrap();
        assert_eq!(verdict("correct horse", Some(today.clone())).await, Verdict { is_right: true, rehashed: None });
        assert_eq!(verdict("wrong horse", Some(today)).await, Verdict { is_right: false, rehashed: None });
        let weaker = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(64, 1, 1, None).unwrap());
        let old = weaker.hash_password(b"correct horse").unwrap().to_string();
        assert!(!verdict("wrong horse", Some(old.clone())).await.is_right);
        let rehashed = verdict("correct horse", Some(old)).await.rehashed.expect("other parameters");
        assert_eq!(verdict("correct horse", Some(rehashed)).await, Verdict { is_right: true, rehashed: None });
    }

    #[tokio::test]
    async fn nobody_s_password_is_never_right() {
        let hashing = Hashing::new().unwrap();
        assert!(!hashing.verify(String::new(), None).await.unwrap().is_right);
    }
}
