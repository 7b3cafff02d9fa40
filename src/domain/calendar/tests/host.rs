//! What a host decides: blocks, preparation, the home's life; and how the days look.

use super::*;
use crate::domain::PhotoId;
use crate::domain::block::{Block, MAX_BLOCKS};
use crate::domain::listing::{Listing, ListingState};
use crate::domain::photo::{ImageKind, MAX_PHOTOS, Photo};

fn block_nights(calendar: &Calendar, number: u8, first: i32, count: i32) -> Result<Decision<Block>, Refusal> {
    let nights = stay(first, count);
    let ask = BlockNights { claim: claim_no(number), from: nights.check_in(), to: nights.check_out(), note: Some(" the roof ") };
    calendar.block(HOST, &ask, START)
}

fn blocked(first: i32, count: i32) -> Calendar {
    let mut calendar = calendar();
    let decision = block_nights(&calendar, 100, first, count).unwrap();
    commit(&mut calendar, decision);
    calendar
}

fn with(change: impl FnOnce(&mut Listing)) -> Calendar {
    let mut listing = listing();
    change(&mut listing);
    Calendar::restore(listing, Leases::default(), 1, vec![], vec![])
}

fn photo(number: u8) -> Photo {
    let id = PhotoId::from_bytes([number; 16]);
    Photo { id, kind: ImageKind::Png, width_px: 400, height_px: 400, bytes: 7, caption: None, created_at: START }
}

#[test]
fn p1_a_block_and_a_stay_never_have_the_same_night() {
    let mut calendar = blocked(5, 3);
    let today = listing().today(START);
    let taken = Refusal::DatesUnavailable { from: today.saturating_add(7), seq: 2, others_only: true };
    assert_eq!(calendar.hold(&ask(1, 7, 2), START).unwrap_err(), taken);
    let decision = calendar.hold(&ask(1, 8, 2), START).unwrap();
    commit(&mut calendar, decision);
    let refusal = block_nights(&calendar, 101, 9, 4).unwrap_err();
    assert!(matches!(refusal, Refusal::DatesUnavailable { seq: 3, .. }), "{refusal:?}");
    assert!(matches!(block_nights(&calendar, 101, 4, 2), Err(Refusal::DatesUnavailable { .. })), "not even the host's own");
    let end = START.plus_ms(Leases::default().hold_ms);
    let ask = BlockNights { claim: claim_no(101), from: stay(9, 4).check_in(), to: stay(9, 4).check_out(), note: None };
    let decision = calendar.block(HOST, &ask, end).unwrap();
    assert_eq!(kinds(&decision.changes.events), [("property", Some(4)), ("guest", None), ("property", Some(5))]);
}

#[test]
fn a_block_says_blocked_keeps_its_note_to_itself_and_ends_with_free() {
    let mut calendar = calendar();
    let decision = block_nights(&calendar, 100, 5, 3).unwrap();
    assert!(!format!("{:?}", decision.changes.events).contains("roof"));
    let block = commit(&mut calendar, decision);
    assert_eq!(block.note.as_deref(), Some("the roof"));
    assert_eq!(calendar.taken(Date::MIN, Date::MAX).iter().map(|run| run.state).collect::<Vec<_>>(), [NightState::Blocked]);
    assert_eq!(calendar.unblock(guest(1), block.id, START).unwrap_err(), Refusal::NotFound);
    let decision = calendar.unblock(HOST, block.id, START).unwrap();
    commit(&mut calendar, decision);
    assert!(calendar.taken(Date::MIN, Date::MAX).is_empty());
    assert_eq!(calendar.unblock(HOST, block.id, START).unwrap_err(), Refusal::NotFound);
    assert_eq!(calendar.cancel(block.id, HOST, START).unwrap_err(), Refusal::NotFound);
    assert_eq!(calendar.release_hold(block.id, HOST, START).unwrap_err(), Refusal::NotFound);
}

