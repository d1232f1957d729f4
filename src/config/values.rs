//! Reads the values of options: text in, a value or a reason out.
//!
//! A reason says what would be right; it never repeats the value, which may be a secret.

use std::time::Duration;

use super::{nearest, place};
use crate::cadence::Strategy;
use crate::diag;
use crate::encode::{self, Format};
use crate::http;
use crate::process::{Level, Types};

/// A value, or what would have been one.
pub(super) type Parsed<T> = Result<T, String>;

/// A name and a value.
pub(super) type Pair = (String, String);

/// One of some words, in any case.
pub(super) fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Parsed<T> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let found = words.get(word_at(value, &names)?);
    // It is one of them.
    found.map(|(_, meaning)| *meaning).ok_or_else(String::new)
}

/// Whether something is to be done.
///
/// # Errors
/// If it is neither yes nor no.
pub fn switch(value: &str) -> Result<bool, String> {
    let words = [("true", true), ("false", false), ("1", true), ("0", false)];
    word(value, &words)
}

/// Where a word stands among some, in any case; the code for each kind of what words mean would be as large as this.
fn word_at(value: &str, words: &[&str]) -> Parsed<usize> {
    let at = words
        .iter()
        .position(|word| word.eq_ignore_ascii_case(value));
    at.ok_or_else(|| none_of(value, words))
}

/// What is wrong with a value that is none of these words.
fn none_of(value: &str, words: &[&str]) -> String {
    let question = nearest::question(value, words);
    format!("must be one of {}{question}", words.join(", "))
}

/// A whole number within bounds.
pub(super) fn number(value: &str, min: u32, max: u32) -> Parsed<u32> {
    value
        .parse()
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

/// A number of bytes or records within bounds.
pub(super) fn size(value: &str, min: u32, max: u32) -> Parsed<usize> {
    number(value, min, max).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// Reads `BROOKLET_FLUSH`.
pub(super) fn strategy(value: &str) -> Parsed<Strategy> {
    if let Some(ms) = value.strip_prefix("periodic:") {
        let ms = number(ms, 1, 3_600_000)?;
        return Ok(Strategy::Periodic(Duration::from_millis(u64::from(ms))));
    }
    let words = [
        ("adaptive", Strategy::Adaptive),
        ("end", Strategy::End),
        ("next", Strategy::Next),
    ];
    word(value, &words).map_err(|_| {
        let words = ["adaptive", "end", "next", "periodic:<ms>"];
        let question = nearest::question(value, &words);
        format!("must be adaptive, end, next or periodic:<ms>{question}")
    })
}

/// A port; 9001 is the platform's own.
pub(super) fn port(value: &str) -> Parsed<u16> {
    value
        .parse()
        .ok()
        .filter(|port| *port != 9001)
        .ok_or_else(|| "must be a port from 0 to 65535, and not the platform's own 9001".to_owned())
}

/// A URL that can be called.
pub(super) fn url(value: &str) -> Parsed<String> {
    http::usable_url(value)?;
    Ok(value.to_owned())
}

/// A URL that can be called, or one that names a place in AWS.
pub(super) fn endpoint(value: &str) -> Parsed<String> {
    if encode::of_scheme(value).is_none() {
        return url(value);
    }
    place::usable(value)?;
    Ok(value.to_owned())
}

/// A format that is not told by a scheme.
pub(super) fn format(value: &str) -> Parsed<&'static Format> {
    let formats = || encode::FORMATS.iter().filter(|format| !format.scheme);
    let names: Vec<&str> = formats().map(|format| format.name).collect();
    let at = word_at(value, &names)?;
    formats().nth(at).ok_or_else(String::new)
}

/// A level of records.
pub(super) fn record_level(value: &str) -> Parsed<Level> {
    word(value, &Level::ALL.map(|level| (level.word(), level)))
}

/// A level of our own lines.
pub(super) fn level(value: &str) -> Parsed<diag::Level> {
    use diag::Level::{Debug, Error, Info, Warn};
    let words = [Error, Warn, Info, Debug].map(|level| (level.word(), level));
    word(value, &words)
}

/// A key that fits a header.
pub(super) fn key(value: &str) -> Parsed<String> {
    // What is meant as a reference would go out as the key.
    if value.starts_with("arn:") {
        return Err("is an ARN, but of no secret and no parameter".to_owned());
    }
    if http::usable_header("x", value) {
        Ok(value.to_owned())
    } else {
        Err("holds a character that no header can".to_owned())
    }
}

/// The header for a key, and what stands before the key in it.
pub(super) fn key_header(value: &str) -> Parsed<Pair> {
    let (name, prefix) = value.split_once('=').unwrap_or((value, ""));
    let (name, prefix) = (name.trim(), prefix.trim());
    if !http::usable_header(name, prefix) {
        return Err("must be a header's name, or name=prefix".to_owned());
    }
    let before = if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix} ")
    };
    Ok((name.to_owned(), before))
}

