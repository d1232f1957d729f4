//! `elasticsearch`: `_bulk` lines for Elasticsearch and OpenSearch, names after the Elastic Common Schema where it has one.
//!
//! A document is only ever created, under the record's own id: sent again it answers that it is there.
//! JSON that is no object must not be under `record`, where a mapping of objects would refuse it.
//! A key that is empty, which no mapping takes either, is written as [`NO_NAME`].

use super::object::{self, inside, record_id, string, value};
use super::{Encode, Format, Frame, Options};
use crate::process::{Identity, Level, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "elasticsearch",
    content_type: "application/x-ndjson",
    frame: Frame::LINES,
    key_header: ("authorization", "ApiKey "),
    basic: true,
    // An answer of errors is then short enough to be read.
    batch_records: 2_000,
    hosts: &[
        "*.es.amazonaws.com",
        "*.es.amazonaws.com.cn",
        "*.aoss.amazonaws.com",
        "*.aoss-fips.amazonaws.com",
        // Not all of `.on.aws`: a function's own URL is there too.
        "*.aos.*.on.aws",
        "*.aoss*.*.on.aws",
        "*.found.io",
        "*.elastic-cloud.com",
        "*.elastic.co",
    ],
    encoder: |options| Box::new(Elasticsearch::new(options)),
    ..Format::PLAIN
};

/// What a key is called that is empty.
const NO_NAME: &str = "(empty)";

/// Writes an action and a document.
#[derive(Debug)]
struct Elasticsearch {
    /// What stands between an id and a document's time.
    action_end: Vec<u8>,
    /// The fields that are the same for every record, each with a comma before it.
    identity: Vec<u8>,
}

impl Elasticsearch {
    /// An encoder for an index, if the URL does not say it.
    fn new(options: &Options) -> Self {
        let mut action_end = b"\"".to_vec();
        if let Some(index) = &options.index {
            action_end.extend_from_slice(b",\"_index\":");
            string(&mut action_end, index);
        }
        action_end.extend_from_slice(b"}}\n{\"@timestamp\":");
        Self {
            action_end,
            identity: Vec::new(),
        }
    }
}

impl Encode for Elasticsearch {
    fn identify(&mut self, identity: &Identity) {
        let out = &mut self.identity;
        out.clear();
        let names = [
            ",\"faas.name\":",
            ",\"faas.version\":",
            ",\"faas.id\":",
            ",\"function_memory_mb\":",
            ",\"cloud.region\":",
            ",\"cloud.account.id\":",
            ",\"service.name\":",
        ];
        for (name, (own, text)) in names.iter().zip(object::facts(identity)) {
            let Some(text) = text else { continue };
            out.extend_from_slice(name.as_bytes());
            if own == object::MEMORY {
                out.extend_from_slice(text.as_bytes());
            } else {
                string(out, &text);
            }
        }
        if !identity.tags.is_empty() {
            out.extend_from_slice(b",\"labels\":");
            object::tags(out, identity);
        }
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"create\":{\"_id\":\"");
        record_id(out, record);
        out.extend_from_slice(&self.action_end);
        object::rfc3339(out, record);
        out.extend_from_slice(b",\"type\":");
        string(out, record.kind);
        inside(out, b",\"log.level\":", record.level.map(Level::word));
        inside(out, b",\"message\":", record.message);
        match (record.record, record.message) {
            (Some(json), None) if !json.starts_with('{') => {
                out.extend_from_slice(b",\"message\":");
                object::json_text(out, json);
            }
            (Some(json), _) if !json.starts_with('{') => {
                out.extend_from_slice(b",\"record\":{\"value\":");
                object::json_text(out, json);
                out.push(b'}');
            }
            (Some(json), _) => {
                out.extend_from_slice(b",\"record\":");
                named(out, json);
            }
            (None, _) => {}
        }
        inside(out, b",\"faas.execution\":", record.request_id);
        inside(out, b",\"trace.id\":", record.trace_id);
        inside(out, b",\"tenant_id\":", record.tenant_id);
        let cold = object::cold_start(record);
        value(out, b",\"faas.coldstart\":", cold);
        value(out, b",\"sample\":", record.sample);
        if !record.extra.is_empty() {
            let mut extra = Vec::new();
            object::extra(&mut extra, record);
            out.extend_from_slice(b",\"extra\":");
            named(out, &String::from_utf8_lossy(&extra));
        }
        out.extend_from_slice(&self.identity);
        out.push(b'}');
    }
}

