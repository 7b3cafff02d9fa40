//! Payments and ledger entries.

use surrealdb::types::{RecordId, SurrealValue, Uuid, Value};

use super::{StoredId, array_record, id_of, narrow, record, refused, unknown};
use crate::domain::ledger::Account;
use crate::domain::payment::{Dispute, DisputeState};
use crate::domain::{Money, Payment, PaymentState, Timestamp, Transfer};
use crate::store::database::row;
use crate::store::error::StoreError;

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
    refund_failed_minor: Option<i64>,
    dispute: Option<String>,
    disputed_minor: Option<i64>,
    attempts: i64,
    state: String,
    detail: Option<String>,
    created_at: i64,
}

impl From<&Payment> for PaymentRow {
    fn from(payment: &Payment) -> Self {
        let detail = match &payment.state {
            PaymentState::RequiresPaymentMethod { declined } => declined.clone(),
            PaymentState::RequiresConfirmation { method } => Some(method.clone()),
            PaymentState::RequiresAction { client_secret } => client_secret.clone(),
            PaymentState::Processing | PaymentState::RequiresCapture | PaymentState::Succeeded | PaymentState::Canceled => None,
        };
        Self {
            id: record("payment", payment.id),
            booking: payment.booking.to_uuid(),
            currency: payment.amount.currency.code().to_owned(),
            amount_minor: payment.amount.minor,
            captured_minor: payment.captured_minor,
            refund_due_minor: payment.refund_due_minor,
            refunded_minor: payment.refunded_minor,
            refund_failed_minor: (payment.refund_failed_minor > 0).then_some(payment.refund_failed_minor),
            dispute: payment.dispute.map(|dispute| dispute.state.name().to_owned()),
            disputed_minor: payment.dispute.map(|dispute| dispute.amount_minor),
            attempts: i64::from(payment.attempts),
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
            "requires_action" => PaymentState::RequiresAction { client_secret: row.detail },
            "processing" => PaymentState::Processing,
            "requires_capture" => PaymentState::RequiresCapture,
            "succeeded" => PaymentState::Succeeded,
            "canceled" => PaymentState::Canceled,
            word => return Err(unknown("payment.state", word)),
        };
        let dispute_state = match row.dispute.as_deref() {
            None => None,
            Some("open") => Some(DisputeState::Open),
            Some("won") => Some(DisputeState::Won),
            Some("lost") => Some(DisputeState::Lost),
            Some(word) => return Err(unknown("payment.dispute", word)),
        };
        Ok(Self {
            id: id_of(&row.id)?,
            booking: StoredId::from_uuid(row.booking),
            amount: Money { minor: row.amount_minor, currency: row.currency.parse().map_err(|refusal| refused(&refusal))? },
            captured_minor: row.captured_minor,
            refund_due_minor: row.refund_due_minor,
            refunded_minor: row.refunded_minor,
            refund_failed_minor: row.refund_failed_minor.unwrap_or(0),
            dispute: dispute_state.map(|state| Dispute { amount_minor: row.disputed_minor.unwrap_or(0), state }),
            attempts: narrow(row.attempts, "payment.attempts")?,
            state,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

/// `ledger:[booking, number]`; written once, read by auditors.
pub(in crate::store) fn ledger_row(transfer: &Transfer) -> (RecordId, Value) {
    let id = array_record("ledger", [transfer.booking.to_uuid().into_value(), i64::from(transfer.number).into_value()]);
    let lines: Vec<Value> = transfer
        .lines
        .iter()
        .map(|(account, minor)| {
            let host = match account {
                Account::Host(host) => host.to_uuid().into_value(),
                Account::Provider | Account::Escrow | Account::Fees | Account::Taxes | Account::Disputed | Account::Losses => Value::None,
            };
            row([("account", account.name().into_value()), ("host", host), ("minor", minor.into_value())])
        })
        .collect();
    let value = row([
        ("id", id.clone().into_value()),
        ("kind", transfer.movement.name().into_value()),
        ("payment", transfer.movement.payment().map(StoredId::to_uuid).into_value()),
        ("currency", transfer.currency.code().into_value()),
        ("lines", lines.into_value()),
        ("at", transfer.at.epoch_ms().into_value()),
    ]);
    (id, value)
}
