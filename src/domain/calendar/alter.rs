//! Changing a booked stay: one side proposes, the other answers, and nights and price change together or not at all.

use latchkey_protocol::{BookingId, Date, PaymentId, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{Alteration, AlterationEnd, AlterationState, Booking, BookingState, Deal, Party, StayTimes};
use crate::domain::change::{Decision, Night, Write};
use crate::domain::error::{Refusal, Rule};
use crate::domain::event::{Event, NightState};
use crate::domain::money::Money;
use crate::domain::payment::Payment;
use crate::domain::pricing::Quote;
use crate::domain::settlement::Shares;
use crate::domain::stay::Stay;
use crate::domain::time::Timestamp;

/// Most alterations that are proposed for one booking.
const MAX_ALTERATIONS: u32 = 50;

/// One side wants the stay otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlterStay {
    /// The nights as they would be.
    pub stay: Stay,
    /// How many people.
    pub guests: u16,
}

/// An answer to a proposal, or its end by whoever made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerAlteration {
    /// The other side says yes.
    Accept {
        /// The id of the payment to come, if it costs more.
        payment: PaymentId,
    },
    /// The other side says no.
    Decline,
    /// Whoever proposed it takes it back.
    Withdraw,
}

impl Calendar {
    /// Proposes another stay to the other side, at today's prices. It takes no nights yet.
    ///
    /// A guest keeps to the home's rules; a host who proposes has agreed to break them. Once the guest is there only the last day and the
    /// number of guests can change.
    ///
    /// # Errors
    /// `NotFound` if it is not live here or the caller is neither party; `InvalidState` unless it is confirmed, or while a proposal is open;
    /// `Invalid` if nothing would change; `RuleViolated`; `DatesUnavailable`; `PriceOverflow`.
    pub fn propose_alteration(
        &self,
        booking: BookingId,
        caller: UserId,
        ask: AlterStay,
        now: Timestamp,
    ) -> Result<Decision<Deal>, Refusal> {
        let mut deal = self.live_deal(booking)?.clone();
        let by = deal.booking.require_party(caller)?;
        refuse_unalterable(&deal.booking, now)?;
        if deal.booking.alteration.as_ref().is_some_and(|open| now < open.expires_at) {
            return Err(Refusal::InvalidState { state: "alteration_open" });
        }
        if deal.booking.alterations >= MAX_ALTERATIONS {
            return Err(Refusal::InvalidState { state: "altered_too_often" });
        }
        if ask.stay == deal.booking.stay() && ask.guests == deal.booking.quote.guests {
            return Err(Refusal::Invalid { field: "check_in", reason: "nothing would change" });
        }
        self.refuse_against_rules(&deal.booking, by, ask, now)?;
        let quote = Quote::price(&self.listing, ask.stay, ask.guests)?;
        let mut draft = Draft::after_expiry(self, now)?;
        self.refuse_taken_by_others(ask.stay, deal.booking.id, &draft)?;
        draft.end_alteration(&mut deal, AlterationEnd::Expired);
        deal.booking.alterations += 1;
        let alteration = Alteration {
            number: deal.booking.alterations,
            by,
            quote,
            state: AlterationState::Proposed,
            expires_at: now.plus_ms(self.leases.request_ms).min(deal.booking.times.check_out_at),
            created_at: now,
        };
        draft.tell_alteration(&mut deal.booking, &alteration);
        deal.booking.alteration = Some(alteration);
        draft.wake(&deal);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    /// Answers an open proposal. Accepted, it is applied at once, unless the guest has to pay more first.
    ///
    /// # Errors
    /// `NotFound` if it is not live here, the caller is neither party, or no proposal of that number is open; `NotYours` for the wrong side;
    /// `Expired`; `InvalidState`; `RuleViolated`; `DatesUnavailable`.
    pub fn answer_alteration(
        &self,
        booking: BookingId,
        caller: UserId,
        number: u32,
        answer: AnswerAlteration,
        now: Timestamp,
    ) -> Result<Decision<Deal>, Refusal> {
        let mut deal = self.live_deal(booking)?.clone();
        let party = deal.booking.require_party(caller)?;
        let alteration = deal.booking.alteration.clone().filter(|open| open.number == number).ok_or(Refusal::NotFound)?;
        alteration.live(now)?;
        let mut draft = Draft::after_expiry(self, now)?;
        match answer {
            AnswerAlteration::Accept { .. } | AnswerAlteration::Decline if party == alteration.by => return Err(Refusal::NotYours),
            AnswerAlteration::Withdraw if party != alteration.by => return Err(Refusal::NotYours),
            AnswerAlteration::Decline => draft.end_alteration(&mut deal, AlterationEnd::Declined),
            AnswerAlteration::Withdraw => draft.end_alteration(&mut deal, AlterationEnd::Withdrawn),
            AnswerAlteration::Accept { payment } => {
                refuse_unalterable(&deal.booking, now)?;
                // What could be proposed may be too late by now.
                let out_of_time = self.refuse_out_of_time(&deal.booking, alteration.quote.stay, now);
                out_of_time.map_err(|_| Refusal::InvalidState { state: "out_of_time" })?;
                if alteration.state != AlterationState::Proposed {
                    return Err(Refusal::InvalidState { state: alteration.state.name() });
                }
                draft.before(alteration.expires_at);
                draft.accept_alteration(&mut deal, &alteration, payment)?;
            }
        }
        draft.wake(&deal);
        draft.set(&deal);
        Ok(draft.decide(deal))
    }

    fn refuse_against_rules(&self, booking: &Booking, by: Party, ask: AlterStay, now: Timestamp) -> Result<(), Refusal> {
        self.refuse_out_of_time(booking, ask.stay, now)?;
        let (terms, today) = (&self.listing.terms, self.listing.today(now));
        match by {
            Party::Guest if !has_begun(booking, today) => terms.accepts(ask.stay, ask.guests, today),
            Party::Guest | Party::Host => terms.takes(ask.guests),
        }
    }

    /// A stay that has begun keeps its first day, and none is moved to where it would have begun, or would be over.
    fn refuse_out_of_time(&self, booking: &Booking, stay: Stay, now: Timestamp) -> Result<(), Refusal> {
        let today = self.listing.today(now);
        let is_moved = stay.check_in() != booking.stay().check_in();
        if is_moved && has_begun(booking, today) {
            return Err(Refusal::Invalid { field: "check_in", reason: "the stay has begun" });
        }
        if (is_moved && stay.check_in() < today) || stay.check_out() <= today {
            return Err(Refusal::RuleViolated { rule: Rule::NotInThePast, limit: i64::from(today.epoch_day()) });
        }
        Ok(())
    }

    /// Another claim's nights, and the days of preparation beside them.
    fn refuse_taken_by_others(&self, stay: Stay, own: BookingId, draft: &Draft<'_>) -> Result<(), Refusal> {
        self.refuse_taken_but(stay, None, Some(own), draft)?;
        self.refuse_unprepared_but(stay, Some(own), draft)
    }
}

impl Draft<'_> {
    /// Says what is proposed, or that it is accepted and waits for its payment.
    fn tell_alteration(&mut self, booking: &mut Booking, alteration: &Alteration) {
        let event = Event::AlterationProposed {
            booking: booking.id,
            number: alteration.number,
            by: alteration.by,
            state: alteration.state,
            expires_at: alteration.expires_at,
        };
        self.tell_parties(booking, &event);
    }

