//! A SurrealDB server of the version that the hub is built with: `start -b 127.0.0.1:PORT -u USER -p PASSWORD surrealkv://DIR`.

// An optimised build computes the layout of SurrealDB's deepest futures.
#![recursion_limit = "512"]

use std::process::ExitCode;

fn main() -> ExitCode {
    surrealdb_server::init(surrealdb_server::core::CommunityComposer())
}
