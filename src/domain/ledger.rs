//! Double entry: every movement of money is a transfer whose lines sum to zero, entered once and never changed (P9).

use latchkey_protocol::{BookingId, PaymentId, UserId};

use super::money::Currency;
use super::settlement::Shares;
use super::time::Timestamp;

/// Where money lies (debits) or for whom it is (credits).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// What the payment provider holds for us.
    Provider,
    /// What came in for bookings and is not divided yet.
    Escrow,
    /// What is a host's and has not been sent.
    Host(UserId),
    /// The platform's fees.
    Fees,
    /// Taxes to hand on.
    Taxes,
    /// What the provider keeps back while a dispute is open.
    Disputed,
    /// What refunds and lost disputes took beyond what a booking had left: the platform's loss.
    Losses,
}

impl Account {
    /// The account's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Escrow => "escrow",
            Self::Host(_) => "host",
            Self::Fees => "fees",
            Self::Taxes => "taxes",
            Self::Disputed => "disputed",
            Self::Losses => "losses",
        }
    }
}

/// Why money moved, and how much, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// A guest's payment came in.
    Capture {
        /// Which.
        payment: PaymentId,
        /// How much.
        minor: i64,
    },
    /// Money went back to a guest; negative: it came back to us, for the refund failed.
    Refund {
        /// Of which payment.
        payment: PaymentId,
        /// How much.
        minor: i64,
        /// How much of it the booking still had; the rest, which a lost dispute has taken as well, is the platform's loss.
        borne_minor: i64,
    },
    /// A dispute was opened: the provider keeps the money back.
    Withhold {
        /// Of which payment.
        payment: PaymentId,
        /// How much.
        minor: i64,
    },
    /// A dispute was won.
    Release {
        /// Of which payment.
        payment: PaymentId,
        /// How much.
        minor: i64,
    },
    /// A dispute was lost.
    ChargeBack {
        /// Of which payment.
        payment: PaymentId,
        /// How much.
        minor: i64,
        /// How much of it the booking still had; the rest is the platform's loss.
        borne_minor: i64,
    },
    /// A booking's money was divided, or taken back from those it was divided among.
    Settle(Shares),
    /// Money was sent to the host; negative: taken back.
    PayOut {
        /// How much.
        minor: i64,
    },
}

impl Movement {
    /// The kind's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capture { .. } => "capture",
            Self::Refund { .. } => "refund",
            Self::Withhold { .. } => "withhold",
            Self::Release { .. } => "release",
            Self::ChargeBack { .. } => "charge_back",
            Self::Settle(_) => "settle",
            Self::PayOut { .. } => "pay_out",
        }
    }

    /// Of which payment, if of one.
    #[must_use]
    pub const fn payment(self) -> Option<PaymentId> {
        match self {
            Self::Capture { payment, .. }
            | Self::Refund { payment, .. }
            | Self::Withhold { payment, .. }
            | Self::Release { payment, .. }
            | Self::ChargeBack { payment, .. } => Some(payment),
            Self::Settle(_) | Self::PayOut { .. } => None,
        }
    }

    fn lines(self, host: UserId) -> Vec<(Account, i64)> {
        let lines = match self {
            Self::Capture { minor, .. } => vec![(Account::Provider, minor), (Account::Escrow, -minor)],
            Self::Refund { minor, borne_minor, .. } => {
                vec![(Account::Escrow, borne_minor), (Account::Losses, minor - borne_minor), (Account::Provider, -minor)]
            }
            Self::Withhold { minor, .. } => vec![(Account::Disputed, minor), (Account::Provider, -minor)],
            Self::Release { minor, .. } => vec![(Account::Provider, minor), (Account::Disputed, -minor)],
            Self::ChargeBack { minor, borne_minor, .. } => {
                vec![(Account::Escrow, borne_minor), (Account::Losses, minor - borne_minor), (Account::Disputed, -minor)]
            }
            Self::Settle(shares) => vec![
                (Account::Escrow, shares.total_minor()),
                (Account::Host(host), -shares.host_minor),
                (Account::Fees, -shares.fee_minor),
                (Account::Taxes, -shares.taxes_minor),
            ],
            Self::PayOut { minor } => vec![(Account::Host(host), minor), (Account::Provider, -minor)],
        };
        lines.into_iter().filter(|(_, minor)| *minor != 0).collect()
    }
}

/// An immutable movement of money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// Of which booking.
    pub booking: BookingId,
    /// 1, 2, 3 … within the booking: what makes each movement happen once.
    pub number: u32,
    /// Why.
    pub movement: Movement,
    /// Of which currency.
    pub currency: Currency,
    /// Account and amount in minor units; debits are positive; the sum is zero.
    pub lines: Vec<(Account, i64)>,
    /// When.
    pub at: Timestamp,
}

impl Transfer {
    /// A movement of a booking's money.
    #[must_use]
    pub fn new(booking: BookingId, number: u32, movement: Movement, host: UserId, currency: Currency, at: Timestamp) -> Self {
        Self { booking, number, movement, currency, lines: movement.lines(host), at }
    }

    /// Whether debits equal credits.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.lines.iter().map(|(_, minor)| minor).sum::<i64>() == 0
    }

    /// What it puts into an account; negative: what it takes.
    #[must_use]
    pub fn into_account(&self, account: Account) -> i64 {
        self.lines.iter().filter(|(of, _)| *of == account).map(|(_, minor)| minor).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p9_every_movement_is_balanced_and_has_no_empty_line() {
        let payment = PaymentId::from_bytes([1; 16]);
        let shares = Shares { host_minor: 70, fee_minor: -20, taxes_minor: 0 };
        let movements = [
            Movement::Capture { payment, minor: 100 },
            Movement::Refund { payment, minor: 40, borne_minor: 40 },
            Movement::Refund { payment, minor: 40, borne_minor: 15 },
            Movement::Refund { payment, minor: -40, borne_minor: -15 },
            Movement::Withhold { payment, minor: 60 },
            Movement::Release { payment, minor: 60 },
            Movement::ChargeBack { payment, minor: 60, borne_minor: 45 },
            Movement::ChargeBack { payment, minor: 60, borne_minor: 60 },
            Movement::Settle(shares),
            Movement::PayOut { minor: -30 },
        ];
        for movement in movements {
            let currency = "EUR".parse().unwrap();
            let host = UserId::from_bytes([2; 16]);
            let transfer = Transfer::new(BookingId::from_bytes([3; 16]), 1, movement, host, currency, Timestamp::from_epoch_ms(0));
            assert!(transfer.is_balanced(), "{movement:?}");
            assert!(transfer.lines.len() >= 2 && transfer.lines.iter().all(|(_, minor)| *minor != 0), "{movement:?}");
        }
    }
}
