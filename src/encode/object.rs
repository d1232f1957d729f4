//! The flat JSON object of the plain formats.
//!
//! JSON that came is copied as it came; only what we know ourselves is escaped here.

use super::{Encode, Options};
use crate::process::{Identity, Level, Record};

/// What stands before the value of each field: `,"name":`; empty for a field that is left out.
#[derive(Debug)]
struct Names {
    /// The event's type.
    kind: Vec<u8>,
    /// The event's time.
    timestamp: Vec<u8>,
    /// The level.
    level: Vec<u8>,
    /// The text.
    message: Vec<u8>,
    /// The JSON.
    record: Vec<u8>,
    /// The request.
    request_id: Vec<u8>,
    /// The trace.
    trace_id: Vec<u8>,
    /// The tenant.
    tenant_id: Vec<u8>,
    /// The cold start.
    cold_start: Vec<u8>,
    /// The sampled fraction.
    sample: Vec<u8>,
    /// The record's id.
    record_id: Vec<u8>,
    /// Unknown fields of the event.
    extra: Vec<u8>,
}

/// Writes a record as one flat object; fields that are not known are left out.
#[derive(Debug)]
pub(super) struct Object {
    /// The names of the record's own fields.
    names: Names,
    /// The owner's names for fields.
    renamed: Vec<(String, String)>,
    /// The fields that are the same for every record, each with a comma before it.
    identity: Vec<u8>,
}

impl Object {
    /// An encoder whose fields have their own names but for those that the owner renamed.
    pub(super) fn new(options: &Options) -> Self {
        let of = |name: &str| named(&options.names, name);
        Self {
            names: Names {
                kind: of("type"),
                timestamp: of("timestamp"),
                level: of("level"),
                message: of("message"),
                record: of("record"),
                request_id: of("request_id"),
                trace_id: of("trace_id"),
                tenant_id: of("tenant_id"),
                cold_start: of("cold_start"),
                sample: of("sample"),
                record_id: of("record_id"),
                extra: of("extra"),
            },
            renamed: options.names.clone(),
            identity: Vec::new(),
        }
    }
}

/// `,"name":` with the owner's name for a field; empty if that is empty.
fn named(renamed: &[(String, String)], field: &str) -> Vec<u8> {
    let own = renamed.iter().find(|(known, _)| known == field);
    let name = own.map_or(field, |(_, name)| name);
    let mut out = Vec::new();
    if !name.is_empty() {
        out.push(b',');
        string(&mut out, name);
        out.push(b':');
    }
    out
}

impl Encode for Object {
    fn identify(&mut self, identity: &Identity) {
        let out = &mut self.identity;
        out.clear();
        let memory = identity.function_memory_mb.map(|mb| mb.to_string());
        for (field, text) in [
            ("function_name", &identity.function_name),
            ("function_version", &identity.function_version),
            ("function_arn", &identity.function_arn),
            ("function_memory_mb", &memory),
            ("region", &identity.region),
            ("account_id", &identity.account_id),
            ("service_name", &identity.service_name),
        ] {
            let name = named(&self.renamed, field);
            match text {
                Some(number) if field == "function_memory_mb" => value(out, &name, Some(number)),
                Some(text) if !name.is_empty() => {
                    out.extend_from_slice(&name);
                    string(out, text);
                }
                Some(_) | None => {}
            }
        }
        let name = named(&self.renamed, "tags");
        if !identity.tags.is_empty() && !name.is_empty() {
            out.extend_from_slice(&name);
            let tags = identity.tags.iter().map(|(k, v)| (k.as_str(), v));
            object(out, tags, |out, value| string(out, value));
        }
    }

