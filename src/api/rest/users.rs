//! `/users/…`: profiles, one's own account, and leaving.

use latchkey_protocol::rest::PageQuery;

use super::page::Bounds;
use super::{Ask, Handled, nothing, ok, tagged};

pub(super) async fn me(ask: Ask) -> Handled {
    let me = ask.services.accounts.me(&ask.caller()?).await?;
    tagged(me.version, ok(&me))
}

pub(super) async fn update(ask: Ask) -> Handled {
    let me = ask.services.accounts.update(&ask.caller()?, &ask.if_match()?, &ask.json()?).await?;
    tagged(me.version, ok(&me))
}

pub(super) async fn find(ask: Ask) -> Handled {
    ok(&ask.services.accounts.find(ask.known_caller().as_ref(), ask.path("user")?).await?)
}

pub(super) async fn list(ask: Ask) -> Handled {
    let bounds = Bounds::of(&ask.query::<PageQuery>()?)?;
    let users = ask.services.accounts.list(&ask.caller()?, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(users, |user| user.id))
}

pub(super) async fn change_password(ask: Ask) -> Handled {
    ask.services.accounts.change_password(&ask.caller()?, ask.json()?, &ask.origin()).await?;
    nothing()
}

pub(super) async fn change_email(ask: Ask) -> Handled {
    ok(&ask.services.accounts.change_email(&ask.caller()?, ask.json()?, &ask.origin()).await?)
}

pub(super) async fn become_host(ask: Ask) -> Handled {
    ok(&ask.services.accounts.become_host(&ask.caller()?, &ask.origin()).await?)
}

pub(super) async fn sessions(ask: Ask) -> Handled {
    ok(&ask.services.accounts.sessions(&ask.caller()?).await?)
}

pub(super) async fn end_session(ask: Ask) -> Handled {
    ask.services.accounts.end_session(&ask.caller()?, ask.path("session")?, &ask.origin()).await?;
    nothing()
}

pub(super) async fn export(ask: Ask) -> Handled {
    ok(&ask.services.accounts.export(&ask.caller()?, &ask.origin()).await?)
}

pub(super) async fn deactivate(ask: Ask) -> Handled {
    ask.services.accounts.deactivate(&ask.caller()?, ask.json()?, &ask.origin()).await?;
    nothing()
}

pub(super) async fn erase(ask: Ask) -> Handled {
    ask.services.accounts.erase(&ask.caller()?, ask.json()?, &ask.origin()).await?;
    nothing()
}
