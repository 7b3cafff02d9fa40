//! Writing to the other side of a booking.

use serde::{Deserialize, Serialize};

/// `POST /bookings/{booking}/messages/`; answered by [`crate::view::Message`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct SendMessage {
    /// What is written: 1 to 4000 characters, of control characters only line feed and tab.
    #[cfg_attr(feature = "openapi", schema(min_length = 1, max_length = 4000, example = "We arrive at about 6 pm."))]
    pub text: String,
}

/// `POST /bookings/{booking}/messages/read/`; answered by [`crate::view::Thread`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReadMessages {
    /// The number of the last message that was read. One that is lower than before changes nothing.
    #[cfg_attr(feature = "openapi", schema(minimum = 1, example = 1))]
    pub up_to: u64,
}
