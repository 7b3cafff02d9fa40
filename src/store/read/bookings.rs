//! Holds, bookings, payments and inboxes.

use std::collections::HashMap;

use surrealdb::types::SurrealValue;

use crate::domain::booking::{Deal, Party};
use crate::domain::{Booking, BookingId, Date, Hold, HoldId, Payment, PaymentId, PropertyId, Seq, Topic, UserId};
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

/// Which of a user's bookings are wanted: all that match everything that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookingFilter {
    /// On which side the user is.
    pub side: Option<Party>,
    /// The state's name.
    pub state: Option<&'static str>,
    /// Of which home.
    pub property: Option<PropertyId>,
    /// The last night is this one or later.
    pub from: Option<Date>,
    /// The first night is before this one.
    pub to: Option<Date>,
}

/// Each side is found by its index; what is left is looked through.
const BOOKINGS_OF: &str = "
    SELECT * FROM booking WHERE guest = $user AND $as_guest AND record::id(id) < $before
        AND ($state = NONE OR state = $state) AND ($property = NONE OR property = $property)
        AND ($from = NONE OR check_out > $from) AND ($to = NONE OR check_in < $to) ORDER BY id DESC LIMIT $limit;
    SELECT * FROM booking WHERE host = $user AND $as_host AND record::id(id) < $before
        AND ($state = NONE OR state = $state) AND ($property = NONE OR property = $property)
        AND ($from = NONE OR check_out > $from) AND ($to = NONE OR check_in < $to) ORDER BY id DESC LIMIT $limit";

#[derive(SurrealValue)]
struct DealRow {
    booking: BookingRow,
    payments: Vec<PaymentRow>,
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
        row.map(|row| together(row.booking.try_into()?, row.payments.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?))
            .transpose()
    }

    /// A booking with its payment, if that user is one of its parties: to anybody else it is not there (P8).
    ///
    /// # Errors
    /// As any read.
    pub async fn deal_of(&self, user: UserId, booking: BookingId) -> Result<Option<Deal>, StoreError> {
        Ok(self.deal(booking).await?.filter(|deal| deal.booking.party(user).is_some()))
    }

    /// These bookings with their payments, in the same order.
    ///
    /// # Errors
    /// As any read.
    pub async fn deals(&self, bookings: Vec<Booking>) -> Result<Vec<Deal>, StoreError> {
        let ids: Vec<PaymentId> = bookings.iter().flat_map(Booking::payments).collect();
        let mut payments = by_id(self.payments(&ids).await?);
        bookings.into_iter().map(|booking| taken_from(&mut payments, booking)).collect()
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

    /// A user's bookings that the filter lets through, newest first, older than `before`, at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn bookings_of(
        &self,
        user: UserId,
        filter: &BookingFilter,
        before: Option<BookingId>,
        limit: u16,
    ) -> Result<Vec<Booking>, StoreError> {
        let newest = BookingId::from_bytes([0xff; 16]);
        let day = |date: Date| i64::from(date.epoch_day());
        let bounds = variables([
            ("user", user.to_uuid().into_value()),
            ("as_guest", (filter.side != Some(Party::Host)).into_value()),
            ("as_host", (filter.side != Some(Party::Guest)).into_value()),
            ("state", filter.state.into_value()),
            ("property", filter.property.map(StoredId::to_uuid).into_value()),
            ("from", filter.from.map(day).into_value()),
            ("to", filter.to.map(day).into_value()),
            ("before", before.unwrap_or(newest).to_uuid().into_value()),
            ("limit", i64::from(limit).into_value()),
        ]);
        let mut answers = self.database().query(BOOKINGS_OF, bounds).await?.check()?;
        self.settled().await;
        let mut bookings = merge(answers.take(0)?, answers.take(1)?)?;
        bookings.truncate(usize::from(limit));
        Ok(bookings)
    }
}

/// A booking and its payments, in its order.
pub(super) fn together(booking: Booking, payments: Vec<Payment>) -> Result<Deal, StoreError> {
    taken_from(&mut by_id(payments), booking)
}

fn by_id(payments: Vec<Payment>) -> HashMap<PaymentId, Payment> {
    payments.into_iter().map(|payment| (payment.id, payment)).collect()
}

fn taken_from(payments: &mut HashMap<PaymentId, Payment>, booking: Booking) -> Result<Deal, StoreError> {
    let mut take = |id| payments.remove(&id).ok_or_else(|| StoreError::Corrupt(format!("payment {id} is missing")));
    let payment = take(booking.payment)?;
    let further_payments = booking.further_payments.iter().map(|id| take(*id)).collect::<Result<_, _>>()?;
    Ok(Deal { booking, payment, further_payments })
}

fn merge(as_guest: Vec<BookingRow>, as_host: Vec<BookingRow>) -> Result<Vec<Booking>, StoreError> {
    let mut bookings: Vec<Booking> = as_guest.into_iter().chain(as_host).map(Booking::try_from).collect::<Result<_, _>>()?;
    bookings.sort_unstable_by_key(|booking| std::cmp::Reverse(booking.id));
    bookings.dedup_by_key(|booking| booking.id);
    Ok(bookings)
}
