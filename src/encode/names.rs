//! What stands around the values of the flat JSON object, written once for all records.
//!
//! It must not look at a record.

use super::object::string;
use crate::process::Level;

/// What stands before the value of each field: `,"name":`, and a quote too before an id; empty for a field that is left out.
#[derive(Debug)]
pub(super) struct Names {
    /// The event's type.
    pub(super) kind: Vec<u8>,
    /// The event's time.
    pub(super) timestamp: Vec<u8>,
    /// The text.
    pub(super) message: Vec<u8>,
    /// The JSON.
    pub(super) record: Vec<u8>,
    /// The request.
    pub(super) request_id: Vec<u8>,
    /// The trace.
    pub(super) trace_id: Vec<u8>,
    /// The tenant.
    pub(super) tenant_id: Vec<u8>,
    /// The sampled fraction.
    pub(super) sample: Vec<u8>,
    /// The record's id.
    pub(super) record_id: Vec<u8>,
    /// Unknown fields of the event.
    pub(super) extra: Vec<u8>,
    /// The type of what a function logs, whole, and what stands before the time.
    pub(super) function: Run,
    /// Each level, whole, and what stands before the text, in the order of the levels.
    pub(super) levels: [Run; Level::ALL.len()],
    /// The cold start that is none, and the one that is, whole, and what stands before the record's id.
    pub(super) cold_starts: [Run; 2],
    /// The owner's names for fields.
    renamed: Vec<(String, String)>,
}

impl Names {
    /// Our own names but for those that the owner renamed.
    pub(super) fn new(renamed: Vec<(String, String)>) -> Self {
        let of = |name: &str| named(&renamed, name);
        let quoted = |name: &str| {
            let mut name = of(name);
            if !name.is_empty() {
                name.push(b'"');
            }
            name
        };
        let (timestamp, record_id) = (of("timestamp"), quoted("record_id"));
        let run = |field: &str, json: &str, next: &[u8]| Run::new(of(field), json, next);
        Self {
            function: run("type", "\"function\"", &timestamp),
            levels: Level::ALL.map(|level| {
                let word = format!("\"{}\"", level.word());
                run("level", &word, &quoted("message"))
            }),
            cold_starts: ["false", "true"].map(|word| run("cold_start", word, &record_id)),
            kind: of("type"),
            timestamp,
            message: of("message"),
            record: of("record"),
            request_id: quoted("request_id"),
            trace_id: quoted("trace_id"),
            tenant_id: quoted("tenant_id"),
            sample: of("sample"),
            record_id,
            extra: of("extra"),
            renamed,
        }
    }

    /// `,"name":` of a field; empty for one that is left out.
    pub(super) fn of(&self, field: &str) -> Vec<u8> {
        named(&self.renamed, field)
    }
}

/// A field that is whole, and what stands before the value of the next one: in most records they are one piece.
#[derive(Debug)]
pub(super) struct Run {
    /// Both.
    pub(super) both: Vec<u8>,
    /// Where the first one ends.
    end: usize,
}

impl Run {
    /// A field of this name and value, and what stands before the next one's.
    fn new(name: Vec<u8>, json: &str, next: &[u8]) -> Self {
        let mut both = name;
        if !both.is_empty() {
            both.extend_from_slice(json.as_bytes());
        }
        let end = both.len();
        both.extend_from_slice(next);
        Self { both, end }
    }

    /// The field alone.
    pub(super) fn alone(&self) -> &[u8] {
        self.both.get(..self.end).unwrap_or_default()
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
