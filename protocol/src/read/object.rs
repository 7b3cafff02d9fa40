//! Reading JSON objects from clients, with faults that name their field where serde does. The hub reads REST bodies with it and
//! messages of the live protocol alike.

use serde::Deserialize;

/// Why a text is not the object that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A sentence for people.
    pub message: String,
    /// The field of the object that is missing, unknown, there twice, or whose value is at fault.
    pub field: Option<String>,
    /// Not JSON at all, rather than JSON of another shape.
    pub is_malformed: bool,
}

/// Reads a JSON object. Serde alone would take an array as well, its items as the fields in order.
///
/// # Errors
/// What is wrong with the text, as far as serde tells.
pub fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Fault> {
    let is_object = text.trim_ascii_start().first() == Some(&b'{');
    if !is_object {
        let is_malformed = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err();
        return Err(Fault { message: "expected an object".to_owned(), field: None, is_malformed });
    }
    serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        let field = match named_field(&message) {
            Some(field) => Some(field.to_owned()),
            None if error.is_data() => field_before(text, error.line(), error.column()),
            None => None,
        };
        Fault { field, is_malformed: !error.is_data(), message }
    })
}

/// The field in serde's "missing field `x`" and its like.
#[must_use]
pub fn named_field(message: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"].into_iter().find_map(|start| message.strip_prefix(start))?;
    rest.split_once('`').map(|(field, _)| field)
}

/// The field of the outermost object in whose value a place lies. Serde says where a value is at fault, but not of which field it is.
fn field_before(text: &[u8], line: usize, column: usize) -> Option<String> {
    let before: usize = text.split_inclusive(|byte| *byte == b'\n').take(line.checked_sub(1)?).map(<[u8]>::len).sum();
    let text = text.get(..before + column)?;
    let (mut depth, mut is_name, mut field, mut at) = (0_usize, false, None, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                is_name = depth == 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' => is_name = depth == 1,
            b'"' => {
                let end = end_of_string(text, at)?;
                if is_name {
                    field = serde_json::from_slice(&text[at..end]).ok();
                    is_name = false;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    // After the object's end the fault is not in one value.
    field.filter(|_| depth > 0)
}

/// Where the string that begins here ends.
fn end_of_string(text: &[u8], begin: usize) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.iter().enumerate().skip(begin + 1) {
        match byte {
            b'"' if !is_escaped => return Some(at + 1),
            b'\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::{CreateProperty, Login};

    #[test]
    fn a_fault_says_whether_it_is_json_at_all_and_names_the_field() {
        for (text, field, is_malformed) in [
            ("", None, true),
            ("{", None, true),
            (r#"["a","b"]"#, None, false),
            ("7", None, false),
            (r#"{"email":"a"}"#, Some("password"), false),
            (r#"{"email":"a","password":"b","admin":true}"#, Some("admin"), false),
            (r#"{"email":1,"password":"b"}"#, Some("email"), false),
            (r#"{"email":"a","password":["b","c"]}"#, Some("password"), false),
            (r#"{"email":"a,\"{\\","password":null}"#, Some("password"), false),
            ("{\n  \"email\": \"a\",\n  \"p\\u0061ssword\": 7\n}", Some("password"), false),
            (r#"{"email":"a","password":"b"#, None, true),
        ] {
            let fault = object::<Login>(text.as_bytes()).unwrap_err();
            assert_eq!((fault.field.as_deref(), fault.is_malformed), (field, is_malformed), "{text}");
        }
    }

    #[test]
    fn a_fault_deep_in_a_value_names_the_field_of_the_outermost_object() {
        for (text, field) in [
            (r#"{"amenities":["wifi","moat"],"title":"a"}"#, "amenities"),
            (r#"{"title":"a","location":{"latitude":"north"},"city":"b"}"#, "location"),
            (r#"{"amenities":["wifi"],"max_guests":-1}"#, "max_guests"),
            (r#"{"location":{"latitude":1,"longitude":2},"seasons":{}}"#, "seasons"),
        ] {
            let fault = object::<CreateProperty>(text.as_bytes()).unwrap_err();
            assert_eq!(fault.field.as_deref(), Some(field), "{text}: {}", fault.message);
        }
    }
}