#[test]
fn blocks_have_their_bounds() {
    let calendar = calendar();
    let today = listing().today(START);
    let refused = |from: i32, to: i32, note: &str| {
        let ask = BlockNights { claim: claim_no(1), from: today.saturating_add(from), to: today.saturating_add(to), note: Some(note) };
        calendar.block(HOST, &ask, START).err()
    };
    let field = |refusal| match refusal {
        Some(Refusal::Invalid { field, .. }) => Some(field),
        _ => None,
    };
    for (from, to, note, expected) in [
        (0, 730, String::new(), None),
        (730, 731, String::new(), None),
        (1, 1, String::new(), Some("to")),
        (0, 731, String::new(), Some("to")),
        (-5, 0, String::new(), Some("to")),
        (-1, 1, String::new(), Some("from")),
        (731, 732, String::new(), Some("from")),
        (1, 2, "x".repeat(500), None),
        (1, 2, "x".repeat(501), Some("note")),
    ] {
        assert_eq!(field(refused(from, to, &note)), expected, "{from} to {to}");
    }
    assert_eq!(
        calendar.block(guest(1), &BlockNights { claim: claim_no(1), from: today, to: today, note: None }, START).err(),
        Some(Refusal::NotFound)
    );
    let mut full = calendar.clone();
    for number in 0..u8::try_from(MAX_BLOCKS).unwrap() {
        let decision = block_nights(&full, number, i32::from(number), 1).unwrap();
        commit(&mut full, decision);
    }
    assert_eq!(block_nights(&full, 255, 300, 1).unwrap_err(), Refusal::InvalidState { state: "200_blocks" });
}

#[test]
fn days_of_preparation_are_kept_free_on_both_sides_of_a_stay_but_not_of_a_block() {
    let mut calendar = with(|listing| listing.terms.rules.preparation_days = 2);
    let decision = calendar.hold(&ask(1, 10, 3), START).unwrap();
    commit(&mut calendar, decision);
    let refusal = Refusal::RuleViolated { rule: Rule::Preparation, limit: 2 };
    for (first, count, expected) in
        [(6, 2, None), (6, 3, Some(refusal)), (9, 1, Some(refusal)), (13, 1, Some(refusal)), (14, 1, Some(refusal)), (15, 1, None)]
    {
        assert_eq!(calendar.hold(&ask(2, first, count), START).err(), expected, "{count} nights from {first}");
    }
    assert!(matches!(calendar.hold(&ask(2, 12, 2), START), Err(Refusal::DatesUnavailable { .. })), "taken before preparation");
    let end = START.plus_ms(Leases::default().hold_ms);
    assert!(calendar.hold(&ask(2, 13, 1), end).is_ok(), "a hold that has run out needs none");
    let decision = block_nights(&calendar, 100, 14, 2).unwrap();
    commit(&mut calendar, decision);
    assert!(calendar.hold(&ask(2, 16, 1), START).is_ok(), "nobody leaves a block");
}

#[test]
fn only_a_published_home_takes_new_stays_and_what_is_held_goes_on_living() {
    let mut calendar = calendar();
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let decision = calendar.unlist(HOST, START).unwrap();
    assert!(matches!(decision.changes.events[0].event, Event::PropertyUnlisted { version: 2, .. }));
    commit(&mut calendar, decision);
    assert_eq!(calendar.hold(&ask(2, 9, 2), START).unwrap_err(), Refusal::NotFound);
    let own = HoldDates { guest: HOST, ..ask(2, 9, 2) };
    assert_eq!(calendar.hold(&own, START).unwrap_err(), Refusal::InvalidState { state: "unlisted" });
    let book = BookHold { claim: claim_no(1), guest: guest(1), payment: payment_no(1), expected_total_minor: None };
    assert!(calendar.book(&book, START).is_ok());
    assert!(calendar.unlist(HOST, START).unwrap().changes.is_empty(), "said again, it changes nothing");
    let decision = calendar.publish(HOST, START).unwrap();
    commit(&mut calendar, decision);
    assert_eq!((calendar.listing().state, calendar.listing().version, calendar.seq()), (ListingState::Published, 3, 4));
    assert!(calendar.hold(&ask(2, 9, 2), START).is_ok());
}

