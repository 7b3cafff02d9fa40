//! Documents that are made from the code and checked in: each must be what the code says now.
//!
//! `LATCHKEY_WRITE_DOCUMENTS=1 cargo test --test it documents` writes them again.

use std::path::Path;

/// Compares a document with what is checked in, or writes it.
fn is_current(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("LATCHKEY_WRITE_DOCUMENTS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "{name} is not what the code says: run `LATCHKEY_WRITE_DOCUMENTS=1 cargo test --test it documents`");
}

#[test]
fn the_openapi_document_is_what_the_operations_say() {
    is_current("openapi.json", &latchkey::api::openapi::text());
}

#[test]
fn the_documents_of_the_live_protocol_are_what_its_types_say() {
    let schema = serde_json::to_string_pretty(&latchkey::api::asyncapi::schema()).unwrap();
    is_current("protocol/schema/latchkey.json", &format!("{schema}\n"));
    let document = serde_norway::to_string(&latchkey::api::asyncapi::document()).unwrap();
    is_current(
        "protocol/asyncapi.yaml",
        &format!("# Made from the types by `LATCHKEY_WRITE_DOCUMENTS=1 cargo test --test it documents`.\n{document}"),
    );
}

#[test]
fn every_message_of_the_live_protocol_has_its_example() {
    let schema = latchkey::api::asyncapi::schema();
    let examples: serde_json::Map<String, serde_json::Value> = serde_json::from_str(latchkey::api::asyncapi::EXAMPLES).unwrap();
    let frames = ["ClientMessage", "ServerMessage"].into_iter().flat_map(|side| {
        let frames = schema["$defs"][side].as_object().unwrap().values().next().unwrap().as_array().unwrap();
        frames.iter().map(|frame| frame["$ref"].as_str().unwrap().trim_start_matches("#/$defs/").to_owned())
    });
    let mut named: Vec<String> = frames.collect();
    named.sort();
    let mut known: Vec<&String> = examples.keys().collect();
    known.sort();
    assert_eq!(named.iter().collect::<Vec<_>>(), known);
}

#[test]
fn every_operation_says_what_it_does_and_has_a_name_of_its_own() {
    let operations = latchkey::api::rest::operations();
    for operation in &operations {
        assert!(operation.summary.len() > 5, "{}", operation.id);
        assert!(operation.path.starts_with('/') && operation.path.ends_with('/'), "{}", operation.path);
        let namesakes = operations.iter().filter(|other| other.id == operation.id).count();
        assert_eq!(namesakes, 1, "{}", operation.id);
    }
}

#[test]
fn everything_that_the_document_refers_to_is_in_it() {
    let document: serde_json::Value = serde_json::from_str(&latchkey::api::openapi::text()).unwrap();
    let (mut waiting, mut missing) = (vec![&document], Vec::new());
    while let Some(value) = waiting.pop() {
        if let Some(reference) = value.get("$ref").and_then(serde_json::Value::as_str)
            && document.pointer(reference.trim_start_matches('#')).is_none()
        {
            missing.push(reference.to_owned());
        }
        waiting.extend(value.as_object().into_iter().flat_map(serde_json::Map::values));
        waiting.extend(value.as_array().into_iter().flatten());
    }
    assert_eq!(missing, Vec::<String>::new());
}
