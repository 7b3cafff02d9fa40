//! Turns for work that keeps a core busy: searches, pictures. More at once than there are cores would only wait for each other.
//!
//! A turn is over when the work is, not when whoever asked for it has gone: a client that asks and hangs up, again and again, has no more of them
//! than others.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::ServiceError;

/// How long somebody may wait for their turn.
const MAX_WAIT: Duration = Duration::from_secs(2);

/// Turns, as many at once as there are cores.
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        Self::of(std::thread::available_parallelism().map_or(2, NonZero::get))
    }

    fn of(at_once: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_once)))
    }

    /// Does that on a thread that serves no sockets, when it is its turn.
    ///
    /// # Errors
    /// `Busy`; `Internal` if it panics.
    pub(super) async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ServiceError> {
        let turn = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.0).acquire_owned()).await;
        let turn = turn.ok().and_then(Result::ok).ok_or(ServiceError::Busy)?;
        let task = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        task.await.map_err(|error| {
            tracing::error!(%error, "work that was given a turn failed");
            ServiceError::Internal
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn p10_a_turn_lasts_as_long_as_the_work_also_if_nobody_waits_for_it_any_more() {
        let turns = Arc::new(Turns::of(1));
        let (begun, mut beginning) = tokio::sync::mpsc::channel(1);
        let (end, ending) = std::sync::mpsc::sync_channel::<()>(1);
        let asker = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                let work = move || {
                    begun.blocking_send(()).unwrap();
                    ending.recv().unwrap();
                };
                turns.work(work).await
            }
        });
        beginning.recv().await.unwrap();
        asker.abort();
        assert!(asker.await.unwrap_err().is_cancelled());
        assert_eq!(turns.0.available_permits(), 0);
        end.send(()).unwrap();
        assert_eq!(turns.work(|| 7).await.unwrap(), 7);
        assert!(turns.work(|| assert_eq!(1, 2)).await.is_err());
        assert_eq!(turns.0.available_permits(), 1, "a panic gives it back");
    }
}
