//! Counts what the database is asked besides commits, by what it is asked for: `latchkey_database_reads_total`.
//!
//! The live side is meant to answer from memory; this is how `loadtest storm` and an operator see whether it does. (The few
//! statements that a start runs are counted as well.)

/// Counts one query.
pub(super) fn count_read(text: &str) {
    metrics::counter!("latchkey_database_reads_total", "of" => subject(text).to_owned()).increment(1);
}

/// What a query reads, in one word: its function, or its first table. Texts are ours, so there are few.
fn subject(text: &str) -> &str {
    if let Some(at) = text.find("fn::") {
        return word(text.get(at..).unwrap_or_default());
    }
    let source = text.split_once("FROM ").map_or("", |(_, source)| source.trim_start_matches("ONLY "));
    let table = word(source);
    if table.is_empty() { "records" } else { table }
}

/// The name that a text begins with.
fn word(text: &str) -> &str {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let head = if text.starts_with("fn::") { "fn::".len() } else { 0 };
    let length = text.bytes().skip(head).take_while(is_name).count();
    text.get(..head + length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_counted_by_its_function_or_its_first_table() {
        for (text, expected) in [
            ("RETURN fn::head($topic)", "fn::head"),
            ("SELECT * FROM event:[$topic, $from]..=[$topic, $to]", "event"),
            ("SELECT VALUE id FROM notification LIMIT 1", "notification"),
            ("RETURN (SELECT VALUE value FROM ONLY meta:schema)", "meta"),
            ("SELECT * FROM $ids", "records"),
            ("BEGIN; COMMIT", "records"),
        ] {
            assert_eq!(subject(text), expected, "{text}");
        }
    }
}