#[test]
fn a_home_is_removed_only_when_nobody_holds_it_or_is_to_come() {
    let mut held = calendar();
    let decision = held.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut held, decision);
    assert_eq!(held.delete(HOST, START).unwrap_err(), Refusal::InvalidState { state: "held" });
    let end = START.plus_ms(Leases::default().hold_ms);
    assert!(held.delete(HOST, end).is_ok(), "a hold that has run out is in nobody's way");

    let mut calendar = blocked(20, 2);
    let deal = booked(&mut calendar, 1);
    let decision = calendar.report_payment(deal.booking.id, deal.payment.id, None, &succeeded(1), START).unwrap();
    commit(&mut calendar, decision);
    assert_eq!(calendar.delete(HOST, START).unwrap_err(), Refusal::InvalidState { state: "booked" });
    let after = START.plus_ms(8 * 86_400_000);
    assert_eq!(calendar.delete(guest(1), after).unwrap_err(), Refusal::NotFound);
    let decision = calendar.delete(HOST, after).unwrap();
    let writes = &decision.changes.writes;
    assert!(writes.iter().any(|write| matches!(write, Write::EndBlock(_))), "its blocks go with it");
    commit(&mut calendar, decision);
    assert_eq!(calendar.listing().state, ListingState::Deleted);
    assert!(!calendar.listing().is_visible_to(Some(HOST)));
    let gone = [calendar.publish(HOST, after).err(), calendar.delete(HOST, after).err(), calendar.unlist(HOST, after).err()];
    assert_eq!(gone, [Some(Refusal::NotFound); 3]);
}

#[test]
fn a_published_home_keeps_its_place_its_currency_and_its_time_zone() {
    let calendar = calendar();
    let update = |change: fn(&mut Listing)| {
        let decision = calendar.update(
            HOST,
            |mut listing| {
                change(&mut listing);
                Ok(listing)
            },
            START,
        );
        decision.map(|decision| decision.outcome.version)
    };
    assert_eq!(update(|listing| listing.terms.rates.nightly_minor = 1), Ok(2));
    let fixed = Err(Refusal::InvalidState { state: "published" });
    assert_eq!(update(|listing| listing.terms.currency = "USD".parse().unwrap()), fixed);
    assert_eq!(update(|listing| listing.terms.time_zone = TimeZone::get("Asia/Tokyo").unwrap()), fixed);
    assert!(matches!(update(|listing| listing.description.location = None), Err(Refusal::Invalid { field: "location", .. })));
    assert!(matches!(update(|listing| listing.description.title.clear()), Err(Refusal::Invalid { field: "title", .. })));
    assert_eq!(calendar.update(guest(1), Ok, START).unwrap_err(), Refusal::NotFound);
}

#[test]
fn photos_are_added_at_the_end_ordered_as_a_whole_and_removed() {
    let mut calendar = calendar();
    for number in 1..=3 {
        let decision = calendar.add_photo(HOST, photo(number), START).unwrap();
        assert!(decision.changes.writes.iter().any(|write| matches!(write, Write::AddPhoto(..))));
        commit(&mut calendar, decision);
    }
    let ids = |numbers: &[u8]| numbers.iter().map(|number| PhotoId::from_bytes([*number; 16])).collect::<Vec<_>>();
    let order = |numbers: &[u8]| calendar.update(HOST, |listing| listing.order_photos(&ids(numbers)), START);
    for wrong in [&[1, 2][..], &[1, 2, 2], &[1, 2, 4], &[1, 2, 3, 3], &[]] {
        assert!(matches!(order(wrong), Err(Refusal::Invalid { field: "photos", .. })), "{wrong:?}");
    }
    let ordered = order(&[3, 1, 2]).unwrap().outcome;
    assert_eq!(ordered.photos.iter().map(|photo| photo.id).collect::<Vec<_>>(), ids(&[3, 1, 2]));
    let decision = calendar.remove_photo(HOST, ids(&[2])[0], START).unwrap();
    commit(&mut calendar, decision);
    assert_eq!(calendar.remove_photo(HOST, ids(&[2])[0], START).unwrap_err(), Refusal::NotFound);
    assert_eq!(calendar.add_photo(guest(1), photo(9), START).unwrap_err(), Refusal::NotFound);
    let decision = calendar.delete(HOST, START).unwrap();
    let removed = decision.changes.writes.iter().filter(|write| matches!(write, Write::RemovePhoto(_))).count();
    assert_eq!((removed, decision.outcome.photos.len()), (2, 0));
    let full = with(|listing| listing.photos = vec![photo(1); MAX_PHOTOS]);
    assert_eq!(full.add_photo(HOST, photo(9), START).unwrap_err(), Refusal::InvalidState { state: "30_photos" });
}

