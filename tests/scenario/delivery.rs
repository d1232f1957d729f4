//! What reaches the destination, how it is written, and what is done when it is not taken.

use crate::harness::{PATIENCE, Run, Scenario};
use crate::lambda::function::Invocation;
use crate::model;
use crate::sink::absent::Refusing;
use crate::sink::proxy::Proxy;
use crate::sink::script::{Deed, Reply, Script};
use crate::sink::{Sink, tls};
use std::time::Duration;

/// How many lines of standard error hold a text.
fn told(run: &Run, text: &str) -> usize {
    run.stderr()
        .iter()
        .filter(|line| line.contains(text))
        .count()
}

#[test]
fn both_formats_carry_text_and_json_logs() {
    for (format, content_type) in [
        ("json", "application/json"),
        ("ndjson", "application/x-ndjson"),
    ] {
        for json_logs in [false, true] {
            let sink = Sink::ok();
            let scenario = Scenario::with(&sink).option("FORMAT", format);
            let mut run = if json_logs {
                scenario.json_logs()
            } else {
                scenario
            }
            .start();
            run.invoke(&Invocation::line("plain").print(r#"{"level":"INFO","n":1}"#));
            run.invoke(&Invocation::line("two\nlines, a \"quote\", a tab\t and \u{1f980}").fails());
            run.finish_conserved(&sink);
            for request in sink.received() {
                assert_eq!(request.method, "POST");
                assert_eq!(request.target, "/logs");
                assert_eq!(request.header("content-type"), Some(content_type));
                assert_eq!(request.header("content-encoding"), Some("gzip"));
                assert_eq!(request.header("authorization"), None);
            }
        }
    }
}

#[test]
fn one_trailing_newline_is_taken_off_and_no_more() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    run.invoke(
        &Invocation::silent()
            .record(r#""none""#)
            .record(r#""one\n""#)
            .record(r#""two\n\n""#)
            .record(r#""""#),
    );
    run.finish_conserved(&sink);
    let said: Vec<_> = model::records(&sink)
        .into_iter()
        .filter(|record| record.kind == "function")
        .filter_map(|record| record.message)
        .collect();
    assert_eq!(said, ["none", "one", "two\n", ""]);
}

#[test]
fn a_record_may_be_any_json_value() {
    let values = [
        "{}",
        "[]",
        "[1,{\"a\":null}]",
        "0",
        "-1.5e300",
        "12345678901234567890123",
        "true",
        "null",
        "{\"a\":{\"b\":[\"\\u00e9\"]}}",
    ];
    for format in ["json", "ndjson"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("FORMAT", format)
            .json_logs()
            .start();
        let mut invocation = Invocation::silent();
        for value in values {
            invocation = invocation.record(value);
        }
        run.invoke(&invocation);
        run.finish_conserved(&sink);
    }
}

#[test]
fn compression_can_be_switched_off() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("COMPRESSION", "none").start();
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    for request in sink.received() {
        assert_eq!(request.header("content-encoding"), None);
    }
}

#[test]
fn headers_and_key_go_with_every_request() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink)
        .option("HEADERS", "X-Source=lambda,X-Note=a%2Cb%3D%20c")
        .option("API_KEY", "k-123")
        .start();
    run.invoke(&Invocation::lines(2));
    run.invoke(&Invocation::lines(2));
    run.finish_conserved(&sink);
    assert!(sink.received().len() >= 2);
    for request in sink.received() {
        assert_eq!(request.header("x-source"), Some("lambda"));
        assert_eq!(request.header("x-note"), Some("a,b= c"));
        assert_eq!(request.header("authorization"), Some("Bearer k-123"));
        assert!(
            request
                .header("user-agent")
                .is_some_and(|agent| agent.starts_with("brooklet")),
            "{request:?}"
        );
    }
}

#[test]
fn an_invocation_s_requests_share_a_connection() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("BATCH_RECORDS", "10").start();
    run.invoke(&Invocation::lines(60));
    run.finish_conserved(&sink);
    let (requests, connections) = (sink.received().len() as u64, sink.connections());
    assert!(
        requests >= 6 && connections <= 3,
        "{requests} requests over {connections} connections"
    );
}

#[test]
fn tls_trusts_the_named_authority() {
    for host in ["127.0.0.1", "localhost"] {
        let sink = Sink::tls(Script::always(Reply::ok()));
        let url = format!("https://{host}:{}/logs", sink.port());
        let ca = tls::file("ca.pem");
        let mut run = Scenario::to(&url)
            .option("CA_FILE", &ca.to_string_lossy())
            .start();
        run.invoke(&Invocation::lines(3));
        run.invoke(&Invocation::lines(3));
        run.finish_conserved(&sink);
    }
}

#[test]
fn tls_does_not_trust_a_stranger() {
    let sink = Sink::tls(Script::always(Reply::ok()));
    let mut run = Scenario::to(&sink.url("/logs")).start();
    run.invoke(&Invocation::lines(3));
    run.finish();
    assert_eq!(sink.received().len(), 0);
    assert!(told(&run, "certificate") >= 1, "{}", run.printed());
}

#[test]
fn a_batch_is_cut_by_count_and_by_bytes() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).option("BATCH_RECORDS", "10").start();
    run.invoke(&Invocation::lines(35));
    run.finish_conserved(&sink);
    assert!(
        sink.received()
            .iter()
            .all(|request| model::records_of(request).len() <= 10)
    );

    for format in ["json", "ndjson"] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink)
            .option("BATCH_BYTES", "4000")
            .option("COMPRESSION", "none")
            .option("FORMAT", format)
            .start();
        run.invoke(
            &Invocation::silent()
                .burst(60, 150)
                .print("x".repeat(9_000))
                .burst(3, 150),
        );
        run.finish_conserved(&sink);
        for request in sink.received() {
            let records = model::records_of(&request).len();
            assert!(
                request.raw.len() <= 4_000 || records == 1,
                "{} bytes, {records} records",
                request.raw.len()
            );
        }
        assert!(sink.received().len() >= 5);
    }
}