    fn encode(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        let (from, names) = (out.len(), &self.names);
        if !names.kind.is_empty() {
            out.extend_from_slice(&names.kind);
            string(out, record.kind);
        }
        value(out, &names.timestamp, record.timestamp);
        inside(out, &names.level, record.level.map(Level::word));
        inside(out, &names.message, record.message);
        value(out, &names.record, record.record);
        inside(out, &names.request_id, record.request_id);
        inside(out, &names.trace_id, record.trace_id);
        inside(out, &names.tenant_id, record.tenant_id);
        let cold = record
            .cold_start
            .map(|cold| if cold { "true" } else { "false" });
        value(out, &names.cold_start, cold);
        value(out, &names.sample, record.sample);
        if !names.record_id.is_empty() {
            out.extend_from_slice(&names.record_id);
            out.push(b'"');
            record_id(out, record);
            out.push(b'"');
        }
        if !record.extra.is_empty() && !names.extra.is_empty() {
            out.extend_from_slice(&names.extra);
            let fields = record.extra.iter().map(|(k, v)| (&**k, &**v));
            object(out, fields, json);
        }
        out.extend_from_slice(&self.identity);
        // Every field has a comma before it, and the first one's is where the object begins.
        match out.get_mut(from) {
            Some(comma) => *comma = b'{',
            None => out.push(b'{'),
        }
        out.push(b'}');
    }
}

/// Writes a record's id: the environment's part and its own.
pub(super) fn record_id(out: &mut Vec<u8>, record: &Record<'_>) {
    out.extend_from_slice(record.environment.as_bytes());
    out.push(b'-');
    decimal(out, record.sequence);
}

/// Writes a field whose value is the inside of a JSON string, if it is known and its name not empty; the name is `,"name":`.
pub(super) fn inside(out: &mut Vec<u8>, name: &[u8], inside: Option<&str>) {
    if let (Some(inside), false) = (inside, name.is_empty()) {
        out.extend_from_slice(name);
        out.push(b'"');
        out.extend_from_slice(inside.as_bytes());
        out.push(b'"');
    }
}

/// Writes a field whose value is JSON, if it is known and its name not empty; the name is `,"name":`.
pub(super) fn value(out: &mut Vec<u8>, name: &[u8], value: Option<&str>) {
    if let (Some(value), false) = (value, name.is_empty()) {
        out.extend_from_slice(name);
        json(out, value);
    }
}

/// Copies JSON text in one line: a line end in it can only stand between two tokens, and would end a line of `ndjson`.
pub(super) fn json(out: &mut Vec<u8>, value: &str) {
    let from = out.len();
    out.extend_from_slice(value.as_bytes());
    if memchr::memchr2(b'\n', b'\r', value.as_bytes()).is_none() {
        return;
    }
    for byte in out.iter_mut().skip(from) {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Writes an object of foreign names.
pub(super) fn object<'a, V>(
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

/// Writes a number.
pub(super) fn decimal(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0_u8; 20];
    let mut rest = number;
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

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
            tenant_id: Some("t"),
            cold_start: Some(true),
            sample: Some("0.25"),
            environment: "e0",
            sequence: 18_446_744_073_709_551_615,
            extra,
        }
    }

    fn check(encoder: &Object, record: &Record<'_>, expected: &str) {
        let mut out = Vec::new();
        encoder.encode(record, &mut out);
        assert_eq!(String::from_utf8_lossy(&out), expected);
        serde_json::from_slice::<serde_json::Value>(&out).expect("valid JSON");
    }

    #[test]
    fn a_line_with_everything_known() {
        let mut encoder = Object::new(&Options::default());
        encoder.identify(&identity());
        check(
            &encoder,
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
    fn a_value_over_several_lines_is_written_in_one() {
        let mut out = Vec::new();
        value(&mut out, b",\"record\":", Some("{\r\n  \"a\": \"b\\n\"\n}"));
        assert_eq!(out, br#","record":{    "a": "b\n" }"#);
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
        check(&encoder, &bare, r#"{"m\"sg":"a"}"#);
        check(&encoder, &Record::default(), "{}");
        encoder.identify(&Identity {
            region: Some("eu-west-1".into()),
            tags: vec![("a".into(), "b".into())],
            ..Identity::default()
        });
        check(&encoder, &bare, r#"{"m\"sg":"a","aws.region":"eu-west-1"}"#);
    }

    #[test]
    fn a_value_with_nothing_known() {
        let extra = [
            (Cow::Borrowed("new"), Cow::Borrowed("1.50")),
            (Cow::Borrowed("o\"dd"), Cow::Borrowed("{}")),
        ];
        check(
            &Object::new(&Options::default()),
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
