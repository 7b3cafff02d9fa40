//! A photo of a home: what is known of the file, which lies in the data folder under its id.

use latchkey_protocol::PhotoId;

use super::error::Refusal;
use super::time::Timestamp;

/// Most photos of one home.
pub const MAX_PHOTOS: usize = 30;

/// Largest file, in bytes.
pub const MAX_PHOTO_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes of the photos of one host's homes together.
pub const MAX_HOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// Shortest side, in pixels.
pub const MIN_SIDE_PX: usize = 320;

/// Longest side, in pixels.
pub const MAX_SIDE_PX: usize = 10_000;

/// Longest caption, in characters.
const MAX_CAPTION: usize = 200;

/// The format of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

impl ImageKind {
    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    /// The format that a file's first bytes tell.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
            Some(Self::Jpeg)
        } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            Some(Self::Webp)
        } else {
            None
        }
    }

    /// The format with this media type.
    #[must_use]
    pub fn from_media_type(text: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png, Self::Webp].into_iter().find(|kind| kind.media_type() == text)
    }
}

/// A photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    /// Its id, and the name of its file.
    pub id: PhotoId,
    /// Its format.
    pub kind: ImageKind,
    /// Pixels across.
    pub width_px: u16,
    /// Pixels down.
    pub height_px: u16,
    /// Length of the file.
    pub bytes: u32,
    /// What is to be seen.
    pub caption: Option<String>,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

/// Whether a host whose photos have so many bytes may add a file of `more`.
///
/// # Errors
/// `InvalidState` beyond [`MAX_HOST_BYTES`].
pub const fn may_add(bytes: u64, more: u64) -> Result<(), Refusal> {
    if bytes.saturating_add(more) > MAX_HOST_BYTES {
        return Err(Refusal::InvalidState { state: "2_gib_of_photos" });
    }
    Ok(())
}

/// A caption that says something, trimmed.
///
/// # Errors
/// `Invalid` if it is too long.
pub fn caption(text: Option<&str>) -> Result<Option<String>, Refusal> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    if text.is_some_and(|text| text.chars().count() > MAX_CAPTION) {
        return Err(Refusal::Invalid { field: "caption", reason: "at most 200 characters" });
    }
    Ok(text.map(str::to_owned))
}
