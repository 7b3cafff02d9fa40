//! `/properties/…`.

use latchkey_protocol::rest::CalendarWindow;

use super::{Ask, Handled, created, ok};

pub(super) async fn create(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let property = ask.services.listings.create(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/properties/{}/", property.id), &property)
}

pub(super) async fn search(ask: Ask) -> Handled {
    ok(&ask.services.search.find(&ask.query()?).await?)
}

pub(super) async fn find(ask: Ask) -> Handled {
    ok(&ask.services.listings.find(ask.path("property")?).await?)
}

pub(super) async fn calendar(ask: Ask) -> Handled {
    let window: CalendarWindow = ask.query()?;
    ok(&ask.services.bookings.calendar(ask.path("property")?, window.from, window.to).await?)
}
