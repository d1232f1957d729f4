//! Platform events carry the line that CloudWatch users know, and their record as it came.

use super::feed::{FORMATS, Told, check, event, feed};
use super::replay;
use crate::model;
use serde_json::Value;

/// `name: value` parts behind one another, as CloudWatch writes them: the first behind a blank, the others behind tabs.
fn parts(first: &str, parts: Vec<Option<String>>) -> String {
    let known = parts.iter().enumerate().filter_map(|(at, part)| {
        let sign = if at == 0 { ' ' } else { '\t' };
        part.as_ref().map(|part| format!("{sign}{part}"))
    });
    format!("{first}{}", known.collect::<String>())
}

/// A text of the record as a part.
fn text(record: &Value, key: &str, label: &str) -> Option<String> {
    let known = record[key].as_str().filter(|text| !text.is_empty())?;
    Some(format!("{label}: {known}"))
}

/// A number of the record's metrics as a part, with so many decimals.
fn metric(record: &Value, key: &str, label: &str, unit: &str, decimals: usize) -> Option<String> {
    let value = record["metrics"][key].as_f64()?;
    Some(format!("{label}: {value:.decimals$} {unit}"))
}

/// Its status, if it is not success.
fn trouble(record: &Value) -> Vec<Option<String>> {
    if record["status"] == "success" {
        return Vec::new();
    }
    vec![
        text(record, "status", "Status"),
        text(record, "errorType", "Error Type"),
    ]
}

/// Its status, whatever it is.
fn status(record: &Value) -> Vec<Option<String>> {
    vec![
        text(record, "status", "Status"),
        text(record, "errorType", "Error Type"),
    ]
}

