//! Reviews on the home they are about: what is told when, and that what they come to is exact after any history.

use std::collections::BTreeMap;

use latchkey_protocol::{ModerationReason, ReviewId};
use proptest::prelude::*;

use super::*;
use crate::domain::booking::Party;
use crate::domain::event::ReviewChange;
use crate::domain::job::{Job, JobKind};
use crate::domain::review::{BookingReviews, GuestRatings, RatingSums, Ratings, Review, ReviewState, StayRatings, WRITING_MS};

/// What the database would hold besides the home.
struct World {
    calendar: Calendar,
    stored: BTreeMap<ClaimId, Reviewed>,
    jobs: BTreeMap<ClaimId, Timestamp>,
}

impl World {
    /// With completed stays of guests 1 to `stays`.
    fn of(stays: u8) -> Self {
        let ended = (1..=stays).map(|number| {
            let mut deal = booked(&mut calendar(), number);
            deal.booking.state = BookingState::Completed { at: START };
            (deal.booking.id, Reviewed { ended: Some(deal), ..Reviewed::default() })
        });
        Self { calendar: calendar(), stored: ended.collect(), jobs: BTreeMap::new() }
    }

    fn reviewed(&self, number: u8) -> Reviewed {
        self.stored[&claim_no(number)].clone()
    }

    fn submit(&mut self, number: u8, side: Party, stars: u8, now: Timestamp) -> Result<Vec<TopicEvent>, Refusal> {
        let decision = self.calendar.submit_review(claim_no(number), self.reviewed(number), &by(number, side, stars), now)?;
        Ok(self.keep(decision))
    }

    fn publish(&mut self, number: u8, now: Timestamp) -> Vec<TopicEvent> {
        let decision = self.calendar.publish_reviews(claim_no(number), self.reviewed(number), now).unwrap();
        self.keep(decision)
    }

    fn moderate(&mut self, number: u8, side: Party, hide: bool) -> Result<Vec<TopicEvent>, Refusal> {
        let (reviewed, id) = (self.reviewed(number), review_no(number, side));
        let decision = if hide {
            self.calendar.hide_review(reviewed, id, ModerationReason::Fake, START)?
        } else {
            self.calendar.show_review(reviewed, id, START)?
        };
        Ok(self.keep(decision))
    }

    fn review(&self, number: u8, side: Party) -> Option<&Review> {
        self.stored[&claim_no(number)].reviews.of(side)
    }

    /// Stores a decision as the database would: what is inserted must be new, what is replaced must be there, events follow each other.
    fn keep<T>(&mut self, decision: Decision<T>) -> Vec<TopicEvent> {
        let changes = decision.changes;
        let mut property_seq = self.calendar.seq();
        for write in &changes.writes {
            match write {
                Write::AddReview(review) | Write::SetReview(review) => {
                    let reviews = &mut self.stored.get_mut(&review.booking).unwrap().reviews;
                    assert_eq!(reviews.of(review.by()).is_none(), matches!(write, Write::AddReview(_)));
                    reviews.put(review.clone());
                }
                Write::SetBooking(booking) => {
                    let ended = self.stored.get_mut(&booking.id).unwrap().ended.as_mut().unwrap();
                    let topic = Topic::Booking(booking.id);
                    let seqs: Vec<_> = changes.events.iter().filter(|event| event.topic == topic).filter_map(|event| event.seq).collect();
                    assert_eq!(seqs, (ended.booking.seq + 1..=booking.seq).collect::<Vec<_>>(), "each change of a review is guarded");
                    assert!(!seqs.is_empty());
                    ended.booking = booking.clone();
                }
                Write::AddJob(Job { kind: JobKind::PublishReviews { booking }, state, .. }) => {
                    self.jobs.insert(*booking, state.due_at().unwrap());
                }
                Write::EndJob(id) => {
                    self.jobs.retain(|booking, _| Job::publish_reviews(*booking, START).id != *id);
                }
                Write::SetListing(listing) => assert_eq!(listing.version, self.calendar.listing().version + 1),
                // Beside the events that they follow from, as for every inbox.
                Write::Notification(_) => {}
                other => panic!("{other:?}"),
            }
        }
        for event in changes.events.iter().filter(|event| matches!(event.topic, Topic::Property(_))) {
            property_seq += 1;
            assert_eq!(event.seq, Some(property_seq));
        }
        self.calendar.apply(&changes);
        assert_eq!(self.calendar.seq(), property_seq);
        changes.events
    }

