//! Latchkey: a real-time booking hub. ARCHITECTURE.md walks through it.

pub mod api;
pub mod app;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod digest;
pub mod domain;
pub mod durable;
pub mod entropy;
pub mod hub;
pub mod job;
pub mod provider;
pub mod search;
pub mod service;
pub mod shared;
pub mod store;
pub mod telemetry;
