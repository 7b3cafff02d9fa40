//! `/bookings/{id}/messages/…` and `/threads/…`.

use latchkey_protocol::rest::ReadMessages;

use super::page::Bounds;
use super::{Ask, Handled, created, ok};
use crate::service::messages::AfterThread;

pub(super) async fn send(ask: Ask) -> Handled {
    let (caller, booking) = (ask.caller()?, ask.path("booking")?);
    let message = ask.services.messages.send(&caller, ask.key()?, booking, ask.json()?).await?;
    created(&format!("/bookings/{booking}/messages/"), &message)
}

pub(super) async fn list(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.caller()?, Bounds::<u64>::of(&ask.query()?)?);
    let messages = ask.services.messages.list(&caller, ask.path("booking")?, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(messages, |message| message.number))
}

pub(super) async fn mark_read(ask: Ask) -> Handled {
    let (caller, booking) = (ask.caller()?, ask.path("booking")?);
    ok(&ask.services.messages.mark_read(&caller, booking, ask.json::<ReadMessages>()?).await?)
}

pub(super) async fn threads(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.caller()?, Bounds::<AfterThread>::of(&ask.query()?)?);
    let threads = ask.services.messages.threads(&caller, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(threads, AfterThread::of))
}

pub(super) async fn find_thread(ask: Ask) -> Handled {
    ok(&ask.services.messages.find_thread(&ask.caller()?, ask.path("booking")?).await?)
}
