//! `/notifications/…`.

use latchkey_protocol::rest::{NotificationsQuery, PageQuery};

use super::page::Bounds;
use super::{Ask, Handled, ok, tagged};

pub(super) async fn list(ask: Ask) -> Handled {
    let NotificationsQuery { unread, cursor, limit } = ask.query()?;
    let bounds = Bounds::of(&PageQuery { cursor, limit })?;
    let notifications = ask.services.notifications.list(&ask.caller()?, bounds.before, unread, bounds.fetch()).await?;
    ok(&bounds.page(notifications, |notification| notification.id))
}

pub(super) async fn unread_count(ask: Ask) -> Handled {
    ok(&ask.services.notifications.unread_count(&ask.caller()?).await?)
}

pub(super) async fn mark_read(ask: Ask) -> Handled {
    ok(&ask.services.notifications.mark_read(&ask.caller()?, &ask.json()?).await?)
}

pub(super) async fn preferences(ask: Ask) -> Handled {
    let preferences = ask.services.notifications.preferences(&ask.caller()?).await?;
    tagged(preferences.version, ok(&preferences))
}

pub(super) async fn set_preferences(ask: Ask) -> Handled {
    let preferences = ask.services.notifications.set_preferences(&ask.caller()?, &ask.if_match()?, &ask.json()?).await?;
    tagged(preferences.version, ok(&preferences))
}
