//! Reviews: what each side of a completed stay says about the other, double-blind.
//!
//! A review is `open → sealed → published`. Each side writes one, within 14 days of the stay's completion; nobody but its author sees it
//! until both are in or the time is over. Whatever is sealed is then published together, in one change set, so neither side can answer the
//! other's stars with its own. Until that is committed it is sealed, however late it is: there is one truth, and it is the stored one.

mod rating;

use latchkey_protocol::{BookingId, ModerationReason, PropertyId, ReviewId, UserId};

pub use self::rating::{GuestRatings, RatingSums, Ratings, StayRatings, average_hundredths};
use super::booking::{Booking, BookingState, Party};
use super::error::Refusal;
use super::time::{DAY_MS, Timestamp};

/// How long after a stay's completion it can be reviewed, in milliseconds.
pub const WRITING_MS: i64 = 14 * DAY_MS;

/// How long after its publication a review can be replied to, in milliseconds.
pub const REPLYING_MS: i64 = 30 * DAY_MS;

/// Longest text, in characters.
pub const MAX_TEXT_CHARS: usize = 4_000;

/// Longest reply, in characters.
pub const MAX_REPLY_CHARS: usize = 2_000;

/// Where one side's review is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewState {
    /// Not written; it can be, until `until`, exclusive. Nothing is stored of it.
    Open {
        /// The end of the time to write.
        until: Timestamp,
    },
    /// Written, for its author alone.
    Sealed {
        /// When it is published if the other side writes nothing.
        until: Timestamp,
    },
    /// For everybody.
    Published {
        /// Since when.
        at: Timestamp,
    },
}

impl ReviewState {
    /// Of a side that has written nothing about a booking.
    ///
    /// # Errors
    /// `InvalidState` unless the stay is completed.
    pub const fn open(booking: BookingState) -> Result<Self, Refusal> {
        match booking {
            BookingState::Completed { at } => Ok(Self::Open { until: at.plus_ms(WRITING_MS) }),
            BookingState::PendingPayment { .. }
            | BookingState::Requested { .. }
            | BookingState::Confirmed { .. }
            | BookingState::CheckedIn { .. }
            | BookingState::PaymentFailed { .. }
            | BookingState::Declined { .. }
            | BookingState::Withdrawn { .. }
            | BookingState::Expired { .. }
            | BookingState::CancelledByGuest { .. }
            | BookingState::CancelledByHost { .. }
            | BookingState::NoShow { .. } => Err(Refusal::InvalidState { state: booking.name() }),
        }
    }

    /// The state's name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open { .. } => "open",
            Self::Sealed { .. } => "sealed",
            Self::Published { .. } => "published",
        }
    }

    /// Written: sealed until the other side has written too, or the time is over.
    ///
    /// # Errors
    /// `Expired` when the time is over; `InvalidState` if it is written already.
    pub fn submit(self, now: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::Open { until } if now < until => Ok(Self::Sealed { until }),
            Self::Open { until } => Err(Refusal::Expired { expires_at: until }),
            Self::Sealed { .. } | Self::Published { .. } => Err(self.refusal()),
        }
    }

    /// Written anew, while nobody else has seen it.
    ///
    /// # Errors
    /// `Expired` when the time is over, also if it is not published yet; `InvalidState` of what is not sealed.
    pub fn revise(self, now: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::Sealed { until } if now < until => Ok(self),
            Self::Sealed { until } => Err(Refusal::Expired { expires_at: until }),
            Self::Open { .. } | Self::Published { .. } => Err(self.refusal()),
        }
    }

    /// Shown to everybody, if both sides have written or the time is over.
    ///
    /// # Errors
    /// `TooEarly` otherwise; `InvalidState` of what is not sealed.
    pub fn publish(self, both_are_in: bool, now: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::Sealed { until } if both_are_in || now >= until => Ok(Self::Published { at: now }),
            Self::Sealed { until } => Err(Refusal::TooEarly { from: until }),
            Self::Open { .. } | Self::Published { .. } => Err(self.refusal()),
        }
    }

    const fn refusal(self) -> Refusal {
        Refusal::InvalidState { state: self.name() }
    }
}

