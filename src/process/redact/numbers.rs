//! Finds what is made of digits: payment cards, addresses of the Internet Protocol and telephone numbers.
//!
//! Logs are full of digits that are none of these, so each shape is narrow and must stand alone; see the tests' table.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::bytes::{alnum, at, back, before, digit, run, word};

/// The number of a payment card.
pub(super) fn card(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut begin = from;
    loop {
        begin += bytes.get(begin..)?.iter().position(u8::is_ascii_digit)?;
        let Some(mut end) = card_end(bytes, begin) else {
            begin = run(bytes, begin, digit);
            continue;
        };
        // Groups before a card can look like its first ones; then both are masked.
        let mut group = run(bytes, begin, digit) + 1;
        while group < end {
            end = card_end(bytes, group).unwrap_or(end).max(end);
            group = run(bytes, group, digit) + 1;
        }
        return Some(begin..end);
    }
}

/// Where the card that begins with this run of digits ends, if one does.
fn card_end(bytes: &[u8], begin: usize) -> Option<usize> {
    let free = |end: usize| !alnum(at(bytes, end));
    if !matches!(at(bytes, begin), b'2'..=b'6') || alnum(before(bytes, begin)) {
        return None;
    }
    let mut end = run(bytes, begin, digit);
    if end - begin >= 13 {
        // The digits behind a point are those of a fraction.
        let fraction = before(bytes, begin) == b'.' && digit(before(bytes, begin - 1));
        let good = end - begin <= 19 && !fraction && free(end) && luhn(bytes, begin..end);
        return good.then_some(end);
    }
    let (mut lengths, mut ends) = ([0; 5], [0; 5]);
    let mut start = begin;
    for (length, place) in lengths.iter_mut().zip(&mut ends) {
        end = run(bytes, start, digit);
        (*length, *place) = (end - start, end);
        if !matches!(at(bytes, end), b' ' | b'-' | b'.') {
            break;
        }
        start = end + 1;
    }
    let [_, _, three, four, five] = ends;
    let good = |end: usize| (free(end) && luhn(bytes, begin..end)).then_some(end);
    match lengths {
        [4, 4, 4, 4, 1..=3] => good(five).or_else(|| good(four)),
        [4, 4, 4, 4, _] => good(four),
        [4, 6, 4 | 5, _, _] => good(three),
        _ => None,
    }
}

/// Whether the check digit is right; what is no digit is passed over.
fn luhn(bytes: &[u8], card: Range<usize>) -> bool {
    let (mut sum, mut double) = (0_u32, false);
    for byte in bytes.get(card).unwrap_or_default().iter().rev() {
        if byte.is_ascii_digit() {
            let value = u32::from(byte - b'0') << u32::from(double);
            sum += if value > 9 { value - 9 } else { value };
            double = !double;
        }
    }
    sum % 10 == 0
}

/// An address of IPv4 or IPv6.
pub(super) fn ip(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut place = from;
    loop {
        place += memchr::memchr2(b'.', b':', bytes.get(place..)?)?;
        let found = if at(bytes, place) == b'.' {
            v4(text, place)
        } else {
            v6(text, place)
        };
        if let Some(found) = found.filter(|found| found.start >= from) {
            return Some(found);
        }
        place += 1;
    }
}

/// The address of IPv4 whose first dot this is.
fn v4(text: &str, dot: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let begin = back(bytes, dot, digit);
    // No address is longer, and a long run must not be read again from each of its dots.
    let longest = bytes.get(..bytes.len().min(dot + 16))?;
    let end = run(longest, dot, |b| digit(b) || b == b'.');
    let address = text.get(begin..end)?.trim_end_matches('.');
    let end = begin + address.len();
    let previous = before(bytes, begin);
    if word(previous) || previous == b'.' || word(at(bytes, end)) {
        return None;
    }
    let mut count = 0;
    for octet in address.split('.') {
        if octet.len() > 3 || octet.parse::<u8>().is_err() {
            return None;
        }
        count += 1;
    }
    // Browsers call themselves `Chrome/120.0.0.0`.
    let product =
        address.ends_with(".0.0.0") && previous == b'/' && alnum(before(bytes, begin - 1));
    (count == 4 && !product).then_some(begin..end)
}

/// No address of IPv6 is longer, colons before and behind it included.
const V6_MAX: usize = 47;

