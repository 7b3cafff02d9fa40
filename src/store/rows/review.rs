//! Reviews, and what a home's come to.

use surrealdb::types::{RecordId, SurrealValue, Uuid};

use super::{StoredId, array_record, narrow, unknown};
use crate::domain::booking::Party;
use crate::domain::review::{GuestRatings, Hidden, RatingSums, Ratings, Reply, StayRatings};
use crate::domain::{BookingId, Review, ReviewState, Timestamp};
use crate::store::error::StoreError;

/// `review:[booking, side]`.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct ReviewRow {
    id: RecordId,
    uid: Uuid,
    booking: Uuid,
    by: String,
    property: Uuid,
    guest: Uuid,
    host: Uuid,
    rating: i64,
    ratings: Vec<i64>,
    text: String,
    state: String,
    at: i64,
    reply: Option<ReplyRow>,
    hidden: Option<HiddenRow>,
    version: i64,
    created_at: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct ReplyRow {
    text: String,
    at: i64,
}

#[derive(Debug, Clone, SurrealValue)]
struct HiddenRow {
    reason: String,
    at: i64,
}

/// What a home's reviews add up to, within its record.
#[derive(Debug, Clone, SurrealValue)]
pub(in crate::store) struct RatingSumsRow {
    count: i64,
    stars: Vec<i64>,
}

/// A side of a booking, as a part of ids.
const fn side(party: Party) -> &'static str {
    match party {
        Party::Guest => "guest",
        Party::Host => "host",
    }
}

/// `review:[booking, side]`.
pub(in crate::store) fn review_record(booking: BookingId, by: Party) -> RecordId {
    array_record("review", [booking.to_uuid().into_value(), side(by).into_value()])
}

impl From<&Review> for ReviewRow {
    fn from(review: &Review) -> Self {
        let stars = |named: &[(&str, u8)]| named.iter().map(|(_, stars)| i64::from(*stars)).collect();
        Self {
            id: review_record(review.booking, review.by()),
            uid: review.id.to_uuid(),
            booking: review.booking.to_uuid(),
            by: side(review.by()).to_owned(),
            property: review.property.to_uuid(),
            guest: review.guest.to_uuid(),
            host: review.host.to_uuid(),
            rating: i64::from(review.ratings.overall()),
            ratings: match &review.ratings {
                Ratings::Stay(stay) => stars(&stay.named()),
                Ratings::Guest(guest) => stars(&guest.named()),
            },
            text: review.text.clone(),
            state: review.state.name().to_owned(),
            at: match review.state {
                ReviewState::Open { until: at } | ReviewState::Sealed { until: at } | ReviewState::Published { at } => at.epoch_ms(),
            },
            reply: review.reply.as_ref().map(|reply| ReplyRow { text: reply.text.clone(), at: reply.at.epoch_ms() }),
            hidden: review.hidden.map(|hidden| HiddenRow { reason: hidden.reason.as_str().to_owned(), at: hidden.at.epoch_ms() }),
            version: review.version,
            created_at: review.created_at.epoch_ms(),
        }
    }
}

impl TryFrom<ReviewRow> for Review {
    type Error = StoreError;

    fn try_from(row: ReviewRow) -> Result<Self, StoreError> {
        let at = Timestamp::from_epoch_ms(row.at);
        let state = match row.state.as_str() {
            "sealed" => ReviewState::Sealed { until: at },
            "published" => ReviewState::Published { at },
            word => return Err(unknown("review.state", word)),
        };
        let hidden = row.hidden.map(|hidden| {
            let reason = hidden.reason.parse().map_err(|_| unknown("review.hidden.reason", &hidden.reason))?;
            Ok::<_, StoreError>(Hidden { reason, at: Timestamp::from_epoch_ms(hidden.at) })
        });
        Ok(Self {
            id: StoredId::from_uuid(row.uid),
            booking: StoredId::from_uuid(row.booking),
            property: StoredId::from_uuid(row.property),
            guest: StoredId::from_uuid(row.guest),
            host: StoredId::from_uuid(row.host),
            ratings: ratings(&row.by, &row.ratings)?,
            text: row.text,
            state,
            reply: row.reply.map(|reply| Reply { text: reply.text, at: Timestamp::from_epoch_ms(reply.at) }),
            hidden: hidden.transpose()?,
            version: row.version,
            created_at: Timestamp::from_epoch_ms(row.created_at),
        })
    }
}

/// Stars in the order in which their side names them.
fn ratings(by: &str, stored: &[i64]) -> Result<Ratings, StoreError> {
    let stars: Vec<u8> = stored.iter().map(|stars| narrow(*stars, "review.ratings")).collect::<Result<_, _>>()?;
    match (by, stars.as_slice()) {
        ("guest", &[overall, cleanliness, accuracy, check_in, communication, location, value]) => {
            Ok(Ratings::Stay(StayRatings { overall, cleanliness, accuracy, check_in, communication, location, value }))
        }
        ("host", &[overall, cleanliness, communication, house_rules]) => {
            Ok(Ratings::Guest(GuestRatings { overall, cleanliness, communication, house_rules }))
        }
        (by, _) => Err(unknown("review.ratings of", by)),
    }
}

impl From<RatingSums> for RatingSumsRow {
    fn from(sums: RatingSums) -> Self {
        Self { count: i64::from(sums.count), stars: sums.stars.map(i64::from).into() }
    }
}

impl TryFrom<RatingSumsRow> for RatingSums {
    type Error = StoreError;

    fn try_from(row: RatingSumsRow) -> Result<Self, StoreError> {
        let stars: Vec<u32> = row.stars.iter().map(|sum| narrow(*sum, "property.ratings")).collect::<Result<_, _>>()?;
        let stars = stars.try_into().map_err(|_| StoreError::Corrupt("property.ratings has not seven sums".to_owned()))?;
        Ok(Self { count: narrow(row.count, "property.ratings")?, stars })
    }
}
