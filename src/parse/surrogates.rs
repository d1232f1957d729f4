//! Escapes of surrogates, `\ud800` to `\udfff`: what stands for half a character where its other half is missing.
//!
//! It must know nothing of telemetry, and must not change the length of what it mends.

/// Replaces each escape of a lone surrogate in JSON text by that of U+FFFD, which is as long.
pub fn clean(json: &mut String) {
    if next_lone_surrogate(json.as_bytes(), 0).is_some() {
        let mut bytes = std::mem::take(json).into_bytes();
        replace_lone_surrogates(&mut bytes);
        *json = String::from_utf8(bytes).unwrap_or_default();
    }
}

/// Whether four digits of an escape are those of a surrogate.
#[inline(always)]
pub(super) fn is_surrogate(digits: [u8; 4]) -> bool {
    matches!(
        digits,
        [b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', ..]
    )
}

/// Overwrites each escape of a lone surrogate by the escape of U+FFFD, which is as long.
fn replace_lone_surrogates(body: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = next_lone_surrogate(body, at) {
        at = found + 6;
        if let Some(escape) = body.get_mut(found..at) {
            escape.copy_from_slice(br"\ufffd");
        }
    }
}

/// The next escape of a lone surrogate at or after a place.
fn next_lone_surrogate(body: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = next_surrogate(body, at)?;
        if !is_high(body, found) || !low_surrogate(body, found + 6) {
            return Some(found);
        }
        at = found + 12;
    }
}

/// The next escape of a surrogate at or after a place, its backslash not itself escaped.
fn next_surrogate(body: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr::memchr(b'\\', body.get(at..)?)?;
        let escape = body.get(at..at + 6)?;
        if matches!(escape, [_, b'u', b'd' | b'D', b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F', a, b]
            if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
        {
            return Some(at);
        }
        // Step over the escaped character too, so that `\\ud800` (a backslash and text) is left alone.
        at += 2;
    }
}

/// Whether the escape here is of a high surrogate (D800 to DBFF).
fn is_high(body: &[u8], at: usize) -> bool {
    matches!(
        body.get(at + 3),
        Some(b'8' | b'9' | b'a' | b'A' | b'b' | b'B')
    )
}

/// Whether the escape of a low surrogate (DC00 to DFFF) stands here.
fn low_surrogate(body: &[u8], at: usize) -> bool {
    matches!(body.get(at..at + 6), Some([b'\\', b'u', b'd' | b'D', b'c'..=b'f' | b'C'..=b'F', a, b])
        if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(json: &str) -> String {
        let mut json = json.to_owned();
        clean(&mut json);
        json
    }

    #[test]
    fn half_pairs_are_replaced_and_whole_ones_kept() {
        for (given, expected) in [
            (r"\ud83d\ude00", r"\ud83d\ude00"),
            (r"\uD83D\uDE00", r"\uD83D\uDE00"),
            (r"a\ud83db", r"a\ufffdb"),
            (r"\ude00", r"\ufffd"),
            (r"\ud83d\ud83d\ude00", r"\ufffd\ud83d\ude00"),
            (r"\ude00\ud83d", r"\ufffd\ufffd"),
            (r"\\ud83d", r"\\ud83d"),
            (r"\\\ud83d", r"\\\ufffd"),
            (r"\ud7ff\ue000", r"\ud7ff\ue000"),
            (r"\ud83", r"\ud83"),
            (r"\ud83d", r"\ufffd"),
        ] {
            assert_eq!(cleaned(given), expected, "{given}");
        }
    }
}
