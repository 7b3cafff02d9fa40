//! From the text of a message to a command and its typed data, or to the error that tells the client what was wrong.
//!
//! Two steps: first the envelope, so that a fault in the data can be answered by `id`; then the data, once the command is known.

use std::borrow::Cow;

use latchkey_protocol::client::{Command, Envelope};
use latchkey_protocol::{ErrorCode, WireError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::invalid;
use crate::api::json;

/// A message whose `data` is not read yet.
pub(super) type RawEnvelope<'a> = Envelope<Cow<'a, str>, &'a RawValue>;

/// A message that is no envelope.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadEnvelope {
    /// Its `id`, if that much could be read.
    pub(super) id: Option<u64>,
    pub(super) error: WireError,
}

/// Reads the envelope.
pub(super) fn envelope(text: &str) -> Result<RawEnvelope<'_>, BadEnvelope> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: u64,
    }
    json::object(text.as_bytes()).map_err(|fault| BadEnvelope {
        id: json::object::<OnlyId>(text.as_bytes()).ok().map(|only| only.id),
        error: WireError::new(ErrorCode::Malformed, format!("not a command: {}", fault.message)),
    })
}

/// Reads the command's name.
pub(super) fn command(name: &str) -> Result<Command, WireError> {
    Command::from_name(name).ok_or_else(|| WireError::new(ErrorCode::UnknownCommand, "no such command"))
}

/// Reads the command's data; left out, it counts as `{}`.
pub(super) fn data<T: DeserializeOwned>(data: Option<&RawValue>) -> Result<T, WireError> {
    json::object(data.map_or("{}", RawValue::get).as_bytes()).map_err(|fault| invalid(fault.field.as_deref(), fault.message))
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::client::HoldRef;
    use latchkey_protocol::error::Detail;

    use super::*;

    #[test]
    fn a_broken_envelope_is_malformed_and_answered_by_id_where_it_has_one() {
        for (text, id) in [
            ("", None),
            ("{", None),
            ("[1]", None),
            (r#"[1,"ping"]"#, None),
            (r#"{"cmd":"ping"}"#, None),
            (r#"{"id":-1,"cmd":"ping"}"#, None),
            (r#"{"id":1}"#, Some(1)),
            (r#"{"id":2,"cmd":7}"#, Some(2)),
            (r#"{"id":3,"cmd":"ping","token":"x"}"#, Some(3)),
            (r#"{"id":4,"cmd":"ping","id":5}"#, None),
            (r#"{"id":6,"cmd":"ping"} {"#, None),
        ] {
            let bad = envelope(text).expect_err(text);
            assert_eq!((bad.id, bad.error.code), (id, ErrorCode::Malformed), "{text}");
        }
    }

    #[test]
    fn an_envelope_leaves_its_data_unread() {
        let envelope = envelope(r#"{"id":7,"cmd":"ho\u006cd","key":"k","data":{"any": [1]}}"#).unwrap();
        assert_eq!((envelope.id, &*envelope.cmd, envelope.key.as_deref()), (7, "hold", Some("k")));
        assert_eq!(envelope.data.map(RawValue::get), Some(r#"{"any": [1]}"#));
        assert_eq!(command(&envelope.cmd), Ok(Command::Hold));
        assert_eq!(command("drop").unwrap_err().code, ErrorCode::UnknownCommand);
    }

    #[test]
    fn a_fault_in_the_data_is_invalid_and_names_its_field_where_serde_does() {
        for (text, field) in [
            ("{}", Some("hold")),
            (r#"{"hold":"01890a5d-ac96-774b-bcce-b302099a8057"}"#, Some("property")),
            (r#"{"hold":"01890a5d-ac96-774b-bcce-b302099a8057","x":1}"#, Some("x")),
            (r#"{"hold":"nonsense"}"#, Some("hold")),
            ("7", None),
            (r#"["01890a5d-ac96-774b-bcce-b302099a8057","01890a5d-ac96-774b-bcce-b302099a8057"]"#, None),
        ] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            let error = data::<HoldRef>(Some(&raw)).expect_err(text);
            assert_eq!(error.code, ErrorCode::Invalid);
            assert_eq!(error.details.get("field"), field.map(Detail::from).as_ref(), "{text}");
        }
        assert_eq!(data::<HoldRef>(None).unwrap_err().details.get("field"), Some(&Detail::from("hold")));
    }
}
