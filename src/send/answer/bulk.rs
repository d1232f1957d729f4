//! What `_bulk` of Elasticsearch and OpenSearch answers: 200, whether there were errors, and a status for each document.
//!
//! It must not build a tree: a payload without errors costs a look at the answer's beginning.

use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::{Fate, Reading};
use crate::parse::{Fields, cut};

/// The beginning of an answer, in which it says whether there were errors, in bytes.
const BEGINNING: usize = 512;

/// Reads an answer.
pub(super) fn read(status: u16, body: &[u8], records: usize) -> Reading {
    if !(200..300).contains(&status) {
        return Reading::Nothing;
    }
    // A character that was cut ends what can be read.
    let text = body.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let beginning = cut(text, BEGINNING);
    match value(beginning, "\"errors\"").map(|errors| errors.starts_with("false")) {
        Some(true) => return Reading::Nothing,
        Some(false) => {}
        None => {
            return Reading::Refused {
                records: 0,
                why: "no answer of _bulk: is the endpoint right?".to_owned(),
            };
        }
    }
    let mut fates = Vec::new();
    let (mut again, mut refused) = (None, None);
    // Item by item, as the end of a long answer is not there.
    let mut rest =
        value(beginning, "\"items\"").and_then(|items| text.get(beginning.len() - items.len()..));
    while let Some(items) = rest.and_then(|rest| rest.strip_prefix(['[', ','])) {
        let mut stream = Deserializer::from_str(items).into_iter::<&RawValue>();
        let Some(Ok(item)) = stream.next() else {
            break;
        };
        let item = Fields::of(item.get());
        let create = item.object("create");
        let Some(status) = create.get("status").and_then(|it| it.parse::<u16>().ok()) else {
            break;
        };
        let why = create.get("error").unwrap_or_default();
        fates.push(match status {
            // It was there before: its id is the record's own.
            200..=299 | 409 => Fate::Delivered,
            429 | 500.. => {
                again.get_or_insert(why);
                Fate::Again
            }
            _ => {
                refused.get_or_insert(why);
                Fate::Refused
            }
        });
        rest = items.get(stream.byte_offset()..).map(str::trim_start);
    }
    let why = refused.or(again).unwrap_or("errors that it does not name");
    if fates.is_empty() {
        // Sent again it would be answered with errors for ever.
        fates.resize(records, Fate::Refused);
    }
    // What the answer does not reach is asked for again: what is there already answers 409.
    fates.resize(records, Fate::Again);
    Reading::Items {
        fates,
        why: why.to_owned(),
    }
}

/// What stands behind a name and its colon.
fn value<'a>(json: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = json.split_once(name)?;
    Some(behind.trim_start().strip_prefix(':')?.trim_start())
}

#[cfg(test)]
mod tests {
    use super::Fate::{Again, Delivered, Refused};
    use super::*;

    fn items(body: &str, records: usize) -> (Vec<Fate>, String) {
        match read(200, body.as_bytes(), records) {
            Reading::Items { fates, why } => (fates, why),
            other => panic!("{other:?}: {body}"),
        }
    }

    #[test]
    fn each_document_has_its_own_status() {
        let body = r#"{"errors":true,"took":3,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"rejected"}}},
            {"create":{"_id":"a","status":409,"error":{"type":"version_conflict_engine_exception"}}} ,{"create":{"status":400,"error":{"type":"mapper","reason":"[a]}"}}},
            {"create":{"status":503,"error":"gone"}}]}"#;
        let (fates, why) = items(body, 5);
        assert_eq!(fates, [Delivered, Again, Delivered, Refused, Again]);
        assert_eq!(why, r#"{"type":"mapper","reason":"[a]}"}"#);
        let pretty = "{\n  \"took\" : 3,\n  \"errors\" : true,\n  \"items\" : [ {\n \"create\" : { \"status\" : 409 }\n } ]\n}";
        assert_eq!(items(pretty, 1).0, [Delivered]);
    }

    #[test]
    fn no_errors_need_no_items() {
        for body in [
            r#"{"errors":false,"items":[{"create":{"status":201}}]}"#,
            "{\"took\":1,\n\"errors\" : false",
        ] {
            assert_eq!(read(200, body.as_bytes(), 7), Reading::Nothing);
        }
    }

    #[test]
    fn what_an_answer_does_not_reach_is_asked_for_again() {
        let body =
            r#"{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"err"#;
        assert_eq!(items(body, 3).0, [Delivered, Again, Again]);
        let body = r#"{"errors":true,"items":[{"create":{"status":201}}]}"#;
        assert_eq!(items(body, 2).0, [Delivered, Again]);
        // More than were sent are no news of ours.
        assert_eq!(items(body, 0).0, []);
    }

    #[test]
    fn errors_without_items_are_not_asked_for_again() {
        assert_eq!(items(r#"{"errors":true}"#, 2).0, [Refused; 2]);
    }

    #[test]
    fn what_bulk_never_answers_is_odd() {
        for body in ["", "{}", "<html>", r#"{"errors"}"#] {
            let odd = read(200, body.as_bytes(), 1);
            assert!(matches!(odd, Reading::Refused { records: 0, .. }), "{body}");
        }
        assert_eq!(read(503, b"{}", 1), Reading::Nothing);
    }
}
