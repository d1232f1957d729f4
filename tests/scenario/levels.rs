//! Levels: what every logger's line is worth, what platform events are worth, and what is too little to be shipped.

use super::feed::{self, FORMATS, Fed, Told, check, event, feed, json, line};
use crate::corpus::{self, Case, Message};
use crate::model;

/// A log format: what makes an event of a line.
type LogFormat = (&'static str, fn(&str) -> Told);

/// Text, and JSON.
const LOG_FORMATS: [LogFormat; 2] = [("text", line), ("JSON", |text| json(feed::wrapped(text)))];

/// What is wrong with the record of a case, if anything is.
fn judge(case: &Case, wrapped: bool, fed: &Fed, number: usize) -> Option<String> {
    let Some(fields) = fed.fields(number) else {
        return Some("there is no record".to_owned());
    };
    let text = |name: &str| fields.get(name).map(|raw| model::string(raw));
    let (level, record) = if wrapped {
        // `INFO` is Lambda's own word for whatever was only printed; a logger's mark in the line says more.
        let none = case.level.as_deref() == Some("none");
        let level = if none {
            Some("info".to_owned())
        } else {
            case.level.clone()
        };
        (level, Some(feed::wrapped(&case.line)))
    } else {
        (case.level.clone(), case.record.clone())
    };
    let mut wrong = Vec::new();
    let got = text("level").unwrap_or_else(|| "none".to_owned());
    if level.as_ref().is_some_and(|level| *level != got) {
        wrong.push(format!("level {got}, not {}", level.unwrap_or_default()));
    }
    let shipped = fields.get("record").map(|raw| model::compact(raw));
    let record = record.map(|raw| model::compact(&raw));
    // Whether a document inside the wrapper's text is opened is the business of `unwrap.rs`.
    if shipped != record && !(wrapped && case.record.is_some()) {
        wrong.push(format!("record {shipped:?}, not {record:?}"));
    }
    let message = text("message");
    let expected = match &case.message {
        Message::Any => message.clone(),
        Message::Absent => None,
        Message::Is(text) => Some(text.clone()),
    };
    if message != expected {
        wrong.push(format!("message {message:?}, not {expected:?}"));
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}

#[test]
fn every_logger_s_line_has_its_level() {
    let cases = corpus::all();
    assert!(cases.len() >= 120, "{} lines", cases.len());
    let mut wrong = Vec::new();
    for format in FORMATS {
        for (log_format, make) in LOG_FORMATS {
            let events = cases.iter().map(|case| make(&case.line)).collect();
            let fed = feed(format, &[], &[events]);
            for (number, case) in cases.iter().enumerate() {
                let object = feed::wrapped(&case.line) == case.line;
                let wrapped = log_format == "JSON" && !object;
                if wrapped && case.record.is_some() {
                    continue;
                }
                if let Some(why) = judge(case, wrapped, &fed, number) {
                    let Case { place, line, .. } = case;
                    wrong.push(format!("{format}, {log_format}: {place}: {line:?}: {why}"));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} are wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// A row of AWS's own table of platform events and their levels.
fn of_platform() -> Vec<(&'static str, &'static str, &'static str)> {
    vec![
        (
            "initStart",
            r#"{"initializationType":"on-demand","phase":"init","runtimeVersion":"nodejs:20.v22"}"#,
            "info",
        ),
        (
            "initStart",
            r#"{"initializationType":"on-demand","phase":"init"}"#,
            "debug",
        ),
        (
            "initRuntimeDone",
            r#"{"initializationType":"on-demand","phase":"init","status":"success"}"#,
            "debug",
        ),
        (
            "initRuntimeDone",
            r#"{"initializationType":"on-demand","status":"error","errorType":"Runtime.ExitError"}"#,
            "warn",
        ),
        (
            "initReport",
            r#"{"initializationType":"on-demand","phase":"invoke","status":"success","metrics":{"durationMs":1.5}}"#,
            "debug",
        ),
        (
            "initReport",
            r#"{"initializationType":"on-demand","metrics":{"durationMs":1.5}}"#,
            "debug",
        ),
        (
            "initReport",
            r#"{"initializationType":"provisioned-concurrency","status":"success","metrics":{"durationMs":1.5}}"#,
            "info",
        ),
        (
            "initReport",
            r#"{"initializationType":"snap-start","metrics":{"durationMs":1.5}}"#,
            "info",
        ),
        (
            "initReport",
            r#"{"initializationType":"lambda-managed-instances","status":"success","metrics":{"durationMs":1.5}}"#,
            "info",
        ),
        ("start", r#"{"requestId":"r1","version":"$LATEST"}"#, "info"),
        (
            "runtimeDone",
            r#"{"requestId":"r1","status":"success"}"#,
            "debug",
        ),
        (
            "runtimeDone",
            r#"{"requestId":"r1","status":"error","errorType":"Function.Unhandled"}"#,
            "warn",
        ),
        (
            "runtimeDone",
            r#"{"requestId":"r1","status":"timeout"}"#,
            "warn",
        ),
        (
            "runtimeDone",
            r#"{"requestId":"r1","status":"failure","errorType":"Sandbox.Failure"}"#,
            "warn",
        ),
        (
            "report",
            r#"{"requestId":"r1","status":"success","metrics":{"durationMs":1.5}}"#,
            "info",
        ),
        (
            "report",
            r#"{"requestId":"r1","metrics":{"durationMs":1.5}}"#,
            "info",
        ),
        (
            "report",
            r#"{"requestId":"r1","status":"timeout","metrics":{"durationMs":1.5}}"#,
            "warn",
        ),
        (
            "restoreStart",
            r#"{"runtimeVersion":"java:21.v30"}"#,
            "info",
        ),
        ("restoreStart", "{}", "debug"),
        ("restoreRuntimeDone", r#"{"status":"success"}"#, "debug"),
        (
            "restoreRuntimeDone",
            r#"{"status":"error","errorType":"Runtime.RestoreError"}"#,
            "warn",
        ),
        (
            "restoreReport",
            r#"{"status":"failure","errorType":"RestoreError"}"#,
            "warn",
        ),
        (
            "extension",
            r#"{"name":"x","state":"Ready","events":["INVOKE"]}"#,
            "info",
        ),
        (
            "telemetrySubscription",
            r#"{"name":"x","state":"Subscribed","types":["platform"]}"#,
            "info",
        ),
        (
            "logsSubscription",
            r#"{"name":"x","state":"Subscribed","types":["platform"]}"#,
            "info",
        ),
        (
            "logsDropped",
            r#"{"droppedBytes":1,"droppedRecords":1,"reason":"slow"}"#,
            "warn",
        ),
        (
            "fault",
            r#""RequestId: r1 Status: error\tErrorType: Runtime.ExitError""#,
            "error",
        ),
        (
            "somethingNew",
            r#"{"status":"error","level":"error"}"#,
            "none",
        ),
    ]
}

#[test]
fn platform_events_have_the_levels_of_aws_s_own_table() {
    let table = of_platform();
    let events: Vec<Told> = table
        .iter()
        .map(|(kind, record, _)| event(&format!("platform.{kind}"), *record))
        .collect();
    for format in FORMATS {
        // Platform events are not chosen by level, however high the bar.
        for bar in ["trace", "fatal"] {
            let fed = feed(
                format,
                &[("BROOKLET_MIN_LEVEL", bar)],
                std::slice::from_ref(&events),
            );
            let got: Vec<String> = (0..table.len())
                .map(|number| {
                    let fields = fed.fields(number).unwrap_or_default();
                    assert!(!fields.is_empty(), "{:?} is not there", table[number]);
                    fields
                        .get("level")
                        .map_or_else(|| "none".to_owned(), |raw| model::string(raw))
                })
                .collect();
            let wrong: Vec<String> = table
                .iter()
                .zip(&got)
                .filter(|((_, _, level), got)| level != got)
                .map(|(row, got)| format!("{row:?}: {got}"))
                .collect();
            assert!(wrong.is_empty(), "{:#?}", wrong);
        }
    }
}

#[test]
fn what_is_below_the_bar_is_left_out_and_what_has_no_level_is_not() {
    let row = |level: &str| {
        let text = format!("[{}] text", level.to_uppercase());
        let document = format!(r#"{{"level":"{level}","message":"document"}}"#);
        vec![
            line(&text),
            json(&document),
            line(&document),
            event("extension", feed::quote(&text)),
        ]
    };
    for (at, bar) in model::LEVELS.iter().enumerate() {
        for spelled in [(*bar).to_owned(), bar.to_uppercase()] {
            let mut events: Vec<Told> = model::LEVELS.iter().flat_map(|level| row(level)).collect();
            events.push(line("no level at all"));
            events.push(json(r#"{"message":"no level at all"}"#));
            events.push(event("extension", r#""no level at all""#));
            let fed = feed(
                "json",
                &[("BROOKLET_MIN_LEVEL", &spelled)],
                std::slice::from_ref(&events),
            );
            let expected: Vec<usize> = (at * 4..events.len()).collect();
            assert_eq!(fed.kept(), expected, "{spelled}");
            assert_eq!(fed.stats["filtered"], (at * 4) as u64, "{:?}", fed.stats);
        }
    }
}

#[test]
fn a_bar_that_nobody_knows_is_named_and_filters_nothing() {
    let fed = feed(
        "json",
        &[("BROOKLET_MIN_LEVEL", "loud")],
        &[vec![line("[TRACE] x"), line("y")]],
    );
    assert_eq!(fed.kept(), [0, 1]);
    assert!(
        fed.tells(&["BROOKLET_MIN_LEVEL", "loud"]),
        "{:?}",
        fed.stderr()
    );
}

#[test]
fn the_level_stands_before_the_message_and_the_logger_s_own_word_stays() {
    check(
        &[],
        &[
            (
                line("[WARNING]\tx\ty\tslow"),
                Some(r#"{"level":"warn","message":"[WARNING]\tx\ty\tslow"}"#),
            ),
            (
                json(r#"{"Severity":"WARNING","msg":"slow"}"#),
                Some(
                    r#"{"level":"warn","message":"slow","record":{"Severity":"WARNING","msg":"slow"}}"#,
                ),
            ),
        ],
    );
}
