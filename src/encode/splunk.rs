//! `splunk`: events of the HTTP event collector, one behind the other.
//!
//! What is searched for by its value stands in `fields`, which must be flat and hold nothing but strings; what was logged is the event, which is an object, so that it is never blank.

use super::object::{self, decimal, inside, record_id, string, value};
use super::{Encode, Format, Frame, Options};
use crate::process::{Identity, Level, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "splunk",
    frame: Frame {
        head: "",
        separator: "\n",
        tail: "",
    },
    key_header: ("authorization", "Splunk "),
    record_bytes: 1_000_000,
    path: "/services/collector/event",
    hosts: &["*.splunkcloud.com"],
    encoder: |options| Box::new(Splunk::new(options)),
    ..Format::PLAIN
};

/// Writes an event.
#[derive(Debug)]
struct Splunk {
    /// `sourcetype` and, if there is one, `index`, each with a comma before it, up to the event.
    sort: Vec<u8>,
    /// `host` and `source`, each with a comma before it.
    origin: Vec<u8>,
    /// The tags, as the last field of the event.
    tags: Vec<u8>,
    /// The fields that are the same for every record, each with a comma before it.
    fields: Vec<u8>,
}

impl Splunk {
    /// An encoder for a source type and an index.
    fn new(options: &Options) -> Self {
        let mut sort = b",\"sourcetype\":".to_vec();
        string(&mut sort, options.source.as_deref().unwrap_or("_json"));
        if let Some(index) = &options.index {
            sort.extend_from_slice(b",\"index\":");
            string(&mut sort, index);
        }
        sort.extend_from_slice(b",\"event\":{\"type\":");
        Self {
            sort,
            origin: Vec::new(),
            tags: Vec::new(),
            fields: Vec::new(),
        }
    }
}

impl Encode for Splunk {
    fn identify(&mut self, identity: &Identity) {
        let Self {
            origin,
            tags,
            fields,
            ..
        } = self;
        origin.clear();
        let name = &identity.function_name;
        for (field, text) in [
            (&b",\"host\":"[..], name),
            (
                b",\"source\":",
                identity
                    .function_arn
                    .as_ref()
                    .map_or(name, |_| &identity.function_arn),
            ),
        ] {
            if let Some(text) = text {
                origin.extend_from_slice(field);
                string(origin, text);
            }
        }
        tags.clear();
        if !identity.tags.is_empty() {
            tags.extend_from_slice(b",\"tags\":");
            object::tags(tags, identity);
        }
        fields.clear();
        for (field, text) in object::facts(identity) {
            if let Some(text) = text {
                fields.push(b',');
                string(fields, field);
                fields.push(b':');
                string(fields, &text);
            }
        }
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":");
        seconds(out, object::time_ns(record));
        out.extend_from_slice(&self.origin);
        out.extend_from_slice(&self.sort);
        string(out, record.kind);
        inside(out, b",\"level\":", record.level.map(Level::word));
        inside(out, b",\"message\":", record.message);
        value(out, b",\"record\":", record.record);
        value(out, b",\"sample\":", record.sample);
        if !record.extra.is_empty() {
            out.extend_from_slice(b",\"extra\":");
            object::extra(out, record);
        }
        out.extend_from_slice(&self.tags);
        out.extend_from_slice(b"},\"fields\":{\"record_id\":\"");
        record_id(out, record);
        out.push(b'"');
        inside(out, b",\"request_id\":", record.request_id);
        inside(out, b",\"trace_id\":", record.trace_id);
        inside(out, b",\"tenant_id\":", record.tenant_id);
        let cold = object::cold_start(record);
        inside(out, b",\"cold_start\":", cold);
        out.extend_from_slice(&self.fields);
        out.extend_from_slice(b"}}");
    }
}

/// Writes nanoseconds as seconds, with milliseconds, or with all nine decimals if there is more.
fn seconds(out: &mut Vec<u8>, ns: u64) {
    let (whole, part) = (ns / 1_000_000_000, ns % 1_000_000_000);
    // A digit before the decimals keeps their zeros, and becomes the point.
    let decimals = if part % 1_000_000 == 0 {
        1000 + part / 1_000_000
    } else {
        1_000_000_000 + part
    };
    decimal(out, whole);
    let point = out.len();
    decimal(out, decimals);
    if let Some(digit) = out.get_mut(point) {
        *digit = b'.';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_decimals() {
        for (ns, text) in [
            (0, "0.000"),
            (1_789_547_400_123_000_000, "1789547400.123"),
            (1_789_547_400_003_000_000, "1789547400.003"),
            (1_789_547_400_203_456_000, "1789547400.203456000"),
            (1_789_547_400_000_000_001, "1789547400.000000001"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            let mut out = Vec::new();
            seconds(&mut out, ns);
            assert_eq!(String::from_utf8_lossy(&out), text);
        }
    }

    #[test]
    fn an_event_is_never_blank() {
        let mut encoder = Splunk::new(&Options {
            index: Some("main".into()),
            source: Some("aws:lambda".into()),
            ..Options::default()
        });
        let record = Record {
            received_ms: 1_789_547_400_123,
            message: Some(""),
            kind: "function",
            environment: "e",
            ..Record::default()
        };
        let mut out = Vec::new();
        encoder.encode(&record, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"time":1789547400.123,"sourcetype":"aws:lambda","index":"main","event":{"type":"function","message":""},"fields":{"record_id":"e-0"}}"#
        );
        encoder.identify(&Identity {
            function_name: Some("f".into()),
            ..Identity::default()
        });
        out.clear();
        encoder.encode(&record, &mut out);
        assert_eq!(
            String::from_utf8_lossy(&out),
            r#"{"time":1789547400.123,"host":"f","source":"f","sourcetype":"aws:lambda","index":"main","event":{"type":"function","message":""},"fields":{"record_id":"e-0","function_name":"f"}}"#
        );
    }
}
