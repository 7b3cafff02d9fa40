//! `/properties/{id}/photos/…` and `/photos/{id}/`.

use http::header;
use latchkey_protocol::{ErrorCode, PhotoId};

use super::{Ask, Handled, Problem, created, file, nothing, ok, tagged, tagged_as};
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
    let (kind, bytes) = ask.services.photos.read(photo).await?;
    tagged_as(&photo.to_string(), file(bytes, kind.media_type(), FOR_EVER))
}
