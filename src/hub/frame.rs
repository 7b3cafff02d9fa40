//! Complete WebSocket frames as a server sends them (RFC 6455, 5.2): unmasked, so the same bytes serve every receiver.
//!
//! An event is encoded once for each encoding that somebody wants, and shared; a reply is serialised straight into its frame. Nothing is copied
//! afterwards.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use latchkey_protocol::Seq;
use serde::Serialize;

use super::source::StoredEvent;

/// Room for the longest header: two bytes and an eight-byte length.
const HEADER_ROOM: usize = 10;
/// FIN and opcode 1.
const FINAL_TEXT: u8 = 0x81;
/// FIN and opcode 2.
const FINAL_BINARY: u8 = 0x82;
/// FIN and opcode 8.
const FINAL_CLOSE: u8 = 0x88;
/// The longest reason that fits into a control frame beside its code.
const MAX_REASON_BYTES: usize = 123;

/// FIN and opcode 9, no payload.
pub const PING: Bytes = Bytes::from_static(&[0x89, 0]);

/// A text frame around what `write_payload` appends. `expected_bytes` sizes the buffer; more is allowed.
pub fn text(expected_bytes: usize, write_payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    framed(FINAL_TEXT, expected_bytes, write_payload)
}

/// A binary frame, likewise.
pub fn binary(expected_bytes: usize, write_payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    framed(FINAL_BINARY, expected_bytes, write_payload)
}

/// The header's length depends on the payload's, so room for the longest is left in front and the unused part cut off.
fn framed(first: u8, expected_bytes: usize, write_payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut buffer = Vec::with_capacity(HEADER_ROOM + expected_bytes);
    buffer.resize(HEADER_ROOM, 0);
    write_payload(&mut buffer);
    let length = buffer.len().saturating_sub(HEADER_ROOM);
    let start = if let Ok(short @ 0..=125) = u8::try_from(length) {
        buffer[9] = short;
        8
    } else if let Ok(medium) = u16::try_from(length) {
        buffer[7] = 126;
        buffer[8..10].copy_from_slice(&medium.to_be_bytes());
        6
    } else {
        buffer[1] = 127;
        buffer[2..10].copy_from_slice(&(length as u64).to_be_bytes());
        0
    };
    buffer[start] = first;
    if buffer.capacity() > 2 * (buffer.len() - start) {
        // Frames wait in queues and rings that count their length: one that is much smaller than its buffer is copied out.
        return Bytes::copy_from_slice(&buffer[start..]);
    }
    Bytes::from(buffer).slice(start..)
}

/// What is in a frame that was made here.
#[must_use]
pub fn payload(frame: &Bytes) -> &[u8] {
    let header = match frame.get(1) {
        Some(126) => 4,
        Some(127) => HEADER_ROOM,
        Some(_) | None => 2,
    };
    frame.get(header..).unwrap_or_default()
}

/// A close frame with a code and a reason, which is cut at 123 bytes.
#[must_use]
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(MAX_REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut buffer = vec![FINAL_CLOSE, 2];
    buffer.extend_from_slice(&code.to_be_bytes());
    buffer.extend_from_slice(&reason.as_bytes()[..end]);
    // At most 125, see MAX_REASON_BYTES.
    buffer[1] = u8::try_from(buffer.len() - 2).unwrap_or(125);
    Bytes::from(buffer)
}

/// The push of an event, encoded once for everybody who is sent it: as JSON at once, as MessagePack when the first one wants it.
#[derive(Debug, Clone)]
pub struct EventFrame(Arc<Encodings>);

#[derive(Debug)]
struct Encodings {
    seq: Seq,
    text: Bytes,
    packed: OnceLock<Bytes>,
}

impl EventFrame {
    /// Of this event.
    #[must_use]
    pub fn of(event: &StoredEvent) -> Self {
        Self::from_text(event.seq, push(event))
    }

    pub(crate) fn from_text(seq: Seq, text: Bytes) -> Self {
        Self(Arc::new(Encodings { seq, text, packed: OnceLock::new() }))
    }

