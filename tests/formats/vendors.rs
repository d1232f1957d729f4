//! What the vendors' formats have in common: paths and keys, limits that are kept, and what an answer leads to.

use super::{Fed, Payload, feed, payload};
use crate::harness::{PATIENCE, Scenario, binary};
use crate::scenario::feed::{line, quote};
use crate::sink::Sink;
use crate::sink::absent::Refusing;
use crate::sink::script::{Deed, Reply, Script};

/// What is fixed by a vendor.
struct Vendor {
    format: &'static str,
    /// Where a request goes if the endpoint has no path.
    target: &'static str,
    /// The header of the key and its value for the key `k-123`.
    key: (&'static str, &'static str),
    content_type: &'static str,
    gzip: bool,
    /// The most bytes and records of a payload.
    most: (usize, usize),
    /// The most bytes of a record, if a record of a test reaches it.
    record_bytes: Option<usize>,
}

const BEARER: (&str, &str) = ("authorization", "Bearer k-123");

const VENDORS: [Vendor; 8] = [
    Vendor {
        format: "datadog",
        target: "/api/v2/logs",
        key: ("dd-api-key", "k-123"),
        content_type: "application/json",
        gzip: true,
        most: (5_000_000, 1000),
        record_bytes: None,
    },
    Vendor {
        format: "newrelic",
        target: "/log/v1",
        key: ("api-key", "k-123"),
        content_type: "application/json",
        gzip: true,
        most: (1_000_000, usize::MAX),
        record_bytes: None,
    },
    Vendor {
        format: "honeycomb",
        target: "/1/batch/shop",
        key: ("x-honeycomb-team", "k-123"),
        content_type: "application/json",
        gzip: true,
        most: (5_000_000, usize::MAX),
        record_bytes: None,
    },
    Vendor {
        format: "axiom",
        target: "/v1/datasets/logs/ingest",
        key: BEARER,
        content_type: "application/x-ndjson",
        gzip: true,
        most: (usize::MAX, 10_000),
        record_bytes: None,
    },
    Vendor {
        format: "betterstack",
        target: "/",
        key: BEARER,
        content_type: "application/json",
        gzip: true,
        most: (10 * 1024 * 1024, usize::MAX),
        record_bytes: None,
    },
    Vendor {
        format: "coralogix",
        target: "/logs/v1/singles",
        key: BEARER,
        content_type: "application/json",
        gzip: false,
        most: (2_000_000, usize::MAX),
        record_bytes: None,
    },
    Vendor {
        format: "dynatrace",
        target: "/api/v2/logs/ingest",
        key: ("authorization", "Api-Token k-123"),
        content_type: "application/json; charset=utf-8",
        gzip: true,
        most: (10_000_000, 50_000),
        record_bytes: None,
    },
    Vendor {
        format: "victorialogs",
        target: "/insert/jsonline?_msg_field=message&_time_field=timestamp&_stream_fields=service_name,function_name,region",
        key: BEARER,
        content_type: "application/stream+json",
        gzip: true,
        most: (usize::MAX, usize::MAX),
        record_bytes: Some(256 * 1024),
    },
];

/// The records of a payload as JSON, whatever stands around them.
fn records(format: &str, body: &[u8]) -> Vec<String> {
    let text = std::str::from_utf8(body).expect("text");
    match format {
        "axiom" | "victorialogs" => text.lines().map(str::to_owned).collect(),
        "newrelic" => {
            let (_, logs) = text.split_once("\"logs\":").expect("its records");
            super::elements(logs.strip_suffix("}]").expect("the end of the block"))
        }
        _ => super::elements(text),
    }
}

