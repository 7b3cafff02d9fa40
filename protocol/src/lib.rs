//! Every message, id, error code and close code of the Latchkey live protocol.
//!
//! The server, the load tester and every other client are written against these types, and nothing else defines the wire.
//! The crate depends on serde alone, so that a client can use it without pulling in the hub; the hub turns on `openapi`, which describes
//! the REST types to utoipa, and `read`, which reads what clients send. REST answers with the same
//! [`view`] types that WebSocket replies and snapshots carry.

pub mod client;
pub mod close;
pub mod date;
pub mod error;
pub mod event;
#[cfg(test)]
mod example_tests;
pub mod id;
#[cfg(feature = "openapi")]
mod openapi;
#[cfg(feature = "read")]
pub mod read;
pub mod rest;
pub mod server;
pub mod topic;
pub mod view;
pub mod words;

pub use close::CloseCode;
pub use date::Date;
pub use error::{ErrorCode, WireError};
pub use id::{AuditId, BlockId, BookingId, ClaimId, HoldId, NotificationId, PaymentId, PhotoId, PropertyId, ReviewId, SessionId, UserId};
pub use topic::Topic;
pub use words::{Amenity, CancellationPolicy, ModerationReason, NotificationKind, Weekday};

/// The WebSocket subprotocol a client offers in `Sec-WebSocket-Protocol`.
pub const SUBPROTOCOL: &str = "latchkey.v1.json";

/// The subprotocol with the same messages in MessagePack: maps with the same fields, in binary frames.
pub const SUBPROTOCOL_MSGPACK: &str = "latchkey.v1.msgpack";

/// Largest message a client may send, in bytes; a longer one closes the connection with 1009.
pub const MAX_CLIENT_MESSAGE_BYTES: usize = 64 * 1024;

/// Longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 128;

/// A topic's event number: 1, 2, 3 … without gaps, in commit order. It stays below 2^53, so JSON numbers carry it exactly.
pub type Seq = u64;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type EpochMs = i64;
