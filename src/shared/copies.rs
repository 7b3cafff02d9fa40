//! Copies of what was read from the database, for other nodes: each says up to which event of its topic it is, so that whoever finds it knows
//! whether it is new enough for them. Nothing has to be deleted, and nothing lost can make a copy wrong.

use std::time::Duration;

use latchkey_protocol::Seq;

use super::Current;
use super::link::Link;

/// How long a copy is kept.
const KEPT_FOR: Duration = Duration::from_mins(10);

/// How long a copy is waited for: then the database is quicker.
const PATIENCE: Duration = Duration::from_millis(50);

/// A copy is not made of more.
const MAX_BYTES: usize = 256 * 1024;

/// Copies.
pub struct Copies {
    link: Link,
    current: Current,
}

impl Copies {
    pub(super) fn new(link: &Link, current: Current) -> Self {
        Self { link: link.clone(), current }
    }

    /// The copy of that name, and up to which event it is. `None` also if Redis does not answer at once.
    pub async fn get(&self, name: &str) -> Option<(Seq, Vec<u8>)> {
        let mut connection = self.current.get()?;
        let mut command = redis::cmd("GET");
        command.arg(self.link.name(name));
        let answer = tokio::time::timeout(PATIENCE, connection.run::<Option<Vec<u8>>>(vec![command])).await;
        let Ok(Ok(answers)) = answer else {
            // The next ones need not wait for it either; it is taken up again when it answers.
            self.current.set(None);
            return None;
        };
        let copy = answers.into_iter().flatten().flatten().next();
        let outcome = if copy.is_some() { "hit" } else { "miss" };
        metrics::counter!("latchkey_copies_total", "outcome" => outcome).increment(1);
        let copy = copy?;
        let (seq, bytes) = copy.split_first_chunk::<8>()?;
        Some((Seq::from_be_bytes(*seq), bytes.to_vec()))
    }

    /// Leaves a copy for others, in the background; it need not arrive.
    pub fn put(&self, name: &str, seq: Seq, bytes: &[u8]) {
        let Some(mut connection) = self.current.get().filter(|_| bytes.len() <= MAX_BYTES) else { return };
        let mut command = redis::cmd("SET");
        command.arg(self.link.name(name)).arg([&seq.to_be_bytes(), bytes].concat()).arg("EX").arg(KEPT_FOR.as_secs());
        tokio::spawn(async move {
            if let Err(error) = connection.run::<redis::Value>(vec![command]).await {
                tracing::debug!(%error, "a copy could not be left in Redis");
            }
        });
    }
}
