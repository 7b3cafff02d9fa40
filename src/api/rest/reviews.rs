//! `/reviews/…`, and the reviews of stays, homes and guests.

use latchkey_protocol::rest::PageQuery;
use latchkey_protocol::view::Review;

use super::page::Bounds;
use super::{Ask, Handled, created, ok, tagged, tagged_as};
use crate::service::reviews::{Moderate, Place};

pub(super) async fn submit(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    let review = ask.services.reviews.submit(&caller, ask.key()?, ask.path("booking")?, &ask.json()?).await?;
    tagged(review.version, created(&format!("/reviews/{}/", review.id), &review))
}

pub(super) async fn of_booking(ask: Ask) -> Handled {
    ok(&ask.services.reviews.of_booking(&ask.caller()?, ask.path("booking")?).await?)
}

pub(super) async fn find(ask: Ask) -> Handled {
    let review = ask.services.reviews.find(ask.known_caller().as_ref(), ask.path("review")?).await?;
    if review.booking.is_some() {
        return tagged(review.version, ok(&review));
    }
    // The parties of the stay see more of the same version: whoever has kept the one has not seen the other.
    tagged_as(&format!("v{}-others", review.version), ok(&review))
}

pub(super) async fn revise(ask: Ask) -> Handled {
    let (caller, expected) = (ask.caller()?, ask.if_match()?);
    let review = ask.services.reviews.revise(&caller, ask.path("review")?, &expected, &ask.json()?).await?;
    tagged(review.version, ok(&review))
}

pub(super) async fn answer(ask: Ask) -> Handled {
    let caller = ask.caller()?;
    ok(&ask.services.reviews.answer(&caller, ask.key()?, ask.path("review")?, &ask.json()?).await?)
}

pub(super) async fn of_home(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.known_caller(), Bounds::of(&ask.query::<PageQuery>()?)?);
    let reviews = ask.services.reviews.of_home(caller.as_ref(), ask.path("property")?, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(reviews, place))
}

pub(super) async fn of_guest(ask: Ask) -> Handled {
    let (caller, bounds) = (ask.known_caller(), Bounds::of(&ask.query::<PageQuery>()?)?);
    let reviews = ask.services.reviews.of_guest(caller.as_ref(), ask.path("user")?, bounds.before, bounds.fetch()).await?;
    ok(&bounds.page(reviews, place))
}

pub(super) async fn hide(ask: Ask) -> Handled {
    moderate(ask, Moderate::Hide).await
}

pub(super) async fn show(ask: Ask) -> Handled {
    moderate(ask, Moderate::Show).await
}

async fn moderate(ask: Ask, how: Moderate) -> Handled {
    let (caller, review) = (ask.caller()?, ask.path("review")?);
    ok(&ask.services.reviews.moderate(&caller, review, how, ask.json()?, &ask.origin()).await?)
}

/// Where the next page begins.
fn place(review: &Review) -> Place {
    Place { published_at: review.published_at.unwrap_or_default(), id: review.id }
}