/// The address of IPv6 that a colon belongs to.
fn v6(text: &str, colon: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let class = |b: u8| b.is_ascii_hexdigit() || b == b':' || b == b'.';
    // Cut to what an address can take, so that a long run is not read again and again from each of its colons.
    let near = bytes.get(..bytes.len().min(colon + V6_MAX))?;
    let far = colon.saturating_sub(V6_MAX);
    let mut begin = far + back(near.get(far..)?, colon - far, class);
    let end = run(near, colon, class);
    let mut address = text.get(begin..end)?.trim_end_matches('.');
    let mut previous = before(bytes, begin);
    if !address.starts_with("::")
        && let Some(rest) = address.strip_prefix(':')
    {
        // As in `address:2001:db8::1`.
        address = rest;
        begin += 1;
        previous = b':';
    }
    if !address.ends_with("::") {
        address = address.trim_end_matches(':');
    }
    let end = begin + address.len();
    let colons = address.bytes().filter(|b| *b == b':').count();
    if colons < 6 && !address.contains("::") {
        return None;
    }
    // What stands before or behind the `::` of a program's path.
    if word(previous)
        || matches!(previous, b'>' | b')' | b'}')
        || word(at(bytes, end))
        || matches!(at(bytes, end), b'<' | b'(')
    {
        return None;
    }
    let first = address.split(':').next().unwrap_or_default();
    let plausible = first.is_empty()
        || first.bytes().any(digit)
        || first.len() == 4 && first.starts_with(['f', 'F']);
    (plausible && address.bytes().any(digit) && address.parse::<Ipv6Addr>().is_ok())
        .then_some(begin..end)
}

/// A telephone number, international or North American.
pub(super) fn phone(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut begin = from;
    loop {
        let rest = bytes.get(begin..)?;
        begin += rest
            .iter()
            .position(|b| digit(*b) || matches!(b, b'+' | b'('))?;
        let end = if at(bytes, begin) == b'+' {
            international(bytes, begin)
        } else {
            american(bytes, begin)
        };
        if let Some(end) = end {
            return Some(begin..end);
        }
        begin = run(bytes, begin + 1, digit);
    }
}

/// What separates the groups of a telephone number.
fn separator(byte: u8) -> bool {
    matches!(byte, b' ' | b'-' | b'.')
}

/// Where a number that begins with `+` ends.
fn international(bytes: &[u8], plus: usize) -> Option<usize> {
    let previous = before(bytes, plus);
    if word(previous) || matches!(previous, b'+' | b'/') || at(bytes, plus + 1) == b'0' {
        return None;
    }
    let (mut place, mut digits, mut end) = (plus + 1, 0, 0);
    loop {
        let open = at(bytes, place) == b'(';
        let group = place + usize::from(open);
        let behind = run(bytes, group, digit);
        let length = behind - group;
        if length == 0 || digits + length > 15 || open && at(bytes, behind) != b')' {
            break;
        }
        // The offsets of time zones from ten hours on; no number begins so.
        if digits == 0
            && matches!(
                bytes.get(group..behind)?,
                b"1000" | b"1030" | b"1100" | b"1200" | b"1245" | b"1300" | b"1345" | b"1400"
            )
        {
            break;
        }
        digits += length;
        end = behind + usize::from(open);
        place = end + usize::from(separator(at(bytes, end)));
        if place == end && !open && at(bytes, end) != b'(' {
            break;
        }
    }
    (digits >= 7 && !word(at(bytes, end))).then_some(end)
}

/// Where a North American number ends: `555-123-4567`, `(555) 123-4567`, `1-555-123-4567` and the like.
fn american(bytes: &[u8], begin: usize) -> Option<usize> {
    let previous = before(bytes, begin);
    if word(previous)
        || matches!(previous, b'+' | b'%')
        || matches!(previous, b'-' | b'.') && alnum(before(bytes, begin - 1))
    {
        return None;
    }
    let mut place = begin;
    if at(bytes, place) == b'1' {
        place += 1;
        if separator(at(bytes, place)) {
            place += 1;
        } else if at(bytes, place) != b'(' {
            return None;
        }
    }
    let open = at(bytes, place) == b'(';
    place += usize::from(open);
    // An area does not begin with 0 or 1.
    if matches!(at(bytes, place), b'0' | b'1') {
        return None;
    }
    place = three(bytes, place)?;
    let mut spaces = !open && at(bytes, place) == b' ';
    if open {
        if at(bytes, place) != b')' {
            return None;
        }
        place += 1 + usize::from(separator(at(bytes, place + 1)));
    } else if separator(at(bytes, place)) {
        place += 1;
    } else {
        return None;
    }
    place = three(bytes, place)?;
    spaces &= at(bytes, place) == b' ';
    if !separator(at(bytes, place)) {
        return None;
    }
    let end = run(bytes, place + 1, digit);
    let next = at(bytes, end);
    if end - place != 5
        || word(next)
        || separator(next) && next != b' ' && alnum(at(bytes, end + 1))
    {
        return None;
    }
    // Numbers in a row, such as a status, a size and a time.
    let row = previous == b' ' && digit(before(bytes, begin - 1))
        || next == b' ' && digit(at(bytes, end + 1));
    (!(spaces && row)).then_some(end)
}

/// Passes over three digits.
fn three(bytes: &[u8], place: usize) -> Option<usize> {
    let end = run(bytes, place, digit);
    (end - place == 3).then_some(end)
}
