//! Bookings. What came later than the first ones is in optional parts: a booking stored before has none of them.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::quote::{LineRow, QuoteParts};
use super::{StoredId, date, id_of, int, narrow, record, refused, unknown};
use crate::domain::booking::{Alteration, AlterationState, BookingTerms, Party, StayTimes, Visit};
use crate::domain::cancellation;
use crate::domain::settlement::{Payout, Shares};
use crate::domain::{Booking, BookingState, Currency, Quote, Timestamp};
use crate::store::error::StoreError;

/// A day in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// `booking:[claim]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct BookingRow {
    pub(in crate::store) id: RecordId,
    property: Uuid,
    guest: Uuid,
    host: Uuid,
    check_in: i64,
    check_out: i64,
    guests: i64,
    currency: String,
    lines: Vec<LineRow>,
    total_minor: i64,
    payment: Uuid,
    seq: i64,
    state: String,
    until: i64,
    life: Option<LifeRow>,
    alteration: Option<AlterationRow>,
    created_at: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct LifeRow {
    policy: String,
    is_instant: bool,
    check_in_at: i64,
    check_out_at: i64,
    further_payments: Vec<Uuid>,
    confirmed_at: Option<i64>,
    free_until: Option<i64>,
    checked_in_at: Option<i64>,
    check_in_by: Option<String>,
    check_in_note: Option<String>,
    checked_out_at: Option<i64>,
    check_out_by: Option<String>,
    check_out_note: Option<String>,
    left_on: Option<i64>,
    alterations: i64,
    returned: Vec<i64>,
    settled: Vec<i64>,
    payout_revision: i64,
    payout_pending_minor: i64,
    payout_paid_minor: i64,
    transfers: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct AlterationRow {
    by: String,
    check_in: i64,
    check_out: i64,
    guests: i64,
    lines: Vec<LineRow>,
    total_minor: i64,
    payment: Option<Uuid>,
    expires_at: i64,
    created_at: i64,
}

impl From<&Booking> for BookingRow {
    fn from(booking: &Booking) -> Self {
        let quote = QuoteParts::from(&booking.quote);
        Self {
            id: record("booking", booking.id),
            property: booking.property.to_uuid(),
            guest: booking.guest.to_uuid(),
            host: booking.host.to_uuid(),
            check_in: quote.check_in,
            check_out: quote.check_out,
            guests: quote.guests,
            currency: booking.quote.total.currency.code().to_owned(),
            lines: quote.lines,
            total_minor: quote.total_minor,
            payment: booking.payment.to_uuid(),
            seq: int(booking.seq),
            state: booking.state.name().to_owned(),
            until: booking.state.instant().epoch_ms(),
            life: Some(LifeRow::from(booking)),
            alteration: booking.alteration.as_ref().map(AlterationRow::from),
            created_at: booking.created_at.epoch_ms(),
        }
    }
}

impl From<&Booking> for LifeRow {
    fn from(booking: &Booking) -> Self {
        let at = |visit: &Option<Visit>| visit.as_ref().map(|visit| visit.at.epoch_ms());
        let by = |visit: &Option<Visit>| visit.as_ref().and_then(|visit| visit.by).map(|by| side_name(by).to_owned());
        let note = |visit: &Option<Visit>| visit.as_ref().and_then(|visit| visit.note.clone());
        let shares = |shares: Shares| vec![shares.host_minor, shares.fee_minor, shares.taxes_minor];
        Self {
            policy: booking.terms.policy.as_str().to_owned(),
            is_instant: booking.terms.is_instant,
            check_in_at: booking.times.check_in_at.epoch_ms(),
            check_out_at: booking.times.check_out_at.epoch_ms(),
            further_payments: booking.further_payments.iter().map(|payment| payment.to_uuid()).collect(),
            confirmed_at: booking.confirmed_at.map(Timestamp::epoch_ms),
            // One that was never free was free until it was confirmed: so nothing stands for what was stored before this was.
            free_until: booking.free_until.or(booking.confirmed_at).map(Timestamp::epoch_ms),
            checked_in_at: at(&booking.checked_in),
            check_in_by: by(&booking.checked_in),
            check_in_note: note(&booking.checked_in),
            checked_out_at: at(&booking.checked_out),
            check_out_by: by(&booking.checked_out),
            check_out_note: note(&booking.checked_out),
            left_on: booking.left_on.map(|day| i64::from(day.epoch_day())),
            alterations: i64::from(booking.alterations),
            returned: shares(booking.returned),
            settled: shares(booking.settled),
            payout_revision: i64::from(booking.payout.revision),
            payout_pending_minor: booking.payout.pending_minor,
            payout_paid_minor: booking.payout.paid_minor,
            transfers: i64::from(booking.transfers),
        }
    }
}

impl From<&Alteration> for AlterationRow {
    fn from(alteration: &Alteration) -> Self {
        let quote = QuoteParts::from(&alteration.quote);
        let payment = match alteration.state {
            AlterationState::Proposed => None,
            AlterationState::AwaitingPayment { payment } => Some(payment.to_uuid()),
        };
        Self {
            by: side_name(alteration.by).to_owned(),
            check_in: quote.check_in,
            check_out: quote.check_out,
            guests: quote.guests,
            lines: quote.lines,
            total_minor: quote.total_minor,
            payment,
            expires_at: alteration.expires_at.epoch_ms(),
            created_at: alteration.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<BookingRow> for Booking {
    type Error = StoreError;

    fn try_from(row: BookingRow) -> Result<Self, StoreError> {
        let state = state(&row.state, Timestamp::from_epoch_ms(row.until))?;
        let currency: Currency = row.currency.parse().map_err(|refusal| refused(&refusal))?;
        let property = StoredId::from_uuid(row.property);
        let (check_in, check_out, guests) = (row.check_in, row.check_out, row.guests);
        let quote =
            QuoteParts { check_in, check_out, guests, lines: row.lines, total_minor: row.total_minor }.into_quote(property, currency)?;
        let life = row.life.unwrap_or_else(|| LifeRow::of_an_early_booking(&quote, state));
        let free_until = life.free_until();
        let instant = Timestamp::from_epoch_ms;
        let visit = |at: Option<i64>, by: Option<String>, note| -> Result<Option<Visit>, StoreError> {
            let by = by.map(|by| side(&by)).transpose()?;
            Ok(at.map(|at| Visit { at: instant(at), by, note }))
        };
        Ok(Self {
            id: id_of(&row.id)?,
            property,
            guest: StoredId::from_uuid(row.guest),
            host: StoredId::from_uuid(row.host),
            terms: BookingTerms {
                policy: life.policy.parse().map_err(|_| unknown("booking.life.policy", &life.policy))?,
                is_instant: life.is_instant,
            },
            times: StayTimes { check_in_at: instant(life.check_in_at), check_out_at: instant(life.check_out_at) },
            payment: StoredId::from_uuid(row.payment),
            further_payments: life.further_payments.into_iter().map(StoredId::from_uuid).collect(),
            seq: narrow(row.seq, "booking.seq")?,
            state,
            confirmed_at: life.confirmed_at.map(instant),
            free_until,
            checked_in: visit(life.checked_in_at, life.check_in_by, life.check_in_note)?,
            checked_out: visit(life.checked_out_at, life.check_out_by, life.check_out_note)?,
            left_on: life.left_on.map(date).transpose()?,
            alterations: narrow(life.alterations, "booking.life.alterations")?,
            alteration: row.alteration.map(|alteration| alteration.into_alteration(&quote, life.alterations)).transpose()?,
            returned: shares(&life.returned)?,
            settled: shares(&life.settled)?,
            payout: Payout {
                revision: narrow(life.payout_revision, "booking.life.payout_revision")?,
                pending_minor: life.payout_pending_minor,
                paid_minor: life.payout_paid_minor,
            },
            transfers: narrow(life.transfers, "booking.life.transfers")?,
            created_at: instant(row.created_at),
            quote,
        })
    }
}

const fn side_name(side: Party) -> &'static str {
    match side {
        Party::Guest => "guest",
        Party::Host => "host",
    }
}

fn side(name: &str) -> Result<Party, StoreError> {
    match name {
        "guest" => Ok(Party::Guest),
        "host" => Ok(Party::Host),
        word => Err(unknown("a side of booking", word)),
    }
}

fn state(name: &str, at: Timestamp) -> Result<BookingState, StoreError> {
    Ok(match name {
        "pending_payment" => BookingState::PendingPayment { expires_at: at },
        "requested" => BookingState::Requested { expires_at: at },
        "confirmed" => BookingState::Confirmed { at },
        "checked_in" => BookingState::CheckedIn { at },
        "completed" => BookingState::Completed { at },
        "payment_failed" => BookingState::PaymentFailed { at },
        "declined" => BookingState::Declined { at },
        "withdrawn" => BookingState::Withdrawn { at },
        "expired" => BookingState::Expired { at },
        "cancelled_by_guest" => BookingState::CancelledByGuest { at },
        "cancelled_by_host" => BookingState::CancelledByHost { at },
        "no_show" => BookingState::NoShow { at },
        word => return Err(unknown("booking.state", word)),
    })
}

fn shares(minors: &[i64]) -> Result<Shares, StoreError> {
    match *minors {
        [host_minor, fee_minor, taxes_minor] => Ok(Shares { host_minor, fee_minor, taxes_minor }),
        _ => Err(StoreError::Corrupt("shares are not three".to_owned())),
    }
}

impl LifeRow {
    fn free_until(&self) -> Option<Timestamp> {
        let confirmed_at = self.confirmed_at.map(Timestamp::from_epoch_ms)?;
        match self.free_until.map(Timestamp::from_epoch_ms) {
            Some(until) => Some(until).filter(|until| *until > confirmed_at),
            None => cancellation::free_until(confirmed_at, Timestamp::from_epoch_ms(self.check_in_at)),
        }
    }

    /// Of a booking that was stored before there was such a thing: a flexible policy, days of UTC.
    fn of_an_early_booking(quote: &Quote, state: BookingState) -> Self {
        let midnight = |day: crate::domain::Date| i64::from(day.epoch_day()) * DAY_MS;
        let terms = BookingTerms::DEFAULT;
        Self {
            policy: terms.policy.as_str().to_owned(),
            is_instant: terms.is_instant,
            check_in_at: midnight(quote.stay.check_in()),
            check_out_at: midnight(quote.stay.check_out()),
            further_payments: Vec::new(),
            confirmed_at: matches!(state, BookingState::Confirmed { .. }).then(|| state.instant().epoch_ms()),
            free_until: None,
            checked_in_at: None,
            check_in_by: None,
            check_in_note: None,
            checked_out_at: None,
            check_out_by: None,
            check_out_note: None,
            left_on: None,
            alterations: 0,
            returned: vec![0; 3],
            settled: vec![0; 3],
            payout_revision: 0,
            payout_pending_minor: 0,
            payout_paid_minor: 0,
            transfers: 0,
        }
    }
}

impl AlterationRow {
    fn into_alteration(self, booked: &Quote, number: i64) -> Result<Alteration, StoreError> {
        let parts = QuoteParts {
            check_in: self.check_in,
            check_out: self.check_out,
            guests: self.guests,
            lines: self.lines,
            total_minor: self.total_minor,
        };
        let state = self
            .payment
            .map_or(AlterationState::Proposed, |payment| AlterationState::AwaitingPayment { payment: StoredId::from_uuid(payment) });
        Ok(Alteration {
            number: narrow(number, "booking.life.alterations")?,
            by: side(&self.by)?,
            quote: parts.into_quote(booked.property, booked.total.currency)?,
            state,
            expires_at: Timestamp::from_epoch_ms(self.expires_at),
            created_at: Timestamp::from_epoch_ms(self.created_at),
        })
    }
}
