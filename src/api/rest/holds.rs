//! `/quotes/`, `/holds/…`, and booking a hold.

use latchkey_protocol::client::HoldRef;
use latchkey_protocol::rest::OnProperty;

use super::{Ask, Handled, created, ok};

pub(super) async fn quote(ask: Ask) -> Handled {
    ok(&ask.services.bookings.quote(ask.known_caller().map(|caller| caller.user), ask.json()?).await?)
}

pub(super) async fn hold(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let hold = ask.services.bookings.hold(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/holds/{}/?property={}", hold.id, hold.property), &hold)
}

pub(super) async fn find(ask: Ask) -> Handled {
    let (caller, on) = (ask.caller()?, ask.query::<OnProperty>()?);
    ok(&ask.services.bookings.find_hold(&caller, ask.path("hold")?, on.property).await?)
}

pub(super) async fn extend(ask: Ask) -> Handled {
    let (caller, hold, on) = (ask.caller()?, ask.path("hold")?, ask.json::<OnProperty>()?);
    ok(&ask.services.bookings.extend_hold(&caller, ask.key()?, HoldRef { hold, property: on.property }).await?)
}

pub(super) async fn release(ask: Ask) -> Handled {
    let (caller, hold, on) = (ask.caller()?, ask.path("hold")?, ask.json::<OnProperty>()?);
    ok(&ask.services.bookings.release_hold(&caller, ask.key()?, HoldRef { hold, property: on.property }).await?)
}

pub(super) async fn book(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let booking = ask.services.bookings.book(&caller, ask.key()?, ask.json()?).await?;
    created(&format!("/bookings/{}/", booking.id), &booking)
}
