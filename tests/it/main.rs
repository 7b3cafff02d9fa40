//! The hub as others meet it: over real sockets, on a port of its own, with a clock that tests move.
//!
//! One binary, so that SurrealDB is linked once. Files mirror the promises and the edges; a test that keeps a promise carries
//! its number. Nothing is timed: waits are for frames, answers and conditions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounts;
mod architecture;
mod blocks;
mod calendar_rules;
mod caps;
mod cluster;
mod documents;
mod durability;
mod encodings;
mod events;
mod frames;
mod histories;
mod host_limits;
mod hostile;
mod input;
mod jobs;
mod journey;
mod keys;
mod leases;
mod live;
mod loadtest;
mod mail;
mod matrix;
mod messages;
mod min_seq;
mod money;
mod mutations;
mod notifications;
mod photos;
mod privacy;
mod properties;
mod race;
mod rates;
mod resume;
mod retention;
mod reviews;
mod schedules;
mod search;
mod search_watch;
mod stays;
mod stripe;
mod support;
