//! A picture small enough to make up: a PNG whose pixels nobody decodes.

/// A PNG of that size, with a chunk of text that tells a secret.
pub(crate) fn png(width: u32, height: u32, secret: &str) -> Vec<u8> {
    let head = [&width.to_be_bytes()[..], &height.to_be_bytes(), b"\x08\0\0\0\0"].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(*b"IHDR", &head),
        chunk(*b"tEXt", secret.as_bytes()),
        chunk(*b"IDAT", b"pixels"),
        chunk(*b"IEND", b""),
    ]
    .concat()
}

fn chunk(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let checked = [&kind[..], content].concat();
    [&length[..], &checked, &crc(&checked).to_be_bytes()].concat()
}

/// CRC-32 (PNG, third edition, annex D), bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}
