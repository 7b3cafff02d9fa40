//! Both sides review a completed stay. Decided under the home's claim, since what its reviews come to is kept on the home; a review that is replaced
//! is guarded by its version. Every change also appends to `booking:{id}`, but the rewriting of what is sealed, which the other side must
//! not notice.

use latchkey_protocol::{BookingId, ModerationReason, ReviewId, Topic, UserId};

use super::Calendar;
use super::draft::Draft;
use crate::domain::booking::{Booking, Deal, Party};
use crate::domain::change::{Decision, TopicEvent, Write};
use crate::domain::error::Refusal;
use crate::domain::event::{Event, HomeRating, ReviewChange, ReviewNotice};
use crate::domain::job::Job;
use crate::domain::listing::Listing;
use crate::domain::review::{BookingReviews, RatingSums, Ratings, Review, ReviewState};
use crate::domain::thread::other;
use crate::domain::time::Timestamp;

/// What one side writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmitReview {
    /// The review's id to be.
    pub review: ReviewId,
    /// Who writes.
    pub author: UserId,
    /// Their stars.
    pub ratings: Ratings,
    /// Their words.
    pub text: String,
}

/// What a change of a review is decided on besides the calendar: its booking as stored, if it is not live, and what is written about it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reviewed {
    /// As stored, if the stay is over.
    pub ended: Option<Deal>,
    /// By both sides.
    pub reviews: BookingReviews,
}

impl Calendar {
    /// One side writes its review, once. If the other one has written too, both are published; otherwise a job will, when the time is over.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given, or the author no party of it; `InvalidState` unless it is completed, if the
    /// author has written already, and for hosts who stayed in their own home; `Invalid`; `Expired`.
    pub fn submit_review(
        &self,
        booking: BookingId,
        reviewed: Reviewed,
        ask: &SubmitReview,
        now: Timestamp,
    ) -> Result<Decision<Review>, Refusal> {
        let Reviewed { ended, mut reviews } = reviewed;
        let mut booking = self.any_deal(booking, ended)?.booking;
        let side = booking.require_party(ask.author)?;
        if booking.guest == booking.host {
            return Err(Refusal::InvalidState { state: "own_home" });
        }
        ask.ratings.validate_by(side)?;
        let state = reviews.of(side).map_or_else(|| ReviewState::open(booking.state), |review| Ok(review.state))?;
        let review = Review::submit(ask.review, &booking, state, ask.ratings, &ask.text, now)?;
        reviews.put(review.clone());
        let mut draft = Draft::new(self, now);
        draft.tell_submitted(&mut booking, &review, reviews.are_both_in());
        if reviews.are_both_in() {
            draft.write(Write::EndJob(Job::publish_reviews(booking.id, now).id));
            // The other one is stored already, this one is not.
            for sealed in reviews.iter() {
                let published = draft.publish(&mut booking, sealed, true)?;
                draft.write(if sealed.id == review.id { Write::AddReview(published) } else { Write::SetReview(published) });
            }
        } else {
            if let ReviewState::Sealed { until } = review.state {
                draft.write(Write::AddJob(Job::publish_reviews(booking.id, now).delayed_until(until)));
            }
            draft.write(Write::AddReview(review.clone()));
        }
        draft.write(Write::SetBooking(booking));
        Ok(draft.decide(review))
    }

    /// Writes a sealed review anew. That is news for its author's other devices alone.
    ///
    /// # Errors
    /// `NotFound` for anybody but its author; `Stale` if `is_expected` does not know its version; as [`Review::revise`].
    pub fn revise_review(
        &self,
        reviewed: &Reviewed,
        ask: &SubmitReview,
        is_expected: impl FnOnce(i64) -> bool,
        now: Timestamp,
    ) -> Result<Decision<Review>, Refusal> {
        let known = reviewed.reviews.find(ask.review).filter(|review| review.author() == ask.author).ok_or(Refusal::NotFound)?.clone();
        let version = known.version;
        let revised = known.revise(ask.ratings, &ask.text, now)?;
        if !is_expected(version) {
            return Err(Refusal::Stale { version });
        }
        let mut draft = Draft::new(self, now);
        let event = Event::ReviewSubmitted { booking: revised.booking, property: revised.property, by: revised.by() };
        draft.changes.append_quietly(revised.author(), now, event);
        draft.write(Write::SetReview(revised.clone()));
        Ok(draft.decide(revised))
    }

