//! `newrelic`: one block of its Log API, what is common to all records before them.

use super::{Case, Common, Object, Payload, check, tags};
use crate::model;

pub(super) const CASE: Case = Case {
    format: "newrelic",
    extension: "json",
    options: &[],
    unit_ns: 1_000_000,
    fills_message: true,
    read,
};

fn read(payload: &Payload) -> Vec<Common> {
    let blocks = payload.elements();
    assert_eq!(blocks.len(), 1, "one block");
    let mut block = Object::of(&blocks[0]);
    let mut common = Object::of(&block.json("common").expect("a common block"));
    let mut it = Object::of(&common.json("attributes").expect("its attributes"));
    common.end();
    assert_eq!(it.must("plugin.type"), "brooklet");
    let shared = Common {
        function_name: it.text("faas.name"),
        function_version: it.text("faas.version"),
        function_arn: it.text("faas.arn"),
        function_memory_mb: it.number("function_memory_mb"),
        region: it.text("cloud.region"),
        account_id: it.text("cloud.account.id"),
        service_name: it.text("service.name"),
        tags: it.json("tags").map(|json| tags(&json)).unwrap_or_default(),
        ..Common::default()
    };
    it.end();
    let logs = super::elements(&block.json("logs").expect("its records"));
    block.end();
    logs.iter().map(|json| entry(json, &shared)).collect()
}

fn entry(json: &str, shared: &Common) -> Common {
    let mut it = Object::of(json);
    let time_ns = it.number("timestamp").expect("a time") * 1_000_000;
    let message = it.must("message");
    let mut of = Object::of(&it.json("attributes").expect("attributes"));
    it.end();
    let kind = of.must("logtype");
    let level = of.text("level");
    let structure = of.json("record");
    if let Some(json) = &structure {
        assert!(json.starts_with('{'), "arrays are not taken: {json}");
    }
    let one = Common {
        time_ns,
        kind,
        level,
        message: Some(message),
        request_id: of.text("aws.lambda_request_id"),
        trace_id: of.text("trace_id"),
        tenant_id: of.text("tenant_id"),
        cold_start: of.truth("cold_start"),
        sample: of.json("sample"),
        record_id: of.must("record_id"),
        extra: of.json("extra").map(|json| model::compact(&json)),
        record: structure
            .or_else(|| of.text("record"))
            .map(|json| model::compact(&json)),
        ..shared.clone()
    };
    of.end();
    one
}

#[test]
fn it_says_what_the_events_say() {
    check(&CASE);
}
