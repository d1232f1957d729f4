//! `datadog`: an array of entries as its own extension writes them.
//!
//! The text of a JSON log is the JSON itself: it is taken apart there, so that `dd.trace_id` and the function's own attributes are found where its panels look.

use super::object::{Object, Style, braces, decimal, inside, json_text, millis, string, text};
use super::{Encode, Format};
use crate::process::{Identity, Level, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "datadog",
    key_header: ("dd-api-key", ""),
    batch_bytes: 5_000_000,
    batch_records: 1000,
    record_bytes: 1_000_000,
    // Its sites; any other host that begins so would be given what a Datadog key opens.
    hosts: &[
        "http-intake.logs.datadoghq.com",
        "http-intake.logs.*.datadoghq.com",
        "http-intake.logs.datadoghq.eu",
        "http-intake.logs.ddog-gov.com",
    ],
    path: "/api/v2/logs",
    encoder: |options| {
        Box::new(Datadog {
            object: Object::styled(Style {
                names: NAMES,
                ..Style::PLAIN
            }),
            source: options.source.clone(),
            identity: Vec::new(),
            arn: Vec::new(),
        })
    },
    ..Format::PLAIN
};

/// What stands elsewhere than among the attributes.
const NAMES: &[(&str, &str)] = &[
    ("timestamp", ""),
    ("level", ""),
    ("message", ""),
    ("request_id", ""),
];

/// Writes entries.
#[derive(Debug)]
struct Datadog {
    /// Writes the attributes that have no place of their own.
    object: Object,
    /// `BROOKLET_SOURCE`.
    source: Option<String>,
    /// Source, tags, host and service.
    identity: Vec<u8>,
    /// The function's ARN as a field.
    arn: Vec<u8>,
}

impl Encode for Datadog {
    fn identify(&mut self, identity: &Identity) {
        let mut tags = String::new();
        let mut tag = |name: &str, value: &str| {
            if !tags.is_empty() {
                tags.push(',');
            }
            let colon = if value.is_empty() { "" } else { ":" };
            // A comma ends a tag, and there is no way to write one in it.
            tags.extend([name, colon, value].map(|part| part.replace(',', "_")));
        };
        let executed = identity.function_version.as_deref();
        let executed = executed.filter(|version| *version != "$LATEST");
        let name = identity.function_name.as_deref();
        let resource = name.map(|name| match executed {
            Some(version) => [name, version].join(":"),
            None => name.to_owned(),
        });
        let memory = identity.function_memory_mb.map(|mb| mb.to_string());
        for (field, value) in [
            ("functionname", name),
            ("resource", resource.as_deref()),
            ("executedversion", executed),
            ("memorysize", memory.as_deref()),
            ("region", identity.region.as_deref()),
            ("account_id", identity.account_id.as_deref()),
            ("aws_account", identity.account_id.as_deref()),
            ("service", identity.service_name.as_deref()),
        ] {
            if let Some(value) = value {
                tag(field, value);
            }
        }
        for (name, value) in &identity.tags {
            tag(name, value);
        }
        let out = &mut self.identity;
        out.clear();
        for (field, value) in [
            ("ddsource", Some(self.source.as_deref().unwrap_or("lambda"))),
            (
                "ddtags",
                Some(tags.as_str()).filter(|tags| !tags.is_empty()),
            ),
            ("hostname", identity.function_arn.as_deref()),
            ("service", identity.service_name.as_deref().or(name)),
        ] {
            named(out, field, value);
        }
        self.arn.clear();
        named(&mut self.arn, "arn", identity.function_arn.as_deref());
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        // A platform event has a line of its own beside its JSON.
        let logged = !record.kind.starts_with("platform.");
        let whole = record.record.filter(|json| logged && json.starts_with('{'));
        out.extend_from_slice(b",\"message\":");
        match whole {
            Some(json) => json_text(out, json),
            None => text(out, record),
        }
        out.extend_from_slice(b",\"timestamp\":");
        decimal(out, millis(record));
        inside(out, b",\"status\":", record.level.map(Level::word));
        out.extend_from_slice(&self.identity);
        if !self.arn.is_empty() || record.request_id.is_some() {
            out.extend_from_slice(b",\"lambda\":");
            let lambda = out.len();
            out.extend_from_slice(&self.arn);
            inside(out, b",\"request_id\":", record.request_id);
            braces(out, lambda);
        }
        let rest = Record {
            record: record.record.filter(|_| whole.is_none()),
            ..*record
        };
        self.object.fields(&rest, out);
        braces(out, from);
    }
}

/// Writes a field that is known, with a comma before it.
fn named(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.push(b',');
        string(out, name);
        out.push(b':');
        string(out, value);
    }
}
