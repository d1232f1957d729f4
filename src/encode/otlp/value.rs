//! JSON to OpenTelemetry's values, in one pass and without a tree: objects become lists of names and values.
//!
//! It takes JSON that was found sound before. What is not such ends the value early; nothing here fails or goes on for ever.

use super::super::walk::{Quoted, Walk};
use super::wire::{Any, VALUES, Wire};

/// Objects and lists in one another; what is deeper is written as text.
///
/// An object is three messages in one another, or four brackets of JSON, and many readers of either go no deeper than 100 or 128: they would refuse the payload.
const DEPTH_MAX: u32 = 24;

/// Writes what is in a value.
pub(super) fn write(wire: &mut Wire<'_>, json: &str) {
    value(&mut Walk::new(json), wire, 0);
}

/// Writes the value that comes next.
fn value(walk: &mut Walk<'_>, wire: &mut Wire<'_>, depth: u32) {
    match simple(walk, depth) {
        Some(value) => wire.any(&value),
        None => several(walk, wire, depth),
    }
}

/// Takes the value that comes next, if it is not one that holds others.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn simple<'a>(walk: &mut Walk<'a>, depth: u32) -> Option<Any<'a>> {
    match walk.next() {
        Some(b'"') => Some(text(walk.string())),
        Some(b'{' | b'[') if depth < DEPTH_MAX => None,
        Some(b'{' | b'[') => Some(Any::Plain(walk.whole())),
        _ => {
            let token = walk.token();
            let small = (1..=18).contains(&token.len());
            let whole = Some(token).filter(|_| small).and_then(whole);
            Some(whole.map_or_else(|| scalar(token), Any::Int))
        }
    }
}

/// A string as a value.
pub(super) fn text(quoted: Quoted<'_>) -> Any<'_> {
    if quoted.plain {
        Any::Clean(quoted.inside())
    } else {
        Any::Text(quoted.inside())
    }
}

/// Writes the object or list that comes next.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn several(walk: &mut Walk<'_>, wire: &mut Wire<'_>, depth: u32) {
    let object = walk.next() == Some(b'{');
    walk.step();
    // That of a record is what most of it is.
    let bytes = if depth == 0 { walk.left() } else { 0 };
    let message = wire.open_values(object, bytes);
    elements(walk, wire, object, depth + 1);
    wire.close_values(message);
}

/// Writes the elements of an object or a list, to its end.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn elements(walk: &mut Walk<'_>, wire: &mut Wire<'_>, object: bool, depth: u32) {
    while let Some(byte) = walk.next() {
        let before = walk.at();
        match byte {
            b'}' | b']' => return walk.step(),
            b',' => walk.step(),
            b'"' if object => {
                let key = walk.string_here();
                // Between a name and its value.
                walk.next();
                walk.step();
                if walk.next() == Some(b'"') {
                    let text = walk.string_here();
                    wire.text_pair(key, text);
                    continue;
                }
                match simple(walk, depth) {
                    Some(value) if key.plain => wire.pair(&VALUES, key.inside(), &value),
                    Some(value) => wire.long_pair(&VALUES, key.inside(), &value),
                    None => {
                        let marks = wire.open_pair(&VALUES, key.inside());
                        several(walk, wire, depth);
                        wire.close_pair(marks);
                    }
                }
            }
            _ => {
                let item = wire.open_item(&VALUES);
                value(walk, wire, depth);
                wire.close(item);
            }
        }
        // Only what is no JSON does not get on.
        if walk.at() == before {
            walk.stop();
        }
    }
}

/// A number or a word; `null` is a value with nothing in it.
#[inline(never)]
fn scalar(token: &str) -> Any<'_> {
    match token {
        "true" | "false" => Any::Bool(token == "true"),
        "null" | "" => Any::Empty,
        _ => match token.parse() {
            Ok(whole) => Any::Int(whole),
            // No number that others could hold, if it is none of these.
            Err(_) => double(token).map_or(Any::Plain(token), |number| Any::Double(number, token)),
        },
    }
}

/// A whole number that is not negative, nor so large that its digits must be looked at.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn whole(token: &str) -> Option<i64> {
    let mut sum = 0;
    for byte in token.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        sum = sum * 10 + i64::from(digit);
    }
    Some(sum)
}

