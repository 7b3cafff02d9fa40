//! Reading JSON objects from clients, with faults that name their field where serde does. Used for REST bodies and for WebSocket
//! messages alike.

use serde::Deserialize;

/// Why a text is not the object that was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// A sentence for people.
    pub(super) message: String,
    /// The field that is missing, unknown or there twice; a fault in a value does not name its field.
    pub(super) field: Option<String>,
    /// Not JSON at all, rather than JSON of another shape.
    pub(super) is_malformed: bool,
}

/// Reads a JSON object. Serde alone would take an array as well, its items as the fields in order.
pub(super) fn object<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, Fault> {
    let is_object = text.trim_ascii_start().first() == Some(&b'{');
    if !is_object {
        let is_malformed = serde_json::from_slice::<serde::de::IgnoredAny>(text).is_err();
        return Err(Fault { message: "expected an object".to_owned(), field: None, is_malformed });
    }
    serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        Fault { field: named_field(&message).map(str::to_owned), is_malformed: !error.is_data(), message }
    })
}

/// The field in serde's "missing field `x`" and its like.
pub(super) fn named_field(message: &str) -> Option<&str> {
    let rest = ["missing field `", "unknown field `", "duplicate field `"].into_iter().find_map(|start| message.strip_prefix(start))?;
    rest.split_once('`').map(|(field, _)| field)
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::rest::Login;

    use super::*;

    #[test]
    fn a_fault_says_whether_it_is_json_at_all_and_names_the_field_where_serde_does() {
        for (text, field, is_malformed) in [
            ("", None, true),
            ("{", None, true),
            (r#"["a","b"]"#, None, false),
            ("7", None, false),
            (r#"{"email":"a"}"#, Some("password"), false),
            (r#"{"email":"a","password":"b","admin":true}"#, Some("admin"), false),
            (r#"{"email":1,"password":"b"}"#, None, false),
        ] {
            let fault = object::<Login>(text.as_bytes()).unwrap_err();
            assert_eq!((fault.field.as_deref(), fault.is_malformed), (field, is_malformed), "{text}");
        }
    }
}
