//! Search in memory: which homes are free for these nights, in this area, for so many guests, under this total.
//!
//! Pure data, no clock and no IO: `service::search` feeds it with what was committed, tells it the time and keeps its checkpoint on disk. It
//! narrows; whether a stay is accepted and what it costs is asked of the domain, for the few homes that may be on the page. Results
//! equal those of the plain scan, order included (property tests).

pub mod checkpoint;
mod cursor;
mod facts;
mod find;
mod geo;
mod index;
mod nights;
pub mod plain;
mod prices;
mod query;
mod runs;
mod select;
#[cfg(test)]
mod tests;
mod views;

pub use cursor::Cursor;
pub use find::Hit;
pub use index::{Applied, Home, Index};
pub use query::{Circle, DEFAULT_CURRENCY, Dates, MAX_FLEXIBLE_DAYS, MAX_RADIUS_M, Query, Sort};
pub use views::{Results, ViewId, Views};
