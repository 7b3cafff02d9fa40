//! Topic names, built and read in this one place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::{BookingId, InvalidId, PropertyId, UserId};

/// A stream of events with its own sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// `property:{id}`, public: what can be booked. It never shows who holds or books.
    Property(PropertyId),
    /// `user:{id}`, private inbox: that user's bookings, payments, messages and notifications, as guest and as host, their account and sessions.
    User(UserId),
    /// `booking:{id}`, for its two parties.
    Booking(BookingId),
}

/// Text that names no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidTopic;

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a topic: expected property:{id}, user:{id} or booking:{id}")
    }
}

impl std::error::Error for InvalidTopic {}

impl From<InvalidId> for InvalidTopic {
    fn from(_: InvalidId) -> Self {
        Self
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(id) => write!(f, "property:{id}"),
            Self::User(id) => write!(f, "user:{id}"),
            Self::Booking(id) => write!(f, "booking:{id}"),
        }
    }
}

impl FromStr for Topic {
    type Err = InvalidTopic;

    fn from_str(text: &str) -> Result<Self, InvalidTopic> {
        match text.split_once(':') {
            Some(("property", id)) => Ok(Self::Property(id.parse()?)),
            Some(("user", id)) => Ok(Self::User(id.parse()?)),
            Some(("booking", id)) => Ok(Self::Booking(id.parse()?)),
            _ => Err(InvalidTopic),
        }
    }
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Topic {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        crate::openapi::text("latchkey-topic", "property:01890a5d-ac96-774b-bcce-b302099a8057")
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Topic {}

impl Serialize for Topic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Topic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Topic;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic: property:{id}, user:{id} or booking:{id}")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Topic, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_back_what_it_writes() {
        for text in [
            "property:01890a5d-ac96-774b-bcce-b302099a8057",
            "user:01890a5d-ac96-774b-bcce-b302099a8057",
            "booking:01890a5d-ac96-774b-bcce-b302099a8057",
        ] {
            assert_eq!(text.parse::<Topic>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn text_that_names_no_topic_is_refused() {
        for text in ["", "property", "property:", "property:1", "home:01890a5d-ac96-774b-bcce-b302099a8057"] {
            assert_eq!(text.parse::<Topic>(), Err(InvalidTopic), "{text}");
        }
    }
}