#[test]
fn an_endpoint_without_a_path_gets_the_vendors_and_the_key_its_header() {
    for vendor in &VENDORS {
        let sink = Sink::ok();
        let fed = feed(
            sink,
            vendor.format,
            &[
                ("OTEL_SERVICE_NAME", "shop"),
                ("BROOKLET_API_KEY", "k-123"),
                (
                    "BROOKLET_INDEX",
                    if vendor.format == "axiom" { "logs" } else { "" },
                ),
            ],
            &[vec![line("one")]],
        );
        let received = fed.sink.received();
        assert!(!received.is_empty(), "{}", vendor.format);
        for request in received {
            // `feed` names a path, which stays as it is.
            assert_eq!(request.target, "/logs", "{}", vendor.format);
            let (header, value) = vendor.key;
            assert_eq!(request.header(header), Some(value), "{}", vendor.format);
            assert_eq!(request.header("content-type"), Some(vendor.content_type));
            let coding = request.header("content-encoding");
            assert_eq!(coding, vendor.gzip.then_some("gzip"), "{}", vendor.format);
        }
        let bare = format!("http://{}", fed.sink.authority());
        let sink = fed.sink;
        let before = sink.received().len();
        let mut run = Scenario::to(&bare)
            .option("FORMAT", vendor.format)
            .option("INDEX", if vendor.format == "axiom" { "logs" } else { "" })
            .env("OTEL_SERVICE_NAME", "shop")
            .unfrozen()
            .start();
        assert!(run.lambda.drained(PATIENCE), "init was not delivered");
        run.finish();
        let received = sink.received();
        assert!(received.len() > before, "{}", vendor.format);
        for request in &received[before..] {
            assert_eq!(request.target, vendor.target, "{}", vendor.format);
        }
    }
}

#[test]
fn no_payload_is_larger_than_the_vendor_takes() {
    let text = "x".repeat(2_000);
    let batches: Vec<_> = (0..10)
        .map(|batch| {
            (0..150)
                .map(|n| line(&format!("line {batch} {n} {text}")))
                .collect()
        })
        .collect();
    for vendor in &VENDORS {
        let fed = feed(Sink::ok(), vendor.format, &[], &batches);
        let (bytes, count) = vendor.most;
        let mut lines = 0;
        for request in fed.sink.received() {
            let body = request.body();
            assert!(
                body.len() <= bytes,
                "{}: {} bytes",
                vendor.format,
                body.len()
            );
            let records = records(vendor.format, &body);
            assert!(
                records.len() <= count,
                "{}: {} records",
                vendor.format,
                records.len()
            );
            lines += records.iter().filter(|json| json.contains(&text)).count();
        }
        assert_eq!(lines, 1_500, "{}", vendor.format);
        fed.assert_whole();
    }
}

#[test]
fn a_record_that_is_too_large_is_cut_and_marked() {
    for vendor in &VENDORS {
        let Some(most) = vendor.record_bytes else {
            continue;
        };
        // Some are more than twice as large.
        let giant = format!("giant {}", "é\"".repeat(most / 2));
        let json = format!("{{\"giant\":{}}}", quote(&giant));
        let events = vec![line(&giant), line("small"), line(&json)];
        let fed = feed(Sink::ok(), vendor.format, &[], &[events]);
        assert_eq!(fed.count("truncated"), 2, "{:?}", fed.counters);
        fed.assert_whole();
        let mut cut = 0;
        for request in fed.sink.received() {
            for json in records(vendor.format, &request.body()) {
                assert!(
                    json.len() <= most,
                    "{}: {} bytes",
                    vendor.format,
                    json.len()
                );
                serde_json::from_str::<serde_json::Value>(&json).expect("JSON");
                if json.contains("… [truncated]") && json.contains("giant ") {
                    cut += 1;
                    // No more is lost than must be.
                    assert!(
                        json.len() > most - 64,
                        "{}: {} bytes",
                        vendor.format,
                        json.len()
                    );
                }
            }
        }
        assert_eq!(cut, 2, "{}", vendor.format);
    }
}

fn answered(vendor: &Vendor, first: Reply) -> Fed {
    let lines = (0..20).map(|n| line(&format!("line {n}"))).collect();
    let sink = Sink::new(Script::first([first]));
    feed(
        sink,
        vendor.format,
        &[("BROOKLET_BATCH_RECORDS", "20")],
        &[lines],
    )
}

