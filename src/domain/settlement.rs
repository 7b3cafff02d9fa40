//! For whom a booking's money is: the host, the platform, the tax office; and what is sent to the host.
//!
//! What comes in stays with the booking until the guest has been there for a day; then it is divided. What is given back later is taken back
//! from those it was divided among, so that for every closed booking: captured + losses = refunds + payouts + fees + taxes + charge-backs (P9).

use super::pricing::{LineKind, Quote};
use super::time::Timestamp;

/// A price divided among those it is for, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shares {
    /// Nights, further guests and cleaning: the host's.
    pub host_minor: i64,
    /// The platform's fee.
    pub fee_minor: i64,
    /// Taxes, which the platform hands on.
    pub taxes_minor: i64,
}

impl Shares {
    /// Nothing.
    pub const ZERO: Self = Self { host_minor: 0, fee_minor: 0, taxes_minor: 0 };

    /// Of a price.
    #[must_use]
    pub fn of(quote: &Quote) -> Self {
        let mut shares = Self::ZERO;
        for line in &quote.lines {
            match line.kind {
                LineKind::Nights | LineKind::WeeklyDiscount | LineKind::MonthlyDiscount | LineKind::ExtraGuests | LineKind::Cleaning => {
                    shares.host_minor += line.amount.minor;
                }
                LineKind::ServiceFee => shares.fee_minor += line.amount.minor,
                LineKind::Taxes => shares.taxes_minor += line.amount.minor,
            }
        }
        shares
    }

    /// The whole.
    #[must_use]
    pub const fn total_minor(self) -> i64 {
        self.host_minor + self.fee_minor + self.taxes_minor
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            host_minor: self.host_minor + other.host_minor,
            fee_minor: self.fee_minor + other.fee_minor,
            taxes_minor: self.taxes_minor + other.taxes_minor,
        }
    }

    /// The difference; a part of it may be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self {
            host_minor: self.host_minor - other.host_minor,
            fee_minor: self.fee_minor - other.fee_minor,
            taxes_minor: self.taxes_minor - other.taxes_minor,
        }
    }

    /// The same whole out of another price: a share that this price does not have is taken from the others.
    #[must_use]
    pub fn within(self, price: Self) -> Self {
        let within = self.at_most(price);
        within.plus(price.minus(within).take(self.total_minor() - within.total_minor()))
    }

    /// The smaller of each.
    #[must_use]
    pub fn at_most(self, other: Self) -> Self {
        Self {
            host_minor: self.host_minor.min(other.host_minor),
            fee_minor: self.fee_minor.min(other.fee_minor),
            taxes_minor: self.taxes_minor.min(other.taxes_minor),
        }
    }

    /// `minor` out of these shares, at most all: the host's first, then the platform's, taxes last. Who lets the home bears what goes
    /// back beyond the policy.
    #[must_use]
    pub fn take(self, minor: i64) -> Self {
        let host_minor = minor.clamp(0, self.host_minor.max(0));
        let fee_minor = (minor - host_minor).clamp(0, self.fee_minor.max(0));
        let taxes_minor = (minor - host_minor - fee_minor).clamp(0, self.taxes_minor.max(0));
        Self { host_minor, fee_minor, taxes_minor }
    }
}

/// What is sent to the host for one booking, or taken back: one movement after the other, each recorded before the provider is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Payout {
    /// The number of the last movement: with the booking, its idempotency key.
    pub revision: u32,
    /// The movement that the provider is asked for, in minor units; negative: taken back; zero: none.
    pub pending_minor: i64,
    /// What the host has of it, over all movements, in minor units.
    pub paid_minor: i64,
}

impl Payout {
    /// When the host is paid: so long after the guest could arrive, in milliseconds.
    pub const DUE_AFTER_MS: i64 = 24 * 3_600_000;

    /// When that is.
    #[must_use]
    pub const fn due_at(check_in_at: Timestamp) -> Timestamp {
        check_in_at.plus_ms(Self::DUE_AFTER_MS)
    }

    /// The next movement, to what the host should have; none while the last one is not recorded as done.
    #[must_use]
    pub const fn towards(self, host_minor: i64) -> Self {
        if self.pending_minor != 0 || host_minor == self.paid_minor {
            return self;
        }
        Self { revision: self.revision + 1, pending_minor: host_minor - self.paid_minor, ..self }
    }

    /// The movement was made, or this is old news.
    #[must_use]
    pub const fn moved(self, revision: u32) -> Self {
        if revision != self.revision {
            return self;
        }
        Self { paid_minor: self.paid_minor + self.pending_minor, pending_minor: 0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_from_the_host_first_and_never_exceeds_the_whole() {
        let shares = Shares { host_minor: 100, fee_minor: 10, taxes_minor: 5 };
        for (minor, expected) in [(0, (0, 0, 0)), (40, (40, 0, 0)), (104, (100, 4, 0)), (115, (100, 10, 5)), (900, (100, 10, 5))] {
            let taken = shares.take(minor);
            assert_eq!((taken.host_minor, taken.fee_minor, taken.taxes_minor), expected, "{minor}");
        }
    }

    #[test]
    fn a_payout_moves_one_step_at_a_time_and_each_step_counts_once() {
        let first = Payout::default().towards(100);
        assert_eq!((first.revision, first.pending_minor), (1, 100));
        assert_eq!(first.towards(40), first, "the first is under way");
        let paid = first.moved(1);
        assert_eq!((paid.paid_minor, paid.pending_minor), (100, 0));
        let back = paid.moved(1).towards(40);
        assert_eq!((back.revision, back.pending_minor), (2, -60));
        assert_eq!(back.moved(1), back, "old news");
        assert_eq!(back.moved(2).paid_minor, 40);
        assert_eq!(back.moved(2).towards(40).revision, 2, "nothing to move");
    }
}