/// What the reviewed side answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// In their words; empty once they were erased.
    pub text: String,
    /// When.
    pub at: Timestamp,
}

/// That an admin has hidden a review: it is there for its author and for admins, and counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hidden {
    /// Why.
    pub reason: ModerationReason,
    /// When.
    pub at: Timestamp,
}

/// A review that is written. Which side wrote it follows from what it rates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Its id. It tells nothing of the booking, since everybody sees it.
    pub id: ReviewId,
    /// Of which stay.
    pub booking: BookingId,
    /// At which home.
    pub property: PropertyId,
    /// Who stayed.
    pub guest: UserId,
    /// Who let.
    pub host: UserId,
    /// The stars.
    pub ratings: Ratings,
    /// In its author's words; empty once they were erased.
    pub text: String,
    /// Sealed or published.
    pub state: ReviewState,
    /// What the other side answers.
    pub reply: Option<Reply>,
    /// Whether it is hidden.
    pub hidden: Option<Hidden>,
    /// Counts its changes, from 1.
    pub version: i64,
    /// When it was written.
    pub created_at: Timestamp,
}

impl Review {
    /// A sealed review of a stay, in `state` before.
    ///
    /// # Errors
    /// `Invalid` for stars or text; as [`ReviewState::submit`].
    pub fn submit(
        id: ReviewId,
        booking: &Booking,
        state: ReviewState,
        ratings: Ratings,
        text: &str,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        ratings.validate()?;
        Ok(Self {
            id,
            booking: booking.id,
            property: booking.property,
            guest: booking.guest,
            host: booking.host,
            ratings,
            text: checked(text, MAX_TEXT_CHARS, "1 to 4000 characters")?,
            state: state.submit(now)?,
            reply: None,
            hidden: None,
            version: 1,
            created_at: now,
        })
    }

    /// Which side wrote it.
    #[must_use]
    pub const fn by(&self) -> Party {
        self.ratings.by()
    }

    /// Who wrote it.
    #[must_use]
    pub const fn author(&self) -> UserId {
        match self.by() {
            Party::Guest => self.guest,
            Party::Host => self.host,
        }
    }

    /// Whom it is about, and who may reply.
    #[must_use]
    pub const fn subject(&self) -> UserId {
        match self.by() {
            Party::Guest => self.host,
            Party::Host => self.guest,
        }
    }

    /// Whether it counts: everybody can read it.
    #[must_use]
    pub const fn counts(&self) -> bool {
        matches!(self.state, ReviewState::Published { .. }) && self.hidden.is_none()
    }

    /// Whether `viewer`, or somebody unknown, may see it: everybody if it counts, otherwise its author alone.
    #[must_use]
    pub fn is_visible_to(&self, viewer: Option<UserId>) -> bool {
        self.counts() || viewer == Some(self.author())
    }

    /// Written anew by its author.
    ///
    /// # Errors
    /// `Invalid` for stars or text, or the other side's stars; as [`ReviewState::revise`].
    pub fn revise(self, ratings: Ratings, text: &str, now: Timestamp) -> Result<Self, Refusal> {
        ratings.validate_by(self.by())?;
        let text = checked(text, MAX_TEXT_CHARS, "1 to 4000 characters")?;
        Ok(Self { state: self.state.revise(now)?, ratings, text, ..self.changed() })
    }