/// Statuses of HTTP.
pub(super) fn statuses(value: &str) -> Parsed<Vec<u16>> {
    let codes: Option<Vec<u16>> = value
        .split(',')
        .map(|code| {
            code.trim()
                .parse()
                .ok()
                .filter(|code| (200..600).contains(code))
        })
        .collect();
    codes.ok_or_else(|| "must be statuses from 200 to 599, as 200,202".to_owned())
}

/// Types of telemetry.
pub(super) fn types(value: &str) -> Parsed<Types> {
    let mut types = Types {
        platform: false,
        function: false,
        extension: false,
    };
    for name in value.split(',') {
        match name.trim().to_ascii_lowercase().as_str() {
            "platform" => types.platform = true,
            "function" => types.function = true,
            "extension" => types.extension = true,
            name => {
                let question = nearest::question(name, &["platform", "function", "extension"]);
                let must = "must be some of platform, function, extension";
                return Err(format!("{must}{question}"));
            }
        }
    }
    Ok(types)
}

/// `name=value,name=value`, values percent-encoded; and what is wrong with each part that is not such.
pub(super) fn pairs(value: &str) -> (Vec<Pair>, Vec<String>) {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (at, part) in value.split(',').map(str::trim).enumerate() {
        if part.is_empty() {
            continue;
        }
        match pair(part) {
            Some(pair) => good.push(pair),
            None => bad.push(format!(
                "must be name=value,name=value, and part {} is not",
                at + 1
            )),
        }
    }
    (good, bad)
}

/// One `name=value`.
pub(super) fn pair(part: &str) -> Option<Pair> {
    let (name, value) = part.split_once('=')?;
    let name = Some(name.trim()).filter(|name| !name.is_empty())?;
    Some((name.to_owned(), percent_decoded(value.trim())?))
}

/// Headers that can be sent, and what is wrong with each other part.
pub(super) fn headers(value: &str) -> (Vec<Pair>, Vec<String>) {
    let (mut good, mut bad) = pairs(value);
    good.retain(|(name, value)| {
        let usable = http::usable_header(name, value);
        if !usable {
            bad.push("a header cannot be sent in HTTP".to_owned());
        }
        usable
    });
    (good, bad)
}

/// Text with its `%XX` replaced; a percent sign without two hex digits stands for itself.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let hex = behind
            .get(..2)
            .filter(|_| *first == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(hex.unwrap_or(*first));
        rest = behind
            .get(if hex.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_before_they_are_decoded() {
        for (given, expected) in [
            (
                "a=1, b = x%2Cy%3D%25 ,c=,,d=e=f",
                vec![("a", "1"), ("b", "x,y=%"), ("c", ""), ("d", "e=f")],
            ),
            ("a=100%", vec![("a", "100%")]),
            ("a=%zz%4", vec![("a", "%zz%4")]),
        ] {
            let expected = expected
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            assert_eq!(pairs(given), (expected, Vec::new()), "{given}");
        }
        for (bad, good) in [("a", 0), ("=1", 0), ("a=1,b", 1), ("a=%ff,b=2", 1)] {
            let (pairs, reasons) = pairs(bad);
            assert_eq!((pairs.len(), reasons.len()), (good, 1), "{bad}");
        }
    }

    #[test]
    fn a_reason_never_repeats_the_value() {
        let reasons = [
            headers("x y=secret").1,
            pairs("secret").1,
            vec![key("sec\nret").expect_err("no header")],
        ];
        for reason in reasons {
            assert!(
                reason.len() == 1 && !reason.concat().contains("sec"),
                "{reason:?}"
            );
        }
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(number("25", 25, 30), Ok(25));
        for bad in ["24", "31", "", "-1", "1.5", "9999999999999", "2 5"] {
            assert!(number(bad, 25, 30).is_err(), "{bad}");
        }
        assert_eq!(port("0"), Ok(0));
        for bad in ["9001", "65536", "http"] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn types_are_a_list() {
        let both = Types {
            platform: false,
            function: true,
            extension: true,
        };
        assert_eq!(types("function, EXTENSION"), Ok(both));
        assert!(types("function,bogus").is_err());
    }
}
