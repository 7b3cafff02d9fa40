//! P2: what the hub acknowledged is still there. Records are held against the running hub, by REST.
//!
//! Used at the end of a race and, from a record file, after the hub was killed and started again. A claim whose lease is
//! about to end is not judged by its state: the hub's clock and ours need not agree to the millisecond.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::{StreamExt, stream};
use latchkey_protocol::rest::Page;
use latchkey_protocol::view::{Booking, BookingState, Hold, HoldState, NightState, Payment, PaymentState};
use latchkey_protocol::{ClaimId, Date, EpochMs, ErrorCode, PropertyId};

use crate::account::Account;
use crate::crowd::REST_AT_ONCE;
use crate::plan::{Stay, now_ms};
use crate::records::{Claim, History};
use crate::rest::{Rest, RestError};

/// How much later than now a lease must end to be judged by its state.
const MARGIN_MS: i64 = 2_000;

/// Guests by number; only those with something to check need to be here.
pub(crate) type Guests = HashMap<usize, Arc<Account>>;

/// Logs in everyone the hub acknowledged something to.
///
/// # Errors
/// The hub refused one or could not be reached.
pub(crate) async fn log_in_claimants(rest: &Rest, history: &History) -> Result<Guests> {
    let mut numbers: Vec<_> = history.claims.values().map(|claim| claim.guest).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let guests = crate::crowd::gather(numbers.len(), REST_AT_ONCE, |index| {
        let number = numbers[index];
        async move {
            let credentials = history.run.guests.get(number).with_context(|| format!("the record names no guest {number}"))?;
            let account = Account::log_in(rest, credentials.clone()).await.with_context(|| format!("logging in guest {number}"))?;
            Ok::<_, anyhow::Error>((number, Arc::new(account)))
        }
    })
    .await?;
    Ok(guests.into_iter().collect())
}

/// Holds every record against the hub; what the hub no longer knows, or tells otherwise, comes back.
pub(crate) async fn verify(rest: &Rest, history: &History, guests: &Guests) -> Vec<String> {
    let mut broken = history.nights_owned_twice(now_ms());
    let claims = stream::iter(&history.claims).map(|(id, claim)| async move {
        match guests.get(&claim.guest) {
            Some(guest) => verify_claim(rest, guest, *id, claim).await,
            None => vec![format!("no account for guest {}", claim.guest)],
        }
    });
    broken.extend(claims.buffer_unordered(REST_AT_ONCE).collect::<Vec<_>>().await.into_iter().flatten());
    for (property, window) in windows(history) {
        match rest.calendar(property, window).await {
            Ok(calendar) => {
                let mut told = BTreeMap::new();
                for range in &calendar.taken {
                    told.extend((Stay { check_in: range.from, check_out: range.to }).nights().map(|night| (night, range.state)));
                }
                broken.extend(nights_not_shown(history, property, &told, now_ms()));
            }
            Err(error) => broken.push(error.to_string()),
        }
    }
    broken
}

/// Per property, the days from the first claimed night to the last.
fn windows(history: &History) -> BTreeMap<PropertyId, Stay> {
    let mut windows: BTreeMap<PropertyId, Stay> = BTreeMap::new();
    for claim in history.claims.values() {
        let window = windows.entry(claim.property).or_insert(claim.stay);
        window.check_in = window.check_in.min(claim.stay.check_in);
        window.check_out = window.check_out.max(claim.stay.check_out);
    }
    windows
}

/// Acknowledged nights that the public calendar doesn't show as taken.
fn nights_not_shown(history: &History, property: PropertyId, told: &BTreeMap<Date, NightState>, now: EpochMs) -> Vec<String> {
    let mut broken = Vec::new();
    for (id, claim) in history.claims.iter().filter(|(_, claim)| claim.property == property && claim.is_live(now + MARGIN_MS)) {
        for night in claim.stay.nights() {
            let state = told.get(&night).copied().unwrap_or(NightState::Free);
            let shown = match state {
                NightState::Booked => true,
                NightState::Held => !claim.confirmed,
                NightState::Free | NightState::Blocked => false,
            };
            if !shown {
                broken.push(format!("the calendar shows {night} as {state:?}, acknowledged to {id}"));
            }
        }
    }
    broken
}

