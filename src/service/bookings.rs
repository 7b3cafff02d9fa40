//! Quotes, holds, and the way from a hold to a booking.

use std::sync::Arc;

use super::availability::Availability;
use super::decisions::{Decisions, reply};
use super::freshness::at_least;
use super::idempotency::{HOLD, IdempotencyKey, Keys};
use super::quota::LeaseQuota;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::calendar::{self, Leases};
use crate::domain::{Calendar, Claim, ClaimId, Decision, Hold, HoldId, PaymentId, PropertyId, Refusal, Seq, Stay, Timestamp, UserId};
use crate::entropy::fresh_id;
use crate::store::Store;
use latchkey_protocol::client::{AskQuote, BookHold, HoldDates, HoldRef};
use latchkey_protocol::rest::CalendarWindow;
use latchkey_protocol::view;

/// A command of the calendar on one's own live hold.
type ChangeHold = fn(&Calendar, ClaimId, UserId, Timestamp) -> Result<Decision<(Hold, Seq)>, Refusal>;

/// Quotes, holds and bookings.
pub struct Bookings {
    availability: Arc<Availability>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    quota: Arc<LeaseQuota>,
    clock: Arc<dyn Clock>,
    leases: Leases,
}

impl Bookings {
    /// On these calendars.
    #[must_use]
    pub fn new(
        availability: Arc<Availability>,
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        quota: Arc<LeaseQuota>,
        clock: Arc<dyn Clock>,
        leases: Leases,
    ) -> Self {
        Self { availability, store, keys, decisions, quota, clock, leases }
    }

    /// What a stay costs now, asked by `viewer` or somebody unknown.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `RuleViolated`.
    pub async fn quote(&self, viewer: Option<UserId>, ask: AskQuote) -> Result<view::Quote, ServiceError> {
        let stay = Stay::new(ask.check_in, ask.check_out)?;
        let look = |calendar: &Calendar| {
            if !calendar.listing().is_visible_to(viewer) {
                return Err(ServiceError::NotFound("property"));
            }
            Ok((calendar.seq(), calendar.quote(stay, ask.guests, self.now())))
        };
        let quote =
            at_least(ask.min_seq, self.availability.catch_up(), || async { self.availability.look(ask.property, look).await? }).await?;
        Ok(wire::quote(&quote?))
    }

    /// Takes nights for a short while.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `RuleViolated`, `DatesUnavailable`, `HoldCooldown`, `HoldLimit`, `KeyReused`, `Busy`.
    pub async fn hold(&self, caller: &Caller, key: IdempotencyKey, ask: HoldDates) -> Result<view::Hold, ServiceError> {
        let stay = Stay::new(ask.check_in, ask.check_out)?;
        let used = self.keys.begin(caller.user, HOLD, key, &ask).await?;
        let now = self.now();
        let claim = ClaimId::from_bytes(fresh_id(now.epoch_ms()));
        let reserved = match self.quota.reserve(caller.user, claim, now.plus_ms(self.leases.hold_ms), now) {
            Ok(reserved) => reserved,
            Err(refused) => return self.keys.or_first_answer(&used, refused).await,
        };
        let dates = calendar::HoldDates { claim, guest: caller.user, stay, guests: ask.guests };
        let held = self
            .decisions
            .decide(&used, ask.property, |calendar, now| {
                calendar.hold(&dates, now).map(|decision| reply(decision, |(hold, seq)| wire::hold(hold, *seq)))
            })
            .await;
        // Otherwise it was refused, or this is the first answer of an earlier use: the claim does not exist.
        if held.as_ref().is_ok_and(|hold| hold.id == claim) {
            reserved.keep();
            metrics::counter!("latchkey_holds", "outcome" => "won").increment(1);
        }
        if matches!(held, Err(ServiceError::Refused(Refusal::DatesUnavailable { .. }))) {
            metrics::counter!("latchkey_holds", "outcome" => "lost").increment(1);
        }
        held
    }

