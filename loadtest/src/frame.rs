//! One text frame of the hub, read in place.
//!
//! [`latchkey_protocol::server::ServerMessage`] is untagged, which costs a detour through an owned tree; with thousands of
//! sockets in one process that would measure us instead of the hub. The field names are the same, and a test holds this
//! reader against the protocol's writer. Bodies stay unread JSON until somebody wants them.

use std::borrow::Cow;

use anyhow::{Result, bail};
use latchkey_protocol::error::WireError;
use latchkey_protocol::event::Event;
use latchkey_protocol::server::{Ended, GoAway, Heartbeat, Hello, Presence, TokenExpiring};
use latchkey_protocol::{EpochMs, Seq, Topic};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame, told apart by the field it has.
#[derive(Debug)]
pub(crate) enum Frame<'a> {
    /// An event of a topic.
    Push(Push<'a>),
    /// An answer to command `id`.
    Reply { id: u64, outcome: Result<&'a RawValue, WireError> },
    /// The greeting.
    Hello(Hello),
    /// The hub will close.
    GoAway(GoAway),
    /// A topic is followed no longer.
    Ended(Ended),
    /// Where the followed topics are.
    Heartbeat(Heartbeat),
    /// The token ends soon; the load tester logs in again when it has.
    TokenExpiring,
    /// About how many others look: nothing that could be verified.
    Presence,
}

/// An event as it was pushed.
#[derive(Debug, Clone)]
pub(crate) struct Push<'a> {
    /// Of which topic.
    pub(crate) topic: Topic,
    /// Its number there.
    pub(crate) seq: Seq,
    /// The first of the events that it stands for, if there are several.
    pub(crate) from_seq: Option<Seq>,
    /// Its `type`.
    pub(crate) kind: Cow<'a, str>,
    /// Its `data`.
    pub(crate) data: &'a RawValue,
}

impl Push<'_> {
    /// The event, typed.
    ///
    /// # Errors
    /// A type the protocol doesn't know, or data of another shape.
    pub(crate) fn event(&self) -> Result<Event> {
        read_event(&self.kind, self.data.get())
    }
}

/// The event of that type with that data.
///
/// # Errors
/// A type the protocol doesn't know, or data of another shape.
pub(crate) fn read_event(kind: &str, data: &str) -> Result<Event> {
    let kind = serde_json::to_string(kind)?;
    Ok(serde_json::from_str(&format!(r#"{{"type":{kind},"data":{data}}}"#))?)
}

#[derive(Deserialize)]
struct Fields<'a> {
    topic: Option<Topic>,
    seq: Option<Seq>,
    from_seq: Option<Seq>,
    #[serde(rename = "type", borrow)]
    kind: Option<Cow<'a, str>>,
    at: Option<EpochMs>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    id: Option<u64>,
    #[serde(borrow)]
    ok: Option<&'a RawValue>,
    error: Option<WireError>,
    hello: Option<Hello>,
    goaway: Option<GoAway>,
    ended: Option<Ended>,
    heartbeat: Option<Heartbeat>,
    token_expiring: Option<TokenExpiring>,
    presence: Option<Presence>,
}

impl<'a> Frame<'a> {
    /// Reads a frame.
    ///
    /// # Errors
    /// Anything the protocol doesn't describe, and an error without an `id`: we never send a message too broken to have one.
    pub(crate) fn parse(text: &'a str) -> Result<Self> {
        let Ok(fields) = serde_json::from_str::<Fields<'a>>(text) else { bail!("unreadable frame {}", excerpt(text)) };
        match fields {
            Fields { topic: Some(topic), seq: Some(seq), from_seq, kind: Some(kind), at: Some(_), data: Some(data), .. } => {
                Ok(Self::Push(Push { topic, seq, from_seq, kind, data }))
            }
            Fields { id: Some(id), ok: Some(body), error: None, .. } => Ok(Self::Reply { id, outcome: Ok(body) }),
            Fields { id: Some(id), ok: None, error: Some(error), .. } => Ok(Self::Reply { id, outcome: Err(error) }),
            Fields { hello: Some(hello), .. } => Ok(Self::Hello(hello)),
            Fields { goaway: Some(goaway), .. } => Ok(Self::GoAway(goaway)),
            Fields { ended: Some(ended), .. } => Ok(Self::Ended(ended)),
            Fields { heartbeat: Some(heartbeat), .. } => Ok(Self::Heartbeat(heartbeat)),
            Fields { token_expiring: Some(TokenExpiring { .. }), .. } => Ok(Self::TokenExpiring),
            Fields { presence: Some(Presence { .. }), .. } => Ok(Self::Presence),
            _ => bail!("unexpected frame {}", excerpt(text)),
        }
    }
}

fn excerpt(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::ErrorCode;
    use latchkey_protocol::server::{ErrReply, OkReply, ServerMessage};
    use serde_json::{Value, json};

    use super::*;

    const PROPERTY: &str = "property:01890a5d-ac96-774b-bcce-b302099a8057";

    fn written(message: &ServerMessage<Value>) -> String {
        serde_json::to_string(message).unwrap()
    }

    #[test]
    fn every_frame_the_protocol_writes_is_read() {
        let data = json!({"from": "2026-12-24", "to": "2026-12-27", "state": "held"});
        let push = latchkey_protocol::server::Push {
            topic: PROPERTY.parse().unwrap(),
            seq: 42,
            from_seq: None,
            kind: "availability.changed".to_owned(),
            at: 1_790_000_000_000,
            data,
        };
        let text = written(&ServerMessage::Push(push));
        let Frame::Push(push) = Frame::parse(&text).unwrap() else { panic!("{text}") };
        assert_eq!((push.seq, push.event().unwrap().kind()), (42, "availability.changed"));

        let text = written(&ServerMessage::Ok(OkReply { id: 7, ok: json!({}) }));
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Reply { id: 7, outcome: Ok(body) } if body.get() == "{}"));

        let error = WireError::new(ErrorCode::Busy, "later");
        let text = written(&ServerMessage::Err(ErrReply { id: Some(8), error: error.clone() }));
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Reply { id: 8, outcome: Err(read) } if read == error));

        let hello = Hello { epoch: "e".to_owned(), heartbeat_ms: 20_000, now: 1 };
        let text = written(&ServerMessage::Hello { hello: hello.clone() });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Hello(read) if read == hello));

        let text = written(&ServerMessage::GoAway { goaway: GoAway { after_ms: 5 } });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::GoAway(GoAway { after_ms: 5 })));

        let heartbeat = Heartbeat { now: 1, heads: [(PROPERTY.parse().unwrap(), 42)].into() };
        let text = written(&ServerMessage::Heartbeat { heartbeat: heartbeat.clone() });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Heartbeat(read) if read == heartbeat));

        let text = written(&ServerMessage::TokenExpiring { token_expiring: TokenExpiring { expires_at: 5 } });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::TokenExpiring));

        let property = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let text = written(&ServerMessage::Presence { presence: Presence { property, viewers: 5 } });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Presence));

        let ended = Ended { topic: "property:01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), error };
        let text = written(&ServerMessage::Ended { ended: ended.clone() });
        assert!(matches!(Frame::parse(&text).unwrap(), Frame::Ended(read) if read == ended));
    }

    #[test]
    fn what_the_protocol_does_not_describe_is_an_error() {
        for text in ["", "[]", "{}", r#"{"id":null,"error":{"code":"malformed","message":"","retryable":false}}"#, r#"{"id":1}"#] {
            assert!(Frame::parse(text).is_err(), "{text}");
        }
        assert!(read_event("hold.stolen", "{}").is_err());
    }
}