#[test]
fn each_day_says_its_state_and_its_host_reads_why() {
    let mut calendar = with(|listing| {
        listing.terms.rules.preparation_days = 1;
        listing.terms.rules.advance_notice_days = 1;
        listing.terms.rules.booking_window_days = 20;
        listing.terms.rules.min_nights = 2;
    });
    let decision = calendar.hold(&ask(1, 5, 2), START).unwrap();
    commit(&mut calendar, decision);
    let decision = block_nights(&calendar, 100, 10, 1).unwrap();
    commit(&mut calendar, decision);
    let today = listing().today(START);
    let days = calendar.days(today, today.saturating_add(21), START);
    let letters: String = days
        .iter()
        .map(|day| match (day.state, day.reason) {
            (NightState::Free, None) => '.',
            (NightState::Held, Some(Reason::Hold(_))) => 'h',
            (NightState::Blocked, Some(Reason::Block(_))) => 'b',
            (NightState::Blocked, Some(Reason::Preparation)) => 'p',
            (NightState::Free, Some(Reason::TooSoon)) => '<',
            (NightState::Free, Some(Reason::TooLate)) => '>',
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(letters, "<...phhp..b.........>");
    let marks = |is_marked: fn(&Day<'_>) -> bool| days.iter().map(|day| if is_marked(day) { 'x' } else { '-' }).collect::<String>();
    assert_eq!(marks(|day| day.can_check_in), "-xx-----x--xxxxxxxx--");
    assert_eq!(marks(|day| day.can_check_out), "---xx-----x--xxxxxxxx");
}

#[test]
fn a_day_allows_what_some_hold_would_get() {
    use proptest::prelude::*;
    let strategy = (
        prop::collection::vec((0..40_i32, 1..4_i32, any::<bool>()), 0..6),
        (1..5_u16, 0..4_u16, 0..3_u16, 0..3_u16),
        (1..128_u8, 1..128_u8),
    );
    proptest!(ProptestConfig { cases: 60, ..ProptestConfig::default() }, |((claims, (min, extra, notice, preparation), (arrive, leave)) in strategy)| {
        let weekdays = |bits: u8| (0..7_usize).filter(|day| bits & (1 << day) != 0).map(|day| crate::domain::Weekday::ALL[day]).collect();
        let mut calendar = with(|listing| {
            let rules = &mut listing.terms.rules;
            (rules.min_nights, rules.max_nights) = (min, min + extra);
            (rules.advance_notice_days, rules.preparation_days, rules.booking_window_days) = (notice, preparation, 40);
        });
        for (number, (first, count, is_block)) in (1_u8..).zip(claims) {
            let changes = if is_block {
                block_nights(&calendar, number, first, count).map(|decision| decision.changes)
            } else {
                calendar.hold(&ask(number, first, count), START).map(|decision| decision.changes)
            };
            if let Ok(changes) = changes {
                calendar.apply(&changes);
            }
        }
        let decision = calendar.update(HOST, |mut listing| {
            (listing.terms.rules.check_in_days, listing.terms.rules.check_out_days) = (weekdays(arrive), weekdays(leave));
            Ok(listing)
        }, START).unwrap();
        commit(&mut calendar, decision);
        let today = listing().today(START);
        for day in calendar.days(today, today.saturating_add(45), START) {
            let offset = day.date.days_since(today);
            let held = |first: i32, count: i32| calendar.hold(&ask(200, first, count), START).is_ok();
            let begins = (1..10).any(|count| held(offset, count));
            let ends = (1..10).any(|count| held(offset - count, count));
            prop_assert_eq!((day.can_check_in, day.can_check_out), (begins, ends), "day {}", offset);
        }
    });
}
