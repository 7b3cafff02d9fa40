//! Writes the first inputs of the `message` target: every command of the protocol's examples, in both encodings.
//!
//! `cargo run --example seed`, in this folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/message");
    fs::create_dir_all(&folder)?;
    let examples: BTreeMap<String, Value> = serde_json::from_str(include_str!("../../protocol/examples.json"))?;
    for (name, example) in examples.iter().filter(|(name, _)| name.starts_with("command.")) {
        fs::write(folder.join(format!("{name}.json")), serde_json::to_vec(example)?)?;
        fs::write(folder.join(format!("{name}.msgpack")), rmp_serde::to_vec_named(example)?)?;
    }
    Ok(())
}
