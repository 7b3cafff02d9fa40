//! What follows from what, for whom; what somebody wants of it.

use super::*;
use crate::domain::PaymentId;
use crate::domain::event::ReviewNotice;
use crate::domain::money::Money;

const GUEST: UserId = UserId::from_bytes([1; 16]);
const HOST: UserId = UserId::from_bytes([2; 16]);
const BOOKING: BookingId = BookingId::from_bytes([3; 16]);
const NOW: Timestamp = Timestamp::from_epoch_ms(1_790_000_000_000);

fn payment() -> Payment {
    let amount = Money { minor: 100, currency: "EUR".parse().unwrap() };
    Payment { captured_minor: 100, refund_due_minor: 60, ..Payment::ask(PaymentId::from_bytes([4; 16]), BOOKING, amount, NOW) }
}

fn changed(state: BookingState) -> Event {
    Event::BookingChanged { booking: BOOKING, property: latchkey_protocol::PropertyId::from_bytes([5; 16]), state }
}

#[test]
fn each_side_is_notified_of_what_it_did_not_do_itself() {
    use NotificationKind::{
        AlterationEnded, AlterationProposed, BookingCancelled, BookingConfirmed, BookingDeclined, BookingExpired, BookingRequested,
        BookingWithdrawn, MessageReceived, NoShow, PaymentDisputed, PaymentFailed, RefundSent, ReviewPublished, ReviewReceived,
        ReviewReplied,
    };
    let proposed = |by, state| Event::AlterationProposed { booking: BOOKING, number: 1, by, state, expires_at: NOW };
    let ended = |by, end| Event::AlterationEnded { booking: BOOKING, number: 1, by, end };
    let property = latchkey_protocol::PropertyId::from_bytes([5; 16]);
    let reviewed = |change, by| {
        let review = latchkey_protocol::ReviewId::from_bytes([6; 16]);
        Event::ReviewChanged { change, notice: ReviewNotice { review, property, booking: Some(BOOKING), by, overall: 5, home: None } }
    };
    let accepted = AlterationState::AwaitingPayment { payment: PaymentId::from_bytes([4; 16]) };
    let in_state = |state| Event::PaymentUpdated(Payment { state, ..payment() });
    let refunded = |refunded_minor| Event::PaymentRefunded(Payment { refunded_minor, ..payment() });
    let rows = [
        (changed(BookingState::PendingPayment { expires_at: NOW }), None, None),
        (changed(BookingState::Confirmed { at: NOW }), Some(BookingConfirmed), Some(BookingConfirmed)),
        (changed(BookingState::Requested { expires_at: NOW }), None, Some(BookingRequested)),
        (changed(BookingState::CheckedIn { at: NOW }), None, None),
        (changed(BookingState::Completed { at: NOW }), None, None),
        (changed(BookingState::PaymentFailed { at: NOW }), Some(PaymentFailed), Some(PaymentFailed)),
        (changed(BookingState::Declined { at: NOW }), Some(BookingDeclined), None),
        (changed(BookingState::Withdrawn { at: NOW }), None, Some(BookingWithdrawn)),
        (changed(BookingState::NoShow { at: NOW }), Some(NoShow), None),
        (proposed(Party::Guest, AlterationState::Proposed), None, Some(AlterationProposed)),
        (proposed(Party::Host, AlterationState::Proposed), Some(AlterationProposed), None),
        (proposed(Party::Guest, accepted), Some(AlterationProposed), None),
        (proposed(Party::Host, accepted), None, None),
        (ended(Party::Guest, AlterationEnd::Applied), Some(AlterationEnded), None),
        (ended(Party::Guest, AlterationEnd::Declined), Some(AlterationEnded), None),
        (ended(Party::Guest, AlterationEnd::Expired), Some(AlterationEnded), None),
        (ended(Party::Guest, AlterationEnd::Withdrawn), None, Some(AlterationEnded)),
        (ended(Party::Host, AlterationEnd::Withdrawn), Some(AlterationEnded), None),
        (ended(Party::Host, AlterationEnd::DatesTaken), Some(AlterationEnded), Some(AlterationEnded)),
        (Event::PaymentDisputed(payment()), None, Some(PaymentDisputed)),
        (Event::ReviewSubmitted { booking: BOOKING, property, by: Party::Guest }, None, Some(ReviewReceived)),
        (Event::ReviewSubmitted { booking: BOOKING, property, by: Party::Host }, Some(ReviewReceived), None),
        (reviewed(ReviewChange::Published, Party::Guest), None, Some(ReviewPublished)),
        (reviewed(ReviewChange::Published, Party::Host), Some(ReviewPublished), None),
        (reviewed(ReviewChange::Replied, Party::Guest), Some(ReviewReplied), None),
        (reviewed(ReviewChange::Replied, Party::Host), None, Some(ReviewReplied)),
        (reviewed(ReviewChange::Hidden, Party::Guest), None, None),
        (reviewed(ReviewChange::Shown, Party::Guest), None, None),
        (changed(BookingState::Expired { at: NOW }), Some(BookingExpired), None),
        (changed(BookingState::CancelledByGuest { at: NOW }), None, Some(BookingCancelled)),
        (changed(BookingState::CancelledByHost { at: NOW }), Some(BookingCancelled), None),
        (in_state(PaymentState::RequiresPaymentMethod { declined: Some("no".to_owned()) }), Some(PaymentFailed), None),
        (in_state(PaymentState::RequiresPaymentMethod { declined: None }), None, None),
        (in_state(PaymentState::RequiresAction { client_secret: None }), None, None),
        (in_state(PaymentState::Processing), None, None),
        (Event::PaymentSucceeded(payment()), None, None),
        (refunded(0), None, None),
        (refunded(30), None, None),
        (refunded(60), Some(RefundSent), None),
        (Event::MessageSent { booking: BOOKING, message: 1, sender: GUEST }, None, Some(MessageReceived)),
        (Event::MessageSent { booking: BOOKING, message: 1, sender: HOST }, Some(MessageReceived), None),
        (Event::MessageRead { booking: BOOKING, reader: GUEST, up_to: 1 }, None, None),
    ];
    for (event, guest, host) in rows {
        let told = |user, party| follows(user, party, &event).map(|(kind, booking)| (kind, booking == BOOKING));
        assert_eq!(told(GUEST, Party::Guest), guest.map(|kind| (kind, true)), "guest: {event:?}");
        assert_eq!(told(HOST, Party::Host), host.map(|kind| (kind, true)), "host: {event:?}");
    }
}

