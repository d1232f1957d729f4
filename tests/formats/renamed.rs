//! `axiom`, `betterstack`, `victorialogs` and `dynatrace`: flat objects like the plain ones, some fields under the destination's names.

use super::{Case, Common, Object, Payload, check, feed, nanoseconds, object, tags};
use crate::model;
use crate::scenario::feed::line;
use crate::sink::Sink;
use crate::sink::script::{Reply, Script};

/// What a destination calls the fields that it knows.
struct Names {
    time: &'static str,
    level: &'static str,
    message: &'static str,
    request_id: &'static str,
    trace_id: &'static str,
    cold_start: &'static str,
    function_name: &'static str,
    function_version: &'static str,
    function_arn: &'static str,
    region: &'static str,
    account_id: &'static str,
    service_name: &'static str,
    flat: bool,
}

const OURS: Names = Names {
    time: "timestamp",
    level: "level",
    message: "message",
    request_id: "request_id",
    trace_id: "trace_id",
    cold_start: "cold_start",
    function_name: "function_name",
    function_version: "function_version",
    function_arn: "function_arn",
    region: "region",
    account_id: "account_id",
    service_name: "service_name",
    flat: false,
};

const DYNATRACE: Names = Names {
    level: "severity",
    message: "content",
    request_id: "faas.invocation_id",
    trace_id: "aws.xray.trace_id",
    cold_start: "faas.coldstart",
    function_name: "faas.name",
    function_version: "faas.version",
    function_arn: "aws.arn",
    region: "aws.region",
    account_id: "aws.account.id",
    service_name: "service.name",
    flat: true,
    ..OURS
};

/// An object, or the fields that are its keys.
fn structure(it: &mut Object, name: &str, flat: bool) -> Option<String> {
    let whole = it.json(name).map(|json| model::compact(&json));
    if !flat {
        return whole;
    }
    whole.or_else(|| {
        let keys = it.all(&format!("{name}."));
        (!keys.is_empty()).then(|| object(&keys))
    })
}

fn one(json: &str, names: &Names) -> Common {
    let mut it = Object::of(json);
    let kind = it.must("type");
    let time_ns = nanoseconds(&it.must(names.time));
    let one = Common {
        kind,
        time_ns,
        level: it.text(names.level),
        message: it.text(names.message),
        record: structure(&mut it, "record", names.flat),
        request_id: it.text(names.request_id),
        trace_id: it.text(names.trace_id),
        tenant_id: it.text("tenant_id"),
        cold_start: it.truth(names.cold_start),
        sample: it.json("sample"),
        record_id: it.must("record_id"),
        extra: structure(&mut it, "extra", names.flat),
        function_name: it.text(names.function_name),
        function_version: it.text(names.function_version),
        function_arn: it.text(names.function_arn),
        function_memory_mb: it.number("function_memory_mb"),
        region: it.text(names.region),
        account_id: it.text(names.account_id),
        service_name: it.text(names.service_name),
        tags: structure(&mut it, "tags", names.flat)
            .map(|json| tags(&json))
            .unwrap_or_default(),
    };
    it.end();
    one
}

pub(super) const AXIOM: Case = Case {
    format: "axiom",
    extension: "ndjson",
    options: &[],
    unit_ns: 1,
    fills_message: false,
    read: |payload: &Payload| {
        let names = Names {
            time: "_time",
            ..OURS
        };
        payload
            .lines()
            .iter()
            .map(|json| one(json, &names))
            .collect()
    },
};

pub(super) const BETTERSTACK: Case = Case {
    format: "betterstack",
    extension: "json",
    read: |payload| {
        let names = Names { time: "dt", ..OURS };
        payload
            .elements()
            .iter()
            .map(|json| one(json, &names))
            .collect()
    },
    ..AXIOM
};

pub(super) const VICTORIALOGS: Case = Case {
    format: "victorialogs",
    fills_message: true,
    read: |payload| {
        payload
            .lines()
            .iter()
            .map(|json| one(json, &OURS))
            .collect()
    },
    ..AXIOM
};

pub(super) const DYNATRACE_CASE: Case = Case {
    format: "dynatrace",
    extension: "json",
    fills_message: true,
    read: |payload| {
        payload
            .elements()
            .iter()
            .map(|json| one(json, &DYNATRACE))
            .collect()
    },
    ..AXIOM
};

#[test]
fn axiom_says_what_the_events_say() {
    check(&AXIOM);
}

#[test]
fn betterstack_says_what_the_events_say() {
    check(&BETTERSTACK);
}

#[test]
fn victorialogs_says_what_the_events_say() {
    check(&VICTORIALOGS);
}

#[test]
fn dynatrace_says_what_the_events_say() {
    check(&DYNATRACE_CASE);
}

#[test]
fn a_failure_behind_a_good_status_is_found() {
    for (format, answer, refused, why) in [
        (
            "axiom",
            r#"{"ingested":3,"failed":2,"failures":[{"timestamp":"2031-05-20T00:00:00Z","error":"field limit reached"}]}"#,
            2,
            "field limit reached",
        ),
        (
            "dynatrace",
            r#"{"details":{"code":200,"message":"1 events were not ingested because of timestamp out of correct time range."}}"#,
            1,
            "out of correct time range",
        ),
    ] {
        let sink = Sink::new(Script::first([Reply::status(200).body(answer)]));
        let five = (0..5).map(|n| line(&format!("line {n}"))).collect();
        let fed = feed(sink, format, &[("BROOKLET_BATCH_RECORDS", "5")], &[five]);
        assert_eq!(
            fed.count("refused"),
            refused,
            "{format}: {:?}",
            fed.counters
        );
        let told = format!("refused {refused} of 5 records");
        assert!(
            fed.tells(&["error: ", &told, why]),
            "{format}: {:?}",
            fed.run.stderr()
        );
    }
}
