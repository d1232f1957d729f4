//! `coralogix`: an array of entries, each with its application, subsystem, severity and time, and the whole record as its `text`.

use super::object::{Object, Style, braces, decimal, millis, string};
use super::{Encode, Format};
use crate::process::{Identity, Level, Record};

/// The row of the table.
pub(super) const FORMAT: Format = Format {
    name: "coralogix",
    batch_bytes: 2_000_000,
    // With the brackets around it.
    record_bytes: 2_000_000 - 2,
    // Not documented.
    gzip: false,
    hosts: &["ingress.*coralogix*"],
    path: "/logs/v1/singles",
    encoder: |options| {
        Box::new(Coralogix {
            object: Object::styled(Style {
                names: &[("timestamp", "")],
                ..Style::PLAIN
            }),
            application: options.index.clone(),
            identity: Vec::new(),
        })
    },
    ..Format::PLAIN
};

/// What an application or subsystem is called that nobody named: it must have a name.
const UNNAMED: &str = "lambda";

/// Writes entries.
#[derive(Debug)]
struct Coralogix {
    /// Writes what is the text.
    object: Object,
    /// `BROOKLET_INDEX`.
    application: Option<String>,
    /// Application and subsystem.
    identity: Vec<u8>,
}

impl Encode for Coralogix {
    fn identify(&mut self, identity: &Identity) {
        self.object.identify(identity);
        let function = identity.function_name.as_deref().unwrap_or(UNNAMED);
        let service = identity.service_name.as_deref();
        let application = self.application.as_deref().or(service).unwrap_or(function);
        let out = &mut self.identity;
        out.clear();
        out.extend_from_slice(b",\"applicationName\":");
        string(out, application);
        out.extend_from_slice(b",\"subsystemName\":");
        string(out, function);
    }

    fn encode(&mut self, record: &Record<'_>, out: &mut Vec<u8>) {
        let from = out.len();
        out.extend_from_slice(b",\"timestamp\":");
        decimal(out, millis(record));
        out.extend_from_slice(&self.identity);
        if let Some(level) = record.level {
            out.extend_from_slice(b",\"severity\":");
            decimal(out, severity(level));
        }
        out.extend_from_slice(b",\"text\":");
        self.object.encode(record, out);
        braces(out, from);
    }
}

/// Its number for a level; 2 is `verbose`, which it ranks above `debug`, so nothing of ours is that.
fn severity(level: Level) -> u64 {
    match level {
        Level::Trace | Level::Debug => 1,
        Level::Info => 3,
        Level::Warn => 4,
        Level::Error => 5,
        Level::Fatal => 6,
    }
}
