//! The members of a JSON object that was read before: a scan of one level that lends names and values.
//!
//! It must only be given valid JSON: it looks for where things end and checks nothing.
//! On anything else it ends early and never fails.

use std::borrow::Cow;

use super::text;

/// The members of an object, one after the other: name and JSON text.
#[derive(Debug)]
pub(super) struct Members<'a> {
    /// The object.
    json: &'a str,
    /// What is not read yet begins here.
    place: usize,
}

impl<'a> Members<'a> {
    /// The members of a valid object; anything else has none.
    pub(super) fn of(json: &'a str) -> Self {
        let place = if json.starts_with('{') { 1 } else { json.len() };
        Self { json, place }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.json.as_bytes();
        let name = skip(bytes, self.place, b',');
        if bytes.get(name) != Some(&b'"') {
            return None;
        }
        let (end, escaped) = string_end(bytes, name + 1)?;
        let value = skip(bytes, end + 1, b':');
        self.place = value_end(bytes, value)?;
        let name = self.json.get(name + 1..end)?;
        let name = if escaped {
            text::plain(name)
        } else {
            Cow::Borrowed(name)
        };
        Some((name, self.json.get(value..self.place)?))
    }
}

/// The first place that holds neither white space nor a sign.
fn skip(bytes: &[u8], mut place: usize, sign: u8) -> usize {
    while let Some(byte) = bytes.get(place) {
        if *byte != sign && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            break;
        }
        place += 1;
    }
    place
}

/// The place of the quote that ends a string, and whether it holds escapes.
fn string_end(bytes: &[u8], inside: usize) -> Option<(usize, bool)> {
    let (mut place, mut escaped) = (inside, false);
    loop {
        place += memchr::memchr2(b'"', b'\\', bytes.get(place..)?)?;
        if bytes.get(place) == Some(&b'"') {
            return Some((place, escaped));
        }
        escaped = true;
        place += 2;
    }
}

/// The place behind a value.
fn value_end(bytes: &[u8], mut place: usize) -> Option<usize> {
    let mut depth = 0_usize;
    loop {
        match bytes.get(place)? {
            b'"' => place = string_end(bytes, place + 1)?.0,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.checked_sub(1)?,
            _ if depth == 0 => {
                // A number or a word.
                let rest = bytes.get(place..)?;
                let end = |byte: &u8| matches!(byte, b',' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                return Some(place + rest.iter().position(end)?);
            }
            _ => {}
        }
        place += 1;
        if depth == 0 {
            return Some(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_lent_one_level_deep() {
        let json = "{ \"a\" : \"x\\\"}\" ,\n\"b\":{\"c\":[1,{\"d\":\"]\"}]},\"\\u0063\\\"\":-1.5e3 ,\"e\":[ ],\"f\":null}";
        let seen: Vec<(String, &str)> = Members::of(json)
            .map(|(name, value)| (name.into_owned(), value))
            .collect();
        let expected = [
            ("a", "\"x\\\"}\""),
            ("b", "{\"c\":[1,{\"d\":\"]\"}]}"),
            ("c\"", "-1.5e3"),
            ("e", "[ ]"),
            ("f", "null"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(seen, expected);
        for other in ["{}", "{ }", "[1]", "\"{\"", "7", ""] {
            assert_eq!(Members::of(other).count(), 0, "{other}");
        }
    }

    #[test]
    fn what_is_cut_short_ends() {
        let json = r#"{"a":"x\"y","b":{"c":[1,2]},"d":1.5}"#;
        for end in 0..json.len() {
            let cut = json.get(..end).unwrap_or_default();
            assert!(Members::of(cut).count() < 4);
        }
    }
}
