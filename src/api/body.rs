//! A request's body as it comes in: bounded in length, in time, and, for uploads, in what all of them take of the memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use latchkey_protocol::ErrorCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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

/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A request's body, bounded by `max_bytes`, by ten seconds, and by `room` if it is an upload.
pub(super) async fn collect<B: Buf, E>(
    body: impl Stream<Item = Result<B, E>>,
    max_bytes: usize,
    room: Option<&UploadRoom>,
) -> Result<Received, Problem> {
    collect_within(body, max_bytes, room, BODY_TIMEOUT).await
}

async fn collect_within<B: Buf, E>(
    body: impl Stream<Item = Result<B, E>>,
    max_bytes: usize,
    room: Option<&UploadRoom>,
    within: Duration,
) -> Result<Received, Problem> {
    let late = |_| Err(Problem::new(ErrorCode::Malformed, "the body did not come in time"));
    tokio::time::timeout(within, read_all(body, max_bytes, room)).await.unwrap_or_else(late)
}

async fn read_all<B: Buf, E>(
    body: impl Stream<Item = Result<B, E>>,
    max_bytes: usize,
    room: Option<&UploadRoom>,
) -> Result<Received, Problem> {
    let mut body = std::pin::pin!(body);
    let (mut collected, mut received) = (BytesMut::new(), Received::default());
    while let Some(chunk) = body.next().await {
        let mut chunk = chunk.map_err(|_| Problem::new(ErrorCode::Malformed, "the body broke off"))?;
        if collected.len() + chunk.remaining() > max_bytes {
            return Err(Problem::new(ErrorCode::TooLarge, format!("the body is longer than {max_bytes} bytes")));
        }
        if let Some(room) = room {
            received.take_room(room, chunk.remaining())?;
        }
        collected.extend_from_slice(&chunk.copy_to_bytes(chunk.remaining()));
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

    #[tokio::test]
    async fn a_body_must_come_whole_in_time_and_within_its_bound() {
        let within = Duration::from_millis(20);
        let max = 64 * 1024;
        let code = |outcome: Result<Received, Problem>| outcome.map(|body| body.bytes.len()).map_err(|problem| problem.code());
        assert_eq!(code(collect_within(stream::iter([chunk(7), chunk(max - 7)]), max, None, within).await), Ok(max));
        assert_eq!(code(collect_within(stream::iter([chunk(8), chunk(max - 7)]), max, None, within).await), Err(ErrorCode::TooLarge));
        assert_eq!(code(collect_within(stream::iter([chunk(7), Err(())]), max, None, within).await), Err(ErrorCode::Malformed));
        assert_eq!(
            code(collect_within(stream::iter([chunk(7)]).chain(stream::pending()), max, None, within).await),
            Err(ErrorCode::Malformed)
        );
    }

    #[tokio::test]
    async fn p10_uploads_share_a_bounded_room_and_give_it_back() {
        let room = UploadRoom::of_bytes(1_000);
        let upload = |length| collect(stream::iter([chunk(length / 2), chunk(length - length / 2)]), 1_000, Some(&room));
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
