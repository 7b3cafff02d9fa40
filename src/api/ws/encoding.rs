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
    /// `text/event-stream`: no WebSocket at all.
    Events,
}

impl Encoding {
    /// The one that a subprotocol names, if it is one of ours.
    pub(super) fn of_subprotocol(name: &str) -> Option<Self> {
        let is_meant = |encoding: &Self| encoding.subprotocol().is_some_and(|known| known.eq_ignore_ascii_case(name));
        [Self::Json, Self::MessagePack].into_iter().find(is_meant)
    }

    /// Its name in `Sec-WebSocket-Protocol`.
    pub(super) const fn subprotocol(self) -> Option<&'static str> {
        match self {
            Self::Json => Some(SUBPROTOCOL),
            Self::MessagePack => Some(SUBPROTOCOL_MSGPACK),
            Self::Events => None,
        }
    }

    /// Writes a value that we made ourselves as JSON.
    pub(super) fn json(buffer: &mut Vec<u8>, value: &impl Serialize) {
        let written = serde_json::to_writer(buffer, value);
        debug_assert!(written.is_ok(), "what we say has a form in JSON: {written:?}");
    }

    /// A frame around a value that we made ourselves; such values always have a form in both.
    pub(super) fn frame(self, expected_bytes: usize, value: &impl Serialize) -> Bytes {
        match self {
            Self::Json => frame::text(expected_bytes, |buffer| Self::json(buffer, value)),
            Self::Events => event_text("message", None, None, |buffer| Self::json(buffer, value)),
            Self::MessagePack => frame::binary(expected_bytes, |buffer| {
                let written = rmp_serde::encode::write_named(buffer, value);
                debug_assert!(written.is_ok(), "what we say has a form in MessagePack: {written:?}");
            }),
        }
    }

    /// The frame of something that nobody asked for.
    pub(super) fn notice(self, name: &'static str, notice: &impl Serialize) -> Bytes {
        match self {
            Self::Json | Self::MessagePack => self.frame(192, &Named(name, notice)),
            Self::Events => event_text(name, None, None, |buffer| Self::json(buffer, notice)),
        }
    }

    /// An event's frame. Those of an event stream are made for each one, with ids (`Connection::stream_events`).
    pub(super) fn event(self, event: &EventFrame) -> &Bytes {
        match self {
            Self::Json | Self::Events => event.text(),
            Self::MessagePack => event.packed(),
        }
    }
}

/// An event of a `text/event-stream`: its fields, and one line of JSON, which has no line breaks.
pub(super) fn event_text(name: &str, id: Option<&str>, retry_ms: Option<u64>, write_data: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let retry = retry_ms.map_or_else(String::new, |ms| format!("retry: {ms}\n"));
    let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
    let mut buffer = format!("{retry}{id}event: {name}\ndata: ").into_bytes();
    write_data(&mut buffer);
    buffer.extend_from_slice(b"\n\n");
    Bytes::from(buffer)
}

/// `{"name":notice}`: what the server says besides replies and pushes.
struct Named<'a, T>(&'static str, &'a T);

impl<T: Serialize> Serialize for Named<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(1))?;
        object.serialize_entry(self.0, self.1)?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::server::ServerMessage;
    use serde_json::{Map, Value};

    use super::*;
    use crate::api::asyncapi::EXAMPLES;

    #[test]
    fn what_the_server_says_in_messagepack_reads_as_it_was_meant() {
        let examples: Map<String, Value> = serde_json::from_str(EXAMPLES).unwrap();
        let said = examples.into_iter().filter(|(name, _)| !name.starts_with("command."));
        let mut count = 0;
        for (name, example) in said {
            let typed: ServerMessage<Value> = serde_json::from_value(example).unwrap();
            let packed = Encoding::MessagePack.frame(0, &typed);
            let read: ServerMessage<Value> = rmp_serde::from_slice(frame::payload(&packed)).unwrap();
            assert_eq!(read, typed, "{name}");
            count += 1;
        }
        assert!(count > 20, "{count}");
    }
}
