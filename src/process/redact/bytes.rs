//! What the scanners for built-in kinds share: looking at bytes, and at the strings of JSON.
//!
//! Nothing here fails: behind the end and before the beginning there are zeros.

/// The byte at a place.
pub(in crate::process) fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or(0)
}

/// The byte before a place.
pub(super) fn before(bytes: &[u8], place: usize) -> u8 {
    place.checked_sub(1).map_or(0, |place| at(bytes, place))
}

/// Where a run of a class that begins at a place ends.
pub(in crate::process) fn run(bytes: &[u8], from: usize, class: fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| class(**byte)).count()
}

/// Where a run of a class that ends before a place begins.
pub(super) fn back(bytes: &[u8], until: usize, class: fn(u8) -> bool) -> usize {
    let head = bytes.get(..until).unwrap_or_default();
    until - head.iter().rev().take_while(|byte| class(**byte)).count()
}

/// A decimal digit.
pub(super) fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// A letter or a digit of ASCII.
pub(super) fn alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// What a word of a program is made of.
pub(super) fn word(byte: u8) -> bool {
    alnum(byte) || byte == b'_'
}

/// Where a JSON string ends: at its closing quote, or at the end of the text.
pub(in crate::process) fn string_end(bytes: &[u8], inside: usize) -> usize {
    let mut place = inside;
    while let Some(found) = bytes
        .get(place..)
        .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
    {
        place += found;
        if at(bytes, place) == b'"' {
            return place;
        }
        place += 2;
    }
    bytes.len()
}

/// The first place from one on that holds no white space of JSON.
pub(in crate::process) fn skip_space(bytes: &[u8], from: usize) -> usize {
    run(bytes, from, |b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}
