//! Reviews, and what they add up to, as clients read them.

use serde::{Deserialize, Serialize};

use super::Side;
use crate::EpochMs;
use crate::id::{BookingId, PropertyId, ReviewId, UserId};
use crate::words::ModerationReason;

/// Stars, 1 to 5: a guest's of the stay, a host's of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ratings {
    /// What the guest gives.
    Stay {
        /// Altogether.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        overall: u8,
        /// How clean it was.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        cleanliness: u8,
        /// Whether it was as described.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 4))]
        accuracy: u8,
        /// How easy it was to arrive.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        check_in: u8,
        /// How the host answered.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        communication: u8,
        /// Where it is.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 3))]
        location: u8,
        /// Whether it was worth its price.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 4))]
        value: u8,
    },
    /// What the host gives.
    Guest {
        /// Altogether.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        overall: u8,
        /// How the home was left.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        cleanliness: u8,
        /// How the guest answered.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        communication: u8,
        /// Whether the guest kept to the house rules.
        #[cfg_attr(feature = "openapi", schema(minimum = 1, maximum = 5, example = 5))]
        house_rules: u8,
    },
}

/// Where a review is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Nobody but its author sees it: the other side has not written theirs, and still may.
    Sealed,
    /// For everybody, unless it is hidden.
    Published,
}

/// What the reviewed side answers, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReviewReply {
    /// In their words; empty once they were erased.
    pub text: String,
    /// When.
    pub created_at: EpochMs,
}

/// That an admin has hidden a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HiddenReview {
    /// Why.
    pub reason: ModerationReason,
    /// When.
    pub at: EpochMs,
}

/// What one side of a completed stay says about the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Review {
    /// Its id.
    pub id: ReviewId,
    /// The home of the stay.
    pub property: PropertyId,
    /// Which stay; for its two parties alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<BookingId>,
    /// Who wrote it: the guest about the stay, or the host about the guest.
    pub by: Side,
    /// Who stayed.
    pub guest: UserId,
    /// Who let.
    pub host: UserId,
    /// Where it is.
    pub state: ReviewState,
    /// The stars.
    pub ratings: Ratings,
    /// In their words; empty once they were erased.
    pub text: String,
    /// What the other side answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReviewReply>,
    /// That it is hidden; for its author and admins, to others it is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hidden: Option<HiddenReview>,
    /// While it is sealed: when it is published at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_until: Option<EpochMs>,
    /// When it was published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<EpochMs>,
    /// Counts its changes; `ETag` is `"v` and this and `"`.
    pub version: i64,
    /// When it was written.
    pub created_at: EpochMs,
}

/// The reviews of one stay that the caller may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reviews {
    /// At most two: the guest's, the host's.
    pub items: Vec<Review>,
}

/// The averages of a home's published reviews, in hundredths of a star (487 is 4.87), rounded half up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PropertyRating {
    /// Altogether.
    pub overall_hundredths: u16,
    /// How clean it is.
    pub cleanliness_hundredths: u16,
    /// Whether it is as described.
    pub accuracy_hundredths: u16,
    /// How easy it is to arrive.
    pub check_in_hundredths: u16,
    /// How the host answers.
    pub communication_hundredths: u16,
    /// Where it is.
    pub location_hundredths: u16,
    /// Whether it is worth its price.
    pub value_hundredths: u16,
}
