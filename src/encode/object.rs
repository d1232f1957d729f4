//! The flat JSON object of the plain formats, and of all that only call its fields differently.
//!
//! JSON that came is copied as it came; only what we know ourselves is escaped here.

use std::borrow::Cow;

use super::ids::Ids;
use super::names::{Names, Run};
use super::quote::quote;
use super::room::{Room, digits};
use super::walk::{Quoted, Walk};
use super::{Encode, Options};
use crate::parse;
use crate::process::{Identity, Record};
use crate::time;

/// How an object differs from the plain one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Fields that do not have our name; one with an empty name is left out.
    pub(super) names: &'static [(&'static str, &'static str)],
    /// Whether the time must be one: where none came that can be read, it is the time at which the record came.
    pub(super) timed: bool,
    /// Whether a record needs a text: one that has none says its JSON.
    pub(super) told: bool,
    /// Whether objects are written as one field for each of their keys: `record.key`.
    pub(super) flat: bool,
}

impl Style {
    /// Our names, and everything as it came.
    pub(super) const PLAIN: Self = Self {
        names: &[],
        timed: false,
        told: false,
        flat: false,
    };
}

/// Writes a record as one flat object; fields that are not known are left out.
#[derive(Debug)]
pub(super) struct Object {
    /// What fields are called.
    names: Names,
    /// How it differs besides.
    style: Style,
    /// The fields that are the same for every record, each with a comma before it.
    identity: Vec<u8>,
    /// The ids of the last invocation.
    ids: Ids,
}

impl Object {
    /// An encoder whose fields have their own names but for those that the owner renamed.
    pub(super) fn new(options: &Options) -> Self {
        Self::with(options.names.clone(), Style::PLAIN)
    }

    /// An encoder in a format's own style.
    pub(super) fn styled(style: Style) -> Self {
        let owned = |(field, name): &(&str, &str)| ((*field).to_owned(), (*name).to_owned());
        Self::with(style.names.iter().map(owned).collect(), style)
    }

    /// An encoder.
    fn with(renamed: Vec<(String, String)>, style: Style) -> Self {
        Self {
            names: Names::new(renamed),
            style,
            identity: Vec::new(),
            ids: Ids::default(),
        }
    }

    /// The fields that are the same for every record, each with a comma before it.
    pub(super) fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// Writes the fields that a record has for itself, each with a comma before it.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    pub(super) fn fields(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let names = &self.names;
        let has_time = self.style.timed || record.timestamp.is_some();
        let is_timed = has_time && !names.timestamp.is_empty();
        if record.kind == "function" {
            let function = &names.function;
            out.extend_from_slice(if is_timed {
                &function.both
            } else {
                function.alone()
            });
        } else {
            if !names.kind.is_empty() {
                out.extend_from_slice(&names.kind);
                string(out, record.kind);
            }
            if is_timed {
                out.extend_from_slice(&names.timestamp);
            }
        }
        if is_timed {
            match record.timestamp {
                Some(timestamp) if !self.style.timed => json(out, timestamp),
                _ => rfc3339(out, record),
            }
        }
        self.text(record, out);
        match record.record {
            Some(json) if self.style.flat => flat(out, &names.record, json),
            json => value(out, &names.record, json),
        }
        self.ids.write(names, record, out);
        if !names.record_id.is_empty() {
            decimal(out, record.sequence);
            out.push(b'"');
        }
        if !record.extra.is_empty() && !names.extra.is_empty() {
            if self.style.flat {
                let all = record.extra.iter().map(|(k, v)| (&**k, &**v));
                each(out, &names.extra, all, json);
            } else {
                out.extend_from_slice(&names.extra);
                extra(out, record);
            }
        }
    }

    /// Writes the level and the text.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn text(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        let level = record.level.and_then(|l| self.names.levels.get(l as usize));
        let name = &self.names.message;
        match (level, record.message) {
            (Some(level), Some(message)) if !name.is_empty() => {
                out.extend_from_slice(&level.both);
                out.extend_from_slice(message.as_bytes());
                out.push(b'"');
            }
            (level, message) => {
                out.extend_from_slice(level.map_or(&[], Run::alone));
                if self.style.told && !name.is_empty() {
                    out.extend_from_slice(name);
                    text(out, record);
                } else {
                    inside(out, name, message);
                }
            }
        }
    }
}

