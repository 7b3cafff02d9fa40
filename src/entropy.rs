//! Randomness: ids, secrets and jitter come from here and nowhere else; the domain gets them passed in.

use aws_lc_rs::rand::SecureRandom as _;
use latchkey_protocol::EpochMs;

/// The system gives no random numbers: nothing secure can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random numbers")]
pub struct NoEntropy;

/// A fresh UUIDv7 of an instant (RFC 9562, 5.7): its first 48 bits are the milliseconds, so that ids of live leases lie in a bounded
/// range; the rest is random.
#[allow(clippy::disallowed_methods, reason = "the one place that mints ids; the time in it is replaced by the injected clock's")]
#[must_use]
pub fn fresh_id(now: EpochMs) -> [u8; 16] {
    let mut bytes = *uuid::Uuid::now_v7().as_bytes();
    let ms = u64::try_from(now).unwrap_or(0);
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    bytes
}

/// 32 bytes that nobody can guess.
///
/// # Errors
/// [`NoEntropy`].
pub fn secret() -> Result<[u8; 32], NoEntropy> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::SystemRandom::new().fill(&mut bytes).map_err(|_| NoEntropy)?;
    Ok(bytes)
}

/// A number below `bound`, different each time: good for spreading retries, not for secrets. 0 if `bound` is.
#[must_use]
pub fn jitter(bound: u64) -> u64 {
    let bytes = fresh_id(0);
    let mut random = [0; 8];
    random.copy_from_slice(&bytes[8..]);
    u64::from_be_bytes(random).checked_rem(bound).unwrap_or(0)
}