#[test]
fn what_may_be_retried_is_sent_again_byte_by_byte() {
    for status in [408, 429, 500, 502, 503, 504] {
        let sink = Sink::new(Script::first([Reply::status(status)]));
        let mut run = Scenario::with(&sink).start();
        run.invoke(&Invocation::lines(3));
        run.finish_conserved(&sink);
        let received = sink.received();
        assert_eq!(received[0].status, Some(status));
        assert!(
            received[0].raw == received[1].raw,
            "the second try after {status} is another payload"
        );
    }
}

#[test]
fn a_broken_connection_is_tried_again_byte_by_byte() {
    for deed in [
        Deed::ResetBeforeAnswer,
        Deed::CloseBeforeAnswer,
        Deed::HalfHead,
    ] {
        let sink = Sink::new(Script::first([Reply::deed(deed.clone())]));
        let mut run = Scenario::with(&sink).start();
        run.invoke(&Invocation::lines(3));
        run.finish_conserved(&sink);
        let received = sink.received();
        assert!(
            received[0].raw == received[1].raw,
            "the second try after {deed:?} is another payload"
        );
    }
    for deed in [Deed::ResetAfterHead, Deed::ResetInBody(40)] {
        let sink = Sink::new(Script::first([Reply::deed(deed)]));
        let mut run = Scenario::with(&sink).start();
        run.invoke(&Invocation::lines(3));
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_resent_record_keeps_its_id() {
    // The answer is lost, so the destination has everything twice and must be able to tell.
    let sink = Sink::new(Script::first([Reply::ok().body("{\"taken\":true}")].map(
        |reply| Reply {
            deed: Deed::HalfHead,
            ..reply
        },
    )));
    let mut run = Scenario::with(&sink).start();
    run.invoke(&Invocation::lines(3));
    run.finish_conserved(&sink);
    let ids = |number: usize| -> Vec<String> {
        model::records_of(&sink.received()[number])
            .iter()
            .map(|record| record.id().to_owned())
            .collect()
    };
    assert_eq!(ids(0), ids(1));
}

#[test]
fn there_are_three_tries_and_the_function_goes_on() {
    let sink = Sink::new(Script::always(Reply::status(500)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "5000")
        .start();
    run.invoke(&Invocation::line("one"));
    let tries = sink.received().len();
    assert_eq!(tries, 3, "{}", run.printed());
    assert!(
        sink.received()
            .iter()
            .all(|request| request.raw == sink.received()[0].raw)
    );
    sink.set(Script::always(Reply::ok()));
    run.invoke(&Invocation::line("two"));
    run.finish();
    assert!(
        model::records(&sink)
            .iter()
            .any(|record| record.says() == "two")
    );
    assert!(told(&run, "500") >= 1, "{}", run.printed());
}

#[test]
fn what_is_refused_for_good_is_not_sent_again() {
    for status in [400, 401, 403, 404] {
        let sink = Sink::new(Script::first([Reply::status(status).body("no such thing")]));
        let mut run = Scenario::with(&sink).start();
        run.invoke(&Invocation::line("refused"));
        run.invoke(&Invocation::line("taken"));
        run.finish();
        let received = sink.received();
        assert!(
            received[1..]
                .iter()
                .all(|request| request.raw != received[0].raw),
            "{status} was tried again"
        );
        assert!(
            model::records(&sink)
                .iter()
                .any(|record| record.says() == "taken")
        );
        assert!(told(&run, &status.to_string()) >= 1, "{}", run.printed());
    }
}

#[test]
fn retry_after_is_honoured_within_the_budget() {
    for status in [429, 503] {
        let sink = Sink::new(Script::first([
            Reply::status(status).header("Retry-After", "1")
        ]));
        let mut run = Scenario::with(&sink)
            .option("FLUSH_BUDGET_MS", "4000")
            .start();
        run.invoke(&Invocation::lines(2));
        let received = sink.received();
        assert!(received.len() >= 2, "{}", run.printed());
        let pause = received[1].at - received[0].answered.unwrap();
        assert!(
            pause >= Duration::from_millis(990),
            "{pause:?} after {status}"
        );
        run.finish_conserved(&sink);
    }
}

#[test]
fn a_retry_after_beyond_the_budget_does_not_hold_the_function() {
    let sink = Sink::new(Script::first([
        Reply::status(429).header("Retry-After", "3600")
    ]));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "300")
        .alone()
        .start();
    run.invoke(&Invocation::line("one"));
    run.invoke(&Invocation::line("two"));
    run.finish();
}

#[test]
fn a_redirect_takes_neither_records_nor_key_elsewhere() {
    for status in [301, 302, 307, 308] {
        let elsewhere = Sink::ok();
        let sink = Sink::new(Script::first([Reply::redirect(
            status,
            &elsewhere.url("/moved"),
        )]));
        let mut run = Scenario::with(&sink).option("API_KEY", "k-123").start();
        run.invoke(&Invocation::line("one"));
        run.invoke(&Invocation::line("two"));
        run.finish();
        assert_eq!(elsewhere.received().len(), 0);
        assert!(
            model::records(&sink)
                .iter()
                .any(|record| record.says() == "two")
        );
        assert!(told(&run, &status.to_string()) >= 1, "{}", run.printed());
    }
}

#[test]
fn the_destination_s_proxy_is_used_for_the_destination_alone() {
    let (sink, proxy) = (Sink::ok(), Proxy::start());
    let mut run = Scenario::with(&sink).option("PROXY", &proxy.url()).start();
    run.invoke(&Invocation::lines(3));
    run.finish_conserved(&sink);
    let asked = proxy.asked();
    assert!(!asked.is_empty());
    assert!(
        asked
            .iter()
            .all(|one| one.target.contains(&sink.authority())),
        "{asked:?}"
    );

    let (sink, proxy) = (Sink::tls(Script::always(Reply::ok())), Proxy::start());
    let ca = tls::file("ca.pem");
    let mut run = Scenario::with(&sink)
        .option("PROXY", &proxy.url())
        .option("CA_FILE", &ca.to_string_lossy())
        .start();
    run.invoke(&Invocation::lines(3));
    run.finish_conserved(&sink);
    assert!(
        proxy
            .asked()
            .iter()
            .all(|one| one.method == "CONNECT" && one.target == sink.authority())
    );
}

#[test]
fn a_destination_that_comes_back_gets_what_waited() {
    let sink = Sink::new(Script::always(Reply::deed(Deed::ResetAfterHead)));
    let mut run = Scenario::with(&sink)
        .option("FLUSH_BUDGET_MS", "60")
        .start();
    run.invoke(&Invocation::line("during the outage"));
    sink.set(Script::always(Reply::ok()));
    // The pause between two tries may last beyond one invocation.
    for _ in 0..20 {
        run.invoke(&Invocation::line("after it"));
    }
    run.finish();
    assert!(
        model::records(&sink)
            .iter()
            .any(|record| record.says() == "after it")
    );
    model::assert_unique_ids(&model::records(&sink));
}

#[test]
fn a_refusing_destination_costs_nothing_but_its_records() {
    let refusing = Refusing::new();
    let mut run = Scenario::to(&refusing.url("/logs")).start();
    for _ in 0..3 {
        run.invoke(&Invocation::lines(3));
    }
    run.finish();
    assert!(!run.stderr().is_empty(), "it says nothing");
}

#[test]
fn types_choose_what_is_shipped() {
    for (types, wanted) in [
        ("function", &["function"][..]),
        ("platform", &["platform"]),
        (
            "platform,function,extension",
            &["platform", "function", "extension"],
        ),
    ] {
        let sink = Sink::ok();
        let mut run = Scenario::with(&sink).option("TYPES", types).start();
        // The platform's events are needed even where they are not shipped.
        let mut subscribed = run.lambda.subscription().unwrap().types;
        subscribed.retain(|kind| kind != "platform" || wanted.contains(&"platform"));
        assert_eq!(subscribed, wanted);
        run.invoke(&Invocation::lines(2));
        run.finish();
        let mut told = run.lambda.events_taken();
        told.retain(|event| {
            wanted
                .iter()
                .any(|kind| event.kind.split('.').next() == Some(kind))
        });
        model::assert_conserved(&told, &model::records(&sink));
    }
}

#[test]
fn a_line_that_comes_after_its_invocation_is_shipped_all_the_same() {
    let sink = Sink::ok();
    let mut run = Scenario::with(&sink).start();
    let first = run.invoke(&Invocation::line("in time").print_late("too late"));
    run.invoke(&Invocation::line("next"));
    assert!(model::wait_records(&sink, 3, PATIENCE));
    run.finish_conserved(&sink);
    let records = model::records(&sink);
    let late = records
        .iter()
        .find(|record| record.says() == "too late")
        .unwrap();
    assert_eq!(late.text("request_id"), Some(first.request_id.as_str()));
}
