//! `coralogix`: entries of the singles API, the whole record as their text.

use super::{Case, Common, Object, Payload, check, tags};
use crate::model;

pub(super) const CASE: Case = Case {
    format: "coralogix",
    extension: "json",
    options: &[],
    unit_ns: 1_000_000,
    fills_message: false,
    read,
};

fn read(payload: &Payload) -> Vec<Common> {
    let entries = payload.elements().into_iter();
    entries.map(|json| entry(&json)).collect()
}

fn entry(json: &str) -> Common {
    let mut entry = Object::of(json);
    let time_ns = entry.number("timestamp").expect("a time") * 1_000_000;
    let application = entry.must("applicationName");
    let subsystem = entry.must("subsystemName");
    let severity = entry.number("severity");
    let mut it = Object::of(&entry.json("text").expect("a text"));
    entry.end();
    let kind = it.must("type");
    let compact = |json: String| model::compact(&json);
    let one = Common {
        time_ns,
        kind,
        level: it.text("level"),
        message: it.text("message"),
        record: it.json("record").map(compact),
        request_id: it.text("request_id"),
        trace_id: it.text("trace_id"),
        tenant_id: it.text("tenant_id"),
        cold_start: it.truth("cold_start"),
        sample: it.json("sample"),
        record_id: it.must("record_id"),
        extra: it.json("extra").map(compact),
        function_name: it.text("function_name"),
        function_version: it.text("function_version"),
        function_arn: it.text("function_arn"),
        function_memory_mb: it.number("function_memory_mb"),
        region: it.text("region"),
        account_id: it.text("account_id"),
        service_name: it.text("service_name"),
        tags: it.json("tags").map(|json| tags(&json)).unwrap_or_default(),
    };
    it.end();
    assert_eq!(Some(subsystem), one.function_name);
    assert_eq!(Some(application), one.service_name);
    let number = one.level.as_deref().map(|level| match level {
        "trace" | "debug" => 1,
        "info" => 3,
        "warn" => 4,
        "error" => 5,
        "fatal" => 6,
        other => panic!("no level: {other}"),
    });
    assert_eq!(severity, number, "{json}");
    one
}

#[test]
fn it_says_what_the_events_say() {
    let payload = check(&CASE);
    // Not documented.
    assert_eq!(payload.request.header("content-encoding"), None);
}

#[test]
fn the_application_can_be_named() {
    let payload = super::payload("coralogix", &[("BROOKLET_INDEX", "prod \"1\"")]);
    for json in payload.elements() {
        let mut entry = Object::of(&json);
        let _time = entry.number("timestamp");
        assert_eq!(entry.must("applicationName"), "prod \"1\"");
        assert_eq!(entry.must("subsystemName"), "orders");
    }
}
