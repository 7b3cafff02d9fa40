//! Photos of homes: taken in, put in order, served, and swept when nobody names them any more.
//!
//! The file is written before the change set that names it. A file that nothing names is an orphan: of a crash in between, or of a photo that was
//! removed. Whoever knows a photo's id may see it: ids cannot be guessed, and pages show pictures without tokens.

mod image;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use latchkey_protocol::rest::{CaptionPhoto, OrderPhotos};
use latchkey_protocol::view;

use self::image::Picture;
use super::availability::Availability;
use super::decisions::{Decisions, reply};
use super::idempotency::{IdempotencyKey, Keys};
use super::listings::{Listings, of_property, refuse_stale};
use super::turns::Turns;
use super::{Caller, Expected, ServiceError, wire};
use crate::clock::Clock;
use crate::digest::{hex, sha256};
pub use crate::domain::photo::{ImageKind, MAX_PHOTO_BYTES};
use crate::domain::photo::{caption, may_add};
use crate::domain::{Photo, PhotoId, PropertyId, Timestamp};
use crate::entropy::fresh_id;
use crate::store::{PhotoFiles, Store, StoreError};

/// A file this old that nothing names is an orphan; a younger one may be about to be named.
const ORPHAN_MS: i64 = 60 * 60_000;

/// Files that are asked about at once by a sweep.
const SWEEP_PAGE: usize = 500;

/// A photo on its way to somebody.
pub struct PhotoFile<S> {
    /// Its format.
    pub kind: ImageKind,
    /// Its length in bytes.
    pub length: u64,
    /// Its bytes, read when they are asked for.
    pub bytes: S,
}

/// Photos.
pub struct Photos {
    files: PhotoFiles,
    store: Arc<Store>,
    keys: Arc<Keys>,
    decisions: Arc<Decisions>,
    availability: Arc<Availability>,
    listings: Arc<Listings>,
    clock: Arc<dyn Clock>,
    turns: Turns,
}

impl Photos {
    /// In that folder.
    #[must_use]
    pub fn new(
        files: PhotoFiles,
        store: Arc<Store>,
        keys: Arc<Keys>,
        decisions: Arc<Decisions>,
        availability: Arc<Availability>,
        listings: Arc<Listings>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { files, store, keys, decisions, availability, listings, clock, turns: Turns::new() }
    }

    /// Adds a picture to one's own home, the last. What it tells besides the picture (places, cameras, comments) is taken out first.
    ///
    /// # Errors
    /// `NotFound`, `Invalid`, `InvalidState` beyond 30 photos or 2 GiB of all the host's homes, `KeyReused`, `Busy`, `Unavailable`.
    pub async fn add(
        &self,
        caller: &Caller,
        key: IdempotencyKey,
        property: PropertyId,
        kind: ImageKind,
        bytes: Bytes,
    ) -> Result<view::Photo, ServiceError> {
        let body = (property, kind.media_type(), hex(&sha256(&bytes)));
        let used = self.keys.begin(caller.user, "add_photo", key, &body).await?;
        if let Some(first) = self.keys.first_answer(&used).await? {
            return Ok(first);
        }
        let own = self.availability.look(property, |calendar| calendar.own_listing(caller.user).map(|_| ())).await?;
        own.map_err(ServiceError::Refused).map_err(of_property)?;
        let Picture { bytes, width_px, height_px } = self.turns.work(move || image::read(kind, &bytes)).await??;
        let now = Timestamp::from_epoch_ms(self.clock.now());
        let id = PhotoId::from_bytes(fresh_id(now.epoch_ms()));
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let photo = Photo { id, kind, width_px, height_px, bytes: length, caption: None, created_at: now };
        may_add(self.store.photo_bytes(caller.user).await?, bytes.len() as u64)?;
        if !self.store.database().has_room_for_files() {
            return Err(ServiceError::Unavailable("no room on the disk".to_owned()));
        }
        self.files.put(id, bytes).await?;
        let added = self
            .decisions
            .decide(&used, property, |calendar, now| {
                Ok(reply(calendar.add_photo(caller.user, photo.clone(), now)?, |_| wire::photo(&photo)))
            })
            .await;
        match added {
            Ok(added) if added.id == id => {
                self.listings.forget(property);
                Ok(added)
            }
            // A twin on another node was first.
            Ok(first) => {
                self.drop_file(id).await;
                Ok(first)
            }
            // Whether it is named is not known: a sweep finds out.
            Err(error @ (ServiceError::OutcomeUnknown | ServiceError::Internal)) => Err(error),
            Err(error) => {
                self.drop_file(id).await;
                Err(of_property(error))
            }
        }
    }