async fn verify_claim(rest: &Rest, guest: &Account, id: ClaimId, claim: &Claim) -> Vec<String> {
    let mut broken = Vec::new();
    // Before asking: an answer about a lease that ends meanwhile must not be judged as if it had not.
    let now = now_ms() + MARGIN_MS;
    let path = format!("/holds/{id}/?property={}", claim.property);
    match guest.get::<Hold>(rest, &path).await {
        Ok(hold) => broken.extend(judge_hold(id, claim, &hold, now)),
        Err(error) => broken.push(lost("hold", id, &error)),
    }
    if claim.booked {
        match guest.get::<Booking>(rest, &format!("/bookings/{id}/")).await {
            Ok(booking) => broken.extend(judge_booking(id, claim, &booking, now)),
            Err(error) => broken.push(lost("booking", id, &error)),
        }
    }
    if claim.confirmed {
        match guest.get::<Page<Payment>>(rest, &format!("/payments/?booking={id}")).await {
            Ok(page) => broken.extend(judge_payments(id, &page.items)),
            Err(error) => broken.push(lost("payment of booking", id, &error)),
        }
    }
    broken
}

fn lost(what: &str, id: ClaimId, error: &RestError) -> String {
    match error.code() {
        Some(ErrorCode::NotFound) => format!("acknowledged {what} {id} is gone"),
        _ => format!("acknowledged {what} {id}: {error}"),
    }
}

fn judge_hold(id: ClaimId, claim: &Claim, hold: &Hold, now: EpochMs) -> Option<String> {
    let asked = (id, claim.property, claim.stay.check_in, claim.stay.check_out);
    if (hold.id, hold.property, hold.check_in, hold.check_out) != asked {
        return Some(format!("hold {id} is not the one acknowledged: {hold:?}"));
    }
    let kept = match hold.state {
        HoldState::Converted => true,
        HoldState::Active => !claim.booked,
        HoldState::Released | HoldState::Expired => !claim.is_live(now),
    };
    (!kept).then(|| format!("hold {id} is {:?}, though it was acknowledged until {}", hold.state, claim.expires_at))
}

fn judge_booking(id: ClaimId, claim: &Claim, booking: &Booking, now: EpochMs) -> Option<String> {
    let asked = (id, claim.property, claim.stay.check_in, claim.stay.check_out);
    if (booking.id, booking.property, booking.check_in, booking.check_out) != asked {
        return Some(format!("booking {id} is not the one acknowledged: {booking:?}"));
    }
    let kept = match booking.state {
        BookingState::Confirmed | BookingState::CheckedIn | BookingState::Completed => true,
        BookingState::PendingPayment | BookingState::Requested => !claim.confirmed,
        BookingState::Expired => !claim.is_live(now),
        BookingState::PaymentFailed
        | BookingState::Declined
        | BookingState::Withdrawn
        | BookingState::CancelledByGuest
        | BookingState::CancelledByHost
        | BookingState::NoShow => false,
    };
    (!kept).then(|| format!("booking {id} is {:?}, confirmed to its guest: {}", booking.state, claim.confirmed))
}

