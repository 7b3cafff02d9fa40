//! Bookings, payments, ledger entries.

use surrealdb::types::{RecordId, SurrealValue, Uuid, Value};

use super::{StoredId, array_record, date, id_of, int, narrow, record, refused, unknown};
use crate::domain::ledger::Account;
use crate::domain::pricing::{Line, LineKind};
use crate::domain::{Booking, BookingState, Currency, Money, Payment, PaymentState, Quote, Stay, Timestamp, Transfer};
use crate::store::database::row;
use crate::store::error::StoreError;

#[derive(Debug, Clone, SurrealValue)]
struct LineRow {
    kind: String,
    quantity: i64,
    unit_minor: i64,
}

impl From<&Line> for LineRow {
    fn from(line: &Line) -> Self {
        let kind = match line.kind {
            LineKind::Nights => "nights",
            LineKind::WeeklyDiscount => "weekly_discount",
            LineKind::MonthlyDiscount => "monthly_discount",
            LineKind::ExtraGuests => "extra_guests",
            LineKind::Cleaning => "cleaning",
            LineKind::ServiceFee => "service_fee",
            LineKind::Taxes => "taxes",
        };
        Self { kind: kind.to_owned(), quantity: i64::from(line.quantity), unit_minor: line.unit.minor }
    }
}

impl LineRow {
    fn into_line(self, currency: Currency) -> Result<Line, StoreError> {
        let kind = match self.kind.as_str() {
            "nights" => LineKind::Nights,
            "weekly_discount" => LineKind::WeeklyDiscount,
            "monthly_discount" => LineKind::MonthlyDiscount,
            "extra_guests" => LineKind::ExtraGuests,
            "cleaning" => LineKind::Cleaning,
            "service_fee" => LineKind::ServiceFee,
            "taxes" => LineKind::Taxes,
            word => return Err(unknown("booking.lines.kind", word)),
        };
        let (quantity, unit) = (narrow(self.quantity, "booking.lines.quantity")?, Money { minor: self.unit_minor, currency });
        Ok(Line { kind, quantity, unit, amount: unit.times(quantity).map_err(|refusal| refused(&refusal))? })
    }
}

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
    created_at: i64,
}