#[test]
fn what_may_pass_is_sent_again_and_what_is_too_large_in_parts() {
    for vendor in &VENDORS {
        for status in [408, 413, 429, 500, 503] {
            let fed = answered(vendor, Reply::status(status).body("no"));
            fed.assert_whole();
            let sizes: Vec<usize> = fed
                .sink
                .received()
                .iter()
                .map(|one| records(vendor.format, &one.body()).len())
                .collect();
            assert_eq!(sizes[0], 20, "{} {status}: {sizes:?}", vendor.format);
            let second = if status == 413 { 1..20 } else { 20..21 };
            assert!(
                second.contains(&sizes[1]),
                "{} {status}: {sizes:?}",
                vendor.format
            );
        }
    }
}

#[test]
fn a_wrong_key_is_told_once_and_counted() {
    for vendor in &VENDORS {
        for status in [401, 403] {
            let fed = answered(vendor, Reply::status(status).body("who are you?"));
            assert_eq!(fed.count("refused"), 20, "{} {status}", vendor.format);
            let told = format!("{status}: who are you?");
            assert!(fed.tells(&["error: ", &told]), "{} {status}", vendor.format);
        }
    }
}

#[test]
fn a_time_that_cannot_be_read_is_when_the_record_came() {
    // The plain formats keep an odd time as it came; a vendor would refuse the record, or file it under 1970.
    for vendor in &VENDORS {
        let sink = Sink::ok();
        let mut run = crate::scenario::feed::scenario(&sink, vendor.format, &[]).start();
        let body = r#"[{"time":"odd time","type":"function","record":"x-odd\n"},{"time":7,"type":"function","record":"x-odd\n"},{"type":"function","record":"x-odd\n"}]"#;
        let answer = run.lambda.sender().post("POST", "/", body.as_bytes());
        assert_eq!(answer.expect("answered").status, 200);
        run.finish();
        let mut found = 0;
        for request in sink.received() {
            for json in records(vendor.format, &request.body()) {
                if json.contains("x-odd") {
                    found += 1;
                    assert!(!json.contains("odd time"), "{}: {json}", vendor.format);
                    let names = ["timestamp", "time", "_time", "dt"];
                    let fields = crate::model::fields(&json);
                    let time = fields
                        .iter()
                        .find(|(name, _)| names.contains(&name.as_str()));
                    let (_, time) = time.unwrap_or_else(|| panic!("no time: {json}"));
                    let sound = time.starts_with("\"20")
                        || time.starts_with("17")
                        || time.starts_with("18");
                    assert!(sound, "{}: {time}", vendor.format);
                }
            }
        }
        assert_eq!(found, 3, "{}", vendor.format);
    }
}

#[test]
fn a_dataset_or_index_that_is_named_is_where_records_go() {
    let target = |format: &str| -> String {
        let sink = Sink::ok();
        let bare = sink.url("/");
        let payload: Payload = payload_to(&sink, format, &bare);
        payload.request.target.clone()
    };
    assert_eq!(target("honeycomb"), "/1/batch/my%20logs");
    assert_eq!(target("axiom"), "/v1/datasets/my%20logs/ingest");
}

/// The payload of the shared events for an endpoint and the index `my logs`.
fn payload_to(sink: &Sink, format: &str, endpoint: &str) -> Payload {
    let options = [
        ("BROOKLET_ENDPOINT", endpoint),
        ("BROOKLET_INDEX", "my logs"),
    ];
    super::payload_at(sink, format, &options)
}

#[test]
fn a_payload_is_the_same_from_run_to_run() {
    let twice = [payload("datadog", &[]), payload("datadog", &[])];
    assert_eq!(twice[0].body, twice[1].body);
}

