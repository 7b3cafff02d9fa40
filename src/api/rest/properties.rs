//! `/properties/…`.

use latchkey_protocol::PropertyId;
use latchkey_protocol::rest::{CalendarWindow, PageQuery};

use super::page::Bounds;
use super::{Ask, Handled, created, ok};

pub(super) async fn create(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let property = ask.services.listings.create(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/properties/{}/", property.id), &property)
}

pub(super) async fn list(ask: Ask, query: PageQuery) -> Handled {
    let bounds = Bounds::of(&query)?;
    let properties = ask.services.listings.list(bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(properties, |property| property.id))
}

pub(super) async fn find(property: PropertyId, ask: Ask) -> Handled {
    ok(&ask.services.listings.find(property).await?)
}

pub(super) async fn calendar(property: PropertyId, ask: Ask, window: CalendarWindow) -> Handled {
    ok(&ask.services.bookings.calendar(property, window.from, window.to).await?)
}
