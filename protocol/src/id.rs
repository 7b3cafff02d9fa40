//! Typed ids: UUIDs on the wire (RFC 9562, hyphenated lower case), never mixed up in code.
//!
//! This module formats and parses; it does not generate. The server mints version 7 ids, whose first 48 bits are the
//! time of minting in milliseconds, which is why live claims lie in a bounded id range.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Text that is not a hyphenated UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID of the form 01890a5d-ac96-774b-bcce-b302099a8057")
    }
}

impl std::error::Error for InvalidId {}

/// Bytes before which a hyphen is written: 8-4-4-4-12 hexadecimal digits.
const HYPHEN_BEFORE: [usize; 4] = [4, 6, 8, 10];

const HEX: &[u8; 16] = b"0123456789abcdef";

fn format(bytes: &[u8; 16]) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut at = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if HYPHEN_BEFORE.contains(&index) {
            at += 1;
        }
        text[at] = HEX[usize::from(byte >> 4)];
        text[at + 1] = HEX[usize::from(byte & 15)];
        at += 2;
    }
    text
}

fn parse(text: &str) -> Result<[u8; 16], InvalidId> {
    let text = text.as_bytes();
    if text.len() != 36 {
        return Err(InvalidId);
    }
    let digit = |at: usize| match text[at] {
        c @ b'0'..=b'9' => Ok(c - b'0'),
        c @ b'a'..=b'f' => Ok(c - b'a' + 10),
        c @ b'A'..=b'F' => Ok(c - b'A' + 10),
        _ => Err(InvalidId),
    };
    let mut bytes = [0; 16];
    let mut at = 0;
    for (index, byte) in bytes.iter_mut().enumerate() {
        if HYPHEN_BEFORE.contains(&index) {
            if text[at] != b'-' {
                return Err(InvalidId);
            }
            at += 1;
        }
        *byte = digit(at)? << 4 | digit(at + 1)?;
        at += 2;
    }
    Ok(bytes)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The id with these UUID bytes (big-endian, as RFC 9562 writes them).
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The UUID's bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let text = format(&self.0);
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse(text).map(Self)
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                crate::openapi::text("uuid", "01890a5d-ac96-774b-bcce-b302099a8057")
            }
        }

        #[cfg(feature = "openapi")]
        impl utoipa::ToSchema for $name {}

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a UUID")
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

id!(
    /// A registered person; guest and host are roles, not kinds of user.
    UserId
);
id!(
    /// A home that is listed for rent.
    PropertyId
);
id!(
    /// What owns nights: one id names the hold and then the booking that grows from it.
    ClaimId
);
id!(
    /// A payment for a booking; also the idempotency key under which the provider knows it.
    PaymentId
);
id!(
    /// One login of a user: a refresh-token family and the sockets that authenticated with its tokens.
    SessionId
);
id!(
    /// A photo of a home; whoever knows it may see the photo.
    PhotoId
);
id!(
    /// An entry of the audit log.
    AuditId
);
id!(
    /// A notification of one user; later ones have greater ids.
    NotificationId
);
id!(
    /// What one side of a completed stay says about the other.
    ReviewId
);

/// A hold is named by its claim.
pub type HoldId = ClaimId;
/// A booking keeps the id of the hold it grew from.
pub type BookingId = ClaimId;
/// A block is named by its claim.
pub type BlockId = ClaimId;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn an_id_reads_back_what_it_writes() {
        let id: UserId = TEXT.parse().unwrap();
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(TEXT.to_uppercase().parse::<UserId>(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
    }

    #[test]
    fn text_that_is_not_a_uuid_is_refused() {
        let without_hyphens = TEXT.replace('-', "");
        let multibyte = "é".repeat(18);
        for text in [
            "",
            "1",
            &TEXT[1..],
            &without_hyphens,
            &multibyte,
            "01890a5d-ac96-774b-bcce-b302099a805g",
            "01890a5dxac96-774b-bcce-b302099a8057",
        ] {
            assert_eq!(text.parse::<UserId>(), Err(InvalidId), "{text}");
        }
    }
}
