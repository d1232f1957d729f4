//! Reads the values of options: text in, a value or a reason out.
//!
//! A reason says what would be right; it never repeats the value, which may be a secret.

use crate::diag;
use crate::encode::{self, Format};
use crate::http;
use crate::process::Types;

/// A value, or what would have been one.
pub(super) type Parsed<T> = Result<T, String>;

/// A name and a value.
pub(super) type Pair = (String, String);

/// One of some words, in any case.
pub(super) fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Parsed<T> {
    let found = words
        .iter()
        .find(|(word, _)| word.eq_ignore_ascii_case(value));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("must be one of {}", names.join(", "))
    })
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

/// A format.
pub(super) fn format(value: &str) -> Parsed<&'static Format> {
    encode::format(&value.to_ascii_lowercase()).ok_or_else(|| {
        let names: Vec<&str> = encode::FORMATS.iter().map(|format| format.name).collect();
        format!("must be one of {}", names.join(", "))
    })
}

/// A level of our own lines.
pub(super) fn level(value: &str) -> Parsed<diag::Level> {
    use diag::Level::{Debug, Error, Info, Warn};
    let words = [Error, Warn, Info, Debug].map(|level| (level.word(), level));
    word(value, &words)
}

/// A key that fits a header.
pub(super) fn key(value: &str) -> Parsed<String> {
    if http::usable_header("x", value) {
        Ok(value.to_owned())
    } else {
        Err("holds a character that no header can".to_owned())
    }
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
            _ => return Err("must be some of platform, function, extension".to_owned()),
        }
    }
    Ok(types)
}

/// `name=value,name=value`, values percent-encoded.
pub(super) fn pairs(value: &str) -> Parsed<Vec<Pair>> {
    let mut pairs = Vec::new();
    for (at, pair) in value.split(',').map(str::trim).enumerate() {
        if pair.is_empty() {
            continue;
        }
        let wrong = || format!("must be name=value,name=value, and part {} is not", at + 1);
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        if name.trim().is_empty() {
            return Err(wrong());
        }
        let value = percent_decoded(value.trim()).ok_or_else(wrong)?;
        pairs.push((name.trim().to_owned(), value));
    }
    Ok(pairs)
}

/// Headers that can be sent.
pub(super) fn headers(value: &str) -> Parsed<Vec<Pair>> {
    let headers = pairs(value)?;
    for (at, (name, value)) in headers.iter().enumerate() {
        if !http::usable_header(name, value) {
            return Err(format!("header {} cannot be sent in HTTP", at + 1));
        }
    }
    Ok(headers)
}

/// Text with its `%XX` replaced; a percent sign without two hex digits stands for itself.
fn percent_decoded(text: &str) -> Option<String> {
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

    fn pair(name: &str, value: &str) -> Pair {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_split_before_they_are_decoded() {
        assert_eq!(
            pairs("a=1, b = x%2Cy%3D%25 ,c=,,d=e=f"),
            Ok(vec![
                pair("a", "1"),
                pair("b", "x,y=%"),
                pair("c", ""),
                pair("d", "e=f")
            ])
        );
        assert_eq!(pairs("a=100%"), Ok(vec![pair("a", "100%")]));
        assert_eq!(pairs("a=%zz%4"), Ok(vec![pair("a", "%zz%4")]));
        for bad in ["a", "=1", "a=1,b", "a=%ff"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reason_never_repeats_the_value() {
        for reason in [
            headers("x y=secret").expect_err("no header"),
            pairs("secret").expect_err("no pair"),
            key("sec\nret").expect_err("no header"),
        ] {
            assert!(!reason.contains("sec"), "{reason}");
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