/// Puts fields that begin there, each with a comma before it, into braces.
pub(super) fn braces(out: &mut Vec<u8>, from: usize) {
    // The first one's comma is where the object begins.
    match out.get_mut(from) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// The time of a record in milliseconds since 1970; when it came if it has none that can be read.
pub(super) fn millis(record: &Record<'_>) -> u64 {
    told_time(record)
        .and_then(time::rfc3339_ms)
        .unwrap_or(record.received_ms)
}

/// A record's time in nanoseconds since 1970: its own, or when it came if that cannot be read.
pub(super) fn time_ns(record: &Record<'_>) -> u64 {
    told_time(record)
        .and_then(time::rfc3339_ns)
        .unwrap_or_else(|| record.received_ms.saturating_mul(1_000_000))
}

/// What stands between the quotes of a record's time.
fn told_time<'a>(record: &Record<'a>) -> Option<&'a str> {
    record.timestamp.and_then(parse::inside)
}

/// Writes the time of a record as it came; when it came if it has none that can be read.
pub(super) fn rfc3339(out: &mut Vec<u8>, record: &Record<'_>) {
    match told_time(record) {
        Some(told) if time::rfc3339_ns(told).is_some() => {
            out.extend_from_slice(record.timestamp.unwrap_or_default().as_bytes());
        }
        _ => string(out, &time::rfc3339(record.received_ms)),
    }
}

/// Writes the text of a record as a JSON string; its JSON if it has none.
pub(super) fn text(out: &mut Vec<u8>, record: &Record<'_>) {
    match (record.message, record.record) {
        (None, Some(json)) => json_text(out, json),
        (message, _) => {
            out.push(b'"');
            out.extend_from_slice(message.unwrap_or_default().as_bytes());
            out.push(b'"');
        }
    }
}

/// The most keys of an object that become fields of their own.
const FLAT_KEYS_MAX: usize = 256;

/// Writes an object's keys as fields of their own: `,"name.key":`; any other value stays one field, and so does an object without keys, with very many, or with one that is there twice.
fn flat(out: &mut Vec<u8>, name: &[u8], json: &str) {
    let (from, prefix) = (out.len(), name.strip_suffix(b"\":").unwrap_or_default());
    if prefix.is_empty() {
        return;
    }
    if unfold(&mut Room::new(out), prefix, json).is_none() || out.len() == from {
        out.truncate(from);
        value(out, name, Some(json));
    }
}

