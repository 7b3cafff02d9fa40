//! The code about itself: who may import whom (DESIGN.md), and what no file may contain.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which of our modules each part of `src` may name, besides itself: downward only, and never sideways.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("main", &["app", "clock", "cluster", "config", "telemetry"]),
    (
        "app",
        &[
            "api", "clock", "config", "demo", "digest", "domain", "durable", "entropy", "hub", "job", "provider", "service", "shared",
            "store",
        ],
    ),
    ("cluster", &["config", "digest", "durable", "entropy"]),
    ("demo", &["service"]),
    ("job", &["service", "domain", "clock", "entropy"]),
    ("api", &["service", "hub", "provider", "shared", "clock", "digest"]),
    ("service", &["store", "hub", "provider", "shared", "search", "domain", "clock", "digest", "durable", "entropy"]),
    ("search", &["domain"]),
    ("store", &["domain", "clock", "digest", "durable", "entropy"]),
    ("hub", &["shared", "clock"]),
    ("shared", &["digest"]),
    ("provider", &["domain", "clock", "digest", "durable"]),
    ("domain", &[]),
    ("clock", &[]),
    ("config", &[]),
    ("digest", &[]),
    ("durable", &[]),
    ("entropy", &[]),
    ("telemetry", &[]),
];

/// What the domain may know of the wire: the words of its own language.
const DOMAIN_MAY_USE: [&str; 21] = [
    "Amenity",
    "AuditId",
    "BlockId",
    "BookingId",
    "CancellationPolicy",
    "ClaimId",
    "Date",
    "EpochMs",
    "HoldId",
    "ModerationReason",
    "NotificationId",
    "NotificationKind",
    "PaymentId",
    "PhotoId",
    "PropertyId",
    "ReviewId",
    "Seq",
    "SessionId",
    "Topic",
    "UserId",
    "Weekday",
];

const MAX_LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below a folder of the repository, by its path in it.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut waiting: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty());
    found
}

/// The code with comments and the insides of literals blanked out; lines stay where they are.
fn code_of(source: &str) -> String {
    let (mut code, mut rest) = (String::with_capacity(source.len()), source);
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            rest[hashes + 2..].find(&close).map_or(rest.len(), |end| hashes + 2 + end + close.len())
        } else if first == '"' {
            1 + end_of_string(&rest[1..])
        } else if rest.starts_with("'\"'") {
            3
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..skipped].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[skipped..];
    }
    code
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text.strip_prefix('r')?.chars().take_while(|c| *c == '#').count();
    text[1 + hashes..].starts_with('"').then_some(hashes)
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// What follows each `start` in the code: one name, or every first name of a `{…}` group.
fn names_after(code: &str, start: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in code.match_indices(start) {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = code[at + start.len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => names.extend(first_names(group)),
            None => names.push(name(rest)),
        }
    }
    names
}

fn name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

fn first_names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut item) = (Vec::new(), 0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&std::mem::take(&mut item))),
            _ => item.push(c),
        }
    }
    names.push(name(&item));
    names.retain(|name| !name.is_empty());
    names
}

/// Paths that climb out of their part by `super::`, with what they name there.
fn escapes(file: &str, code: &str) -> Vec<String> {
    let inside = file.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inside.split('/').count();
    names_after(code, &"super::".repeat(depth)).into_iter().filter(|name| MAY_IMPORT.iter().any(|(part, _)| part == name)).collect()
}

#[test]
fn imports_go_downward_only() {
    let mut faults = Vec::new();
    for (file, source) in sources(&["src"]) {
        let part = name(file.trim_start_matches("src/"));
        if part == "lib" {
            continue;
        }
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(known, _)| *known == part) else {
            faults.push(format!("{file}: `{part}` has no place in DESIGN.md's order"));
            continue;
        };
        let code = code_of(&source);
        let starts = if part == "main" { ["latchkey::", "crate::"] } else { ["crate::", "crate::"] };
        let named = starts.iter().flat_map(|start| names_after(&code, start)).chain(escapes(&file, &code));
        for import in named.filter(|import| *import != part && !allowed.contains(&import.as_str())) {
            faults.push(format!("{file}: `{part}` must not import `{import}`"));
        }
    }
    faults.dedup();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_domain_knows_of_the_protocol_only_its_ids_and_numbers() {
    let mut faults = Vec::new();
    for (file, source) in sources(&["src/domain"]) {
        for import in names_after(&code_of(&source), "latchkey_protocol::") {
            if !DOMAIN_MAY_USE.contains(&import.as_str()) {
                faults.push(format!("{file}: latchkey_protocol::{import}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn surrealql_is_written_in_the_store_only() {
    for (file, source) in sources(&["src", "loadtest/src", "protocol/src"]) {
        let is_store = file.starts_with("src/store/");
        let speaks = ["SELECT ", "UPDATE ", "INSERT INTO ", "UPSERT ", "DEFINE TABLE"].iter().find(|word| source.contains(**word));
        assert!(is_store || speaks.is_none(), "{file} contains {speaks:?}");
    }
}

/// The part of a file that is not inside `#[cfg(test)] mod … { … }`, which ends the file in this code base.
fn without_tests(file: &str, code: &str) -> String {
    let is_test = file.contains("tests/") || file.ends_with("tests.rs");
    if is_test { String::new() } else { code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned() }
}

#[test]
fn tidy() {
    let mut faults = Vec::new();
    for (file, source) in
        sources(&["src", "protocol/src", "loadtest/src", "loadtest/tests", "tests/it", "fuzz/fuzz_targets", "fuzz/examples"])
    {
        let lines = source.lines().count();
        if lines > MAX_LINES {
            faults.push(format!("{file}: {lines} lines, at most {MAX_LINES}"));
        }
        let code = code_of(&source);
        for word in ["todo!(", "unimplemented!(", "dbg!("] {
            if code.contains(word) {
                faults.push(format!("{file}: {word}…)"));
            }
        }
        if without_tests(&file, &code).contains(".unwrap()") {
            faults.push(format!("{file}: unwrap outside tests; say with `expect` why it cannot fail"));
        }
        // Split, so that this file is not its own finding.
        for folder in ["root", "home", "Users", "work"] {
            let place = format!("/{folder}/");
            if let Some(line) = source.lines().find(|line| line.contains(&format!("\"{place}")) || line.contains(&format!(" {place}"))) {
                faults.push(format!("{file}: a path of one machine: {}", line.trim()));
            }
        }
        if !source.starts_with("//! ") {
            faults.push(format!("{file}: no opening lines that say what it is for"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_groups_comments_and_literals() {
    let code =
        code_of("use crate::{demo, job::{a, b}};\n// crate::store\nlet x = \"crate::hub\"; crate::api::run(r#\"crate::app\"#); $crate::no");
    assert_eq!(names_after(&code, "crate::"), ["demo", "job", "api"]);
    assert_eq!(escapes("src/store/rows/hold.rs", "use super::super::super::service::x; use super::super::error;"), ["service"]);
    assert!(escapes("src/clock.rs", "mod tests { use super::*; }").is_empty());
}