    /// Lengthens one's own live hold.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn extend_hold(&self, caller: &Caller, key: IdempotencyKey, ask: HoldRef) -> Result<view::Hold, ServiceError> {
        let hold = self.change_hold(caller, "extend_hold", key, ask, Calendar::extend_hold).await?;
        self.quota.extend(caller.user, hold.id, Timestamp::from_epoch_ms(hold.expires_at));
        Ok(hold)
    }

    /// Gives the nights of one's own live hold back.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn release_hold(&self, caller: &Caller, key: IdempotencyKey, ask: HoldRef) -> Result<view::Hold, ServiceError> {
        let hold = self.change_hold(caller, "release_hold", key, ask, Calendar::release_hold).await?;
        self.quota.end(caller.user, hold.id);
        Ok(hold)
    }

    /// Turns one's own live hold into a booking that waits for its payment.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn book(&self, caller: &Caller, key: IdempotencyKey, ask: BookHold) -> Result<view::Booking, ServiceError> {
        let used = self.keys.begin(caller.user, "book", key, &ask).await?;
        let payment = PaymentId::from_bytes(fresh_id(self.clock.now()));
        let book = calendar::BookHold { claim: ask.hold, guest: caller.user, payment, expected_total_minor: ask.expected_total_minor };
        let booking = self
            .decisions
            .decide(&used, ask.property, |calendar, now| {
                calendar.book(&book, now).map(|decision| reply(decision, |deal| wire::booking(&deal.booking)))
            })
            .await;
        let booking = self.or_ended_hold(booking, HoldRef { hold: ask.hold, property: ask.property }, caller.user).await?;
        // Booking without paying is no way around the cap.
        self.quota.extend(caller.user, ask.hold, Timestamp::from_epoch_ms(booking.expires_at.unwrap_or_default()));
        Ok(booking)
    }

    /// One's own hold, live or over.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find_hold(&self, caller: &Caller, hold: HoldId, property: PropertyId) -> Result<view::Hold, ServiceError> {
        // Read while the claim is held: state and seq belong together.
        let claim = self.availability.claim(property).await?;
        let found = match claim.calendar().claim(hold) {
            Some(Claim::Hold(live)) => Some(*live),
            Some(Claim::Booked(_) | Claim::Blocked(_)) | None => self.store.hold(hold).await?,
        };
        let found = found.filter(|found| found.guest == caller.user && found.property == property);
        Ok(wire::hold(&found.ok_or(ServiceError::NotFound("hold"))?, claim.calendar().seq()))
    }

    /// A property's calendar in a window of at most 732 days, as `viewer` or somebody unknown sees it; nights of the past are not told.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`.
    pub async fn calendar(
        &self,
        viewer: Option<UserId>,
        property: PropertyId,
        window: CalendarWindow,
    ) -> Result<view::CalendarDays, ServiceError> {
        let CalendarWindow { from, to, min_seq } = window;
        let look = |calendar: &Calendar| {
            if !calendar.listing().is_visible_to(viewer) {
                return Err(ServiceError::NotFound("property"));
            }
            let today = calendar.listing().today(self.now());
            let from = from.unwrap_or(today).max(today);
            let to = to.unwrap_or_else(|| from.saturating_add(366));
            if to <= from || to.days_since(from) > 732 {
                return Err(Refusal::Invalid { field: "to", reason: "1 to 732 days after from" }.into());
            }
            Ok((calendar.seq(), wire::calendar_days(calendar, from, to, viewer, self.now())))
        };
        at_least(min_seq, self.availability.catch_up(), || async { self.availability.look(property, look).await? }).await
    }

    /// Changes one's own live hold by a command of the calendar.
    async fn change_hold(
        &self,
        caller: &Caller,
        command: &'static str,
        key: IdempotencyKey,
        ask: HoldRef,
        change: ChangeHold,
    ) -> Result<view::Hold, ServiceError> {
        let used = self.keys.begin(caller.user, command, key, &ask).await?;
        let decide = |calendar: &Calendar, now| {
            let decision = change(calendar, ask.hold, caller.user, now)?;
            Ok(reply(decision, |(hold, seq)| wire::hold(hold, *seq)))
        };
        let hold = self.decisions.decide(&used, ask.property, decide).await;
        self.or_ended_hold(hold, ask, caller.user).await
    }

    /// A hold that is not live is refused as what it has become.
    async fn or_ended_hold<T>(&self, result: Result<T, ServiceError>, ask: HoldRef, guest: UserId) -> Result<T, ServiceError> {
        if !matches!(result, Err(ServiceError::Refused(Refusal::NotFound))) {
            return result;
        }
        match self.store.hold(ask.hold).await? {
            Some(hold) if hold.guest == guest && hold.property == ask.property => {
                Err(hold.live(self.now()).err().unwrap_or(Refusal::NotFound).into())
            }
            Some(_) | None => Err(ServiceError::NotFound("hold")),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_epoch_ms(self.clock.now())
    }
}
