//! Pictures as they come in: are they what they say, how large, and what they tell besides.
//!
//! A photo from a telephone says where it was taken, often in several places. So nothing is removed by name: what is known to be needed to draw
//! the picture is kept, everything else is left out, and so is whatever comes after the picture's end. A JPEG's orientation is kept, or it would
//! lie on its side. Pure functions of bytes; nothing is decoded.

use bytes::{BufMut as _, Bytes, BytesMut};
use img_parts::png::Png;
use img_parts::riff::{RiffChunk, RiffContent};
use img_parts::webp::{self, WebP};

use crate::domain::Refusal;
use crate::domain::photo::{ImageKind, MAX_PHOTO_BYTES, MAX_SIDE_PX, MIN_SIDE_PX};

/// A picture that can be kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) bytes: Bytes,
    pub(super) width_px: u16,
    pub(super) height_px: u16,
}

/// Reads a picture that is said to be of a kind.
///
/// # Errors
/// `Invalid` (field `body`) if it is not, or is damaged, too small or too large.
pub(super) fn read(kind: ImageKind, bytes: &Bytes) -> Result<Picture, Refusal> {
    let invalid = |reason| Err(Refusal::Invalid { field: "body", reason });
    if bytes.len() > MAX_PHOTO_BYTES {
        return invalid("longer than 8 MiB");
    }
    if ImageKind::of(bytes) != Some(kind) {
        return invalid("not a picture of its Content-Type");
    }
    let Ok(size) = imagesize::blob_size(bytes) else { return invalid("a damaged picture") };
    let allowed = MIN_SIDE_PX..=MAX_SIDE_PX;
    if !allowed.contains(&size.width) || !allowed.contains(&size.height) {
        return invalid("each side must have 320 to 10000 pixels");
    }
    let clean = match kind {
        ImageKind::Jpeg => clean_jpeg(bytes),
        ImageKind::Png => clean_png(bytes),
        ImageKind::Webp => clean_webp(bytes),
    };
    let Some(bytes) = clean else { return invalid("a damaged picture") };
    let side = |pixels| u16::try_from(pixels).unwrap_or(u16::MAX);
    Ok(Picture { bytes, width_px: side(size.width), height_px: side(size.height) })
}

/// Most chunks of a file. Each costs several times its own twelve bytes once it is read; no picture of 8 MiB needs so many.
const MAX_CHUNKS: usize = 16_384;

/// Whether there are more than [`MAX_CHUNKS`] from a place on; `next` gives how long the one at a place is, as it says itself.
fn has_too_many_chunks(length: usize, first: usize, next: impl Fn(usize) -> Option<usize>) -> bool {
    let starts = std::iter::successors(Some(first), |at| next(*at).map(|step| at.saturating_add(step)));
    starts.take_while(|at| *at < length).take(MAX_CHUNKS + 1).count() > MAX_CHUNKS
}

/// Chunks that draw the picture, its colours and its animation (PNG, third edition, 11 and 12).
const PNG_CHUNKS: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB", b"cICP", b"bKGD", b"pHYs", b"acTL", b"fcTL",
    b"fdAT",
];

fn clean_png(bytes: &Bytes) -> Option<Bytes> {
    // Length, kind, content, checksum.
    let next = |at: usize| match bytes.get(at..)?.first_chunk::<8>()? {
        [_, _, _, _, b'I', b'E', b'N', b'D'] => None,
        [a, b, c, d, ..] => Some(12 + u32::from_be_bytes([*a, *b, *c, *d]) as usize),
    };
    if has_too_many_chunks(bytes.len(), 8, next) {
        return None;
    }
    let mut png = Png::from_bytes(bytes.clone()).ok()?;
    png.chunks_mut().retain(|chunk| PNG_CHUNKS.contains(&&chunk.kind()));
    let kinds: Vec<[u8; 4]> = png.chunks().iter().map(img_parts::png::PngChunk::kind).collect();
    let is_whole = kinds.first() == Some(b"IHDR") && kinds.last() == Some(b"IEND") && kinds.contains(b"IDAT");
    is_whole.then(|| png.encoder().bytes())
}

/// Chunks that draw the picture, its colours and its animation (WebP Container Specification).
const WEBP_CHUNKS: [[u8; 4]; 7] =
    [webp::CHUNK_VP8X, webp::CHUNK_ICCP, webp::CHUNK_ANIM, webp::CHUNK_ANMF, webp::CHUNK_ALPH, webp::CHUNK_VP8, webp::CHUNK_VP8L];

/// Bits of a VP8X chunk that announce EXIF and XMP.
const WEBP_METADATA: u8 = 0b0000_1100;

