//! The checkpoint on disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use super::Search;
use crate::domain::{DAY_MS, Date, Timestamp};
use crate::durable::{BY_UMASK, write_whole};
use crate::search::Index;
use crate::search::checkpoint::{self, Draft, Head};

/// A checkpoint older than this is not used: retention may have swept the log after it, which is kept for 30 days or more
/// (`domain::retention`).
const MAX_AGE_MS: i64 = 20 * DAY_MS;

/// How far in the future one may have been written, by a clock that was set back since.
const MAX_AHEAD_MS: i64 = DAY_MS;

impl Search {
    /// Saves the index, if it is complete and has changed since; whoever else is saving it has finished then. A failure is logged: the next start
    /// reads more.
    pub async fn save(&self) {
        let _saving = self.saving.lock().await;
        if !self.is_ready() || !self.has_changed.swap(false, Ordering::Relaxed) {
            return;
        }
        // Everything up to this batch has been given to the pushing task; the fence waits until it is in the index.
        let (node, batch) = self.store.position();
        if !(self.fence)().await {
            return;
        }
        let head = {
            let stale = self.stale();
            let mut positions = stale.positions.clone();
            for (node, followed) in &stale.followed {
                let contained = positions.entry(*node).or_insert(*followed);
                *contained = (*contained).max(*followed);
            }
            positions.insert(node, batch);
            Head {
                epoch: self.store.epoch().to_owned(),
                written_at_ms: self.clock.now(),
                positions,
                pending: stale.homes.keys().copied().collect(),
            }
        };
        let (index, file) = (Arc::clone(&self.index), self.file.clone());
        let written = tokio::task::spawn_blocking(move || write_whole(&file, BY_UMASK, |out| write(out, &head, &index))).await;
        match written.map_err(io::Error::other).flatten() {
            Ok(bytes) => tracing::debug!(bytes, batch, "search checkpoint written"),
            Err(error) => {
                self.has_changed.store(true, Ordering::Relaxed);
                tracing::warn!(%error, "cannot write the search checkpoint");
            }
        }
    }
}

/// Writes the whole index, and says how many bytes that were.
fn write(out: &mut File, head: &Head, index: &RwLock<Index>) -> io::Result<u64> {
    let (mut draft, first) = Draft::begin(head);
    let mut written = 0;
    let mut put = |part: &[u8]| {
        written += part.len() as u64;
        out.write_all(part)
    };
    put(&first)?;
    loop {
        // The index is kept from its writers for one part at a time.
        let homes = draft.homes(&index.read().unwrap_or_else(PoisonError::into_inner));
        let Some(homes) = homes else { break };
        put(&draft.seal(homes))?;
    }
    put(&draft.finish())?;
    Ok(written)
}

/// The checkpoint, if there is one of this history that the log still goes on from.
pub(super) fn load(file: &Path, epoch: &str, now: Timestamp, today: Date) -> Option<(Head, Index)> {
    let refuse = |reason: &str| tracing::info!(reason, "no search checkpoint to start from");
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            refuse(&error.to_string());
            return None;
        }
    };
    let (head, index) = match checkpoint::read(&bytes, today) {
        Ok(read) => read,
        Err(error) => {
            refuse(&error.to_string());
            return None;
        }
    };
    let age_ms = now.epoch_ms() - head.written_at_ms;
    if head.epoch != epoch {
        refuse("it is of another history");
        return None;
    }
    if !(-MAX_AHEAD_MS..=MAX_AGE_MS).contains(&age_ms) {
        refuse("it is too old, or of the future");
        return None;
    }
    Some((head, index))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_checkpoint_is_good_for_twenty_days_and_for_a_clock_that_was_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("search.checkpoint");
        let now = Timestamp::from_epoch_ms(1_800_000_000_000);
        for (age_ms, is_good) in [(0, true), (MAX_AGE_MS, true), (MAX_AGE_MS + 1, false), (-MAX_AHEAD_MS, true), (-MAX_AHEAD_MS - 1, false)]
        {
            let head = Head {
                epoch: "history".to_owned(),
                written_at_ms: now.epoch_ms() - age_ms,
                positions: BTreeMap::new(),
                pending: Vec::new(),
            };
            let (draft, mut bytes) = Draft::begin(&head);
            bytes.extend(draft.finish());
            fs::write(&file, bytes).unwrap();
            assert_eq!(load(&file, "history", now, now.utc_date()).is_some(), is_good, "{age_ms} ms old");
        }
    }
}
