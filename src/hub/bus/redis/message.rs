//! What goes over a channel, as JSON: events of one batch, or sessions that ended.

use std::borrow::Cow;
use std::sync::Arc;

use latchkey_protocol::{EpochMs, Seq, SessionId, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hub::source::StoredEvent;

/// What another node says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// It has committed these events.
    Events(Vec<StoredEvent>),
    /// It has ended these sessions before their time.
    Ended(Vec<SessionId>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    node: Cow<'a, str>,
    #[serde(borrow)]
    events: Option<Vec<Event<'a>>>,
    ended: Option<Vec<SessionId>>,
}

#[derive(Serialize, Deserialize)]
struct Event<'a> {
    topic: Topic,
    seq: Seq,
    kind: Cow<'a, str>,
    at: EpochMs,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// A message with these events; those whose data is no JSON are left out, which no committed one is.
pub(super) fn write(node: &str, events: &[&StoredEvent]) -> Vec<u8> {
    let event = |event: &StoredEvent| -> Option<String> {
        let data = serde_json::from_str(&event.data).ok()?;
        serde_json::to_string(&Event { topic: event.topic, seq: event.seq, kind: Cow::Borrowed(&event.kind), at: event.at, data }).ok()
    };
    let events: Vec<String> = events.iter().copied().filter_map(event).collect();
    format!(r#"{{"node":"{node}","events":[{}]}}"#, events.join(",")).into_bytes()
}

/// A message that these sessions have ended.
pub(super) fn write_ended(node: &str, sessions: &[SessionId]) -> Vec<u8> {
    serde_json::json!({ "node": node, "ended": sessions }).to_string().into_bytes()
}

/// What another node than `own` says; nothing from this one.
///
/// # Errors
/// If it is no message: of a newer version, or of somebody else.
pub(super) fn read(own: &str, message: &[u8]) -> Result<Option<Message>, serde_json::Error> {
    let Envelope { node, events, ended } = serde_json::from_slice(message)?;
    if node == own {
        return Ok(None);
    }
    let event = |event: Event<'_>| StoredEvent {
        topic: event.topic,
        seq: event.seq,
        kind: Cow::Owned(event.kind.into_owned()),
        at: event.at,
        data: Arc::from(event.data.get()),
    };
    match (events, ended) {
        (Some(events), None) => Ok(Some(Message::Events(events.into_iter().map(event).collect()))),
        (None, Some(ended)) => Ok(Some(Message::Ended(ended))),
        _ => Err(serde::de::Error::custom("neither events nor sessions")),
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::PropertyId;

    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written_except_by_who_wrote_them() {
        let event = |seq, data: &str| StoredEvent {
            topic: Topic::Property(PropertyId::from_bytes([7; 16])),
            seq,
            kind: "property.updated".into(),
            at: 1_790_000_000_000,
            data: Arc::from(data),
        };
        let events = [event(1, r#"{"title":"Hütte \"am\" See"}"#), event(2, "{}")];
        let message = write("one", &events.iter().collect::<Vec<_>>());
        assert_eq!(read("two", &message).unwrap(), Some(Message::Events(events.to_vec())));
        assert_eq!(read("one", &message).unwrap(), None);
        let ended = [SessionId::from_bytes([7; 16]), SessionId::from_bytes([8; 16])];
        assert_eq!(read("two", &write_ended("one", &ended)).unwrap(), Some(Message::Ended(ended.to_vec())));
        for broken in [&b"{}"[..], b"", b"[1]", &message[1..], br#"{"node":"one"}"#] {
            assert!(read("two", broken).is_err());
        }
    }
}
