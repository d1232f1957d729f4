//! Finds what is made of letters: email addresses, tokens and AWS keys.
//!
//! Hand-written, each with a first test that a line without candidates fails at once.
//! A scanner must look at what stands before its place too, so that a piece of a longer token is not taken for a whole one.

use std::ops::Range;

use super::bytes::{alnum, at, before, run, word};

/// The first place at or behind another that holds a byte.
fn next(bytes: &[u8], byte: u8, from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memchr(byte, rest).map(|found| from + found)
}

/// A letter beyond ASCII, told by the blocks that hold letters: signs, punctuation and emoji stand in others.
fn letter(c: char) -> bool {
    matches!(c, '\u{c0}'..='\u{1fff}' | '\u{2c00}'..='\u{2dff}' | '\u{3041}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}' | '\u{ff21}'..='\u{ffdc}' | '\u{20000}'..='\u{3ffff}')
        && !matches!(c, '×' | '÷')
}

/// An email address.
pub(super) fn email(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut sign = from;
    loop {
        sign = next(bytes, b'@', sign)?;
        let begin = local_part(text, from, sign);
        if begin < sign
            && let Some(end) = domain(text, sign + 1)
        {
            return Some(begin..end);
        }
        sign += 1;
    }
}

/// Where the part before the `@` begins.
fn local_part(text: &str, from: usize, sign: usize) -> usize {
    let head = text.get(from..sign).unwrap_or_default();
    let mut begin = sign;
    for (place, c) in head.char_indices().rev() {
        let place = from + place;
        let inside = match c {
            '.' | '_' | '%' | '+' | '-' => true,
            // As in o'brien, and not as in 'brien.
            '\'' => alnum(at(text.as_bytes(), place + 1)) && alnum(before(text.as_bytes(), place)),
            c => c.is_ascii_alphanumeric() || letter(c),
        };
        if !inside {
            break;
        }
        begin = place;
    }
    begin
}

/// Where a domain ends, if there is one: labels with dots between them, the last one made of letters.
fn domain(text: &str, from: usize) -> Option<usize> {
    let mut end = None;
    let mut begin = from;
    loop {
        let rest = text.get(begin..)?;
        let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || letter(c);
        let label = rest.split(|c| !inside(c)).next().unwrap_or_default();
        if label.is_empty() {
            return end;
        }
        if begin > from {
            // What a minus follows is a word of its own, as in `a@b.com-c`.
            let name = match label.split_once('-') {
                Some(_) if label.starts_with("xn--") => label,
                Some((name, _)) => name,
                None => label,
            };
            let letters = |c: char| c.is_ascii_alphabetic() || letter(c);
            let top = name.starts_with("xn--") || name.chars().all(letters);
            if top && name.chars().nth(1).is_some() {
                end = Some(begin + name.len());
            }
        }
        begin += label.len();
        if at(text.as_bytes(), begin) != b'.' {
            return end;
        }
        begin += 1;
    }
}

/// A byte of base64url.
fn base64url(byte: u8) -> bool {
    word(byte) || byte == b'-'
}

/// The least length of a token's header.
const HEADER_MIN: usize = 8;

/// A JSON Web Token: signed (three parts, the last one perhaps empty) or encrypted (five, the second one perhaps empty).
pub(super) fn jwt(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut found = from + 1;
    loop {
        // A header is an object, so it begins with `{"`, which is `eyJ` in base64.
        found = next(bytes, b'J', found + 1)?;
        let begin = found - 2;
        if at(bytes, begin) != b'e' || at(bytes, begin + 1) != b'y' {
            continue;
        }
        // What fails here fails at each later place of the same run.
        found = run(bytes, found, base64url);
        let header = found;
        if header - begin < HEADER_MIN || at(bytes, header) != b'.' {
            continue;
        }
        let second = run(bytes, header + 1, base64url);
        if at(bytes, second) != b'.' {
            // Cut off behind its claims, which are what must not be read.
            if text.get(header + 1..second)?.starts_with("eyJ") {
                return Some(begin..second);
            }
            continue;
        }
        let third = run(bytes, second + 1, base64url);
        if third == second + 1 && second == header + 1 {
            continue;
        }
        let mut end = third;
        if at(bytes, third) == b'.' {
            let fourth = run(bytes, third + 1, base64url);
            let fifth = run(bytes, fourth + 1, base64url);
            if fourth > third + 1 && at(bytes, fourth) == b'.' && fifth > fourth + 1 {
                end = fifth;
            }
        }
        return Some(begin..end);
    }
}

