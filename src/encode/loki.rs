//! `loki`: streams of lines, few labels, and everything else as structured metadata.
//!
//! The line is the text, or the JSON of a function as it came, which `| json` takes apart.
//! Labels that are the same for every record stand before a payload's lines; where one is not, each fragment begins with its own and the payload is gathered from them.
//! Metadata must be strings, and request ids no label unless the owner wants it: every set of labels is a stream of its own.

use super::object::{self, inside, record_id, string};
use super::{Encode, Format, Frame, Options};
use crate::parse;
use crate::process::{Identity, Level, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "loki",
    frame: Frame {
        head: "",
        separator: ",",
        tail: "",
    },
    basic: true,
    // The line itself must not be longer.
    record_bytes: 256 * 1024,
    path: "/loki/api/v1/push",
    hosts: &["logs-*.grafana.net"],
    encoder: |options| Box::new(Loki::new(options)),
    ..Format::PLAIN
};

/// The longest value of a label, in bytes; Loki counts characters.
const LABEL_BYTES_MAX: usize = 2048;

/// The longest JSON that is metadata beside a text, in bytes: half of what Loki allows all of it.
const METADATA_BYTES_MAX: usize = 32 * 1024;

/// The facts that are not the same for every record.
const VARYING: [&str; 7] = [
    ",\"type\":",
    ",\"level\":",
    ",\"request_id\":",
    ",\"trace_id\":",
    ",\"tenant_id\":",
    ",\"cold_start\":",
    ",\"sample\":",
];

/// The label of records that have no other, as Loki takes no line without one; the name is what it would give them itself.
const UNKNOWN: &[u8] = b",\"service_name\":\"unknown_service\"";

/// Writes an entry of a stream.
#[derive(Debug)]
struct Loki {
    /// What is to be a label.
    labels: Vec<String>,
    /// Which of [`VARYING`] are.
    varying: [bool; 7],
    /// The labels that are the same for every record, each with a comma before it.
    stream: Vec<u8>,
    /// The metadata that is the same for every record, each with a comma before it.
    metadata: Vec<u8>,
}

impl Loki {
    /// An encoder with the owner's labels.
    fn new(options: &Options) -> Self {
        let labels = &options.labels;
        Self {
            varying: VARYING.map(|field| labels.iter().any(|label| field.contains(&quoted(label)))),
            labels: labels.clone(),
            stream: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// Whether fragments begin with labels of their own.
    fn varies(&self) -> bool {
        self.varying.contains(&true)
    }

    /// Writes the facts of a record that are labels, or those that are not, each with a comma before it.
    fn facts(&self, record: &Record<'_>, labels: bool, out: &mut Vec<u8>) {
        let cold = object::cold_start(record);
        let texts = [
            None,
            record.level.map(Level::word),
            record.request_id,
            record.trace_id,
            record.tenant_id,
            cold,
            record.sample,
        ];
        for (at, ((field, is_label), text)) in
            VARYING.iter().zip(self.varying).zip(texts).enumerate()
        {
            let is_empty = if at == 0 {
                record.kind.is_empty()
            } else {
                text == Some("")
            };
            // An empty label is none, and a stream must have one.
            if is_label != labels || (labels && is_empty) {
                continue;
            }
            if at == 0 {
                // The only one that is plain text.
                out.extend_from_slice(field.as_bytes());
                string(out, parse::cut(record.kind, LABEL_BYTES_MAX));
                continue;
            }
            let cut = text.map(|text| parse::cut_inside(text, LABEL_BYTES_MAX));
            inside(out, field.as_bytes(), if labels { cut } else { text });
        }
    }

    /// Writes what stands before a stream's entries; `own` are labels of its own, each with a comma before it.
    fn begin_stream(&self, own: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"stream\":");
        let from = out.len();
        out.extend_from_slice(&self.stream);
        out.extend_from_slice(own);
        if out.len() == from {
            out.extend_from_slice(UNKNOWN);
        }
        if let Some(comma) = out.get_mut(from) {
            *comma = b'{';
        }
        out.extend_from_slice(b"},\"values\":[");
    }
}

/// A name in quotes.
fn quoted(name: &str) -> String {
    ["\"", name, "\""].concat()
}

/// A name as Loki takes it: letters, digits and underscores, no digit first.
fn valid(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut valid: String = name.chars().map(letter).collect();
    if !valid.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        valid.insert(0, '_');
    }
    valid
}