    /// Of what the server says besides events: `{"name":notice}`. It has no number.
    #[must_use]
    pub fn notice(name: &'static str, notice: &impl Serialize) -> Self {
        let frame = text(128, |buffer| {
            // Names are our own words, writing to a Vec does not fail, and neither does what we say.
            let written = write!(buffer, "{{\"{name}\":").map_err(serde_json::Error::io);
            let written = written.and_then(|()| serde_json::to_writer(&mut *buffer, notice));
            buffer.push(b'}');
            debug_assert!(written.is_ok(), "notices have a form in JSON: {written:?}");
        });
        Self::from_text(0, frame)
    }

    /// Its number in its topic.
    #[must_use]
    pub fn seq(&self) -> Seq {
        self.0.seq
    }

    /// A text frame of JSON.
    #[must_use]
    pub fn text(&self) -> &Bytes {
        &self.0.text
    }

    /// What is in that frame.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        payload(&self.0.text)
    }

    /// A binary frame of MessagePack.
    #[must_use]
    pub fn packed(&self) -> &Bytes {
        self.0.packed.get_or_init(|| {
            let value: serde_json::Result<serde_json::Value> = serde_json::from_slice(self.json());
            binary(self.json().len(), |buffer| {
                let written = value.map(|value| rmp_serde::encode::write_named(buffer, &value));
                debug_assert!(matches!(written, Ok(Ok(()))), "events are JSON: {written:?}");
            })
        })
    }
}

/// `{"topic":…,"seq":…,"type":…,"at":…,"data":…}`.
fn push(event: &StoredEvent) -> Bytes {
    // 49 bytes of topic, the field names and two numbers come to less than 144.
    text(144 + event.kind.len() + event.data.len(), |buffer| {
        let StoredEvent { topic, seq, kind, at, data } = event;
        // Kinds are our own dotted words and need no escaping; writing to a Vec does not fail.
        let written = write!(buffer, r#"{{"topic":"{topic}","seq":{seq},"type":"{kind}","at":{at},"data":{data}}}"#);
        debug_assert!(written.is_ok(), "a Vec takes every write");
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use latchkey_protocol::Topic;
    use latchkey_protocol::server::Push;
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_header_has_the_shortest_form_of_the_length() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let frame = text(0, |buffer| buffer.resize(buffer.len() + length, b'x'));
            assert_eq!(&frame[..header.len()], header, "{length}");
            assert_eq!(frame.len(), header.len() + length);
            assert!(frame[header.len()..].iter().all(|byte| *byte == b'x'));
        }
    }

    #[test]
    fn a_short_frame_keeps_no_long_buffer() {
        for (expected_bytes, length) in [(256, 20), (65_536, 100), (0, 10_000)] {
            let frame = text(expected_bytes, |buffer| buffer.resize(buffer.len() + length, b'x'));
            let kept = frame.try_into_mut().expect("nobody shares it").capacity();
            assert!(kept <= 2 * (length + HEADER_ROOM), "{kept} for {length}");
        }
    }

    #[test]
    fn a_close_frame_cuts_its_reason_at_a_character() {
        assert_eq!(&close(4008, "slow")[..], b"\x88\x06\x0f\xa8slow");
        let long = close(1000, &"é".repeat(80));
        assert_eq!((long.len(), long[1]), (2 + 2 + 122, 124));
    }

    #[test]
    fn a_push_reads_as_the_protocol_says() {
        let topic: Topic = "property:01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let event = StoredEvent {
            topic,
            seq: 42,
            kind: "availability.changed".into(),
            at: 1_790_000_000_000,
            data: Arc::from(r#"{"state":"held"}"#),
        };
        let event = EventFrame::of(&event);
        let frame = event.text();
        assert_eq!(frame[..2], [0x81, 126]);
        let read: Push<Value> = serde_json::from_slice(&frame[4..]).unwrap();
        assert_eq!((read.topic, read.seq, read.kind.as_str(), read.at), (topic, 42, "availability.changed", 1_790_000_000_000));
        assert_eq!(read.data["state"], "held");
        assert_eq!((event.seq(), event.json()), (42, &frame[4..]));
        let packed = event.packed();
        assert_eq!(packed[0], 0x82);
        assert_eq!(rmp_serde::from_slice::<Push<Value>>(payload(packed)).unwrap(), read);
        assert!(std::ptr::eq(packed.as_ptr(), event.clone().packed().as_ptr()), "encoded once for all");
    }
}