    /// Puts the photos of one's own home in order.
    ///
    /// # Errors
    /// `NotFound`, `Stale`, `Invalid` unless each is named once, `Busy`.
    pub async fn order(
        &self,
        caller: &Caller,
        property: PropertyId,
        expected: &Expected,
        ask: &OrderPhotos,
    ) -> Result<view::Property, ServiceError> {
        self.listings
            .change(caller, property, |calendar, now| {
                refuse_stale(calendar, caller.user, expected)?;
                calendar.update(caller.user, |listing| listing.order_photos(&ask.photos), now)
            })
            .await
    }

    /// Says what is to be seen on a photo of one's own home.
    ///
    /// # Errors
    /// `NotFound`, `Stale`, `Invalid`, `Busy`.
    pub async fn caption(
        &self,
        caller: &Caller,
        property: PropertyId,
        photo: PhotoId,
        expected: &Expected,
        ask: &CaptionPhoto,
    ) -> Result<view::Property, ServiceError> {
        let caption = caption(ask.caption.as_deref())?;
        self.listings
            .change(caller, property, |calendar, now| {
                refuse_stale(calendar, caller.user, expected)?;
                calendar.update(caller.user, |listing| listing.caption_photo(photo, caption.clone()), now)
            })
            .await
    }

    /// Takes a photo from one's own home.
    ///
    /// # Errors
    /// `NotFound`, `Busy`.
    pub async fn remove(&self, caller: &Caller, property: PropertyId, photo: PhotoId) -> Result<(), ServiceError> {
        self.listings.change(caller, property, |calendar, now| calendar.remove_photo(caller.user, photo, now)).await?;
        self.drop_file(photo).await;
        Ok(())
    }

    /// A photo's file, to be sent as it is read.
    ///
    /// # Errors
    /// `NotFound` unless a home names it; `Unavailable`.
    pub async fn read(&self, photo: PhotoId) -> Result<PhotoFile<impl Stream<Item = Result<Bytes, StoreError>> + use<>>, ServiceError> {
        self.must_be_named(photo).await?;
        let (first, length) = self.files.beginning(photo).await?.ok_or(ServiceError::NotFound("photo"))?;
        let kind = ImageKind::of(&first).ok_or_else(|| {
            tracing::error!(%photo, "a photo's file is not a picture");
            ServiceError::Internal
        })?;
        let rest = self.files.rest(photo, first.len() as u64);
        Ok(PhotoFile { kind, length, bytes: stream::iter([Ok(first)]).chain(rest) })
    }

    /// Whether a photo can be had; its file is not looked at.
    ///
    /// # Errors
    /// `NotFound` unless a home names it; `Unavailable`.
    pub async fn must_be_named(&self, photo: PhotoId) -> Result<(), ServiceError> {
        let is_named = !self.store.photos_named(&[photo]).await?.is_empty();
        is_named.then_some(()).ok_or(ServiceError::NotFound("photo"))
    }

    /// Removes files that nothing names; gives how many.
    ///
    /// # Errors
    /// `Unavailable`; what was removed until then stays so.
    pub async fn sweep(&self) -> Result<usize, ServiceError> {
        let young = fresh_id(self.clock.now() - ORPHAN_MS);
        let ids = self.files.ids().await?;
        let old: Vec<PhotoId> = ids.into_iter().take_while(|id| id.as_bytes()[..6] < young[..6]).collect();
        let mut removed = 0;
        for page in old.chunks(SWEEP_PAGE) {
            let named = self.store.photos_named(page).await?;
            for orphan in page.iter().filter(|id| !named.contains(id)) {
                self.files.remove(*orphan).await?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Removes a file now; if that fails, a sweep does it later.
    async fn drop_file(&self, photo: PhotoId) {
        if let Err(error) = self.files.remove(photo).await {
            tracing::warn!(%photo, %error, "a photo's file could not be removed");
        }
    }
}
