//! Typed reads, per noun. Each that serves a client is answered only when what it saw is on disk.

mod accounts;
mod bookings;
mod calendars;
mod events;
mod listings;
mod search;

pub use bookings::InboxState;
pub use calendars::{CalendarState, Lease};
pub use search::{LogPage, SearchHome};
