//! `/properties/{id}/photos/…` and `/photos/{id}/`.

use http::{StatusCode, header};
use latchkey_protocol::{ErrorCode, PhotoId};
use warp::reply::Reply as _;

use super::{Ask, Handled, Problem, created, file, kept, nothing, ok, tagged, tagged_as};
use crate::service::photos::ImageKind;

/// What can be uploaded.
pub(super) const MEDIA_TYPES: &[&str] = &["image/jpeg", "image/png", "image/webp"];

/// Nobody can change what an id names.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

pub(super) async fn add(ask: Ask) -> Handled {
    let (caller, property) = (ask.caller()?, ask.path("property")?);
    let media_type = ask.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let unsupported = || Problem::new(ErrorCode::UnsupportedMediaType, "a photo is image/jpeg, image/png or image/webp");
    let kind = ImageKind::from_media_type(&media_type).ok_or_else(unsupported)?;
    let photo = ask.services.photos.add(&caller, ask.key()?, property, kind, ask.bytes()?.clone()).await?;
    created(&format!("/photos/{}/", photo.id), &photo)
}

pub(super) async fn order(ask: Ask) -> Handled {
    let (caller, property, expected) = (ask.caller()?, ask.path("property")?, ask.if_match()?);
    let changed = ask.services.photos.order(&caller, property, &expected, &ask.json()?).await?;
    tagged(changed.version, ok(&changed))
}

pub(super) async fn caption(ask: Ask) -> Handled {
    let (caller, property, photo) = (ask.caller()?, ask.path("property")?, ask.path("photo")?);
    let changed = ask.services.photos.caption(&caller, property, photo, &ask.if_match()?, &ask.json()?).await?;
    tagged(changed.version, ok(&changed))
}

pub(super) async fn remove(ask: Ask) -> Handled {
    let (property, photo) = (ask.path("property")?, ask.path("photo")?);
    ask.services.photos.remove(&ask.caller()?, property, photo).await?;
    nothing()
}

pub(super) async fn read(ask: Ask) -> Handled {
    let photo: PhotoId = ask.path("photo")?;
    // Whoever has it has all of it: what an id names never changes.
    let answer = if ask.has_already(&format!("\"{photo}\"")) {
        ask.services.photos.must_be_named(photo).await?;
        kept(FOR_EVER, Ok(StatusCode::NOT_MODIFIED.into_response()))
    } else {
        let photo = ask.services.photos.read(photo).await?;
        let bytes = warp::reply::with_header(warp::reply::stream(photo.bytes), header::CONTENT_LENGTH, photo.length);
        file(bytes.into_response(), photo.kind.media_type(), FOR_EVER)
    };
    tagged_as(&photo.to_string(), answer)
}