impl Encode for Loki {
    fn identify(&mut self, identity: &Identity) {
        let Self {
            labels,
            stream,
            metadata,
            ..
        } = self;
        stream.clear();
        metadata.clear();
        let tags = identity.tags.iter();
        let tags = tags.map(|(name, value)| (name.as_str(), value.as_str(), true));
        let facts = object::facts(identity);
        let facts = facts
            .iter()
            .map(|(name, text)| (*name, text.as_deref(), false));
        let facts = facts.filter_map(|(name, text, tag)| Some((name, text?, tag)));
        let mut taken: Vec<String> = VARYING
            .iter()
            .map(|field| field.replace([',', ':', '"'], ""))
            .collect();
        for (name, text, is_tag) in facts.chain(tags) {
            let label = valid(name);
            // An empty value would be no label to Loki.
            let is_label = !text.is_empty()
                && !taken.contains(&label)
                && labels.iter().any(|wanted| wanted == name);
            let out = if is_label {
                &mut *stream
            } else {
                &mut *metadata
            };
            out.extend_from_slice(b",\"");
            if is_tag && !is_label {
                out.extend_from_slice(b"tags_");
            }
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(b"\":");
            let text_max = if is_label {
                LABEL_BYTES_MAX
            } else {
                usize::MAX
            };
            string(out, parse::cut(text, text_max));
            taken.push(label);
        }
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        if self.varies() {
            self.facts(record, true, out);
            out.push(b'\n');
        }
        out.extend_from_slice(b"[\"");
        object::decimal(out, object::time_ns(record));
        out.push(b'"');
        // The text of a function's JSON is part of it.
        let logged = matches!(record.kind, "function" | "extension");
        let fits = |json: &str| !logged && json.len() <= METADATA_BYTES_MAX;
        let beside = match (record.record, record.message) {
            (json, Some(message)) if json.is_none_or(fits) => {
                inside(out, b",", Some(message));
                json
            }
            (json, _) => {
                out.push(b',');
                object::json_text(out, json.unwrap_or_default());
                None
            }
        };
        out.extend_from_slice(b",{\"record_id\":\"");
        record_id(out, record);
        out.push(b'"');
        self.facts(record, false, out);
        if let Some(json) = beside {
            out.extend_from_slice(b",\"record\":");
            object::json_text(out, json);
        }
        if !record.extra.is_empty() {
            let mut extra = Vec::new();
            object::extra(&mut extra, record);
            out.extend_from_slice(b",\"extra\":");
            object::json_text(out, &String::from_utf8_lossy(&extra));
        }
        out.extend_from_slice(&self.metadata);
        out.extend_from_slice(b"}]");
    }

    fn surround(&self, _frame: &Frame, _bytes: usize, head: &mut Vec<u8>, tail: &mut Vec<u8>) {
        head.extend_from_slice(b"{\"streams\":[");
        self.begin_stream(&[], head);
        tail.extend_from_slice(b"]}]}");
    }

    fn beside(&self, frame: &Frame, bytes_max: usize) -> (usize, usize) {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        self.surround(frame, bytes_max, &mut head, &mut tail);
        let beside = head.len() + tail.len();
        // Each may have a stream of its own.
        (beside, if self.varies() { beside } else { 0 })
    }

