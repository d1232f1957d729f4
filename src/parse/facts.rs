//! What is read out of every record that is an object, in one pass; everything else in it is passed over.
//!
//! It lends and never interprets: what a level means is the business of `process`.

use super::fields::Fields;
use super::scan::Scan;
use super::text;

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

/// Reads the facts out of a record; one that is not an object has none.
///
/// A known name with a value of another kind is passed over, as it is the function's own.
#[must_use]
pub fn facts(record: &str) -> Facts<'_> {
    object(record).unwrap_or_default()
}

/// Reads the facts out of a text that is one JSON object and nothing else.
#[must_use]
pub fn object(text: &str) -> Option<Facts<'_>> {
    let mut scan = Scan::new(text);
    let facts = members(&mut scan)?;
    scan.is_over().then_some(facts)
}

/// Takes any value, and reads the facts out of it on the way.
pub(super) fn value<'a>(scan: &mut Scan<'a>) -> Option<(&'a str, Facts<'a>)> {
    if !scan.is_object() {
        return Some((scan.value()?, Facts::default()));
    }
    let from = scan.at();
    let facts = members(scan)?;
    Some((scan.since(from), facts))
}

/// Takes an object.
#[cfg_attr(brooklet_hot, optimize(speed))]
fn members<'a>(scan: &mut Scan<'a>) -> Option<Facts<'a>> {
    let (mut found, mut first) = (Found::default(), true);
    scan.open()?;
    while let Some(name) = scan.name(first)? {
        found.take(name.plain().as_bytes(), scan.value()?);
        first = false;
    }
    Some(found.facts())
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found<'a> {
    /// The facts.
    facts: Facts<'a>,
    /// What stands for the message where there is none.
    msg: Option<&'a str>,
    /// The place of the level's name among [`LEVELS`].
    rank: Option<usize>,
}

impl<'a> Found<'a> {
    /// Takes notice of a member.
    #[cfg_attr(brooklet_hot, optimize(speed))]
    fn take(&mut self, name: &[u8], value: &'a str) {
        let facts = &mut self.facts;
        match name {
            b"requestId" => facts.request_id = string(value).or(facts.request_id),
            b"AWSRequestId" | b"function_request_id" => {
                facts.request_id = facts.request_id.or_else(|| string(value));
            }
            b"tenantId" => facts.tenant_id = string(value),
            b"droppedRecords" => facts.dropped_records = value.parse().unwrap_or(0),
            b"tracing" => facts.trace = Fields::of(value).inside("value"),
            b"message" => facts.message = given(value),
            b"msg" => self.msg = given(value),
            b"timestamp" => facts.timestamp = true,
            b"log" => self.level(LOG, Fields::of(value).get("level")),
            other => {
                if let Some(at) = level_rank(other) {
                    self.level(at, Some(value));
                }
            }
        }
    }

    /// Takes notice of a level, if it is one, under the name of this rank.
    fn level(&mut self, rank: usize, value: Option<&'a str>) {
        if self.rank.is_none_or(|known| rank < known)
            && let Some(word) = value.and_then(word)
        {
            (self.rank, self.facts.level) = (Some(rank), Some(word));
        }
    }

    /// All that was found.
    fn facts(self) -> Facts<'a> {
        Facts {
            message: self.facts.message.or(self.msg),
            ..self.facts
        }
    }
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
fn level_rank(name: &[u8]) -> Option<usize> {
    // Most names are none of these, and their first letter tells.
    if !matches!(name.first(), Some(b'l' | b'L' | b's' | b'S' | b'@')) {
        return None;
    }
    LEVELS
        .iter()
        .position(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// The inside of a value, if it is a string that is not empty.
fn string(json: &str) -> Option<&str> {
    text::inside(json).filter(|inside| !inside.is_empty())
}

/// A value, if it is a string or an object.
fn given(json: &str) -> Option<&str> {
    matches!(json.as_bytes().first(), Some(b'"' | b'{')).then_some(json)
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

    #[test]
    fn an_object_is_nothing_else() {
        for (text, expected) in [
            (r#"{"a":[1,{"b":null}]}"#, true),
            ("{}", true),
            ("{ }", true),
            ("{a}", false),
            ("{} {}", false),
            ("[{}]", false),
            (r#"{"a":1}x}"#, false),
        ] {
            assert_eq!(object(text).is_some(), expected, "{text}");
        }
    }
}
