//! Holds, bookings, payments and inboxes.

use surrealdb::types::SurrealValue;

use crate::domain::booking::Deal;
use crate::domain::{Booking, BookingId, Hold, HoldId, Payment, PaymentId, Seq, Topic, UserId};
use crate::store::database::variables;
use crate::store::rows::{BookingRow, HoldRow, PaymentRow, StoredId, narrow, record};
use crate::store::{Store, StoreError};

/// An inbox of one instant.
#[derive(Debug, Clone)]
pub struct InboxState {
    /// The topic's head.
    pub seq: Seq,
    /// Newest first, each booking once.
    pub bookings: Vec<Booking>,
}

#[derive(SurrealValue)]
struct DealRow {
    booking: BookingRow,
    payment: PaymentRow,
}

#[derive(SurrealValue)]
struct InboxRow {
    seq: i64,
    as_guest: Vec<BookingRow>,
    as_host: Vec<BookingRow>,
}

impl Store {
    /// A hold, live or over.
    ///
    /// # Errors
    /// As any read.
    pub async fn hold(&self, hold: HoldId) -> Result<Option<Hold>, StoreError> {
        self.one::<HoldRow, _>(record("hold", hold)).await
    }

    /// A booking with its payment, live or over.
    ///
    /// # Errors
    /// As any read.
    pub async fn deal(&self, booking: BookingId) -> Result<Option<Deal>, StoreError> {
        let id = variables([("booking", booking.to_uuid().into_value())]);
        let row: Option<DealRow> = self.database().read("RETURN fn::deal($booking)", id).await?;
        self.settled().await;
        row.map(|row| Ok(Deal { booking: row.booking.try_into()?, payment: row.payment.try_into()? })).transpose()
    }

    /// A booking with its payment, if that user is one of its parties: to anybody else it is not there (P8).
    ///
    /// # Errors
    /// As any read.
    pub async fn deal_of(&self, user: UserId, booking: BookingId) -> Result<Option<Deal>, StoreError> {
        Ok(self.deal(booking).await?.filter(|deal| deal.booking.party(user).is_some()))
    }

    /// A payment.
    ///
    /// # Errors
    /// As any read.
    pub async fn payment(&self, payment: PaymentId) -> Result<Option<Payment>, StoreError> {
        self.one::<PaymentRow, _>(record("payment", payment)).await
    }

    /// A user's inbox: head and newest bookings, read in one transaction.
    ///
    /// # Errors
    /// As any read.
    pub async fn inbox(&self, user: UserId) -> Result<InboxState, StoreError> {
        let whose = variables([("user", user.to_uuid().into_value()), ("topic", Topic::User(user).to_string().into_value())]);
        let row: InboxRow = self.database().read("RETURN fn::inbox($user, $topic)", whose).await?;
        self.settled().await;
        Ok(InboxState { seq: narrow(row.seq, "seq")?, bookings: merge(row.as_guest, row.as_host)? })
    }

    /// A user's bookings on both sides, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn bookings_of(&self, user: UserId, before: Option<BookingId>, limit: u16) -> Result<Vec<Booking>, StoreError> {
        let newest = BookingId::from_bytes([0xff; 16]);
        let text = "SELECT * FROM booking WHERE guest = $user AND record::id(id) < $before ORDER BY id DESC LIMIT $limit; \
                    SELECT * FROM booking WHERE host = $user AND record::id(id) < $before ORDER BY id DESC LIMIT $limit";
        let bounds = variables([
            ("user", user.to_uuid().into_value()),
            ("before", before.unwrap_or(newest).to_uuid().into_value()),
            ("limit", i64::from(limit).into_value()),
        ]);
        let mut answers = self.database().query(text, bounds).await?.check()?;
        self.settled().await;
        let mut bookings = merge(answers.take(0)?, answers.take(1)?)?;
        bookings.truncate(usize::from(limit));
        Ok(bookings)
    }
}

fn merge(as_guest: Vec<BookingRow>, as_host: Vec<BookingRow>) -> Result<Vec<Booking>, StoreError> {
    let mut bookings: Vec<Booking> = as_guest.into_iter().chain(as_host).map(Booking::try_from).collect::<Result<_, _>>()?;
    bookings.sort_unstable_by_key(|booking| std::cmp::Reverse(booking.id));
    bookings.dedup_by_key(|booking| booking.id);
    Ok(bookings)
}
