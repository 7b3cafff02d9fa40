//! What a guest gets back who does not stay the nights that were booked.
//!
//! The tiers are those that Airbnb published in October 2025 (help article 475, "Find the cancellation policy for your stay"); times are instants
//! frozen in the booking, of the home's local check-in. In every policy a guest gets everything back within a day of the confirmation, if check-in
//! is then a week away or more.

use latchkey_protocol::{CancellationPolicy, Date};

use super::booking::Booking;
use super::pricing::LineKind;
use super::settlement::Shares;
use super::time::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// How long after its confirmation a booking can be called off for nothing.
const GRACE_MS: i64 = DAY_MS;

/// How far away check-in must be for that, at the confirmation.
const GRACE_NOTICE_MS: i64 = 7 * DAY_MS;

/// What of the nights is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Everything, with cleaning and the platform's fee.
    Everything,
    /// Half of the nights, and cleaning.
    HalfOfTheNights,
    /// Of the nights that are not stayed all but the first, in percent; and cleaning before check-in.
    UnspentNights {
        /// So much of them.
        percent: u8,
    },
    /// Nothing of the nights; cleaning before check-in.
    NoNights,
}

impl Tier {
    /// The tier's name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::HalfOfTheNights => "half_of_the_nights",
            Self::UnspentNights { .. } => "unspent_nights",
            Self::NoNights => "no_nights",
        }
    }
}

/// A policy's deadlines before check-in: everything until the first, half of the nights until the second.
const fn deadlines_ms(policy: CancellationPolicy) -> (Option<i64>, Option<i64>) {
    match policy {
        CancellationPolicy::Flexible => (Some(DAY_MS), None),
        CancellationPolicy::Moderate => (Some(5 * DAY_MS), None),
        CancellationPolicy::Limited => (Some(14 * DAY_MS), Some(7 * DAY_MS)),
        CancellationPolicy::Firm => (Some(30 * DAY_MS), Some(7 * DAY_MS)),
        CancellationPolicy::Strict => (None, Some(7 * DAY_MS)),
    }
}

const fn late_tier(policy: CancellationPolicy) -> Tier {
    match policy {
        CancellationPolicy::Flexible => Tier::UnspentNights { percent: 100 },
        CancellationPolicy::Moderate => Tier::UnspentNights { percent: 50 },
        CancellationPolicy::Limited | CancellationPolicy::Firm | CancellationPolicy::Strict => Tier::NoNights,
    }
}

/// Until when, exclusive, a booking that is confirmed now can be called off for nothing, in every policy.
#[must_use]
pub fn free_until(confirmed_at: Timestamp, check_in_at: Timestamp) -> Option<Timestamp> {
    (check_in_at.epoch_ms() - confirmed_at.epoch_ms() >= GRACE_NOTICE_MS).then(|| confirmed_at.plus_ms(GRACE_MS))
}

/// Until when, exclusive, a guest gets what back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// Everything.
    pub everything_until: Option<Timestamp>,
    /// Half of the nights.
    pub half_until: Option<Timestamp>,
}

impl Schedule {
    /// Of a booking.
    #[must_use]
    pub fn of(booking: &Booking) -> Self {
        let check_in_at = booking.times.check_in_at;
        let (everything_ms, half_ms) = deadlines_ms(booking.terms.policy);
        let everything_until = everything_ms.map(|before_ms| check_in_at.plus_ms(-before_ms)).max(booking.free_until);
        Self { everything_until, half_until: half_ms.map(|before_ms| check_in_at.plus_ms(-before_ms)) }
    }

    /// What the guest gets back who calls it off at `now`.
    #[must_use]
    pub fn tier(self, policy: CancellationPolicy, now: Timestamp) -> Tier {
        if self.everything_until.is_some_and(|until| now < until) {
            Tier::Everything
        } else if self.half_until.is_some_and(|until| now < until) {
            Tier::HalfOfTheNights
        } else {
            late_tier(policy)
        }
    }
}

/// What of the price goes back if the guest leaves the nights from `leaves_on` on, at `now`; `Everything` says why if the policy is not asked.
#[must_use]
pub fn returned(booking: &Booking, tier: Tier, leaves_on: Date, now: Timestamp) -> Shares {
    let whole = Shares::of(&booking.quote);
    let nights = i64::from(booking.stay().night_count());
    let cleaning_minor: i64 = booking.quote.lines.iter().filter(|line| line.kind == LineKind::Cleaning).map(|line| line.amount.minor).sum();
    let nights_minor = whole.host_minor - cleaning_minor;
    let of_nights_minor = match tier {
        Tier::Everything => return whole,
        Tier::HalfOfTheNights => part(nights_minor, 1, 2),
        Tier::UnspentNights { percent } => {
            let unspent = i64::from(booking.stay().check_out().days_since(leaves_on)).clamp(0, nights);
            part(nights_minor, (unspent - 1).max(0) * i64::from(percent), nights * 100)
        }
        Tier::NoNights => 0,
    };
    // Nobody cleans for a guest who never came; some come before the hour.
    let is_unused = booking.checked_in.is_none() && now < booking.times.check_in_at;
    let host_minor = of_nights_minor + if is_unused { cleaning_minor } else { 0 };
    let taxes_minor = if whole.host_minor == 0 { 0 } else { part(whole.taxes_minor, host_minor, whole.host_minor) };
    Shares { host_minor, fee_minor: 0, taxes_minor }
}

/// `numerator / denominator` of an amount that is not negative, rounded half to even.
fn part(minor: i64, numerator: i64, denominator: i64) -> i64 {
    let exact = i128::from(minor) * i128::from(numerator);
    let denominator = i128::from(denominator);
    let (whole, rest) = (exact / denominator, exact % denominator);
    let is_up = 2 * rest > denominator || (2 * rest == denominator && whole % 2 == 1);
    i64::try_from(whole + i128::from(is_up)).unwrap_or(minor)
}

#[cfg(test)]
mod tests;
