//! Made-up pictures with secrets in every place that formats have for them.

use proptest::prelude::*;

use super::*;

const COM: u8 = 0xfe;

const SECRET: &[u8] = b"48.2082N 16.3738E";

fn has_secret(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET)
}

fn segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[MARKER, marker][..], &length, &content].concat()
}

/// EXIF with an orientation and a secret, in either order of bytes.
fn exif(orientation: u8, is_little: bool) -> Vec<u8> {
    let entry: &[u8] = if is_little { b"\x12\x01\x03\0\x01\0\0\0" } else { b"\x01\x12\0\x03\0\0\0\x01" };
    let value = if is_little { [orientation, 0, 0, 0] } else { [0, orientation, 0, 0] };
    let head: &[u8] = if is_little { b"II*\0\x08\0\0\0\x01\0" } else { b"MM\0*\0\0\0\x08\0\x01" };
    segment(APP1, &[EXIF, head, entry, &value, b"\0\0\0\0", SECRET])
}

/// Frame header of a grey JPEG.
fn frame(width: u16, height: u16) -> Vec<u8> {
    segment(0xc0, &[b"\x08", &height.to_be_bytes(), &width.to_be_bytes(), b"\x01\x01\x11\0"])
}

fn scan() -> Vec<u8> {
    [&segment(SOS, &[b"\x01\x01\0\0\x3f\0"])[..], b"\x12\xff\x00\x34\xff\xd0\x56"].concat()
}

fn jpeg(metadata: &[Vec<u8>], after: &[u8]) -> Bytes {
    let parts = [
        vec![MARKER, SOI],
        segment(APP0, &[b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"]),
        metadata.concat(),
        segment(0xdb, &[b"table"]),
        frame(640, 480),
        scan(),
        segment(COM, &[SECRET]),
        scan(),
        vec![MARKER, EOI],
        after.to_vec(),
    ];
    Bytes::from(parts.concat())
}

#[test]
fn a_jpeg_keeps_its_picture_and_loses_what_it_tells() {
    let metadata = [
        exif(6, true),
        segment(APP1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET]),
        segment(APP2, &[b"MPF\0", SECRET]),
        segment(APP2, &[b"ICC_PROFILE\0\x01\x01profile"]),
        segment(0xed, &[b"Photoshop 3.0\0", SECRET]),
        segment(0xe5, &[SECRET]),
        segment(COM, &[SECRET]),
        // Reserved for extensions (JPG0), and of no use to draw it.
        segment(0xf0, &[SECRET]),
    ];
    let second = jpeg(&[exif(1, false)], b"");
    let dirty = jpeg(&metadata, &second);
    let picture = read(ImageKind::Jpeg, &dirty).unwrap();
    assert_eq!((picture.width_px, picture.height_px), (640, 480));
    assert!(has_secret(&dirty) && !has_secret(&picture.bytes));
    let expected = [
        vec![MARKER, SOI],
        segment(APP0, &[b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"]),
        exif_of(6).to_vec(),
        segment(APP2, &[b"ICC_PROFILE\0\x01\x01profile"]),
        segment(0xdb, &[b"table"]),
        frame(640, 480),
        scan(),
        scan(),
        vec![MARKER, EOI],
    ];
    assert_eq!(picture.bytes, expected.concat());
    assert_eq!(read(ImageKind::Jpeg, &picture.bytes).unwrap(), picture, "what is clean stays as it is");
}

#[test]
fn an_orientation_is_read_in_both_orders_of_bytes() {
    for is_little in [true, false] {
        for (told, kept) in [(1, None), (3, Some(3)), (8, Some(8)), (9, None), (0, None)] {
            let segment = exif(told, is_little);
            assert_eq!(orientation_of(&segment[4 + EXIF.len()..]), kept, "{told}, little {is_little}");
        }
    }
    for damaged in [&b""[..], b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", b"XX*\0\x08\0\0\0"] {
        assert_eq!(orientation_of(damaged), None);
    }
    assert_eq!(orientation_of(&exif_of(7)[10..]), Some(7));
}

#[test]
fn a_directory_is_read_up_to_its_end_and_only_that_of_the_first_exif() {
    let beyond_its_end = b"MM\0*\0\0\0\x08\xff\xff\x01\x12\0\x03\0\0\0\x01\0\x06";
    assert_eq!(orientation_of(beyond_its_end), None);
    let twice = jpeg(&[exif(1, false), exif(6, true)], b"");
    assert_eq!(read(ImageKind::Jpeg, &twice).unwrap().bytes, read(ImageKind::Jpeg, &jpeg(&[], b"")).unwrap().bytes);
}

fn png_chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    img_parts::png::PngChunk::new(kind, Bytes::copy_from_slice(content)).encoder().bytes().to_vec()
}

fn png(width: u32, height: u32, extra: &[Vec<u8>]) -> Bytes {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), b"\x08\0\0\0\0"].concat();
    let parts = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        png_chunk(*b"IHDR", &head),
        extra.concat(),
        png_chunk(*b"IDAT", b"pixels"),
        png_chunk(*b"IEND", b""),
    ];
    Bytes::from(parts.concat())
}

