//! Reviews: of a booking, one, and those that everybody may read.

use surrealdb::types::{SurrealValue, Uuid, Value};

use crate::domain::booking::Party;
use crate::domain::review::BookingReviews;
use crate::domain::{BookingId, PropertyId, Review, ReviewId, Timestamp, UserId};
use crate::store::database::variables;
use crate::store::rows::{ReviewRow, StoredId, review_record};
use crate::store::{Store, StoreError};

/// What published reviews are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewSubject {
    /// A home, by its guests.
    Home(PropertyId),
    /// A guest, by hosts.
    Guest(UserId),
}

/// Each subject is found by its index; what is left is looked through.
const PUBLISHED: [&str; 2] = [
    "SELECT * FROM review WHERE property = $subject AND by = 'guest' AND state = 'published' AND hidden = NONE
        AND (at < $at OR (at = $at AND uid < $uid)) ORDER BY at DESC, uid DESC LIMIT $limit",
    "SELECT * FROM review WHERE guest = $subject AND by = 'host' AND state = 'published' AND hidden = NONE
        AND (at < $at OR (at = $at AND uid < $uid)) ORDER BY at DESC, uid DESC LIMIT $limit",
];

impl Store {
    /// What both sides have written about a booking.
    ///
    /// # Errors
    /// As any read.
    pub async fn reviews_of_booking(&self, booking: BookingId) -> Result<BookingReviews, StoreError> {
        let ids: Vec<Value> = [Party::Guest, Party::Host].map(|side| review_record(booking, side).into_value()).into();
        let rows: Vec<ReviewRow> = self.database().read("SELECT * FROM $ids", variables([("ids", ids.into_value())])).await?;
        self.settled().await;
        let mut reviews = BookingReviews::default();
        for row in rows {
            reviews.put(row.try_into()?);
        }
        Ok(reviews)
    }

    /// A review.
    ///
    /// # Errors
    /// As any read.
    pub async fn review(&self, review: ReviewId) -> Result<Option<Review>, StoreError> {
        let which = variables([("uid", review.to_uuid().into_value())]);
        let rows: Vec<ReviewRow> = self.database().read("SELECT * FROM review WHERE uid = $uid", which).await?;
        self.settled().await;
        rows.into_iter().next().map(Review::try_from).transpose()
    }

    /// What everybody may read about a subject, newest first, published before `before` (of one instant: with a smaller id), at most `limit`.
    ///
    /// # Errors
    /// As any read.
    pub async fn published_reviews(
        &self,
        subject: ReviewSubject,
        before: Option<(Timestamp, ReviewId)>,
        limit: u16,
    ) -> Result<Vec<Review>, StoreError> {
        let (subject, text): (Uuid, _) = match subject {
            ReviewSubject::Home(property) => (property.to_uuid(), PUBLISHED[0]),
            ReviewSubject::Guest(user) => (user.to_uuid(), PUBLISHED[1]),
        };
        let (at, uid) = before.map_or((i64::MAX, ReviewId::from_bytes([0xff; 16])), |(at, id)| (at.epoch_ms(), id));
        let bounds = variables([
            ("subject", subject.into_value()),
            ("at", at.into_value()),
            ("uid", uid.to_uuid().into_value()),
            ("limit", i64::from(limit).into_value()),
        ]);
        let rows: Vec<ReviewRow> = self.database().read(text, bounds).await?;
        self.settled().await;
        rows.into_iter().map(Review::try_from).collect()
    }

    /// How many reviews of a guest count, and their stars altogether: a guest has few, so they are added up when somebody asks.
    ///
    /// # Errors
    /// As any read.
    pub async fn guest_stars(&self, user: UserId) -> Result<(u64, u64), StoreError> {
        let whose = variables([("user", user.to_uuid().into_value())]);
        let text = "SELECT VALUE rating FROM review WHERE guest = $user AND by = 'host' AND state = 'published' AND hidden = NONE";
        let stars: Vec<i64> = self.database().read(text, whose).await?;
        self.settled().await;
        let sum = stars.iter().filter_map(|stars| u64::try_from(*stars).ok()).sum();
        Ok((stars.len() as u64, sum))
    }

    /// Every review of the stays of a user, as guest and as host, in whatever state, newest first.
    ///
    /// # Errors
    /// As any read.
    pub async fn reviews_around(&self, user: UserId) -> Result<Vec<Review>, StoreError> {
        let whose = variables([("user", user.to_uuid().into_value())]);
        let text = "SELECT * FROM review WHERE guest = $user; SELECT * FROM review WHERE host = $user AND guest != $user";
        let mut answers = self.database().query(text, whose).await?.check()?;
        self.settled().await;
        let (as_guest, as_host): (Vec<ReviewRow>, Vec<ReviewRow>) = (answers.take(0)?, answers.take(1)?);
        let mut reviews: Vec<Review> = as_guest.into_iter().chain(as_host).map(Review::try_from).collect::<Result<_, _>>()?;
        reviews.sort_unstable_by_key(|review| std::cmp::Reverse(review.id));
        Ok(reviews)
    }
}
