//! Latchkey: a real-time booking hub.
pub mod domain;
