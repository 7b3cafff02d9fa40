//! Reads that are not older than an event that the reader knows of: from another tab, or from another node.
//!
//! Whoever reads says which event of the thing's topic they have seen. On the node that committed it a read is always new enough; another may not
//! have got so far and is waited for. Who reads without a number asks nothing more than before.

use std::time::Duration;

use super::ServiceError;
use crate::domain::Seq;

/// How long such a read waits at most.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// The first pause between two looks; each is twice as long as the one before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What `read` finds, once that contains event `min_seq`. `read` says up to which event of the topic what it found is. If that is not enough, or there is
/// nothing that the reader may see, `caught_up` is waited for first: the thing may have been made by another node a moment ago.
///
/// # Errors
/// Those of `read`; `Behind` if the event has not come in time, be it that this node is slow or that there is no such event.
pub(super) async fn at_least<T, F>(
    min_seq: Option<Seq>,
    caught_up: impl Future<Output = Result<(), ServiceError>>,
    read: impl Fn() -> F,
) -> Result<T, ServiceError>
where
    F: Future<Output = Result<(Seq, T), ServiceError>>,
{
    let first = read().await;
    let Some(min_seq) = min_seq else { return first.map(|(_, found)| found) };
    match first {
        Ok((seq, found)) if seq >= min_seq => return Ok(found),
        Ok(_) | Err(ServiceError::NotFound(_)) => caught_up.await?,
        Err(error) => return Err(error),
    }
    let (mut pause, mut waited) = (FIRST_PAUSE, Duration::ZERO);
    loop {
        let (seq, found) = read().await?;
        if seq >= min_seq {
            return Ok(found);
        }
        if waited >= MAX_WAIT {
            return Err(ServiceError::Behind { min_seq, seq });
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A node that gets one event further with each look, up to the last one; and how often it was looked at.
    async fn look(min_seq: Option<Seq>, head: Seq) -> (Result<Seq, ServiceError>, u64) {
        let looks = AtomicU64::new(0);
        let read = || async {
            let seq = head.min(7 + looks.fetch_add(1, Ordering::Relaxed));
            Ok((seq, seq))
        };
        let found = at_least(min_seq, ready(Ok(())), read).await;
        (found, looks.into_inner())
    }

    #[tokio::test]
    async fn a_read_waits_until_it_is_new_enough_and_no_longer() {
        assert_eq!(look(None, 9).await, (Ok(7), 1));
        assert_eq!(look(Some(7), 9).await, (Ok(7), 1));
        assert_eq!(look(Some(9), 9).await, (Ok(9), 3));
        let (behind, looks) = look(Some(10), 9).await;
        assert_eq!(behind, Err(ServiceError::Behind { min_seq: 10, seq: 9 }));
        assert!((10..20).contains(&looks), "{looks} looks");
    }

    #[tokio::test]
    async fn what_is_not_there_is_looked_for_once_more_when_other_nodes_have_been_heard() {
        let looks = AtomicU64::new(0);
        let read = || async {
            looks.fetch_add(1, Ordering::Relaxed);
            Err::<(Seq, ()), _>(ServiceError::NotFound("property"))
        };
        assert_eq!(at_least(None, nobody(), read).await, Err(ServiceError::NotFound("property")));
        assert_eq!(at_least(Some(7), ready(Ok(())), read).await, Err(ServiceError::NotFound("property")));
        assert_eq!(looks.load(Ordering::Relaxed), 3);
        let is_heard = std::cell::Cell::new(false);
        let hear = async {
            is_heard.set(true);
            Ok(())
        };
        let read = || async { if is_heard.get() { Ok((7, "home")) } else { Err(ServiceError::NotFound("property")) } };
        assert_eq!(at_least(Some(7), hear, read).await, Ok("home"));
    }

    fn nobody() -> impl Future<Output = Result<(), ServiceError>> {
        std::future::poll_fn(|_| unreachable!("who asks for nothing newer waits for nobody"))
    }
}
