//! 6: text must be UTF-8, whole or in fragments, wherever a fragment ends.

use super::raw::{CONTINUATION, Seen, TEXT, failed, fragments, last, part};
use super::{Case, case, chopped, run};

/// A command that nobody knows, with that text in it.
fn saying(text: &[u8]) -> Vec<u8> {
    [b"{\"id\":1,\"cmd\":\"", text, b"\"}"].concat()
}

/// "Hello-µ@ßöäüàá-UTF-8!!", as the suite says it.
const GREETING: &str = "Hello-\u{b5}@\u{df}\u{f6}\u{e4}\u{fc}\u{e0}\u{e1}-UTF-8!!";
/// "κόσμε", and then half of a surrogate pair.
const KOSME: &[u8] = "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}".as_bytes();
const SURROGATE: &[u8] = b"\xed\xa0\x80";
/// U+110000, beyond the last character.
const BEYOND: &[u8] = b"\xf4\x90\x80\x80";

#[tokio::test]
async fn p10_autobahn_6_text_in_fragments() {
    let (greeting, wrong) = (saying(GREETING.as_bytes()), saying(&[KOSME, SURROGATE, b"edited"].concat()));
    let (boundary, begin) = (20, saying(b"x").len() - 3);
    run(vec![
        case("6.1.1", vec![last(TEXT, b"")], vec![Seen::Malformed]),
        case("6.1.2", vec![part(TEXT, b""), part(CONTINUATION, b""), last(CONTINUATION, b"")], vec![Seen::Malformed]),
        case("6.1.3", vec![part(TEXT, b""), part(CONTINUATION, &saying(b"middle")), last(CONTINUATION, b"")], vec![Seen::Reply(1)]),
        case("6.2.1", vec![last(TEXT, &greeting)], vec![Seen::Reply(1)]),
        case("6.2.2", vec![part(TEXT, &greeting[..boundary]), last(CONTINUATION, &greeting[boundary..])], vec![Seen::Reply(1)]),
        case("6.2.3", fragments(&greeting, 1), vec![Seen::Reply(1)]),
        case("6.2.4", fragments(&saying(KOSME), 1), vec![Seen::Reply(1)]),
        case("6.3.1", vec![last(TEXT, &wrong)], vec![failed(1007)]),
        case("6.3.2", fragments(&wrong, 1), vec![failed(1007)]),
        // Told at once, though the message is not whole.
        case("6.4.1", vec![part(TEXT, KOSME), part(CONTINUATION, BEYOND)], vec![failed(1007)]),
        case("6.4.2", vec![part(TEXT, &[KOSME, b"\xf4"].concat()), part(CONTINUATION, b"\x90")], vec![failed(1007)]),
        // Non-strict: told when the frame is whole.
        case("6.4.3", vec![last(TEXT, &[KOSME, BEYOND, b"edited"].concat())], vec![failed(1007)]),
        case("6.4.4", chopped(&last(TEXT, &[KOSME, BEYOND, b"edited"].concat()), 1), vec![failed(1007)]),
        case(
            "6.2.3, cut in a character",
            vec![part(TEXT, &greeting[..=begin + 6]), last(CONTINUATION, &greeting[begin + 7..])],
            vec![Seen::Reply(1)],
        ),
    ])
    .await;
}

/// Texts that are characters, by the suite's numbers.
fn valid() -> Vec<(&'static str, Vec<u8>)> {
    let mut rows: Vec<(&str, Vec<u8>)> = vec![
        ("6.5.1", KOSME.to_vec()),
        ("6.7.2", b"\xc2\x80".to_vec()),
        ("6.7.3", b"\xe0\xa0\x80".to_vec()),
        ("6.7.4", b"\xf0\x90\x80\x80".to_vec()),
        ("6.9.1", b"\x7f".to_vec()),
        ("6.9.2", b"\xdf\xbf".to_vec()),
        ("6.9.3", b"\xef\xbf\xbf".to_vec()),
        ("6.9.4", b"\xf4\x8f\xbf\xbf".to_vec()),
        ("6.11.1", b"\xed\x9f\xbf".to_vec()),
        ("6.11.2", b"\xee\x80\x80".to_vec()),
        ("6.11.3", b"\xef\xbf\xbd".to_vec()),
        ("6.11.4", b"\xf4\x8f\xbf\xbf".to_vec()),
        ("6.23.1", "\u{fff9}\u{fffa}\u{fffb}\u{fffc}\u{fffd}\u{fffe}\u{ffff}".into()),
    ];
    // Characters that will never be assigned are characters all the same.
    for plane in 0..=16_u32 {
        let pair = [0xfffe, 0xffff].map(|last| char::from_u32(plane << 16 | last).unwrap());
        rows.push(("6.22", String::from_iter(pair).into_bytes()));
    }
    // 6.6: a text may end after each of its characters …
    rows.extend([2, 5, 7, 9].map(|length| ("6.6", KOSME[..length].to_vec())));
    rows
}

