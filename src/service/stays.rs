//! What the two parties of a booking do with it: answer, alter, arrive, leave, call off; and how they read it.

use std::sync::Arc;

use latchkey_protocol::client::BookingRef;
use latchkey_protocol::rest::{BookingsQuery, ProposeAlteration, Visit};
use latchkey_protocol::{BookingId, PaymentId, UserId, view};
use serde::Serialize;

use super::availability::Availability;
use super::decisions::{Decisions, reply};
use super::freshness::at_least;
use super::idempotency::{IdempotencyKey, Keys};
use super::payments::Payments;
use super::quota::LeaseQuota;
use super::{Caller, ServiceError, wire};
use crate::clock::Clock;
use crate::domain::booking::{Deal, Party, Step};
use crate::domain::calendar::{AlterStay, AnswerAlteration};
use crate::domain::{Calendar, Decision, Refusal, Seq, Stay, Timestamp};
use crate::entropy::fresh_id;
use crate::store::{BookingFilter, Store};

/// Bookings read at once, of a user who was erased.
const PAGE: u16 = 500;

/// A command of the calendar on a booking, by one of its parties.
type ChangeBooking = fn(&Calendar, BookingId, UserId, Timestamp) -> Result<Decision<Deal>, Refusal>;

/// A command of the calendar on a booking, by one of its parties, with a note.
type ChangeBookingWithNote = fn(&Calendar, BookingId, UserId, Option<String>, Timestamp) -> Result<Decision<Deal>, Refusal>;

/// How the other side answers a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// By whoever made it: it is taken back.
    Withdraw,
}

/// Bookings, from their request to their end.
pub struct Stays {
    availability: Arc<Availability>,
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    payments: Arc<Payments>,
    quota: Arc<LeaseQuota>,
    clock: Arc<dyn Clock>,
}

impl Stays {
    /// On these calendars.
    #[must_use]
    pub fn new(
        availability: Arc<Availability>,
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        payments: Arc<Payments>,
        quota: Arc<LeaseQuota>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { availability, store, keys, decisions, payments, quota, clock }
    }