/// P7 and P9: a confirmed booking was charged once, in full, and nothing went back. After a crash the money may still be set aside: a job takes it.
fn judge_payments(id: ClaimId, payments: &[Payment]) -> Option<String> {
    let whole = |payment: &&Payment| match payment.state {
        PaymentState::Succeeded => payment.captured_minor == payment.amount_minor && payment.refunded_minor == 0,
        PaymentState::RequiresCapture => payment.captured_minor == 0,
        _ => false,
    };
    let paid = payments.iter().filter(whole).count();
    let captured: i64 = payments.iter().map(|payment| payment.captured_minor).sum();
    let once = paid == 1 && payments.iter().find(whole).is_some_and(|payment| payment.captured_minor == captured);
    (!once).then(|| format!("booking {id} is confirmed, but not paid exactly once: {payments:?}"))
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::PaymentId;

    use super::*;

    const NOW: EpochMs = 10_000;

    fn day(number: i32) -> Date {
        Date::from_epoch_day(number).unwrap()
    }

    fn id() -> ClaimId {
        ClaimId::from_bytes([1; 16])
    }

    fn claim(booked: bool, confirmed: bool, expires_at: EpochMs) -> Claim {
        let stay = Stay { check_in: day(5), check_out: day(7) };
        Claim { guest: 0, property: PropertyId::from_bytes([2; 16]), stay, expires_at, booked, confirmed }
    }

    fn hold(state: HoldState) -> Hold {
        let property = PropertyId::from_bytes([2; 16]);
        Hold { id: id(), property, check_in: day(5), check_out: day(7), guests: 1, state, expires_at: 0, seq: 2 }
    }

    #[test]
    fn an_acknowledged_hold_may_only_end_when_its_lease_has() {
        let (live, over) = (claim(false, false, NOW + 1), claim(false, false, NOW));
        assert_eq!(judge_hold(id(), &live, &hold(HoldState::Active), NOW), None);
        assert_eq!(judge_hold(id(), &live, &hold(HoldState::Converted), NOW), None);
        assert!(judge_hold(id(), &live, &hold(HoldState::Expired), NOW).is_some());
        assert!(judge_hold(id(), &live, &hold(HoldState::Released), NOW).is_some());
        assert_eq!(judge_hold(id(), &over, &hold(HoldState::Expired), NOW), None);
    }

    #[test]
    fn a_booked_hold_must_not_fall_back_and_must_be_the_same() {
        assert!(judge_hold(id(), &claim(true, false, NOW + 1), &hold(HoldState::Active), NOW).is_some());
        let other = Hold { check_out: day(8), ..hold(HoldState::Active) };
        assert!(judge_hold(id(), &claim(false, false, NOW + 1), &other, NOW).is_some());
    }

    #[test]
    fn a_confirmed_booking_is_charged_exactly_once() {
        let payment = |state, captured_minor| Payment {
            id: PaymentId::from_bytes([3; 16]),
            booking: id(),
            currency: "EUR".to_owned(),
            amount_minor: 100,
            captured_minor,
            refund_due_minor: 0,
            refunded_minor: 0,
            state,
            decline_reason: None,
            client_secret: None,
            dispute: None,
            created_at: 0,
        };
        let (paid, open) = (payment(PaymentState::Succeeded, 100), payment(PaymentState::Processing, 0));
        assert_eq!(judge_payments(id(), std::slice::from_ref(&paid)), None);
        assert_eq!(judge_payments(id(), &[payment(PaymentState::RequiresCapture, 0)]), None, "a job takes it");
        assert!(judge_payments(id(), &[]).is_some());
        assert!(judge_payments(id(), &[open]).is_some());
        assert!(judge_payments(id(), &[paid.clone(), paid]).is_some());
        assert!(judge_payments(id(), &[payment(PaymentState::Succeeded, 99)]).is_some());
    }

    #[test]
    fn the_calendar_must_show_what_was_acknowledged() {
        let shown = |claim: &Claim, state| {
            let history = History { claims: BTreeMap::from([(id(), claim.clone())]), ..History::default() };
            nights_not_shown(&history, claim.property, &[(day(5), state), (day(6), state)].into(), NOW).is_empty()
        };
        let (confirmed, held, lapsed) = (claim(true, true, 0), claim(false, false, NOW + MARGIN_MS + 1), claim(false, false, 0));
        assert!(shown(&confirmed, NightState::Booked) && !shown(&confirmed, NightState::Held));
        assert!(shown(&held, NightState::Held) && !shown(&held, NightState::Free));
        assert!(shown(&lapsed, NightState::Free));
    }
}
