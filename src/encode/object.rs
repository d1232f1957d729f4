//! The flat JSON object of the plain formats.
//!
//! JSON that came is copied as it came; only what we know ourselves is escaped here.

use super::Encode;
use crate::process::{Identity, Level, Record};

/// Writes a record as one flat object; fields that are not known are left out.
#[derive(Debug, Default)]
pub(super) struct Object {
    /// The fields that are the same for every record, each with a comma before it.
    identity: Vec<u8>,
}

impl Encode for Object {
    fn identify(&mut self, identity: &Identity) {
        let out = &mut self.identity;
        out.clear();
        text(out, "function_name", identity.function_name.as_deref());
        text(
            out,
            "function_version",
            identity.function_version.as_deref(),
        );
        text(out, "function_arn", identity.function_arn.as_deref());
        if let Some(mb) = identity.function_memory_mb {
            value(out, b",\"function_memory_mb\":", &mb.to_string());
        }
        text(out, "region", identity.region.as_deref());
        text(out, "account_id", identity.account_id.as_deref());
        text(out, "service_name", identity.service_name.as_deref());
        if !identity.tags.is_empty() {
            name(out, "tags");
            let tags = identity.tags.iter().map(|(k, v)| (k.as_str(), v));
            object(out, tags, |out, value| string(out, value));
        }
    }

    fn encode(&self, record: &Record<'_>, out: &mut Vec<u8>) {
        // The type is the one field that every record has, so it can stand first, without a comma before it.
        out.extend_from_slice(b"{\"type\":");
        string(out, record.kind);
        if let Some(timestamp) = record.timestamp {
            value(out, b",\"timestamp\":", timestamp);
        }
        let level = record.level.map(Level::word);
        inside(out, b",\"level\":\"", level);
        inside(out, b",\"message\":\"", record.message);
        if let Some(json) = record.record {
            value(out, b",\"record\":", json);
        }
        inside(out, b",\"request_id\":\"", record.request_id);
        inside(out, b",\"trace_id\":\"", record.trace_id);
        inside(out, b",\"tenant_id\":\"", record.tenant_id);
        match record.cold_start {
            Some(true) => out.extend_from_slice(b",\"cold_start\":true"),
            Some(false) => out.extend_from_slice(b",\"cold_start\":false"),
            None => {}
        }
        if let Some(fraction) = record.sample {
            value(out, b",\"sample\":", fraction);
        }
        out.extend_from_slice(b",\"record_id\":\"");
        out.extend_from_slice(record.environment.as_bytes());
        out.push(b'-');
        decimal(out, record.sequence);
        out.push(b'"');
        if !record.extra.is_empty() {
            name(out, "extra");
            let fields = record.extra.iter().map(|(k, v)| (&**k, &**v));
            object(out, fields, json);
        }
        out.extend_from_slice(&self.identity);
        out.push(b'}');
    }
}

/// Writes `,"name":`; the name needs no escape.
fn name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Writes a field whose value is the inside of a JSON string, if it is known; its name comes with all that stands before the value.
fn inside(out: &mut Vec<u8>, name: &[u8], inside: Option<&str>) {
    if let Some(inside) = inside {
        out.extend_from_slice(name);
        out.extend_from_slice(inside.as_bytes());
        out.push(b'"');
    }
}

/// Writes a field whose value is JSON already; its name comes with all that stands before the value.
fn value(out: &mut Vec<u8>, name: &[u8], json_text: &str) {
    out.extend_from_slice(name);
    json(out, json_text);
}

/// Copies JSON text in one line: a line end in it can only stand between two tokens, and would end a line of `ndjson`.
fn json(out: &mut Vec<u8>, value: &str) {
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

/// Writes a field of text, if it is known.
fn text(out: &mut Vec<u8>, field: &str, value: Option<&str>) {
    if let Some(value) = value {
        name(out, field);
        string(out, value);
    }
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
fn string(out: &mut Vec<u8>, text: &str) {
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
fn decimal(out: &mut Vec<u8>, number: u64) {
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
        let mut encoder = Object::default();
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
        value(&mut out, b",\"record\":", "{\r\n  \"a\": \"b\\n\"\n}");
        assert_eq!(out, br#","record":{    "a": "b\n" }"#);
    }

    #[test]
    fn a_value_with_nothing_known() {
        let extra = [
            (Cow::Borrowed("new"), Cow::Borrowed("1.50")),
            (Cow::Borrowed("o\"dd"), Cow::Borrowed("{}")),
        ];
        check(
            &Object::default(),
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
