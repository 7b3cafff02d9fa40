//! `/bookings/{id}/…`: what its two parties do with a booking.

use latchkey_protocol::client::BookingRef;
use latchkey_protocol::rest::{BookingsQuery, MinSeq, PageQuery};

use super::page::Bounds;
use super::{Ask, Handled, Problem, ok};
use crate::service::stays::Answer;

pub(super) async fn list(ask: Ask) -> Handled {
    let (caller, query) = (ask.caller()?, ask.query::<BookingsQuery>()?);
    let bounds = Bounds::of(&PageQuery { cursor: query.cursor.clone(), limit: query.limit })?;
    let bookings = ask.services.stays.list(&caller, &query, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(bookings, |booking| booking.id))
}

pub(super) async fn find(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let MinSeq { min_seq } = ask.query()?;
    ok(&ask.services.stays.find(&caller, ask.path("booking")?, min_seq).await?)
}

pub(super) async fn cancellation(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.stays.cancellation(&caller, ask.path("booking")?).await?)
}

pub(super) async fn cancel(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.stays.cancel(&caller, ask.key()?, named(&ask)?).await?)
}

pub(super) async fn accept(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.stays.accept(&caller, ask.key()?, named(&ask)?).await?)
}

pub(super) async fn decline(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.stays.decline(&caller, ask.key()?, named(&ask)?).await?)
}

pub(super) async fn no_show(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.stays.mark_no_show(&caller, ask.key()?, named(&ask)?).await?)
}

pub(super) async fn check_in(ask: Ask) -> Handled {
    let (caller, visit) = (ask.caller()?, ask.json()?);
    ok(&ask.services.stays.check_in(&caller, ask.key()?, ask.path("booking")?, visit).await?)
}

pub(super) async fn check_out(ask: Ask) -> Handled {
    let (caller, visit) = (ask.caller()?, ask.json()?);
    ok(&ask.services.stays.check_out(&caller, ask.key()?, ask.path("booking")?, visit).await?)
}

pub(super) async fn leave_early(ask: Ask) -> Handled {
    let (caller, visit) = (ask.caller()?, ask.json()?);
    ok(&ask.services.stays.leave_early(&caller, ask.key()?, ask.path("booking")?, visit).await?)
}

pub(super) async fn propose_alteration(ask: Ask) -> Handled {
    let (caller, proposal) = (ask.caller()?, ask.json()?);
    ok(&ask.services.stays.propose_alteration(&caller, ask.key()?, ask.path("booking")?, proposal).await?)
}

pub(super) async fn accept_alteration(ask: Ask) -> Handled {
    answer_alteration(ask, Answer::Accept).await
}

pub(super) async fn decline_alteration(ask: Ask) -> Handled {
    answer_alteration(ask, Answer::Decline).await
}

pub(super) async fn withdraw_alteration(ask: Ask) -> Handled {
    answer_alteration(ask, Answer::Withdraw).await
}

async fn answer_alteration(ask: Ask, answer: Answer) -> Handled {
    let (caller, booking, number) = (ask.caller()?, ask.path("booking")?, ask.path("number")?);
    ok(&ask.services.stays.answer_alteration(&caller, ask.key()?, booking, number, answer).await?)
}

fn named(ask: &Ask) -> Result<BookingRef, Problem> {
    Ok(BookingRef { booking: ask.path("booking")? })
}
