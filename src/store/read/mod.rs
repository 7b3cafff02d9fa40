//! Typed reads, per noun. Each that serves a client is answered only when what it saw is on disk.

mod accounts;
mod bookings;
mod calendars;
mod events;
pub(super) mod jobs;
mod listings;
mod retention;
mod search;

pub use accounts::Person;
pub use bookings::InboxState;
pub use calendars::{CalendarState, Lease};
pub use retention::{Aged, Found, LoggedBatch};
pub use search::SearchHome;
