//! `/quotes/`, `/holds/…`, `/bookings/…`.

use latchkey_protocol::client::{BookingRef, HoldRef};
use latchkey_protocol::rest::OnProperty;

use super::page::Bounds;
use super::{Ask, Handled, created, ok};

pub(super) async fn quote(ask: Ask) -> Handled {
    ok(&ask.services.bookings.quote(ask.known_caller().map(|caller| caller.user), ask.json()?).await?)
}

pub(super) async fn hold(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let hold = ask.services.bookings.hold(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/holds/{}/?property={}", hold.id, hold.property), &hold)
}

pub(super) async fn find_hold(ask: Ask) -> Handled {
    let (caller, on) = (ask.caller()?, ask.query::<OnProperty>()?);
    ok(&ask.services.bookings.find_hold(&caller, ask.path("hold")?, on.property).await?)
}

pub(super) async fn extend_hold(ask: Ask) -> Handled {
    let (caller, hold, on) = (ask.caller()?, ask.path("hold")?, ask.json::<OnProperty>()?);
    ok(&ask.services.bookings.extend_hold(&caller, ask.key()?, HoldRef { hold, property: on.property }).await?)
}

pub(super) async fn release_hold(ask: Ask) -> Handled {
    let (caller, hold, on) = (ask.caller()?, ask.path("hold")?, ask.json::<OnProperty>()?);
    ok(&ask.services.bookings.release_hold(&caller, ask.key()?, HoldRef { hold, property: on.property }).await?)
}

pub(super) async fn book(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let booking = ask.services.bookings.book(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/bookings/{}/", booking.id), &booking)
}

pub(super) async fn list(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.caller()?, Bounds::of(&ask.query()?)?);
    let bookings = ask.services.bookings.list(&caller, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(bookings, |booking| booking.id))
}

pub(super) async fn find(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.bookings.find_booking(&caller, ask.path("booking")?).await?)
}

pub(super) async fn cancel(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.bookings.cancel(&caller, ask.key()?, BookingRef { booking: ask.path("booking")? }).await?)
}
