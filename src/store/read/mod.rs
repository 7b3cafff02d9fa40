//! Typed reads, per noun. Each that serves a client is answered only when what it saw is on disk.

mod accounts;
mod bookings;
mod calendars;
mod events;
pub(super) mod jobs;
mod listings;
mod log;
mod notifications;
mod retention;
mod reviews;
mod search;
mod threads;

use surrealdb::types::{RecordId, SurrealValue};

use super::database::variables;
use super::{Store, StoreError};
pub use accounts::Person;
pub use bookings::{BookingFilter, InboxState};
pub use calendars::{CalendarState, Lease};
pub use log::{LoggedBatch, Process, Tail};
pub use retention::{Aged, Found};
pub use reviews::ReviewSubject;
pub use search::SearchHome;

impl Store {
    /// The record with this id, if there is one, as it is on disk.
    async fn one<Row, T>(&self, id: RecordId) -> Result<Option<T>, StoreError>
    where
        Row: SurrealValue,
        T: TryFrom<Row, Error = StoreError>,
    {
        let row: Option<Row> = self.database().read("SELECT * FROM ONLY $id", variables([("id", id.into_value())])).await?;
        self.settled().await;
        row.map(T::try_from).transpose()
    }
}
