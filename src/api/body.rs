//! A request's body as it comes in: bounded in length, in time, and, for uploads, in what all of them take of the memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use latchkey_protocol::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::problem::Problem;
use crate::service::ServiceError;

/// Bytes of uploads in memory at once, of all clients together. Each is copied once on its way to the disk.
const MAX_UPLOADING_BYTES: usize = 64 * 1024 * 1024;

/// A body that has come, and its share of the room for uploads.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    /// Given back when the request is answered.
    room: Option<OwnedSemaphorePermit>,
}

/// Room for uploads, by bytes. A body takes as much as has come of it: one that comes slowly keeps little from others.
#[derive(Debug)]
pub struct UploadRoom(Arc<Semaphore>);

impl Default for UploadRoom {
    fn default() -> Self {
        Self::of_bytes(MAX_UPLOADING_BYTES)
    }
}

impl UploadRoom {
    fn of_bytes(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes)))
    }
}

impl Received {
    fn take_room(&mut self, room: &UploadRoom, bytes: usize) -> Result<(), Problem> {
        let bytes = u32::try_from(bytes).map_err(|_| ServiceError::Busy)?;
        let permit = Arc::clone(&room.0).try_acquire_many_owned(bytes).map_err(|_| ServiceError::Busy)?;
        match &mut self.room {
            Some(room) => room.merge(permit),
            none => *none = Some(permit),
        }
        Ok(())
    }
}

/// How slowly a body may come: a large one takes its time on a slow line, and nobody holds a connection by saying next to nothing.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Longest wait for the next bytes, and what a body may take besides the time for its bytes.
    patience: Duration,
    /// Least bytes a second after that.
    bytes_per_second: u64,
}

/// Longest: 14 s for 64 KiB, less than 9 minutes for a photo.
const PACE: Pace = Pace { patience: Duration::from_secs(10), bytes_per_second: 16 * 1024 };

impl Pace {
    /// How long after its beginning a body may go on, of which that many bytes came, the last of them `last_after` its beginning.
    fn limit(self, bytes: usize, last_after: Duration) -> Duration {
        let for_its_bytes = Duration::from_millis(bytes as u64 * 1_000 / self.bytes_per_second);
        self.patience + last_after.min(for_its_bytes)
    }
}

/// A request's body, bounded by `max_bytes`, by a pace, and by `room` if it is an upload.
pub(super) async fn collect<B: Buf, E>(
    body: impl Stream<Item = Result<B, E>>,
    max_bytes: usize,
    room: Option<&UploadRoom>,
) -> Result<Received, Problem> {
    collect_at(PACE, body, max_bytes, room).await
}

async fn collect_at<B: Buf, E>(
    pace: Pace,
    body: impl Stream<Item = Result<B, E>>,
    max_bytes: usize,
    room: Option<&UploadRoom>,
) -> Result<Received, Problem> {
    let malformed = |what: &str| Problem::new(ErrorCode::Malformed, what);
    let mut body = std::pin::pin!(body);
    let (mut collected, mut received) = (BytesMut::new(), Received::default());
    let (begun, mut last_after) = (Instant::now(), Duration::ZERO);
    loop {
        let until = begun + pace.limit(collected.len(), last_after);
        let next = tokio::time::timeout_at(until, body.next()).await.map_err(|_| malformed("the body did not come in time"))?;
        let Some(chunk) = next else { break };
        let mut chunk = chunk.map_err(|_| malformed("the body broke off"))?;
        if collected.len() + chunk.remaining() > max_bytes {
            return Err(Problem::new(ErrorCode::TooLarge, format!("the body is longer than {max_bytes} bytes")));
        }
        if let Some(room) = room {
            received.take_room(room, chunk.remaining())?;
        }
        collected.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
        last_after = begun.elapsed();
    }
    received.bytes = collected.freeze();
    Ok(received)
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn chunk(length: usize) -> Result<Bytes, ()> {
        Ok(Bytes::from(vec![b'x'; length]))
    }

    #[test]
    fn a_body_may_come_slowly_but_not_stand_still_nor_trickle() {
        let pace = Pace { patience: Duration::from_secs(10), bytes_per_second: 1_000 };
        for (bytes, last_after_s, limit_s) in [
            (0, 0, 10),
            (1, 9, 10),
            (5_000, 2, 12),
            // Ten times as long as before, at the least pace.
            (100_000, 100, 110),
            // Faster than that, then nothing.
            (100_000, 3, 13),
            // A byte now and then.
            (100, 10, 10),
        ] {
            let limit = pace.limit(bytes, Duration::from_secs(last_after_s)).as_secs();
            assert_eq!(limit, limit_s, "{bytes} bytes in {last_after_s} s");
        }
    }

    #[tokio::test]
    async fn a_body_must_come_whole_in_time_and_within_its_bound() {
        let pace = Pace { patience: Duration::from_millis(20), bytes_per_second: u64::MAX };
        let max = 64 * 1024;
        let collected = async |chunks: &[Result<Bytes, ()>], goes_on: bool| {
            let rest = if goes_on { stream::pending().left_stream() } else { stream::empty().right_stream() };
            let body = stream::iter(chunks.to_vec()).chain(rest);
            collect_at(pace, body, max, None).await.map(|body| body.bytes.len()).map_err(|problem| problem.code())
        };
        assert_eq!(collected(&[chunk(7), chunk(max - 7)], false).await, Ok(max));
        assert_eq!(collected(&[chunk(8), chunk(max - 7)], false).await, Err(ErrorCode::TooLarge));
        assert_eq!(collected(&[chunk(7), Err(())], false).await, Err(ErrorCode::Malformed));
        assert_eq!(collected(&[chunk(7)], true).await, Err(ErrorCode::Malformed));
    }

    #[tokio::test]
    async fn p10_uploads_share_a_bounded_room_and_give_it_back() {
        let room = UploadRoom::of_bytes(1_000);
        let upload = |length: usize| collect(stream::iter([chunk(length / 2), chunk(length - length / 2)]), 1_000, Some(&room));
        let (first, second) = (upload(600).await.unwrap(), upload(400).await.unwrap());
        assert_eq!((first.bytes.len(), second.bytes.len()), (600, 400));
        assert_eq!(upload(1).await.unwrap_err().code(), ErrorCode::Busy);
        drop(second);
        assert_eq!(upload(401).await.unwrap_err().code(), ErrorCode::Busy, "and it gives back what it had");
        assert_eq!(upload(400).await.unwrap().bytes.len(), 400);
        drop(first);
        assert_eq!(room.0.available_permits(), 1_000);
    }
}
