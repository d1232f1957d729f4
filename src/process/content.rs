//! What a record holds: a line of text, or JSON, also where one is wrapped in the other.
//!
//! A JSON object keeps all its keys; text is never rewritten here.

use super::{Level, level};
use crate::parse::{self, Facts};

/// What a record holds. Texts are the insides of JSON strings, escapes as they came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content<'a> {
    /// The text: a line, or what a JSON record carries as its message.
    pub(super) message: Option<&'a str>,
    /// The JSON, if there is any.
    pub(super) record: Option<&'a str>,
    /// The logger's level.
    pub(super) level: Option<Level>,
    /// What is read out of the JSON.
    pub(super) facts: Facts<'a>,
    /// The line that the JSON was found in, as it came.
    pub(super) line: Option<&'a str>,
}

/// Reads a record of a function or an extension; `document` takes what had to be unwrapped.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn read<'a>(record: &'a str, facts: Facts<'a>, document: &'a mut String) -> Content<'a> {
    match line(record) {
        Some(line) => text(line, document),
        None => json(record, facts, document),
    }
}

/// Reads a line of text, which may be a JSON object as a whole or behind the runtime's own words.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn text<'a>(line: &'a str, document: &'a mut String) -> Content<'a> {
    let level = level::of_text(line);
    let object = if line.as_bytes().last() == Some(&b'}') {
        object_in(line)
    } else {
        None
    };
    if let Some(object) = object {
        let plain = parse::plain(object);
        let plain = plain.trim();
        if let Some(facts) = parse::object(plain) {
            document.clear();
            open(plain, &facts, document);
            let facts = parse::facts(document);
            return Content {
                line: Some(line),
                ..self::object(document, facts, level)
            };
        }
    }
    Content {
        message: Some(line),
        level,
        ..Content::default()
    }
}

/// Reads JSON, which may be what Lambda's JSON log format wraps around a line that is JSON itself.
fn json<'a>(record: &'a str, facts: Facts<'a>, document: &'a mut String) -> Content<'a> {
    document.clear();
    if is_wrapped(&facts) {
        open(record, &facts, document);
        let facts = parse::facts(document);
        return object(document, facts, None);
    }
    object(record, facts, None)
}

/// Whether a record looks like what Lambda's JSON log format wraps around a line, and the line like JSON.
fn is_wrapped(facts: &Facts<'_>) -> bool {
    let message = facts.message.and_then(line).unwrap_or_default();
    facts.timestamp && facts.level.is_some() && message.as_bytes().last() == Some(&b'}')
}

/// Writes a record with its message as the object that it is, if it is a wrapped one; otherwise as it is.
fn open(record: &str, facts: &Facts<'_>, out: &mut String) {
    let wrapped = facts.message.filter(|_| is_wrapped(facts));
    if let (Some(message), Some(inside)) = (wrapped, wrapped.and_then(line)) {
        let plain = parse::plain(inside);
        let plain = plain.trim();
        if parse::object(plain).is_some() {
            let from = message.as_ptr().addr() - record.as_ptr().addr();
            for part in [
                record.get(..from),
                Some(plain),
                record.get(from + message.len()..),
            ] {
                out.push_str(part.unwrap_or_default());
            }
            parse::clean(out);
            return;
        }
    }
    out.push_str(record);
    parse::clean(out);
}

/// The level that a line has which Lambda only wrapped: without a request there was no logger, and `INFO` is Lambda's own word.
fn wrapped_level(facts: &Facts<'_>) -> Option<Level> {
    let wrapped = facts.timestamp && facts.request_id.is_none();
    let line = facts.message.filter(|_| wrapped).and_then(line)?;
    (facts.level == Some("INFO")).then(|| level::of_text(line))?
}

/// JSON with nothing left to unwrap; what its message object says of the level is the logger's own word, and `level` that of the line around it.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn object<'a>(record: &'a str, facts: Facts<'a>, level: Option<Level>) -> Content<'a> {
    let level = facts.level.and_then(level::of_value).or(level);
    let inner = facts
        .message
        .filter(|message| message.as_bytes().first() == Some(&b'{'));
    let inner = inner.map(parse::facts).unwrap_or_default();
    Content {
        message: message(&facts),
        record: Some(record),
        level: (inner.level.and_then(level::of_value))
            .or_else(|| wrapped_level(&facts))
            .or(level),
        facts: Facts {
            request_id: facts.request_id.or(inner.request_id),
            ..facts
        },
        line: None,
    }
}

/// The text that a JSON record carries: its message, or the message of the object that is its message.
pub(super) fn message<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    let given = facts.message?;
    match line(given) {
        Some(line) => Some(line),
        None => parse::facts(given).message.and_then(line),
    }
}

/// Where an object begins in a line that ends with one: at once, or behind the fields of a managed runtime.
///
/// Node and .NET write `time`, request and level, Python level, time and request, each with a tab behind it.
fn object_in(line: &str) -> Option<&str> {
    if line.starts_with(['{', '\\', ' ']) {
        return Some(line).filter(|line| line.trim_start().starts_with(['{', '\\']));
    }
    let mut fields = line.splitn(4, "\\t");
    let (first, second) = (fields.next()?, fields.next()?);
    let object = fields.nth(1)?;
    let is_time =
        |field: &str| field.starts_with(|c: char| c.is_ascii_digit()) && field.ends_with('Z');
    let prefix = is_time(first) || (first.starts_with('[') && is_time(second));
    Some(object).filter(|object| prefix && object.starts_with('{'))
}