    /// The other side said yes: what it costs more is asked for first.
    fn accept_alteration(&mut self, deal: &mut Deal, alteration: &Alteration, payment: PaymentId) -> Result<(), Refusal> {
        let difference_minor = alteration.quote.total.minor - deal.booking.quote.total.minor;
        if difference_minor <= 0 {
            return self.apply_alteration(deal, alteration);
        }
        self.calendar.refuse_taken_by_others(alteration.quote.stay, deal.booking.id, self)?;
        let currency = alteration.quote.total.currency;
        let payment = Payment::ask(payment, deal.booking.id, Money { minor: difference_minor, currency }, self.now);
        let waiting = Alteration {
            state: AlterationState::AwaitingPayment { payment: payment.id },
            expires_at: self.now.plus_ms(self.calendar.leases.request_ms).min(deal.booking.times.check_out_at),
            ..alteration.clone()
        };
        self.write(Write::AddPayment(payment.clone()));
        deal.booking.further_payments.push(payment.id);
        deal.further_payments.push(payment);
        self.tell_alteration(&mut deal.booking, &waiting);
        deal.booking.alteration = Some(waiting);
        Ok(())
    }

    /// The guest has paid what an accepted alteration costs more. If it cannot be had any more, nothing changes, and what was paid is
    /// more than is kept, so it goes back.
    pub(super) fn apply_paid_alteration(&mut self, deal: &mut Deal, payment: PaymentId) -> Result<(), Refusal> {
        if deal.payment_due() != Some(payment) {
            return Ok(());
        }
        let Some(alteration) = deal.booking.alteration.clone() else { return Ok(()) };
        let is_too_late = alteration.live(self.now).is_err()
            || refuse_unalterable(&deal.booking, self.now).is_err()
            || self.calendar.refuse_out_of_time(&deal.booking, alteration.quote.stay, self.now).is_err();
        if is_too_late {
            self.end_alteration(deal, AlterationEnd::Expired);
            return Ok(());
        }
        self.before(alteration.expires_at);
        match self.apply_alteration(deal, &alteration) {
            Err(Refusal::DatesUnavailable { .. } | Refusal::RuleViolated { .. }) => {
                self.end_alteration(deal, AlterationEnd::DatesTaken);
                Ok(())
            }
            other => other,
        }
    }