    /// Publishes what is sealed and whose time is over; the outcome is when that is, if it is still to come. Doing it twice is harmless.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn publish_reviews(&self, booking: BookingId, reviewed: Reviewed, now: Timestamp) -> Result<Decision<Option<Timestamp>>, Refusal> {
        let Reviewed { ended, reviews } = reviewed;
        let mut booking = self.any_deal(booking, ended)?.booking;
        let mut draft = Draft::new(self, now);
        for review in reviews.iter() {
            match review.state {
                ReviewState::Sealed { until } if now < until => return Ok(draft.decide(Some(until))),
                ReviewState::Sealed { .. } => {
                    let published = draft.publish(&mut booking, review, reviews.are_both_in())?;
                    draft.write(Write::SetReview(published));
                }
                ReviewState::Open { .. } | ReviewState::Published { .. } => {}
            }
        }
        if !draft.changes.is_empty() {
            draft.write(Write::SetBooking(booking));
        }
        Ok(draft.decide(None))
    }

    /// Whom a published review is about answers it, once.
    ///
    /// # Errors
    /// `NotFound` if it is not there for `by`; as [`Review::answer`].
    pub fn reply_to_review(
        &self,
        reviewed: Reviewed,
        review: ReviewId,
        by: UserId,
        text: &str,
        now: Timestamp,
    ) -> Result<Decision<Review>, Refusal> {
        let known = reviewed.reviews.find(review).ok_or(Refusal::NotFound)?.clone();
        let answered = known.answer(by, text, now)?;
        let mut booking = self.any_deal(answered.booking, reviewed.ended)?.booking;
        let mut draft = Draft::new(self, now);
        draft.tell_review(&mut booking, &answered, ReviewChange::Replied);
        Ok(draft.set_review(booking, answered))
    }

    /// Hides a published review: it counts no more. Who may is decided by the caller of this.
    ///
    /// # Errors
    /// `NotFound`; as [`Review::hide`].
    pub fn hide_review(
        &self,
        reviewed: Reviewed,
        review: ReviewId,
        reason: ModerationReason,
        now: Timestamp,
    ) -> Result<Decision<Review>, Refusal> {
        let hidden = reviewed.reviews.find(review).ok_or(Refusal::NotFound)?.clone().hide(reason, now)?;
        self.moderate(reviewed, hidden, ReviewChange::Hidden, now)
    }

    /// Shows a hidden review again: it counts again. Who may is decided by the caller of this.
    ///
    /// # Errors
    /// `NotFound`; as [`Review::show`].
    pub fn show_review(&self, reviewed: Reviewed, review: ReviewId, now: Timestamp) -> Result<Decision<Review>, Refusal> {
        let shown = reviewed.reviews.find(review).ok_or(Refusal::NotFound)?.clone().show()?;
        self.moderate(reviewed, shown, ReviewChange::Shown, now)
    }

    /// Takes away what a user who was erased has written about a stay; stars stay. Doing it twice is harmless.
    ///
    /// # Errors
    /// `NotFound` if the booking is neither live nor given.
    pub fn forget_words(&self, booking: BookingId, reviewed: Reviewed, user: UserId, now: Timestamp) -> Result<Decision<()>, Refusal> {
        let mut booking = self.any_deal(booking, reviewed.ended)?.booking;
        let mut draft = Draft::new(self, now);
        for wordless in reviewed.reviews.iter().filter_map(|review| review.clone().without_words_of(user)) {
            draft.write(Write::SetReview(wordless));
        }
        if !draft.changes.is_empty() {
            draft.tell_updated(&mut booking);
            draft.write(Write::SetBooking(booking));
        }
        Ok(draft.decide(()))
    }

    fn moderate(&self, reviewed: Reviewed, review: Review, change: ReviewChange, now: Timestamp) -> Result<Decision<Review>, Refusal> {
        let mut booking = self.any_deal(review.booking, reviewed.ended)?.booking;
        let mut draft = Draft::new(self, now);
        draft.recount(&review, change);
        draft.tell_review(&mut booking, &review, change);
        Ok(draft.set_review(booking, review))
    }
}

impl Draft<'_> {
    /// Shows a sealed review to everybody, and counts it; the caller writes it.
    fn publish(&mut self, booking: &mut Booking, sealed: &Review, both_are_in: bool) -> Result<Review, Refusal> {
        let published = sealed.clone().publish(both_are_in, self.now)?;
        self.recount(&published, ReviewChange::Published);
        self.tell_review(booking, &published, ReviewChange::Published);
        Ok(published)
    }

    /// Writes a review that is stored already.
    fn set_review(mut self, booking: Booking, review: Review) -> Decision<Review> {
        self.write(Write::SetReview(review.clone()));
        self.write(Write::SetBooking(booking));
        self.decide(review)
    }

    /// Brings what the home's reviews come to up to date, and tells everybody who looks at it. Only guests' reviews are about it.
    fn recount(&mut self, review: &Review, change: ReviewChange) {
        let Ratings::Stay(stars) = &review.ratings else { return };
        let before = self.calendar.listing.ratings;
        let ratings: RatingSums = if review.counts() { before.plus(stars) } else { before.minus(stars) };
        let listing = Listing { version: self.calendar.listing.version + 1, ratings, ..self.calendar.listing.clone() };
        let home = HomeRating { version: listing.version, review_count: ratings.count, rating_hundredths: ratings.overall_hundredths() };
        self.append(Event::ReviewChanged { change, notice: ReviewNotice { home: Some(home), ..notice(review) } });
        self.write(Write::SetListing(Box::new(listing)));
    }

    /// Tells the two parties what became of a review that others see, or saw.
    fn tell_review(&mut self, booking: &mut Booking, review: &Review, change: ReviewChange) {
        let notice = ReviewNotice { booking: Some(review.booking), ..notice(review) };
        self.tell_parties(booking, &Event::ReviewChanged { change, notice });
    }

    /// Tells the booking's topic and the other side that there is a review, and nothing of it. If both are in, the other side can read it: that is
    /// what they are notified of.
    fn tell_submitted(&mut self, booking: &mut Booking, review: &Review, both_are_in: bool) {
        let event = Event::ReviewSubmitted { booking: booking.id, property: booking.property, by: review.by() };
        booking.seq += 1;
        let topic = Topic::Booking(booking.id);
        self.changes.events.push(TopicEvent { topic, seq: Some(booking.seq), at: self.now, event: event.clone() });
        if both_are_in {
            self.changes.append_quietly(review.subject(), self.now, event);
        } else {
            self.notify(review.subject(), other(review.by()), event);
        }
    }
}

/// What is told of a review everywhere.
const fn notice(review: &Review) -> ReviewNotice {
    let (by, overall): (Party, u8) = (review.by(), review.ratings.overall());
    ReviewNotice { review: review.id, property: review.property, booking: None, by, overall, home: None }
}