/// A number with a fraction or an exponent, if it is within what a double can tell from nothing and from infinity.
fn double(token: &str) -> Option<f64> {
    let at = token
        .bytes()
        .position(|b| matches!(b, b'.' | b'e' | b'E'))?;
    let number: f64 = token.parse().ok()?;
    let is_zero = || {
        let mut digits = token.bytes().take_while(|b| !matches!(b, b'e' | b'E'));
        at > 0 && !digits.any(|b| matches!(b, b'1'..=b'9'))
    };
    let held = number.is_finite() && (number != 0.0 || is_zero());
    held.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a value becomes, as JSON and as protobuf.
    fn written(json: &str) -> (String, Vec<u8>) {
        let [mut text, mut bytes] = [b"{".to_vec(), Vec::new()];
        write(&mut Wire::new(true, &mut text), json);
        write(&mut Wire::new(false, &mut bytes), json);
        text.push(b'}');
        (String::from_utf8(text).expect("text"), bytes)
    }

    #[test]
    fn every_kind_of_value() {
        for (json, text, bytes) in [
            (r#""a\tb""#, r#"{"stringValue":"a\tb"}"#, &b"\x0a\x03a\tb"[..]),
            ("true", r#"{"boolValue":true}"#, b"\x10\x01"),
            ("false", r#"{"boolValue":false}"#, b"\x10\x00"),
            ("null", "{}", b""),
            ("300", r#"{"intValue":"300"}"#, b"\x18\xac\x02"),
            (
                "-9223372036854775808",
                r#"{"intValue":"-9223372036854775808"}"#,
                b"\x18\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
            ),
            (
                "9223372036854775808",
                r#"{"stringValue":"9223372036854775808"}"#,
                b"\x0a\x139223372036854775808",
            ),
            ("1.50", r#"{"doubleValue":1.50}"#, b"\x21\x00\x00\x00\x00\x00\x00\xf8\x3f"),
            ("0e9", r#"{"doubleValue":0e9}"#, b"\x21\x00\x00\x00\x00\x00\x00\x00\x00"),
            ("1e-400", r#"{"stringValue":"1e-400"}"#, b"\x0a\x061e-400"),
            ("1e400", r#"{"stringValue":"1e400"}"#, b"\x0a\x051e400"),
            ("[]", r#"{"arrayValue":{"values":[]}}"#, b"\x2a\x00"),
            ("{}", r#"{"kvlistValue":{"values":[]}}"#, b"\x32\x00"),
            (
                "[ 1 ,\n\"a\" , null ]",
                r#"{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"a"},{}]}}"#,
                b"\x2a\x0b\x0a\x02\x18\x01\x0a\x03\x0a\x01a\x0a\x00",
            ),
            (
                r#"{ "a\"" : { "b" : [ ] }, "" : 1 }"#,
                r#"{"kvlistValue":{"values":[{"key":"a\"","value":{"kvlistValue":{"values":[{"key":"b","value":{"arrayValue":{"values":[]}}}]}}},{"key":"","value":{"intValue":"1"}}]}}"#,
                b"\x32\x19\x0a\x11\x0a\x02a\"\x12\x0b\x32\x09\x0a\x07\x0a\x01b\x12\x02\x2a\x00\x0a\x04\x12\x02\x18\x01",
            ),
        ] {
            assert_eq!(written(json), (text.to_owned(), bytes.to_vec()), "{json}");
        }
    }

    #[test]
    fn what_is_too_deep_is_text() {
        let nested =
            |depth: usize| format!("{}\"]\u{e9}\"{}", "[".repeat(depth), "]".repeat(depth));
        let (text, _) = written(&nested(24));
        assert!(text.contains(r#"{"stringValue":"]é"}"#), "{text}");
        let (text, bytes) = written(&nested(26));
        assert!(text.contains(r#"{"stringValue":"[[\"]é\"]]"}"#), "{text}");
        assert!(bytes.ends_with("\n\t[[\"]é\"]]".as_bytes()), "{bytes:?}");
        // Far too deep for a stack.
        let (text, _) = written(&nested(1_000_000));
        serde_json::from_str::<serde::de::IgnoredAny>(&text).expect("JSON");
    }

    #[test]
    fn what_is_no_json_ends_the_value_and_harms_nothing() {
        for json in [
            "",
            "{",
            "[",
            "[1",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{1}",
            "[:]",
            "[é]",
            "]",
            "{]",
            "\"",
            "\"\\",
            "[\"\\é\"]",
            "{\"a\":}",
            "[}",
            "nan",
            "{\"a\":{\"b\":[1,",
            "[1 2]",
            "\u{e9}",
            "[\"a\"\"b\"]",
        ] {
            let (text, _) = written(json);
            let sound = serde_json::from_str::<serde::de::IgnoredAny>(&text);
            assert!(sound.is_ok() || json.contains('\\'), "{json}: {text}");
        }
    }
}