impl From<&Booking> for BookingRow {
    fn from(booking: &Booking) -> Self {
        let until = match booking.state {
            BookingState::PendingPayment { expires_at: at }
            | BookingState::Confirmed { at }
            | BookingState::Expired { at }
            | BookingState::CancelledByGuest { at }
            | BookingState::CancelledByHost { at } => at,
        };
        Self {
            id: record("booking", booking.id),
            property: booking.property.to_uuid(),
            guest: booking.guest.to_uuid(),
            host: booking.host.to_uuid(),
            check_in: i64::from(booking.stay().check_in().epoch_day()),
            check_out: i64::from(booking.stay().check_out().epoch_day()),
            guests: i64::from(booking.quote.guests),
            currency: booking.quote.total.currency.code().to_owned(),
            lines: booking.quote.lines.iter().map(LineRow::from).collect(),
            total_minor: booking.quote.total.minor,
            payment: booking.payment.to_uuid(),
            seq: int(booking.seq),
            state: booking.state.name().to_owned(),
            until: until.epoch_ms(),
            created_at: booking.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<BookingRow> for Booking {
    type Error = StoreError;

    fn try_from(row: BookingRow) -> Result<Self, StoreError> {
        let at = Timestamp::from_epoch_ms(row.until);
        let state = match row.state.as_str() {
            "pending_payment" => BookingState::PendingPayment { expires_at: at },
            "confirmed" => BookingState::Confirmed { at },
            "expired" => BookingState::Expired { at },
            "cancelled_by_guest" => BookingState::CancelledByGuest { at },
            "cancelled_by_host" => BookingState::CancelledByHost { at },
            word => return Err(unknown("booking.state", word)),
        };
        let currency: Currency = row.currency.parse().map_err(|refusal| refused(&refusal))?;
        let property = StoredId::from_uuid(row.property);
        let quote = Quote {
            property,
            stay: Stay::new(date(row.check_in)?, date(row.check_out)?).map_err(|refusal| refused(&refusal))?,
            guests: narrow(row.guests, "booking.guests")?,
            lines: row.lines.into_iter().map(|line| line.into_line(currency)).collect::<Result<_, _>>()?,
            total: Money { minor: row.total_minor, currency },
        };
        Ok(Self {
            id: id_of(&row.id)?,
            property,
            guest: StoredId::from_uuid(row.guest),
            host: StoredId::from_uuid(row.host),
            quote,
            payment: StoredId::from_uuid(row.payment),
            seq: narrow(row.seq, "booking.seq")?,
            state,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

/// `payment:[uuid]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct PaymentRow {
    pub(in crate::store) id: RecordId,
    booking: Uuid,
    currency: String,
    amount_minor: i64,
    captured_minor: i64,
    refund_due_minor: i64,
    refunded_minor: i64,
    attempts: i64,
    transfers: i64,
    state: String,
    detail: Option<String>,
    created_at: i64,
}

impl From<&Payment> for PaymentRow {
    fn from(payment: &Payment) -> Self {
        let detail = match &payment.state {
            PaymentState::RequiresPaymentMethod { declined } => declined.clone(),
            PaymentState::RequiresConfirmation { method } => Some(method.clone()),
            PaymentState::RequiresAction | PaymentState::Processing | PaymentState::Succeeded | PaymentState::Canceled => None,
        };
        Self {
            id: record("payment", payment.id),
            booking: payment.booking.to_uuid(),
            currency: payment.amount.currency.code().to_owned(),
            amount_minor: payment.amount.minor,
            captured_minor: payment.captured_minor,
            refund_due_minor: payment.refund_due_minor,
            refunded_minor: payment.refunded_minor,
            attempts: i64::from(payment.attempts),
            transfers: i64::from(payment.transfers),
            state: payment.state.name().to_owned(),
            detail,
            created_at: payment.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<PaymentRow> for Payment {
    type Error = StoreError;

    fn try_from(row: PaymentRow) -> Result<Self, StoreError> {
        let state = match row.state.as_str() {
            "requires_payment_method" => PaymentState::RequiresPaymentMethod { declined: row.detail },
            "requires_confirmation" => PaymentState::RequiresConfirmation { method: row.detail.unwrap_or_default() },
            "requires_action" => PaymentState::RequiresAction,
            "processing" => PaymentState::Processing,
            "succeeded" => PaymentState::Succeeded,
            "canceled" => PaymentState::Canceled,
            word => return Err(unknown("payment.state", word)),
        };
        Ok(Self {
            id: id_of(&row.id)?,
            booking: StoredId::from_uuid(row.booking),
            amount: Money { minor: row.amount_minor, currency: row.currency.parse().map_err(|refusal| refused(&refusal))? },
            captured_minor: row.captured_minor,
            refund_due_minor: row.refund_due_minor,
            refunded_minor: row.refunded_minor,
            attempts: narrow(row.attempts, "payment.attempts")?,
            transfers: narrow(row.transfers, "payment.transfers")?,
            state,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

/// `ledger:[payment, number]`; written once, read by auditors.
pub(in crate::store) fn ledger_row(transfer: &Transfer) -> (RecordId, Value) {
    let id = array_record("ledger", [transfer.payment.to_uuid().into_value(), i64::from(transfer.number).into_value()]);
    let lines: Vec<Value> = transfer
        .lines
        .iter()
        .map(|(account, minor)| {
            let (account, host) = match account {
                Account::Provider => ("provider", Value::None),
                Account::Host(host) => ("host", host.to_uuid().into_value()),
            };
            row([("account", account.into_value()), ("host", host), ("minor", minor.into_value())])
        })
        .collect();
    let value = row([
        ("id", id.clone().into_value()),
        ("kind", transfer.kind.name().into_value()),
        ("currency", transfer.currency.code().into_value()),
        ("lines", lines.into_value()),
        ("at", transfer.at.epoch_ms().into_value()),
    ]);
    (id, value)
}