#[test]
fn a_host_is_notified_when_money_has_been_sent_and_not_while_it_is_on_its_way() {
    let paid_out =
        |paid_minor, pending_minor| Event::PayoutChanged { booking: BOOKING, paid_minor, pending_minor, currency: "EUR".parse().unwrap() };
    for (event, host) in [
        (paid_out(0, 100), None),
        (paid_out(100, 0), Some(NotificationKind::PayoutSent)),
        (paid_out(0, 0), None),
        (paid_out(100, -50), None),
    ] {
        assert_eq!(follows(HOST, Party::Host, &event).map(|(kind, _)| kind), host, "{event:?}");
    }
}

#[test]
fn p3_a_notification_is_in_the_change_set_of_what_it_follows_from_and_has_an_id_of_its_own_and_of_its_time() {
    let mut changes = Changes::default();
    let mut ids = Vec::new();
    for (user, party, seq) in [(GUEST, Party::Guest, 1), (HOST, Party::Host, 1), (GUEST, Party::Guest, 2)] {
        let event = changed(BookingState::Confirmed { at: NOW });
        changes.events.push(TopicEvent { topic: Topic::Booking(BOOKING), seq: Some(seq), at: NOW, event });
        ids.extend(changes.append_to_inbox(user, party, NOW, changed(BookingState::Confirmed { at: NOW })));
    }
    assert_eq!(changes.append_to_inbox(HOST, Party::Host, NOW, changed(BookingState::Expired { at: NOW })), None);
    assert_eq!((ids.len(), changes.writes.len(), changes.events.len()), (3, 3, 10));
    let created = changes.events.iter().filter_map(|event| match event.event {
        Event::NotificationCreated { notification, .. } => Some((event.topic, event.seq, notification)),
        _ => None,
    });
    let inboxes = [GUEST, HOST, GUEST].map(Topic::User);
    let expected: Vec<_> = inboxes.into_iter().zip(ids.clone()).map(|(topic, id)| (topic, None, id)).collect();
    assert_eq!(created.collect::<Vec<_>>(), expected);
    let later = Changes::default().append_to_inbox(GUEST, Party::Guest, NOW.plus_ms(1), changed(BookingState::Confirmed { at: NOW }));
    assert!(ids.iter().all(|id| *id < later.unwrap()), "later ones have greater ids");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    assert_eq!(ids[0].as_bytes()[6] >> 4, 7, "UUIDv7");
}

#[test]
fn who_never_chose_has_a_notification_of_everything_and_a_mail_of_what_they_should_not_miss() {
    for kind in NotificationKind::ALL {
        let channels = Preferences::unchosen(GUEST).channels(*kind);
        assert!(channels.in_app, "{kind:?}");
        let is_missed =
            matches!(kind, NotificationKind::BookingExpired | NotificationKind::BookingWithdrawn | NotificationKind::ReviewReplied);
        assert_eq!(channels.email, !is_missed, "{kind:?}");
    }
}

#[test]
fn a_choice_replaces_the_one_before_as_a_whole_and_names_each_kind_once() {
    let muted = Channels { in_app: false, email: false };
    let chosen = Preferences::unchosen(GUEST).choose([(NotificationKind::RefundSent, muted)]).unwrap();
    assert_eq!((chosen.version, chosen.channels(NotificationKind::RefundSent)), (1, muted));
    assert!(matches!(chosen.write(), Write::Notification(NotificationWrite::AddPreferences(_))));
    let again = chosen.choose([(NotificationKind::BookingExpired, muted)]).unwrap();
    assert_eq!((again.version, again.channels(NotificationKind::RefundSent)), (2, default_channels(NotificationKind::RefundSent)));
    assert!(matches!(again.write(), Write::Notification(NotificationWrite::SetPreferences(_))));
    let twice = again.choose([(NotificationKind::RefundSent, muted), (NotificationKind::RefundSent, muted)]);
    assert!(matches!(twice, Err(Refusal::Invalid { field: "items", .. })));
}