    /// What the home's reviews come to, added up from all of them.
    fn recomputed(&self) -> RatingSums {
        let all = self.stored.values().flat_map(|reviewed| reviewed.reviews.iter()).filter(|review| review.counts());
        all.fold(RatingSums::NONE, |sums, review| match &review.ratings {
            Ratings::Stay(stars) => sums.plus(stars),
            Ratings::Guest(_) => sums,
        })
    }
}

fn review_no(number: u8, side: Party) -> ReviewId {
    ReviewId::from_bytes([number, u8::from(side == Party::Host), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
}

fn by(number: u8, side: Party, stars: u8) -> SubmitReview {
    let other = stars % 5 + 1;
    let (author, ratings) = match side {
        Party::Guest => {
            let rest =
                StayRatings { overall: stars, cleanliness: other, accuracy: 1, check_in: 2, communication: 3, location: 4, value: 5 };
            (guest(number), Ratings::Stay(rest))
        }
        Party::Host => (HOST, Ratings::Guest(GuestRatings { overall: stars, cleanliness: other, communication: 1, house_rules: 5 })),
    };
    SubmitReview { review: review_no(number, side), author, ratings, text: "As it was.".to_owned() }
}

/// Where each event goes, and what it says of reviews; what is notified besides is `domain::notification`'s.
fn told(events: &[TopicEvent]) -> Vec<(&'static str, &'static str)> {
    let is_of_reviews = |event: &&TopicEvent| !matches!(event.event, Event::NotificationCreated { .. });
    let events: Vec<TopicEvent> = events.iter().filter(is_of_reviews).cloned().collect();
    let places = kinds(&events).into_iter().map(|(place, _)| place);
    let words = events.iter().map(|event| match &event.event {
        Event::ReviewSubmitted { .. } => "submitted",
        Event::ReviewChanged { change: ReviewChange::Published, .. } => "published",
        Event::ReviewChanged { change: ReviewChange::Replied, .. } => "replied",
        Event::ReviewChanged { change: ReviewChange::Hidden, .. } => "hidden",
        Event::ReviewChanged { change: ReviewChange::Shown, .. } => "shown",
        Event::BookingUpdated { .. } => "updated",
        other => panic!("{other:?}"),
    });
    places.zip(words).collect()
}

#[test]
fn the_first_review_is_told_without_a_word_of_it_and_counts_for_nothing() {
    let mut world = World::of(1);
    let events = world.submit(1, Party::Guest, 5, START).unwrap();
    assert_eq!(told(&events), [("booking", "submitted"), ("host", "submitted")]);
    assert_eq!(world.calendar.listing().ratings, RatingSums::NONE);
    assert_eq!(world.review(1, Party::Guest).unwrap().state, ReviewState::Sealed { until: START.plus_ms(WRITING_MS) });
    assert_eq!(world.jobs, BTreeMap::from([(claim_no(1), START.plus_ms(WRITING_MS))]));
}

#[test]
fn the_second_review_publishes_both_in_one_change_set_and_ends_the_job() {
    let mut world = World::of(1);
    world.submit(1, Party::Guest, 4, START).unwrap();
    let events = world.submit(1, Party::Host, 5, START.plus_ms(1)).unwrap();
    let published = ["property", "booking", "guest", "host", "booking", "guest", "host"].map(|place| (place, "published"));
    assert_eq!(told(&events)[..2], [("booking", "submitted"), ("guest", "submitted")]);
    assert_eq!(told(&events)[2..], published);
    let at = START.plus_ms(1);
    for side in [Party::Guest, Party::Host] {
        assert_eq!(world.review(1, side).unwrap().state, ReviewState::Published { at });
    }
    assert_eq!(world.calendar.listing().ratings.overall_hundredths(), Some(400), "a host's stars are not the home's");
    assert!(world.jobs.is_empty());
    for event in &events {
        let Event::ReviewChanged { notice, .. } = &event.event else { continue };
        let is_public = matches!(event.topic, Topic::Property(_));
        assert_eq!((notice.booking.is_none(), notice.home.is_some()), (is_public, is_public));
    }
}

#[test]
fn of_each_review_the_other_side_is_notified_when_it_is_sealed_and_when_it_can_be_read() {
    use latchkey_protocol::NotificationKind::{ReviewPublished, ReviewReceived};
    let mut world = World::of(1);
    let notified = |events: &[TopicEvent]| {
        let of = |event: &TopicEvent| match (event.topic, &event.event) {
            (Topic::User(user), Event::NotificationCreated { kind, .. }) => Some((user == HOST, *kind)),
            _ => None,
        };
        events.iter().filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(notified(&world.submit(1, Party::Guest, 4, START).unwrap()), [(true, ReviewReceived)]);
    let second = notified(&world.submit(1, Party::Host, 5, START.plus_ms(1)).unwrap());
    assert_eq!(second, [(true, ReviewPublished), (false, ReviewPublished)], "once each: nothing is sealed any more");
}

#[test]
fn when_the_time_is_over_what_is_there_is_published_and_nothing_more_is_taken() {
    let until = START.plus_ms(WRITING_MS);
    for (side, count) in [(Party::Guest, 1), (Party::Host, 0)] {
        let mut world = World::of(1);
        world.submit(1, side, 3, until.plus_ms(-1)).unwrap();
        let early = world.calendar.publish_reviews(claim_no(1), world.reviewed(1), until.plus_ms(-1)).unwrap();
        assert_eq!((early.outcome, early.changes.is_empty()), (Some(until), true), "a job that runs too early waits");
        let other = if side == Party::Guest { Party::Host } else { Party::Guest };
        assert_eq!(world.submit(1, other, 3, until).unwrap_err(), Refusal::Expired { expires_at: until }, "also before the job has run");
        assert!(!world.publish(1, until).is_empty());
        assert_eq!(world.calendar.listing().ratings.count, count);
        assert!(world.publish(1, until.plus_ms(1)).is_empty(), "twice is harmless");
        assert_eq!(world.submit(1, other, 3, until.plus_ms(2)).unwrap_err(), Refusal::Expired { expires_at: until });
    }
}

#[test]
fn only_the_parties_of_a_completed_stay_in_somebody_elses_home_review_it_once() {
    let mut world = World::of(1);
    world.submit(1, Party::Guest, 5, START).unwrap();
    assert_eq!(world.submit(1, Party::Guest, 1, START).unwrap_err(), Refusal::InvalidState { state: "sealed" });
    let refuse = |reviewed: Reviewed, ask: &SubmitReview| world.calendar.submit_review(claim_no(1), reviewed, ask, START).unwrap_err();
    let stranger = SubmitReview { author: guest(5), ..by(1, Party::Guest, 5) };
    assert_eq!(refuse(world.reviewed(1), &stranger), Refusal::NotFound);
    assert_eq!(refuse(Reviewed::default(), &by(1, Party::Guest, 5)), Refusal::NotFound);
    let host_as_guest = SubmitReview { author: HOST, ..by(1, Party::Guest, 5) };
    assert!(matches!(refuse(world.reviewed(1), &host_as_guest), Refusal::Invalid { field: "ratings", .. }));
    let mut own = Reviewed { reviews: BookingReviews::default(), ..world.reviewed(1) };
    own.ended.as_mut().unwrap().booking.guest = HOST;
    let praise = SubmitReview { author: HOST, ..by(1, Party::Guest, 5) };
    assert_eq!(refuse(own, &praise), Refusal::InvalidState { state: "own_home" });
    for state in [BookingState::CancelledByGuest { at: START }, BookingState::NoShow { at: START }] {
        let mut unstayed = Reviewed { reviews: BookingReviews::default(), ..world.reviewed(1) };
        unstayed.ended.as_mut().unwrap().booking.state = state;
        assert_eq!(refuse(unstayed, &by(1, Party::Guest, 5)), Refusal::InvalidState { state: state.name() });
    }
}

#[test]
fn a_sealed_review_is_written_anew_by_its_author_who_has_read_its_newest_version() {
    let mut world = World::of(1);
    world.submit(1, Party::Guest, 1, START).unwrap();
    let again = by(1, Party::Guest, 5);
    let revise = |world: &World, ask: &SubmitReview, is_expected: bool| {
        world.calendar.revise_review(&world.reviewed(1), ask, |_| is_expected, START.plus_ms(1))
    };
    assert_eq!(revise(&world, &SubmitReview { author: HOST, ..again.clone() }, true).unwrap_err(), Refusal::NotFound);
    assert_eq!(revise(&world, &again, false).unwrap_err(), Refusal::Stale { version: 1 });
    let decision = revise(&world, &again, true).unwrap();
    assert_eq!(told(&world.keep(decision)), [("guest", "submitted")], "the other side sees nothing move");
    let review = world.review(1, Party::Guest).unwrap();
    assert_eq!((review.ratings.overall(), review.version), (5, 2));
    world.submit(1, Party::Host, 5, START.plus_ms(2)).unwrap();
    assert_eq!(world.calendar.listing().ratings.overall_hundredths(), Some(500), "what counts is the last word");
    assert_eq!(revise(&world, &again, true).unwrap_err(), Refusal::InvalidState { state: "published" });
}

#[test]
fn a_reply_a_moderation_and_an_erasure_are_told_to_whom_they_concern() {
    let mut world = World::of(1);
    world.submit(1, Party::Guest, 2, START).unwrap();
    world.submit(1, Party::Host, 5, START).unwrap();
    let reply = world.calendar.reply_to_review(world.reviewed(1), review_no(1, Party::Guest), HOST, "Sorry!", START).unwrap();
    assert_eq!(told(&world.keep(reply)), ["booking", "guest", "host"].map(|place| (place, "replied")));
    let events = world.moderate(1, Party::Guest, true).unwrap();
    assert_eq!(told(&events), ["property", "booking", "guest", "host"].map(|place| (place, "hidden")));
    assert_eq!(world.calendar.listing().ratings, RatingSums::NONE);
    let events = world.moderate(1, Party::Guest, false).unwrap();
    assert_eq!(told(&events), ["property", "booking", "guest", "host"].map(|place| (place, "shown")));
    let events = world.moderate(1, Party::Host, true).unwrap();
    assert_eq!(told(&events), ["booking", "guest", "host"].map(|place| (place, "hidden")), "a home does not care");
    let forget = |world: &World| world.calendar.forget_words(claim_no(1), world.reviewed(1), HOST, START).unwrap();
    let forgotten = forget(&world);
    assert_eq!(told(&world.keep(forgotten)), [("booking", "updated")]);
    assert_eq!(world.review(1, Party::Guest).unwrap().reply.as_ref().unwrap().text, "");
    assert_eq!((world.review(1, Party::Host).unwrap().text.as_str(), world.review(1, Party::Guest).unwrap().text.len()), ("", 10));
    assert!(forget(&world).changes.is_empty(), "twice is harmless");
}

/// One step of a random history of four stays.
#[derive(Debug, Clone)]
enum Act {
    Submit(u8, Party, u8),
    Revise(u8, Party, u8),
    Publish(u8),
    Moderate(u8, Party, bool),
    Forget(u8),
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    let side = || prop_oneof![Just(Party::Guest), Just(Party::Host)];
    prop_oneof![
        5 => (1..5_u8, side(), 1..6_u8).prop_map(|(number, side, stars)| Act::Submit(number, side, stars)),
        2 => (1..5_u8, side(), 1..6_u8).prop_map(|(number, side, stars)| Act::Revise(number, side, stars)),
        2 => (1..5_u8).prop_map(Act::Publish),
        5 => (1..5_u8, side(), any::<bool>()).prop_map(|(number, side, hide)| Act::Moderate(number, side, hide)),
        1 => (1..5_u8).prop_map(Act::Forget),
        1 => (0..WRITING_MS).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn what_a_homes_reviews_come_to_is_their_sum_after_any_history(acts in prop::collection::vec(act(), 1..60)) {
        let (mut world, mut now) = (World::of(4), START);
        for act in acts {
            match act {
                Act::Submit(number, side, stars) => drop(world.submit(number, side, stars, now)),
                Act::Revise(number, side, stars) => {
                    let ask = by(number, side, stars);
                    if let Ok(decision) = world.calendar.revise_review(&world.reviewed(number), &ask, |_| true, now) {
                        world.keep(decision);
                    }
                }
                Act::Publish(number) => drop(world.publish(number, now)),
                Act::Moderate(number, side, hide) => drop(world.moderate(number, side, hide)),
                Act::Forget(number) => {
                    let decision = world.calendar.forget_words(claim_no(number), world.reviewed(number), guest(number), now).unwrap();
                    world.keep(decision);
                }
                Act::Wait(ms) => now = now.plus_ms(ms),
            }
            prop_assert_eq!(world.calendar.listing().ratings, world.recomputed());
            for (booking, reviewed) in &world.stored {
                let sealed = reviewed.reviews.iter().filter(|review| matches!(review.state, ReviewState::Sealed { .. })).count();
                prop_assert!(sealed < 2, "two sealed reviews publish each other");
                prop_assert!(sealed == 0 || world.jobs.contains_key(booking), "what is sealed will be published");
            }
        }
    }
}