/// A list of the record.
fn list(record: &Value, key: &str, label: &str) -> String {
    let items: Vec<&str> = record[key]
        .as_array()
        .map(|items| items.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    format!("{label}: [{}]", items.join(", "))
}

/// The tests' own writer of CloudWatch's lines; `None` where there is none.
fn cloudwatch(kind: &str, record: &Value) -> Option<String> {
    if let Some(text) = record.as_str() {
        return Some(text.strip_suffix('\n').unwrap_or(text).to_owned());
    }
    let id = text(record, "requestId", "RequestId");
    let versions = vec![
        text(record, "runtimeVersion", "Runtime Version"),
        text(record, "runtimeVersionArn", "Runtime Version ARN"),
    ];
    Some(match kind.strip_prefix("platform.")? {
        "start" => {
            let version = record["version"].as_str();
            let version = version.map_or(String::new(), |it| format!(" Version: {it}"));
            format!("START {}{version}", id?)
        }
        "end" | "runtimeDone" => format!("END {}", id?),
        "report" => parts(
            "REPORT",
            [
                vec![
                    id,
                    metric(record, "durationMs", "Duration", "ms", 2),
                    metric(record, "billedDurationMs", "Billed Duration", "ms", 0),
                    metric(record, "memorySizeMB", "Memory Size", "MB", 0),
                    metric(record, "maxMemoryUsedMB", "Max Memory Used", "MB", 0),
                    metric(record, "initDurationMs", "Init Duration", "ms", 2),
                    metric(record, "restoreDurationMs", "Restore Duration", "ms", 2),
                ],
                trouble(record),
            ]
            .concat(),
        ),
        "initStart" => parts("INIT_START", versions),
        "initRuntimeDone" => parts("INIT_RUNTIME_DONE", status(record)),
        "initReport" => parts(
            "INIT_REPORT",
            [
                vec![
                    metric(record, "durationMs", "Init Duration", "ms", 2),
                    text(record, "phase", "Phase"),
                ],
                status(record),
            ]
            .concat(),
        ),
        "restoreStart" => parts("RESTORE_START", versions),
        "restoreRuntimeDone" => parts("RESTORE_RUNTIME_DONE", status(record)),
        "restoreReport" => parts(
            "RESTORE_REPORT",
            [
                vec![metric(record, "durationMs", "Restore Duration", "ms", 2)],
                trouble(record),
            ]
            .concat(),
        ),
        "extension" => format!(
            "EXTENSION\tName: {}\tState: {}\t{}",
            record["name"].as_str()?,
            record["state"].as_str()?,
            list(record, "events", "Events")
        ),
        kind @ ("telemetrySubscription" | "logsSubscription") => format!(
            "{}\tName: {}\tState: {}\t{}",
            if kind == "logsSubscription" {
                "LOGS"
            } else {
                "TELEMETRY"
            },
            record["name"].as_str()?,
            record["state"].as_str()?,
            list(record, "types", "Types")
        ),
        "logsDropped" => format!(
            "LOGS_DROPPED Records: {}\tBytes: {}\tReason: {}",
            record["droppedRecords"],
            record["droppedBytes"],
            record["reason"].as_str()?
        ),
        _ => return None,
    })
}

#[test]
fn the_lines_are_those_of_cloudwatch() {
    let id = "4b142fc3-17b8-4cdb-a46b-a8dbe7918715";
    let mut rows = Vec::new();
    for (kind, record, line) in [
        (
            "start",
            r#"{"requestId":"ID","version":"$LATEST"}"#,
            "START RequestId: ID Version: $LATEST",
        ),
        ("start", r#"{"requestId":"ID"}"#, "START RequestId: ID"),
        ("end", r#"{"requestId":"ID"}"#, "END RequestId: ID"),
        (
            "runtimeDone",
            r#"{"requestId":"ID","status":"error","errorType":"X"}"#,
            "END RequestId: ID",
        ),
        (
            "report",
            r#"{"requestId":"ID","status":"success","metrics":{"durationMs":2.5,"billedDurationMs":3,"memorySizeMB":128,"maxMemoryUsedMB":67,"initDurationMs":174.055}}"#,
            "REPORT RequestId: ID\tDuration: 2.50 ms\tBilled Duration: 3 ms\tMemory Size: 128 MB\tMax Memory Used: 67 MB\tInit Duration: 174.06 ms",
        ),
        (
            "report",
            r#"{"requestId":"ID","status":"timeout","metrics":{"durationMs":180000,"billedDurationMs":180000.0,"memorySizeMB":1280,"maxMemoryUsedMB":1201}}"#,
            "REPORT RequestId: ID\tDuration: 180000.00 ms\tBilled Duration: 180000 ms\tMemory Size: 1280 MB\tMax Memory Used: 1201 MB\tStatus: timeout",
        ),
        (
            "report",
            r#"{"requestId":"ID","status":"error","errorType":"Runtime.ExitError","metrics":{"durationMs":0.126,"billedDurationMs":1,"memorySizeMB":128,"maxMemoryUsedMB":3,"restoreDurationMs":297.02}}"#,
            "REPORT RequestId: ID\tDuration: 0.13 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 3 MB\tRestore Duration: 297.02 ms\tStatus: error\tError Type: Runtime.ExitError",
        ),
        (
            "report",
            r#"{"requestId":"ID","status":"success","metrics":{"durationMs":1.148}}"#,
            "REPORT RequestId: ID\tDuration: 1.15 ms",
        ),
        (
            "initStart",
            r#"{"initializationType":"on-demand","phase":"init","runtimeVersion":"nodejs:18.v28","runtimeVersionArn":"arn:aws:lambda:eu-west-3::runtime:b475"}"#,
            "INIT_START Runtime Version: nodejs:18.v28\tRuntime Version ARN: arn:aws:lambda:eu-west-3::runtime:b475",
        ),
        (
            "initReport",
            r#"{"initializationType":"on-demand","phase":"init","status":"timeout","metrics":{"durationMs":173.778}}"#,
            "INIT_REPORT Init Duration: 173.78 ms\tPhase: init\tStatus: timeout",
        ),
        (
            "initReport",
            r#"{"initializationType":"on-demand","phase":"invoke","status":"error","errorType":"Runtime.ExitError","metrics":{"durationMs":1}}"#,
            "INIT_REPORT Init Duration: 1.00 ms\tPhase: invoke\tStatus: error\tError Type: Runtime.ExitError",
        ),
        (
            "initRuntimeDone",
            r#"{"initializationType":"on-demand","status":"success"}"#,
            "INIT_RUNTIME_DONE Status: success",
        ),
        (
            "restoreReport",
            r#"{"status":"success","metrics":{"durationMs":297.02}}"#,
            "RESTORE_REPORT Restore Duration: 297.02 ms",
        ),
        (
            "restoreReport",
            r#"{"status":"timeout","errorType":"Runtime.RestoreError","metrics":{"durationMs":10000}}"#,
            "RESTORE_REPORT Restore Duration: 10000.00 ms\tStatus: timeout\tError Type: Runtime.RestoreError",
        ),
        (
            "extension",
            r#"{"name":"x","state":"Ready","events":["INVOKE","SHUTDOWN"]}"#,
            "EXTENSION\tName: x\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
        ),
        (
            "telemetrySubscription",
            r#"{"name":"x","state":"Subscribed","types":["platform","function"]}"#,
            "TELEMETRY\tName: x\tState: Subscribed\tTypes: [platform, function]",
        ),
        (
            "logsDropped",
            r#"{"droppedBytes":3456,"droppedRecords":12,"reason":"too slow"}"#,
            "LOGS_DROPPED Records: 12\tBytes: 3456\tReason: too slow",
        ),
        (
            "fault",
            r#""RequestId: ID Status: error\tErrorType: Runtime.ExitError""#,
            "RequestId: ID Status: error\tErrorType: Runtime.ExitError",
        ),
        // Records as text, which the Logs API is said to have sent.
        (
            "report",
            r#""REPORT RequestId: ID\tDuration: 1.00 ms\n""#,
            "REPORT RequestId: ID\tDuration: 1.00 ms",
        ),
    ] {
        let (record, line) = (record.replace("ID", id), line.replace("ID", id));
        let own: Value = serde_json::from_str(&record).expect("JSON");
        assert_eq!(
            cloudwatch(&format!("platform.{kind}"), &own).as_deref(),
            Some(line.as_str())
        );
        rows.push((event(&format!("platform.{kind}"), record), line));
    }
    for format in FORMATS {
        let events: Vec<Told> = rows.iter().map(|(event, _)| event.clone()).collect();
        let fed = feed(format, &[], &[events]);
        for (number, (event, line)) in rows.iter().enumerate() {
            let fields = fed.fields(number).expect("a record");
            let message = fields.get("message").map(|raw| model::string(raw));
            assert_eq!(message.as_deref(), Some(line.as_str()), "{event:?}");
        }
    }
}

#[test]
fn every_sample_has_its_line_and_keeps_its_record() {
    let mut samples = Vec::new();
    for (name, text) in replay::samples() {
        let events = replay::events(&text).unwrap_or_default();
        let platform = events
            .into_iter()
            .filter(|event| event.kind.starts_with("platform."));
        samples.extend(platform.map(|event| (name.clone(), event)));
    }
    assert!(samples.len() > 80, "{} samples", samples.len());
    for format in FORMATS {
        let events: Vec<Told> = samples
            .iter()
            .map(|(_, sample)| event(&sample.kind, sample.record.clone()))
            .collect();
        let fed = feed(format, &[], &[events]);
        for (number, (name, sample)) in samples.iter().enumerate() {
            let fields = fed.fields(number).expect("a record");
            let record: Value = serde_json::from_str(&sample.record).expect("JSON");
            let message = fields.get("message").map(|raw| model::string(raw));
            assert_eq!(
                message,
                cloudwatch(&sample.kind, &record),
                "{name}: {sample:?}"
            );
            let shipped = fields.get("record").map(|raw| model::compact(raw));
            let expected = (!record.is_string()).then(|| model::compact(&sample.record));
            assert_eq!(shipped, expected, "{name}: {sample:?}");
        }
    }
}

#[test]
fn an_event_that_nobody_knows_has_no_line() {
    check(
        &[],
        &[
            (
                event("platform.somethingNew", r#"{"requestId":"r1","x":1.50}"#),
                Some(r#"{"record":{"requestId":"r1","x":1.50},"request_id":"r1"}"#),
            ),
            (
                event("platform.report", "17"),
                Some(r#"{"level":"info","record":17}"#),
            ),
            (
                event("platform.somethingNew", r#""a text\n""#),
                Some(r#"{"message":"a text"}"#),
            ),
        ],
    );
}

#[test]
fn the_platform_s_words_need_no_trust() {
    // Values of other kinds than the documentation's leave their part of the line out, and harm nothing.
    for format in FORMATS {
        let odd = [
            r#"{"requestId":17,"version":{}}"#,
            r#"{"requestId":"r\n1\t","version":"\u0000"}"#,
            r#"{"requestId":"r1","metrics":{"durationMs":"1","billedDurationMs":1e400,"memorySizeMB":null}}"#,
            r#"{"requestId":"r1","metrics":[1]}"#,
            r#"{"name":"x","state":7,"events":"INVOKE"}"#,
            r#"{"droppedRecords":"7","droppedBytes":-1,"reason":null}"#,
            "{}",
            "[]",
            "null",
        ];
        let kinds = [
            "start",
            "report",
            "runtimeDone",
            "initReport",
            "extension",
            "logsDropped",
            "restoreReport",
        ];
        let mut events = Vec::new();
        for kind in kinds {
            for record in odd {
                events.push(event(&format!("platform.{kind}"), record));
            }
        }
        let count = events.len();
        let fed = feed(format, &[], &[events]);
        assert_eq!(fed.kept().len(), count);
        for number in 0..count {
            let fields = fed.fields(number).expect("a record");
            assert_eq!(fields["record"], odd[number % odd.len()]);
        }
    }
}