/// What `--check` prints with these variables.
fn checked(variables: &[(&str, &str)]) -> String {
    let output = std::process::Command::new(binary())
        .arg("--check")
        .env_clear()
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the binary runs");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn check_explains_the_usual_mistakes() {
    for (format, status, answer, hint) in [
        ("datadog", 403, r#"{"errors":["Forbidden"]}"#, "DD_SITE"),
        ("newrelic", 403, "{}", "license (ingest) key"),
        (
            "honeycomb",
            401,
            r#"{"error":"unknown API key - check your credentials"}"#,
            "api.eu1.honeycomb.io",
        ),
        (
            "honeycomb",
            200,
            r#"[{"status":400,"error":"request body is too large"}]"#,
            "",
        ),
        (
            "axiom",
            404,
            r#"{"message":"dataset not found"}"#,
            "BROOKLET_INDEX",
        ),
        ("betterstack", 403, "Unauthorized", "source token"),
        ("coralogix", 401, "", "Send-Your-Data"),
        (
            "dynatrace",
            401,
            r#"{"error":{"code":401,"message":"Token Authentication failed"}}"#,
            "not as Bearer",
        ),
        ("dynatrace", 403, r#"{"error":{"code":403}}"#, "logs.ingest"),
        (
            "dynatrace",
            200,
            r#"{"details":{"code":200,"message":"1 events were not ingested because of timestamp out of correct time range."}}"#,
            "24 hours",
        ),
        ("victorialogs", 404, "", "/insert/jsonline"),
        (
            "splunk",
            400,
            r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#,
            "BROOKLET_INDEX",
        ),
        (
            "splunk",
            401,
            r#"{"text":"Invalid authorization","code":3}"#,
            "Splunk <token>",
        ),
        (
            "elasticsearch",
            200,
            r#"{"errors":true,"items":[{"create":{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index [logs]"}}}]}"#,
            "name one in the endpoint's path",
        ),
        (
            "elasticsearch",
            401,
            r#"{"error":{"type":"security_exception"}}"#,
            "not as Bearer",
        ),
        ("loki", 401, "no org id", "X-Scope-OrgID"),
        ("otlp", 404, "", "/v1/logs"),
        // What may pass is explained too.
        ("json", 429, "slow down", "quota"),
        ("datadog", 503, "", "down or starts"),
        (
            "splunk",
            503,
            r#"{"text":"Server is busy","code":9}"#,
            "queues",
        ),
        (
            "loki",
            429,
            "Maximum active stream limit exceeded",
            "BROOKLET_LABELS",
        ),
        ("json", 401, "", "BROOKLET_API_KEY"),
        ("ndjson", 415, "", "BROOKLET_COMPRESSION"),
        ("json", 400, "", ""),
        ("json", 200, "", ""),
    ] {
        let sink = Sink::new(Script::always(Reply::status(status).body(answer)));
        let told = checked(&[
            ("BROOKLET_ENDPOINT", &sink.url("/")),
            ("BROOKLET_FORMAT", format),
            ("BROOKLET_API_KEY", "key-of-gold"),
        ]);
        let line = told.lines().find(|line| line.starts_with("hint "));
        match (line, hint) {
            (None, "") => {}
            (Some(line), hint) if !hint.is_empty() => {
                assert!(line.contains(hint), "{format} {status}: {told}");
            }
            _ => panic!("{format} {status}: {told}"),
        }
        assert!(!told.contains("of-gold"), "{told}");
    }
}

#[test]
fn check_explains_why_no_answer_came() {
    let plain = Sink::ok();
    let tls = Sink::tls(Script::always(Reply::ok()));
    let closing = Sink::new(Script::always(Reply::deed(Deed::CloseBeforeAnswer)));
    let refusing = Refusing::new();
    for (endpoint, hint) in [
        ("http://no-such-host.invalid/".to_owned(), "spelled right"),
        (refusing.url("/"), "nothing listens"),
        (plain.url("/").replace("http:", "https:"), "without TLS"),
        (tls.url("/"), "BROOKLET_CA_FILE"),
        (tls.url("/").replace("https:", "http:"), "https://"),
        (closing.url("/"), "hangs up"),
    ] {
        let told = checked(&[("BROOKLET_ENDPOINT", &endpoint)]);
        assert!(told.contains("not delivered"), "{endpoint}: {told}");
        let line = told.lines().find(|line| line.starts_with("hint "));
        let line = line.unwrap_or_else(|| panic!("{endpoint}: {told}"));
        assert!(line.contains(hint), "{endpoint}: {told}");
    }
    assert!(plain.received().is_empty() && tls.received().is_empty());
}

#[test]
fn a_fallback_without_a_path_gets_the_vendors() {
    let sink = Sink::new(Script::always(Reply::status(403)));
    let aside = Sink::ok();
    let bare = format!("http://{}", aside.authority());
    let options = [("BROOKLET_FALLBACK_ENDPOINT", bare.as_str())];
    let fed = feed(sink, "datadog", &options, &[vec![line("one")]]);
    assert!(fed.count("dead_lettered") > 0, "{:?}", fed.counters);
    let received = aside.received();
    assert!(received.iter().all(|one| one.target == "/api/v2/logs"));
}

#[test]
fn a_vendors_own_variables_are_enough() {
    let sink = Sink::ok();
    let bare = format!("http://{}", sink.authority());
    let told = checked(&[
        ("BROOKLET_FORMAT", "axiom"),
        ("AXIOM_URL", &bare),
        ("AXIOM_TOKEN", "xaat-1"),
        ("AXIOM_DATASET", "my logs"),
    ]);
    assert!(told.contains("delivered, status 200"), "{told}");
    let request = &sink.received()[0];
    assert_eq!(request.target, "/v1/datasets/my%20logs/ingest");
    assert_eq!(request.header("authorization"), Some("Bearer xaat-1"));
    assert!(!told.contains("xaat-1"), "{told}");
}

#[test]
fn datadog_needs_no_endpoint() {
    for (variables, host) in [
        (&[][..], "http-intake.logs.datadoghq.com"),
        (
            &[("DD_SITE", "us5.datadoghq.com")],
            "http-intake.logs.us5.datadoghq.com",
        ),
    ] {
        // A proxy that refuses keeps it from calling the real host.
        let refusing = Refusing::new();
        let proxy = refusing.url("");
        let mut all = vec![
            ("BROOKLET_FORMAT", "datadog"),
            ("BROOKLET_PROXY", proxy.as_str()),
        ];
        all.extend(variables);
        let told = checked(&all);
        let endpoint = format!("https://{host}/api/v2/logs");
        assert!(told.contains(&endpoint), "{told}");
    }
}

#[test]
fn a_host_tells_its_format() {
    for (host, format) in [
        ("http-intake.logs.datadoghq.eu", "datadog"),
        ("http-intake.logs.us3.datadoghq.com", "datadog"),
        ("log-api.newrelic.com", "newrelic"),
        ("log-api.eu.newrelic.com", "newrelic"),
        ("log-api.jp.nr-data.net", "newrelic"),
        ("gov-log-api.newrelic.com", "newrelic"),
        ("api.honeycomb.io", "honeycomb"),
        ("api.eu1.honeycomb.io", "honeycomb"),
        ("api.axiom.co", "axiom"),
        ("api.eu.axiom.co", "axiom"),
        ("s123.eu-nbg-2.betterstackdata.com", "betterstack"),
        ("in.logs.betterstack.com", "betterstack"),
        ("ingress.eu2.coralogix.com", "coralogix"),
        ("ingress.coralogix.in", "coralogix"),
        ("abc12345.live.dynatrace.com", "dynatrace"),
        ("otlp-gateway-prod-eu-west-2.grafana.net", "otlp"),
        ("logs.eu-west-1.amazonaws.com", "otlp"),
        ("logs-prod-012.grafana.net", "loki"),
        ("http-inputs-acme.splunkcloud.com", "splunk"),
        ("my.es.eu-west-1.aws.found.io", "elasticsearch"),
        ("search-x.aos.eu-west-1.on.aws", "elasticsearch"),
        ("x.lambda-url.eu-west-1.on.aws", "json"),
        ("example.com", "json"),
        ("axiom.co.example.com", "json"),
        ("api.nothoneycomb.io", "json"),
        ("http-intake.logs.ddog-gov.com", "datadog"),
        ("http-intake.logs.example.com", "json"),
        ("http-intake.logs.notdatadoghq.com", "json"),
    ] {
        let refusing = Refusing::new();
        let told = checked(&[
            ("BROOKLET_ENDPOINT", &format!("https://{host}")),
            ("BROOKLET_PROXY", &refusing.url("")),
        ]);
        let line = told.lines().find(|line| line.starts_with("format "));
        let found = line.and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(found, Some(format), "{host}: {told}");
    }
}