    /// Nights and price become the proposed ones. Nights that both stays have keep their owner and the event that took them.
    fn apply_alteration(&mut self, deal: &mut Deal, alteration: &Alteration) -> Result<(), Refusal> {
        let (before, after) = (deal.booking.stay(), alteration.quote.stay);
        self.calendar.refuse_taken_by_others(after, deal.booking.id, self)?;
        for (from, to) in apart(before, after) {
            self.give_up_nights(from, to, deal.booking.id);
        }
        for (from, to) in apart(after, before) {
            self.take_nights(from, to, deal.booking.id);
        }
        deal.booking.quote = alteration.quote.clone();
        deal.booking.times = StayTimes::of(&self.calendar.listing, after);
        deal.booking.returned = deal.booking.returned.within(Shares::of(&deal.booking.quote));
        self.end_alteration(deal, AlterationEnd::Applied);
        self.tell_updated(&mut deal.booking);
        self.balance(deal)
    }

    fn give_up_nights(&mut self, from: Date, to: Date, claim: BookingId) {
        let property = self.calendar.listing.id;
        let owned = self.calendar.nights.range(from..to).filter(|(_, owner)| owner.claim == claim).map(|(date, _)| *date);
        self.changes.writes.extend(owned.map(|date| Write::FreeNight(property, date)));
        self.append(Event::AvailabilityChanged { from, to, state: NightState::Free });
    }

    fn take_nights(&mut self, from: Date, to: Date, claim: BookingId) {
        let property = self.calendar.listing.id;
        let seq = self.append(Event::AvailabilityChanged { from, to, state: NightState::Booked });
        let nights = (0..to.days_since(from)).map(|offset| from.saturating_add(offset));
        self.changes.writes.extend(nights.map(|date| Write::TakeNight(Night { property, date, claim, seq })));
    }

    /// Ends a proposal, if there is one; a payment for it is not waited for any more.
    pub(super) fn end_alteration(&mut self, deal: &mut Deal, end: AlterationEnd) {
        let Some(alteration) = deal.booking.alteration.take() else { return };
        if let AlterationState::AwaitingPayment { payment } = alteration.state {
            self.cancel_payment(deal, payment);
        }
        let event = Event::AlterationEnded { booking: deal.booking.id, number: alteration.number, by: alteration.by, end };
        self.tell_parties(&mut deal.booking, &event);
    }
}

/// Whether the guest is there, or should have been since yesterday.
fn has_begun(booking: &Booking, today: Date) -> bool {
    matches!(booking.state, BookingState::CheckedIn { .. }) || today > booking.stay().check_in()
}

/// Only a stay that is to come, or under way, changes.
fn refuse_unalterable(booking: &Booking, now: Timestamp) -> Result<(), Refusal> {
    let is_alterable = matches!(booking.state, BookingState::Confirmed { .. } | BookingState::CheckedIn { .. });
    if is_alterable && now < booking.times.check_out_at { Ok(()) } else { Err(Refusal::InvalidState { state: booking.state.name() }) }
}

/// The runs of nights that `stay` has and `other` has not, `[from, to)`: at most one before and one after.
fn apart(stay: Stay, other: Stay) -> impl Iterator<Item = (Date, Date)> {
    let before = (stay.check_in(), stay.check_out().min(other.check_in()));
    let after = (stay.check_in().max(other.check_out()), stay.check_out());
    [before, after].into_iter().filter(|(from, to)| from < to)
}