/// The keys of an object as fields; `None` if it must stay one.
#[inline(never)]
#[cfg_attr(brooklet_hot, optimize(speed))]
fn unfold(room: &mut Room<'_>, prefix: &[u8], json: &str) -> Option<()> {
    // Names as they are written; only where one has an escape must they be read.
    let (mut known, mut escaped) = (Vec::with_capacity(16), false);
    let mut walk = Walk::new(json);
    walk.next().filter(|brace| *brace == b'{')?;
    walk.step();
    loop {
        match walk.next()? {
            b'"' => {}
            b',' => {
                walk.step();
                continue;
            }
            b'}' => return Some(()),
            _ => return None,
        }
        let from = walk.at() + 1;
        let name = walk.string();
        let key = name.bytes();
        escaped |= !name.plain;
        let twice = if escaped {
            let is_same =
                |own: &Quoted<'_>| parse::plain(own.inside()) == parse::plain(name.inside());
            known.iter().any(is_same)
        } else {
            known.iter().any(|own: &Quoted<'_>| own.bytes() == key)
        };
        if twice || known.len() >= FLAT_KEYS_MAX {
            return None;
        }
        known.push(name);
        walk.next().filter(|colon| *colon == b':')?;
        walk.step();
        let first = walk.next()?;
        let close = walk.at() == from + key.len() + 2;
        let begin = walk.at();
        walk.pass();
        room.copy(prefix);
        room.put(*b".");
        // Most stand as they are to be written.
        let field = if close {
            walk.bytes_since(from)
        } else {
            room.copy(key);
            room.put(*b"\":");
            walk.bytes_since(begin)
        };
        let from = room.at();
        room.copy(field);
        if matches!(first, b'{' | b'[') && memchr::memchr2(b'\n', b'\r', field).is_some() {
            one_line(room.since(from));
        }
    }
}

/// Writes fields of their own for foreign names: `,"name.key":`.
fn each<'a, V>(
    out: &mut Vec<u8>,
    name: &[u8],
    fields: impl Iterator<Item = (&'a str, V)>,
    value: impl Fn(&mut Vec<u8>, V),
) {
    for (field, content) in fields {
        out.extend_from_slice(name.strip_suffix(b"\":").unwrap_or_default());
        out.push(b'.');
        let from = out.len();
        string(out, field);
        out.remove(from);
        out.push(b':');
        value(out, content);
    }
}

impl Encode for Object {
    fn identify(&mut self, identity: &Identity) {
        let out = &mut self.identity;
        out.clear();
        for (field, text) in facts(identity) {
            let name = self.names.of(field);
            match text {
                Some(number) if field == MEMORY => value(out, &name, Some(&number)),
                Some(text) if !name.is_empty() => {
                    out.extend_from_slice(&name);
                    string(out, &text);
                }
                Some(_) | None => {}
            }
        }
        let name = self.names.of("tags");
        if !identity.tags.is_empty() && !name.is_empty() {
            if self.style.flat {
                let all = identity.tags.iter().map(|(k, v)| (k.as_str(), v));
                each(out, &name, all, |out, value| string(out, value));
            } else {
                out.extend_from_slice(&name);
                tags(out, identity);
            }
        }
    }

    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        self.fields(record, out);
        out.extend_from_slice(&self.identity);
        braces(out, from);
    }
}

/// Writes a record's id: the environment's part and its own.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn record_id(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(record.environment.as_bytes());
    out.push(b'-');
    decimal(out, record.sequence);
}

/// Writes a field whose value is the inside of a JSON string, if it is known and its name not empty; the name is `,"name":`.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn inside(out: &mut Vec<u8>, name: &[u8], inside: Option<&str>) {
    if let (Some(inside), false) = (inside, name.is_empty()) {
        out.extend_from_slice(name);
        out.push(b'"');
        out.extend_from_slice(inside.as_bytes());
        out.push(b'"');
    }
}

/// Writes a field whose value is JSON, if it is known and its name not empty; the name is `,"name":`.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn value(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let (Some(value), false) = (value, name.is_empty()) {
        out.extend_from_slice(name);
        json(out, value);
    }
}

/// Copies JSON text in one line: a line end in it can only stand between two tokens, and would end a line of `ndjson`.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn json(out: &mut Vec<u8>, value: &str) {
    let from = out.len();
    out.extend_from_slice(value.as_bytes());
    // A string holds none at all.
    if value.as_bytes().first() == Some(&b'"')
        || memchr::memchr2(b'\n', b'\r', value.as_bytes()).is_none()
    {
        return;
    }
    one_line(out.get_mut(from..).unwrap_or_default());
}

