//! `otlp` and `otlp-json`: OpenTelemetry's log records, under the names of its semantic conventions.
//!
//! Both write the same message, field by field in the order of their numbers; which bytes that takes is the business of [`wire`].
//! Nothing here may know more of a record than it says itself.

mod hex;
mod value;
mod wire;

use self::wire::{Any, Field, Wire};
use super::{Encode, Format, Frame};
use crate::parse;
use crate::process::{Identity, Level, Record};
use crate::time;

/// The row of `otlp`: protobuf, whose fragments stand one behind the other.
pub(super) const PROTOBUF: Format = Format {
    name: "otlp",
    content_type: "application/x-protobuf",
    frame: Frame {
        head: "",
        separator: "",
        tail: "",
    },
    hosts: &["otlp*", "logs.*.amazonaws.com*"],
    path: PATH,
    encoder: |_| Box::new(Otlp::new(false)),
    ..Format::PLAIN
};

/// The row of `otlp-json`.
pub(super) const JSON: Format = Format {
    name: "otlp-json",
    frame: Frame {
        head: "",
        separator: ",",
        tail: "]}]}]}",
    },
    path: PATH,
    encoder: |_| Box::new(Otlp::new(true)),
    ..Format::PLAIN
};

/// Where every receiver takes logs.
const PATH: &str = "/v1/logs";

/// Of the message that a payload is: who logs, with its records.
const RESOURCE_LOGS: Field = Field(1, ",\"resourceLogs\":");
/// Of who logs: its attributes.
const RESOURCE: Field = Field(1, ",\"resource\":");
/// Of who logs: its records by what wrote them.
const SCOPE_LOGS: Field = Field(2, ",\"scopeLogs\":");
/// Of the records: what wrote them.
const SCOPE: Field = Field(1, ",\"scope\":");
/// Of the records: each.
const LOG_RECORDS: Field = Field(2, ",\"logRecords\":");
/// Of who logs.
const RESOURCE_ATTRIBUTES: Field = Field(1, ",\"attributes\":");
/// Of what wrote them.
const SCOPE_NAME: Field = Field(1, ",\"name\":");
/// Of what wrote them.
const SCOPE_VERSION: Field = Field(2, ",\"version\":");
/// Of a record: the event's time.
const TIME: Field = Field(1, ",\"timeUnixNano\":\"");
/// Of a record: its level.
const SEVERITY_NUMBER: Field = Field(2, ",\"severityNumber\":");
/// Of a record: its level in words.
const SEVERITY_TEXT: Field = Field(3, ",\"severityText\":");
/// Of a record: what was logged, a message.
const BODY: Field = Field(5, ",\"body\":{");
/// Of a record.
const ATTRIBUTES: Field = Field(6, ",\"attributes\":");
/// Of a record.
const TRACE_ID: Field = Field(9, ",\"traceId\":\"");
/// Of a record.
const SPAN_ID: Field = Field(10, ",\"spanId\":\"");
/// Of a record: when we got it.
const OBSERVED: Field = Field(11, ",\"observedTimeUnixNano\":\"");

/// What a record takes in protobuf, so that it is nearly always written where it stays: a length of two bytes.
const ORDINARY_BYTES: usize = 500;

/// The names of the request's and the record's id.
const IDS: [&str; 2] = ["faas.invocation_id", "log.record.uid"];

/// Writes log records.
#[derive(Debug)]
struct Otlp {
    /// JSON instead of protobuf.
    json: bool,
    /// Who logs, as a field of its message.
    resource: Vec<u8>,
    /// What wrote the records, as a field of its message.
    scope: Vec<u8>,
    /// The fields of each level, in the order of the levels.
    levels: [Vec<u8>; Level::ALL.len()],
    /// The attributes of what a function logs, up to its type.
    function: Vec<u8>,
    /// The attributes of [`IDS`] up to their texts.
    ids: [Vec<u8>; 2],
}

