//! What the stream and the environment tell about a record: request, trace, tenant, cold start, who logs.

use super::feed::{self, FORMATS, Told, done, event, feed, feed_to, json, line, start};
use crate::harness::Scenario;
use crate::lambda::function::Invocation;
use crate::lambda::setup::InitializationType;
use crate::model;
use crate::sink::Sink;
use std::collections::BTreeMap;

/// What only says who logs, or which event it was.
const HIDDEN: [&str; 9] = [
    "type",
    "timestamp",
    "record_id",
    "function_name",
    "function_version",
    "function_memory_mb",
    "region",
    "account_id",
    "function_arn",
];

/// `platform.start` with a trace and a tenant.
fn start_traced(id: &str, root: &str, tenant: &str) -> Told {
    event(
        "platform.start",
        format!(
            r#"{{"requestId":"{id}","version":"1","tracing":{{"spanId":"s","type":"X-Amzn-Trace-Id","value":"Root={root};Parent=p;Sampled=1"}},"tenantId":"{tenant}"}}"#
        ),
    )
}

/// Lines of two requests that follow each other, late ones included, and of nobody.
fn two_requests() -> Vec<(Told, &'static str, &'static str)> {
    vec![
        // The event; its request, trace, tenant and cold start one after the other; the same on Managed Instances.
        (line("in init"), "cold", "cold"),
        (json(r#"{"a":1}"#), "cold", "cold"),
        (
            start_traced("r1", "1-a", "blue"),
            "r1 1-a blue cold",
            "r1 1-a blue cold",
        ),
        (line("of r1"), "r1 1-a blue cold", ""),
        (
            line(r#"{"requestId":"r1","document":true}"#),
            "r1 1-a blue cold",
            "r1 cold",
        ),
        (json(r#"{"requestId":"r1"}"#), "r1 1-a blue cold", "r1 cold"),
        (
            json(r#"{"AWSRequestId":"r1"}"#),
            "r1 1-a blue cold",
            "r1 cold",
        ),
        (
            json(r#"{"function_request_id":"r1"}"#),
            "r1 1-a blue cold",
            "r1 cold",
        ),
        (
            json(r#"{"requestId":"r1","tenantId":"red"}"#),
            "r1 1-a red cold",
            "r1 red cold",
        ),
        (json(r#"{"requestId":""}"#), "r1 1-a blue cold", ""),
        (json(r#"{"requestId":17}"#), "r1 1-a blue cold", ""),
        (event("extension", r#""of nobody\n""#), "", ""),
        (done("r1", "success"), "r1 1-a blue cold", "r1 cold"),
        (line("of r1, late"), "r1 1-a blue cold", ""),
        (start("r2"), "r2 warm", "r2 warm"),
        (line("of r2"), "r2 warm", ""),
        (feed::report("r1", "success"), "r1 cold", "r1 cold"),
        (
            json(r#"{"requestId":"r1","late":true}"#),
            "r1 cold",
            "r1 cold",
        ),
        (line("of r2 again"), "r2 warm", ""),
    ]
}

/// The same as a row of the table tells it.
fn told(fields: &BTreeMap<String, String>) -> String {
    let text = |name: &str| fields.get(name).map(|raw| model::string(raw));
    let cold = fields.get("cold_start").map(|raw| match raw.as_str() {
        "true" => "cold".to_owned(),
        _ => "warm".to_owned(),
    });
    let all = [
        text("request_id"),
        text("trace_id"),
        text("tenant_id"),
        cold,
    ];
    all.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

#[test]
fn text_belongs_to_the_request_of_the_stream_and_json_to_its_own() {
    for format in FORMATS {
        let table = two_requests();
        let events: Vec<Told> = table.iter().map(|(event, _, _)| event.clone()).collect();
        let fed = feed(format, &[], &[events]);
        for (number, (event, expected, _)) in table.iter().enumerate() {
            let fields = fed.fields(number).expect("a record");
            assert_eq!(told(&fields), *expected, "{event:?}");
        }
    }
}

#[test]
fn on_managed_instances_only_a_record_knows_its_request() {
    for format in FORMATS {
        let table = two_requests();
        let events: Vec<Told> = table.iter().map(|(event, _, _)| event.clone()).collect();
        let fed = feed_to(Sink::ok(), Scenario::managed, format, &[], &[events]);
        for (number, (event, _, expected)) in table.iter().enumerate() {
            let fields = fed.fields(number).expect("a record");
            // What a request's own start told of it may be known of its later records too, or not.
            let mut got = told(&fields);
            if !expected.contains("1-a") {
                got = got.replace(" 1-a", "").replace(" blue", "");
            }
            assert_eq!(got, *expected, "{event:?}");
        }
    }
}

/// The function's records of one invocation, whole, with their time and id replaced.
fn whole_records(run: Scenario, sink: &Sink, lines: &[&str]) -> Vec<String> {
    let mut run = run.start();
    let invocation = lines
        .iter()
        .fold(Invocation::silent(), |it, line| it.print(*line));
    run.invoke(&invocation);
    run.finish_conserved(sink);
    let mut found = Vec::new();
    for request in sink.received() {
        let body = String::from_utf8(request.body()).expect("text");
        for piece in model::pieces(&request, &body) {
            let fields: BTreeMap<String, String> = model::fields(piece).into_iter().collect();
            if fields["type"] == "\"function\"" {
                let (time, id) = (&fields["timestamp"], &fields["record_id"]);
                found.push(
                    piece
                        .replace(time.as_str(), "\"T\"")
                        .replace(id.as_str(), "\"R\""),
                );
            }
        }
    }
    found
}

#[test]
fn a_whole_record_in_both_log_formats() {
    let tail = r#""request_id":"3da1f2dc-3222-475e-9205-000000000001","trace_id":"1-5f35ae12-0c0fec141ab77a00bc047aa2","tenant_id":"blue","cold_start":true,"record_id":"R","function_name":"orders","function_version":"$LATEST","function_arn":"arn:aws:lambda:eu-central-1:123456789012:function:orders","function_memory_mb":128,"region":"eu-central-1","account_id":"123456789012","service_name":"checkout","tags":{"stage":"test","team":"payments"}}"#;
    let lines = ["one", r#"{"level":30,"msg":"two"}"#];
    for (json_logs, heads) in [
        (
            false,
            [
                r#""message":"one","#,
                r#""level":"info","message":"two","record":{"level":30,"msg":"two"},"#,
            ],
        ),
        (
            true,
            [
                r#""level":"info","message":"one","record":{"timestamp":"T","level":"INFO","message":"one"},"#,
                r#""level":"info","message":"two","record":{"level":30,"msg":"two"},"#,
            ],
        ),
    ] {
        for format in FORMATS {
            let sink = Sink::ok();
            let mut scenario = Scenario::with(&sink)
                .option("FORMAT", format)
                .option("TAGS", "stage=test,team=payments")
                .env("OTEL_SERVICE_NAME", "checkout")
                .lambda(|setup| setup.tenant = Some("blue".to_owned()));
            if json_logs {
                scenario = scenario.json_logs();
            }
            let mut found = whole_records(scenario, &sink, &lines);
            // The runtime's time inside the wrapper may be another than the event's.
            for one in &mut found {
                if let Some((before, rest)) = one.split_once(r#""record":{"timestamp":""#)
                    && let Some((_, after)) = rest.split_once('"')
                {
                    *one = format!(r#"{before}"record":{{"timestamp":"T"{after}"#);
                }
            }
            let expected =
                heads.map(|head| format!(r#"{{"type":"function","timestamp":"T",{head}{tail}"#));
            assert_eq!(found, expected, "{format}");
        }
    }
}

#[test]
fn a_service_has_the_name_and_the_attributes_that_opentelemetry_s_variables_give_it() {
    let service = "OTEL_SERVICE_NAME";
    let attributes = "OTEL_RESOURCE_ATTRIBUTES";
    let tags = "BROOKLET_TAGS";
    for (options, name, expected) in [
        (&[][..], None, &[][..]),
        (&[(service, "checkout")][..], Some("checkout"), &[][..]),
        (&[(service, "")][..], None, &[][..]),
        (
            &[(attributes, "team=payments,stage=te%20st")][..],
            None,
            &["stage=te st", "team=payments"][..],
        ),
        // brooklet's own variable goes before the common one.
        (
            &[
                (attributes, "team=payments,stage=test"),
                (tags, "team=orders,cell=4"),
            ][..],
            None,
            &["cell=4", "stage=test", "team=orders"][..],
        ),
        (
            &[(attributes, "service.name=cart")][..],
            Some("cart"),
            &[][..],
        ),
        // The variable that is only for it goes before the list.
        (
            &[
                (service, "checkout"),
                (attributes, "service.name=cart,team=a"),
            ][..],
            Some("checkout"),
            &["team=a"][..],
        ),
    ] {
        let fed = feed("json", options, &[vec![line("x"), start("r1")]]);
        for number in [0, 1] {
            let fields = fed.fields(number).expect("a record");
            let found = fields.get("service_name").map(|raw| model::string(raw));
            assert_eq!(found.as_deref(), name, "{options:?}");
            let found: BTreeMap<String, String> = fields
                .get("tags")
                .map(|raw| serde_json::from_str(raw).expect("tags"))
                .unwrap_or_default();
            let found: Vec<String> = found
                .iter()
                .filter(|(name, _)| *name != "service.name")
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            assert_eq!(found, expected, "{options:?}");
        }
    }
}

#[test]
fn attributes_that_cannot_be_read_are_named_and_do_no_harm() {
    let options = [
        ("OTEL_RESOURCE_ATTRIBUTES", "team"),
        ("BROOKLET_TAGS", "a=b"),
    ];
    let fed = feed("json", &options, &[vec![line("x")]]);
    let tags = fed.fields(0).expect("a record")["tags"].clone();
    assert_eq!(tags, r#"{"a":"b"}"#);
    assert!(
        fed.tells(&["OTEL_RESOURCE_ATTRIBUTES"]),
        "{:?}",
        fed.stderr()
    );
}

#[test]
fn only_the_first_request_of_an_environment_is_cold() {
    for how in [
        InitializationType::OnDemand,
        InitializationType::ProvisionedConcurrency,
        InitializationType::SnapStart,
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .initialized(how)
            .lambda(|setup| setup.init_lines = vec!["in init".to_owned()])
            .start();
        run.invoke(&Invocation::line("one"));
        run.invoke(&Invocation::line("two"));
        run.finish_conserved(&sink);
        for record in model::records(&sink) {
            let second = record
                .text("request_id")
                .is_some_and(|id| id.ends_with('2'));
            assert_eq!(record.cold_start, Some(!second), "{how:?} {record:?}");
        }
    }
}

#[test]
fn nothing_that_is_not_known_is_made_up() {
    let fed = feed("json", &[], &[vec![line("before anything")]]);
    let shown = fed.whole(0, &HIDDEN).expect("a record");
    assert_eq!(shown, r#"{"message":"before anything","cold_start":true}"#);
}
