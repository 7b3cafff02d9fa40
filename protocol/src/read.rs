//! From a message's bytes to a command and its typed data, or to the error that tells the client what was wrong: what the hub reads with, and
//! what `fuzz/` reads everything with.
//!
//! Each step has its own errors, so that the hub can judge in between who asks, in the order of [`ErrorCode`]: MessagePack becomes JSON
//! ([`to_json`], `malformed`), JSON an envelope ([`envelope`], `malformed`, with the `id` that it is answered by), the name a command
//! ([`command`], `unknown_command`), and the data a [`Request`] ([`request`], `invalid`). Nothing here looks at a clock or at who asks.

mod object;
mod unpack;

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::object::{Fault, named_field, object};
pub use self::unpack::{MAX_DEPTH, to_json};
use crate::client::{
    AskQuote, Authenticate, BookHold, BookingRef, Command, Envelope, HoldDates, HoldRef, Pay, ReadMessages, Resume, SendMessage, Subscribe,
    Unsubscribe, UnwatchSearch, WatchSearch,
};
use crate::error::{ErrorCode, WireError};
use crate::rest::ReadNotifications;

/// A message whose `data` is not read yet.
pub type RawEnvelope<'a> = Envelope<Cow<'a, str>, &'a RawValue>;

/// A message that is no envelope.
#[derive(Debug, PartialEq, Eq)]
pub struct BadEnvelope {
    /// Its `id`, if that much could be read.
    pub id: Option<u64>,
    /// `Malformed`, with a sentence that says what is wrong.
    pub error: WireError,
}

/// A command with its data. Written, it is that data.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each is what its command says")]
pub enum Request {
    Authenticate(Authenticate),
    Refresh(Authenticate),
    Subscribe(Subscribe),
    Unsubscribe(Unsubscribe),
    Resume(Resume),
    Ping(NoData),
    WatchSearch(WatchSearch),
    UnwatchSearch(UnwatchSearch),
    Quote(AskQuote),
    Hold(HoldDates),
    ExtendHold(HoldRef),
    ReleaseHold(HoldRef),
    Book(BookHold),
    Pay(Pay),
    Cancel(BookingRef),
    SendMessage(SendMessage),
    ReadMessages(ReadMessages),
    Typing(BookingRef),
    ReadNotifications(ReadNotifications),
}

/// `{}`: the data of a command that needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoData {}

/// Reads the envelope.
///
/// # Errors
/// `Malformed`.
pub fn envelope(text: &str) -> Result<RawEnvelope<'_>, BadEnvelope> {
    #[derive(Deserialize)]
    struct OnlyId {
        id: u64,
    }
    object(text.as_bytes()).map_err(|fault| BadEnvelope {
        id: object::<OnlyId>(text.as_bytes()).ok().map(|only| only.id),
        error: WireError::new(ErrorCode::Malformed, format!("not a command: {}", fault.message)),
    })
}

/// Reads the command's name.
///
/// # Errors
/// `UnknownCommand`.
pub fn command(name: &str) -> Result<Command, WireError> {
    Command::from_name(name).ok_or_else(|| WireError::new(ErrorCode::UnknownCommand, "no such command"))
}

/// Reads the command's data; left out, it counts as `{}`.
///
/// # Errors
/// `Invalid`, with the field where it is known.
pub fn request(command: Command, raw: Option<&RawValue>) -> Result<Request, WireError> {
    Ok(match command {
        Command::Authenticate => Request::Authenticate(data(raw)?),
        Command::Refresh => Request::Refresh(data(raw)?),
        Command::Subscribe => Request::Subscribe(data(raw)?),
        Command::Unsubscribe => Request::Unsubscribe(data(raw)?),
        Command::Resume => Request::Resume(data(raw)?),
        Command::Ping => Request::Ping(data(raw)?),
        Command::WatchSearch => Request::WatchSearch(data(raw)?),
        Command::UnwatchSearch => Request::UnwatchSearch(data(raw)?),
        Command::Quote => Request::Quote(data(raw)?),
        Command::Hold => Request::Hold(data(raw)?),
        Command::ExtendHold => Request::ExtendHold(data(raw)?),
        Command::ReleaseHold => Request::ReleaseHold(data(raw)?),
        Command::Book => Request::Book(data(raw)?),
        Command::Pay => Request::Pay(data(raw)?),
        Command::Cancel => Request::Cancel(data(raw)?),
        Command::SendMessage => Request::SendMessage(data(raw)?),
        Command::ReadMessages => Request::ReadMessages(data(raw)?),
        Command::Typing => Request::Typing(data(raw)?),
        Command::ReadNotifications => Request::ReadNotifications(data(raw)?),
    })
}

fn data<T: DeserializeOwned>(raw: Option<&RawValue>) -> Result<T, WireError> {
    object(raw.map_or("{}", RawValue::get).as_bytes()).map_err(|Fault { message, field, .. }| {
        let error = WireError::new(ErrorCode::Invalid, message);
        match field {
            Some(field) => error.with("field", field),
            None => error,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::error::Detail;

    #[test]
    fn every_example_of_a_command_is_its_request_and_written_again_its_data() {
        let examples: BTreeMap<String, Box<RawValue>> = serde_json::from_str(include_str!("../examples.json")).unwrap();
        for known in Command::ALL {
            let example = examples[&format!("command.{}", known.as_str())].get();
            let envelope = envelope(example).unwrap();
            assert_eq!(command(&envelope.cmd), Ok(known));
            let asked = request(known, envelope.data).unwrap_or_else(|error| panic!("{example}: {error:?}"));
            let written = serde_json::to_value(&asked).unwrap();
            let expected: serde_json::Value = serde_json::from_str(envelope.data.map_or("{}", RawValue::get)).unwrap();
            assert_eq!(written, expected, "{example}");
            // Commands with data of one type are not taken for each other.
            assert!(format!("{asked:?}").starts_with(&format!("{known:?}(")), "{asked:?} is no {known:?}");
        }
    }

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
            let error = request(Command::ExtendHold, Some(&raw)).expect_err(text);
            assert_eq!(error.code, ErrorCode::Invalid);
            assert_eq!(error.details.get("field"), field.map(Detail::from).as_ref(), "{text}");
        }
        assert_eq!(request(Command::ExtendHold, None).unwrap_err().details.get("field"), Some(&Detail::from("hold")));
    }
}