/// Puts a space in the place of every line end.
fn one_line(json: &mut [u8]) {
    for byte in json {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Writes JSON text as a JSON string, in one line.
pub(super) fn json_text(out: &mut Vec<u8>, value: &str) {
    quote(out, value.as_bytes());
}

/// Whether a record belongs to the environment's first invocation, as JSON.
pub(super) fn cold_start(record: &Record<'_>) -> Option<&'static str> {
    let word = |cold| if cold { "true" } else { "false" };
    record.cold_start.map(word)
}

/// Writes the fields of an event that this program does not know as an object.
pub(super) fn extra(out: &mut Vec<u8>, record: &Record<'_>) {
    object(out, record.extra.iter().map(|(k, v)| (&**k, &**v)), json);
}

/// Writes the owner's names and values as an object.
pub(super) fn tags(out: &mut Vec<u8>, identity: &Identity) {
    let all = identity.tags.iter().map(|(k, v)| (k.as_str(), v));
    object(out, all, |out, value| string(out, value));
}

/// Writes an object of foreign names.
fn object<'a, V>(
    out: &mut Vec<u8>,
    fields: impl Iterator<Item = (&'a str, V)>,
    value: impl Fn(&mut Vec<u8>, V),
) {
    out.push(b'{');
    for (at, (field, content)) in fields.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(out, field);
        out.push(b':');
        value(out, content);
    }
    out.push(b'}');
}

/// Writes a JSON string.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    let plain = |b: &u8| !matches!(b, 0..=0x1f | b'"' | b'\\');
    if text.as_bytes().iter().all(plain) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Writing a string into memory cannot fail.
    serde_json::to_writer(out, text).unwrap_or(());
}

/// The one of [`facts`] that is a number.
pub(super) const MEMORY: &str = "function_memory_mb";

/// What is known of who logs but for the tags, under our own names; a number as its digits.
pub(super) fn facts(identity: &Identity) -> [(&'static str, Option<Cow<'_, str>>); 7] {
    fn text(fact: &Option<String>) -> Option<Cow<'_, str>> {
        fact.as_deref().map(Cow::Borrowed)
    }
    let memory = identity.function_memory_mb.map(|mb| mb.to_string());
    [
        ("function_name", text(&identity.function_name)),
        ("function_version", text(&identity.function_version)),
        ("function_arn", text(&identity.function_arn)),
        (MEMORY, memory.map(Cow::Owned)),
        ("region", text(&identity.region)),
        ("account_id", text(&identity.account_id)),
        ("service_name", text(&identity.service_name)),
    ]
}

