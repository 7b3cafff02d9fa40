//! What goes over a channel: events of one batch, as JSON.

use std::borrow::Cow;
use std::sync::Arc;

use latchkey_protocol::{EpochMs, Seq, Topic};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::hub::source::StoredEvent;

#[derive(Serialize, Deserialize)]
struct Message<'a> {
    node: Cow<'a, str>,
    #[serde(borrow)]
    events: Vec<Event<'a>>,
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

/// The events of a message from another node than `own`; nothing from this one.
///
/// # Errors
/// If it is no message: of a newer version, or of somebody else.
pub(super) fn read(own: &str, message: &[u8]) -> Result<Vec<StoredEvent>, serde_json::Error> {
    let Message { node, events } = serde_json::from_slice(message)?;
    if node == own {
        return Ok(Vec::new());
    }
    let event = |event: Event<'_>| StoredEvent {
        topic: event.topic,
        seq: event.seq,
        kind: Cow::Owned(event.kind.into_owned()),
        at: event.at,
        data: Arc::from(event.data.get()),
    };
    Ok(events.into_iter().map(event).collect())
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::PropertyId;

    use super::*;

    #[test]
    fn events_are_read_as_they_were_written_except_by_who_wrote_them() {
        let event = |seq, data: &str| StoredEvent {
            topic: Topic::Property(PropertyId::from_bytes([7; 16])),
            seq,
            kind: "property.updated".into(),
            at: 1_790_000_000_000,
            data: Arc::from(data),
        };
        let events = [event(1, r#"{"title":"Hütte \"am\" See"}"#), event(2, "{}")];
        let message = write("one", &events.iter().collect::<Vec<_>>());
        assert_eq!(read("two", &message).unwrap(), events);
        assert_eq!(read("one", &message).unwrap(), []);
        for broken in [&b"{}"[..], b"", b"[1]", &message[1..]] {
            assert!(read("two", broken).is_err());
        }
    }
}
