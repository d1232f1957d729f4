//! `newrelic`: one block with what is common to all records, and the records behind it.
//!
//! Objects in attributes are flattened there, arrays are not taken, and there is a limit to their number: what would not fit is JSON text.

use super::object::{Object, Style, braces, decimal, json_text, millis, text};
use super::{Encode, Format, Frame};
use crate::process::{Identity, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "newrelic",
    frame: Frame {
        head: "",
        separator: ",",
        tail: "]}]",
    },
    key_header: ("api-key", ""),
    batch_bytes: PAYLOAD_BYTES,
    record_bytes: PAYLOAD_BYTES - COMMON_BYTES,
    hosts: &[
        "*log-api.newrelic.com",
        "*log-api.*.newrelic.com",
        "*log-api.*.nr-data.net",
    ],
    path: "/log/v1",
    encoder: |_| {
        Box::new(NewRelic {
            object: Object::styled(Style {
                names: NAMES,
                ..Style::PLAIN
            }),
            common: Vec::new(),
        })
    },
    ..Format::PLAIN
};

/// The largest payload.
const PAYLOAD_BYTES: usize = 1_000_000;

/// What a record leaves of that for the common block.
const COMMON_BYTES: usize = 16_000;

/// Commas in JSON above which it may have too many attributes; our own and the owner's tags need the rest of the 255.
const COMMAS_MAX: usize = 180;

/// Its own names for what its extension and its agents tell of a function; time and text stand outside of the attributes.
const NAMES: &[(&str, &str)] = &[
    ("timestamp", ""),
    ("message", ""),
    ("type", "logtype"),
    ("request_id", "aws.lambda_request_id"),
    ("function_name", "faas.name"),
    ("function_version", "faas.version"),
    ("function_arn", "faas.arn"),
    ("region", "cloud.region"),
    ("account_id", "cloud.account.id"),
    ("service_name", "service.name"),
];

/// Writes records.
#[derive(Debug)]
struct NewRelic {
    /// Writes attributes.
    object: Object,
    /// The attributes of all records.
    common: Vec<u8>,
}

impl Encode for NewRelic {
    fn identify(&mut self, identity: &Identity) {
        self.object.identify(identity);
        self.common.clear();
        self.common
            .extend_from_slice(b",\"plugin.type\":\"brooklet\"");
        self.common.extend_from_slice(self.object.identity());
        braces(&mut self.common, 0);
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(b",\"timestamp\":");
        decimal(out, millis(record));
        out.extend_from_slice(b",\"message\":");
        text(out, record);
        out.extend_from_slice(b",\"attributes\":");
        let attributes = out.len();
        let fits = |json: &&str| {
            let commas = memchr::memchr_iter(b',', json.as_bytes()).take(COMMAS_MAX + 1);
            json.starts_with('{') && commas.count() <= COMMAS_MAX
        };
        let structure = record.record.filter(fits);
        self.object.fields(
            &Record {
                record: structure,
                ..*record
            },
            out,
        );
        if let (Some(json), None) = (record.record, structure) {
            out.extend_from_slice(b",\"record\":");
            json_text(out, json);
        }
        braces(out, attributes);
        braces(out, from);
    }

    fn surround(&self, frame: &Frame, _bytes: usize, head: &mut Vec<u8>, tail: &mut Vec<u8>) {
        head.extend_from_slice(b"[{\"common\":{\"attributes\":");
        head.extend_from_slice(&self.common);
        head.extend_from_slice(b"},\"logs\":[");
        tail.extend_from_slice(frame.tail.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_attributes_than_it_takes_are_json_text() {
        let mut encoder = (FORMAT.encoder)(&super::super::Options::default());
        encoder.identify(&Identity::default());
        for (keys, begins) in [(150, "{\"k0\":0,"), (300, "\"{\\\"k0\\\":0,")] {
            let pairs: Vec<String> = (0..keys).map(|n| format!("\"k{n}\":{n}")).collect();
            let json = format!("{{{}}}", pairs.join(","));
            let mut out = Vec::new();
            encoder.encode(
                &Record {
                    kind: "function",
                    record: Some(&json),
                    ..Record::default()
                },
                &mut out,
            );
            let out = String::from_utf8(out).expect("text");
            serde_json::from_str::<serde_json::Value>(&out).expect("JSON");
            let at = out.find("\"record\":").expect("a record") + "\"record\":".len();
            assert!(out[at..].starts_with(begins), "{keys}: {out:.600}");
        }
    }
}
