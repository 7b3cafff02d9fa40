//! Reviews as clients see them.

use latchkey_protocol::view;

use crate::domain::booking::Party;
use crate::domain::review::{GuestRatings, Hidden, RatingSums, Ratings, StayRatings};
use crate::domain::{Review, ReviewState, Timestamp, UserId};

/// A review as `viewer`, or somebody unknown, sees it, who may see it: of which stay is its parties' alone, that it is hidden its author's.
#[must_use]
pub fn review(review: &Review, viewer: Option<UserId>) -> view::Review {
    let is_party = viewer == Some(review.guest) || viewer == Some(review.host);
    let hidden = review.hidden.filter(|_| viewer == Some(review.author()));
    view::Review { booking: Some(review.booking).filter(|_| is_party), hidden: hidden.map(hidden_review), ..everything(review) }
}

/// A published review as an admin sees it.
#[must_use]
pub fn moderated_review(review: &Review) -> view::Review {
    view::Review { booking: None, ..everything(review) }
}

fn everything(review: &Review) -> view::Review {
    let (state, sealed_until, published_at) = match review.state {
        // Nothing is stored of an open one.
        ReviewState::Open { until } | ReviewState::Sealed { until } => (view::ReviewState::Sealed, Some(until), None),
        ReviewState::Published { at } => (view::ReviewState::Published, None, Some(at)),
    };
    view::Review {
        id: review.id,
        property: review.property,
        booking: Some(review.booking),
        by: side(review.by()),
        guest: review.guest,
        host: review.host,
        state,
        ratings: ratings(review.ratings),
        text: review.text.clone(),
        reply: review.reply.as_ref().map(|reply| view::ReviewReply { text: reply.text.clone(), created_at: reply.at.epoch_ms() }),
        hidden: review.hidden.map(hidden_review),
        sealed_until: sealed_until.map(Timestamp::epoch_ms),
        published_at: published_at.map(Timestamp::epoch_ms),
        version: review.version,
        created_at: review.created_at.epoch_ms(),
    }
}

const fn hidden_review(hidden: Hidden) -> view::HiddenReview {
    view::HiddenReview { reason: hidden.reason, at: hidden.at.epoch_ms() }
}

/// A side of a booking.
pub(super) const fn side(party: Party) -> view::Side {
    match party {
        Party::Guest => view::Side::Guest,
        Party::Host => view::Side::Host,
    }
}

const fn ratings(ratings: Ratings) -> view::Ratings {
    match ratings {
        Ratings::Stay(StayRatings { overall, cleanliness, accuracy, check_in, communication, location, value }) => {
            view::Ratings::Stay { overall, cleanliness, accuracy, check_in, communication, location, value }
        }
        Ratings::Guest(GuestRatings { overall, cleanliness, communication, house_rules }) => {
            view::Ratings::Guest { overall, cleanliness, communication, house_rules }
        }
    }
}

/// The stars that a client gives; their ranges are the domain's business.
#[must_use]
pub const fn ratings_of(ratings: view::Ratings) -> Ratings {
    match ratings {
        view::Ratings::Stay { overall, cleanliness, accuracy, check_in, communication, location, value } => {
            Ratings::Stay(StayRatings { overall, cleanliness, accuracy, check_in, communication, location, value })
        }
        view::Ratings::Guest { overall, cleanliness, communication, house_rules } => {
            Ratings::Guest(GuestRatings { overall, cleanliness, communication, house_rules })
        }
    }
}

/// What a home's reviews come to.
pub(super) fn property_rating(sums: &RatingSums) -> Option<view::PropertyRating> {
    let [overall, cleanliness, accuracy, check_in, communication, location, value] = sums.averages_hundredths()?;
    Some(view::PropertyRating {
        overall_hundredths: overall,
        cleanliness_hundredths: cleanliness,
        accuracy_hundredths: accuracy,
        check_in_hundredths: check_in,
        communication_hundredths: communication,
        location_hundredths: location,
        value_hundredths: value,
    })
}
