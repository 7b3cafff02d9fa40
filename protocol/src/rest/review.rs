//! Bodies of `/reviews/…`.

use serde::{Deserialize, Serialize};

use crate::view::Ratings;
use crate::words::ModerationReason;

/// `POST /bookings/{id}/reviews/`, and `PUT /reviews/{id}/` while it is sealed: a guest rates the stay, a host the guest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct WriteReview {
    /// The stars, 1 to 5 each.
    pub ratings: Ratings,
    /// 1 to 4000 characters.
    #[cfg_attr(
        feature = "openapi",
        schema(min_length = 1, max_length = 4000, example = "Quiet, clean, and the vineyard begins at the door.")
    )]
    pub text: String,
}

/// `POST /reviews/{id}/reply/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReplyToReview {
    /// 1 to 2000 characters.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 2000, example = "Thank you, come again!"))]
    pub text: String,
}

/// `POST /admin/reviews/{id}/hide/` and `/show/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ModerateReview {
    /// Why.
    pub reason: ModerationReason,
}
