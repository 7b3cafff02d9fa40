//! The hub as others meet it: over real sockets, on a port of its own, with a clock that tests move.
//!
//! One binary, so that SurrealDB is linked once. Files mirror the promises and the edges; a test that keeps a promise carries
//! its number. Nothing is timed: waits are for frames, answers and conditions.

mod journey;
mod support;
