//! `/admin/…`: what admins do with accounts.

use latchkey_protocol::rest::{AuditQuery, PageQuery};

use super::page::Bounds;
use super::{Ask, Handled, ok};

pub(super) async fn suspend(ask: Ask) -> Handled {
    ok(&ask.services.accounts.suspend(&ask.caller()?, ask.path("user")?, &ask.origin()).await?)
}

pub(super) async fn restore(ask: Ask) -> Handled {
    ok(&ask.services.accounts.unsuspend(&ask.caller()?, ask.path("user")?, &ask.origin()).await?)
}

pub(super) async fn set_roles(ask: Ask) -> Handled {
    ok(&ask.services.accounts.set_roles(&ask.caller()?, ask.path("user")?, ask.json()?, &ask.origin()).await?)
}

pub(super) async fn audit(ask: Ask) -> Handled {
    let AuditQuery { user, cursor, limit } = ask.query()?;
    let bounds = Bounds::of(&PageQuery { cursor, limit })?;
    let entries = ask.services.accounts.audit(&ask.caller()?, user, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(entries, |entry| entry.id))
}