    /// Shown to everybody.
    ///
    /// # Errors
    /// As [`ReviewState::publish`].
    pub fn publish(self, both_are_in: bool, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self { state: self.state.publish(both_are_in, now)?, ..self.changed() })
    }

    /// Answered by whom it is about, once.
    ///
    /// # Errors
    /// `NotFound` for what others do not see; `NotYours` for anybody else than its subject; `Invalid` for the text; `InvalidState` if it is
    /// answered already; `Expired` when the time is over.
    pub fn answer(self, by: UserId, text: &str, now: Timestamp) -> Result<Self, Refusal> {
        if !self.is_visible_to(Some(by)) {
            return Err(Refusal::NotFound);
        }
        if by != self.subject() {
            return Err(Refusal::NotYours);
        }
        let text = checked(text, MAX_REPLY_CHARS, "1 to 2000 characters")?;
        match (self.state, &self.reply) {
            (ReviewState::Open { .. } | ReviewState::Sealed { .. }, _) => Err(self.state.refusal()),
            (ReviewState::Published { .. }, Some(_)) => Err(Refusal::InvalidState { state: "replied" }),
            (ReviewState::Published { at }, None) => {
                let until = at.plus_ms(REPLYING_MS);
                if now >= until {
                    return Err(Refusal::Expired { expires_at: until });
                }
                Ok(Self { reply: Some(Reply { text, at: now }), ..self.changed() })
            }
        }
    }

    /// Hidden from everybody but its author and admins.
    ///
    /// # Errors
    /// `InvalidState` of what is sealed, which nobody sees anyway, or hidden.
    pub fn hide(self, reason: ModerationReason, now: Timestamp) -> Result<Self, Refusal> {
        match (self.state, self.hidden) {
            (ReviewState::Published { .. }, None) => Ok(Self { hidden: Some(Hidden { reason, at: now }), ..self.changed() }),
            (ReviewState::Published { .. }, Some(_)) => Err(Refusal::InvalidState { state: "hidden" }),
            (ReviewState::Open { .. } | ReviewState::Sealed { .. }, _) => Err(self.state.refusal()),
        }
    }

    /// For everybody again.
    ///
    /// # Errors
    /// `InvalidState` unless it is hidden.
    pub fn show(self) -> Result<Self, Refusal> {
        if self.hidden.is_none() {
            return Err(self.state.refusal());
        }
        Ok(Self { hidden: None, ..self.changed() })
    }

    /// Without the words of a user who was erased; stars stay. `None` if there are none.
    #[must_use]
    pub fn without_words_of(self, user: UserId) -> Option<Self> {
        let has_text = self.author() == user && !self.text.is_empty();
        let has_reply = self.subject() == user && self.reply.as_ref().is_some_and(|reply| !reply.text.is_empty());
        if !has_text && !has_reply {
            return None;
        }
        let text = if has_text { String::new() } else { self.text.clone() };
        let reply = self.reply.clone().map(|reply| if has_reply { Reply { text: String::new(), ..reply } } else { reply });
        Some(Self { text, reply, ..self.changed() })
    }

    fn changed(self) -> Self {
        Self { version: self.version + 1, ..self }
    }
}

/// What is written about one stay: never decided one without the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookingReviews {
    /// Of the home.
    pub by_guest: Option<Review>,
    /// Of the guest.
    pub by_host: Option<Review>,
}

impl BookingReviews {
    /// What one side has written.
    #[must_use]
    pub const fn of(&self, side: Party) -> Option<&Review> {
        match side {
            Party::Guest => self.by_guest.as_ref(),
            Party::Host => self.by_host.as_ref(),
        }
    }

    /// Puts a review in the place of its side.
    pub fn put(&mut self, review: Review) {
        match review.by() {
            Party::Guest => self.by_guest = Some(review),
            Party::Host => self.by_host = Some(review),
        }
    }

    /// Each of them, the guest's first.
    pub fn iter(&self) -> impl Iterator<Item = &Review> {
        self.by_guest.iter().chain(&self.by_host)
    }

    /// One of them.
    #[must_use]
    pub fn find(&self, id: ReviewId) -> Option<&Review> {
        self.iter().find(|review| review.id == id)
    }

    /// Whether both sides have written.
    #[must_use]
    pub const fn are_both_in(&self) -> bool {
        self.by_guest.is_some() && self.by_host.is_some()
    }
}

/// A text as it is kept.
fn checked(text: &str, most: usize, reason: &'static str) -> Result<String, Refusal> {
    let text = text.trim();
    if (1..=most).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err(Refusal::Invalid { field: "text", reason }) }
}

#[cfg(test)]
mod tests;