/// Writes a number.
#[cfg_attr(brooklet_hot, optimize(speed))]
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    let (digits, from) = digits(number);
    out.extend_from_slice(digits.get(from..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Level;

    fn identity() -> Identity {
        Identity {
            function_name: Some("checkout".into()),
            function_version: Some("$LATEST".into()),
            function_arn: None,
            function_memory_mb: Some(128),
            region: Some("eu-west-1".into()),
            account_id: Some("123456789012".into()),
            service_name: Some("shop".into()),
            tags: vec![("team".into(), "a \"b\"".into()), ("x".into(), "1".into())],
        }
    }

    fn record<'a>(message: &'a str, extra: &'a [(Cow<'a, str>, Cow<'a, str>)]) -> Record<'a> {
        Record {
            timestamp: Some("\"2026-11-22T10:00:00.123Z\""),
            received_ms: 0,
            kind: "function",
            level: Some(Level::Warn),
            message: Some(message),
            record: None,
            request_id: Some("r-1"),
            trace_id: Some("1-a-b"),
            span_id: None,
            tenant_id: Some("t"),
            cold_start: Some(true),
            invocation: 1,
            sample: Some("0.25"),
            environment: "e0",
            sequence: 18_446_744_073_709_551_615,
            extra,
        }
    }

    fn check(encoder: &mut Object, record: &Record<'_>, expected: &str) {
        let mut out = Vec::new();
        encoder.encode(record, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        serde_json::from_slice::<serde_json::Value>(&out).expect("valid JSON");
    }

    #[test]
    fn numbers_are_written_in_decimal() {
        let near = |n: u64| [n.saturating_sub(1), n, n.saturating_add(1)];
        let powers = (0..20)
            .map(|power| 10_u64.pow(power))
            .chain((0..64).map(|bit| 1 << bit));
        for number in powers
            .chain([u64::MAX])
            .flat_map(near)
            .chain((0..70_000).map(|n| n * 61_357))
        {
            let mut out = Vec::new();
            decimal(&mut out, number);
            assert_eq!(String::from_utf8(out), Ok(number.to_string()));
        }
    }

    #[test]
    fn a_line_with_everything_known() {
        let mut encoder = Object::new(&Options::default());
        encoder.identify(&identity());
        check(
            &mut encoder,
            &record(r"a\tb é", &[]),
            concat!(
                r#"{"type":"function","timestamp":"2026-11-22T10:00:00.123Z","level":"warn","message":"a\tb é","#,
                r#""request_id":"r-1","trace_id":"1-a-b","tenant_id":"t","cold_start":true,"sample":0.25,"#,
                r#""record_id":"e0-18446744073709551615","function_name":"checkout","function_version":"$LATEST","#,
                r#""function_memory_mb":128,"region":"eu-west-1","account_id":"123456789012","service_name":"shop","#,
                r#""tags":{"team":"a \"b\"","x":"1"}}"#
            ),
        );
    }

    #[test]
    fn every_level_is_written_by_its_word() {
        for level in Level::ALL {
            let record = Record {
                level: Some(level),
                ..Record::default()
            };
            let mut out = Vec::new();
            Object::new(&Options::default()).fields(&record, &mut out);
            let field = format!(",\"level\":\"{}\"", level.word());
            assert!(String::from_utf8_lossy(&out).contains(&field), "{field}");
        }
    }

    #[test]
    fn a_key_that_is_there_twice_makes_no_field_twice() {
        let written = |json: &str| {
            let mut out = Vec::new();
            flat(&mut out, b",\"record\":", json);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(written(r#"{"a":1,"b":2}"#), r#","record.a":1,"record.b":2"#);
        for json in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, "{}", "[1]"] {
            assert_eq!(written(json), format!(",\"record\":{json}"));
        }
        let fields: Vec<String> = (0..=FLAT_KEYS_MAX).map(|n| format!("\"k{n}\":0")).collect();
        let many = format!("{{{}}}", fields.join(","));
        assert_eq!(written(&many), format!(",\"record\":{many}"));
    }

    #[test]
    fn a_value_over_several_lines_is_written_in_one() {
        let mut out = Vec::new();
        value(&mut out, b",\"record\":", Some("{\r\n  \"a\": \"b\\n\"\n}"));
        assert_eq!(out, br#","record":{    "a": "b\n" }"#);
    }

    #[test]
    fn json_as_text_says_the_same() {
        for json in [
            "{}",
            r#"{"a":"b \"c\" \\ \n é","d":[1,null]}"#,
            "{\r\n\t\"a\":\t\"\\t\"}",
        ] {
            let mut out = Vec::new();
            json_text(&mut out, json);
            let text: String = serde_json::from_slice(&out).expect("a JSON string");
            let values = [json, &text]
                .map(|json| serde_json::from_str::<serde_json::Value>(json).expect("JSON"));
            assert_eq!(values[0], values[1], "{text}");
            assert!(!text.contains(['\n', '\r', '\t']), "{text}");
        }
    }

    #[test]
    fn nested_json_is_a_string_in_one_line() {
        let long = format!("{{\"a\\\\\":\n[\"{}\"]\t}}", "é\\\"x".repeat(500));
        let mut out = Vec::new();
        json_text(&mut out, &long);
        let read: String = serde_json::from_slice(&out).expect("a string");
        assert_eq!(read, long.replace(['\n', '\t'], " "));
        serde_json::from_str::<serde_json::Value>(&read).expect("still JSON");
    }

    #[test]
    fn fields_have_the_owners_names() {
        let names = [
            ("type", ""),
            ("message", "m\"sg"),
            ("record_id", ""),
            ("region", "aws.region"),
            ("tags", ""),
        ];
        let mut encoder = Object::new(&Options {
            names: names.map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec(),
            ..Options::default()
        });
        let bare = Record {
            message: Some("a"),
            ..Record::default()
        };
        check(&mut encoder, &bare, r#"{"m\"sg":"a"}"#);
        check(&mut encoder, &Record::default(), "{}");
        encoder.identify(&Identity {
            region: Some("eu-west-1".into()),
            tags: vec![("a".into(), "b".into())],
            ..Identity::default()
        });
        check(
            &mut encoder,
            &bare,
            r#"{"m\"sg":"a","aws.region":"eu-west-1"}"#,
        );
    }

    #[test]
    fn a_value_with_nothing_known() {
        let extra = [
            (Cow::Borrowed("new"), Cow::Borrowed("1.50")),
            (Cow::Borrowed("o\"dd"), Cow::Borrowed("{}")),
        ];
        check(
            &mut Object::new(&Options::default()),
            &Record {
                kind: "we\"ird",
                record: Some("[1, 2]"),
                environment: "e",
                extra: &extra,
                ..Record::default()
            },
            r#"{"type":"we\"ird","record":[1, 2],"record_id":"e-0","extra":{"new":1.50,"o\"dd":{}}}"#,
        );
    }
}
