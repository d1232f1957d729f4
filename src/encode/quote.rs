//! JSON as the text of a JSON string, in one pass over words of eight bytes.
//!
//! It takes JSON that is sound, and must not be given other text.

use super::room::Room;

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
pub(super) fn inside(room: &mut Room<'_>, json: &[u8]) {
    for block in json.chunks(BLOCK_BYTES) {
        let Some(window) = room.next::<WINDOW_BYTES>() else {
            return;
        };
        let (mut rest, mut at) = (block, 0);
        while let Some((word, behind)) = rest.split_first_chunk() {
            at = escape(window, at, u64::from_le_bytes(*word), 8);
            rest = behind;
        }
        if !rest.is_empty() {
            let last = |word: u64, byte: &u8| word << 8 | u64::from(*byte);
            at = escape(window, at, rest.iter().rfold(0, last), rest.len());
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

/// Puts bytes where they go.
#[inline(always)]
fn store<const N: usize>(window: &mut [u8; WINDOW_BYTES], at: usize, bytes: [u8; N]) {
    if let Some((place, _)) = window.get_mut(at..).and_then(<[u8]>::split_first_chunk_mut) {
        *place = bytes;
    }
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
