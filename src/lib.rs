//! Latchkey: a real-time booking hub. ARCHITECTURE.md walks through it.

pub mod clock;
pub mod domain;
pub mod job;
pub mod provider;
pub mod service;
pub mod store;
