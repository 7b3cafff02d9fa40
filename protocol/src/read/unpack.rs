//! From a client's MessagePack to the JSON that [`super::envelope`] reads: one reader for both encodings, so that both have the same faults.
//!
//! Only what JSON can say is taken: maps with text for keys, and neither bytes, extensions nor numbers that are none.

use std::fmt;

use rmp_serde::Deserializer;
use rmp_serde::decode::Error;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::{ErrorCode, WireError};

/// How deeply values may lie in each other: far deeper than in any command, and less than the reader of JSON goes.
pub const MAX_DEPTH: usize = 64;

/// The same message as JSON, at most six times as long.
///
/// # Errors
/// `Malformed`, with a sentence that says what is wrong.
pub fn to_json(message: &[u8]) -> Result<String, WireError> {
    let malformed = |why: String| WireError::new(ErrorCode::Malformed, format!("not a command: {why}"));
    let mut json = Vec::with_capacity(message.len() * 2);
    let mut reader = Deserializer::new(message);
    reader.set_max_depth(MAX_DEPTH);
    Value(&mut json).deserialize(&mut reader).map_err(|error| malformed(say(&error)))?;
    if !reader.into_inner().is_empty() {
        return Err(malformed("there is something behind the message".to_owned()));
    }
    String::from_utf8(json).map_err(|error| malformed(error.to_string()))
}

/// The library's sentences, as far as they say what a client did.
fn say(error: &Error) -> String {
    match error {
        Error::InvalidMarkerRead(_) | Error::InvalidDataRead(_) | Error::LengthMismatch(_) => "it breaks off".to_owned(),
        Error::DepthLimitExceeded => format!("it is deeper than {MAX_DEPTH} levels"),
        other => other.to_string(),
    }
}

/// Writes the next value.
struct Value<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Value<'_> {
    /// Writes something that JSON has a form of.
    fn write<E: de::Error>(self, value: impl serde::Serialize) -> Result<(), E> {
        serde_json::to_writer(self.0, &value).map_err(E::custom)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map, an array, text, a finite number, a boolean or nil")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        self.write(value)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.write(value)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        if value.is_finite() { self.write(value) } else { Err(E::custom("a number that is none")) }
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        self.write(value)
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.write(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.push(b'[');
        let mut is_first = true;
        loop {
            let end = self.0.len();
            if !is_first {
                self.0.push(b',');
            }
            if items.next_element_seed(Value(self.0))?.is_none() {
                self.0.truncate(end);
                self.0.push(b']');
                return Ok(());
            }
            is_first = false;
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.push(b'{');
        let mut is_first = true;
        loop {
            let end = self.0.len();
            if !is_first {
                self.0.push(b',');
            }
            if entries.next_key_seed(Key(self.0))?.is_none() {
                self.0.truncate(end);
                self.0.push(b'}');
                return Ok(());
            }
            self.0.push(b':');
            entries.next_value_seed(Value(self.0))?;
            is_first = false;
        }
    }
}

/// Writes the next key: text alone.
struct Key<'a>(&'a mut Vec<u8>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text as a key")
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<(), E> {
        Value(self.0).write(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;

    #[test]
    fn every_example_reads_the_same_in_both_encodings() {
        let examples: serde_json::Map<String, Json> = serde_json::from_str(include_str!("../../examples.json")).unwrap();
        for (name, example) in examples {
            let text = to_json(&rmp_serde::to_vec_named(&example).unwrap()).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), example, "{name}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_malformed() {
        let deep = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
        for (message, what) in [
            (&b""[..], "nothing"),
            (b"\x81", "a map that breaks off"),
            (b"\x81\xa2id", "a key without a value"),
            (b"\xdf\xff\xff\xff\xff", "a map of four billion entries"),
            (b"\xdd\xff\xff\xff\xff", "an array of four billion items"),
            (b"\xdb\xff\xff\xff\xffx", "text of four billion bytes"),
            (b"\xc6\xff\xff\xff\xffx", "bytes of four billion"),
            (b"\x81\x01\x02", "a number as a key"),
            (b"\x81\x81\xa1a\x01\x02", "a map as a key"),
            (b"\x81\xc4\x01a\x02", "bytes as a key"),
            (b"\x81\xc0\x02", "nil as a key"),
            (b"\x81\xa1a\xc4\x02ab", "bytes"),
            (b"\x81\xa1a\xd4\x01\x02", "an extension"),
            (b"\x81\xa1a\xd6\xff\x00\x00\x00\x00", "a timestamp"),
            (b"\x81\xa1a\xa2\xff\xfe", "text that is no UTF-8"),
            (b"\x81\xa1a\xca\x7f\xc0\x00\x00", "no number"),
            (b"\x81\xa1a\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", "infinity"),
            (b"\xc1", "the byte that is reserved"),
            (b"\x80\x80", "two messages"),
            (b"\x80\x00", "something behind the message"),
            (&deep(65), "65 arrays in each other"),
            (&deep(60_000), "60,000 arrays in each other"),
        ] {
            let error = to_json(message).expect_err(what);
            assert_eq!(error.code, ErrorCode::Malformed, "{what}");
        }
        assert_eq!(to_json(&deep(60)).unwrap().len(), 60 * 2 + 4);
    }

    #[test]
    fn numbers_and_text_keep_their_values() {
        let value = json!({ "a": [0, -1, u64::MAX, i64::MIN, 1.5, true, null, "\u{0}\"\\é"], "": {} });
        let text = to_json(&rmp_serde::to_vec_named(&value).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_json_or_malformed(message in prop::collection::vec(any::<u8>(), 0..200)) {
            match to_json(&message) {
                Ok(text) => prop_assert!(serde_json::from_str::<Json>(&text).is_ok(), "{text}"),
                Err(error) => prop_assert_eq!(error.code, ErrorCode::Malformed),
            }
        }
    }
}
