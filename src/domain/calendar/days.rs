//! A calendar day by day: what each night costs, whether a stay can begin or end there, and, for the host, why not.

use latchkey_protocol::{ClaimId, Date};

use super::{Calendar, Claim};
use crate::domain::block::Block;
use crate::domain::event::NightState;
use crate::domain::stay::{MAX_NIGHTS, Stay};
use crate::domain::time::Timestamp;

/// Why a night cannot be had; the host's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason<'a> {
    /// Somebody is deciding.
    Hold(ClaimId),
    /// Somebody has booked it, or is paying.
    Booking(ClaimId),
    /// The host took it off sale.
    Block(&'a Block),
    /// Kept free beside a stay.
    Preparation,
    /// Before today, or sooner than the host can be ready.
    TooSoon,
    /// Beyond the days that can be booked ahead.
    TooLate,
}

/// One night, and the morning it begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day<'a> {
    /// The local date.
    pub date: Date,
    /// What the night looks like from outside: nights of preparation look blocked.
    pub state: NightState,
    /// Price of the night, before discounts and fees, in minor units.
    pub price_minor: i64,
    /// Shortest stay that begins here.
    pub min_nights: u16,
    /// Whether some stay can begin here now.
    pub can_check_in: bool,
    /// Whether some stay can end here now.
    pub can_check_out: bool,
    /// Why the night cannot be had, for the host alone.
    pub reason: Option<Reason<'a>>,
}

impl Calendar {
    /// Each day of `[from, to)` as it is at `now`. An overdue claim still counts: its nights become free with the event that says so.
    #[must_use]
    pub fn days(&self, from: Date, to: Date, now: Timestamp) -> Vec<Day<'_>> {
        let view = Openings::of(self, from, to, now);
        let terms = &self.listing.terms;
        let count = to.days_since(from).max(0);
        (0..count)
            .map(|offset| {
                let date = from.saturating_add(offset);
                let reason = self.reason(date, view.today);
                let state = match reason {
                    Some(Reason::Preparation) => NightState::Blocked,
                    _ => self.night_state(date),
                };
                Day {
                    date,
                    state,
                    price_minor: terms.night_minor(date),
                    min_nights: terms.min_nights(date),
                    can_check_in: view.stay_from(date).is_some(),
                    can_check_out: view.stay_until(date),
                    reason,
                }
            })
            .collect()
    }

    fn night_state(&self, date: Date) -> NightState {
        self.nights
            .get(&date)
            .map_or(NightState::Free, |owner| self.claims.get(&owner.claim).map_or(NightState::Booked, Claim::night_state))
    }

    fn reason(&self, date: Date, today: Date) -> Option<Reason<'_>> {
        if let Some(owner) = self.nights.get(&date) {
            return Some(match self.claims.get(&owner.claim) {
                Some(Claim::Hold(hold)) => Reason::Hold(hold.id),
                Some(Claim::Booked(_)) | None => Reason::Booking(owner.claim),
                Some(Claim::Blocked(block)) => Reason::Block(block),
            });
        }
        if date < self.listing.terms.earliest_check_in(today) {
            return Some(Reason::TooSoon);
        }
        if date >= self.listing.terms.latest_check_out(today) {
            return Some(Reason::TooLate);
        }
        self.is_preparation(date).then_some(Reason::Preparation)
    }

    /// Whether a free night is kept free because of a stay beside it.
    fn is_preparation(&self, date: Date) -> bool {
        let reach = i32::from(self.listing.terms.rules.preparation_days);
        let around = date.saturating_add(-reach)..=date.saturating_add(reach);
        reach > 0 && self.nights.range(around).any(|(_, owner)| self.is_stay(owner.claim))
    }
}

/// For each day around a window: how many nights in a row can be had from there on.
struct Openings<'a> {
    calendar: &'a Calendar,
    today: Date,
    first: Date,
    /// Nights in a row from `first + index`, counted up to [`MAX_NIGHTS`].
    runs: Vec<u16>,
}

impl<'a> Openings<'a> {
    fn of(calendar: &'a Calendar, from: Date, to: Date, now: Timestamp) -> Self {
        let today = calendar.listing.today(now);
        let reach = i32::from(MAX_NIGHTS);
        let (first, end) = (from.saturating_add(-reach), to.saturating_add(reach));
        let count = usize::try_from(end.days_since(first)).unwrap_or(0);
        let mut runs = vec![0_u16; count];
        let mut run = 0_u16;
        for (index, slot) in runs.iter_mut().enumerate().rev() {
            let date = first.saturating_add(i32::try_from(index).unwrap_or(i32::MAX));
            run = if calendar.reason(date, today).is_none() { (run + 1).min(MAX_NIGHTS) } else { 0 };
            *slot = run;
        }
        Self { calendar, today, first, runs }
    }

    fn run(&self, date: Date) -> u16 {
        usize::try_from(date.days_since(self.first)).ok().and_then(|index| self.runs.get(index)).copied().unwrap_or(0)
    }

    fn accepts(&self, check_in: Date, nights: u16) -> bool {
        let stay = Stay::new(check_in, check_in.saturating_add(i32::from(nights)));
        nights <= self.run(check_in) && stay.is_ok_and(|stay| self.calendar.listing.terms.accepts(stay, 1, self.today).is_ok())
    }

    /// The shortest stay that can begin on `date`. Beyond a week more the days of the week repeat.
    fn stay_from(&self, date: Date) -> Option<u16> {
        let shortest = self.calendar.listing.terms.min_nights(date);
        if self.run(date) < shortest || !self.calendar.listing.terms.rules.check_in_days.contain(date) {
            return None;
        }
        (shortest..shortest.saturating_add(7)).find(|nights| self.accepts(date, *nights))
    }

    /// Whether some stay can end on `date`.
    fn stay_until(&self, date: Date) -> bool {
        let rules = &self.calendar.listing.terms.rules;
        if !rules.check_out_days.contain(date) {
            return false;
        }
        (1..=MAX_NIGHTS)
            .map(|nights| (date.saturating_add(-i32::from(nights)), nights))
            .take_while(|(check_in, nights)| self.run(*check_in) >= *nights)
            .any(|(check_in, nights)| self.accepts(check_in, nights))
    }
}
