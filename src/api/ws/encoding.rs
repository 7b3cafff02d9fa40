//! How a connection's messages are written: JSON in text frames, or the same fields in MessagePack in binary frames.
//!
//! The subprotocol chooses. What many are sent is encoded once for all of them (`hub::EventFrame`), what one is told for that one.

use bytes::Bytes;
use latchkey_protocol::{SUBPROTOCOL, SUBPROTOCOL_MSGPACK};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::hub::{EventFrame, frame};

/// What a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `latchkey.v1.json`.
    Json,
    /// `latchkey.v1.msgpack`.
    MessagePack,
}

impl Encoding {
    /// The one that a subprotocol names, if it is one of ours.
    pub(super) fn of_subprotocol(name: &str) -> Option<Self> {
        [Self::Json, Self::MessagePack].into_iter().find(|encoding| encoding.subprotocol().eq_ignore_ascii_case(name))
    }

    /// Its name in `Sec-WebSocket-Protocol`.
    pub(super) const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => SUBPROTOCOL,
            Self::MessagePack => SUBPROTOCOL_MSGPACK,
        }
    }

    /// A frame around a value that we made ourselves; such values always have a form in both.
    pub(super) fn frame(self, expected_bytes: usize, value: &impl Serialize) -> Bytes {
        match self {
            Self::Json => frame::text(expected_bytes, |buffer| {
                let written = serde_json::to_writer(buffer, value);
                debug_assert!(written.is_ok(), "what we say has a form in JSON: {written:?}");
            }),
            Self::MessagePack => frame::binary(expected_bytes, |buffer| {
                let written = rmp_serde::encode::write_named(buffer, value);
                debug_assert!(written.is_ok(), "what we say has a form in MessagePack: {written:?}");
            }),
        }
    }

    /// An event's frame.
    pub(super) fn event(self, event: &EventFrame) -> &Bytes {
        match self {
            Self::Json => event.text(),
            Self::MessagePack => event.packed(),
        }
    }
}

/// `{"name":notice}`: what the server says besides replies and pushes.
pub(super) struct Named<'a, T>(pub(super) &'static str, pub(super) &'a T);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.0, self.1)?;
        object.end()
    }
}