/// Copies JSON in one line, with a name for each key that has none.
fn named(out: &mut Vec<u8>, json: &str) {
    let mut rest = json;
    // Nearly none has an empty string at all, and this finds one faster than `find`.
    if !rest.contains("\"\"") {
        return object::json(out, rest);
    }
    while let Some(at) = rest.find("\"\"") {
        let (before, behind) = rest.split_at(at + 2);
        // The first of the two may be part of a string that the second ends.
        let is_empty = !before.ends_with("\\\"\"");
        if is_empty && behind.trim_ascii_start().starts_with(':') {
            object::json(out, before.get(..at).unwrap_or_default());
            string(out, NO_NAME);
        } else {
            object::json(out, before);
        }
        rest = behind;
    }
    object::json(out, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(encoder: &mut Elasticsearch, record: &Record<'_>) -> String {
        let mut out = Vec::new();
        encoder.encode(record, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_record_is_an_action_and_a_line() {
        let mut encoder = Elasticsearch::new(&Options {
            index: Some("a\"b".into()),
            ..Options::default()
        });
        encoder.identify(&Identity {
            function_name: Some("f".into()),
            function_memory_mb: Some(128),
            tags: vec![("team".into(), "a".into())],
            ..Identity::default()
        });
        let record = Record {
            timestamp: Some("\"2026-11-22T10:00:00.123456789Z\""),
            kind: "function",
            record: Some("{\n\"a\":1}"),
            environment: "e",
            cold_start: Some(false),
            ..Record::default()
        };
        assert_eq!(
            written(&mut encoder, &record),
            concat!(
                r#"{"create":{"_id":"e-0","_index":"a\"b"}}"#,
                "\n",
                r#"{"@timestamp":"2026-11-22T10:00:00.123456789Z","type":"function","record":{ "a":1},"#,
                r#""faas.coldstart":false,"faas.name":"f","function_memory_mb":128,"labels":{"team":"a"}}"#
            )
        );
    }

    #[test]
    fn a_key_that_is_empty_gets_a_name_and_nothing_else_changes() {
        for (json, expected) in [
            (r#"{"":1,"a":""}"#, r#"{"(empty)":1,"a":""}"#),
            (
                r#"{"a":[{"" : {"":""}}],"":null}"#,
                r#"{"a":[{"(empty)" : {"(empty)":""}}],"(empty)":null}"#,
            ),
            (r#"{"a\"":1,"b":"\"\":"}"#, r#"{"a\"":1,"b":"\"\":"}"#),
            (r#"{"a\\\"":1,"\"":2}"#, r#"{"a\\\"":1,"\"":2}"#),
            (r#"{"a":["","\\",""]}"#, r#"{"a":["","\\",""]}"#),
            ("{}", "{}"),
        ] {
            serde_json::from_str::<serde_json::Value>(json).expect("JSON");
            let mut out = Vec::new();
            named(&mut out, json);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }

    #[test]
    fn json_that_is_no_object_is_never_where_a_mapping_has_objects() {
        let mut encoder = Elasticsearch::new(&Options::default());
        let record = Record {
            kind: "platform.new",
            message: Some("a line of its own"),
            record: Some("[\"a\"]"),
            ..Record::default()
        };
        let written = written(&mut encoder, &record);
        let expected = r#""message":"a line of its own","record":{"value":"[\"a\"]"}}"#;
        assert!(written.ends_with(expected), "{written}");
    }

    #[test]
    fn a_time_that_cannot_be_read_is_when_the_record_came() {
        let mut encoder = Elasticsearch::new(&Options::default());
        for timestamp in [None, Some("\"soon\""), Some("17")] {
            let record = Record {
                timestamp,
                received_ms: 1_795_365_739_261,
                record: Some("[1,\"two\"]"),
                ..Record::default()
            };
            assert_eq!(
                written(&mut encoder, &record),
                "{\"create\":{\"_id\":\"-0\"}}\n{\"@timestamp\":\"2026-11-22T16:42:19.261Z\",\"type\":\"\",\"message\":\"[1,\\\"two\\\"]\"}"
            );
        }
    }

    #[test]
    fn hosts_tell_the_format() {
        let is_host = |host| FORMAT.is_host(host);
        assert!(is_host("search-x.eu-west-1.es.amazonaws.com"));
        assert!(is_host("search-x.aos.eu-west-1.on.aws"));
        assert!(is_host("id.us-east-1.aoss-fips.amazonaws.com"));
        assert!(is_host("x.aoss.eu-west-1.on.aws"));
        assert!(is_host("x.aoss-fips.us-east-1.on.aws"));
        assert!(!is_host("x.lambda-url.eu-west-1.on.aws"));
        assert!(is_host("my.es.us-east-1.aws.found.io"));
        assert!(!is_host("elastic.co.example.com"));
    }
}
