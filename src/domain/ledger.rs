//! Double entry: every movement of money is a transfer whose lines sum to zero.

use latchkey_protocol::{PaymentId, UserId};

use super::money::{Currency, Money};
use super::time::Timestamp;

/// Where money lies or is owed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// What the payment provider holds for us.
    Provider,
    /// What we owe a host (negative: they are our creditor).
    Host(UserId),
}

/// Why money moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// A guest's payment came in.
    Capture,
    /// Money went back to a guest.
    Refund,
}

impl TransferKind {
    /// The kind's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Refund => "refund",
        }
    }
}

/// An immutable movement of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Of which payment.
    pub payment: PaymentId,
    /// 1, 2, 3 … within the payment: what makes each movement happen once.
    pub number: u32,
    /// Why.
    pub kind: TransferKind,
    /// Of which currency.
    pub currency: Currency,
    /// Account and amount in minor units; debits are positive; the sum is zero.
    pub lines: Vec<(Account, i64)>,
    /// When.
    pub at: Timestamp,
}

impl Transfer {
    /// `amount` from a guest, through the provider, owed to `host`; or back again.
    #[must_use]
    pub fn between_provider_and(host: UserId, kind: TransferKind, payment: PaymentId, number: u32, amount: Money, at: Timestamp) -> Self {
        let to_provider = match kind {
            TransferKind::Capture => amount.minor,
            TransferKind::Refund => -amount.minor,
        };
        Self {
            payment,
            number,
            kind,
            currency: amount.currency,
            lines: vec![(Account::Provider, to_provider), (Account::Host(host), -to_provider)],
            at,
        }
    }

    /// Whether debits equal credits.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.lines.iter().map(|(_, minor)| minor).sum::<i64>() == 0
    }
}