/// A string's inside without its one trailing line end; `None` for any other value.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn line(record: &str) -> Option<&str> {
    let inside = parse::inside(record)?;
    let line = without_escape(inside, b'n');
    Some(if line.len() < inside.len() {
        without_escape(line, b'r')
    } else {
        line
    })
}

/// The inside of a JSON string without a trailing `\n` (or another one-letter escape), told from a backslash and a letter.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn without_escape(inside: &str, letter: u8) -> &str {
    match inside.as_bytes() {
        [head @ .., b'\\', last]
            if *last == letter
                && head.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0 =>
        {
            inside.get(..head.len()).unwrap_or(inside)
        }
        _ => inside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_one_line_end_and_nothing_else() {
        for (record, expected) in [
            (r#""a\n""#, Some("a")),
            (r#""a\r\n""#, Some("a")),
            (r#""a\n\n""#, Some(r"a\n")),
            (r#""a""#, Some("a")),
            (r#""a\\n""#, Some(r"a\\n")),
            (r#""a\\\n""#, Some(r"a\\")),
            (r#""\n""#, Some("")),
            (r#""""#, Some("")),
            (r#""a\r""#, Some(r"a\r")),
            (r#""n""#, Some("n")),
            ("17", None),
            (r#"{"a":"b\n"}"#, None),
        ] {
            assert_eq!(line(record), expected, "{record}");
        }
    }

    /// `(message, record, level)` of a record.
    fn check(record: &str, message: Option<&str>, json: Option<&str>, level: Option<Level>) {
        let mut document = String::new();
        let content = read(record, parse::facts(record), &mut document);
        assert_eq!(
            (content.message, content.record, content.level),
            (message, json, level),
            "{record}"
        );
    }

    #[test]
    fn a_line_that_is_json_becomes_a_record() {
        check(r#""plain\n""#, Some("plain"), None, None);
        check(
            r#""{\"level\":\"warn\",\"msg\":\"a\\nb\",\"n\":1.50}\n""#,
            Some(r"a\nb"),
            Some(r#"{"level":"warn","msg":"a\nb","n":1.50}"#),
            Some(Level::Warn),
        );
        check(
            r#""{\n  \"a\": 1\n}\n""#,
            None,
            Some("{\n  \"a\": 1\n}"),
            None,
        );
        check(
            r#""2024-05-20T16:29:45.009Z\t4b142fc3-17b8-4cdb-a46b-a8dbe7918715\tERROR\t{\"a\":1}\n""#,
            None,
            Some(r#"{"a":1}"#),
            Some(Level::Error),
        );
        check(
            r#""[INFO]\t2024-05-20T16:29:45.009Z\t4b142fc3\t{\"a\":1}""#,
            None,
            Some(r#"{"a":1}"#),
            Some(Level::Info),
        );
        // Half a surrogate pair, which a strict reader refuses with the whole payload.
        check(
            r#""{\"a\":\"\\ud83d \\ud83d\\ude00\"}""#,
            None,
            Some(r#"{"a":"\ufffd \ud83d\ude00"}"#),
            None,
        );
        for text in [
            r#"{a}"#,
            r"got {\n1}",
            r#"a\tb\tc\t{\"a\":1}"#,
            r#"got {\"a\":1}"#,
            r#"{\"a\":1} {}"#,
        ] {
            check(&format!("\"{text}\""), Some(text), None, None);
        }
    }

    #[test]
    fn lambdas_wrapper_is_opened_and_keeps_its_keys() {
        check(
            r#"{"timestamp":"t","level":"INFO","requestId":"r","message":"hello\n"}"#,
            Some("hello"),
            Some(r#"{"timestamp":"t","level":"INFO","requestId":"r","message":"hello\n"}"#),
            Some(Level::Info),
        );
        check(
            r#"{"timestamp":"t","level":"INFO","message":"{\"level\":50,\"msg\":\"x\"}\n","requestId":"r"}"#,
            Some("x"),
            Some(
                r#"{"timestamp":"t","level":"INFO","message":{"level":50,"msg":"x"},"requestId":"r"}"#,
            ),
            Some(Level::Error),
        );
        check(
            r#"{"timestamp":"t","level":"INFO","message":{"msg":"x"}}"#,
            Some("x"),
            Some(r#"{"timestamp":"t","level":"INFO","message":{"msg":"x"}}"#),
            Some(Level::Info),
        );
        check(
            r#"{"timestamp":"t","level":"INFO","message":"{\"msg\":\"\\udc00\"}"}"#,
            Some(r"\ufffd"),
            Some(r#"{"timestamp":"t","level":"INFO","message":{"msg":"\ufffd"}}"#),
            Some(Level::Info),
        );
        // A line that no logger of the runtime's wrote.
        let raw = r#"{"timestamp":"t","level":"INFO","message":"ERROR:root:x"}"#;
        check(raw, Some("ERROR:root:x"), Some(raw), Some(Level::Error));
        let logged = r#"{"timestamp":"t","level":"INFO","message":"ERROR:root:x","requestId":"r"}"#;
        check(
            logged,
            Some("ERROR:root:x"),
            Some(logged),
            Some(Level::Info),
        );
        // A record of the function's own keeps its text as it is.
        let own = r#"{"message":"{\"a\":1}"}"#;
        check(own, Some(r#"{\"a\":1}"#), Some(own), None);
        check("[1]", None, Some("[1]"), None);
        check("null", None, Some("null"), None);
    }
}