    fn gather(
        &self,
        fragments: &mut dyn Iterator<Item = &[u8]>,
        out: &mut Vec<u8>,
        _places: &mut Vec<usize>,
    ) -> bool {
        if !self.varies() {
            return false;
        }
        // Few sets of labels are many to Loki already, so they are looked through.
        let mut streams: Vec<(&[u8], Vec<&[u8]>)> = Vec::new();
        for fragment in fragments {
            // A line end in what follows the labels is escaped.
            let end = memchr::memchr(b'\n', fragment).unwrap_or(0);
            let (own, entry) = fragment.split_at_checked(end).unwrap_or_default();
            let entry = entry.get(1..).unwrap_or_default();
            match streams.iter_mut().find(|(known, _)| *known == own) {
                Some((_, entries)) => entries.push(entry),
                None => streams.push((own, vec![entry])),
            }
        }
        out.extend_from_slice(b"{\"streams\":[");
        for (at, (own, entries)) in streams.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            self.begin_stream(own, out);
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(entry);
            }
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}");
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "an expectation that fails must stop a test where it stands"
    )]

    use super::*;

    fn loki(labels: &[&str]) -> Loki {
        Loki::new(&Options {
            labels: labels.iter().map(ToString::to_string).collect(),
            ..Options::default()
        })
    }

    fn identity() -> Identity {
        Identity {
            function_name: Some("f".into()),
            region: Some("eu-west-1".into()),
            tags: vec![
                ("7.env".into(), "prod".into()),
                ("region".into(), "mine".into()),
                ("none".into(), String::new()),
            ],
            ..Identity::default()
        }
    }

    fn record<'a>(level: Option<Level>, message: &'a str) -> Record<'a> {
        Record {
            timestamp: Some("\"2026-11-22T10:00:00.123456789Z\""),
            kind: "function",
            level,
            message: Some(message),
            environment: "e",
            ..Record::default()
        }
    }

    fn written(encoder: &mut Loki, record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.encode(record, &mut out);
        out
    }

    fn head(encoder: &Loki) -> String {
        let (mut head, mut tail) = (Vec::new(), Vec::new());
        encoder.surround(&FORMAT.frame, 0, &mut head, &mut tail);
        assert_eq!(tail, b"]}]}");
        String::from_utf8(head).expect("text")
    }

    #[test]
    fn what_is_empty_is_no_label() {
        let mut encoder = loki(&["type", "request_id", "tenant_id"]);
        let record = Record {
            request_id: Some(""),
            tenant_id: Some("t"),
            kind: "",
            ..record(None, "a")
        };
        let fragment = written(&mut encoder, &record);
        assert!(fragment.starts_with(b",\"tenant_id\":\"t\"\n["));
        let mut out = Vec::new();
        let bare = written(
            &mut encoder,
            &Record {
                request_id: Some(""),
                ..Record::default()
            },
        );
        assert!(encoder.gather(
            &mut [bare.as_slice()].into_iter(),
            &mut out,
            &mut Vec::new()
        ));
        let head: &[u8] = br#"{"streams":[{"stream":{"service_name":"unknown_service"},"#;
        assert!(out.starts_with(head));
    }

    #[test]
    fn labels_of_the_environment_stand_before_all_lines() {
        let mut encoder = loki(&["region", "7.env", "none", "never_heard_of"]);
        assert_eq!(
            head(&encoder),
            r#"{"streams":[{"stream":{"service_name":"unknown_service"},"values":["#
        );
        encoder.identify(&identity());
        assert_eq!(
            head(&encoder),
            r#"{"streams":[{"stream":{"region":"eu-west-1","_7_env":"prod"},"values":["#
        );
        assert!(!encoder.gather(&mut std::iter::empty(), &mut Vec::new(), &mut Vec::new()));
        assert_eq!(
            String::from_utf8_lossy(&written(&mut encoder, &record(None, "a\\nb"))),
            concat!(
                r#"["1795341600123456789","a\nb",{"record_id":"e-0","type":"function","#,
                r#""function_name":"f","tags_region":"mine","tags_none":""}]"#
            )
        );
    }

    #[test]
    fn records_of_the_same_labels_stand_in_one_stream_in_order() {
        let mut encoder = loki(&["function_name", "level", "type", "cold_start"]);
        encoder.identify(&identity());
        let mut fragments = Vec::new();
        for (level, message) in [
            (Some(Level::Info), "1"),
            (None, "2"),
            (Some(Level::Info), "3"),
            (Some(Level::Warn), "4"),
            (None, "5"),
        ] {
            fragments.push(written(&mut encoder, &record(level, message)));
        }
        let mut out = Vec::new();
        assert!(encoder.gather(
            &mut fragments.iter().map(Vec::as_slice),
            &mut out,
            &mut Vec::new()
        ));
        let streams: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let shown: Vec<String> = streams["streams"]
            .as_array()
            .expect("streams")
            .iter()
            .map(|stream| {
                let values = stream["values"].as_array().expect("values");
                let lines: Vec<&str> = values.iter().filter_map(|v| v[1].as_str()).collect();
                format!("{} {}", stream["stream"], lines.concat())
            })
            .collect();
        assert_eq!(
            shown,
            [
                r#"{"function_name":"f","level":"info","type":"function"} 13"#,
                r#"{"function_name":"f","type":"function"} 25"#,
                r#"{"function_name":"f","level":"warn","type":"function"} 4"#,
            ]
        );
        assert!(!String::from_utf8_lossy(&out).contains('\n'));
    }

    #[test]
    fn a_line_is_the_text_or_the_json_that_was_logged() {
        let mut encoder = loki(&[]);
        let long = format!("[{}0]", "0,".repeat(METADATA_BYTES_MAX / 2));
        for (kind, message, json, line, beside) in [
            (
                "function",
                Some("a"),
                Some("{\"message\":\"a\"}"),
                "{\"message\":\"a\"}",
                None,
            ),
            ("function", None, Some("[1]"), "[1]", None),
            ("function", None, None, "", None),
            (
                "platform.report",
                Some("REPORT"),
                Some("{}"),
                "REPORT",
                Some("{}"),
            ),
            ("platform.new", None, Some("{}"), "{}", None),
            ("platform.new", Some("NEW"), Some(&long), &long, None),
        ] {
            let record = Record {
                kind,
                message,
                record: json,
                ..Record::default()
            };
            let read: serde_json::Value =
                serde_json::from_slice(&written(&mut encoder, &record)).expect("JSON");
            assert_eq!(read[1], line);
            assert_eq!(read[2].get("record").and_then(|it| it.as_str()), beside);
        }
    }

    #[test]
    fn a_label_is_not_longer_than_loki_allows() {
        let mut encoder = loki(&["region", "request_id"]);
        let long = "é".repeat(2000);
        encoder.identify(&Identity {
            region: Some(long.clone()),
            ..Identity::default()
        });
        let fragment = written(
            &mut encoder,
            &Record {
                request_id: Some(&long),
                ..Record::default()
            },
        );
        let mut out = Vec::new();
        assert!(encoder.gather(
            &mut std::iter::once(fragment.as_slice()),
            &mut out,
            &mut Vec::new()
        ));
        let read: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
        let stream = &read["streams"][0]["stream"];
        for label in ["region", "request_id"] {
            assert_eq!(stream[label].as_str().map(str::len), Some(LABEL_BYTES_MAX));
        }
    }
}
