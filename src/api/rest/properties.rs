//! `/properties/…`.

use latchkey_protocol::rest::{CalendarWindow, MinSeq};

use super::page::Bounds;
use super::{Ask, Handled, created, nothing, ok, tagged, tagged_as};

pub(super) async fn create(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let property = ask.services.listings.create(&caller, ask.key()?, ask.json()?).await?;
    tagged(property.version, created(&format!("/properties/{}/", property.id), &property))
}

pub(super) async fn search(ask: Ask) -> Handled {
    ok(&ask.services.search.find(&ask.query()?).await?)
}

pub(super) async fn list_own(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.caller()?, Bounds::of(&ask.query()?)?);
    let properties = ask.services.listings.list_own(&caller, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(properties, |property| property.id))
}

pub(super) async fn find(ask: Ask) -> Handled {
    let (viewer, MinSeq { min_seq }) = (ask.known_caller(), ask.query()?);
    let found = ask.services.listings.find(viewer.as_ref(), ask.path("property")?, min_seq).await?;
    if viewer.is_some_and(|viewer| viewer.user == found.host) {
        return tagged(found.version, ok(&found));
    }
    // Its host sees more of the same version: whoever has kept the one has not seen the other.
    tagged_as(&format!("v{}-others", found.version), ok(&found))
}

pub(super) async fn update(ask: Ask) -> Handled {
    let (caller, property, expected) = (ask.caller()?, ask.path("property")?, ask.if_match()?);
    let changed = ask.services.listings.update(&caller, property, &expected, &ask.json()?).await?;
    tagged(changed.version, ok(&changed))
}

pub(super) async fn publish(ask: Ask) -> Handled {
    let changed = ask.services.listings.publish(&ask.caller()?, ask.path("property")?).await?;
    tagged(changed.version, ok(&changed))
}

pub(super) async fn unlist(ask: Ask) -> Handled {
    let changed = ask.services.listings.unlist(&ask.caller()?, ask.path("property")?).await?;
    tagged(changed.version, ok(&changed))
}

pub(super) async fn delete(ask: Ask) -> Handled {
    ask.services.listings.delete(&ask.caller()?, ask.path("property")?).await?;
    nothing()
}

pub(super) async fn calendar(ask: Ask) -> Handled {
    let (viewer, window) = (ask.known_caller(), ask.query::<CalendarWindow>()?);
    let viewer = viewer.map(|caller| caller.user);
    ok(&ask.services.bookings.calendar(viewer, ask.path("property")?, window).await?)
}

pub(super) async fn block(ask: Ask) -> Handled {
    let (caller, property) = (ask.caller()?, ask.path("property")?);
    let block = ask.services.listings.block(&caller, ask.key()?, property, &ask.json()?).await?;
    created(&format!("/properties/{}/blocks/{}/", block.property, block.id), &block)
}

pub(super) async fn find_block(ask: Ask) -> Handled {
    let (property, block) = (ask.path("property")?, ask.path("block")?);
    ok(&ask.services.listings.find_block(&ask.caller()?, property, block).await?)
}

pub(super) async fn blocks(ask: Ask) -> Handled {
    ok(&ask.services.listings.blocks(&ask.caller()?, ask.path("property")?).await?)
}

pub(super) async fn unblock(ask: Ask) -> Handled {
    let (property, block) = (ask.path("property")?, ask.path("block")?);
    ask.services.listings.unblock(&ask.caller()?, property, block).await?;
    nothing()
}