impl Otlp {
    /// An encoder that knows nobody.
    fn new(json: bool) -> Self {
        let mut scope = Vec::new();
        let mut wire = Wire::new(json, &mut scope);
        let message = wire.open(&SCOPE, 0);
        wire.plain(&SCOPE_NAME, env!("CARGO_PKG_NAME"));
        wire.plain(&SCOPE_VERSION, env!("CARGO_PKG_VERSION"));
        wire.close(message);
        drop(wire);
        let mut encoder = Self {
            json,
            resource: Vec::new(),
            scope,
            levels: Level::ALL.map(|level| {
                let (number, word) = severity(level);
                written(json, &|wire| {
                    wire.number(&SEVERITY_NUMBER, number);
                    wire.plain(&SEVERITY_TEXT, word);
                })
            }),
            function: written(json, &|wire| {
                wire.list(&ATTRIBUTES);
                wire.pair(&ATTRIBUTES, "type", &Any::Clean("function"));
            }),
            ids: IDS.map(|name| {
                written(json, &|wire| {
                    wire.begin_text(&ATTRIBUTES, name, 0);
                })
            }),
        };
        encoder.identify(&Identity::default());
        encoder
    }
}

impl Encode for Otlp {
    fn identify(&mut self, identity: &Identity) {
        self.resource.clear();
        let mut wire = Wire::new(self.json, &mut self.resource);
        let message = wire.open(&RESOURCE, 0);
        wire.list(&RESOURCE_ATTRIBUTES);
        let name = &identity.function_name;
        let service = identity.service_name.as_ref().or(name.as_ref()).cloned();
        let on_lambda = |word: &str| name.is_some().then(|| word.to_owned());
        for (key, text) in [
            ("service.name", &service),
            ("cloud.provider", &on_lambda("aws")),
            ("cloud.platform", &on_lambda("aws_lambda")),
            ("cloud.region", &identity.region),
            ("cloud.account.id", &identity.account_id),
            ("cloud.resource_id", &identity.function_arn),
            ("faas.name", name),
            ("faas.version", &identity.function_version),
        ] {
            // No attribute may be there twice, and the owner's own word is the last.
            if let Some(text) = text.as_ref().filter(|_| !is_tag(identity, key)) {
                wire.pair(&RESOURCE_ATTRIBUTES, key, &Any::Plain(text));
            }
        }
        let memory = "faas.max_memory";
        if let Some(mb) = identity
            .function_memory_mb
            .filter(|_| !is_tag(identity, memory))
        {
            let bytes = Any::Int(i64::from(mb) << 20);
            wire.pair(&RESOURCE_ATTRIBUTES, memory, &bytes);
        }
        let mut known: Vec<&str> = Vec::new();
        for (key, text) in &identity.tags {
            if !known.contains(&key.as_str()) {
                known.push(key);
                let mut inside = String::new();
                parse::escape(&mut inside, key);
                wire.long_pair(&RESOURCE_ATTRIBUTES, &inside, &Any::Plain(text));
            }
        }
        wire.end_list();
        wire.close(message);
    }

    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let mut wire = Wire::new(self.json, out);
        let message = wire.open_first(&LOG_RECORDS, ORDINARY_BYTES);
        let observed_ns = record.received_ms.saturating_mul(1_000_000);
        let time = record.timestamp.and_then(parse::inside);
        let time_ns = time.and_then(time::rfc3339_ns);
        wire.nanoseconds(&TIME, time_ns.unwrap_or(observed_ns));
        if let Some(level) = record.level.and_then(|l| self.levels.get(l as usize)) {
            wire.part(level);
        }
        // What a function's JSON record says in words is in it; the platform's line is not.
        let logged = matches!(record.kind, "function" | "extension");
        let (body, beside) = match (record.message, record.record) {
            (Some(text), Some(json)) if !logged => (Some(Any::Text(text)), Some(json)),
            (_, Some(json)) => (Some(Any::Json(json)), None),
            (text, None) => (text.map(Any::Text), None),
        };
        if let Some(body) = body {
            wire.value(&BODY, &body);
        }
        if record.kind == "function" {
            wire.part(&self.function);
        } else {
            wire.list(&ATTRIBUTES);
            wire.pair(&ATTRIBUTES, "type", &Any::Plain(record.kind));
        }
        let ([request, uid], [request_head, uid_head]) = (IDS, &self.ids);
        if let Some(id) = record.request_id {
            wire.known(&ATTRIBUTES, (request, request_head), id);
        }
        if let Some(cold_start) = record.cold_start {
            wire.pair(&ATTRIBUTES, "faas.coldstart", &Any::Bool(cold_start));
        }
        if let Some(id) = record.tenant_id {
            wire.pair(&ATTRIBUTES, "aws.lambda.tenant_id", &Any::Text(id));
        }
        let parts = (record.environment, record.sequence);
        wire.uid(&ATTRIBUTES, (uid, uid_head), parts);
        let trace_id = record.trace_id.and_then(trace_id);
        let sample = record
            .sample
            .and_then(|s| Some(Any::Double(s.parse().ok()?, s)));
        let mut pair = |key, value: Option<Any<'_>>| {
            if let Some(value) = value {
                wire.pair(&ATTRIBUTES, key, &value);
            }
        };
        pair("sample", sample);
        pair("record", beside.map(Any::Json));
        // What the fields for them cannot hold.
        let unread = record.timestamp.filter(|_| time_ns.is_none());
        pair("timestamp", unread.map(Any::Json));
        let unread = record.trace_id.filter(|_| trace_id.is_none());
        pair("trace_id", unread.map(Any::Text));
        if !record.extra.is_empty() {
            pair("extra", Some(Any::Fields(record.extra)));
        }
        wire.end_list();
        if let Some(trace_id) = trace_id {
            wire.id(&TRACE_ID, &trace_id);
            let mut span_id = [0; 2];
            let read = record.span_id.and_then(|id| hex::digits(id, &mut span_id));
            if read.is_some() {
                wire.id(&SPAN_ID, &span_id);
            }
        }
        wire.nanoseconds(&OBSERVED, observed_ns);
        wire.close(message);
    }

    fn surround(&self, frame: &Frame, bytes: usize, head: &mut Vec<u8>, tail: &mut Vec<u8>) {
        let mut wire = Wire::new(self.json, head);
        if !self.json {
            // Each with its tag and its length.
            let records = self.scope.len() + bytes;
            let all = self.resource.len() + 1 + wire::length(records) + records;
            wire.begin(&RESOURCE_LOGS, all);
            wire.copy(&self.resource);
            wire.begin(&SCOPE_LOGS, records);
            wire.copy(&self.scope);
            return;
        }
        wire.copy(b"{");
        wire.list(&RESOURCE_LOGS);
        wire.copy(b"{");
        wire.copy(&self.resource);
        wire.list(&SCOPE_LOGS);
        wire.copy(b"{");
        wire.copy(&self.scope);
        wire.list(&LOG_RECORDS);
        tail.extend_from_slice(frame.tail.as_bytes());
    }
}

