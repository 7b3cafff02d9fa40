//! Calendars: everything one home's decisions rest on, of one instant; and the leases that are live.

use std::collections::HashMap;

use surrealdb::types::{RecordId, SurrealValue, ToSql, Uuid};

use super::bookings::together;
use crate::domain::change::Night;
use crate::domain::{Booking, Claim, ClaimId, Date, Hold, HoldState, Listing, Payment, PropertyId, Seq, Timestamp, Topic, UserId};
use crate::store::database::variables;
use crate::store::rows::{BlockRow, BookingRow, HoldRow, ListingRow, NightRow, PaymentRow, StoredId, id_of, narrow};
use crate::store::{Store, StoreError};

/// What [`crate::domain::Calendar::restore`] takes.
#[derive(Debug, Clone)]
pub struct CalendarState {
    /// The home.
    pub listing: Listing,
    /// The topic's head.
    pub seq: Seq,
    /// The nights that are taken.
    pub nights: Vec<Night>,
    /// The claims that own them and are live.
    pub claims: Vec<Claim>,
}

#[derive(SurrealValue)]
struct CalendarRow {
    property: Option<ListingRow>,
    seq: i64,
    nights: Vec<NightRow>,
    blocks: Vec<BlockRow>,
    holds: Vec<HoldRow>,
    bookings: Vec<BookingRow>,
    payments: Vec<PaymentRow>,
}

#[derive(SurrealValue)]
struct LeaseRow {
    id: RecordId,
    property: Uuid,
    guest: Uuid,
    until: i64,
    state: String,
}

/// A lease that is live, or should have been ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its claim.
    pub claim: ClaimId,
    /// On which home.
    pub property: PropertyId,
    /// Whose.
    pub guest: UserId,
    /// Its end.
    pub until: Timestamp,
    /// Whether no money is set aside for it yet: a hold, or a booking that waits for its payment.
    pub is_unpaid: bool,
}

impl Store {
    /// A home's calendar from the night `from` to the night `to`, read in one transaction, so that rules and seq belong
    /// together.
    ///
    /// # Errors
    /// As any read.
    pub async fn calendar(&self, property: PropertyId, from: Date, to: Date) -> Result<Option<CalendarState>, StoreError> {
        let bounds = variables([
            ("property", property.to_uuid().into_value()),
            ("topic", Topic::Property(property).to_string().into_value()),
            ("from", i64::from(from.epoch_day()).into_value()),
            ("to", i64::from(to.epoch_day()).into_value()),
        ]);
        let row: CalendarRow = self.database().read("RETURN fn::calendar($property, $topic, $from, $to)", bounds).await?;
        self.settled().await;
        let Some(listing) = row.property else { return Ok(None) };
        let payments: Vec<Payment> = row.payments.into_iter().map(Payment::try_from).collect::<Result<_, _>>()?;
        let mut payments_of: HashMap<_, Vec<Payment>> = HashMap::new();
        for payment in payments {
            payments_of.entry(payment.booking).or_default().push(payment);
        }
        let mut claims = Vec::with_capacity(row.holds.len());
        for booking in row.bookings {
            let booking = Booking::try_from(booking)?;
            if booking.state.is_live() {
                let payments = payments_of.remove(&booking.id).unwrap_or_default();
                claims.push(Claim::Booked(Box::new(together(booking, payments)?)));
            }
        }
        for hold in row.holds {
            let hold = Hold::try_from(hold)?;
            if matches!(hold.state, HoldState::Active { .. }) {
                claims.push(Claim::Hold(hold));
            }
        }
        for block in row.blocks {
            claims.push(Claim::Blocked(Box::new(block.try_into()?)));
        }
        Ok(Some(CalendarState {
            listing: Listing::try_from(listing)?,
            seq: narrow(row.seq, "seq")?,
            nights: row.nights.into_iter().map(|night| night.into_night(property)).collect::<Result<_, _>>()?,
            claims,
        }))
    }

    /// Every live lease. Claim ids are UUIDv7 and lifetimes are capped, so all live ones have ids of `oldest` or later: one
    /// bounded range scan a table, no index.
    ///
    /// # Errors
    /// As any read.
    pub async fn leases(&self, oldest: Timestamp) -> Result<Vec<Lease>, StoreError> {
        // A range's bounds cannot be bound as variables here; this one is made of hexadecimal digits.
        let from = first_id_of(oldest);
        let text = format!(
            "SELECT id, property, guest, until, state FROM hold:{0}.. WHERE state = 'active'; \
             SELECT id, property, guest, until, state FROM booking:{0}.. WHERE state IN ['pending_payment', 'requested']",
            from.to_sql()
        );
        let mut answers = self.database().query_patiently(text, variables([])).await?.check()?;
        let holds: Vec<LeaseRow> = answers.take(0)?;
        let bookings: Vec<LeaseRow> = answers.take(1)?;
        let lease = |row: LeaseRow| {
            Ok(Lease {
                claim: id_of(&row.id)?,
                property: StoredId::from_uuid(row.property),
                guest: StoredId::from_uuid(row.guest),
                until: Timestamp::from_epoch_ms(row.until),
                is_unpaid: row.state != "requested",
            })
        };
        holds.into_iter().chain(bookings).map(lease).collect()
    }
}

/// The smallest UUIDv7 of an instant (RFC 9562, 5.7: the first 48 bits are milliseconds).
pub(super) fn first_id_of(instant: Timestamp) -> Uuid {
    let ms = u64::try_from(instant.epoch_ms()).unwrap_or(0);
    let mut bytes = [0; 16];
    bytes[..6].copy_from_slice(&ms.to_be_bytes()[2..]);
    uuid::Uuid::from_bytes(bytes).into()
}
