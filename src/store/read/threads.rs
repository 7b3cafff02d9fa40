//! Threads and their messages.

use surrealdb::types::SurrealValue;

use crate::domain::{BookingId, Message, Thread, Timestamp, UserId};
use crate::store::database::variables;
use crate::store::rows::{MessageRow, StoredId, ThreadRow, int, record};
use crate::store::{Store, StoreError};

impl Store {
    /// The thread of a booking, if anybody has written.
    ///
    /// # Errors
    /// As any read.
    pub async fn thread(&self, booking: BookingId) -> Result<Option<Thread>, StoreError> {
        self.one::<ThreadRow, Thread>(record("thread", booking)).await
    }

    /// The messages `from` to `to` of a booking's thread, both included, newest first: numbers have no gaps, so that is a page.
    ///
    /// # Errors
    /// As any read.
    pub async fn messages(&self, booking: BookingId, from: u64, to: u64) -> Result<Vec<Message>, StoreError> {
        let bounds =
            variables([("booking", booking.to_uuid().into_value()), ("from", int(from).into_value()), ("to", int(to).into_value())]);
        let rows: Vec<MessageRow> = self.database().read("SELECT * FROM message:[$booking, $from]..=[$booking, $to]", bounds).await?;
        self.settled().await;
        rows.into_iter().rev().map(|row| row.into_message(booking)).collect()
    }

    /// A user's threads on both sides, that with the newest message first, after `before`: when its last message was sent, and its booking. Reads
    /// all of them, as many as the user has had bookings with messages.
    ///
    /// # Errors
    /// As any read.
    pub async fn threads_of(&self, user: UserId, before: Option<(Timestamp, BookingId)>, limit: usize) -> Result<Vec<Thread>, StoreError> {
        let text = "SELECT * FROM thread WHERE guest = $user; SELECT * FROM thread WHERE host = $user";
        let mut answers = self.database().query(text, variables([("user", user.to_uuid().into_value())])).await?.check()?;
        self.settled().await;
        let (as_guest, as_host): (Vec<ThreadRow>, Vec<ThreadRow>) = (answers.take(0)?, answers.take(1)?);
        let mut threads: Vec<Thread> = as_guest.into_iter().chain(as_host).map(Thread::try_from).collect::<Result<_, _>>()?;
        let place = |thread: &Thread| (thread.last_sent_at.unwrap_or(Timestamp::from_epoch_ms(0)), thread.booking);
        threads.retain(|thread| before.is_none_or(|before| place(thread) < before));
        threads.sort_unstable_by_key(|thread| std::cmp::Reverse(place(thread)));
        threads.dedup_by_key(|thread| thread.booking);
        threads.truncate(limit);
        Ok(threads)
    }
}