/// What is written of a message by itself, with a comma in JSON.
fn written(json: bool, write: &dyn Fn(&mut Wire<'_>)) -> Vec<u8> {
    // So that there is something before it.
    let mut out = b" ".to_vec();
    write(&mut Wire::new(json, &mut out));
    out.remove(0);
    out
}

/// Whether the owner has a tag of this name.
fn is_tag(identity: &Identity, key: &str) -> bool {
    identity.tags.iter().any(|(known, _)| known == key)
}

/// A level as OpenTelemetry's number and word.
fn severity(level: Level) -> (u8, &'static str) {
    match level {
        Level::Trace => (1, "TRACE"),
        Level::Debug => (5, "DEBUG"),
        Level::Info => (9, "INFO"),
        Level::Warn => (13, "WARN"),
        Level::Error => (17, "ERROR"),
        Level::Fatal => (21, "FATAL"),
    }
}

/// The trace of an X-Ray root, `1-6352a70e-1e2c502e358361800241fd45`.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn trace_id(root: &str) -> Option<[u64; 4]> {
    let (time, own) = root.strip_prefix("1-")?.split_at_checked(8)?;
    let mut id = [0; 4];
    let [first, rest @ ..] = &mut id;
    hex::digits(time, std::slice::from_mut(first))?;
    hex::digits(own.strip_prefix("-")?, rest)?;
    Some(id)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "an expectation that fails must stop a test where it stands"
    )]

    use std::borrow::Cow;

    use super::*;

    fn identity() -> Identity {
        Identity {
            function_name: Some("checkout".into()),
            function_memory_mb: Some(128),
            region: Some("eu-west-1".into()),
            tags: [("team", "a \"b\""), ("cloud.region", "mine"), ("team", "c")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .to_vec(),
            ..Identity::default()
        }
    }

    /// A payload of these records.
    fn payload(format: &Format, records: &[Record<'_>]) -> Vec<u8> {
        let mut encoder = (format.encoder)(&super::super::Options::default());
        encoder.identify(&identity());
        let mut fragments = Vec::new();
        for record in records {
            if !fragments.is_empty() {
                fragments.extend_from_slice(format.frame.separator.as_bytes());
            }
            encoder.encode(record, &mut fragments);
        }
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        encoder.surround(&format.frame, fragments.len(), &mut head, &mut tail);
        [head, fragments, tail].concat()
    }

    const RESOURCE_JSON: &str = concat!(
        r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"checkout"}},"#,
        r#"{"key":"cloud.provider","value":{"stringValue":"aws"}},{"key":"cloud.platform","value":{"stringValue":"aws_lambda"}},"#,
        r#"{"key":"faas.name","value":{"stringValue":"checkout"}},{"key":"faas.max_memory","value":{"intValue":"134217728"}},"#,
        r#"{"key":"team","value":{"stringValue":"a \"b\""}},{"key":"cloud.region","value":{"stringValue":"mine"}}]},"#,
        r#""scopeLogs":[{"scope":{"name":"brooklet","version":""#,
        env!("CARGO_PKG_VERSION"),
        r#""},"logRecords":["#,
    );

    #[test]
    fn everything_that_is_known_of_a_record() {
        let extra = [(Cow::Borrowed("n\"ew"), Cow::Borrowed("[1]"))];
        let full = Record {
            timestamp: Some("\"2026-11-22T10:00:00.123456789Z\""),
            received_ms: 1_795_341_600_200,
            kind: "platform.report",
            level: Some(Level::Warn),
            message: Some(r"REPORT\n"),
            record: Some(r#"{"a":1}"#),
            request_id: Some("r-1"),
            trace_id: Some("1-6352a70e-1e2c502e358361800241fd45"),
            span_id: Some("35465b3a9e2f7c6a"),
            tenant_id: Some("t"),
            cold_start: Some(true),
            invocation: 1,
            sample: Some("1"),
            environment: "e0",
            sequence: 7,
            extra: &extra,
        };
        let odd = Record {
            timestamp: Some("[]"),
            received_ms: 1,
            kind: "function",
            message: Some("in it"),
            record: Some(r#"{"message":"in it"}"#),
            trace_id: Some("1-x-y"),
            span_id: Some("35465b3a9e2f7c6a"),
            ..Record::default()
        };
        let expected = [
            RESOURCE_JSON,
            r#"{"timeUnixNano":"1795341600123456789","severityNumber":13,"severityText":"WARN","body":{"stringValue":"REPORT\n"},"#,
            r#""attributes":[{"key":"type","value":{"stringValue":"platform.report"}},"#,
            r#"{"key":"faas.invocation_id","value":{"stringValue":"r-1"}},{"key":"faas.coldstart","value":{"boolValue":true}},"#,
            r#"{"key":"aws.lambda.tenant_id","value":{"stringValue":"t"}},{"key":"log.record.uid","value":{"stringValue":"e0-7"}},"#,
            r#"{"key":"sample","value":{"doubleValue":1}},"#,
            r#"{"key":"record","value":{"kvlistValue":{"values":[{"key":"a","value":{"intValue":"1"}}]}}},"#,
            r#"{"key":"extra","value":{"kvlistValue":{"values":[{"key":"n\"ew","value":{"arrayValue":{"values":[{"intValue":"1"}]}}}]}}}],"#,
            r#""traceId":"6352a70e1e2c502e358361800241fd45","spanId":"35465b3a9e2f7c6a","observedTimeUnixNano":"1795341600200000000"},"#,
            r#"{"timeUnixNano":"1000000","body":{"kvlistValue":{"values":[{"key":"message","value":{"stringValue":"in it"}}]}},"#,
            r#""attributes":[{"key":"type","value":{"stringValue":"function"}},{"key":"log.record.uid","value":{"stringValue":"-0"}},"#,
            r#"{"key":"timestamp","value":{"arrayValue":{"values":[]}}},{"key":"trace_id","value":{"stringValue":"1-x-y"}}],"#,
            r#""observedTimeUnixNano":"1000000"}]}]}]}"#,
        ];
        let payload = payload(&JSON, &[full, odd]);
        assert_eq!(String::from_utf8(payload).expect("text"), expected.concat());
    }

    #[test]
    fn lengths_hold_in_protobuf_whatever_they_take() {
        for bytes in [0, 1, 100, 127, 128, 129, 16_300, 16_383, 16_384, 300_000] {
            let text = "x".repeat(bytes);
            let record = Record {
                kind: "function",
                message: Some(&text),
                environment: "e",
                ..Record::default()
            };
            let payload = payload(&PROTOBUF, &[record, Record::default()]);
            let mut rest = payload.as_slice();
            // Messages in one another, each to the end of the one around it, but for the records.
            let take = |rest: &mut &[u8], tag: u8| -> Vec<u8> {
                assert_eq!(rest.first(), Some(&tag));
                let (mut length, mut at) = (0, 1);
                loop {
                    length |= usize::from(rest[at] & 0x7f) << (7 * (at - 1));
                    at += 1;
                    if rest[at - 1] & 0x80 == 0 {
                        break;
                    }
                }
                let taken = rest[at..at + length].to_vec();
                *rest = &rest[at + length..];
                taken
            };
            let logs = take(&mut rest, 0x0a);
            assert!(rest.is_empty());
            let mut rest = logs.as_slice();
            take(&mut rest, 0x0a);
            let scope = take(&mut rest, 0x12);
            assert!(rest.is_empty());
            let mut rest = scope.as_slice();
            take(&mut rest, 0x0a);
            let first = take(&mut rest, 0x12);
            let mut inner = first.as_slice();
            let mut body = &*take(&mut inner, 0x2a);
            assert_eq!(take(&mut body, 0x0a), text.as_bytes());
            take(&mut rest, 0x12);
            assert!(rest.is_empty(), "{bytes}");
        }
    }

    #[test]
    fn ids_are_hex_and_nothing_else() {
        assert!(trace_id("1-6352a70e-1e2c502e358361800241fd45").is_some());
        for bad in [
            "",
            "1-6352a70e",
            "1-6352a70e-1e2c502e358361800241fd4",
            "1-6352a70-e1e2c502e358361800241fd45",
            "2-6352a70e-1e2c502e358361800241fd45",
            "1-6352a70e-1e2c502e358361800241fdé5",
            "1-6352a70e-1e2c502e358361800241fd+5",
        ] {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
