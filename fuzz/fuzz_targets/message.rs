//! Whatever bytes a client sends: the hub's own reader (`latchkey_protocol::read`) takes them as text and as MessagePack.
//!
//! Nothing may panic; each step refuses by its own code alone; what was MessagePack is JSON afterwards; and a request that was read is the same one
//! when it is written and read again, in either encoding. Seeds are made of the protocol's examples (`examples/seed.rs`).

#![no_main]

use latchkey_protocol::ErrorCode;
use latchkey_protocol::client::{Command, Envelope};
use latchkey_protocol::read::{self, Request};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What one byte of MessagePack may become at most in JSON: a control character (`\u0000`), or `false,`.
const MOST_GROWTH: usize = 6;

fuzz_target!(|message: &[u8]| {
    if let Ok(text) = std::str::from_utf8(message) {
        check(text);
        if let Ok(value) = serde_json::from_str(text) {
            compare_encodings(&value);
        }
    }
    match read::to_json(message) {
        Ok(text) => {
            assert!(text.len() <= MOST_GROWTH * message.len(), "{} bytes became {text}", message.len());
            serde_json::from_str::<IgnoredAny>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            check(&text);
        }
        Err(error) => assert_eq!(error.code, ErrorCode::Malformed),
    }
});

/// A message as the hub understands it.
#[derive(Debug, PartialEq)]
struct Understood {
    id: u64,
    command: Command,
    key: Option<String>,
    request: Request,
}

/// Reads a message as the hub does, all steps at once.
fn understand(text: &str) -> Result<Understood, ErrorCode> {
    let envelope = read::envelope(text).map_err(|bad| bad.error.code)?;
    let command = read::command(&envelope.cmd).map_err(|error| error.code)?;
    let request = read::request(command, envelope.data).map_err(|error| error.code)?;
    Ok(Understood { id: envelope.id, command, key: envelope.key.map(String::from), request })
}

fn check(text: &str) {
    match understand(text) {
        Ok(understood) => check_again(&understood),
        Err(code) => assert!(matches!(code, ErrorCode::Malformed | ErrorCode::UnknownCommand | ErrorCode::Invalid), "{code:?} for {text}"),
    }
}

/// Written and read again it is the same.
fn check_again(understood: &Understood) {
    let Understood { id, command, key, request } = understood;
    let message = Envelope { id: *id, cmd: command.as_str(), key: key.as_deref(), data: Some(request) };
    let text = serde_json::to_string(&message).expect("a request has a form in JSON");
    let packed = rmp_serde::to_vec_named(&message).expect("and in MessagePack");
    assert_eq!(understand_again(&text, understood).as_ref(), Ok(understood), "{text}");
    let unpacked = read::to_json(&packed).unwrap_or_else(|error| panic!("{error:?} for {text} in MessagePack"));
    assert_eq!(understand_again(&unpacked, understood).as_ref(), Ok(understood), "{unpacked} from MessagePack");
}

/// Reads what was written. serde_json without `float_roundtrip` may read a number of seventeen digits a few steps beside the one that was written: the
/// fuzzer found 1.7930966289454513e-307 kilometres. That is let pass, and nothing more.
fn understand_again(text: &str, written: &Understood) -> Result<Understood, ErrorCode> {
    let mut read = understand(text)?;
    if let (Request::WatchSearch(read), Request::WatchSearch(written)) = (&mut read.request, &written.request)
        && let (Some(read), Some(written)) = (&mut read.radius_km, written.radius_km)
        && read.to_bits().abs_diff(written.to_bits()) <= 4
    {
        *read = written;
    }
    Ok(read)
}

/// Any JSON is the same text again by way of MessagePack, so that whatever is wrong with a message is wrong with it in both encodings; unless it
/// is deeper than MessagePack is read.
fn compare_encodings(value: &Value) {
    let packed = rmp_serde::to_vec_named(value).expect("JSON has a form in MessagePack");
    match read::to_json(&packed) {
        Ok(text) => assert_eq!(text, value.to_string()),
        Err(error) => assert!(depth(value) > read::MAX_DEPTH, "{error:?} for {value}"),
    }
}

/// How many maps and arrays lie in each other at most, a value within counting as one more.
fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(fields) => fields.values().map(depth).max(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return 1,
    };
    1 + deepest.unwrap_or(0)
}
