//! Lines of a text log that belong together: joined by `BROOKLET_MULTILINE`, within one request, within bounds.

use super::feed::{FORMATS, Row, Told, check, done, event, feed, json, line, start};
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::Sink;

/// A record begins where a line does not begin with white space.
const FIRST: (&str, &str) = ("BROOKLET_MULTILINE", r"^\S");

#[test]
fn a_stack_trace_becomes_one_record() {
    let rows: Vec<Row<'_>> = vec![
        (
            line("[ERROR] boom"),
            Some(
                r#"{"level":"error","message":"[ERROR] boom\n\tat a (x.rs:1)\n\tat \"b\"\n\n  Caused by: c"}"#,
            ),
        ),
        (line("\tat a (x.rs:1)"), None),
        (line("\tat \"b\""), None),
        (line(""), None),
        (line("  Caused by: c"), None),
        (line("next"), Some(r#"{"message":"next"}"#)),
        (line("last"), Some(r#"{"message":"last\n more"}"#)),
        (line(" more"), None),
    ];
    for fed in check(&[FIRST], &rows) {
        assert_eq!(fed.stats["joined"], 5, "{:?}", fed.stats);
        assert_eq!(fed.stats["filtered"], 0, "{:?}", fed.stats);
    }
}

#[test]
fn it_is_off_by_default() {
    let rows: Vec<Row<'_>> = vec![
        (line("boom"), Some(r#"{"message":"boom"}"#)),
        (line("\tat a"), Some(r#"{"message":"\tat a"}"#)),
    ];
    for fed in check(&[], &rows) {
        assert_eq!(fed.stats["joined"], 0);
    }
}

#[test]
fn a_platform_event_ends_a_record() {
    let rows: Vec<Row<'_>> = vec![
        (
            start("r1"),
            Some(
                r#"{"level":"info","message":"START RequestId: r1 Version: $LATEST","record":{"requestId":"r1","version":"$LATEST"},"request_id":"r1"}"#,
            ),
        ),
        (
            line("boom"),
            Some(r#"{"message":"boom\n of r1","request_id":"r1"}"#),
        ),
        (line(" of r1"), None),
        (
            done("r1", "success"),
            Some(
                r#"{"level":"debug","message":"END RequestId: r1","record":{"requestId":"r1","status":"success","metrics":{"durationMs":12.5,"producedBytes":2}},"request_id":"r1"}"#,
            ),
        ),
        // A line that does not begin a record, with none before it in its request.
        (
            line(" late"),
            Some(r#"{"message":" late\n  and more","request_id":"r1"}"#),
        ),
        (line("  and more"), None),
        (
            start("r2"),
            Some(
                r#"{"level":"info","message":"START RequestId: r2 Version: $LATEST","record":{"requestId":"r2","version":"$LATEST"},"request_id":"r2"}"#,
            ),
        ),
        (
            line(" of r2"),
            Some(r#"{"message":" of r2","request_id":"r2"}"#),
        ),
        (line("x"), Some(r#"{"message":"x","request_id":"r2"}"#)),
    ];
    for fed in check(&[FIRST], &rows) {
        assert_eq!(fed.stats["joined"], 2, "{:?}", fed.stats);
    }
}

#[test]
fn only_text_of_the_function_is_joined() {
    let rows: Vec<Row<'_>> = vec![
        (json(r#"{"a":1}"#), Some(r#"{"record":{"a":1}}"#)),
        (
            json(r#"{"message":" b"}"#),
            Some(r#"{"message":" b","record":{"message":" b"}}"#),
        ),
        (
            event("extension", r#""one\n""#),
            Some(r#"{"message":"one"}"#),
        ),
        (
            event("extension", r#"" two\n""#),
            Some(r#"{"message":" two"}"#),
        ),
    ];
    for fed in check(&[FIRST], &rows) {
        assert_eq!(fed.stats["joined"], 0, "{:?}", fed.stats);
    }
}

#[test]
fn a_record_grows_to_its_bounds_and_no_further() {
    for (width, count) in [(10, 2_500), (10_000, 60)] {
        let mut events = vec![line("first")];
        events.extend((1..count).map(|_| line(&format!(" {}", "x".repeat(width)))));
        // One at a time would be a batch too large for the listener.
        let batches: Vec<Vec<Told>> = events.chunks(1_000).map(<[_]>::to_vec).collect();
        for format in FORMATS {
            let fed = feed(format, &[FIRST], &batches);
            let lengths: Vec<(usize, usize)> = fed
                .kept()
                .into_iter()
                .map(|number| {
                    let text = model::string(&fed.fields(number).expect("a record")["message"]);
                    (text.split('\n').count(), text.len())
                })
                .collect();
            let lines: usize = lengths.iter().map(|(lines, _)| lines).sum();
            assert_eq!(lines, count, "every line is there: {lengths:?}");
            for (lines, bytes) in &lengths {
                assert!(*lines <= 1_000 && *bytes <= 256 * 1024, "{lengths:?}");
            }
            // And it does grow: a bound that cuts early is none.
            let (lines, bytes) = lengths[0];
            assert!(
                lines == 1_000 || bytes + width + 2 > 256 * 1024 - 1_024,
                "{lengths:?}"
            );
            assert_eq!(
                fed.stats["joined"],
                (count - lengths.len()) as u64,
                "{:?}",
                fed.stats
            );
        }
    }
}

#[test]
fn what_comes_after_sees_the_whole_record() {
    let stack = || {
        vec![
            line("[ERROR] boom"),
            line("\tat ann@example.com"),
            line("fine"),
            line("\tat home"),
        ]
    };
    // Chosen by what stands in a later line, masked across lines, and of the level of the first.
    let fed = feed("json", &[FIRST, ("BROOKLET_INCLUDE", "at ann")], &[stack()]);
    assert_eq!(fed.kept(), [0]);
    let fed = feed("json", &[FIRST, ("BROOKLET_EXCLUDE", "boom")], &[stack()]);
    assert_eq!(
        fed.shown(2).as_deref(),
        Some(r#"{"message":"fine\n\tat home"}"#)
    );
    assert_eq!(fed.kept(), [2]);
    let fed = feed(
        "json",
        &[FIRST, ("BROOKLET_REDACT", r"email,/boom\n\tat/")],
        &[stack()],
    );
    assert_eq!(
        fed.shown(0).as_deref(),
        Some(r#"{"level":"error","message":"[ERROR] [redacted] [redacted:email]"}"#)
    );
    assert_eq!(fed.stats["redacted"], 1);
    let fed = feed(
        "json",
        &[FIRST, ("BROOKLET_MIN_LEVEL", "fatal")],
        &[stack()],
    );
    assert_eq!(fed.kept(), [2]);
}

#[test]
fn lines_of_two_batches_are_joined_as_those_of_one() {
    for format in FORMATS {
        let options = [FIRST, ("BROOKLET_FLUSH", "periodic:60000")];
        let fed = feed(
            format,
            &options,
            &[
                vec![line("one"), line(" two")],
                vec![line(" three"), line("four")],
            ],
        );
        assert_eq!(
            fed.shown(0).as_deref(),
            Some(r#"{"message":"one\n two\n three"}"#)
        );
        assert_eq!(fed.kept(), [0, 3]);
    }
}

#[test]
fn a_pattern_that_is_none_is_named_and_joins_nothing() {
    let fed = feed(
        "json",
        &[("BROOKLET_MULTILINE", "(")],
        &[vec![line("one"), line(" two")]],
    );
    assert_eq!(fed.kept(), [0, 1]);
    assert!(fed.tells(&["BROOKLET_MULTILINE"]), "{:?}", fed.stderr());
}

#[test]
fn a_send_ends_a_record() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("MULTILINE", r"^\S")
        .option("FLUSH", "periodic:50")
        .start();
    let slow = Invocation::line("one")
        .print(" of one")
        .works_ms(400)
        .print(" two")
        .print(" of two");
    run.invoke(&slow);
    run.finish();
    let said: Vec<String> = model::records(&sink)
        .into_iter()
        .filter(|record| record.kind == "function")
        .filter_map(|record| record.message)
        .collect();
    assert_eq!(said, ["one\n of one", " two\n of two"]);
    let stats = model::stats(&sink).expect("counters");
    assert_eq!(stats["joined"], 2, "{stats:?}");
    model::assert_accounts(&stats);
}
