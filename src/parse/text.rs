//! JSON strings: what stands between the quotes, as it came and as plain text, and plain text back.
//!
//! Nothing here allocates for a string without escapes.

use std::borrow::Cow;

/// The inside of a JSON string, escapes as they came; `None` for any other value.
#[must_use]
pub fn inside(json: &str) -> Option<&str> {
    match json.as_bytes() {
        [b'"', .., b'"'] => json.get(1..json.len() - 1),
        _ => None,
    }
}

/// The plain text of the inside of a JSON string; a bad escape stands for itself.
#[must_use]
pub fn plain(inside: &str) -> Cow<'_, str> {
    if next_escape(inside).is_none() {
        return Cow::Borrowed(inside);
    }
    let mut out = String::with_capacity(inside.len());
    plain_to(inside, &mut |piece| out.push_str(piece));
    Cow::Owned(out)
}

/// The same, handed out piece by piece.
pub fn plain_to(inside: &str, take: &mut dyn FnMut(&str)) {
    let mut rest = inside;
    while let Some(found) = next_escape(rest) {
        let (before, escape) = rest.split_at_checked(found).unwrap_or((rest, ""));
        take(before);
        let (letter, read) = unescape(escape);
        take(letter.encode_utf8(&mut [0; 4]));
        rest = escape.get(read..).unwrap_or_default();
    }
    take(rest);
}

/// Where the next escape of the inside of a JSON string begins.
fn next_escape(inside: &str) -> Option<usize> {
    memchr::memchr(b'\\', inside.as_bytes())
}

/// The bytes of the escape that a text begins with, both halves of a surrogate pair together.
fn escape_len(escape: &str) -> usize {
    unescape(escape).1.min(escape.len())
}

/// The beginning of a text, of so many bytes at most and cut between two characters.
#[must_use]
pub fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The beginning of the inside of a JSON string, of so many bytes at most, cut where neither a character nor an escape is cut.
#[must_use]
pub fn cut_inside(inside: &str, bytes_max: usize) -> &str {
    if inside.len() <= bytes_max {
        return inside;
    }
    let mut end = 0;
    let mut rest = inside;
    loop {
        // Up to the next escape text can be cut between any two characters.
        let run = next_escape(rest).unwrap_or(rest.len());
        if end + run >= bytes_max {
            return cut(inside, bytes_max);
        }
        let escape = rest.get(run..).map_or(0, escape_len);
        if escape == 0 || end + run + escape > bytes_max {
            return inside.get(..end + run).unwrap_or_default();
        }
        end += run + escape;
        rest = rest.get(run + escape..).unwrap_or_default();
    }
}

/// The character that an escape stands for, and the bytes of the escape.
fn unescape(escape: &str) -> (char, usize) {
    let simple = |letter| (letter, 2);
    match escape.as_bytes().get(1) {
        Some(b'n') => simple('\n'),
        Some(b'r') => simple('\r'),
        Some(b't') => simple('\t'),
        Some(b'b') => simple('\u{8}'),
        Some(b'f') => simple('\u{c}'),
        Some(b'"') => simple('"'),
        Some(b'/') => simple('/'),
        Some(b'\\') => simple('\\'),
        Some(b'u') => {
            let unit = |from: usize| {
                let hex = escape.get(from..from + 4)?;
                u32::from_str_radix(hex, 16).ok()
            };
            let first = unit(2);
            match first.and_then(char::from_u32) {
                Some(letter) => (letter, 6),
                None => match (first, unit(8)) {
                    (Some(high @ 0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) => {
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        (char::from_u32(code).unwrap_or('\u{fffd}'), 12)
                    }
                    (Some(_), _) => ('\u{fffd}', 6),
                    (None, _) => ('\\', 1),
                },
            }
        }
        _ => ('\\', 1),
    }
}

/// Appends plain text as the inside of a JSON string.
pub fn escape(out: &mut String, plain: &str) {
    let mut rest = plain;
    while let Some(at) = rest
        .bytes()
        .position(|byte| matches!(byte, 0..=0x1f | b'"' | b'\\'))
    {
        let (before, special) = rest.split_at_checked(at).unwrap_or((rest, ""));
        out.push_str(before);
        let byte = special.bytes().next().unwrap_or_default();
        match byte {
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            _ => {
                out.push_str("\\u00");
                for digit in [byte >> 4, byte & 0xf] {
                    out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
                }
            }
        }
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_and_back() {
        for (given, expected) in [
            ("abc", "abc"),
            (r"a\nb\tc\r", "a\nb\tc\r"),
            (r#"\"\\\/\b\f"#, "\"\\/\u{8}\u{c}"),
            (r"\u00e9\ud83d\ude00é", "é😀é"),
            (r"\ufffd\u0000", "\u{fffd}\0"),
            (r"\u001b[2m", "\u{1b}[2m"),
        ] {
            assert_eq!(plain(given), expected, "{given}");
            let mut back = String::new();
            escape(&mut back, expected);
            assert_eq!(plain(&back), expected, "{back}");
            let json = format!("\"{back}\"");
            let read: String = serde_json::from_str(&json).expect("a JSON string");
            assert_eq!(read, expected);
        }
    }

    #[test]
    fn a_bad_escape_stands_for_itself() {
        assert_eq!(plain(r"a\xb\"), r"a\xb\");
        assert_eq!(plain(r"\u12"), r"\u12");
        assert_eq!(plain(r"\ud83dx"), "\u{fffd}x");
    }

    #[test]
    fn a_line_is_cut_between_characters_and_escapes() {
        let long = "é".repeat(200);
        assert_eq!(cut_inside(&long, 256).len(), 256);
        for before in 245..=256 {
            for escape in [r"\n", r"\u00e9", r"\\"] {
                let line = format!("{}{escape}{escape}tail", "a".repeat(before));
                let cut = cut_inside(&line, 256);
                assert!(cut.len() <= 256 && cut.len() > 244, "{cut}");
                let json = format!("\"{cut}\"");
                assert!(serde_json::from_str::<String>(&json).is_ok(), "{cut}");
            }
        }
    }
}
