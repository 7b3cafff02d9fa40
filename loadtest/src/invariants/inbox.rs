//! What a host must hear: of each booking once that it was made, that the money came, that it is confirmed.

use std::collections::{BTreeSet, HashMap, HashSet};

use latchkey_protocol::BookingId;
use latchkey_protocol::event::Event;

use crate::invariants::claims::{Progress, Won};

/// The steps of a booking that its parties hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// `booking.created`.
    Created,
    /// `payment.succeeded`.
    Paid,
    /// `booking.confirmed`.
    Confirmed,
    /// `booking.expired`: the payment did not come in time.
    Expired,
}

impl Step {
    /// What a booking that was won goes through, once each.
    pub(crate) const WON: [Self; 3] = [Self::Created, Self::Paid, Self::Confirmed];

    /// The step an event tells of, and of which booking; `None` for events this check says nothing about.
    pub(crate) const fn of(event: &Event) -> Option<(Self, BookingId)> {
        match event {
            Event::BookingCreated(notice) => Some((Self::Created, notice.booking)),
            Event::PaymentSucceeded(notice) => Some((Self::Paid, notice.booking)),
            Event::BookingConfirmed(notice) => Some((Self::Confirmed, notice.booking)),
            Event::BookingExpired(notice) => Some((Self::Expired, notice.booking)),
            Event::PropertyListed(_)
            | Event::PropertyPublished(_)
            | Event::PropertyUpdated(_)
            | Event::PropertyUnlisted(_)
            | Event::PropertyDeleted(_)
            | Event::AvailabilityChanged(_)
            | Event::AvailabilityConflated(_)
            | Event::HoldExpired(_)
            | Event::BookingCancelled(_)
            | Event::BookingRequested(_)
            | Event::BookingDeclined(_)
            | Event::BookingWithdrawn(_)
            | Event::BookingPaymentFailed(_)
            | Event::BookingCheckedIn(_)
            | Event::BookingCompleted(_)
            | Event::BookingNoShow(_)
            | Event::BookingUpdated(_)
            | Event::AlterationProposed(_)
            | Event::AlterationEnded(_)
            | Event::PaymentDisputed(_)
            | Event::PayoutUpdated(_)
            | Event::PaymentUpdated(_)
            | Event::PaymentRefunded(_)
            | Event::AccountUpdated(_)
            | Event::SessionEnded(_)
            | Event::MessageSent(_)
            | Event::MessageRead(_)
            | Event::NotificationCreated(_)
            | Event::NotificationRead(_)
            | Event::ReviewSubmitted(_)
            | Event::ReviewPublished(_)
            | Event::ReviewReplied(_)
            | Event::ReviewHidden(_)
            | Event::ReviewShown(_) => None,
        }
    }
}

/// Where a host's inbox differs from one notice per step of each booking that was won, and none of others.
pub(crate) fn host_notices_amiss(wins: &[Won], heard: &[(Step, BookingId)]) -> Vec<String> {
    let mut counts: HashMap<(Step, BookingId), usize> = HashMap::new();
    for notice in heard {
        *counts.entry(*notice).or_default() += 1;
    }
    let mut broken = Vec::new();
    for won in wins {
        for step in Step::WON {
            let count = counts.get(&(step, won.hold)).copied().unwrap_or(0);
            let missing = count == 0 && won.progress == Progress::Confirmed;
            if missing || count > 1 {
                broken.push(format!("the host heard {count} times, not once, that booking {} was {step:?}", won.hold));
            }
        }
    }
    let known: HashSet<BookingId> = wins.iter().map(|won| won.hold).collect();
    let strangers: BTreeSet<_> = counts.keys().map(|(_, booking)| *booking).filter(|booking| !known.contains(booking)).collect();
    broken.extend(strangers.iter().map(|booking| format!("the host heard of booking {booking}, which no guest was told of")));
    broken
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::{Date, PropertyId};

    use super::*;
    use crate::plan::Stay;

    fn won(number: u8, progress: Progress) -> Won {
        let stay = Stay { check_in: Date::MIN, check_out: Date::MIN.saturating_add(1) };
        let (property, hold) = (PropertyId::from_bytes([7; 16]), BookingId::from_bytes([number; 16]));
        Won { round: 0, guest: number.into(), property, stay, hold, seq: 2, progress }
    }

    fn all_of(number: u8) -> Vec<(Step, BookingId)> {
        Step::WON.iter().map(|step| (*step, BookingId::from_bytes([number; 16]))).collect()
    }

    #[test]
    fn one_notice_per_step_is_right() {
        assert!(host_notices_amiss(&[won(1, Progress::Confirmed)], &all_of(1)).is_empty());
    }

    #[test]
    fn a_missing_or_repeated_notice_is_noticed() {
        let mut heard = all_of(1);
        heard.push(heard[1]);
        assert_eq!(host_notices_amiss(&[won(1, Progress::Confirmed)], &heard).len(), 1);
        assert_eq!(host_notices_amiss(&[won(1, Progress::Confirmed)], &all_of(1)[..2]).len(), 1);
    }

    #[test]
    fn a_lapsed_winner_need_not_be_announced() {
        assert!(host_notices_amiss(&[won(1, Progress::Lapsed)], &all_of(1)[..1]).is_empty());
    }

    #[test]
    fn a_booking_that_no_guest_was_told_of_is_noticed_once() {
        assert_eq!(host_notices_amiss(&[], &all_of(3)).len(), 1);
    }
}