/// How an AWS access key id begins, by the kind of its owner.
const KEY_IDS: [&[u8]; 11] = [
    b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"AROA", b"AIDA", b"AGPA", b"AIPA", b"ANPA", b"ANVA",
    b"APKA",
];

/// The length of an access key id.
const KEY_ID: usize = 20;

/// The length of a secret access key.
const SECRET: usize = 40;

/// Slashes that a secret access key may have: more of them make a path (one key in 2,000 has five).
const SLASHES_MAX: usize = 4;

/// An AWS access key id or secret access key.
///
/// Both are looked for in one pass: a search for each alone would read the rest of a text that holds only the other again and again.
pub(super) fn aws_key(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let base64 = |byte| alnum(byte) || matches!(byte, b'/' | b'+');
    let mut place = from;
    loop {
        // A key that begins from here on holds the twentieth byte, or begins behind it.
        let probe = place + KEY_ID - 1;
        if !base64(*bytes.get(probe)?) {
            place = probe + 1;
            continue;
        }
        let head = bytes.get(place..probe)?;
        let begin = probe - head.iter().rev().take_while(|byte| base64(**byte)).count();
        let end = run(bytes, probe, base64);
        if is_secret(bytes, begin..end) {
            return Some(begin..end);
        }
        if let Some(id) = key_id(bytes, begin..end) {
            return Some(id);
        }
        place = end;
    }
}

/// An AWS access key id within a run of base64: four letters that tell its kind, and sixteen capitals and digits.
fn key_id(bytes: &[u8], within: Range<usize>) -> Option<Range<usize>> {
    let mut begin = within.start;
    loop {
        begin = next(bytes.get(..within.end)?, b'A', begin)?;
        let end = run(bytes, begin, |b| {
            b.is_ascii_uppercase() || b.is_ascii_digit()
        });
        if end - begin == KEY_ID
            && KEY_IDS.contains(&bytes.get(begin..begin + 4)?)
            && !alnum(before(bytes, begin))
            && !alnum(at(bytes, end))
        {
            return Some(begin..end);
        }
        begin = end;
    }
}

/// Whether a run of base64 is an AWS secret access key: forty characters.
fn is_secret(bytes: &[u8], run: Range<usize>) -> bool {
    let base64 = |byte| alnum(byte) || matches!(byte, b'/' | b'+');
    let other = |byte| matches!(byte, b'-' | b'_') || base64(byte);
    if run.len() != SECRET
        || other(before(bytes, run.start))
        || other(at(bytes, run.end))
        || at(bytes, run.end) == b'='
    {
        return false;
    }
    let key = bytes.get(run).unwrap_or_default();
    let has = |class: fn(&u8) -> bool| key.iter().any(class);
    has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && has(|b| !b.is_ascii_hexdigit())
        && key.iter().filter(|b| **b == b'/').count() <= SLASHES_MAX
}

/// The least length of a bearer token.
const TOKEN_MIN: usize = 6;

/// The token behind the word `Bearer`.
pub(super) fn bearer(text: &str, from: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // The word may stand before the place, the token not.
    let mut word_at = from.saturating_sub(WORD.len());
    loop {
        word_at += memchr::memchr2(b'b', b'B', bytes.get(word_at..)?)?;
        let behind = word_at + WORD.len();
        let begin = run(bytes, behind, |b| b == b' ');
        if begin > behind
            && begin >= from
            && bytes
                .get(word_at..behind)
                .is_some_and(|word| word.eq_ignore_ascii_case(WORD))
            && !alnum(before(bytes, word_at))
        {
            let token = run(bytes, begin, |b| {
                alnum(b) || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
            });
            if token - begin >= TOKEN_MIN {
                return Some(begin..run(bytes, token, |b| b == b'='));
            }
        }
        word_at += 1;
    }
}

/// The word before a bearer token.
const WORD: &[u8] = b"bearer";