    /// The host says yes to a request. The money is then taken, outside of any claim; if the provider does not answer, a job asks again.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for the guest, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn accept(&self, caller: &Caller, key: IdempotencyKey, ask: BookingRef) -> Result<view::Booking, ServiceError> {
        let accepted = self.change_plainly(caller, "accept", key, ask, Calendar::accept).await?;
        self.payments.capture_soon(accepted.payment).await;
        Ok(accepted)
    }

    /// The host says no to a request.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub async fn decline(&self, caller: &Caller, key: IdempotencyKey, ask: BookingRef) -> Result<view::Booking, ServiceError> {
        self.change_plainly(caller, "decline", key, ask, Calendar::decline).await
    }

    /// Calls a booking off, as guest or host.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`, `KeyReused`, `Busy`.
    pub async fn cancel(&self, caller: &Caller, key: IdempotencyKey, ask: BookingRef) -> Result<view::Booking, ServiceError> {
        self.change_plainly(caller, "cancel", key, ask, Calendar::cancel).await
    }

    /// The host says that the guest never came.
    ///
    /// # Errors
    /// As [`Self::accept`]; `TooEarly`.
    pub async fn mark_no_show(&self, caller: &Caller, key: IdempotencyKey, ask: BookingRef) -> Result<view::Booking, ServiceError> {
        self.change_plainly(caller, "no_show", key, ask, Calendar::mark_no_show).await
    }

    /// One side says that the guest is there.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `InvalidState`, `TooEarly`, `KeyReused`, `Busy`.
    pub async fn check_in(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        visit: Visit,
    ) -> Result<view::Booking, ServiceError> {
        self.change_with_note(caller, "check_in", key, booking, visit, Calendar::check_in).await
    }

    /// One side says that the guest has left, on the last day.
    ///
    /// # Errors
    /// As [`Self::check_in`].
    pub async fn check_out(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        visit: Visit,
    ) -> Result<view::Booking, ServiceError> {
        self.change_with_note(caller, "check_out", key, booking, visit, Calendar::check_out).await
    }

    /// The guest leaves before the last day.
    ///
    /// # Errors
    /// As [`Self::check_in`]; `Forbidden` for the host.
    pub async fn leave_early(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        visit: Visit,
    ) -> Result<view::Booking, ServiceError> {
        self.change_with_note(caller, "leave_early", key, booking, visit, Calendar::leave_early).await
    }

    /// Proposes another stay to the other side.
    ///
    /// # Errors
    /// `Invalid`, `NotFound`, `InvalidState`, `RuleViolated`, `DatesUnavailable`, `KeyReused`, `Busy`.
    pub async fn propose_alteration(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        ask: ProposeAlteration,
    ) -> Result<view::Booking, ServiceError> {
        let body = (booking, ask);
        let user = caller.user;
        self.change(caller, "propose_alteration", key, booking, &body, |calendar, now| {
            let deal = calendar.live_deal(booking)?;
            let stay = deal.booking.stay();
            let stay = Stay::new(ask.check_in.unwrap_or(stay.check_in()), ask.check_out.unwrap_or(stay.check_out()))?;
            let guests = ask.guests.unwrap_or(deal.booking.quote.guests);
            calendar.propose_alteration(booking, user, AlterStay { stay, guests }, now)
        })
        .await
    }

    /// Answers an open proposal, or takes it back.
    ///
    /// # Errors
    /// `NotFound`, `Forbidden` for the wrong side, `Expired`, `InvalidState`, `RuleViolated`, `DatesUnavailable`, `KeyReused`, `Busy`.
    pub async fn answer_alteration(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        booking: BookingId,
        number: u32,
        answer: Answer,
    ) -> Result<view::Booking, ServiceError> {
        let (command, answer) = match answer {
            Answer::Accept => {
                let payment = PaymentId::from_bytes(fresh_id(self.clock.now()));
                ("accept_alteration", AnswerAlteration::Accept { payment })
            }
            Answer::Decline => ("decline_alteration", AnswerAlteration::Decline),
            Answer::Withdraw => ("withdraw_alteration", AnswerAlteration::Withdraw),
        };
        let user = caller.user;
        self.change(caller, command, key, booking, &(booking, number), |calendar, now| {
            calendar.answer_alteration(booking, user, number, answer, now)
        })
        .await
    }

    /// What calling a booking off, or leaving early, would mean now.
    ///
    /// # Errors
    /// `NotFound`, `Expired`, `InvalidState`.
    pub async fn cancellation(&self, caller: &Caller, booking: BookingId) -> Result<view::Cancellation, ServiceError> {
        let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let look = |calendar: &Calendar| {
            let terms = calendar.call_off(booking, caller.user, now)?;
            Ok(wire::cancellation(calendar.live_deal(booking)?, &terms))
        };
        match self.availability.look(deal.booking.property, look).await? {
            Ok(cancellation) => Ok(cancellation),
            Err(refusal) => Err(self.or_what_it_is(caller, booking, refusal).await?),
        }
    }

    /// A booking that the caller is a party of, with its notes, and the address while it is confirmed.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn find(&self, caller: &Caller, booking: BookingId, min_seq: Option<Seq>) -> Result<view::Booking, ServiceError> {
        let read = || async {
            let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
            Ok((deal.booking.seq, deal))
        };
        let deal = at_least(min_seq, self.availability.catch_up(), read).await?;
        let party = deal.booking.require_party(caller.user)?;
        let address = self.availability.look(deal.booking.property, |calendar| calendar.listing().description.address.clone()).await?;
        Ok(wire::booking_details(&deal.booking, party, address))
    }

    /// The caller's bookings that match what is asked for, newest first, older than `before`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn list(
        &self,
        caller: &Caller,
        ask: &BookingsQuery,
        before: Option<BookingId>,
        limit: u16,
    ) -> Result<Vec<view::Booking>, ServiceError> {
        let side = ask.side.map(|side| match side {
            view::Side::Guest => Party::Guest,
            view::Side::Host => Party::Host,
        });
        let state = ask.state.map(wire::state_name);
        let filter = BookingFilter { side, state, property: ask.property, from: ask.from, to: ask.to };
        Ok(self.store.bookings_of(caller.user, &filter, before, limit).await?.iter().map(wire::booking).collect())
    }

    /// Takes away what a user who was erased has written on arriving and leaving.
    ///
    /// # Errors
    /// `Unavailable`, `Busy`: to be tried again.
    pub async fn erase_notes(&self, user: UserId) -> Result<(), ServiceError> {
        let mut before = None;
        loop {
            let page = self.store.bookings_of(user, &BookingFilter::default(), before, PAGE).await?;
            for booking in page.iter().filter(|booking| booking.without_notes_of(user).is_some()) {
                let forget = |calendar: &Calendar, ended, now| calendar.forget_notes(booking.id, ended, user, now);
                self.decisions.record_on_booking(booking.id, None, forget).await?;
            }
            if page.len() < usize::from(PAGE) {
                return Ok(());
            }
            before = page.last().map(|booking| booking.id);
        }
    }

    async fn change_plainly(
        &self,
        caller: &Caller,
        command: &'static str,
        key: IdempotencyKey,
        ask: BookingRef,
        change: ChangeBooking,
    ) -> Result<view::Booking, ServiceError> {
        self.change(caller, command, key, ask.booking, &ask, |calendar, now| change(calendar, ask.booking, caller.user, now)).await
    }

    async fn change_with_note(
        &self,
        caller: &Caller,
        command: &'static str,
        key: IdempotencyKey,
        booking: BookingId,
        visit: Visit,
        change: ChangeBookingWithNote,
    ) -> Result<view::Booking, ServiceError> {
        let decide = |calendar: &Calendar, now| change(calendar, booking, caller.user, visit.note.clone(), now);
        self.change(caller, command, key, booking, &(booking, &visit), decide).await
    }

    /// Claims, decides and commits a party's command under its key.
    async fn change<B: Serialize>(
        &self,
        caller: &Caller,
        command: &'static str,
        key: IdempotencyKey,
        booking: BookingId,
        body: &B,
        decide: impl Fn(&Calendar, Timestamp) -> Result<Decision<Deal>, Refusal>,
    ) -> Result<view::Booking, ServiceError> {
        let used = self.keys.begin(caller.user, command, key, body).await?;
        let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        let reply = |calendar: &Calendar, now| Ok(reply(decide(calendar, now)?, |deal| wire::booking(&deal.booking)));
        match self.decisions.decide(&used, deal.booking.property, reply).await {
            Ok(changed) => {
                if changed.state != view::BookingState::PendingPayment {
                    self.quota.end(changed.guest, changed.id);
                }
                Ok(changed)
            }
            Err(ServiceError::Refused(refusal)) => Err(self.or_what_it_is(caller, booking, refusal).await?),
            Err(error) => Err(error),
        }
    }

    /// A booking that is not live is refused as what it has become.
    async fn or_what_it_is(&self, caller: &Caller, booking: BookingId, refusal: Refusal) -> Result<ServiceError, ServiceError> {
        if refusal != Refusal::NotFound {
            return Ok(refusal.into());
        }
        let deal = self.store.deal_of(caller.user, booking).await?.ok_or(ServiceError::NotFound("booking"))?;
        if deal.booking.state.is_live() {
            return Ok(ServiceError::NotFound("alteration"));
        }
        // No state that is over has any step: which one is asked for does not matter.
        let over = deal.booking.state.step(Step::CheckIn, Timestamp::from_epoch_ms(self.clock.now()));
        Ok(over.err().unwrap_or(refusal).into())
    }
}