#[test]
fn a_png_keeps_its_picture_and_loses_what_it_tells() {
    let extra: Vec<Vec<u8>> =
        [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"prVt"].into_iter().map(|kind| png_chunk(*kind, SECRET)).collect();
    let gamma = png_chunk(*b"gAMA", b"\0\0\xb1\x8f");
    let dirty = Bytes::from([&png(400, 320, &[extra, vec![gamma.clone()]].concat())[..], SECRET].concat());
    let picture = read(ImageKind::Png, &dirty).unwrap();
    assert_eq!((picture.width_px, picture.height_px), (400, 320));
    assert_eq!(picture.bytes, png(400, 320, &[gamma]));
}

fn webp(chunks: &[([u8; 4], Vec<u8>)]) -> Bytes {
    let chunk = |(id, content): &([u8; 4], Vec<u8>)| RiffChunk::new(*id, RiffContent::Data(Bytes::copy_from_slice(content)));
    let subchunks = chunks.iter().map(chunk).collect();
    RiffChunk::new(*b"RIFF", RiffContent::List { kind: Some(*b"WEBP"), subchunks }).encoder().bytes()
}

#[test]
fn a_webp_keeps_its_picture_and_loses_what_it_tells() {
    let head = |flags: u8| (webp::CHUNK_VP8X, vec![flags, 0, 0, 0, 0x8f, 1, 0, 0x3f, 1, 0]);
    let pixels = (webp::CHUNK_VP8, b"\x50\x5a\x00\x9d\x01\x2a\x90\x01\x40\x01pixels".to_vec());
    let secret = |id: &[u8; 4]| (*id, SECRET.to_vec());
    let dirty = webp(&[head(0b0011_1100), secret(b"note"), pixels.clone(), secret(b"EXIF"), secret(b"XMP ")]);
    let picture = read(ImageKind::Webp, &dirty).unwrap();
    assert_eq!((picture.width_px, picture.height_px), (400, 320));
    assert_eq!(picture.bytes, webp(&[head(0b0011_0000), pixels]));
}

#[test]
fn a_picture_of_more_chunks_than_any_has_is_refused_before_they_are_read() {
    let pixels = (webp::CHUNK_VP8, b"\x50\x5a\x00\x9d\x01\x2a\x90\x01\x40\x01pixels".to_vec());
    let png_of = |chunks: usize| png(400, 400, &vec![png_chunk(*b"tEXt", b""); chunks - 3]);
    let webp_of = |chunks: usize| webp(&[vec![pixels.clone()], vec![(*b"note", Vec::new()); chunks - 1]].concat());
    let listed = |depth: usize| webp(&[pixels.clone(), (*b"LIST", [b"kind".to_vec(), b"LIST\x04\0\0\0kind".repeat(depth)].concat())]);
    for (kind, good, bad) in [
        (ImageKind::Png, png_of(MAX_CHUNKS), png_of(MAX_CHUNKS + 1)),
        (ImageKind::Webp, webp_of(MAX_CHUNKS), webp_of(MAX_CHUNKS + 1)),
        (ImageKind::Webp, webp_of(1), listed(1)),
    ] {
        read(kind, &good).unwrap();
        assert_eq!(read(kind, &bad), Err(Refusal::Invalid { field: "body", reason: "a damaged picture" }), "{kind:?}");
    }
}

#[test]
fn a_file_that_is_not_what_it_says_or_of_no_use_is_refused_with_a_reason() {
    let good = png(400, 400, &[]);
    let rows = [
        (ImageKind::Jpeg, good.clone(), "not a picture of its Content-Type"),
        (ImageKind::Png, Bytes::from_static(b"<html>"), "not a picture of its Content-Type"),
        (ImageKind::Png, Bytes::new(), "not a picture of its Content-Type"),
        (ImageKind::Png, png(319, 400, &[]), "each side must have 320 to 10000 pixels"),
        (ImageKind::Png, png(400, 10_001, &[]), "each side must have 320 to 10000 pixels"),
        (ImageKind::Png, good.slice(..good.len() - 12), "a damaged picture"),
        (ImageKind::Jpeg, jpeg(&[], b"").slice(..60), "a damaged picture"),
        (ImageKind::Png, Bytes::from([&good[..], &vec![0; MAX_PHOTO_BYTES]].concat()), "longer than 8 MiB"),
    ];
    for (kind, bytes, reason) in rows {
        assert_eq!(read(kind, &bytes), Err(Refusal::Invalid { field: "body", reason }), "{} bytes of {kind:?}", bytes.len());
    }
    read(ImageKind::Png, &good).unwrap();
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_and_what_comes_out_goes_in_again(mut bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0..120_usize, kind in 0..3_usize) {
        let (kind, good) = match kind {
            0 => (ImageKind::Jpeg, jpeg(&[exif(6, true)], b"")),
            1 => (ImageKind::Png, png(400, 400, &[png_chunk(*b"tEXt", SECRET)])),
            _ => (ImageKind::Webp, webp(&[(webp::CHUNK_VP8, b"\x50\x5a\x00\x9d\x01\x2a\x90\x01\x40\x01pixels".to_vec())])),
        };
        let at = at.min(good.len());
        let mut mixed = good[..at].to_vec();
        mixed.append(&mut bytes);
        mixed.extend_from_slice(&good[at..]);
        if let Ok(picture) = read(kind, &Bytes::from(mixed)) {
            prop_assert_eq!(read(kind, &picture.bytes), Ok(picture));
        }
    }
}
