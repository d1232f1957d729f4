//! What is invisible today: a timeout, an out-of-memory kill, a crash and a failed init become one record each.

use super::feed::{
    FORMATS, Fed, Told, done, event, feed, feed_to, feed_until, json, line, report, scenario,
    start, wrapped,
};
use crate::harness::{Run, Scenario};
use crate::lambda::function::Invocation;
use crate::model::{self, Record};
use crate::sink::Sink;
use serde_json::{Value, json as value};
use std::time::Duration;

/// An end of a request, or a report on it, with an error type and memory figures.
fn ended(kind: &str, id: &str, status: &str, error: &str, used: u32) -> Told {
    let error = if error.is_empty() {
        String::new()
    } else {
        format!(r#","errorType":"{error}""#)
    };
    let metrics = match kind {
        "report" => format!(
            r#"{{"durationMs":12.5,"billedDurationMs":13,"memorySizeMB":128,"maxMemoryUsedMB":{used}}}"#
        ),
        _ => r#"{"durationMs":12.5,"producedBytes":0}"#.to_owned(),
    };
    event(
        &format!("platform.{kind}"),
        format!(r#"{{"requestId":"{id}","status":"{status}"{error},"metrics":{metrics}}}"#),
    )
}

/// What an own record says: its type, its request, its JSON without the limit of time.
fn says(record: &Record) -> (String, String, Value) {
    assert_eq!(record.level.as_deref(), Some("error"), "{record:?}");
    let sentence = record.message.as_deref().unwrap_or_default();
    assert!(
        sentence.len() > 10 && sentence.len() < 300 && !sentence.contains('\n'),
        "one sentence: {sentence:?}"
    );
    assert!(record.id().contains("-own-"), "{record:?}");
    let mut json: Value = serde_json::from_str(record.json()).expect("JSON");
    if let Some(limit) = json
        .as_object_mut()
        .and_then(|json| json.remove("limit_ms"))
    {
        assert!(
            limit.as_f64().is_some_and(|limit| limit > 0.0),
            "{record:?}"
        );
    }
    let id = record.text("request_id").unwrap_or_default();
    (record.kind.clone(), id.to_owned(), json)
}

/// What the own records of a feed say.
fn own(fed: &Fed) -> Vec<(String, String, Value)> {
    let all = fed
        .own
        .iter()
        .map(|(record, _)| says(record))
        .collect::<Vec<_>>();
    // brooklet.stats at the end is the other one of its own.
    assert_eq!(fed.stats["own"], all.len() as u64 + 1, "{:?}", fed.stats);
    all
}

/// What an own record must say: its type, and its JSON but for the last lines, which are always the same two.
type Said = Option<(&'static str, Value)>;

/// A request under way that has said two things, and how it goes on.
fn and(more: Vec<Told>) -> Vec<Told> {
    let under_way = vec![start("r1"), line("one"), line("[ERROR] two")];
    [under_way, more].concat()
}

/// The end of a request, and the report on it, with this status and error.
fn died(status: &str, error: &str, used: u32) -> Vec<Told> {
    and(vec![
        ended("runtimeDone", "r1", status, error, 0),
        ended("report", "r1", status, error, used),
    ])
}

/// Only one of the two.
fn told_by(kind: &str, status: &str, error: &str, used: u32) -> Vec<Told> {
    and(vec![ended(kind, "r1", status, error, used)])
}

fn cases() -> Vec<(Vec<Told>, Said)> {
    let exit = "Runtime.ExitError";
    let memory = "Runtime.OutOfMemory";
    let timeout = |json| Some(("brooklet.timeout", json));
    let crash = |json| Some(("brooklet.crash", json));
    let out_of_memory = |json| Some(("brooklet.out_of_memory", json));
    vec![
        // A timeout, from either of its witnesses; both of them together tell it once.
        (
            told_by("runtimeDone", "timeout", "", 0),
            timeout(value!({"status": "timeout", "duration_ms": 12.5})),
        ),
        (
            told_by("report", "timeout", "", 33),
            timeout(
                value!({"status": "timeout", "duration_ms": 12.5, "memory_size_mb": 128, "max_memory_used_mb": 33}),
            ),
        ),
        (
            died("timeout", "", 33),
            timeout(value!({"status": "timeout", "duration_ms": 12.5})),
        ),
        (
            died("failure", "Sandbox.Timedout", 33),
            timeout(
                value!({"error_type": "Sandbox.Timedout", "status": "failure", "duration_ms": 12.5}),
            ),
        ),
        // A crash waits for the memory figures.
        (
            died("error", exit, 33),
            crash(
                value!({"error_type": exit, "status": "error", "duration_ms": 12.5, "memory_size_mb": 128, "max_memory_used_mb": 33}),
            ),
        ),
        (
            told_by("report", "error", exit, 33),
            crash(
                value!({"error_type": exit, "status": "error", "duration_ms": 12.5, "memory_size_mb": 128, "max_memory_used_mb": 33}),
            ),
        ),
        (
            died("failure", "Sandbox.Failure", 33),
            crash(
                value!({"error_type": "Sandbox.Failure", "status": "failure", "duration_ms": 12.5, "memory_size_mb": 128, "max_memory_used_mb": 33}),
            ),
        ),
        (
            died("error", "Extension.Crash", 33),
            crash(
                value!({"error_type": "Extension.Crash", "status": "error", "duration_ms": 12.5, "memory_size_mb": 128, "max_memory_used_mb": 33}),
            ),
        ),
        // Without them it is told in the end.
        (
            told_by("runtimeDone", "error", exit, 0),
            crash(value!({"error_type": exit, "status": "error"})),
        ),
        // The figures, or the error type, tell that there was no memory left.
        (
            died("error", exit, 128),
            out_of_memory(
                value!({"error_type": exit, "status": "error", "duration_ms": 12.5, "limit_mb": 128, "memory_size_mb": 128, "max_memory_used_mb": 128}),
            ),
        ),
        (
            died("error", exit, 129),
            out_of_memory(
                value!({"error_type": exit, "status": "error", "duration_ms": 12.5, "limit_mb": 128, "memory_size_mb": 128, "max_memory_used_mb": 129}),
            ),
        ),
        (
            died("error", memory, 127),
            out_of_memory(
                value!({"error_type": memory, "status": "error", "duration_ms": 12.5, "limit_mb": 128, "memory_size_mb": 128, "max_memory_used_mb": 127}),
            ),
        ),
        (
            told_by("runtimeDone", "error", memory, 0),
            out_of_memory(value!({"error_type": memory, "status": "error"})),
        ),
        // A handler that failed, and one that did not, are no business of ours, however much memory they had.
        (died("error", "Function.Unhandled", 33), None),
        (died("error", "Function.ResponseSizeTooLarge", 128), None),
        (died("error", "", 33), None),
        (died("success", "", 128), None),
        (told_by("runtimeDone", "success", "", 0), None),
        (and(vec![]), None),
    ]
}

/// A record's JSON without its last lines, which must be these.
fn without_lines(mut json: Value, lines: &[&str]) -> Value {
    let told = json
        .as_object_mut()
        .and_then(|json| json.remove("last_lines"));
    assert_eq!(told, Some(value!(lines)), "{json}");
    json
}

/// The same without how long it lasted where no report told it: whether that is known then is not promised.
fn comparable(kind: &str, mut json: Value) -> (String, Value) {
    if json.get("max_memory_used_mb").is_none() {
        json.as_object_mut()
            .and_then(|json| json.remove("duration_ms"));
    }
    (kind.to_owned(), json)
}

#[test]
fn each_end_is_told_once_from_whatever_tells_it() {
    let mut wrong = Vec::new();
    for format in FORMATS {
        for (events, expected) in cases() {
            let fed = feed(format, &[], std::slice::from_ref(&events));
            let mut said = Vec::new();
            for (kind, id, json) in own(&fed) {
                assert_eq!(id, "r1");
                let json = without_lines(json, &["one", "[ERROR] two"]);
                said.push(comparable(&kind, json));
            }
            let expected: Vec<(String, Value)> = expected
                .map(|(kind, json)| comparable(kind, json))
                .into_iter()
                .collect();
            if said != expected {
                let events = &events[3..];
                wrong.push(format!(
                    "{events:?}\n  said     {said:?}\n  expected {expected:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_request_has_a_record_of_its_own() {
    let events = and(vec![
        done("r1", "timeout"),
        start("r2"),
        line("three"),
        report("r1", "timeout"),
        done("r2", "timeout"),
        report("r2", "timeout"),
        done("r1", "timeout"),
    ]);
    let fed = feed("json", &[], &[events]);
    let said: Vec<(String, Value)> = own(&fed)
        .into_iter()
        .map(|(_, id, json)| (id, json["last_lines"].clone()))
        .collect();
    let expected = [
        ("r1".to_owned(), value!(["one", "[ERROR] two"])),
        ("r2".to_owned(), value!(["three"])),
    ];
    assert_eq!(said, expected);
}

#[test]
fn shutdown_alone_tells_it_too() {
    for shouts in [false, true] {
        for (kind, reason, crashes) in [
            ("brooklet.timeout", "timeout", false),
            ("brooklet.crash", "failure", true),
        ] {
            let sink = Sink::ok();
            let mut run = Scenario::with(&sink)
                .lambda(|setup| {
                    setup.timeout = Duration::from_millis(300);
                    setup.reasons_in_capitals = shouts;
                })
                .start();
            let doomed = Invocation::line("one")
                .works_ms(30)
                .loses_runtime_done()
                .loses_report();
            let doomed = run.invoke(&if crashes {
                doomed.crashes()
            } else {
                doomed.times_out()
            });
            run.invoke(&Invocation::line("well again"));
            let own: Vec<_> = of_run(&mut run, &sink).iter().map(says).collect();
            let json = value!({"reason": reason, "last_lines": ["one"]});
            assert_eq!(
                own,
                [(kind.to_owned(), doomed.request_id, json)],
                "{}",
                run.printed()
            );
        }
    }
}

#[test]
fn an_environment_that_ends_well_or_had_nothing_under_way_is_not_told_of() {
    let well = [
        start("r1"),
        line("one"),
        done("r1", "success"),
        report("r1", "success"),
    ];
    let mut wrong = Vec::new();
    for (managed, reason, events) in [
        (false, "spindown", vec![]),
        (false, "spindown", well.to_vec()),
        // On Managed Instances there is no INVOKE, and so none can be missing.
        (true, "failure", well.to_vec()),
        (true, "spindown", vec![start("r1"), line("one")]),
        // An init that went well did not fail, whatever came over the idle environment later.
        (false, "failure", vec![]),
    ] {
        let sink = Sink::ok();
        let scenario = scenario(&sink, "json", &[]);
        let scenario = if managed {
            scenario.managed()
        } else {
            scenario
        };
        let fed = feed_until(reason, sink, scenario, &[events]);
        wrong.extend(own(&fed).into_iter().map(|said| (managed, reason, said)));
    }
    assert_eq!(wrong, []);
}

#[test]
fn a_failed_init_is_told_without_a_request() {
    let done = |status: &str, error: &str| {
        event(
            "platform.initRuntimeDone",
            format!(
                r#"{{"initializationType":"on-demand","phase":"init","status":"{status}"{error}}}"#
            ),
        )
    };
    let ended = |status: &str, error: &str| {
        event(
            "platform.initReport",
            format!(
                r#"{{"initializationType":"on-demand","phase":"init","status":"{status}"{error},"metrics":{{"durationMs":173.778}}}}"#
            ),
        )
    };
    let exit = r#","errorType":"Runtime.ExitError""#;
    let said = line("Cannot find module 'app'");
    let lines = ["Cannot find module 'app'"];
    for (events, reason, expected) in [
        (
            vec![said.clone(), done("error", exit), ended("error", exit)],
            "spindown",
            Some(
                value!({"error_type": "Runtime.ExitError", "status": "error", "phase": "init", "duration_ms": 173.778, "last_lines": lines}),
            ),
        ),
        (
            vec![said.clone(), ended("timeout", "")],
            "spindown",
            Some(
                value!({"status": "timeout", "phase": "init", "duration_ms": 173.778, "last_lines": lines}),
            ),
        ),
        (
            vec![said.clone(), done("error", exit)],
            "failure",
            Some(
                value!({"error_type": "Runtime.ExitError", "status": "error", "phase": "init", "last_lines": lines}),
            ),
        ),
        (
            vec![said, done("success", ""), ended("success", "")],
            "spindown",
            None,
        ),
    ] {
        let sink = Sink::ok();
        let scenario = scenario(&sink, "json", &[]);
        let fed = feed_until(reason, sink, scenario, std::slice::from_ref(&events));
        let mut all = own(&fed);
        // What the emulator's own init said before is no part of these events.
        for (_, _, json) in &mut all {
            if let Some(json) = json.as_object_mut() {
                let told = json["status"].clone();
                if told == "error" && reason == "failure" {
                    json.remove("duration_ms");
                }
            }
        }
        let expected: Vec<(String, String, Value)> = expected
            .map(|json| ("brooklet.init_failure".to_owned(), String::new(), json))
            .into_iter()
            .collect();
        assert_eq!(all, expected, "{reason}, {events:#?}");
    }
}

/// The own records of a run that is over.
fn of_run(run: &mut Run, sink: &Sink) -> Vec<Record> {
    run.finish_conserved(sink);
    let mut own = model::own_records(sink);
    own.retain(|record| record.kind != "brooklet.stats");
    own
}

#[test]
fn a_function_that_runs_out_of_time_is_told_of_in_a_whole_life() {
    for format in FORMATS {
        for json_logs in [false, true] {
            for lost in [false, true] {
                let sink = Sink::ok();
                let mut scenario = Scenario::with(&sink)
                    .option("FORMAT", format)
                    .env("OTEL_SERVICE_NAME", "checkout")
                    .lambda(|setup| setup.timeout = Duration::from_millis(300));
                if json_logs {
                    scenario = scenario.json_logs();
                }
                let mut run = scenario.start();
                run.invoke(&Invocation::line("well"));
                let mut slow = Invocation::line("one").print("two").times_out();
                if lost {
                    slow = slow.loses_runtime_done().loses_report();
                }
                let slow = run.invoke(&slow);
                run.invoke(&Invocation::line("well again"));
                let own = of_run(&mut run, &sink);
                assert_eq!(own.len(), 1, "{own:#?}");
                let (kind, id, json) = says(&own[0]);
                assert_eq!(
                    (kind.as_str(), id.as_str()),
                    ("brooklet.timeout", slow.request_id.as_str())
                );
                assert_eq!(json["last_lines"], value!(["one", "two"]), "{json}");
                let told: Value = serde_json::from_str(own[0].json()).expect("JSON");
                let limit = told["limit_ms"].as_f64().unwrap_or(0.0);
                assert!((250.0..=350.0).contains(&limit), "{told}");
                assert_eq!(own[0].text("function_name"), Some("orders"));
                assert_eq!(own[0].text("service_name"), Some("checkout"));
                assert_eq!(
                    own[0].text("function_arn"),
                    Some(run.lambda.setup().arn().as_str())
                );
                assert!(own[0].timestamp.ends_with('Z'), "{:?}", own[0]);
            }
        }
    }
}

#[test]
fn a_runtime_that_dies_is_told_of_and_a_handler_that_fails_is_not() {
    for api in ["telemetry", "logs"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("API", api).start();
        run.invoke(&Invocation::line("fails").fails());
        let dead = run.invoke(&Invocation::line("dies").crashes());
        run.invoke(&Invocation::line("well"));
        let own: Vec<_> = of_run(&mut run, &sink).iter().map(says).collect();
        assert_eq!(own.len(), 1, "{api}: {own:#?}");
        let (kind, id, json) = &own[0];
        assert_eq!((kind.as_str(), id), ("brooklet.crash", &dead.request_id));
        assert_eq!(json["last_lines"], value!(["dies"]), "{json}");
    }
}

#[test]
fn on_managed_instances_each_request_has_its_own_lines() {
    let of = |id: &str, text: &str| {
        json(format!(
            r#"{{"requestId":"{id}","level":"INFO","message":"{text}"}}"#
        ))
    };
    let late = |id: &str, error: &str, status: &str| {
        event(
            "platform.report",
            format!(
                r#"{{"requestId":"{id}","status":"{status}","errorType":"{error}","metrics":{{"durationMs":900.5}}}}"#
            ),
        )
    };
    let events = vec![
        start("r1"),
        start("r2"),
        of("r1", "one of r1"),
        of("r2", "one of r2"),
        line("of nobody"),
        of("r1", "two of r1"),
        late("r1", "Runtime.InvokeTimeout", "timeout"),
        of("r2", "two of r2"),
        late("r2", "Runtime.ExitError", "error"),
        of("r1", "after its end"),
        start("r3"),
        late("r3", "Function.Unhandled", "error"),
    ];
    for format in FORMATS {
        let fed = feed_to(
            Sink::ok(),
            Scenario::managed,
            format,
            &[],
            std::slice::from_ref(&events),
        );
        let all = own(&fed);
        let kinds: Vec<(&str, &str)> = all
            .iter()
            .map(|(kind, id, _)| (kind.as_str(), id.as_str()))
            .collect();
        assert_eq!(
            kinds,
            [("brooklet.timeout", "r1"), ("brooklet.crash", "r2")]
        );
        for ((_, _, json), id) in all.iter().zip(["r1", "r2"]) {
            let lines = json["last_lines"].as_array().expect("lines");
            assert_eq!(lines.len(), 2, "{json}");
            assert!(
                lines
                    .iter()
                    .all(|line| line.as_str().is_some_and(|line| line.contains(id))),
                "{json}"
            );
            assert_eq!(json["duration_ms"], 900.5);
        }
    }
}

#[test]
fn the_last_lines_are_the_last_and_bounded() {
    let lines: Vec<String> = (0..300)
        .map(|number| {
            format!(
                "{number:04} {}",
                "x".repeat(20_000 * usize::from(number % 3 == 0))
            )
        })
        .collect();
    let mut events = vec![
        start("r0"),
        line("of another"),
        done("r0", "success"),
        start("r1"),
    ];
    events.extend(lines.iter().map(|text| line(text)));
    events.push(event("extension", r#""of an extension\n""#));
    events.push(done("r1", "timeout"));
    let fed = feed("json", &[], &[events]);
    let (record, written) = &fed.own[0];
    assert!(written.len() < 64 * 1024, "{} bytes", written.len());
    let (_, _, json) = says(record);
    let told: Vec<&str> = json["last_lines"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(told.len() >= 5, "{} lines", told.len());
    for (told, line) in told.iter().rev().zip(lines.iter().rev()) {
        assert!(told.starts_with(&line[..5]), "{told:.40} is not {line:.40}");
    }
}

#[test]
fn the_last_lines_are_masked_and_hold_json_too() {
    let events = vec![
        start("r1"),
        line("mail ann@example.com"),
        json(r#"{"level":"error","message":"to bob@example.com","order":17}"#),
        json(r#"{"to":"carl@example.com"}"#),
        json(wrapped("plain dora@example.com")),
        done("r1", "timeout"),
    ];
    for format in FORMATS {
        let fed = feed(
            format,
            &[("BROOKLET_REDACT", "email")],
            std::slice::from_ref(&events),
        );
        let (record, written) = &fed.own[0];
        assert!(!written.contains("@example.com"), "{written}");
        let (_, _, json) = says(record);
        let told: Vec<&str> = json["last_lines"]
            .as_array()
            .expect("lines")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(told.len(), 4, "{told:?}");
        for (told, part) in told.iter().zip([
            "mail [redacted:email]",
            "to [redacted:email]",
            "[redacted:email]",
            "plain [redacted:email]",
        ]) {
            assert!(told.contains(part), "{told} does not hold {part}");
        }
    }
}

#[test]
fn an_end_counts_whatever_is_chosen_or_sampled() {
    let events = vec![start("r1"), line("[DEBUG] one"), done("r1", "timeout")];
    for options in [
        [("BROOKLET_SAMPLE", "0")],
        [("BROOKLET_EXCLUDE", ".")],
        [("BROOKLET_INCLUDE", "nothing")],
        [("BROOKLET_MIN_LEVEL", "fatal")],
        [("BROOKLET_KEEP_FIELDS", "nothing")],
        [("BROOKLET_DROP_FIELDS", "status,last_lines")],
    ] {
        let fed = feed("json", &options, std::slice::from_ref(&events));
        let all = own(&fed);
        assert_eq!(all.len(), 1, "{options:?}");
        assert_eq!(all[0].2["status"], "timeout", "{options:?}");
    }
}

#[test]
fn the_whole_record_of_a_timeout() {
    let options = [("BROOKLET_TAGS", "team=a"), ("BROOKLET_SAMPLE", "0.5")];
    let fed = feed(
        "json",
        &options,
        &[vec![start("r1"), line("one"), done("r1", "timeout")]],
    );
    let fields: Vec<String> = model::fields(&fed.own[0].1)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    for name in [
        "type",
        "timestamp",
        "level",
        "message",
        "record",
        "request_id",
        "cold_start",
        "record_id",
        "function_name",
        "tags",
    ] {
        assert!(
            fields.iter().any(|field| field == name),
            "{name} is not in {fields:?}"
        );
    }
    assert!(fed.own[0].0.timestamp.ends_with('Z'), "{:?}", fed.own[0]);
}

#[test]
fn the_last_lines_hold_nothing_that_the_owner_does_not_ship() {
    let events = vec![
        start("r1"),
        json(r#"{"password":"hunter2","n":1}"#),
        line("hunter2 is excluded"),
        line("fine"),
        done("r1", "timeout"),
    ];
    let options = [
        ("BROOKLET_DROP_FIELDS", "password"),
        ("BROOKLET_EXCLUDE", "excluded"),
    ];
    for format in FORMATS {
        let fed = feed(format, &options, std::slice::from_ref(&events));
        let (_, written) = &fed.own[0];
        assert!(!written.contains("hunter2"), "{written}");
        assert!(written.contains("fine"), "{written}");
    }
}
