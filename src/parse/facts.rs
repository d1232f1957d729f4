//! What is read out of every record that is an object, in one pass; everything else in it is passed over.
//!
//! It lends and never interprets: what a level means is the business of `process`.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::fields::Fields;
use super::text::{self, Text};

/// What `process` wants to know of a record that is an object.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// `requestId`, or the names that other loggers give it, as the inside of a JSON string.
    pub request_id: Option<&'a str>,
    /// `tenantId`, as the inside of a JSON string.
    pub tenant_id: Option<&'a str>,
    /// `tracing.value`, the X-Ray trace header, as the inside of a JSON string.
    pub trace: Option<&'a str>,
    /// `droppedRecords` of `platform.logsDropped`.
    pub dropped_records: u64,
    /// What the logger calls the record's level: the inside of a string, or the digits of a number.
    pub level: Option<&'a str>,
    /// What the logger was given: `message`, or else `msg`, if it is a string or an object, as JSON text.
    pub message: Option<&'a str>,
    /// Whether there is a `timestamp`, as in everything that Lambda's JSON log format wraps.
    pub timestamp: bool,
}

/// Reads the facts out of a record; a record that is not an object has none.
#[must_use]
pub fn facts(record: &str) -> Facts<'_> {
    if !record.starts_with('{') {
        return Facts::default();
    }
    serde_json::from_str(record).unwrap_or_default()
}

/// The names that loggers give the level, the one that is believed first before the others.
const LEVELS: [&str; 10] = [
    "level",
    "severity",
    "lvl",
    "log.level",
    "loglevel",
    "log_level",
    "levelname",
    "level_name",
    "severity_text",
    "@l",
];

/// The place of `log`, whose own `level` is the same as `log.level`.
const LOG: usize = 3;

/// The place of a name among [`LEVELS`], in any case.
fn level_rank(name: &str) -> Option<usize> {
    // Most names are none of these, and their first letter tells.
    if !matches!(
        name.as_bytes().first(),
        Some(b'l' | b'L' | b's' | b'S' | b'@')
    ) {
        return None;
    }
    LEVELS
        .iter()
        .position(|known| known.eq_ignore_ascii_case(name))
}

impl<'de: 'a, 'a> Deserialize<'de> for Facts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FactsVisitor)
    }
}

/// Reads facts; a known name with a value of another kind is passed over, as it is the function's own.
struct FactsVisitor;

impl<'de> Visitor<'de> for FactsVisitor {
    type Value = Facts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Facts<'de>, A::Error> {
        let mut facts = Facts::default();
        let mut msg = None;
        let mut rank = LEVELS.len();
        let mut level = |facts: &mut Facts<'de>, at: usize, value: Option<&'de str>| {
            if at < rank && value.is_some() {
                (rank, facts.level) = (at, value);
            }
        };
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "requestId" => facts.request_id = string(map.next_value()?).or(facts.request_id),
                "AWSRequestId" | "function_request_id" => {
                    facts.request_id = facts.request_id.or(string(map.next_value()?));
                }
                "tenantId" => facts.tenant_id = string(map.next_value()?),
                "droppedRecords" => {
                    let raw: &RawValue = map.next_value()?;
                    facts.dropped_records = raw.get().parse().unwrap_or(0);
                }
                "tracing" => {
                    let raw: &RawValue = map.next_value()?;
                    facts.trace = Fields::of(raw.get()).inside("value");
                }
                "message" => facts.message = given(map.next_value()?),
                "msg" => msg = given(map.next_value()?),
                "timestamp" => {
                    facts.timestamp = true;
                    map.next_value::<IgnoredAny>()?;
                }
                "log" => {
                    let raw: &RawValue = map.next_value()?;
                    if raw.get().starts_with('{') {
                        level(
                            &mut facts,
                            LOG,
                            Fields::of(raw.get()).get("level").and_then(word),
                        );
                    }
                }
                other => match level_rank(other) {
                    Some(at) => {
                        let raw: &RawValue = map.next_value()?;
                        level(&mut facts, at, word(raw.get()));
                    }
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                },
            }
        }
        facts.message = facts.message.or(msg);
        Ok(facts)
    }
}

/// The inside of a raw value, if it is a string that is not empty.
fn string(raw: &RawValue) -> Option<&str> {
    text::inside(raw.get()).filter(|inside| !inside.is_empty())
}

/// A raw value, if it is a string or an object.
fn given(raw: &RawValue) -> Option<&str> {
    Some(raw.get()).filter(|json| json.starts_with(['"', '{']))
}

/// A level as it is written: the inside of a string, or a number.
fn word(json: &str) -> Option<&str> {
    text::inside(json).or_else(|| {
        json.starts_with(|c: char| c.is_ascii_digit())
            .then_some(json)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found_among_other_keys() {
        let found = facts(
            r#"{"a":{"requestId":"inner"},"requestId":"r-1","tenantId":"t","tracing":{"spanId":"s","type":"X-Amzn-Trace-Id","value":"Root=1"},"droppedRecords":12}"#,
        );
        assert_eq!(found.request_id, Some("r-1"));
        assert_eq!(found.tenant_id, Some("t"));
        assert_eq!(found.trace, Some("Root=1"));
        assert_eq!(found.dropped_records, 12);
        assert_eq!(facts("\"text\""), Facts::default());
        assert_eq!(
            facts(r#"{"requestId":7,"tenantId":null,"tracing":"x","level":null,"message":[]}"#),
            Facts::default()
        );
        assert_eq!(facts(r#"{"AWSRequestId":"r-2"}"#).request_id, Some("r-2"));
    }

    #[test]
    fn the_level_that_is_believed_first_wins_wherever_it_stands() {
        for (record, expected) in [
            (r#"{"level":"INFO"}"#, Some("INFO")),
            (r#"{"Severity":"x","LEVEL":30,"lvl":"y"}"#, Some("30")),
            (r#"{"lvl":"y","severity":"x"}"#, Some("x")),
            (r#"{"log":{"level":"warn"},"@l":"x"}"#, Some("warn")),
            (r#"{"log.level":"error"}"#, Some("error")),
            (r#"{"levelname":"DEBUG"}"#, Some("DEBUG")),
            (r#"{"log":"text","level":{"a":1}}"#, None),
            (r#"{"a":{"level":"INFO"}}"#, None),
        ] {
            assert_eq!(facts(record).level, expected, "{record}");
        }
    }

    #[test]
    fn the_text_is_message_or_else_msg() {
        for (record, expected) in [
            (r#"{"msg":"b","message":"a"}"#, Some("\"a\"")),
            (r#"{"msg":"b\n"}"#, Some(r#""b\n""#)),
            (r#"{"msg":"b","message":7}"#, Some("\"b\"")),
            (r#"{"text":"b"}"#, None),
        ] {
            assert_eq!(facts(record).message, expected, "{record}");
        }
    }
}
