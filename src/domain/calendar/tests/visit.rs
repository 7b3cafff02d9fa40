//! The guest comes and leaves: whose the notes are that are written to that, and what the host hears of the money.

use super::*;

/// A stay that was paid, arrived at by `first` and left by `second`, each with a note: it is over.
fn stayed(calendar: &mut Calendar, first: UserId, second: UserId) -> Deal {
    let deal = booked(calendar, 1);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    commit(calendar, decision);
    let note = |text: &str| Some(text.to_owned());
    let decision = calendar.check_in(deal.booking.id, first, note("The key was there."), START.plus_ms(5 * DAY_MS)).unwrap();
    commit(calendar, decision);
    let decision = calendar.check_out(deal.booking.id, second, note("The lamp is broken."), START.plus_ms(7 * DAY_MS)).unwrap();
    commit(calendar, decision)
}

/// The notes after `user` was erased, and the events that tell it.
fn forgotten(calendar: &Calendar, deal: &Deal, user: UserId) -> ([bool; 2], Vec<&'static str>) {
    let decision = calendar.forget_notes(deal.booking.id, Some(deal.clone()), user, START.plus_ms(9 * DAY_MS)).unwrap();
    let set = decision.changes.writes.iter().find_map(|write| match write {
        Write::SetBooking(booking) => Some(booking.clone()),
        _ => None,
    });
    let booking = set.unwrap_or_else(|| deal.booking.clone());
    let has_note = |visit: &Option<crate::domain::booking::Visit>| visit.as_ref().is_some_and(|visit| visit.note.is_some());
    let told = kinds(&decision.changes.events).into_iter().map(|(place, _)| place).collect();
    ([has_note(&booking.checked_in), has_note(&booking.checked_out)], told)
}

#[test]
fn notes_on_arriving_and_leaving_go_with_who_wrote_them() {
    let mut calendar = calendar();
    let deal = stayed(&mut calendar, guest(1), HOST);
    assert_eq!(forgotten(&calendar, &deal, guest(1)), ([false, true], vec!["booking"]));
    assert_eq!(forgotten(&calendar, &deal, HOST), ([true, false], vec!["booking"]));
    assert_eq!(forgotten(&calendar, &deal, guest(2)), ([true, true], vec![]));
    let noteless = Deal { booking: deal.booking.without_notes_of(HOST).unwrap(), ..deal };
    assert_eq!(forgotten(&calendar, &noteless, HOST), ([true, false], vec![]), "twice is harmless");
}

#[test]
fn a_host_is_notified_of_money_that_is_sent_and_not_of_what_is_taken_back() {
    let mut calendar = calendar();
    let mut deal = stayed(&mut calendar, guest(1), guest(1));
    let mut told = Vec::new();
    for gift_minor in [None, Some(3_000)] {
        if let Some(minor) = gift_minor {
            let decision = calendar.refund(deal.booking.id, deal.payment.id, Some(deal), Some(minor), START.plus_ms(8 * DAY_MS)).unwrap();
            deal = decision.outcome.0;
        }
        let payout = deal.booking.payout;
        let decision = calendar.record_payout(deal.booking.id, Some(deal), payout.revision, START.plus_ms(8 * DAY_MS)).unwrap();
        let of_payouts = |event: &&TopicEvent| matches!(event.event, Event::PayoutChanged { .. } | Event::NotificationCreated { .. });
        told.push((payout.pending_minor, decision.changes.events.iter().filter(of_payouts).count()));
        deal = decision.outcome;
    }
    assert_eq!(told, [(27_000, 2), (-3_000, 1)], "each is an event, and only the first one news");
}

#[test]
fn a_note_of_which_nobody_knows_the_writer_goes_with_either_side() {
    let mut calendar = calendar();
    let mut deal = stayed(&mut calendar, guest(1), guest(1));
    for visit in [&mut deal.booking.checked_in, &mut deal.booking.checked_out].into_iter().flatten() {
        visit.by = None;
    }
    for party in [guest(1), HOST] {
        assert_eq!(forgotten(&calendar, &deal, party).0, [false, false]);
    }
}
