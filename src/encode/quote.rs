//! JSON as the text of a JSON string, and the inside of a string as plain text, in one pass over words of eight bytes.
//!
//! It takes JSON that is sound, and must not be given other text.

use super::room::{Room, store};
use crate::parse;

/// Writes JSON text as a JSON string, in one line.
pub(super) fn quote(out: &mut Vec<u8>, json: &[u8]) {
    let mut room = Room::new(out);
    room.put(*b"\"");
    inside(&mut room, json);
    room.put(*b"\"");
}

/// What is escaped at a time, in bytes.
const BLOCK_BYTES: usize = 64;

/// What that may take: two bytes for each, and the rest of a word whose first byte is the last that counts.
const WINDOW_BYTES: usize = 2 * BLOCK_BYTES + 8;

/// The same without the quotes around it.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn inside(room: &mut Room<'_>, json: &[u8]) {
    for block in json.chunks(BLOCK_BYTES) {
        let Some(window) = room.next::<WINDOW_BYTES>() else {
            return;
        };
        let (mut rest, mut at) = (block, 0);
        while !rest.is_empty() {
            let (word, count, behind) = match rest.split_first_chunk() {
                Some((word, behind)) => (u64::from_le_bytes(*word), 8, behind),
                None => {
                    let last = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
                    (rest.iter().rfold(0, last), rest.len(), &[][..])
                }
            };
            at = escape(window, at, word, count);
            rest = behind;
        }
        room.take(at);
    }
}

/// Writes so many bytes of a word, from the lowest one, as they stand in a string; gives back where what comes next goes.
#[inline(always)]
fn escape(window: &mut [u8; WINDOW_BYTES], at: usize, word: u64, count: usize) -> usize {
    let (mut at, mut word, mut left) = (at, word, count);
    let mut found = marks(word);
    // All eight, whatever of them counts.
    store(window, at, word.to_le_bytes());
    while found != 0 {
        let bits = found.trailing_zeros() & !7;
        let plain = usize::try_from(bits / 8).unwrap_or(0);
        if plain >= left {
            break;
        }
        at += plain;
        word >>= bits;
        let byte = word.to_le_bytes()[0];
        match byte {
            b'"' | b'\\' => {
                store(window, at, *b"\\");
                at += 1;
                store(window, at, word.to_le_bytes());
            }
            // In JSON, these can only stand between two tokens.
            b'\n' | b'\r' | b'\t' => store(window, at, *b" "),
            _ => {}
        }
        at += 1;
        word >>= 8;
        found = found >> bits >> 8;
        left -= plain + 1;
    }
    at + left
}

/// Writes the inside of a JSON string as plain text.
#[cfg_attr(brooklet_hot, optimize(speed))]
#[inline(never)]
pub(super) fn text(room: &mut Room<'_>, inside: &str) {
    let mut rest = inside.as_bytes();
    while !rest.is_empty() {
        if let Some((word, behind)) = rest.split_first_chunk::<8>() {
            if let Some(place) = room.next() {
                *place = *word;
            }
            let found = marks(u64::from_le_bytes(*word));
            if found == 0 {
                room.take(8);
                rest = behind;
                continue;
            }
            let plain = usize::try_from(found.trailing_zeros() / 8).unwrap_or(0);
            room.take(plain);
            rest = rest.get(plain..).unwrap_or_default();
        }
        rest = letter(room, inside, rest);
    }
}

/// Writes the letter that the rest of the inside of a string begins with, or the one that its escape stands for; gives back what is behind it.
#[inline(always)]
fn letter<'a>(room: &mut Room<'_>, inside: &str, rest: &'a [u8]) -> &'a [u8] {
    let Some(first) = rest.first() else {
        return rest;
    };
    let (byte, count) = match (first, rest.get(1)) {
        (b'\\', Some(b'n')) => (b'\n', 2),
        (b'\\', Some(b't')) => (b'\t', 2),
        (b'\\', Some(byte @ (b'"' | b'\\' | b'/'))) => (*byte, 2),
        (b'\\', _) => return rare(room, inside, rest),
        (byte, _) => (*byte, 1),
    };
    room.put([byte]);
    rest.get(count..).unwrap_or_default()
}

/// The same for an escape of any kind, which is rare: both halves of a surrogate pair together.
#[inline(never)]
fn rare<'a>(room: &mut Room<'_>, inside: &str, rest: &'a [u8]) -> &'a [u8] {
    let bytes = match rest {
        [
            _,
            b'u',
            b'd' | b'D',
            b'8' | b'9' | b'a' | b'b' | b'A' | b'B',
            _,
            _,
            b'\\',
            b'u',
            ..,
        ] => 12,
        [_, b'u', ..] => 6,
        _ => 2,
    };
    let (escape, behind) = rest.split_at_checked(bytes).unwrap_or((rest, &[]));
    let from = inside.len() - rest.len();
    let escape = inside.get(from..from + escape.len()).unwrap_or_default();
    parse::plain_to(escape, &mut |piece| room.copy(piece.as_bytes()));
    behind
}

/// The highest bit of each byte of a word that is a quote, a backslash or a control character; behind the first one, also of some that are none.
#[inline(always)]
pub(super) fn marks(word: u64) -> u64 {
    /// A word with one in each byte.
    const ONES: u64 = u64::MAX / 255;
    // In each byte of a word at once: what is smaller than what is taken away borrows its highest bit.
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
    // With this bit turned over, the quote stands right behind the control characters, and what stood there does not.
    let quote_or_control = below(word ^ (ONES * 2), 0x21);
    let backslash = below(word ^ (ONES * 0x5c), 1);
    (quote_or_control | backslash) & (ONES * 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_read_wherever_it_stands() {
        let pieces = [
            "a",
            "é",
            "long text of more than a word",
            r"\n",
            r"\t",
            r"\r",
            r"\\",
            r#"\""#,
            r"\/",
            r"\b",
            r"\f",
            r"\u00e9",
            r"\u001b",
            r"\ud83d\ude00",
            r"\u0041\u0042",
            "\u{10348}",
        ];
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            let mut inside = String::new();
            for _ in 0..6 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(seed >> 33).unwrap_or(0) % pieces.len();
                inside.push_str(pieces.get(at).copied().unwrap_or_default());
            }
            let mut out = Vec::new();
            text(&mut Room::new(&mut out), &inside);
            assert_eq!(out, parse::plain(&inside).as_bytes(), "{inside}");
        }
    }

    #[test]
    fn every_byte_is_escaped_wherever_it_stands() {
        for byte in 0..=255 {
            for len in 1..20 {
                for at in 0..len {
                    for other in [b'a', b'"', 0xff] {
                        let mut text = vec![other; len];
                        if let Some(place) = text.get_mut(at) {
                            *place = byte;
                        }
                        let expected: Vec<u8> = text
                            .iter()
                            .flat_map(|byte| match byte {
                                b'"' | b'\\' => vec![b'\\', *byte],
                                b'\n' | b'\r' | b'\t' => vec![b' '],
                                _ => vec![*byte],
                            })
                            .collect();
                        let mut out = Vec::new();
                        quote(&mut out, &text);
                        assert_eq!(out, [b"\"", &expected[..], b"\""].concat());
                    }
                }
            }
        }
    }
}