/// Bytes that are no characters.
fn invalid() -> Vec<(&'static str, Vec<u8>)> {
    let mut rows: Vec<(&str, Vec<u8>)> = vec![
        ("6.8.1", b"\xf8\x88\x80\x80\x80".to_vec()),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80".to_vec()),
        ("6.10.1", b"\xf7\xbf\xbf\xbf".to_vec()),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf".to_vec()),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf".to_vec()),
        ("6.11.5", BEYOND.to_vec()),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80".to_vec()),
        ("6.16.1", b"\xfe".to_vec()),
        ("6.16.2", b"\xff".to_vec()),
        ("6.16.3", b"\xfe\xfe\xff\xff".to_vec()),
    ];
    // … and nowhere else.
    rows.extend([1, 3, 4, 6, 8, 10].map(|length| ("6.6", KOSME[..length].to_vec())));
    rows.extend((1..=7).map(|count| ("6.12, continuation bytes", [0x80, 0xbf].repeat(4)[..count].to_vec())));
    rows.push(("6.12.8", (0x80..=0xbf).collect()));
    rows.extend((0xc0..=0xfd).map(|first| ("6.13, a first byte alone", vec![first, b' '])));
    let cut: [&[u8]; 10] = [
        b"\xc0",
        b"\xe0\x80",
        b"\xf0\x80\x80",
        b"\xf8\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80",
        b"\xdf",
        b"\xef\xbf",
        b"\xf7\xbf\xbf",
        b"\xfb\xbf\xbf\xbf",
        b"\xfd\xbf\xbf\xbf\xbf",
    ];
    rows.extend(cut.map(|bytes| ("6.14, the last byte missing", bytes.to_vec())));
    let overlong: [&[u8]; 15] = [
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf8\x80\x80\x80\xaf",
        b"\xfc\x80\x80\x80\x80\xaf",
        b"\xc1\xbf",
        b"\xe0\x9f\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf8\x87\xbf\xbf\xbf",
        b"\xfc\x83\xbf\xbf\xbf\xbf",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xf0\x80\x80\x80",
        b"\xf8\x80\x80\x80\x80",
        b"\xfc\x80\x80\x80\x80\x80",
    ];
    rows.extend(overlong.map(|bytes| ("6.17 to 6.19, longer than need be", bytes.to_vec())));
    let surrogates: [&[u8]; 7] =
        [b"\xed\xa0\x80", b"\xed\xad\xbf", b"\xed\xae\x80", b"\xed\xaf\xbf", b"\xed\xb0\x80", b"\xed\xbe\x80", b"\xed\xbf\xbf"];
    rows.extend(surrogates.map(|bytes| ("6.20", bytes.to_vec())));
    let pairs = [(0, 4), (0, 6), (1, 4), (1, 6), (2, 4), (2, 6), (3, 4), (3, 6)];
    rows.extend(pairs.map(|(high, low)| ("6.21", [surrogates[high], surrogates[low]].concat())));
    rows
}

/// Each in one frame, and byte by byte in frames of their own.
fn both_ways(rows: Vec<(&'static str, Vec<u8>)>, expected: &Seen) -> Vec<Case> {
    let ways = |(number, text): (&str, Vec<u8>)| {
        let (name, message) = (format!("{number} {text:x?}"), saying(&text));
        [
            case(name.clone(), vec![last(TEXT, &message)], vec![expected.clone()]),
            case(format!("{name} in fragments"), vec![fragments(&message, 1).concat()], vec![expected.clone()]),
        ]
    };
    rows.into_iter().flat_map(ways).collect()
}

#[tokio::test]
async fn p10_autobahn_6_characters_are_taken() {
    // 6.7.1: NUL is a character, though no JSON.
    let nul = case("6.7.1", vec![last(TEXT, b"\0")], vec![Seen::Malformed]);
    run(both_ways(valid(), &Seen::Reply(1)).into_iter().chain([nul]).collect()).await;
}

#[tokio::test]
async fn p10_autobahn_6_whatever_is_no_character_ends_the_connection() {
    run(both_ways(invalid(), &failed(1007))).await;
}