fn clean_webp(bytes: &Bytes) -> Option<Bytes> {
    let content = u32::from_le_bytes(*bytes.get(4..)?.first_chunk()?) as usize;
    // Kind, length, content, padding. Lists have chunks without number, and no place in a picture: each is too many.
    let next = |at: usize| match bytes.get(at..)?.first_chunk::<8>()? {
        [b'R', b'I', b'F', b'F', ..] | [b'L', b'I', b'S', b'T', ..] | [b's', b'e', b'q', b't', ..] => Some(0),
        [_, _, _, _, a, b, c, d] => Some(8 + (u32::from_le_bytes([*a, *b, *c, *d]) as usize).next_multiple_of(2)),
    };
    if has_too_many_chunks(bytes.len().min(8 + content), 12, next) {
        return None;
    }
    let mut webp = WebP::from_bytes(bytes.clone()).ok()?;
    webp.chunks_mut().retain(|chunk| WEBP_CHUNKS.contains(&chunk.id()));
    for chunk in webp.chunks_mut().iter_mut().filter(|chunk| chunk.id() == webp::CHUNK_VP8X) {
        let mut content = BytesMut::from(chunk.content().data()?.as_ref());
        *content.first_mut()? &= !WEBP_METADATA;
        *chunk = RiffChunk::new(webp::CHUNK_VP8X, RiffContent::Data(content.freeze()));
    }
    let draws = |chunk: &RiffChunk| [webp::CHUNK_VP8, webp::CHUNK_VP8L, webp::CHUNK_ANMF].contains(&chunk.id());
    webp.chunks().iter().any(draws).then(|| webp.encoder().bytes())
}

const MARKER: u8 = 0xff;
const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
/// Frames, and among them the tables of Huffman codes (`DHT`) and of arithmetic coding (`DAC`).
const SOF0: u8 = 0xc0;
/// Reserved for extensions.
const JPG: u8 = 0xc8;
const SOF15: u8 = 0xcf;
const SOS: u8 = 0xda;
/// Tables of quantisation, the number of lines, the interval of restarts.
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const APP14: u8 = 0xee;
const EXIF: &[u8] = b"Exif\0\0";

/// The segments of a JPEG (ITU-T T.81, annex B) from its beginning to its first end: what follows may be another picture, with its own EXIF.
fn clean_jpeg(bytes: &[u8]) -> Option<Bytes> {
    let mut head = BytesMut::from(&[MARKER, SOI][..]);
    let mut rest = BytesMut::with_capacity(bytes.len());
    let (mut exif, mut has_scan) = (None, false);
    let mut at = 2;
    loop {
        let (marker, next) = marker_at(bytes, at)?;
        at = next;
        if marker == EOI {
            break;
        }
        // Neither length nor content: TEM, restarts, a second beginning.
        if marker == 0x01 || (0xd0..=SOI).contains(&marker) {
            continue;
        }
        let length = usize::from(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let content = bytes.get(at + 2..at + length)?;
        let segment = bytes.get(at - 2..at + length)?;
        at += length;
        match marker {
            APP0 if content.starts_with(b"JFIF\0") => head.put_slice(segment),
            APP2 if content.starts_with(b"ICC_PROFILE\0") => rest.put_slice(segment),
            // How colours are to be read.
            APP14 if content.starts_with(b"Adobe") => rest.put_slice(segment),
            // The first one only, as viewers do: there may be half a million of them.
            APP1 if exif.is_none() => exif = content.strip_prefix(EXIF),
            SOF0..=SOF15 | DQT..=DRI if marker != JPG => rest.put_slice(segment),
            SOS => {
                rest.put_slice(segment);
                let end = end_of_scan(bytes, at)?;
                rest.put_slice(&bytes[at..end]);
                (at, has_scan) = (end, true);
            }
            _ => {}
        }
    }
    if !has_scan {
        return None;
    }
    if let Some(orientation) = exif.and_then(orientation_of) {
        head.put_slice(&exif_of(orientation));
    }
    head.put_slice(&rest);
    head.put_slice(&[MARKER, EOI]);
    Some(head.freeze())
}

/// The marker at a place, over fill bytes, and the place after it.
fn marker_at(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    if *bytes.get(at)? != MARKER {
        return None;
    }
    let fill = bytes[at..].iter().take_while(|byte| **byte == MARKER).count();
    Some((*bytes.get(at + fill)?, at + fill + 1))
}

/// Where a scan's data end: at the next marker that is neither a stuffed byte nor a restart.
fn end_of_scan(bytes: &[u8], from: usize) -> Option<usize> {
    let is_end = |pair: &[u8]| pair[0] == MARKER && pair[1] != 0 && pair[1] != MARKER && !(0xd0..=0xd7).contains(&pair[1]);
    bytes.get(from..)?.windows(2).position(is_end).map(|offset| from + offset)
}

/// The orientation that a TIFF header's first directory tells, unless it is the usual one.
fn orientation_of(tiff: &[u8]) -> Option<u8> {
    let is_little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let pair = [*tiff.get(at)?, *tiff.get(at + 1)?];
        Some(if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let (low, high) = if is_little { (4, 6) } else { (6, 4) };
    let directory = usize::from(short(low)?) | usize::from(short(high)?) << 16;
    // It may say that it goes on beyond its end.
    let entries = usize::from(short(directory)?).min(tiff.len().saturating_sub(directory + 2) / 12);
    let entry = (0..entries).map(|number| directory + 2 + number * 12).find(|entry| short(*entry) == Some(0x0112))?;
    u8::try_from(short(entry + 8)?).ok().filter(|orientation| (2..=8).contains(orientation))
}

/// An EXIF segment that tells an orientation and nothing else.
fn exif_of(orientation: u8) -> [u8; 36] {
    let mut segment = *b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0";
    segment[29] = orientation;
    segment
}

#[cfg(test)]
mod tests;
